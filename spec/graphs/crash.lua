-- crash: what the kill spec executes. Every kind of effect, retries, waits; its state holds no
-- time and nothing that depends on whether a call's answer was lost, so that a run that was
-- killed ends with the state of one that was not.
local elg = require "elg"

local function post(ctx, state, path, body, more)
  local request = { url = state.url .. path, method = "POST", body = elg.json.encode(body) }
  for name, value in pairs(more or {}) do request[name] = value end
  return ctx.http(request)
end

local function number_of(res)
  return elg.json.decode(res.body).n
end

local function begin(state, _, ctx)
  ctx.log("begin")
  state.numbers[#state.numbers + 1] = number_of(post(ctx, state, "/begin", { n = state.n }))
  ctx.now()
  return "ok", { n = state.n }
end

local function pure(state, input, ctx)
  state.sum = (state.sum + ctx.rand(1000)) % 1000003
  return "ok", { sum = state.sum, from = input }
end

local function fan(state, _, ctx)
  ctx.log("fan")
  local calls = {}
  for i = 1, 4 do
    calls[i] = { "http", { url = state.url .. "/part/" .. i, method = "PUT",
      body = ("part %d of %d, round %d"):format(i, state.n, state.round) } }
  end
  calls[5] = { "artifact.write", { content = ("report %d %d"):format(state.n, state.round) } }
  local results = ctx.all(calls)
  for i = 1, 4 do
    state.numbers[#state.numbers + 1] = number_of(results[i].value)
  end
  state.artifact = results[5].value.hash
  return "ok", { parts = 4 }
end

local function flaky(state, _, ctx)
  ctx.log("flaky attempt " .. ctx.attempt)
  local n = number_of(post(ctx, state, "/flaky", { n = state.n, round = state.round }))
  if ctx.attempt < 3 then error("not yet") end
  state.numbers[#state.numbers + 1] = n
  return "ok", { attempt = ctx.attempt }
end

local function nap(state, _, ctx)
  ctx.sleep(1 + ctx.rand(12))
  return state.n % 2 == 0 and "even" or "odd"
end

local function once(state, _, ctx)
  ctx.log("once")
  local res = post(ctx, state, "/once", { n = state.n, round = state.round },
    { at_most_once = true, reconcile = function() return { status = 200 } end })
  state.once = state.once + (res.status == 200 and 1 or 0)
  return "ok"
end

local function unknown(state, _, ctx)
  local res, err = post(ctx, state, "/unknown", { n = state.n, round = state.round },
    { at_most_once = true })
  if not res and err.code ~= "UNKNOWN" then error(err.code .. ": " .. err.message) end
  state.unknown = state.unknown + 1
  return "ok"
end

local function read(state, _, ctx)
  ctx.log("read")
  local content = assert(ctx.artifact.read(state.artifact))
  local text = type(content) == "table" and content.content or content
  state.text = text
  state.round = state.round + 1
  return state.round <= state.rounds and "again" or nil, { text = text, uuid = ctx.uuid() }
end

return elg.graph {
  id = "crash", version = "1", entry = "begin",
  initial = function(input)
    return { url = input.url, n = input.n, rounds = input.rounds, round = 1, sum = 0, once = 0,
      unknown = 0, numbers = elg.array {} }
  end,
  nodes = {
    begin = begin, fan = fan, once = once, unknown = unknown, read = read, nap = nap,
    pure = pure, pure2 = pure,
    flaky = { run = flaky, retry = { max_attempts = 4, backoff = "exponential",
      initial_delay_ms = 2, max_delay_ms = 5 } },
  },
  edges = {
    { from = "begin", key = "ok", to = "pure" },
    { from = "pure", key = "ok", to = "fan" },
    { from = "fan", key = "ok", to = "flaky" },
    { from = "flaky", key = "ok", to = "nap" },
    { from = "nap", key = "even", to = "once" },
    { from = "nap", key = "odd", to = "pure2" },
    { from = "pure2", key = "ok", to = "once" },
    { from = "once", key = "ok", to = "unknown" },
    { from = "unknown", key = "ok", to = "read" },
    { from = "read", key = "again", to = "begin" },
  },
}
