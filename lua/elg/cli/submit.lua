-- submit: elg submit. Records a run for the workers of the store, without executing it.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local flags = require "elg.cli.flags"
local input = require "elg.cli.input"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "record a run for a worker to execute"
M.usage = "elg submit GRAPH [--input JSON|FILE|-] [--trace ID | --key KEY]"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, flags.stored, { "input", "trace", "key", "seed", "priority", "lines" },
  flags.limiting }
M.examples = {
  { "elg submit hello.lua --input '{\"name\":\"Ada\"}'", "prints the new trace" },
  { "elg submit order.lua --input order.json --key order-17", "once, however often it is said" },
  { "elg submit order.lua --input orders.jsonl --lines", "a run per line" },
}

local function record(host, graph, options, text)
  return host:submit(graph, { trace_id = options.trace, key = options.key, seed = options.seed,
    input = text, priority = options.priority })
end

-- Of a text that is the whole input: trace, created, or the command ends.
local function record_one(host, graph, options, text)
  local trace_id, created, status, where = record(host, graph, options, text)
  if not trace_id then input.fail(options.input or "{}", text, created, status, where, "--lines") end
  return trace_id, created
end

local function tell(printer, trace_id, created)
  printer:data_or(core.canonical(("{\"trace_id\":%q,\"created\":%s}"):format(trace_id,
    tostring(created))), (created and "%s" or "%s  there already"):format(trace_id))
  return codes.exit.done
end

-- Submits the text of a line; the exit code. Its error is reported.
local function submit_line(host, graph, options, text, number, printer)
  local trace_id, created, status, where = record(host, graph, options, text)
  if trace_id then return tell(printer, trace_id, created) end
  printer:error(("%s: %s"):format(input.place(options.input or "-", where, number), created))
  return codes.by_status[status] or codes.exit.unavailable
end

-- Every line that is an input; the highest exit code. Lines that are not do not stop the rest.
local function submit_lines(host, graph, options, next_input, printer)
  local exit, recorded, last = codes.exit.done, 0, 0
  local ok, failure = pcall(function()
    for text, number in next_input do
      local code = submit_line(host, graph, options, text, number, printer)
      if code == codes.exit.done then recorded, last = recorded + 1, number end
      exit = math.max(exit, code)
    end
  end)
  if (not ok or exit ~= codes.exit.done) then
    printer:error(recorded == 0 and "no line was recorded" or
      ("%d line%s recorded, the last one line %d; those stay"):format(recorded,
        recorded == 1 and " was" or "s were", last))
  end
  if not ok then error(failure, 0) end
  return exit
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  if options.trace and options.key then
    codes.fail(codes.exit.usage, "a run is named by --trace or by --key, not by both")
  end
  if options.lines and (options.trace or options.key) then
    codes.fail(codes.exit.usage, "--trace and --key name one run; they do not go with --lines")
  end
  local text = not options.lines and input.read_whole(options.input or "{}")
  local next_input = options.lines and input.whole_lines(options.input or "-")
  settings.rehearse(options, function(host)
    local graph = settings.open_graph(host, args[1])
    if text then record_one(host, graph, options, text) end
  end)
  return settings.with_host(options, {}, function(host)
    local graph = settings.open_graph(host, args[1])
    if text then return tell(printer, record_one(host, graph, options, text)) end
    return submit_lines(host, graph, options, next_input, printer)
  end)
end

return M
