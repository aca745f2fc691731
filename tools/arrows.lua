-- arrows: which folder of src/ may include which. Arguments: files. Prints each wrong
-- #include and fails if there is one.

-- A folder may include its own headers, elg.h, and these. "*": anything.
local ALLOWED = {
  base = {},
  json = { "base" },
  graph = { "base", "json" },
  sandbox = { "base", "json", "compile/protocol.h" },
  activity = { "base", "json" },
  checkpoint = { "base", "json" },
  transport = { "base", "json" },
  telemetry = { "base", "json" },
  executor = { "base", "json", "graph", "sandbox/sandbox.h", "activity/activity.h",
    "checkpoint/checkpoint.h" }, -- the ops tables and row shapes, not what is behind them
  host = { "*" },
  bind = { "*" },
  compile = { "base", "sandbox", "jailed/confine.h" },
  jail = { "base", "json", "sandbox/sandbox.h", "sandbox/ops.h", "jailed/confine.h" },
  jailed = { "base", "sandbox/sandbox.h", "jail/wire.h", "jail/protocol.h" },
}

-- Only these may see Lua.
local LUA_FOLDERS = { sandbox = true, bind = true, compile = true }
local LUA_HEADERS = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true,
  ["luajit.h"] = true }

local wrong = 0

local function complain(file, line, text)
  wrong = wrong + 1
  io.stderr:write(("%s:%d: %s\n"):format(file, line, text))
end

local function may_include(folder, header)
  local other = header:match("^([^/]+)/")
  if not other or other == folder then return true end
  for _, entry in ipairs(ALLOWED[folder]) do
    if entry == "*" or entry == other or entry == header then return true end
  end
  return false
end

local function check_quoted(file, line, folder, header)
  if header:match("%.c$") then
    complain(file, line, "a .c file is not for including")
  elseif not ALLOWED[folder] then
    complain(file, line, ("folder %s is not in tools/arrows.lua"):format(folder))
  elseif not may_include(folder, header) then
    complain(file, line, ("%s must not include %s"):format(folder, header))
  end
end

local function check_file(file, folder)
  local number = 0
  for line in io.lines(file) do
    number = number + 1
    local quoted = line:match('^%s*#%s*include%s*"([^"]+)"')
    local system = line:match("^%s*#%s*include%s*<([^>]+)>")
    if quoted then check_quoted(file, number, folder, quoted) end
    if system and LUA_HEADERS[system] and not LUA_FOLDERS[folder] then
      complain(file, number, ("%s must not know Lua"):format(folder))
    end
  end
end

for _, file in ipairs(arg) do
  local folder = file:match("^src/([^/]+)/")
  if folder then check_file(file, folder) end
end
os.exit(wrong == 0 and 0 or 1)
