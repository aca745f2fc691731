-- family: what the family spec executes: waits, signals, child runs, maps, retries. Its state
-- holds no time, so that a run that was killed ends with the state of one that was not.
local elg = require "elg"
local child = require "family_child"

local function gather(state, _, ctx)
  for _ = 1, 3 do state.items[#state.items + 1] = ctx.wait("item") end
  return "ok"
end

local function fan(state, _, ctx)
  local inputs = {}
  for i = 1, 12 do inputs[i] = { n = i, deep = i % 4 == 0, fail = i % 5 == 0 } end
  local results = ctx.map(child, inputs, { concurrency = 4 })
  for i, r in ipairs(results) do state.results[i] = r.ok and r.value or { code = r.err.message } end
  return "ok"
end

local function both(state, _, ctx)
  local r = ctx.all { { "run", child, { n = 50 } }, { "wait", "go" }, { "wait", "item" },
    { "wait", "nothing", 5 }, { "wait", "item" } }
  if ctx.attempt < 2 then error("again") end
  state.both = { r[1].value, r[2].value, r[4].err.code }
  state.items[#state.items + 1] = r[3].value + r[5].value -- which is first is not said
  return "ok"
end

local function last(state, _, ctx)
  state.items[#state.items + 1] = ctx.wait("item", 60000)
  return nil, { n = #state.items }
end

return elg.graph {
  id = "family", version = "1", entry = "gather",
  initial = function() return { items = elg.array {}, results = elg.array {} } end,
  nodes = { gather = gather, fan = fan, last = last,
    both = { run = both, retry = { max_attempts = 3, backoff = "constant", initial_delay_ms = 2 } } },
  edges = {
    { from = "gather", key = "ok", to = "fan" },
    { from = "fan", key = "ok", to = "both" },
    { from = "both", key = "ok", to = "last" },
  },
}
