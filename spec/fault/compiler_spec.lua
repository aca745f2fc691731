-- The compile helper's own fate reaches no node: one that dies is asked for in another, and where
-- there is none the attempt ends and is not repeated in a replay (I1, I16).
local outside = require "outside"
local process = require "process_c"

describe("the compile helper", function()
  local place
  before_each(function() place = outside.place("compiler") end)
  after_each(function() place:remove() end)

  for _, jail in ipairs { false, true } do
    local way = jail and "--jail" or "--quiet"

    it("is replaced when it is killed, unseen by node code (" .. way .. ")", function()
      place:write("loads.lua", outside.one_node([[
        local failed = elg.array {}
        for k = 1, 4000 do
          local f, problem = load("local a = " .. k .. (" local b = 1 "):rep(100) .. " return a")
          if not f then failed[#failed + 1] = k .. problem end
        end
        return nil, failed ]]))
      local child = place:start_elg { "run", "loads.lua", "--trace", "t", "--fuel", "1000000000000", "--json", way }
      local kills = 0
      while not child:wait(0) do
        for _, pid in ipairs(outside.children(child.pid, "elg-compile")) do
          kills = kills + (process.kill(pid, 9) and 1 or 0)
        end
        process.sleep_us(50000)
      end
      local done = child:wait()
      assert.equal(0, done.code, done.err)
      assert.truthy(done.out:find('"output":[]', 1, true), done.out)
      assert.is_true(kills > 0)
      assert.equal(0, place:elg({ "replay", "t", "--verify", way }).code)
    end)

    it("ends the attempt that cannot have it (" .. way .. ")", function()
      place:write("one.lua", outside.one_node([[
        ctx.wait("go", 60000)
        local f, problem = load("return 1")
        return nil, problem or f() ]]))
      local gone = place:file("gone")
      local script = place:write("helper", ("#!/bin/sh\n[ -e '%s' ] && exit 1\nexec '%s/elg-compile' \"$@\"\n")
        :format(gone, outside.build))
      os.execute("chmod +x '" .. script .. "'")
      local child = place:start_elg({ "run", "one.lua", "--trace", "t", "--json", way },
        { env = { ELG_COMPILER = script } })
      assert.truthy(outside.eventually(function() return place:elg({ "show", "t" }).out:find("waiting", 1, true) end))
      place:write("gone", "")
      for _, pid in ipairs(outside.children(child.pid, "elg-compile")) do process.kill(pid, 9) end
      assert.equal(0, place:elg({ "signal", "t", "go", "1" }).code)
      local done = child:wait()
      assert.equal(1, done.code, done.err)
      assert.truthy(done.out:find('"CRASHED"', 1, true), done.out)
      assert.equal(0, place:elg({ "replay", "t", "--verify", way }).code)
    end)
  end

  it("that dies is told to who resumes a run, of which nothing is lost", function()
    place:write("one.lua", outside.one_node "return nil, 1")
    assert.equal(0, place:elg({ "submit", "one.lua", "--trace", "t" }).code)
    local done = place:elg({ "resume", "t" }, { env = { ELG_COMPILER = "/bin/false" } })
    assert.equal(3, done.code, done.err)
    assert.truthy(done.err:find("the compiler died", 1, true), done.err)
    assert.equal(0, place:elg({ "resume", "t" }).code)
  end)

  it("compiles 64-bit literals among any number of constants", function()
    for _, count in ipairs { 1, 250, 400, 3000 } do
      local parts = {}
      for i = 1, count do parts[i] = ('"text %d"'):format(i) end
      place:write("many.lua", outside.one_node(([[
        local texts = { %s }
        local wide, more = 0x7fffffffffffffffLL, 1ULL
        for i = 1, 3000 do texts[i] = texts[i] or ("x"):rep(i) .. i end
        local ok, problem = pcall(function() return wide .. "" end)
        return nil, { #texts, tostring(wide - more), ok, problem ~= nil } ]]):format(table.concat(parts, ", "))))
      local done = place:json { "run", "many.lua", "--trace", "t" .. count, "--audit", "1" }
      assert.same({ 3000, "9223372036854775806ULL", false, true }, done.doc and done.doc.output, done.err)
      assert.equal(0, place:elg({ "replay", "t" .. count, "--verify" }).code)
    end
  end)
end)
