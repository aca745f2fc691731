-- abort: elg abort. Asks for a run's end, durably.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local loop = require "elg.cli.loop"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "end a run; its owner carries it out, or this process if there is none"
M.usage = "elg abort TRACE"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, flags.stored, { "jail" } }
M.examples = { { "elg abort job-7", "fails when job-7 is not in the store" } }

-- Executes the command; the exit code. 0 when the abort is recorded: what the run comes to
-- is its own.
function M.run(options, args, printer)
  local work = loop.create(printer, 1)
  work.on_end = function() end
  return settings.with_host(options, { on_event = work.on_event, there = true }, function(host)
    codes.check(host:abort(args[1]))
    work:run(host, nil)
    local text = codes.check(host:result(args[1]))
    local result = codes.check(json.decode(text))
    if printer.json then printer:data(text) end
    printer:text(codes.ended[result.status]
      and ("%-11s %s"):format(result.status, result.trace_id)
      or ("abort asked of the live owner of %s"):format(result.trace_id))
    return codes.exit.done
  end)
end

return M
