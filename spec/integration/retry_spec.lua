-- elg retry: runs that ended badly go on, and their journals still verify.
local served = require "served"
local sys = require "elg.sys"

-- Fails in its node b as long as the file's text says so; b may be tried twice.
local FLAKY = [[
local elg = require "elg"
return elg.graph {
  id = "flaky", version = "1", entry = "a",
  initial = function() return { n = 0 } end,
  nodes = {
    a = function(state) state.n = 1 return "ok", { a = 1 } end,
    b = { run = function(state, input, ctx)
      state.at = ctx.now()
      if ctx.attempt <= %d then %s end
      state.n = 2
      return "ok", { attempt = ctx.attempt }
    end, retry = { max_attempts = 2, initial_delay_ms = %d }, timeout_ms = 200 },
    c = function(_, input) return nil, input end,
  },
  edges = { { from = "a", key = "ok", to = "b" }, { from = "b", key = "ok", to = "c" } },
}
]]

for _, store in ipairs(served.stores) do
  describe("elg retry (" .. store.name .. ")", function()
    local world
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    local function run(trace_id, until_attempt, failure, delay_ms, ...)
      world.place:write("flaky.lua", FLAKY:format(until_attempt, failure, delay_ms or 1))
      return world:json({ "run", "flaky.lua", "--trace", trace_id, ... }).doc
    end
    local function verified(trace_id)
      local doc = world:json({ "replay", trace_id, "--verify" }).doc
      return doc.verified or error(require("stores").dump(doc.divergence))
    end
    -- With a worker there the run may go on, and end, before it is looked at.
    local function released(trace_id)
      local done = world:json { "retry", trace_id }
      assert.equal(0, done.code, done.err)
      assert.is_true(verified(trace_id))
      return done.doc.status
    end
    local function retried(trace_id)
      assert.equal("running", released(trace_id))
    end
    local function resumed(trace_id)
      return world:json({ "resume", trace_id }).doc
    end

    it("goes on at the failed step, with the node's attempts anew", function()
      assert.equal("failed", run("f", 4, 'error("no")').status)
      retried "f"
      local doc = resumed "f" -- attempts 4 and 5: 3 says that it was retried
      assert.same({ "completed", 3, 5 }, { doc.status, doc.steps, doc.output.attempt })
      assert.is_true(verified "f")
      local statuses = {}
      for i, step in ipairs(world:show("f").journal) do statuses[i] = step.status end
      assert.same({ "ok", "error", "error", "aborted", "error", "ok", "ok" }, statuses)
    end)

    it("can fail again, and be retried again", function()
      run("f", 6, 'error("no")')
      for _ = 1, 2 do
        retried "f"
        local doc = resumed "f"
        if doc.status ~= "completed" then assert.equal("failed", doc.status) end
        assert.is_true(verified "f")
      end
      assert.equal("completed", world:show("f").status)
    end)

    it("keeps how the run ended, and shows who altered it", function()
      run("f", 2, 'error("no")')
      local head = world:show("f").chain
      retried "f"
      local record = world:show("f").journal[4]
      assert.truthy(record.error.message:find(head, 1, true))
      resumed "f"
      local shown, watched = world:elg({ "show", "f" }).out, world:elg({ "watch", "f" }).out
      assert.truthy(shown:find("\n +1  b +3  retried  %- +%-  %s+%-%s*\n  RETRIED: "), shown)
      assert.truthy(watched:find("\n +1  b  3  retried  RETRIED: retried by hand"), watched)
      world:sql("UPDATE cmo_steps SET error = NULL WHERE attempt = 3")
      local report = world:json({ "replay", "f", "--verify" }).doc
      assert.is_false(report.verified)
      assert.equal(1, report.divergence.step)
    end)

    it("goes on after the time of a node or of the run was over", function()
      assert.equal("timeout", run("node", 2, "while true do end", 1, "--fuel",
        "9000000000000000").status)
      retried "node"
      assert.equal("completed", resumed("node").status)
      assert.is_true(verified "node")
      assert.equal("timeout", run("run", 1, 'error("no")', 60000, "--run-timeout-ms", "300").status)
      retried "run" -- its end came between two attempts
      assert.is_true(verified "run")
    end)

    it("gives the run its timeout anew, counted from the retry", function()
      local limit = { "--run-timeout-ms", "1500" }
      assert.equal("timeout", run("late", 1, 'error("no")', 60000, unpack(limit)).status)
      sys.poll(-1, 1600)
      retried "late"
      local doc = resumed "late" -- attempt 2 said RETRIED, 3 goes well
      assert.same({ "completed", 3 }, { doc.status, doc.output.attempt })
      assert.is_true(verified "late")
      assert.equal("timeout", run("later", 3, 'error("no")', 60000, unpack(limit)).status)
      retried "later"
      local from_us = sys.monotonic_us()
      assert.equal("timeout", resumed("later").status)
      print(("    the retried run's time was over after %.0f ms"):format(
        (sys.monotonic_us() - from_us) / 1000))
      assert.is_true(verified "later")
    end)

    it("releases a run that is quarantined, in the middle of an attempt too", function()
      local sleeping = world:submit { steps = 1, sleep_ms = 1500 }
      local worker = world:worker()
      world:await(sleeping, "waiting")
      worker:stop()
      world:sql("UPDATE cmo_runs SET claims = 10")
      if store.name == "postgres" then world:sql("UPDATE cmo_runs SET worker = NULL") end
      assert.equal(1, world:elg({ "resume", sleeping }).code)
      local doc = world:show(sleeping)
      assert.same({ "quarantined", "QUARANTINED" }, { doc.status, doc.error.code })
      retried(sleeping)
      assert.equal("completed", resumed(sleeping).status)
      assert.is_true(verified(sleeping))
    end)

    it("releases a run whose graph was damaged once it is mended", function()
      local id = world:submit { steps = 1 }
      local mend = world:spoil(id)
      local worker = world:worker()
      local doc = world:await(id, "quarantined")
      assert.truthy(doc.error.message:find("cannot be loaded (claim 5, by pid", 1, true), doc.error.message)
      assert.truthy(doc.error.message:find("definition", 1, true), doc.error.message)
      mend()
      local from_us = sys.monotonic_us()
      released(id)
      world:await(id, "completed")
      print(("    taken up again by the same worker, completed %.0f ms after the retry"):format(
        (sys.monotonic_us() - from_us) / 1000))
      worker:stop()
      assert.is_true(verified(id))
    end)

    it("is for whoever takes it up", function()
      run("f", 2, 'error("no")')
      local worker = world:worker()
      released "f"
      world:await("f", "completed")
      worker:stop()
    end)

    it("refuses what has not ended so", function()
      run("f", 0, "")
      local done = world:elg { "retry", "f" }
      assert.equal(2, done.code)
      assert.truthy(done.err:find("is completed", 1, true))
      world:json({ "submit", "count.lua", "--trace", "p" })
      assert.equal(2, world:elg({ "retry", "p" }).code)
      assert.equal(4, world:elg({ "retry", "nobody" }).code)
      world.place:write("one.lua", [[
        local elg = require "elg"
        return elg.graph { id = "one", version = "1", entry = "a",
          nodes = { a = function() return "nowhere" end }, edges = {} }]])
      world:json { "run", "one.lua", "--trace", "edge" }
      assert.truthy(world:elg({ "retry", "edge" }).err:find("ended well", 1, true))
    end)
  end)
end
