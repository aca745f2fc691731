-- suite: the specs of the sandbox once more, every sandbox of them a jail: the same outcomes,
-- texts and figures from a process of its own (I1).
local helper = require "helper"
local outside = require "outside"

local FILES = { "compile", "fuel", "hostile", "job", "library", "process", "state", "where" }

describe("in a jail", function()
  local place
  setup(function() place = outside.place("jail-suite") end)
  teardown(function() place:remove() end)

  for _, name in ipairs(FILES) do
    it("holds what spec/unit/sandbox/" .. name .. "_spec.lua says", function()
      local done = place:start({ "luajit", "/usr/bin/busted", "--helper=spec/support/helper.lua",
        "--output=TAP", "--pattern=_spec", "spec/unit/sandbox/" .. name .. "_spec.lua" },
        { cwd = outside.root, env = { ELG_SANDBOX = "jail", ELG_BUILD = helper.build,
          LUA_CPATH = outside.build .. "/spec/?.so;;",
          LUA_PATH = "lua/?.lua;lua/?/init.lua;spec/support/?.lua;;" } }):wait(600000)
      local passed = select(2, ("\n" .. done.out):gsub("\nok ", ""))
      assert.equal(0, done.code, done.out:sub(-3000) .. done.err)
      assert.is_true(passed > 4, done.out)
      print(("jailed: %d of %s_spec.lua"):format(passed, name))
    end)
  end
end)
