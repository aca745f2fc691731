-- lint: every check finds what it is for.
local sys = require "elg.sys"

local folder

-- Runs a tool over one planted file; its exit code and what it said.
local function lint(tool, path, text)
  local file = assert(io.open(folder .. "/" .. path, "w"))
  file:write(text)
  file:close()
  local here = io.popen("pwd"):read("*l")
  local pipe = io.popen(("cd %s && luajit %s/tools/%s.lua %s 2>&1; echo $?"):format(folder, here,
    tool, path))
  local said = pipe:read("*a")
  pipe:close()
  return tonumber(said:match("(%d+)\n$")), said
end

local function finds(wanted, ...)
  local code, said = lint(...)
  assert.equal(1, code, said)
  assert.truthy(said:find(wanted, 1, true), said)
end

local function passes(...)
  local code, said = lint(...)
  assert.equal(0, code, said)
end

describe("lint", function()
  setup(function()
    folder = sys.mkdtemp "/tmp/elg-lint-"
    os.execute(("mkdir -p %s/src/json %s/src/executor %s/src/host %s/obj/json"):format(folder, folder,
      folder, folder))
  end)
  teardown(function() sys.remove_tree(folder) end)

  it("finds arrows that point the wrong way", function()
    finds("json must not include graph/graph.h", "arrows", "src/json/a.c",
      '#include "base/buf.h"\n#include "graph/graph.h"\n')
    finds("src/executor/a.c:1:", "arrows", "src/executor/a.c", '#include "sandbox/box.h"\n')
    finds("json must not know Lua", "arrows", "src/json/a.c", "#include <lua.h>\n")
    finds("not for including", "arrows", "src/host/a.c", '#include "host/b.c"\n')
    passes("arrows", "src/executor/a.c", '#include "sandbox/sandbox.h"\n#include "elg.h"\n')
    passes("arrows", "src/host/a.c", '#include "checkpoint/checkpoint.h"\n')
  end)

  it("finds long functions and files", function()
    local function c(count) return "/* a */\nvoid f(void)\n{\n" .. ("x;\n"):rep(count) .. "}\n" end
    finds("a function of 61 lines", "sizes", "a.c", c(61))
    passes("sizes", "a.c", c(60))
    local function lua(count)
      return "-- a\nlocal function f()\n" .. ("  if x then\n  end\n"):rep(count) .. "end\n"
    end
    finds("a function of 62 lines", "sizes", "a.lua", lua(31))
    passes("sizes", "a.lua", lua(30))
    finds("501 lines", "sizes", "b.lua", ("-- x\n"):rep(501))
    passes("sizes", "b.lua", ("-- x\n"):rep(500))
  end)

  it("finds what has no comment", function()
    finds("no comment: int elg_json_x(", "doccheck", "src/json/a.h", "/* a */\n\nint elg_json_x(int a);\n")
    passes("doccheck", "src/json/a.h", "/* a */\n\n/* x. */\nint elg_json_x(int a);\nint elg_json_y(int a);\n")
    finds("does not open with a comment", "doccheck", "src/json/a.c", "int x;\n")
    finds("no comment: function M.f", "doccheck", "a.lua", "-- a\nlocal M = {}\n\nfunction M.f()\nend\nreturn M\n")
    passes("doccheck", "a.lua", "-- a\nlocal M = {}\n-- f\nfunction M.f()\nend\nreturn M\n")
  end)

  it("finds symbols that go round the ops tables", function()
    local function object(source)
      os.execute(("printf '%%s' '%s' | gcc -x c -c - -o %s/obj/json/a.c.o"):format(source, folder))
      local here = io.popen("pwd"):read("*l")
      local pipe = io.popen(("luajit %s/tools/symbols.lua %s/obj/json/a.c.o 2>&1; echo $?"):format(here,
        folder))
      local said = pipe:read("*a")
      pipe:close()
      return said
    end
    local said = object("long time(void *); int socket(int, int, int);"
      .. "long f(void) { return time(0) + socket(1, 1, 1); }")
    assert.truthy(said:find("src/json/a.c uses time (the clock)", 1, true), said)
    assert.truthy(said:find("uses socket (the network)", 1, true), said)
    assert.equal("0\n", object "int mytime(void); int f(void) { return mytime(); }")
  end)
end)
