-- Workers: four of them over one Postgres, and every second one is killed, or stopped past its
-- lease (some exactly between an intent's commit and its sending), the server crashes, or the
-- network loses a reply to COMMIT or a connection (I4 to I11). ELG_TORTURE: three minutes and
-- 2,000 runs; ELG_FLEET_SEED: which faults hit whom.
local fleet = require "fleet"

local LONG = os.getenv("ELG_TORTURE") ~= nil
local SEED = tonumber(os.getenv("ELG_FLEET_SEED") or "") or os.time() % 1000000

describe("workers that are killed, stopped and cut off", function()
  local it_is

  setup(function()
    print(("\nfleet: ELG_FLEET_SEED=%d"):format(SEED))
    it_is = fleet.create { runs = LONG and 2000 or 150, seconds = LONG and 180 or 12, workers = 4,
      seed = SEED }
    it_is:disturb()
    it_is:settle()
    it_is:check()
    print("fleet: " .. it_is:summary())
  end)
  teardown(function() it_is:close() end)

  it("lose nothing, fork nothing, record nothing twice", function()
    assert.same({}, it_is.problems)
  end)

  it("met every kind of fault", function()
    for kind, count in pairs(it_is.counts) do assert.is_true(count > 0, kind) end
    assert.is_true(it_is.repeats > 0)
  end)

  it("are refused when they write what is no longer theirs", function()
    assert.is_true(it_is.stale > 0)
  end)
end)
