-- leaks: state that is kept behind names, parameters, methods and closures, and the other
-- findings that need more than one line: each where it is true, and a set of clean graphs that
-- has none.
local clean = require "clean_graphs"
local lint = require "elg.lint"

local GRAPH = [[
local elg = require "elg"
local list, list2, deep = {}, {}, { a = {} }
%s
local function run(state, input, ctx)
%s
end
return elg.graph { id = "x", version = "1", entry = "a", nodes = { a = run }, edges = {} }
]]

local function check(text, more)
  local found = {}
  for i, finding in ipairs((lint.check("graph.lua", function(path)
    return path == "graph.lua" and text or (more or {})[path]
  end))) do
    found[i] = finding.code .. " " .. finding.where
  end
  return found
end

-- cases: { what stands above the node, its body, where = "3"; or nothing is found }. What stands
-- above is line 3, the body line 5.
local function expect(code, cases)
  for _, case in ipairs(cases) do
    local found = check(GRAPH:format(case[1], case[2]))
    local said = case[1] .. "\n" .. case[2]
    assert.same(case.where and { ("%s graph.lua:%d"):format(code, case.where) } or {}, found, said)
  end
end

describe("lint of what is kept behind", function()
  it("parameters", function()
    local add = "local function add(t, v) t[#t + 1] = v end "
    expect("OUTER_CHANGE", {
      { add, "add(list, 1)", where = 5 }, { add, "\n\nadd(deep.a, 1)", where = 7 },
      { add, "local l = list add(l, 1)", where = 5 }, { add, "pcall(add, list, 1)", where = 5 },
      { add .. "local function both(t) add(t, 1) end", "both(list)", where = 5 },
      { "local function put(t) table.insert(t.items, 1) end", "put(deep)", where = 5 },
      { "local function mark(t) for _, x in ipairs(t) do x.done = 1 end end", "mark(list)", where = 5 },
      { "local function cap(t, v) if #t > 9 then table.remove(t) end t[1] = v end", "cap(list, 1)", where = 5 },
      { add, "add(state.items, 1) add({}, 1) local l = {} add(l, 1)" }, { add, "add(input, list)" },
      { add .. "add(list, 1)", "return nil, #list" },
      { "local function get(t, make) if make then t.x = 1 end return t.x end", "get(list)" },
      { "local function get(t, make) if not make then return t.x end t.x = 1 end", "get(list)" },
      { "local function copy(t) t = { t[1] } t[2] = 1 return t end", "copy(list)" },
      { "local function merge(to, from) for k, v in pairs(from) do to[k] = v end return to end",
        "merge({}, list)" } })
  end)

  it("methods", function()
    local counter = "local h = { n = 0 } function h:inc() self.n = self.n + 1 end "
    expect("OUTER_CHANGE", { { counter, "h:inc()", where = 5 }, { counter, "local g = h g.inc(g)" },
      { counter, "h.inc(h)", where = 5 }, { counter .. "function h:twice() self:inc() end", "return nil, h.n" },
      { counter, "h.inc(state)" }, { "local h = {} function h:get() return self.n end", "return nil, h:get()" },
      { "local C = {} function C:new(o) o = o or {} setmetatable(o, self) self.__index = self return o end",
        "local c = C:new() c.n = 1" } })
    expect("OUTER_ASSIGN", { { "local n, h = 0, {} function h:inc() n = n + 1 end", "h:inc()", where = 3 } })
    assert.same({ "OUTER_CHANGE graph.lua:5" }, check(GRAPH:format("local h = require 'h'", "h:inc()"),
      { ["h.lua"] = "local M = { n = 0 } function M:inc() self.n = self.n + 1 end return M" }))
  end)

  it("closures that were made when the file was loaded", function()
    local make = "local function mk() local n = 0 return function() n = n + 1 return n end end "
    expect("OUTER_ASSIGN", { { make .. "local id = mk()", "return nil, id()", where = 3 },
      { make .. "local id = mk() id()", "return nil, 1" }, { make, "local id = mk() return nil, id()" },
      { "local function mk() local n, t = 0, {} function t.inc() n = n + 1 end return t end local c = mk()",
        "c.inc()", where = 3 },
      { make .. "local M = { id = mk() }", "return nil, 1" } })
    expect("OUTER_CHANGE", { {
      "local function memo(f) local c = {} return function(x)\nif c[x] == nil then c[x] = f(x) end return c[x] "
        .. "end end "
        .. "local sq = memo(function(x) return x * x end)", "return nil, sq(2)", where = 4 },
      { "local function bind(f, a) local t = { a } return function(b) return f(t[1], b) end end "
        .. "local inc = bind(function(a, b) return a + b end, 1)", "return nil, inc(2)" } })
  end)

  it("other names of the library's functions", function()
    expect("OUTER_CHANGE", { { "local ins = table.insert", "ins(list, 1)", where = 5 },
      { "local t = table", "t.insert(list, 1)", where = 5 }, { "", "table.move({ 1 }, 1, 1, 1, list)", where = 5 },
      { "", "table.move(list, 1, 1, 2)", where = 5 }, { "local clear = require 'table.clear'", "clear(list)",
        where = 5 },
      { "local ins = table.insert", "ins(state.items, 1)" }, { "", "table.move(list, 1, 1, 1, {})" } })
    expect("PAIRS_ORDER", { { "local concat = table.concat local each = pairs",
      "local t = {}\nfor k in each(input) do\nt[#t + 1] = k end return nil, concat(t)", where = 7 },
      { "local sort = table.sort",
        "local t = {} for k in pairs(input) do t[#t + 1] = k end sort(t) return nil, t" } })
  end)
end)

describe("lint of values and results", function()
  it("follows what a table was given", function()
    expect("NOT_JSON", { { "", "local r = {}\nr.f = function() end return nil, r", where = 6 },
      { "", "local r = { f = ctx } return nil, r", where = 5 },
      { "", "local r = {} r.f = ctx.http return { output = r }", where = 5 },
      { "", "local r = { f = ctx } r.f = nil return nil, r" },
      { "", "local r = {} r.f = ctx input.g(r) return nil, r" },
      { "", "local r = {} r.f = ctx if input.x then r.f = 1 end return nil, r" },
      { "", "local r = { f = ctx } for i = 1, 2 do if i == 2 then return nil, r end r.f = nil end" },
      { "", "local r = {} r.f = ctx state.r = r r.f = nil" },
      { "", "local r = {} r.f = function() end return nil, r.f()" } })
  end)

  it("knows keys and numbers that JSON has not", function()
    expect("NOT_JSON", { { "", "state.x = 1LL", where = 5 }, { "", "return nil, -1ULL * 2", where = 5 },
      { "", "return nil, 2i", where = 5 }, { "", "return nil, { [1.5] = 1, [true] = 2 }", where = 5 },
      { "", "return nil, { [5] = 1 }", where = 5 }, { "", "return nil, { [0] = 1 }", where = 5 },
      { "", "state.m = { [true] = 1 }", where = 5 }, { "", "return nil, { [2] = 1, [1] = 2 }" },
      { "", "state.m = { [2] = 1 } state.m[1] = 1" }, { "", "return nil, { input.f(), [2] = 1 }" },
      { "", "return nil, { 1, 2, [3] = 3 }" }, { "", "state.x = tonumber(1LL)" },
      { "", "local n = 1LL return nil, n == 1LL" },
      { "", "return nil, { [input.k] = 1 }" } })
  end)

  it("knows the fields of a result", function()
    expect("INVALID_RESULT", { { "", "return {\nstate = state,\noutptu = 1 }", where = 7 },
    { "", "return { 1 }", where = 5 },
      { "", "return true", where = 5 }, { "", "return 5, input", where = 5 },
      { "", "return { state = state, output = 1, next = nil, metadata = 2 }" }, { "", "return {}" },
      { "", "return { other = nil }" }, { "local function f() return { a = 1 } end", "return nil, f()" },
      { "", "return 'ok', { any = 1 }" } })
  end)

  it("knows names that the sandbox has not, wherever they are used", function()
    expect("UNKNOWN_GLOBAL", { { "", "return nil, undefinedvar", where = 5 },
    { "", "return nil, { f = print }", where = 5 },
      { "", "local p = print\np(1)", where = 6 }, { "local p = print", "p(1)", where = 5 },
      { "", "state.x = nosuch", where = 5 }, { "", "return nil, nosuch + 1", where = 5 },
      { "", "local o = os local g = o.getenv g('x')", where = 5 },
      { "local p = print or function() end", "p(1)" }, { "local p = print", "if p then p(1) end" },
      { "", "if nosuch == nil then return end" }, { "local cjson = cjson and cjson.new()", "return nil, 1" },
      { "load('made = 1')()", "return nil, made" }, { "",
        "if type(nosuch) == 'table' then return nil, nosuch.x end" } })
  end)
end)

describe("lint of loops", function()
  it("names conditions that nothing changes", function()
    expect("ENDLESS_CALLS", { { "", "while not state.done do\nctx.sleep(1) end", where = 6 },
      { "", "local i = 0 while i < 10 do ctx.http { url = 'x' } end", where = 5 },
      { "", "while state.n ~= 3 and not input.stop do ctx.sleep(1) end", where = 5 },
      { "", "repeat ctx.sleep(1) until state.done", where = 5 },
      { "local function wait(job, ctx)\nwhile not job.done do ctx.sleep(1) end end", "wait(state, ctx)", where = 4 },
      { "", "while not state.done do state.done = ctx.now() > 5 end" },
      { "", "local i = 0 while i < 10 do ctx.sleep(1) i = i + 1 end" }, { "", "repeat ctx.sleep(1) until true" },
      { "", "local d repeat d = ctx.call('x') until d" }, { "", "repeat local d = ctx.call('x') until d" },
      { "", "local s = state while not state.done do s.done = ctx.call('x') end" },
      { "", "local function poll() state.done = ctx.call('x') end while not state.done do poll() ctx.sleep(1) end" },
      { "", "local i, f = 0 f = function() i = i + ctx.now() end while i < 10 do ctx.now() f() end" },
      { "", "while not state.done do ctx.sleep(1) input.f(state) end" },
      { "", "while not state.done do state:f(ctx.now()) end" },
      { "", "while #state.queue > 0 do state.queue[#state.queue] = nil ctx.sleep(1) end" },
      { "", "while state.a.b do ctx.sleep(1) end" }, { "",
        "while not state.done do if ctx.now() then break end end" },
      { "", "while ctx.now() < input.until_ms do ctx.sleep(1) end" },
      { "local function wait(job, step, ctx) while not job.done do step(ctx) ctx.sleep(1) end end",
        "wait(state, function() state.done = true end, ctx)" } })
  end)

  it("names lists that a function gives in the order of pairs", function()
    local keys = "local function keys(t) local out = {} for k in pairs(t) do out[#out + 1] = k end return out end "
    expect("PAIRS_ORDER", { { keys, "\nstate.s = keys(input)", where = 6 },
    { keys, "return nil, { list = keys(input) }", where = 5 },
      { keys, "local k = keys(input) return nil, k", where = 5 },
      { keys, "return nil, table.concat(keys(input), ',')", where = 5 },
      { keys, "local k = keys(input) table.sort(k) state.s = k" }, { keys, "return nil, #keys(input)" },
      { keys, "state.s = keys(input) table.sort(state.s)" }, { keys, "return nil, input.f(keys(input))" },
      { "local function keys(t) local out = {} for k in pairs(t) do out[#out + 1] = k end table.sort(out) "
        .. "return out end",
        "state.s = keys(input)" } })
  end)
end)

describe("lint of comments and lines", function()
  it("counts lines however they end", function()
    local lines = { 'local elg = require "elg"', "-- a comment", "local s = [[a", "b]]", "local function run(state)",
      "state.t = 'a\\", "b'", "count = 1", "end",
        "return elg.graph { id = 'x', version = '1', entry = 'a', nodes = { a = run } }" }
    for _, ending in ipairs { "\n", "\r", "\r\n", "\n\r" } do
      assert.same({ "GLOBAL_ASSIGN graph.lua:8" }, check(table.concat(lines, ending)))
      assert.same({}, check((table.concat(lines, ending):gsub("count = 1", "%0 -- elg: ignore GLOBAL_ASSIGN"))))
    end
  end)

  it("says which codes there are not", function()
    expect("UNKNOWN_CODE", { { "-- elg: ignore BOGUS", "", where = 3 },
    { "", "list[1] = 1 -- elg: ignore OUTER_CHANGE, BOGUS", where = 5 },
      { "-- elg: ignore OUTER_CHANGE since HTTP is slow", "" }, { "-- elg: ignore", "" },
      { "-- elg: ignore CANNOT_END, NEXT_FIRST", "" } })
  end)
end)

describe("lint of clean graphs", function()
  it("is silent", function()
    local count = 0
    for name, text in pairs(clean) do
      assert.same({}, check(text), name)
      count = count + 1
    end
    assert.is_true(count >= 30)
  end)
end)
