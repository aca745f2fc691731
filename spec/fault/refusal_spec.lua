-- A store that refuses calls for a while, at random (I4, I6, I16): runs fall back to their last
-- durable step, are taken up again, and end as if nothing had been; an effect is only repeated
-- under its key. ELG_REFUSALS: how many rounds; ELG_REFUSAL_SEED: which.
local core = require "elg.core"
local fault = require "fault_c"
local generate = require "generate"
local json = require "elg.json"
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local sys = require "elg.sys"

local ROUNDS = tonumber(os.getenv("ELG_REFUSALS") or "") or 25
local SEED = tonumber(os.getenv("ELG_REFUSAL_SEED") or "") or os.time() % 1000000
local RUNS = 6
local TICKS_MAX = 5000
local OPS = { "commit", "commit", "commit", "claim", "reserve", "journal", "run_get", "graph_put",
  "graph_get", "abort_poll" }
local STATUSES = { "ELG_IO", "ELG_FULL", "ELG_NO_MEMORY", "ELG_CORRUPT", "ELG_BUSY" }

describe("a store that refuses for a while", function()
  local place, server, random, wanted
  local refused = 0

  local function open(db)
    return assert(core.host_open { store = "sqlite:" .. place:file(db),
      compiler = outside.build .. "/elg-compile" })
  end

  local function input() return ('{"url":"%s","last":3}'):format(server.url) end

  local function trace(i) return "refused-" .. i end

  -- Begins or takes up whatever has not ended. What is refused is tried again later.
  local function take_up(host, ended)
    local graph = host:graph(outside.root .. "/spec/graphs/varied.lua")
    for i = 1, RUNS do
      if not ended[i] and not (host:result(trace(i)) and host:resume(trace(i))) and graph
        and not host:start(graph, { trace_id = trace(i), input = input(), seed = "3" }) then
        refused = refused + 1
      end
    end
    if graph then graph:close() end
  end

  local function look(host, ended)
    local count = 0
    for i = 1, RUNS do
      local text = not ended[i] and host:result(trace(i))
      local result = text and json.decode(text)
      if result and result.status == "completed" then ended[i] = result.state_hash end
      if result and result.status ~= "completed" and result.error ~= json.null then
        ended[i] = result.status .. ": " .. tostring(result.error.code) .. " "
          .. tostring(result.error.message)
      end
      if ended[i] then count = count + 1 end
    end
    return count == RUNS
  end

  -- All runs to their end; before each stretch of ticks `plant` may make the store refuse.
  local function drive(db, plant)
    local ended = {}
    local host = open(db)
    for _ = 1, TICKS_MAX do
      plant(host)
      take_up(host, ended)
      for _ = 1, 20 do
        local active = host:tick(20000)
        if not active then refused = refused + 1 end
        if active == 0 then break end
        sys.poll(host:poll_fd(), 20)
      end
      fault.fail(host)
      if look(host, ended) then break end
    end
    host:close()
    return ended
  end

  setup(function()
    print(("\nrefusals: %d rounds, ELG_REFUSAL_SEED=%d"):format(ROUNDS, SEED))
    random = generate.generator(SEED)
    place = outside.place("refusal")
    server = ledger.start { log = place:file("ledger.log") }
    wanted = drive("calm.db", function() end)
    assert(#wanted == RUNS, "the runs do not end undisturbed")
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  it("costs no run its result, and repeats effects under their keys only", function()
    for round = 1, ROUNDS do
      outside.write(server.log_path, "")
      local planted = 0
      local db = ("round%d.db"):format(round)
      local ended = drive(db, function(host)
        if planted >= 15 then return end
        planted = planted + 1
        fault.fail(host, OPS[random(#OPS) + 1], random(5), 1 + random(30),
          STATUSES[random(#STATUSES) + 1])
      end)
      assert.same(wanted, ended, ("round %d"):format(round))
      local bodies = {}
      for _, entry in ipairs(server:log()) do
        assert.equal(bodies[entry.key] or entry.sha256, entry.sha256)
        bodies[entry.key] = entry.sha256
      end
      for _, row in ipairs(process.sql(place:file(db), "SELECT idempotency_key AS key"
        .. " FROM cmo_activities WHERE activity_type = 'http_request'")) do
        assert.truthy(bodies[row.key])
      end
      local host = open(db)
      for i = 1, RUNS do
        local report = json.decode(assert(host:replay(trace(i), { verify = true })))
        assert.is_true(report.verified, ("round %d, %s"):format(round, trace(i)))
      end
      host:close()
    end
    print(("refusals: %d came through"):format(refused))
    assert.is_true(refused > ROUNDS / 4)
  end)
end)
