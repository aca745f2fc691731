-- run: elg run. Begins runs of a graph and executes them to their end.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local input = require "elg.cli.input"
local loop = require "elg.cli.loop"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "execute a graph, durably"
M.usage = "elg run GRAPH [--input JSON|FILE|-] [--trace ID] [--seed TEXT]"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, flags.stored, { "input", "trace", "seed", "concurrency" },
  flags.executing }
M.examples = {
  { "elg run hello.lua --input '{\"name\":\"Ada\"}'", "one run" },
  { "elg run atlas.lua --input countries.jsonl --concurrency 16", "a run per line" },
  { "elg run fetch.lua --trace job-7 --json", "attaches to job-7 if it has begun" },
}

local LINES_FLAG = "--concurrency N"

local function start(host, graph, options, text)
  return host:start(graph, { trace_id = options.trace, seed = options.seed, input = text })
end

-- The run of a text that is the whole input, or the command ends.
local function start_one(host, graph, options, text)
  local trace_id, message, status, where = start(host, graph, options, text)
  if not trace_id then input.fail(options.input or "{}", text, message, status, where, LINES_FLAG) end
  return trace_id
end

-- Gives the text, then nil.
local function once(text)
  return function()
    local this = text
    text = nil
    return this
  end
end

-- A function for loop:feed. Of JSON Lines, a line that does not start is reported and the
-- others go on.
local function starter(host, graph, options, next_input, work, printer)
  return function()
    local text, number = next_input()
    if text == nil then return nil end
    if text == false then return loop.LATER end
    if not number then return start_one(host, graph, options, text) end
    local trace_id, message, status, where = start(host, graph, options, text)
    if trace_id then return trace_id, input.place(options.input, "", number) end
    printer:error(("%s: %s"):format(input.place(options.input, where, number), message))
    work:worse(codes.by_status[status] or codes.exit.unavailable)
    return false
  end
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  local many = options.concurrency ~= nil and options.input ~= nil
  if options.trace and many then
    codes.fail(codes.exit.usage, "--trace names one run; it does not go with --concurrency")
  end
  local work = loop.create(printer, options.concurrency or 1)
  work.folder, work.tells_waits = settings.folder(args[1]), not many and options.store ~= "memory:"
  local text = not many and input.read_whole(options.input or "{}")
  local next_input = text and once(text)
  if many then next_input, work.source_fd = input.lines(options.input) end
  settings.rehearse(options, function(host)
    local graph = settings.open_graph(host, args[1])
    if text then start_one(host, graph, options, text) end
  end)
  return settings.with_host(options, { on_event = work.on_event }, function(host)
    local graph = settings.open_graph(host, args[1])
    return work:run(host, starter(host, graph, options, next_input, work, printer))
  end)
end

return M
