-- worker: a host program that specs start and kill. Executes the runs that its plan names
-- over the public API, and writes each thing that the library reports as durable to stdout,
-- at once: "step TRACE INDEX NODE", "busy TRACE", "log TRACE INDEX NODE TEXT", "end TRACE STATUS", "warning
-- TRACE TEXT", and in the end "result TRACE JSON" or "verify TRACE JSON" for each run.
--
-- luajit worker.lua PLAN: a file of Lua that returns
--   { options = of elg.core.host_open, graph = path, seed =, concurrency =,
--     runs = { { trace =, input = JSON, graph = path or nil } ... }, resume = traces,
--     verify = traces, slow_commit_us = }
local core = require "elg.core"
local sys = require "elg.sys"

local TICK_US = 20000
local WAIT_MS = 1000

local function say(...)
  assert(sys.write(1, table.concat({ ... }, " ") .. "\n"))
end

local function on_event(event)
  if event.kind == "end" then
    say("end", event.trace_id, event.text)
  elseif event.kind == "step" then
    say("step", event.trace_id, ("%d"):format(event.step_index), event.node_id)
  elseif event.kind == "log" then
    say("log", event.trace_id, ("%d"):format(event.step_index), event.node_id, event.text)
  else
    say("warning", event.trace_id, event.text)
  end
end

local function check(value, message, status, where)
  if value == nil then error(("%s: %s (%s)"):format(where, message, status), 0) end
  return value
end

local plan = assert(loadfile(arg[1]))()
plan.options.on_event, plan.options.step_events = on_event, true
local host = check(core.host_open(plan.options))
if plan.slow_commit_us then require("fault_c").slow(host, "commit", plan.slow_commit_us) end

local graphs = {}

local function graph_of(path)
  graphs[path] = graphs[path] or check(host:graph(path))
  return graphs[path]
end

-- Whether the run is in hand; "busy TRACE" if another live process has it.
local function taken(trace_id, value, message, status, where)
  if value == nil and status == "ELG_BUSY" then
    say("busy", trace_id)
    return false
  end
  check(value, message, status, where)
  return true
end

local function starters()
  local list = {}
  for _, run in ipairs(plan.runs or {}) do
    list[#list + 1] = function()
      return taken(run.trace, host:start(graph_of(run.graph or plan.graph),
        { trace_id = run.trace, input = run.input, seed = plan.seed }))
    end
  end
  for _, trace_id in ipairs(plan.resume or {}) do
    list[#list + 1] = function() return taken(trace_id, host:resume(trace_id)) end
  end
  return list
end

local function execute(list)
  local at, active = 1, 0
  while at <= #list or active > 0 do
    while at <= #list and active < (plan.concurrency or 8) do
      if list[at]() then active = active + 1 end
      at = at + 1
    end
    active = check(host:tick(TICK_US))
    if active >= (plan.concurrency or 8) or at > #list then sys.poll(host:poll_fd(), WAIT_MS) end
  end
end

if plan.runs or plan.resume then execute(starters()) end
for _, run in ipairs(plan.runs or {}) do say("result", run.trace, check(host:result(run.trace))) end
for _, trace_id in ipairs(plan.resume or {}) do say("result", trace_id, check(host:result(trace_id))) end
for _, trace_id in ipairs(plan.verify or {}) do
  say("verify", trace_id, check(host:replay(trace_id, { verify = true })))
end
host:close()
