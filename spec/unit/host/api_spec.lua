-- The edges of elg.h: what is asserted, what is refused with words, what errors say after
-- success, what a second host sees.
local api = require "api_c"
local outside = require "outside"

local SIGABRT = 6

describe("elg.h", function()
  local place, told

  setup(function()
    place = outside.place("api")
    local graph = place:write("one.lua", outside.one_node("return nil, { n = 1 }"))
    api.open("sqlite:" .. place:file("elg.db"), outside.build .. "/elg-compile", graph)
  end)
  teardown(function()
    api.close()
    place:remove()
  end)

  it("asserts every pointer that is not said to be optional", function()
    local calls = api.missing()
    for _, call in ipairs(calls) do assert.equal(SIGABRT, call[2], call[1]) end
    print(("\napi: %d calls without a pointer, each ended by its assertion"):format(#calls))
  end)

  it("refuses other arguments with words", function()
    told = api.tell()
    local expected = {
      abi = { "ELG_USAGE", "abi_version" }, durability = { "ELG_USAGE", "durability" },
      fuel = { "ELG_USAGE", "fuel_max" }, interval = { "ELG_USAGE", "checkpoint_interval" },
      cut = { "ELG_USAGE", "trace_out" }, ["cut uuid"] = { "ELG_USAGE", "trace_out" },
      trace = { "ELG_USAGE", "trace" }, seed = { "ELG_USAGE", "seed" },
      foreign = { "ELG_USAGE", "one" }, ["replay foreign"] = { "ELG_USAGE", "one" },
      ["other seed"] = { "ELG_EXISTS", "t" }, replay = { "ELG_USAGE", "to" },
      steps = { "ELG_USAGE", "steps" }, name = { "ELG_USAGE", "register" },
    }
    for name, want in pairs(expected) do
      local got = told[name]
      assert.equal(want[1], got.status, name .. ": " .. got.text)
      assert.equal(want[2], got.where, name)
      assert.truthy(#got.text > 10, name)
    end
    assert.equal("unchanged", told.trace_after)
  end)

  it("clears the error of what went well", function()
    for _, name in ipairs { "start", "again", "tick", "late", "register" } do
      assert.same({ status = "ELG_OK", where = "", text = "" }, told[name], name)
    end
  end)

  it("shows a run to another host once a tick has made it durable", function()
    assert.equal("ELG_NOT_FOUND", told.early.status)
    assert.equal("ELG_OK", told.late.status)
  end)

  it("refuses a tick from within a tick", function()
    assert.equal("ELG_USAGE", told.inner)
  end)
end)
