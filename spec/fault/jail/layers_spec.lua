-- layers: a system that lacks a layer of the jail has no jail: the command says which, and
-- executes nothing (I13). spec/servers/without.c takes system calls away.
local outside = require "outside"

local SANITIZED = os.getenv("ELG_MAKE") ~= nil
-- Numbers on x86-64.
local LAYERS = {
  { 444, "landlock_create_ruleset" }, { 446, "landlock_restrict_self" }, { 317, "seccomp" },
  { 157, "prctl" }, { 126, "capset" }, { 302, "setrlimit" },
}
local GRAPH = outside.one_node("state.ran = true return nil, 42")

describe("a jail", function()
  local place
  setup(function()
    place = outside.place("layers")
    place:write("g.lua", GRAPH)
  end)
  teardown(function() place:remove() end)

  local function elg_without(numbers, argv)
    return place:start({ outside.build .. "/spec/without", numbers, outside.program, unpack(argv) }):wait()
  end

  for _, layer in ipairs(LAYERS) do
    it("is refused without " .. layer[2], function()
      if SANITIZED and layer[2] ~= "prctl" and layer[2] ~= "capset" then
        return pending("left out under AddressSanitizer")
      end
      local number = ("%d"):format(layer[1])
      for _, command in ipairs { { "run", "g.lua", "--store", "memory:" }, { "check", "g.lua" },
        { "graph", "g.lua" } } do
        command[#command + 1] = "--jail"
        local done = elg_without(number, command)
        assert.equal(4, done.code, done.err)
        assert.equal("", done.out)
        assert.truthy(done.err:find("lacks a layer of the jail: " .. layer[2], 1, true), done.err)
        assert.truthy(done.err:find("Function not implemented", 1, true), done.err)
      end
    end)
  end

  it("is one without a network namespace, where that is not permitted", function()
    local done = elg_without("272", { "run", "g.lua", "--jail", "--store", "memory:" })
    assert.equal(0, done.code, done.err)
    assert.truthy(done.out:find("output 42", 1, true), done.out)
  end)

  it("is not needed by who asks for none: the compile helper takes what there is", function()
    local done = elg_without("444,446,317", { "run", "g.lua", "--store", "memory:" })
    assert.equal(0, done.code, done.err)
    assert.truthy(done.out:find("output 42", 1, true), done.out)
  end)

  it("is refused where elg-jail is not there, or is something else", function()
    for _, path in ipairs { "/nowhere/elg-jail", "/bin/true", place:write("empty", "") } do
      local done = place:elg({ "run", "g.lua", "--jail" }, { env = { ELG_JAILER = path } })
      assert.equal(4, done.code, done.err)
      assert.truthy(done.err:find(path, 1, true), done.err)
    end
  end)

  it("keeps its runs: they are executed in no other place, with the flag or without", function()
    local log = place:file("started")
    place:write("jailer", ("#!/bin/sh\necho >> %s\nexec %s/elg-jail \"$@\"\n"):format(log, outside.build))
    os.execute("chmod +x " .. place:file("jailer"))
    local function jails() return #(outside.read(log) or "") end
    local options = { env = { ELG_JAILER = place:file("jailer") } }
    local function executed(argv)
      local before = jails()
      local done = place:elg(argv, options)
      assert.equal(0, done.code, done.err)
      assert.is_true(jails() > before, table.concat(argv, " ") .. " did without a jail")
      local without = elg_without("444", argv)
      assert.equal(4, without.code, without.err)
      assert.truthy(without.err:find("begun in a jail", 1, true), without.err)
      assert.truthy(without.err:find("landlock_create_ruleset", 1, true), without.err)
    end
    place:write("slow.lua", outside.one_node("ctx.sleep(3000) return nil, 1"))
    local child = place:start_elg { "run", "slow.lua", "--jail", "--trace", "slow" }
    assert.is_true(outside.eventually(function()
      return place:elg({ "show", "slow", "--json" }).out:find('"waiting"', 1, true) ~= nil
    end))
    child:kill()
    child:wait()
    if not SANITIZED then
      local refused = elg_without("444", { "resume", "slow" })
      assert.equal(4, refused.code, refused.err)
    end
    assert.equal(0, place:elg({ "resume", "slow" }, options).code)
    assert.is_true(jails() > 0)
    if SANITIZED then return end
    executed { "replay", "slow", "--verify" }
    executed { "replay", "slow", "--to", "0" }
  end)

  it("reaches no host that is not named", function()
    place:write("net.lua", outside.one_node(
      "local res, err = ctx.http { url = 'http://127.0.0.1:1/' } return nil, err.code"))
    local done = place:json { "run", "net.lua", "--jail", "--store", "memory:" }
    assert.equal("NET_DENIED", done.doc.output)
    done = place:json { "run", "net.lua", "--jail", "--store", "memory:", "--allow-net", "127.0.0.1" }
    assert.not_equal("NET_DENIED", done.doc.output)
  end)
end)
