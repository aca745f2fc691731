-- fleet: what the fault run executes: 20 steps, four rounds of a pure step, an effect, several
-- effects at once, one that happens at most once, and a nap. Its state holds no time and nothing
-- that depends on whether an answer was lost.
local elg = require "elg"

local PATIENCE_MS = 120000 -- a process that was stopped for a while has not timed out

local function request(state, path, more)
  local out = { url = ("%s/%s/%d"):format(state.url, path, state.round), method = "POST",
    timeout_ms = PATIENCE_MS, body = elg.json.encode { n = state.n, round = state.round } }
  for name, value in pairs(more or {}) do out[name] = value end
  return out
end

local function number_of(res)
  return elg.json.decode(res.body).n
end

local function pure(state, _, ctx)
  state.sum = (state.sum + ctx.rand(1000)) % 1000003
  return "ok", { sum = state.sum }
end

local function post(state, _, ctx)
  state.numbers[#state.numbers + 1] = number_of(ctx.http(request(state, "post")))
  ctx.now()
  return "ok"
end

local function fan(state, _, ctx)
  local results = ctx.all { { "http", request(state, "left") }, { "http", request(state, "right") },
    { "artifact.write", { content = ("report %d %d"):format(state.n, state.round) } } }
  for i = 1, 2 do state.numbers[#state.numbers + 1] = number_of(results[i].value) end
  state.report = results[3].value.hash
  return "ok", { report = state.report }
end

local function once(state, _, ctx)
  local res, err = ctx.http(request(state, "once", { at_most_once = true }))
  if not res and err.code ~= "UNKNOWN" then error(err.code .. ": " .. err.message) end
  state.once = state.once + 1
  return "ok"
end

local function nap(state, _, ctx)
  ctx.sleep(150 + ctx.rand(800))
  state.round = state.round + 1
  return state.round <= state.rounds and "again" or nil, { report = ctx.artifact.read(state.report).content }
end

local nodes = { pure = pure, post = post, fan = fan, once = once, nap = nap }
for name, run in pairs(nodes) do nodes[name] = { run = run, timeout_ms = PATIENCE_MS } end

return elg.graph {
  id = "fleet", version = "1", entry = "pure",
  initial = function(input)
    return { url = input.url, n = input.n, round = 1, rounds = 4, sum = 0, once = 0,
      numbers = elg.array {} }
  end,
  nodes = nodes,
  edges = {
    { from = "pure", key = "ok", to = "post" },
    { from = "post", key = "ok", to = "fan" },
    { from = "fan", key = "ok", to = "once" },
    { from = "once", key = "ok", to = "nap" },
    { from = "nap", key = "again", to = "pure" },
  },
}
