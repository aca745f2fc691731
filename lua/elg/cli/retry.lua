-- retry: elg retry. A run that ended badly goes on with a new attempt.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "open runs again that failed, timed out, diverged or are quarantined"
M.usage = "elg retry TRACE ..."
M.args = { min = 1, max = math.huge }
M.flags = { flags.common, flags.stored, { "jail" } }
M.examples = {
  { "elg retry job-7", "a new attempt at the step where it ended; a worker takes it up" },
  { "elg retry job-7 && elg resume job-7", "and executes it here" },
}

-- Opens one run again; its exit code.
local function retry(host, trace_id, printer)
  local ok, message, status, where = host:retry(trace_id)
  if not ok then
    printer:error((where ~= "" and where .. ": " or "") .. message)
    return codes.by_status[status] or codes.exit.unavailable
  end
  local text = codes.check(host:result(trace_id))
  local result = codes.check(json.decode(text))
  printer:data_or(text, ("%-11s %s  goes on at step %d"):format(result.status, trace_id,
    result.steps))
  return codes.exit.done
end

-- Executes the command; the exit code, of several runs the highest.
function M.run(options, args, printer)
  local more = { there = true, on_event = function(event) printer:event(event) end }
  return settings.with_host(options, more, function(host)
    local exit = codes.exit.done
    for _, trace_id in ipairs(args) do
      exit = math.max(exit, retry(host, trace_id, printer))
    end
    return exit
  end)
end

return M
