-- A worker whose database takes nothing for a while goes on by itself when it does again.
local outside = require "outside"
local postgres = require "postgres"
local served = require "served"
local sys = require "elg.sys"

local RUNS = 4
local PAUSE_MS = 2000 -- after which it says the same again, at first

describe("elg worker over a database that", function()
  local world, server, name
  before_each(function()
    server, name = postgres.shared(), ("outage_%d"):format(sys.pid())
    postgres.sql(postgres.url(server), "CREATE DATABASE " .. name)
    world = served.create { name = "postgres", open = function() return postgres.url(server, name) end }
  end)
  after_each(function()
    world:destroy()
    postgres.sql(postgres.url(server), ("DROP DATABASE %s (FORCE)"):format(name))
  end)

  -- From now on new sessions are so; those that are there end.
  local function set(what)
    postgres.sql(postgres.url(server), ("ALTER DATABASE %s %s"):format(name, what))
    postgres.sql(postgres.url(server), ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      .. "WHERE datname = '%s'"):format(name))
  end

  it("may only be read says so, and goes on when that is over", function()
    local worker, traces = world:worker(), {}
    for i = 1, RUNS do traces[i] = world:submit { steps = 60, sleep_ms = 20 } end
    assert(outside.eventually(function() return world:show(traces[RUNS]).steps > 2 end))
    set "SET default_transaction_read_only = on"
    assert.truthy(outside.eventually(function()
      return select(2, worker:output()):find("read-only transaction; name the primary server", 1, true)
    end), select(2, worker:output()))
    -- Sessions that began meanwhile stay as they are: nobody ends them.
    postgres.sql(postgres.url(server), ("ALTER DATABASE %s RESET default_transaction_read_only"):format(name))
    for i = 1, RUNS do
      assert.equal(60, world:await(traces[i], "completed").steps)
      assert.is_true(world:json({ "replay", traces[i], "--verify" }).doc.verified)
    end
    worker:kill(served.SIGTERM)
    assert.equal(0, worker:wait().code)
  end)

  it("is told of with pauses, and when that is over", function()
    local worker = world:worker()
    local function told(text) return select(2, select(2, worker:output()):gsub(text, "")) end
    set "SET default_transaction_read_only = on"
    assert(outside.eventually(function() return told "read%-only transaction" > 0 end))
    local from_us = sys.monotonic_us()
    assert(outside.eventually(function() return told "read%-only transaction" > 1 end))
    local ms = (sys.monotonic_us() - from_us) / 1000
    assert.is_true(ms > PAUSE_MS * 3 / 4, ("again after %d ms"):format(ms))
    set "RESET default_transaction_read_only"
    assert(outside.eventually(function() return told "answers again, asked for runs" == 1 end))
    print(("outage: told again after %d ms"):format(ms))
    world:await(world:submit { steps = 1 }, "completed")
    worker:kill(served.SIGTERM)
    local done = worker:wait()
    assert.equal(0, done.code)
    assert.equal(1, select(2, done.err:gsub("answers again", "")), done.err)
  end)
end)
