-- testing_options: what is given to elg.testing, looked at before anything is executed. Knows
-- no host.
local M = {}

-- Wrong use: the message is for the author of the test.
local function fail(where, text)
  error(("elg.testing: %s: %s"):format(where, text), 0)
end

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

local function check_type(value, kinds, where)
  if kinds == "any" or value == nil then return end
  for kind in kinds:gmatch("%a+") do
    if type(value) == kind then return end
  end
  fail(where, ("must be a %s, not a %s"):format(kinds, type(value)))
end

-- Fields of `given` against { name = "string or table" or "any" }.
local function check_fields(given, known, where, what)
  for name, value in pairs(given) do
    local at = where == "" and tostring(name) or where .. "." .. tostring(name)
    if not known[name] then
      fail(at, ("unknown; %s has %s"):format(what, names_of(known)))
    end
    check_type(value, known[name], at)
  end
end

local function check_number(value, low, where)
  if value ~= nil and (value ~= value or value < low) then
    fail(where, ("must be a number from %d"):format(low))
  end
end

local OPTIONS = { input = "any", answers = "table or function", journal = "table", now_ms = "number",
  seed = "string or number", trace_id = "string", timeout_ms = "number", fuel_max = "number",
  memory_bytes_max = "number" }

local ERROR = { code = "string", message = "string" }

-- By what says which call an answer is for: the fields it may have.
local ANSWERS = {
  url = { url = "string", method = "string", status = "number", headers = "table", body = "string",
    request = "table", value = "any", err = "table", times = "number" },
  call = { call = "string", request = "any", value = "any", err = "table", times = "number" },
  wait = { wait = "string", value = "any", err = "table", times = "number" },
  run = { run = "string", input = "any", value = "any", err = "table", times = "number" },
  type = { type = "string", request = "any", value = "any", err = "table", times = "number" },
}
-- As in the journal, and as elg_host_intercept is asked.
local TYPES = { http_request = true, call = true, now = true, sleep = true, wait = true, run = true,
  write_artifact = true, read_artifact = true }
local KINDS = { "url", "call", "wait", "run", "type" }
local RESPONSE = { "status", "headers", "body" }

-- check_error(err, where): an error that a call is answered with is { code =, message = }.
-- Raises for what is none.
function M.check_error(err, where)
  if type(err) ~= "table" then fail(where, "must be a table { code =, message = }, not a " .. type(err)) end
  check_fields(err, ERROR, where, "an error")
  if not err.code or err.code == "" then fail(where, "has no code") end
end

local function kind_of(entry, where)
  local found
  for _, kind in ipairs(KINDS) do
    if entry[kind] ~= nil then
      if found then fail(where, ("has both %s and %s; an answer is for one call"):format(found, kind)) end
      found = kind
    end
  end
  return found or fail(where, "names no call: it needs one of url, call, wait, run, type")
end

local function check_answer(entry, where)
  if type(entry) ~= "table" then fail(where, "must be a table, not a " .. type(entry)) end
  local kind = kind_of(entry, where)
  check_fields(entry, ANSWERS[kind], where, "an answer with " .. kind)
  if kind == "type" and not TYPES[entry.type] then
    fail(where .. ".type", ("%q is none; there are %s"):format(entry.type, names_of(TYPES)))
  end
  check_number(entry.times, 0, where .. ".times")
  if entry.err ~= nil then M.check_error(entry.err, where .. ".err") end
  if entry.err ~= nil and entry.value ~= nil then fail(where, "has both value and err") end
  for _, name in ipairs(RESPONSE) do
    local other = entry[name] ~= nil and (entry.err ~= nil and "err" or entry.value ~= nil and "value")
    if other then fail(where, ("has both %s and %s"):format(other, name)) end
  end
  local status = entry.status
  if status and (status % 1 ~= 0 or status < 100 or status > 599) then
    fail(where .. ".status", "must be an integer from 100 to 599")
  end
end

local function check_list(list)
  local count = 0
  for place in pairs(list) do
    if type(place) ~= "number" then
      fail("answers." .. tostring(place), "answers is a list of tables, { { url = ... }, ... }")
    end
    count = count + 1
  end
  for i = 1, count do
    if list[i] == nil then fail(("answers[%d]"):format(i), "is missing: a list has no holes") end
    check_answer(list[i], ("answers[%d]"):format(i))
  end
end

-- check_run(path, options): what testing.run is given. Raises for the first thing that is
-- wrong, with its name.
function M.check_run(path, options)
  if type(path) ~= "string" then fail("run", "the graph's path must be a string, not a " .. type(path)) end
  if type(options) ~= "table" then fail("run", "options must be a table, not a " .. type(options)) end
  check_fields(options, OPTIONS, "", "options")
  for name, low in pairs { now_ms = 0, timeout_ms = 1, fuel_max = 1, memory_bytes_max = 1 } do
    check_number(options[name], low, name)
  end
  if options.journal and type(options.journal.recorded) ~= "table" then
    fail("journal", "must be what testing.journal gave")
  end
  if type(options.answers) == "table" then check_list(options.answers) end
end

-- check_kind(value, kind, where): raises if the value is of another type.
function M.check_kind(value, kind, where)
  if type(value) ~= kind then fail(where, ("must be a %s, not a %s"):format(kind, type(value))) end
end

return M
