-- waits: what a run that stands still waits for, in one line for people: signals, and the command
-- that sends one. Uses codes, json, out.
local codes = require "elg.cli.codes"
local json = require "elg.json"
local out = require "elg.cli.out"

local M = {}

-- A word as a shell takes it.
local function word(text)
  return text:find("^[%w_.:-]+$") and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The names of the signals that the last attempt of a step asked for and has not got.
local function asked_names(text)
  local journal, names = json.items(json.member(text, "journal")), {}
  local last = journal[#journal] and codes.check(json.decode(journal[#journal])) or {}
  for _, call in ipairs(last.status == "open" and last.activities or {}) do
    if call.activity_type == "wait" and call.status == "intent" and type(call.request_data) == "table" then
      names[#names + 1] = tostring(call.request_data.name)
    end
  end
  return names
end

-- sentence(host, trace_id, is_parked): of a run that waits for signals; nil: it does not, or it cannot
-- be told. is_parked: nobody executes it now.
function M.sentence(host, trace_id, is_parked)
  local result = host:result(trace_id)
  if not result or json.member(result, "status") ~= '"waiting"' then return nil end
  local step = tonumber(json.member(result, "steps"))
  local text = host:show(trace_id, step, step)
  local names = text and asked_names(text) or {}
  if #names == 0 then return nil end
  local quoted = {}
  for i, name in ipairs(names) do quoted[i] = json.quote(name) end
  return out.plain(("%s waits for %s %s: elg signal %s %s JSON%s"):format(trace_id,
    #names == 1 and "the signal" or "signals", table.concat(quoted, ", "), trace_id, word(names[1]),
    is_parked and ", then elg resume " .. trace_id or ""))
end

return M
