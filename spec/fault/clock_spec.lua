-- Time and the lease: a worker's clock that jumps by years changes nothing, and a script that
-- burns CPU past the lease does not lose it (I8). ELG_TORTURE: it burns for a minute.
local ledger = require "ledger"
local outside = require "outside"
local postgres = require "postgres"
local process = require "process_c"

local YEAR_MS = 365 * 24 * 3600 * 1000
local OFFSETS = { 10 * YEAR_MS, -10 * YEAR_MS, 0, 24 * 3600 * 1000, -3 * YEAR_MS }
local RUNS = 40
local BURN_MS = os.getenv("ELG_TORTURE") and 60000 or 12000
local TRIAL_ROUNDS = 20000000
local LEASE_MS = 5000
local SIGTERM = 15

local BURN = [[
local elg = require "elg"
local function burn(state)
  for i = 1, state.rounds do state.x = i end
  return nil, { done = true }
end
return elg.graph { id = "burn", version = "1", entry = "burn",
  initial = function(input) return { rounds = input.rounds } end,
  nodes = { burn = { run = burn, timeout_ms = 600000 } }, edges = {} }
]]

local PRELOAD = outside.build .. "/spec/interpose.so"

describe("a worker", function()
  local place, url
  before_each(function()
    place = outside.place("clock")
    url = postgres.schema(postgres.shared())
  end)
  after_each(function() place:remove() end)

  local function sql(text) return postgres.sql(url, text) end

  local function start_worker(env)
    return place:start_elg({ "worker", "--store", url, "--concurrency", "16" }, { env = env })
  end

  local function clock_env(name)
    return { LD_PRELOAD = PRELOAD, ELG_SPEC_CLOCK = place:file(name),
      ASAN_OPTIONS = "verify_asan_link_order=0" }
  end

  local function jump(name, offset_ms)
    place:write(name .. ".new", ("%.0f"):format(offset_ms))
    os.rename(place:file(name .. ".new"), place:file(name))
  end

  it("whose clock jumps by years either way does nothing else", function()
    local server = ledger.start { log = place:file("ledger.log") }
    jump("clock-1", OFFSETS[1])
    local year = place:start({ "date", "+%Y" }, { env = clock_env "clock-1" }):wait().out
    assert.is_true(tonumber(year) >= tonumber(os.date "%Y") + 9, year)
    jump("clock-2", OFFSETS[2])
    local workers = { start_worker(clock_env "clock-1"), start_worker(clock_env "clock-2") }
    local inputs = {}
    for i = 1, RUNS do inputs[i] = ('{"n":%d,"url":"%s"}\n'):format(i, server.url) end
    assert.equal(0, place:elg({ "submit", outside.root .. "/spec/graphs/fleet.lua", "--store", url,
      "--lines", "--input", "-" }, { stdin = table.concat(inputs), env = clock_env "clock-2" }).code)
    local tick = 0
    assert.is_truthy(outside.eventually(function()
      tick = tick + 1
      jump("clock-1", OFFSETS[tick % #OFFSETS + 1])
      jump("clock-2", OFFSETS[(tick + 2) % #OFFSETS + 1])
      process.sleep_us(150000)
      return sql("SELECT count(*) AS n FROM cmo_runs WHERE completed_at IS NOT NULL")[1].n
        == tostring(RUNS)
    end))
    for _, worker in ipairs(workers) do
      worker:kill(SIGTERM)
      local done = worker:wait()
      assert.equal(0, done.code)
      assert.is_nil(done.err:find("warn", 1, true), done.err)
    end
    server:stop()
    print(("clock: %d runs over %d jumps of two clocks"):format(RUNS, tick))
    local odd = sql([[SELECT
      (SELECT count(*) FROM cmo_runs WHERE status <> 'completed' OR step_count <> 20 OR epoch > 2
        OR least(created_at, started_at, completed_at, updated_at) < now() - interval '1 hour'
        OR greatest(created_at, started_at, completed_at, updated_at) > now() + interval '1 hour') AS runs,
      (SELECT count(*) FROM cmo_steps WHERE attempt <> 1 OR status <> 'ok'
        OR abs(extract(epoch FROM now() - clock)) > 3600
        OR completed_at - started_at NOT BETWEEN interval '0' AND interval '1 minute') AS steps,
      (SELECT count(*) FROM cmo_activities WHERE abs(extract(epoch FROM now() - "timestamp")) > 3600
        OR status <> 'done' OR due_at - "timestamp" > interval '1 minute') AS calls,
      (SELECT count(*) FROM cmo_activities WHERE activity_type = 'now' AND abs(extract(epoch FROM now())
        * 1000 - (convert_from(response_data, 'UTF8')::json ->> 'value')::float8) > 3600000) AS nows]])[1]
    assert.same({ runs = "0", steps = "0", calls = "0", nows = "0" }, odd)
  end)

  -- Looks at the run's lease until its end: it is held, by one worker.
  local function watch(trace_id)
    local held, looks, owners, count = true, 0, {}, 0
    assert.is_truthy(outside.eventually(function()
      process.sleep_us(200000)
      local row = sql(([[SELECT r.epoch, r.worker, r.completed_at, w.lease_until > clock_timestamp() AS held
        FROM cmo_runs r LEFT JOIN cmo_workers w ON w.worker = r.worker WHERE r.trace_id = '%s']])
        :format(trace_id))[1]
      if row.completed_at then return true end
      if row.worker then
        looks, owners[row.worker .. " " .. row.epoch] = looks + 1, true
        held = held and row.held == "t"
      end
    end, BURN_MS * 20))
    for _ in pairs(owners) do count = count + 1 end
    print(("clock: the lease of a step that burned CPU was looked at %d times"):format(looks))
    assert.same({ true, 1 }, { held, count })
  end

  it("whose script burns CPU past the lease keeps it", function()
    place:write("burn.lua", BURN)
    local trial = place:json { "run", "burn.lua", "--store", "sqlite:elg.db", "--fuel", "1000000000000",
      "--input", ('{"rounds":%d}'):format(TRIAL_ROUNDS) }
    assert.equal(0, trial.code, trial.err)
    local trial_ms = place:sql("SELECT duration_ms FROM cmo_steps")[1].duration_ms
    local rounds = math.ceil(TRIAL_ROUNDS * BURN_MS / trial_ms)
    local workers = { start_worker(), start_worker() }
    local step
    repeat -- more rounds, if the trial was slowed by others
      local trace_id = place:json({ "submit", "burn.lua", "--store", url, "--fuel", "1000000000000",
        "--input", ('{"rounds":%d}'):format(rounds) }).doc.trace_id
      watch(trace_id)
      local rows = sql("SELECT status, attempt, duration_ms FROM cmo_steps WHERE trace_id = '" .. trace_id .. "'")
      assert.equal(1, #rows)
      step, rounds = rows[1], rounds * 2
      assert.same({ "ok", "1" }, { step.status, step.attempt })
    until tonumber(step.duration_ms) > LEASE_MS + 500
    for _, worker in ipairs(workers) do worker:stop() end
  end)
end)
