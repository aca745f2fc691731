-- kill: the processes of a jail are killed at random instants while runs of two graphs go on:
-- all come to the end of runs that nobody disturbed, and agree with their journals; no attempt
-- is counted for it (I1, I6, I7). ELG_JAIL_KILLS: how many; ELG_KILL_SEED: which.
local json = require "elg.json"
local generate = require "generate"
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local worker = require "worker_plan"

local KILLS = tonumber(os.getenv("ELG_JAIL_KILLS") or "") or (os.getenv("ELG_TORTURE") and 1000 or 150)
local SEED = tonumber(os.getenv("ELG_KILL_SEED") or "") or os.time() % 1000000
local RUNS, LAST = 24, 12

local BURN = [[
local elg = require "elg"
local function burn(state)
  for i = 1, 60000 do state.n = (state.n * 31 + i) % 1000003 end
  state.left = state.left - 1
  return state.left > 0 and "on" or nil, state.n
end
return elg.graph { id = "burn", version = "1", entry = "burn", nodes = { burn = burn },
  initial = function(input) return { n = input.n, left = 40 } end,
  edges = { { from = "burn", key = "on", to = "burn" } } }
]]

describe("a jail whose processes are killed", function()
  local place, server, runs, wanted
  setup(function()
    place = outside.place("jail-kill")
    server = ledger.start { log = place:file("ledger.log") }
    place:write("burn.lua", BURN)
    runs = {}
    for i = 1, RUNS do
      local burns = i % 2 == 0
      runs[i] = { trace = "r" .. i, graph = burns and place:file("burn.lua")
        or outside.root .. "/spec/graphs/varied.lua",
        input = burns and ('{"n":%d}'):format(i) or ('{"url":%q,"last":%d}'):format(server.url, LAST) }
    end
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  local function plan(round, jail, verify)
    return { runs = runs, seed = "7", concurrency = RUNS, verify = verify, options = { jail = jail,
      jailer = outside.build .. "/elg-jail", allow_net = { "127.0.0.1" }, slice_instructions = 5000,
      store = "sqlite:" .. place:file(round .. ".db") } }
  end

  local function results(done, what)
    local out = {}
    for trace, text in done.out:gmatch(what .. " (%S+) ([^\n]+)") do out[trace] = json.decode(text) end
    return out
  end

  local function check(done)
    assert.equal(0, done.code, done.err)
    local found = results(done, "result")
    for i, run in ipairs(runs) do
      local result = found[run.trace]
      assert.equal("completed", result.status, done.out:match("result " .. run.trace .. " [^\n]*"))
      for _, field in ipairs { "state_hash", "steps" } do
        assert.equal(wanted[run.trace][field], result[field], run.trace .. " " .. i)
      end
    end
    local attempts = process.sql(place:file("killed.db"),
      "SELECT count(*) AS n FROM cmo_steps WHERE error LIKE '%CRASHED%'")
    assert.equal(0, tonumber(attempts[1].n))
  end

  -- How many steps that take many slices are durable. They are the clock of the kills: an attempt
  -- whose process is killed more than ten times fails (I11), however slow the machine is.
  local function burnt(child)
    return select(2, child:output():gsub(" burn\n", ""))
  end

  it("comes to the end of one that nobody disturbed", function()
    local calm = worker.start(place, plan("calm", false)):wait()
    assert.equal(0, calm.code, calm.err)
    wanted = results(calm, "result")
    local random, kills, rounds = generate.generator(SEED), 0, 0
    while kills < KILLS do
      os.execute("rm -rf '" .. place.path .. "'/killed.db*")
      local traces = {}
      for i, run in ipairs(runs) do traces[i] = run.trace end
      local child = worker.start(place, plan("killed", true, traces))
      rounds = rounds + 1
      local next_at = 1
      local done
      repeat
        local list = outside.children(child.pid, "elg-jail")
        if burnt(child) >= next_at and #list > 0 and process.kill(list[random(#list) + 1], 9) then
          kills, next_at = kills + 1, burnt(child) + 1
        end
        done = child:wait(random(10) + 1)
      until done
      check(done)
      for trace, verdict in pairs(results(done, "verify")) do
        assert.is_true(verdict.verified, trace)
      end
    end
    print(("\nkill: %d processes of jails killed over %d runs of 2 graphs, %d times (ELG_KILL_SEED=%d)")
      :format(kills, RUNS, rounds, SEED))
    assert.is_true(rounds < 50)
  end)

  it("leaves no process behind", function()
    local child = worker.start(place, plan("left", true))
    local list
    assert.is_true(outside.eventually(function()
      list = outside.children(child.pid, "elg-jail")
      return #list == 2
    end))
    child:kill()
    child:wait()
    assert.is_true(outside.eventually(function()
      for _, pid in ipairs(list) do
        local state = outside.state(pid)
        if state and state ~= "Z" then return false end
      end
      return true
    end))
  end)
end)
