-- Kill: SIGKILL at random instants over running graphs with effects of every kind, taken up
-- again until they are done (I4, I6, I7, I10). ELG_KILLS: how many; ELG_KILL_SEED: which.
local crash = require "crash"

local KILLS = tonumber(os.getenv("ELG_KILLS") or "") or 300
local SEED = tonumber(os.getenv("ELG_KILL_SEED") or "") or os.time() % 1000000

local function suite(title, kills, crowd)
  describe(title, function()
    local tester

    setup(function()
      print(("\nkill: %d kills, ELG_KILL_SEED=%d"):format(kills, SEED))
      tester = crash.create(SEED, crowd)
      tester:kill_until(kills)
    end)
    teardown(function() tester:close() end)

    it("is killed while it does something, that many times", function()
      print("kill: " .. tester:summary())
      assert.is_true(tester.kills >= kills)
      assert.is_true(tester.reported_count > kills)
    end)

    it("ends, with the state hash of a run that nobody disturbed", function()
      assert.same({}, tester.problems.state)
    end)

    it("performs each effect at least once, and repeats it under the same key and body", function()
      assert.same({}, tester.problems.effects)
      assert.is_true(tester.repeat_count > 0)
    end)

    it("performs what is to happen at most once at most once", function()
      assert.same({}, tester.problems.at_most_once)
      assert.is_true(kills < 50 or tester.unknown_count > 0)
    end)

    it("has the journal of an undisturbed run: each call's result exactly once", function()
      assert.same({}, tester.problems.journal)
    end)

    it("has everything that was reported as committed", function()
      assert.same({}, tester.problems.reported)
    end)

    it("agrees with its journal in every step", function()
      assert.same({}, tester.problems.verify)
    end)
  end)
end

suite("a run that is killed", KILLS, false)
suite("a run among several processes that are killed", math.ceil(KILLS / 5), true)
