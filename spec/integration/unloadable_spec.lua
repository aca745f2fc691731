-- Runs whose graph cannot be loaded: who asks for them by name is told, and they hold up no other.
local served = require "served"

local ASKED = 12 -- more than a run may be claimed in vain
local GOOD = 6
local PAUSES_MS = 250 + 500 + 1000 + 2000 -- between five claims of one worker

for _, store in ipairs(served.stores) do
  describe("a run that cannot be loaded (" .. store.name .. ")", function()
    local world
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    it("is not quarantined by those who ask for it by name", function()
      local id = world:submit { steps = 2 }
      local mend = world:spoil(id)
      for _ = 1, ASKED do
        local done = world:elg { "resume", id }
        assert.equal(4, done.code)
        assert.truthy(done.err:find("definition", 1, true), done.err)
      end
      local doc = world:show(id)
      assert.same({ "pending", 0 }, { doc.status, doc.claims })
      mend()
      assert.equal(0, world:elg({ "resume", id }).code)
      assert.equal(2, world:show(id).steps)
    end)

    -- It is the worker that keeps count, whatever the store.
    local it_once = store.name == "sqlite" and it or function() end
    it_once("is left alone for longer each time, and holds up no other of its graph", function()
      local bad = world:submit { steps = 1 }
      world:spoil(bad)
      world.place:write("count.lua", served.COUNT .. "-- another version\n")
      local good = {}
      for i = 1, GOOD do good[i] = world:submit { steps = 1 } end
      local worker = world:worker("--concurrency", "1")
      for i = 1, GOOD do good[i] = world:await(good[i], "completed") end
      local doc = world:await(bad, "quarantined", 30000)
      worker:stop()
      local last
      for i = 1, GOOD do last = math.max(last or 0, good[i].completed_at) end
      assert.truthy(doc.error.message:find("claim 5", 1, true), doc.error.message)
      assert.is_true(last < doc.completed_at, "others waited for it")
      local ms = doc.completed_at - doc.created_at
      assert.is_true(ms >= PAUSES_MS, ("quarantined after %d ms"):format(ms))
      print(("unloadable (%s): 5 claims in %d ms; %d others done %d ms before"):format(store.name, ms,
        GOOD, doc.completed_at - last))
    end)
  end)
end
