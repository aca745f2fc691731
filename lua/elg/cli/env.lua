-- env: the file .env of the current folder, which fills in for the environment where that
-- says nothing. Uses codes, flags, sys. Only names that elg knows are taken: a folder must not set
-- the loader's or the TLS library's variables.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local sys = require "elg.sys"

local M = {}

local LINES_MAX = 10000
local PREFIXES = { "ELG_", "POSTGRES_", "REDIS_", "S3_", "OTEL_", "OPA_" }
-- A path to execute is not for a file that lies about.
local REFUSED = { ELG_COMPILER = true, ELG_JAILER = true }
-- Settings that single commands have.
local OWN = { ELG_CONCURRENCY = true, ELG_THREADS = true, ELG_GC_OLDER_THAN = true }
local LINES_TOLD_MAX = 5
local ENOENT = 2

local function is_ours(name)
  if name == "LOG_LEVEL" or name == "LOG_FORMAT" then return true end
  if REFUSED[name] then return false end
  for _, prefix in ipairs(PREFIXES) do
    if name:sub(1, #prefix) == prefix then return true end
  end
  return false
end

-- Whether a name that begins with ELG_ is a setting of this elg.
function M.is_setting(name)
  if OWN[name] or REFUSED[name] or name:find("^ELG_SECRET_.") then return true end
  for _, flag in pairs(flags.all) do
    if flag.env == name then return true end
  end
  return false
end

-- NAME=VALUE, NAME="VALUE" or NAME='VALUE', with `export` or not; name, value or nil for
-- comments, blank lines and anything else.
function M.parse_line(line)
  local name, value = line:match("^%s*([%a_][%w_]*)%s*=%s*(.-)%s*$")
  if not name then
    name, value = line:match("^%s*export%s+([%a_][%w_]*)%s*=%s*(.-)%s*$")
  end
  if not name then return nil end
  local quoted = value:match('^"(.*)"$') or value:match("^'(.*)'$")
  return name, quoted or (value:gsub("%s+#.*$", ""))
end

-- What is wrong with a line; nil: nothing, or it is somebody else's. Never its text, which may
-- be a secret.
local function complaint(line, name)
  if not name then return line:find("^%s*[^#%s]") and "not NAME=VALUE; ignored" end
  if REFUSED[name] then return name .. " is not taken from a file" end
  if name:find("^ELG_") and not M.is_setting(name) then return name .. " is no setting of elg" end
end

-- Adds a complaint about a line to `complaints`, those of one kind together.
local function complain(complaints, text, number)
  if not complaints[text] then
    complaints[text] = {}
    complaints[#complaints + 1] = text
  end
  table.insert(complaints[text], number)
end

-- "PATH, line 2, 5: TEXT" for each.
local function told(path, complaints)
  local list = {}
  for i, text in ipairs(complaints) do
    local numbers = complaints[text]
    local more = #numbers > LINES_TOLD_MAX and " and more" or ""
    list[i] = ("%s, line %s%s: %s"):format(path,
      table.concat(numbers, ", ", 1, math.min(#numbers, LINES_TOLD_MAX)), more, text)
  end
  return list
end

-- The open file, or nil if there is none (or a folder of that name). Ends the command if it is
-- there and cannot be read: its settings would be missing.
local function open(path)
  if sys.kind(path) == "folder" then return nil end
  local file, message, number = io.open(path, "r")
  if file then return file end
  if number == ENOENT then return nil end
  codes.fail(codes.exit.unavailable, (message:gsub("^.*: ", "")) .. "; its settings are not known", path)
end

-- Reads `path` (default ".env"), if it is there. A list of what is wrong with its lines.
function M.load(path)
  path = path or ".env"
  local file, complaints, count = open(path), {}, 0
  if not file then return {} end
  for line in file:lines() do
    count = count + 1
    if count > LINES_MAX then
      complain(complaints, "this and what follows is not read", count)
      break
    end
    local name, value = M.parse_line(line)
    if name and is_ours(name) then sys.setenv(name, value) end
    local text = complaint(line, name)
    if text then complain(complaints, text, count) end
  end
  file:close()
  return told(path, complaints)
end

return M
