-- varied: calls of every kind, an attempt that fails, a choice of edges, a metadata: a journal
-- with something in every column, for specs that change one.
local elg = require "elg"

local function fetch(state, _, ctx)
  local res = ctx.http { url = state.url .. "/item/" .. state.n, method = "POST",
    body = elg.json.encode({ n = state.n }) }
  state.total = (state.total + elg.json.decode(res.body).n) % 1000003
  ctx.now()
  return state.n % 2 == 0 and "even" or "odd", { n = state.n, got = state.total }
end

local function many(state, input, ctx)
  local results = ctx.all {
    { "http", { url = state.url .. "/left", method = "PUT", body = "l" .. state.n } },
    { "http", { url = state.url .. "/right", method = "PUT", body = "r" .. state.n } },
    { "artifact.write", { content = "report " .. state.n } },
  }
  state.artifact = results[3].value.hash
  return { state = state, output = { n = input.n, ok = results[1].ok }, next = "ok",
    metadata = { model = "none", n = state.n } }
end

local function flaky(state, _, ctx)
  ctx.http { url = state.url .. "/flaky", method = "POST", body = "f" .. state.n }
  if ctx.attempt == 1 then error("not yet") end
  return "ok", { text = assert(ctx.artifact.read(state.artifact)) }
end

local function rest(state, _, ctx)
  ctx.sleep(1 + ctx.rand(3))
  state.chance = ctx.rand(1e9)
  state.n = state.n + 1
  return state.n <= state.last and "again" or nil, { n = state.n, uuid = ctx.uuid() }
end

return elg.graph {
  id = "varied", version = "1.2", entry = "fetch",
  initial = function(input)
    return { url = input.url, n = 1, last = input.last, total = 0, chance = 0 }
  end,
  nodes = {
    fetch = fetch, many = many, rest = rest,
    flaky = { run = flaky, retry = { max_attempts = 2, initial_delay_ms = 2 } },
  },
  edges = {
    { from = "fetch", key = "even", to = "many" },
    { from = "fetch", key = "odd", to = "flaky", when = function(state) return state.artifact end },
    { from = "fetch", key = "odd", to = "many" },
    { from = "many", key = "ok", to = "rest" },
    { from = "flaky", key = "ok", to = "rest" },
    { from = "rest", key = "again", to = "fetch" },
  },
}
