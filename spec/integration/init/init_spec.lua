-- elg init: what it makes works as its README says, with what make install puts in place. And
-- the types for editors name what is there.
local core = require "elg.core"
local helper = require "helper"
local program = require "program"
local sys = require "elg.sys"
local tree = require "elg.lint.tree"

local p, installed

local function read_all(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Commands in the made project, with the installed program first in PATH.
local function project(commands)
  return p:sh(("PATH=%s/bin:$PATH; unset ELG_COMPILER; cd project; %s"):format(installed, commands))
end

-- LuaJIT looks into /usr/local by itself; this install is elsewhere.
local LUA = "LUA_PATH='%s/share/lua/5.1/?.lua;;' LUA_CPATH='%s/lib/lua/5.1/?.so;;'"

describe("elg init", function()
  setup(function()
    p = program.create()
    installed = p.folder .. "/usr"
    local pipe = io.popen(("make -s B=%s %s PREFIX=%s install 2>&1; echo $?"):format(helper.build,
      os.getenv("ELG_MAKE") or "", installed))
    local said = pipe:read("*a")
    pipe:close()
    assert.truthy(said:find("0\n$"), said)
    assert.equal(0, (p:sh "$ELG init project"))
  end)
  teardown(function() p:destroy() end)

  it("says the folder's name without its last slash", function()
    local code, out = p:sh "$ELG init slash//"
    assert.equal(0, code)
    assert.truthy(out:find("^slash/graph.lua\nslash/spec/graph_spec.lua\n"), out)
    assert.equal("slash", core.decode(select(2, p:sh "rm -r slash && $ELG init slash/ --json")).folder)
  end)

  it("makes a graph that has nothing wrong, and runs", function()
    local code, out, err = project "elg check graph.lua --strict && elg graph graph.lua"
    assert.equal(0, code, err)
    assert.truthy(out:find("^graph.lua: nothing wrong\nflowchart"), out)
    code, out, err = project [[elg run graph.lua --input '{"name":"Ada"}' --json]]
    assert.equal(0, code, err)
    assert.same({ text = "Hello, Ada!" }, core.decode(out:match("[^\n]+\n$")).output)
    assert.equal(0, (project "elg list --json | grep -q completed"))
  end)

  it("makes a test that busted runs in the same sandbox", function()
    local command = LUA:format(installed, installed) .. " busted"
    local code, out, err = project(command)
    assert.equal(0, code, out .. err)
    assert.truthy(out:find("3 successes / 0 failures / 0 errors", 1, true), out)
    -- with a built one, too
    local here = io.popen("pwd"):read("*l")
    code, out, err = project(("LUA_PATH='%s/lua/?.lua;;' LUA_CPATH='%s/spec/?.so;;' busted"):format(here,
      helper.build:sub(1, 1) == "/" and helper.build or here .. "/" .. helper.build))
    assert.equal(0, code, out .. err)
    -- and that fails when the graph is wrong
    local graph = read_all(p.folder .. "/project/graph.lua")
    p:write("project/graph.lua", (graph:gsub("%%s, %%s!", "%%s %%s?")))
    code, out = project(command)
    p:write("project/graph.lua", graph)
    assert.not_equal(0, code)
    assert.truthy(out:find("1 success / 2 failures", 1, true), out)
  end)

  it("says in its README how busted finds what is installed elsewhere", function()
    local line = assert(read_all(p.folder .. "/project/README.md"):match("\n +([^\n]*LUA_PATH[^\n]*)"))
    local code, out, err = project(line)
    assert.equal(0, code, out .. err)
    assert.truthy(out:find("3 successes", 1, true), out)
  end)

  it("overwrites nothing", function()
    local before = read_all(p.folder .. "/project/graph.lua")
    local code, _, err = project "rm README.md; elg init; code=$?; test ! -e README.md && exit $code"
    assert.equal(2, code)
    assert.truthy(err:find("graph.lua: is there already; nothing was written", 1, true), err)
    assert.equal(before, read_all(p.folder .. "/project/graph.lua"))
    p:write("file", "")
    for _, path in ipairs { "file", "file/below", "/proc/none" } do
      code, _, err = p:run("init " .. path)
      assert.equal(4, code, path)
      assert.truthy(err:find(path:match("^/?[^/]+"), 1, true), err)
    end
    assert.equal(2, (p:run "init ''"))
  end)

  it("makes the folders above", function()
    assert.equal(0, (p:sh "$ELG init 'a b/ü/c' && $ELG check 'a b/ü/c/graph.lua' && $ELG init d//e/"))
    assert.equal("file", sys.kind(p.folder .. "/d/e/meta/elg.lua"))
    assert.same({ ".busted", ".gitignore", ".luarc.json", "README.md", "graph.lua", "meta", "spec" },
      sys.names(p.folder .. "/a b/ü/c"))
  end)

  it("leaves nothing behind when it cannot write", function()
    p:sh "mkdir there; echo mine >there/notes"
    for blocks = 0, 12 do -- of 512 bytes: another file fails each time
      for _, folder in ipairs { "full", "full/a/b", "there" } do
        local _, out = p:sh(("said=$(ulimit -f %d; $ELG init '%s' 2>&1; echo $?); echo \"$said\"")
          :format(blocks, folder))
        assert.truthy(out:find("File too large\n4\n$"), out)
      end
      assert.is_nil(sys.kind(p.folder .. "/full"))
      assert.same({ "notes" }, sys.names(p.folder .. "/there"))
    end
    p:sh "mkdir there/spec; chmod 0555 there/spec"
    if p:sh "touch there/spec/x" ~= 0 then -- root may write anywhere
      assert.equal(4, (p:run "init there"))
      assert.same({ "notes", "spec" }, sys.names(p.folder .. "/there"))
    end
    p:sh "chmod 0755 there/spec; rm -r there/spec; touch there/spec"
    assert.equal(4, (p:run "init there"))
    assert.same({ "notes", "spec" }, sys.names(p.folder .. "/there"))
    assert.equal(0, (p:sh "rm there/spec; $ELG init there && $ELG init full"))
  end)

  it("names the files with --json", function()
    local code, result = p:json "init other"
    assert.equal(0, code)
    assert.equal("other", result.folder)
    for _, name in ipairs(result.files) do
      assert.equal("file", sys.kind(p.folder .. "/other/" .. name), name)
    end
    assert.equal(8, #result.files)
  end)

  it("gives editors settings that are JSON and point to the types", function()
    local settings = assert(core.decode(read_all(p.folder .. "/project/.luarc.json")))
    assert.equal("LuaJIT", settings["runtime.version"])
    assert.same({ "meta" }, settings["workspace.library"])
    for _, name in ipairs { "debug", "ffi", "io", "jit", "os", "package" } do
      assert.equal("disable", settings["runtime.builtin"][name], name)
    end
    assert.equal(read_all "lua/meta/elg.lua", read_all(p.folder .. "/project/meta/elg.lua"))
  end)
end)

-- Functions and fields that a file of types declares for a local name: { "ctx.now", ... }.
local function declared(path, roots)
  local text = read_all(path)
  assert(loadstring(text))
  local found = {}
  local file = assert(tree.read(path, text))
  for assign in tree.each(file, "Assign") do
    local target = assign.targets[1]
    local prefix = target.tag == "Index" and roots[target.object.name]
    if prefix then found[prefix .. target.key.value] = true end
  end
  for class, prefix in pairs(roots.classes) do
    local fields = text:match("%-%-%-@class " .. class:gsub("%.", "%%.") .. "\n(.-)local ")
    for name in fields:gmatch("%-%-%-@field ([%w_]+)") do found[prefix .. name] = true end
  end
  return found
end

local NAMES = [[
local elg = require "elg"
return elg.graph { id = "n", version = "1", entry = "first",
  nodes = {
    first = function() return "on" end,
    names = function(_, _, ctx)
      local found = {}
      local function add(prefix, t)
        for name, value in pairs(t) do
          found[prefix .. name] = true
          if type(value) == "table" then add(prefix .. name .. ".", value) end
        end
      end
      add("elg.", elg)
      add("ctx.", ctx)
      return nil, found
    end,
  },
  edges = { { from = "first", key = "on", to = "names" } } }
]]

describe("the types for editors", function()
  it("name what ctx and elg have, and nothing else", function()
    local named = program.create { ["names.lua"] = NAMES }
    local code, result, _, err = named:json "run names.lua --store memory:"
    named:destroy()
    assert.equal(0, code, err)
    assert.same(result.output, declared("lua/meta/elg.lua", { ctx = "ctx.", elg = "elg.",
      json = "elg.json.", artifact = "ctx.artifact.",
      classes = { ["elg.Ctx"] = "ctx.", ["elg"] = "elg." } }))
  end)

  it("name every code that a call's error may have", function()
    local listed, count = {}, 0
    for code in read_all("lua/meta/elg.lua"):match("@alias elg.ErrorCode string\n(.-)\n\n"):gmatch('"([%u_]+)"') do
      listed[code] = true
    end
    -- where the sources write one: as an argument of what fails a call, or of the table of a child's endings
    for path in io.popen("ls src/activity/*.c src/host/children*.c src/bind/call.c"):lines() do
      for line in read_all(path):gmatch("[^\n]+") do
        local code = (line:find "fail%(" or line:find "refuse%(" or line:find "write_error%(" or line:find "code = "
          or line:find "return \"" or line:find "%[ELG_RUN_") and line:match('"(%u[%u_]+)"')
        if code and not line:find("strcmp", 1, true) then
          assert.is_true(listed[code], path .. ": " .. code)
          count = count + 1
        end
      end
    end
    assert.is_true(count >= 30, count .. " codes in the sources")
  end)

  it("let state be any value", function()
    local text = read_all "lua/meta/elg.lua"
    assert.is_nil(text:find("state%??:? table"))
    assert.truthy(text:find("---@field initial? elg.Value|fun", 1, true))
  end)

  it("name what elg.testing has", function()
    local real = {}
    for name in pairs(require "elg.testing") do real["testing." .. name] = true end
    assert.same(real, declared("lua/meta/testing.lua", { testing = "testing.",
      classes = { ["elg.testing"] = "testing." } }))
  end)
end)
