-- env: the file .env of the current folder, which fills in for the environment where that
-- says nothing. Uses sys. Only names that elg knows are taken: a folder must not set the
-- loader's or the TLS library's variables.
local sys = require "elg.sys"

local M = {}

local LINES_MAX = 10000
local PREFIXES = { "ELG_", "POSTGRES_", "REDIS_", "S3_", "OTEL_", "OPA_" }
-- A path to execute is not for a file that lies about.
local REFUSED = { ELG_COMPILER = true }

local function is_ours(name)
  if name == "LOG_LEVEL" or name == "LOG_FORMAT" then return true end
  if REFUSED[name] then return false end
  for _, prefix in ipairs(PREFIXES) do
    if name:sub(1, #prefix) == prefix then return true end
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

-- Reads `path` (default ".env"), if it is there.
function M.load(path)
  local file = io.open(path or ".env", "r")
  if not file then return end
  if not file:read(0) then return file:close() end -- empty, or a folder of that name
  local count = 0
  for line in file:lines() do
    count = count + 1
    if count > LINES_MAX then break end
    local name, value = M.parse_line(line)
    if name and is_ours(name) then sys.setenv(name, value) end
  end
  file:close()
end

return M
