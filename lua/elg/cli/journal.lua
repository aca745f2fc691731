-- journal: which steps a run has. Uses codes, json; takes the documents of the library.
local codes = require "elg.cli.codes"
local json = require "elg.json"

local M = {}

-- The document of one step as host:show gives it, and whether the journal has that step.
local function read_step(host, trace_id, step)
  local text = codes.check(host:show(trace_id, step))
  return text, json.member(text, "journal") ~= "[]"
end

-- The document of a run with one step of its journal. Ends the command with code 2 if the
-- run has no such step: neither committed nor begun.
function M.step(host, trace_id, step)
  local text, found = read_step(host, trace_id, step)
  if found then return text end
  local count = tonumber(json.member(text, "steps"))
  local last = select(2, read_step(host, trace_id, count)) and count or count - 1
  codes.fail(codes.exit.usage, ("has no step %.0f; %s"):format(step,
    last < 0 and "it has no steps" or ("its last is step %d"):format(last)), trace_id)
end

return M
