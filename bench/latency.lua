-- latency: from the call that submits a run to the start of its first step in an idle worker, a
-- process of its own, on SQLite and on Postgres. Prints each figure beside its target; the exit
-- code is 1 if one is missed.
package.path = "spec/support/?.lua;" .. package.path
local core = require "elg.core"
local json = require "elg.json"
local process = require "process_c"
local served = require "served"
local sys = require "elg.sys"

local SUBMITS = os.getenv("BENCH_FAST") and 50 or 200
local PAUSE_US, POLL_US = 20000, 1000
local TARGET_MS = 15

local function check(value, message, _, where)
  return value == nil and error(("%s: %s"):format(where, message), 0) or value
end

-- Submits one run and waits for its end; milliseconds until its first step began.
local function once(host, graph)
  local began_ms = sys.wall_ms()
  local trace_id = check(host:submit(graph, { input = '{"steps":1}' }))
  local text
  repeat
    process.sleep_us(POLL_US)
    text = check(host:show(trace_id))
  until json.member(text, "status") == '"completed"'
  return json.decode(text).journal[1].clock_ms - began_ms
end

local missed = 0
for _, store in ipairs(served.stores) do
  local world = served.create(store)
  local worker = world:worker("--concurrency", "16")
  local host = check(core.host_open { store = world.url,
    compiler = (os.getenv("ELG_BUILD") or "build") .. "/elg-compile" })
  local graph = check(host:graph(world.place:file("count.lua")))
  local times = {}
  once(host, graph) -- the worker loads the graph
  for i = 1, SUBMITS do
    process.sleep_us(PAUSE_US)
    times[i] = once(host, graph)
  end
  host:close()
  worker:stop()
  world:destroy()
  table.sort(times)
  local function at(share) return times[math.ceil(#times * share)] end
  local good = at(0.95) <= TARGET_MS
  missed = missed + (good and 0 or 1)
  print(("submit to first step, idle worker, %-8s  p50 %d ms  p95 %d ms  p99 %d ms  (p95 at most %d ms)%s")
    :format(store.name, at(0.5), at(0.95), at(0.99), TARGET_MS, good and "" or "  MISSED"))
end
os.exit(missed == 0 and 0 or 1, true)
