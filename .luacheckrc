-- Our own Lua runs in LuaJIT. Graphs and policies see nothing but what the sandbox gives.
std = "luajit"
max_line_length = 120
files["spec/**/*.lua"] = { std = "luajit+busted" }
local sandboxed = {
  std = "none",
  read_globals = { "require", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal",
    "rawget", "rawset", "select", "setmetatable", "getmetatable", "tonumber", "tostring", "type",
    "unpack", "xpcall", "load", "loadstring", "string", "table", "math", "os", "coroutine", "bit" },
}
files["examples/**/*.lua"] = sandboxed
files["graphs/**/*.lua"] = sandboxed
files["policies/**/*.lua"] = sandboxed
files["spec/graphs/**/*.lua"] = sandboxed
files["lua/meta/**/*.lua"] = { max_line_length = false } -- signatures for language servers
exclude_files = { "build", "lua/elg/sandbox" }
