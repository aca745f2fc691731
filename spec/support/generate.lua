-- generate: graphs as text, varied and deterministic, from a seed. What they do must come out
-- the same anywhere: arithmetic, strings, tables, callbacks, coroutines, chance, effects.
local M = {}

-- A generator of integers in [0, n) of its own: math.random is everybody's.
function M.generator(seed)
  local x = seed % 2147483646 + 1
  return function(n)
    x = x * 48271 % 2147483647
    return x % n
  end
end

-- Pieces of node code; %d is a number. Each changes `state`.
local PIECES = {
  "for i = 1, %d do state.n = (state.n * 31 + i) %% 1000003 end",
  "state.x = math.sin(state.n + %d) * math.exp(math.cos(state.n)) + math.log(state.n + 1)",
  "state.x = (state.n + %d) ^ 1.7 %% 1e6 + math.tan(state.n %% 7) + math.atan2(%d, state.n + 1)",
  "state.text = ('%%d-%%s-%%5.3f'):format(state.n, 'abc%d', state.n / 7)",
  "state.text = state.text:gsub('%%d', function(d) state.n = state.n + tonumber(d) return d end)"
    .. " .. %d",
  "state.text = state.text:sub(-40):upper():rep(2):sub(1, 50) .. %d",
  "local t = {} for i = 1, 20 do t[i] = (state.n * i * 7919) %% (%d + 50) end"
    .. " table.sort(t, function(a, b) return a > b end) state.list = t",
  "local t = {} for w in ('the quick brown fox %d jumps'):gmatch('%%a+') do t[w] = #w + state.n end"
    .. " local sum = 0 for k, v in pairs(t) do sum = (sum * 31 + #k * v) %% 99991 end state.sum = sum",
  "local co = coroutine.wrap(function(a) for i = 1, 5 do a = a + coroutine.yield(a * i) end"
    .. " return a end) local s = 0 for i = 1, 5 do s = s + co(i + %d) end state.co = s",
  "local ok, err = pcall(function() if state.n %% 2 == 0 then error('even %d') end return 'odd' end)"
    .. " state.caught = { ok, tostring(err) }",
  "local mt = { __index = function(_, k) return k .. '!' end, __call = function(_, a) return a * 2 end,"
    .. " __lt = function(a, b) return a.v < b.v end, __concat = function() return 'cat' end }"
    .. " local o = setmetatable({ v = %d }, mt) state.meta = { o.foo, o(21), o .. 'x',"
    .. " o < setmetatable({ v = 9 }, mt) }",
  "state.chance = { ctx.rand(%d + 10), ctx.uuid(), math.random(), math.random(100) }",
  "state.hash = elg.hash({ n = state.n, k = %d, list = state.list or elg.null })",
  "state.copy = elg.json.decode(elg.json.encode({ a = { state.n, %d }, b = 'x' }))",
  "state.address = tostring({}):match('^%%a+') .. tostring(print or 'none'):match('^%%a+') .. %d",
  "state.bits = bit.bxor(state.n, bit.lshift(%d, 3), 12345)",
  "local parts = {} for i = 1, 30 do parts[#parts + 1] = string.char(97 + (state.n + i * %d) %% 26)"
    .. " end state.text = table.concat(parts)",
  "local f = load('return ... * 2 + %d') state.loaded = f(state.n)",
  "state.nested = { a = { b = { c = { state.n, { %d } } } }, e = elg.array {}, z = elg.null }",
  "state.unicode = 'h\\195\\169llo \\240\\159\\152\\128 ' .. %d",
}
-- Pieces with effects; the server's answer follows from key and body.
local EFFECTS = {
  "local res = ctx.http { url = state.url .. '/a/%d', method = 'POST', body = 'n' .. state.n }"
    .. " state.n = (state.n + elg.json.decode(res.body).n) %% 1000003",
  "local all = ctx.all { { 'http', { url = state.url .. '/b/%d' } },"
    .. " { 'artifact.write', { content = state.text } } }"
    .. " state.all = { all[1].value.status, all[2].value.hash }",
  "local ref = ctx.artifact.write(state.text .. '%d') state.back = ctx.artifact.read(ref)",
  "local res, err = ctx.http { url = 'http://127.0.0.1:1/%d' } state.down = err.code",
}

local function body(random, lines)
  local out = {}
  for i = 1, lines do
    local list = random(6) == 0 and EFFECTS or PIECES
    local piece = list[random(#list) + 1]
    out[i] = "  do " .. piece:format(random(100), random(100), random(100)) .. " end"
  end
  return table.concat(out, "\n")
end

-- graph(seed): the text of a graph of 2 to 6 nodes that runs for 3 to 14 steps. Its input is
-- { url = of a ledger }.
function M.graph(seed)
  local random = M.generator(seed * 7919 + 13)
  local nodes, steps = 2 + random(5), 3 + random(12)
  local out = { ([[
local elg = require "elg"
local nodes, edges = {}, {}
local function key_of(state, count)
  state.steps = state.steps + 1
  if state.steps >= %d then return nil end
  return "k" .. state.n %% count
end]]):format(steps) }
  for i = 1, nodes do
    local fails = random(4) == 0
    out[#out + 1] = ("nodes.n%d = { run = function(state, input, ctx)\n%s"):format(i,
      body(random, 1 + random(6)))
    if fails then out[#out + 1] = "  if ctx.attempt == 1 then error('first attempt') end" end
    out[#out + 1] = ("  return key_of(state, %d), { from = input, n = state.n } end,\n"
      .. "  retry = { max_attempts = 2, initial_delay_ms = 1 } }"):format(nodes)
    for k = 0, nodes - 1 do
      out[#out + 1] = ("edges[#edges + 1] = { from = 'n%d', key = 'k%d', to = 'n%d',"
        .. " when = function(s) return s.n %% 3 ~= %d end }"):format(i, k, 1 + random(nodes),
        random(4))
      out[#out + 1] = ("edges[#edges + 1] = { from = 'n%d', key = 'k%d', to = 'n%d' }"):format(i, k,
        1 + random(nodes))
    end
  end
  out[#out + 1] = ([[
return elg.graph { id = "generated", version = "%d", entry = "n1", nodes = nodes, edges = edges,
  initial = function(input) return { url = input.url, n = %d, steps = 0, text = "t" } end }
]]):format(seed, random(1000))
  return table.concat(out, "\n")
end

return M
