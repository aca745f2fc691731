-- Ten thousand runs that wait, on timers and on signals: what they cost a worker. The figures are
-- printed; the bound on memory is a promise, so it is checked.
local outside = require "outside"
local process = require "process_c"
local served = require "served"

local RUNS = tonumber(os.getenv("ELG_WAITING_RUNS")) or 2000
local RSS_MB_MAX = 50

local WAITER = [[
local elg = require "elg"
return elg.graph { id = "waiter", version = "1", entry = "a",
  initial = function(input) return { i = input.i } end,
  nodes = { a = function(state, input, ctx)
    if input.i % 2 == 0 then ctx.sleep(3600000) else ctx.wait("go") end
    return nil, state
  end }, edges = {} }
]]

-- A field of /proc/PID/status in KB, and the CPU time of /proc/PID/stat in ticks.
local function usage(pid)
  local status = outside.read(("/proc/%d/status"):format(pid))
  local stat = outside.read(("/proc/%d/stat"):format(pid)):match("%) (.*)$")
  local fields = {}
  for field in stat:gmatch("%S+") do fields[#fields + 1] = field end
  return tonumber(status:match("VmHWM:%s+(%d+)")), tonumber(fields[12]) + tonumber(fields[13])
end

for _, store in ipairs(served.stores) do
  it(("a worker holds no run that waits (%s)"):format(store.name), function()
    local world = served.create(store)
    finally(function() world:destroy() end)
    world.place:write("waiter.lua", WAITER)
    local lines = {}
    for i = 1, RUNS do lines[i] = ('{"i":%d}'):format(i) end
    local done = world:elg({ "submit", "waiter.lua", "--lines", "--input", "-", "--quiet" },
      { stdin = table.concat(lines, "\n") })
    assert.equal(0, done.code, done.err)
    local began_us = process.monotonic_us()
    local worker = world:worker("--concurrency", "16")
    local function waiting()
      local text = store.name == "sqlite"
        and "SELECT count(*) AS n FROM cmo_runs WHERE status = 'waiting' AND free = 1"
        or "SELECT count(*) AS n FROM cmo_runs WHERE status = 'waiting' AND worker IS NULL"
      return tonumber(world:sql(text)[1].n) == RUNS
    end
    assert(outside.eventually(waiting, 120000), "not all come to wait")
    local seconds = (process.monotonic_us() - began_us) / 1e6
    local _, before = usage(worker.pid)
    process.sleep_us(3000000)
    local rss_kb, after = usage(worker.pid)
    worker:kill(served.SIGTERM)
    assert.equal(0, worker:wait().code)
    print(("%s: %d runs wait after %.1f s, %.1f MB at most; idle %.1f%% of a CPU"):format(store.name,
      RUNS, seconds, rss_kb / 1024, (after - before) / 3))
    -- AddressSanitizer keeps what is freed.
    assert.is_true(outside.slow > 1 or rss_kb < RSS_MB_MAX * 1024, rss_kb)
  end)
end
