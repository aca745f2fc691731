-- clean_graphs: graphs as authors write them, with nothing wrong: { name = text }. elg check
-- must say nothing of any.
local GRAPH = [[
local elg = require "elg"
%s
return elg.graph { id = "x", version = "1", entry = "a", nodes = { a = function(state, input, ctx)
%s
end }, edges = {} }
]]

local PARTS = {
  counter = { "", "state.n = (state.n or 0) + 1 return nil, state.n" },
  constants = { "local RATES = { eur = 1, usd = 1.1 }", "return nil, RATES[input.currency] or RATES.eur" },
  class = { [[local Stack = {} Stack.__index = Stack
    function Stack.new() return setmetatable({ items = {} }, Stack) end
    function Stack:push(v) self.items[#self.items + 1] = v end]],
    "local s = Stack.new() s:push(1) s:push(2) return nil, s.items" },
  class_of_the_book = { [[local Account = { balance = 0 }
    function Account:new(o) o = o or {} setmetatable(o, self) self.__index = self return o end
    function Account:add(v) self.balance = self.balance + v end]],
    "local a = Account:new() a:add(5) return nil, a.balance" },
  sorted_keys = { [[local function keys(t) local out = {} for k in pairs(t) do out[#out + 1] = k end
    table.sort(out) return out end]], "for _, k in ipairs(keys(input)) do ctx.http { url = k } end" },
  short_names = { "local insert, sort, fmt, floor = table.insert, table.sort, string.format, math.floor",
    "local out = {} for k in pairs(input) do insert(out, fmt('%s', k)) end sort(out) return nil, { out, "
      .. "floor(1.5) }" },
  memo_in_step = { "local function memo(f) local c = {} return function(x) if c[x] == nil then c[x] = f(x) end "
    .. "return c[x] end end",
    "local square = memo(function(x) return x * x end) return nil, square(2) + square(2)" },
  retry = { "", [[for i = 1, 3 do local res, err = ctx.http { url = input.url }
    if res then return nil, res.body end ctx.log("warn",
      "again", { try = i, code = err.code }) end error("no answer")]] },
  polling = { "", "while not state.done do state.done = ctx.call('poll') == true ctx.sleep(100) end" },
  bounded_polling = { "", [[local tries = 0 repeat tries = tries + 1 local r = ctx.call("poll") ctx.sleep(10)
    until r or tries > 9]] },
  deadline = { "", "local stop = ctx.now() + 1000 while ctx.now() < stop do ctx.sleep(100) end" },
  queue = { "", "local q = { input } while #q > 0 do local at = table.remove(q) ctx.call('visit', at.id) "
    .. "for _, child in ipairs(at.children or {}) do q[#q + 1] = child end end" },
  helper_of_state = { "local function bump(s, by) s.n = (s.n or 0) + by end", "bump(state, 2)" },
  merge = { [[local DEFAULTS = { depth = 1, tags = {} }
    local function merged(over) local out = {} for k, v in pairs(DEFAULTS) do out[k] = v end
    for k, v in pairs(over) do out[k] = v end return out end]], "return nil, merged(input)" },
  copy = { [[local function copy(t) if type(t) ~= "table" then return t end local out = {}
    for k, v in pairs(t) do out[k] = copy(v) end return out end]], "state.before = copy(state.now)" },
  totals = { "", "local sum = 0 for _, item in ipairs(input.items or {}) do sum = sum + item.cents * item.count "
    .. "end return nil, sum" },
  grouping = { "", [[local by = {} for _, r in ipairs(input) do by[r.kind] = by[r.kind] or {}
    table.insert(by[r.kind], r.name) end return nil, by]] },
  largest = { "", [[local best, name for k, v in pairs(input) do
    if not best or v > best or (v == best and k < name) then best, name = v, k end end return nil, { best, name }]] },
  optional = { "local unpack = table.unpack or unpack", "return nil, { unpack(input.list or {}) }" },
  asked = { "local has_jit = jit ~= nil", "return nil, has_jit" },
  result = { "", "return { output = { 1, 2 }, state = { seen = true }, metadata = { took = 1 } }" },
  all = { "", [[local calls = {} for i, url in ipairs(input.urls) do calls[i] = { "http", { url = url } } end
    local out = {} for i, r in ipairs(ctx.all(calls)) do out[i] = r.ok and r.value.status or r.err.code end
      return nil, out]] },
  closures = { "", [[local seen, count = {}, 0 local function visit(x) if not seen[x] then seen[x] = true
    count = count + 1 end end for _, x in ipairs(input) do visit(x) end return nil, count]] },
  parser = { [[local function parser(text) local at = 1 return { next = function()
    local word, stop = text:match("^%s*(%S+)()", at) at = stop or at return word end } end]],
    "local p, words = parser(input.text), {} for w in p.next do words[#words + 1] = w end return nil, words" },
  coroutines = { "", [[local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
    local out = {} for i in gen do out[#out + 1] = i end return nil, out]] },
  infinity = { "", "local low = math.huge for _, v in ipairs(input) do low = math.min(low, v) end "
    .. "return nil, low < math.huge and low or elg.null" },
  wide = { "", "local h = 14695981039346656037ULL for i = 1, #input do h = bit.bxor(h, input:byte(i)) * "
    .. "1099511628211ULL end "
    .. "return nil, tostring(h)" },
  dispatch = { [[local actions = {} function actions.add(s, v) s.n = s.n + v end function actions.drop(s) s.n =
    0 end]],
    "local act = actions[input.action] if act then act(state, input.value) end" },
  methods = { "", "local name = (input.name or ''):lower():gsub('%s+', ' ') return nil, { name = name, size = "
    .. "#name }" },
  errors = { "", [[local ok, err = pcall(function() error { code = "X", retry = false } end)
    if not ok and err.code ~= "X" then error(err) end return nil, { ok = ok }]] },
  built_list = { "", "local r = {} r.items = {} r.items[1] = input.a r.count = #r.items return nil, r" },
  sparse_by_name = { "", "local by = {} for i = 10, 30, 10 do by[tostring(i)] = i end state.by = by" },
  matrix = { "", "local m = {} for i = 1, 3 do m[i] = {} for j = 1, 3 do m[i][j] = i * j end end return nil, m" },
  table_at_load = { [[local POWERS, n = {}, 1 for i = 1, 10 do POWERS[i] = n n = n * 2 end
    local function add(t, v) t[#t + 1] = v end add(POWERS, n)]], "return nil, POWERS[input.i]" },
  binary_search = { "", [[local low, high = 1, #input while low < high do local mid = math.floor((low + high) / 2)
    if input[mid] < 5 then low = mid + 1 else high = mid end end return nil, low]] },
  swap = { "", "for i = 1, math.floor(#input / 2) do local j = #input + 1 - i input[i], input[j] = input[j], "
    .. "input[i] end return nil, input" },
  read_only_methods = { "local cfg = { name = 'a' } function cfg:title() return self.name:upper() end",
    "return nil, cfg:title()" },
}

local graphs = {}
for name, part in pairs(PARTS) do graphs[name] = GRAPH:format(part[1], part[2]) end
return graphs
