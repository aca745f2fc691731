-- watch: elg watch. Follows a run that any process executes, until it ends.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local report = require "elg.cli.report"
local settings = require "elg.cli.settings"
local sys = require "elg.sys"

local M = {}

-- Between two looks; no longer than people notice.
local POLL_MS = 100
-- Steps of one look.
local PAGE_STEPS = 256
local NO_DESCRIPTOR, SIGTERM = -1, 15

M.summary = "follow a run: its steps as they become durable, and its end"
M.usage = "elg watch TRACE"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, flags.stored, { "jail" } }
M.examples = {
  { "elg watch job-7", "whoever executes it; ends with the run's exit code" },
  { "elg watch job-7 --json", "a document per attempt, the result last" },
}

-- The fields of an attempt that are told; of states and outputs `show` tells.
local TOLD = { "attempt", "duration_ms", "error", "fuel", "next_edge", "node_id", "status",
  "step_index" }

local function attempt_document(trace_id, text)
  local fields = {}
  for i, name in ipairs(TOLD) do
    fields[i] = ("%q:%s"):format(name, json.member(text, name) or "null")
  end
  return ("{%s,\"trace_id\":%q}"):format(table.concat(fields, ","), trace_id)
end

local function attempt_line(step)
  local tail = step.status == "ok" and tostring(step.next_edge ~= json.null and step.next_edge
    or "") or (type(step.error) == "table" and step.error.code .. ": " .. step.error.message or "")
  return ("%5d  %s  %d  %s  %s"):format(step.step_index, step.node_id, step.attempt,
    report.attempt_status(step), tail)
end

-- Tells the attempts of a document that have ended and were not told; the next place.
local function tell(printer, trace_id, text, place)
  local texts = json.items(json.member(text, "journal"))
  for _, attempt_text in ipairs(texts) do
    local step = codes.check(json.decode(attempt_text))
    local new = step.step_index > place.step
      or (step.step_index == place.step and step.attempt > place.attempt)
    if new and step.status ~= "open" then
      printer:data_or(attempt_document(trace_id, attempt_text), attempt_line(step))
      place = { step = step.step_index, attempt = step.attempt }
    end
  end
  return place, #texts
end

-- Follows the run to its end; its result document, or nil at a signal.
local function follow(host, trace_id, printer)
  local place = { step = 0, attempt = 0 }
  repeat
    local first = place.step
    local text = codes.check(host:show(trace_id, first, first + PAGE_STEPS - 1))
    place = tell(printer, trace_id, text, place)
    local steps = tonumber(json.member(text, "steps"))
    local behind = steps > place.step + 1
    if codes.ended[codes.check(json.decode(json.member(text, "status")))] and not behind then
      return codes.check(host:result(trace_id))
    end
    if not behind then sys.poll(NO_DESCRIPTOR, POLL_MS) end
  until sys.signal()
end

-- Executes the command; the exit code is the run's.
function M.run(options, args, printer)
  return settings.with_host(options, { read_only = true }, function(host)
    local text = follow(host, args[1], printer)
    if not text then
      return sys.signal() == SIGTERM and codes.exit.terminated or codes.exit.interrupted
    end
    local result = codes.check(json.decode(text))
    report.tell(printer, text, result)
    return codes.of_result(result)
  end)
end

return M
