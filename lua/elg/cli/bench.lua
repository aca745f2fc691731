-- bench: elg bench. Measures pure steps over a store: a graph of its own, a state of 1 KB.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local loop = require "elg.cli.loop"
local settings = require "elg.cli.settings"
local sys = require "elg.sys"

local M = {}

local CONCURRENCY = 16
local SAMPLES_MAX = 1000000

M.summary = "measure steps per second and the time of a step"
M.usage = "elg bench [--store URL] [--runs R] [--steps S] [--concurrency N]"
M.args = { min = 0, max = 0 }
M.flags = { flags.common, { "store", "runs", "steps", "concurrency" }, flags.executing }
-- Never the store of the environment: what is measured is thrown away.
M.own = { store = { kind = "text", value = "URL", help = "default: a temporary SQLite file" } }
M.examples = {
  { "elg bench", "200 runs of 20 steps, 16 at once, a temporary SQLite file" },
  { "elg bench --durability sync --concurrency 1 --json", "one document" },
}

-- A node that goes round `steps` times over a state of 1 KB.
M.graph_text = [[
local elg = require "elg"

local function initial(input)
  local state = { count = 0, steps = input.steps, sum = 0, items = elg.array {} }
  for i = 1, 24 do
    state.items[i] = { id = i, name = "item " .. i, ok = i % 2 == 0 }
  end
  return state
end

local function work(state)
  state.count = state.count + 1
  local item = state.items[state.count % #state.items + 1]
  state.sum = state.sum + item.id
  item.ok = not item.ok
  return state.count < state.steps and "again" or nil, { sum = state.sum }
end

return elg.graph {
  id = "bench", version = "1", entry = "work", initial = initial,
  nodes = { work = { run = work } },
  edges = { { from = "work", key = "again", to = "work" } },
}
]]

-- Of a sorted list.
local function percentile(sorted, part)
  return sorted[math.max(1, math.ceil(#sorted * part))] or 0
end

-- What a step takes as its caller sees it: from one durable step of a run to the next.
local function watch(work, samples)
  local before = {}
  work.on_step = function(event)
    local now_us = sys.monotonic_us()
    local since_us = before[event.trace_id] or work.begun[event.trace_id] or now_us
    before[event.trace_id] = now_us
    if #samples < SAMPLES_MAX then samples[#samples + 1] = now_us - since_us end
  end
  work.on_result = function(trace_id, bad)
    before[trace_id] = nil
    if bad and bad.status ~= "completed" then
      codes.fail(codes.exit.failed, "a run of the bench is " .. bad.status, trace_id)
    end
  end
end

local function measure(options, folder, work)
  local graph_path = folder .. "/bench.lua"
  local file = assert(io.open(graph_path, "w"))
  file:write(M.graph_text)
  file:close()
  local more = { store = options.store or "sqlite:" .. folder .. "/bench.db",
    on_event = work.on_event }
  local input, left = json.object { "steps", options.steps }, options.runs
  return settings.with_host(options, more, function(host)
    local graph = settings.open_graph(host, graph_path)
    local cpu_us, began_us = sys.usage(), sys.monotonic_us()
    work:run(host, function()
      left = left - 1
      if left < 0 then return nil end
      return codes.check(host:start(graph, { input = input })), true
    end)
    return { seconds = (sys.monotonic_us() - began_us) / 1e6, cpu_us = sys.usage() - cpu_us }
  end)
end

-- The figures as JSON text, and a few lines for people.
local function figures(steps, samples, measured)
  table.sort(samples)
  local _, rss_kb = sys.usage()
  local rate = steps / measured.seconds
  local p50, p95, p99 = percentile(samples, 0.5), percentile(samples, 0.95),
    percentile(samples, 0.99)
  local cpu = measured.cpu_us / steps
  local document = json.object { "steps", steps, "seconds", measured.seconds, "steps_per_s", rate,
    "step_us", { raw = json.object { "p50", p50, "p95", p95, "p99", p99 } },
    "cpu_us_per_step", cpu, "rss_peak_kb", rss_kb }
  local text = ("%d steps in %.2f s: %.0f steps/s\n"
    .. "a step: %.0f us (half), %.0f us (95%%), %.0f us (99%%); CPU %.1f us\n"
    .. "peak memory %.1f MB"):format(steps, measured.seconds, rate, p50, p95, p99, cpu,
    rss_kb / 1024)
  return document, text
end

-- Executes the command; the exit code.
function M.run(options, _, printer)
  local work, samples = loop.create(printer, options.concurrency or CONCURRENCY), {}
  watch(work, samples)
  local folder = codes.check(sys.mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/elg-bench-"))
  local ok, measured = pcall(measure, options, folder, work)
  sys.remove_tree(folder)
  if not ok then error(measured, 0) end
  if work.exit ~= codes.exit.done then return work.exit end
  local document, text = figures(options.runs * options.steps, samples, measured)
  if printer.json then printer:data(document) end
  printer:text(text)
  return codes.exit.done
end

return M
