-- bench: elg bench. Measures pure steps over a store: a graph of its own, a state of 1 KB.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local out = require "elg.cli.out"
local loop = require "elg.cli.loop"
local settings = require "elg.cli.settings"
local sys = require "elg.sys"

local M = {}

local CONCURRENCY = 16
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

-- Every run of the bench completes.
local function check_end(trace_id, status)
  if status ~= "completed" then
    codes.fail(codes.exit.failed, "a run of the bench is " .. tostring(status), trace_id)
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
      return (codes.check(host:start(graph, { input = input })))
    end)
    local steps, p50, p95, p99 = host:steps()
    return { seconds = (sys.monotonic_us() - began_us) / 1e6, cpu_us = sys.usage() - cpu_us,
      steps = steps, p50 = p50, p95 = p95, p99 = p99 }
  end)
end

-- The figures as JSON text, and a few lines for people.
local function figures(m)
  local _, rss_kb = sys.usage()
  local rate, cpu = m.steps / m.seconds, m.cpu_us / m.steps
  local document = json.object { "steps", m.steps, "seconds", m.seconds, "steps_per_s", rate,
    "step_us", { raw = json.object { "p50", m.p50, "p95", m.p95, "p99", m.p99 } },
    "cpu_us_per_step", cpu, "rss_peak_kb", rss_kb }
  local text = ("%s in %.2f s: %.0f steps/s\n"
    .. "a step: %.0f us (half), %.0f us (95%%), %.0f us (99%%); CPU %.1f us\n"
    .. "peak memory %.1f MB"):format(out.count(m.steps, "step"), m.seconds, rate, m.p50, m.p95, m.p99, cpu,
    rss_kb / 1024)
  return document, text
end

-- Executes the command; the exit code.
function M.run(options, _, printer)
  local work = loop.create(printer, options.concurrency or CONCURRENCY)
  work.on_end = check_end
  local folder = codes.check(sys.mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/elg-bench-"))
  local ok, measured = pcall(measure, options, folder, work)
  sys.remove_tree(folder)
  if not ok then error(measured, 0) end
  if work.exit ~= codes.exit.done then return work.exit end
  local document, text = figures(measured)
  if printer.json then printer:data(document) end
  printer:text(text)
  return codes.exit.done
end

return M
