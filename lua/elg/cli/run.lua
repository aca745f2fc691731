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

-- Gives the input of the run, then nil.
local function one_input(options)
  local text = input.read_whole(options.input or "{}")
  return function()
    local this = text
    text = nil
    return this
  end
end

-- What is wrong with a line of JSON Lines: the library's place in it is on line 1.
local function line_error(number, message, where)
  local column = where:match("^input line 1( column .*)$")
  if column then return ("input line %d%s: %s"):format(number, column, message) end
  return ("input line %d: %s%s"):format(number, where ~= "" and where .. ": " or "", message)
end

-- A function for loop:feed. Of JSON Lines, a line that does not start is reported and the
-- others go on.
local function starter(host, graph, options, work, printer)
  local many = options.concurrency ~= nil and options.input ~= nil
  local next_input
  if many then
    next_input, work.source_fd = input.lines(options.input)
  else
    next_input = one_input(options)
  end
  return function()
    local text, number = next_input()
    if text == nil then return nil end
    if text == false then return loop.LATER end
    local trace_id, created, status, where = host:start(graph, { trace_id = options.trace,
      seed = options.seed, input = text })
    if trace_id then return trace_id end
    if not many then codes.fail_status(created, status, where) end
    printer:error(line_error(number, created, where))
    work:worse(codes.by_status[status] or codes.exit.unavailable)
    return false
  end
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  if options.trace and options.concurrency and options.input then
    codes.fail(codes.exit.usage, "--trace names one run; it does not go with --concurrency")
  end
  local work = loop.create(printer, options.concurrency or 1)
  return settings.with_host(options, { on_event = work.on_event }, function(host)
    local graph = settings.open_graph(host, args[1])
    return work:run(host, starter(host, graph, options, work, printer))
  end)
end

return M
