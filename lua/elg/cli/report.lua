-- report: a run's result for people. Uses codes, json, out, settings. Takes the result documents of the
-- library.
local codes = require "elg.cli.codes"
local json = require "elg.json"
local out = require "elg.cli.out"
local settings = require "elg.cli.settings"

local M = {}

local SHORT_BYTES = 400
local LONG_BYTES = 20000

-- The text of a JSON value with a label: on one line if short, else indented.
local function value_lines(label, text)
  if #text <= SHORT_BYTES then return label .. text end
  local long = json.pretty(text, "  ")
  if #long > LONG_BYTES then
    long = long:sub(1, LONG_BYTES) .. ("\n  ... %d bytes in all; --json prints them"):format(#text)
  end
  return label .. long
end

-- The canonical text of one member of a result document; the library writes canonical
-- members, of which `state` and `output` may be anything.
local function member_text(text, name)
  return json.member(text, name) or "null"
end

-- A traceback whose files are those of a folder, as seen from the current one.
local function seen(folder, traceback)
  return (traceback:gsub("([^%s<>]+%.lua)(:%d+)", function(file, line)
    return settings.seen(folder, file) .. line
  end))
end

-- The status of an attempt of the journal: "retried" for the row in which elg retry keeps how the
-- run had ended; no code ran for it.
function M.attempt_status(step)
  local failure = step.error
  local retried = step.status == "aborted" and type(failure) == "table" and failure.code == "RETRIED"
  return retried and "retried" or step.status
end

-- Lines about a run's error: code, message, where, traceback of the author's code. `folder` (may be nil)
-- is where the graph's files lie, "" or "x/".
function M.error_lines(failure, folder)
  folder = folder or ""
  if type(failure) ~= "table" then return {} end
  local lines = { out.plain(("%s: %s"):format(tostring(failure.code), tostring(failure.message))) }
  if type(failure.where) == "string" and failure.where ~= "" then
    lines[#lines + 1] = "  at " .. out.plain(settings.seen(folder, failure.where))
  end
  if type(failure.traceback) == "string" and failure.traceback ~= "" then
    lines[#lines + 1] = "  " .. out.plain(seen(folder, failure.traceback))
  end
  return lines
end

-- The result of a run: its JSON text and the decoded document. elapsed_ms and folder may be nil.
function M.result(text, result, elapsed_ms, folder)
  local head = ("%-11s %s  %s"):format(result.status, result.trace_id, out.count(result.steps, "step"))
  if elapsed_ms then head = head .. " in " .. out.duration(elapsed_ms) end
  local lines = { head }
  local output = member_text(text, "output")
  if output ~= "null" then lines[#lines + 1] = value_lines("output ", output) end
  for _, line in ipairs(M.error_lines(result.error, folder)) do lines[#lines + 1] = line end
  return table.concat(lines, "\n")
end

-- What became of a run that ended badly, in one line.
local function in_short(result, folder)
  local failure = type(result.error) == "table" and result.error or {}
  local where = type(failure.where) == "string" and settings.seen(folder or "", failure.where) or ""
  return ("%s: %s%s%s"):format(result.trace_id, result.status,
    failure.code and (": %s: %s"):format(failure.code, tostring(failure.message)) or "",
    where ~= "" and (" (at %s)"):format(where) or "")
end

-- Prints a result: its document with --json; with --quiet one line on stderr if the run ended
-- badly. `place` (may be nil) is where its input stands, told of such a run; `folder` (may be nil)
-- where the graph's files lie.
function M.tell(printer, text, result, elapsed_ms, place, folder)
  local is_bad = codes.ended[result.status] and result.status ~= "completed"
  if printer.json then
    printer:data(text)
    if is_bad and place then printer:note(("%s: %s %s"):format(place, result.status, result.trace_id)) end
  elseif printer.quiet and is_bad then
    printer:error((place and place .. ": " or "") .. in_short(result, folder))
  else
    printer:text(M.result(text, result, elapsed_ms, folder)
      .. (is_bad and place and "\n  from " .. place or ""))
  end
end

return M
