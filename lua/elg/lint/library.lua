-- library: the names that node code finds in the sandbox, and what to use in place of those
-- that it does not. A spec compares this with the sandbox itself.
local M = {}

local function set(names)
  local found = {}
  for name in names:gmatch("%S+") do found[name] = true end
  return found
end

-- Global functions and constants.
M.globals = set [[assert error getmetatable ipairs load loadstring next pairs pcall rawequal
  rawget rawset require select setmetatable tonumber tostring type unpack xpcall _G _VERSION]]

-- Tables of functions.
M.tables = {
  coroutine = set "create isyieldable resume running status wrap yield",
  string = set "byte char find format gmatch gsub len lower match rep reverse sub upper",
  table = set "concat insert maxn move remove sort",
  math = set [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log
    log10 max min modf pi pow rad random randomseed sin sinh sqrt tan tanh]],
  bit = set "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex",
  os = set "clock date difftime time",
  utf8 = set "char charpattern codepoint codes len offset",
}

-- Fields of the tables above, and globals, that are no functions.
M.values = set "_G _VERSION math.huge math.pi utf8.charpattern"

-- What ctx has: functions with how many arguments they take, from and to, a table of them (a spec
-- compares this with the sandbox), and values.
M.ctx = {
  all = { 1, 1 }, artifact = { read = { 1, 2 }, write = { 1, 2 } }, call = { 1, 3 }, http = { 1, 1 },
  log = { 1, 3 }, map = { 2, 3 }, mcp = { 1, 1 }, now = { 0, 0 }, rand = { 1, 1 }, request = { 1, 1 },
  run = { 1, 3 }, secret = { 1, 1 }, send = { 1, 1 }, sleep = { 1, 1 }, sql = { 1, 1 }, uuid = { 0, 0 },
  wait = { 1, 2 },
}
M.ctx_values = set "attempt node_id previous step_index trace_id"

-- Names that the tables of options have, and at which place of the arguments they are. A spec compares this with
-- what is taken.
M.options = {
  http = { 1, set "at_most_once body follow headers max_bytes method raise reconcile timeout_ms url" },
  wait = { 1, set "name raise timeout_ms" },
  call = { 3, set "at_most_once raise timeout_ms" },
  run = { 3, set "raise" },
  map = { 3, set "concurrency" },
  ["artifact.write"] = { 2, set "content encoding name raise type" },
  ["artifact.read"] = { 2, set "encoding hash name raise size type" },
}

-- What ctx has and no version performs yet.
M.unsupported = set "mcp request send sql"

-- What to do without what is absent.
M.instead = {
  print = "use ctx.log", io = "use ctx.artifact or ctx.http", ["os.getenv"] = "take it from the "
    .. "input, a secret with ctx.secret", ["os.execute"] = "use ctx.call", dofile = "use require",
  loadfile = "use require", ["table.unpack"] = "use unpack", ["table.getn"] = "use #",
  ["table.foreach"] = "use pairs", ["table.foreachi"] = "use ipairs",
  ["string.gfind"] = "use string.gmatch", jit = "node code is interpreted",
  ffi = "host functions are reached with ctx.call", debug = "errors carry a traceback",
  collectgarbage = "memory is given back after each step",
  elg = 'write local elg = require "elg" at the top of the file', json = "use elg.json",
  cjson = "use elg.json", package = "use require", module = "return a table from the file",
  ["os.exit"] = "return from the node, or use error", ["os.remove"] = "use ctx.artifact",
  ["os.rename"] = "use ctx.artifact", ["os.tmpname"] = "use ctx.artifact",
  ["table.pack"] = 'use { n = select("#", ...), ... }', ["string.dump"] = "code is no value here",
  setfenv = "pass a table instead", getfenv = "pass a table instead", bit32 = "use bit",
  newproxy = "use a table",
}

return M
