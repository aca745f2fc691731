-- testing_answers: which answer a call gets in a test. Uses elg.core, elg.json,
-- elg.testing_options. Knows no host.
local core = require "elg.core"
local json = require "elg.json"
local options = require "elg.testing_options"

local M = {}

local DEPTH_MAX = 128
local ARRAY = {} -- metatable of what array gives

-- array{ ... }: a table that is written as an array also when it is empty.
function M.array(list)
  options.check_kind(list, "table", "array")
  return setmetatable(list, ARRAY)
end

local function fail(path, text)
  error(("elg.testing: %s: %s"):format(path, text), 0)
end

local encode_value

-- How many places a list has; nil: it is an object.
local function list_size(value, path)
  local listed, named, highest = 0, nil, 0
  for key in pairs(value) do
    if type(key) == "number" then
      listed, highest = listed + 1, math.max(highest, key)
      if key % 1 ~= 0 or key < 1 then fail(path, ("%s is no place in a list"):format(key)) end
    elseif type(key) == "string" then
      named = named or key
    else
      fail(path, "a member's name is a " .. type(key))
    end
  end
  local is_list = listed > 0 or getmetatable(value) == ARRAY
  if is_list and named then fail(path, ("has both a list and the name %s"):format(named)) end
  if highest > listed then fail(path, "is a list with holes; testing.null stands for null") end
  return is_list and listed or nil
end

local function encode_table(value, depth, path)
  if depth > DEPTH_MAX then fail(path:sub(1, 40), "a value nested deeper than " .. DEPTH_MAX) end
  local parts, size = {}, list_size(value, path)
  if size then
    for i = 1, size do parts[i] = encode_value(value[i], depth, ("%s[%d]"):format(path, i)) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, member in pairs(value) do
    parts[#parts + 1] = encode_value(name, depth, path .. ": a name") .. ":"
      .. encode_value(member, depth, path .. "." .. name)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_string(value, path)
  local text = json.quote(value)
  if value:find("[\128-\255]") and core.decode(text) ~= value then fail(path, "not valid UTF-8") end
  return text
end

function encode_value(value, depth, path)
  local kind = type(value)
  if kind == "table" then return encode_table(value, depth + 1, path) end
  if kind == "string" then return encode_string(value, path) end
  if kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then
      fail(path, "a number that JSON does not have")
    end
    return ("%.17g"):format(value)
  end
  if value == core.null or value == nil then return "null" end
  if kind == "boolean" then return tostring(value) end
  return fail(path, "a " .. kind .. " is not a JSON value")
end

-- encode(value, name): its canonical JSON. Raises for what JSON does not have: a table with
-- both a list and names, holes, text that is not UTF-8. `name` is what messages call it.
function M.encode(value, name)
  local text, message = core.canonical(encode_value(value, 0, name or "value"))
  return text or fail(name or "value", message)
end

-- Does every member of `part` stand in `whole`, too?
local function fits(part, whole, depth)
  if type(part) ~= "table" or type(whole) ~= "table" then return part == whole end
  if depth > DEPTH_MAX then return false end
  for name, value in pairs(part) do
    if not fits(value, whole[name], depth + 1) then return false end
  end
  return true
end

local function url_of(request)
  local url = request.url
  if type(url) ~= "table" then return url end
  local parts = {}
  for i, part in ipairs(url) do
    parts[i] = type(part) == "table" and "{" .. tostring(part["$secret"]) .. "}" or part
  end
  return table.concat(parts)
end

-- What an entry is for, as { type, url, name, request }.
local function entry_fits(entry, kind, request)
  if entry.url then
    return kind == "http_request" and entry.url == url_of(request)
      and (not entry.method or entry.method == (request.method or "GET"))
      and (entry.request == nil or fits(entry.request, request, 0))
  end
  if entry.call then
    return kind == "call" and entry.call == request.name
      and (entry.request == nil or fits(entry.request, request.request, 0))
  end
  if entry.wait then return kind == "wait" and entry.wait == request.name end
  if entry.run then
    return kind == "run" and entry.run == request.graph
      and (entry.input == nil or fits(entry.input, request.input, 0))
  end
  return entry.type == kind and (entry.request == nil or fits(entry.request, request, 0))
end

-- An entry's answer: { value = JSON text } or { err = { code, message } }.
local function answer_of(entry)
  if entry.err then return { err = entry.err } end
  if entry.url and entry.value == nil then
    return { value = M.encode({ status = entry.status or 200, headers = entry.headers or {},
      body = entry.body or "" }, "the answer for " .. entry.url) }
  end
  return { value = M.encode(entry.value, "the answer's value") }
end

local source = {}
source.__index = source

local function from_list(self, kind, request)
  for i, entry in ipairs(self.list) do
    if (self.left[i] or entry.times or 1) > 0 and entry_fits(entry, kind, request) then
      self.left[i] = (self.left[i] or entry.times or 1) - 1
      return answer_of(entry)
    end
  end
end

local function from_function(answer, kind, request)
  local value, err = answer(kind, request)
  if err ~= nil then
    options.check_error(err, "the error that answers gave for " .. kind)
    return { err = err }
  end
  if value ~= nil then return { value = M.encode(value, "the value that answers gave for " .. kind) } end
end

-- Recorded answers to the same request are used in their order.
local function from_journal(self, kind, text)
  local queue = self.journal and self.journal.recorded[kind .. text]
  if not queue or not queue[1] then return nil end
  return table.remove(queue, 1)
end

-- find(kind, request, text): the answer to a call, as { value = JSON text } or { err },
-- which is used up by that; nil: there is none.
function source:find(kind, request, text)
  local found
  if type(self.list) == "function" then
    found = from_function(self.list, kind, request)
  else
    found = from_list(self, kind, request)
  end
  return found or from_journal(self, kind, text)
end

-- create(list or function or nil, journal or nil)
function M.create(list, journal)
  return setmetatable({ list = list or {}, left = {},
    journal = journal and M.journal(journal.text) }, source)
end

-- Keeps what was recorded of one call. A response that lies in an artifact is not in the
-- document; such a call has no answer here.
local function keep_activity(recorded, text)
  local activity = core.decode(text)
  local response = json.member(text, "response_data")
  local value = response and response:sub(1, 1) == "{" and json.member(response, "value")
  local err = type(activity.response_data) == "table" and activity.response_data.error
  if not value and not err then return end
  local request = json.member(text, "request_data") or "{}"
  local key = activity.activity_type .. (core.canonical(request) or request)
  recorded[key] = recorded[key] or {}
  table.insert(recorded[key], { value = value or nil, err = err or nil })
end

-- journal(text): what `elg show --json` printed as { recorded = { type..request = list },
-- input, trace_id, seed, text }. Raises for what is no such document.
function M.journal(text)
  options.check_kind(text, "string", "journal")
  local document = assert(core.decode(text))
  text = json.compact(text)
  local journal = text:sub(1, 1) == "{" and json.member(text, "journal")
  if not journal then
    error("not what elg show --json prints: it has no journal", 0)
  end
  local recorded = {}
  for _, step in ipairs(json.items(journal)) do
    for _, activity in ipairs(json.items(json.member(step, "activities") or "[]")) do
      keep_activity(recorded, activity)
    end
  end
  return { recorded = recorded, input = json.member(text, "input"), text = text,
    trace_id = document.trace_id, seed = document.seed }
end

return M
