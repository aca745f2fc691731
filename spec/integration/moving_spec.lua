-- Verification of a run that another process executes meanwhile: no false alarm, and no true one
-- missed.
local outside = require "outside"
local served = require "served"

local VERIFICATIONS = 3
local STEPS = 1000000

for _, store in ipairs(served.stores) do
  describe("verification of a run that goes on (" .. store.name .. ")", function()
    local world, trace_id, worker
    before_each(function()
      world = served.create(store)
      worker = world:worker()
      trace_id = world:submit { steps = STEPS, spin = 5000 }
      assert(outside.eventually(function() return world:show(trace_id).steps > 5 end))
    end)
    after_each(function()
      worker:stop()
      world:destroy()
    end)

    local function verify()
      return world:json({ "replay", trace_id, "--verify" }).doc
    end

    it("agrees with what it had done", function()
      local steps = {}
      for i = 1, VERIFICATIONS do
        local doc = verify()
        assert.is_true(doc.verified, require("stores").dump(doc.divergence))
        steps[i] = doc.steps
        assert.is_true(i == 1 or steps[i] > steps[i - 1], "it did not go on")
      end
      print(("moving (%s): verified %s steps"):format(store.name, table.concat(steps, ", ")))
    end)

    it("finds what was altered", function()
      world:sql("UPDATE cmo_steps SET fuel = fuel + 1 WHERE step_index = 3")
      local doc = verify()
      assert.same({ false, 3 }, { doc.verified, doc.divergence.step })
    end)
  end)
end
