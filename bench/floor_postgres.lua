-- floor_postgres: the store on Postgres beside what Postgres alone does by pgbench, in one run
-- and on one server with its own settings (fsync on; no autovacuum, whose time is nobody's).
-- `make bench-postgres`; BENCH_FAST=1 measures shorter. Ends with 1 if a target is missed.
--
-- The floors write one row with the key of a step and 1 KB, durably: as one statement, and as a
-- transaction of BEGIN, INSERT, COMMIT. CPU is that of all the server's processes. Uses
-- spec/support (outside, postgres) and pgbench.
local outside = require "outside"
local postgres = require "postgres"
local process = require "process_c"

local FAST = os.getenv("BENCH_FAST") ~= nil
local SECONDS, ROUNDS = 1, FAST and 4 or 12
local TICK_US = 10000

local FLOOR_TABLE = [[CREATE TABLE floor (trace_id text NOT NULL, step_index integer NOT NULL,
  attempt integer NOT NULL, state bytea NOT NULL, PRIMARY KEY (trace_id, step_index, attempt));
  CREATE SEQUENCE floor_step]]
local INSERT = "INSERT INTO floor VALUES ('0190b0a0-0000-7000-8000-' || lpad(:client_id::text, 12, '0'), "
  .. "nextval('floor_step'), 1, '\\x" .. ("78"):rep(1024) .. "');\n"

local place = outside.place("bench-postgres")
local server = postgres.start { "max_wal_size=4GB", "autovacuum=off" }
local url = postgres.schema(server)
postgres.sql(url, FLOOR_TABLE)

local function shell(command)
  local pipe = io.popen(command)
  local text = pipe:read("*a")
  pipe:close()
  return text
end

-- utime, stime, cutime, cstime of a process, summed.
local function ticks(pid, with_children)
  local text = outside.read("/proc/" .. pid .. "/stat")
  if not text then return 0 end
  local fields = {}
  for word in text:match("%) (.*)"):gmatch("%S+") do fields[#fields + 1] = tonumber(word) or 0 end
  return fields[12] + fields[13] + (with_children and fields[14] + fields[15] or 0)
end

-- What the server has spent: its processes, and those that ended.
local function server_now()
  assert(outside.eventually(function() -- what has ended is counted in the server's first process
    return postgres.sql(url, [[SELECT count(*) AS n FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()]])[1].n == "0"
  end))
  process.sleep_us(100000) -- and it is counted when its end was noticed
  local total = ticks(server.pid, true)
  for pid in shell("ps --no-headers -o pid --ppid " .. server.pid):gmatch("%d+") do
    total = total + ticks(pid)
  end
  local wal = postgres.sql(url, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS n")[1].n
  return { cpu_us = total * TICK_US, wal = tonumber(wal) }
end

-- Runs `work`, which gives rows per second and rows; adds what the server spent per row.
local function measured(work)
  postgres.sql(url, "CHECKPOINT")
  local before = server_now()
  local rate, rows = work()
  local after = server_now()
  return { rate = rate, cpu_us = (after.cpu_us - before.cpu_us) / rows,
    wal = (after.wal - before.wal) / rows }
end

local function floor(clients, script)
  place:write("floor.sql", script)
  return measured(function()
    local out = shell(("pgbench -n -M prepared -c %d -j %d -T %d -f %s '%s' 2>&1"):format(clients,
      clients > 1 and 2 or 1, SECONDS, place:file("floor.sql"), url))
    return tonumber(out:match("tps = ([%d.]+)")), tonumber(out:match("processed: (%d+)"))
  end)
end

local function elg_bench(...)
  local argv = { "bench", "--store", (postgres.schema(server)), "--steps", "20", ... }
  return measured(function()
    local done = place:json(argv)
    assert(done.code == 0, done.err)
    return done.doc.steps_per_s, done.doc.steps
  end)
end

local function sorted(list, field)
  local out = {}
  for i, item in ipairs(list) do out[i] = field and item[field] or item end
  table.sort(out)
  return out
end
local function median(list, field)
  local all = sorted(list, field)
  return (all[math.ceil(#all / 2)] + all[math.floor(#all / 2) + 1]) / 2
end

-- Short slices of each in turn, as what else the machine does comes and goes: figures are medians
-- over the rounds, CPU and WAL the least. { rate =, cpu_us =, wal =, slices = } of each.
local function alternated(list)
  local out = {}
  for round = 1, ROUNDS do
    for i, work in ipairs(list) do
      out[i] = out[i] or { slices = {} }
      out[i].slices[round] = work()
    end
  end
  for _, of in ipairs(out) do
    of.rate = median(of.slices, "rate")
    of.cpu_us, of.wal = sorted(of.slices, "cpu_us")[1], sorted(of.slices, "wal")[1]
  end
  return unpack(out)
end

-- The median of each slice of `of` over the slice of `beside` in its round, and in what range the
-- middle half of them lies.
local function ratio(of, beside)
  local all = {}
  for i, slice in ipairs(of.slices) do all[i] = slice.rate / beside.slices[i].rate end
  local list = sorted(all)
  return median(all), list[math.ceil(#list / 4)], list[math.ceil(#list * 3 / 4)]
end

local missed = 0
local function line(good, what, value, unit, target, note)
  missed = missed + (good and 0 or 1)
  print(("%-4s %-50s %10.2f %-8s target %-8s (%s)"):format(good and "ok" or "MISS", what, value, unit,
    target, note))
end

local function report()
  local one, explicit, sync = alternated { function() return floor(1, INSERT) end,
    function() return floor(1, "BEGIN;\n" .. INSERT .. "COMMIT;\n") end,
    function() return elg_bench("--durability", "sync", "--concurrency", "1", "--runs", "40") end }
  local of, low, high = ratio(sync, explicit)
  line(of >= 0.8, "postgres, sync, one client: of INSERT+COMMIT", 100 * of, "%", ">= 80",
    ("%d slices, half of them %.0f to %.0f %%; %.0f steps/s, floor %.0f; %.0f as one statement"):format(
      ROUNDS, 100 * low, 100 * high, sync.rate, explicit.rate, one.rate))
  local sixteen, effect, sync16 = alternated { function() return floor(16, INSERT) end,
    function() return elg_bench("--concurrency", "16", "--runs", "500") end,
    function() return elg_bench("--durability", "sync", "--concurrency", "16", "--runs", "200") end }
  local times, least, most = ratio(effect, sixteen)
  line(times >= 1.5, "postgres, 16 runs: of the 16-client floor", times, "times", ">= 1.5",
    ("half of the slices %.1f to %.1f; %.0f steps/s, floor %.0f; sync %.0f"):format(least, most,
      effect.rate, sixteen.rate, sync16.rate))
  local cpu = effect.cpu_us / sixteen.cpu_us
  line(cpu <= 0.5, "postgres, 16 runs: the server's CPU of the floor's", cpu, "times", "<= 0.5",
    ("%.0f us a step, floor %.0f; sync %.0f"):format(effect.cpu_us, sixteen.cpu_us, sync16.cpu_us))
  line(effect.wal <= 4096, "postgres: WAL of a step of 1 KB", effect.wal, "bytes", "<= 4096",
    ("sync %.0f, floor %.0f"):format(sync16.wal, sixteen.wal))
end

local ok, failure = pcall(report)
place:remove()
postgres.stop(server)
if not ok then error(failure, 0) end
os.exit(missed == 0 and 0 or 1)
