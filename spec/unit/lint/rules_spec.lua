-- rules: each finding where it is true, and none where it is not.
local lint = require "elg.lint"

-- A node's file: BODY is that of function(state, input, ctx).
local NODE = [[
local elg = require "elg"
local outer, list, other = 0, {}, require "other"
local function helper(x) outer = x end
local function get() return list end local function at(i) return list[i] end local function made() return {} end
local function run(state, input, ctx) %s
end
return elg.graph { id = "x", version = "1", entry = "a", nodes = { a = run }, edges = {} }
]]
local BODY_LINE = 5

local function check(text, more, described)
  return (lint.check("graph.lua", function(path)
    return path == "graph.lua" and text or (more or {})[path]
  end, described))
end

local function codes_of(findings)
  local found = {}
  for i, finding in ipairs(findings) do found[i] = finding.code .. " " .. finding.where end
  return found
end

local function codes_in(body, more)
  return codes_of(check(NODE:format(body), more))
end

-- Checks bodies: what is found is on the body's first line.
local function expect(code, bodies, more)
  for _, body in ipairs(bodies) do
    assert.same({ ("%s graph.lua:%d"):format(code, BODY_LINE) }, codes_in(body, more), body)
  end
end

local function expect_none(bodies)
  for _, body in ipairs(bodies) do assert.same({}, codes_in(body), body) end
end

describe("lint", function()
  describe("of what outlives no step (I3)", function()
    it("names assignments to outer locals and globals", function()
      expect("OUTER_ASSIGN", { "outer = 1", "local x x, outer = 1, 2", "if input then list = {} end",
        "local function set() outer = 2 end set()", "for i = 1, 2 do outer = outer + i end" })
      expect("GLOBAL_ASSIGN", { "count = 1", "function count() end", "_G.count = 1" })
      expect("OUTER_CHANGE", { "list[1] = input", "list.a.b = 1", "table.insert(list, 1)",
        "table.sort(list)", "rawset(list, 1, 2)", "other.cache = 1" })
    end)

    it("names changes behind another name, a function or a loop", function()
      expect("OUTER_CHANGE", { "local c = list c.x = 1", "local c = list.sub local d = c d[1].y = 1",
        "local c = list table.insert(c, 1)", "get().x = 1", "local c = get() c.x = 1", "at(1).x = 2",
        "for _, item in ipairs(list) do item.done = true end", "other.get().x = 1" },
        { ["other.lua"] = "local kept = {} local M = {} function M.get() return kept end return M" })
      expect_none { "made().x = 1", "local c = input.copy(list) c.x = 1", "local c = list c = {} c.x = 1",
        "local c = list local x = c.x", "local function inner() return state end inner().x = 1",
        "local c = list.n or {} c.x = 1", "local t = {} local function get() return t end get().x = 1",
        "for _, item in ipairs(input) do item.done = true end" }
    end)

    it("names changes of the library's tables", function()
      expect("OUTER_CHANGE", { "string.foo = 1", "math.pi = 3", "rawset(string, 'trim', 1)",
        "local s = string function s.trim() end" })
      assert.same({}, codes_of(check("string.trim = function() end " .. NODE:format "")))
    end)

    it("says which line declares it and what to do", function()
      local text = check(NODE:format "outer = 1")[1].text
      assert.truthy(text:find("outer", 1, true) and text:find("line 2", 1, true)
        and text:find("state", 1, true), text)
    end)

    it("follows helpers, also into other files", function()
      assert.same({ "OUTER_ASSIGN graph.lua:3" }, codes_in "helper(1)")
      assert.same({ "OUTER_ASSIGN graph.lua:3" }, codes_in "pcall(helper, 1)")
      assert.same({ "OUTER_CHANGE other.lua:2" }, codes_in("other.put(1)", { ["other.lua"] = [[
        local M, kept = {}, {}  function M.put(x)
          kept[1] = x end
        function M.load(x) kept[2] = x end
        return M]] }))
    end)

    it("leaves alone what is inside the step, and what runs while the graph loads", function()
      expect_none { "local outer = 1 outer = 2", "local t = {} t.a = 1 table.insert(t, 2)",
        "state.list = {} state.list[1] = 2", "local n = 0 local function f() n = n + 1 end f()",
        "input.x = list", "local list = list" }
      assert.same({}, codes_of(check [[
        local elg = require "elg"
        local edges, count = {}, 0
        local function add(e) edges[#edges + 1] = e count = count + 1 end
        add { from = "a", key = "k", to = "a" }
        return elg.graph { id = "x", version = "1", entry = "a",
          nodes = { a = function() return nil end }, edges = edges }]]))
    end)
  end)

  it("says which member is no JSON value, and what to do without a name that is not there", function()
    for body, text in pairs {
      ["return nil, ctx"] = "output is ctx, which is not a JSON value",
      ["return nil, { a = { 1, { f = run } } }"] = "output.a[2].f is a function, which is not a JSON value",
      ["return { state = { [1] = ctx } }"] = "state[1] is ctx, which is not a JSON value",
      ["state.items[3].f = function() end"] = "state.items[3].f is a function, which is not a JSON value",
      ["state[input.k]['a b\\n'] = { x = 1/0 }"] =
        'state[?]["a b\\n"].x is a number that is infinite or none; JSON has finite numbers',
      ["local t = { n = { 0/0 } } state.t = t"] =
        "state.t.n[1] is a number that is infinite or none; JSON has finite numbers",
      ["return nil, " .. ("{"):rep(20) .. "ctx" .. ("}"):rep(20)] = "..." .. ("[1]"):rep(16)
        .. " is ctx, which is not a JSON value",
      ["print(1)"] = "print is not in the sandbox; use ctx.log",
      ["foo(1)"] = "foo is not in the sandbox; if it is the graph's own, make it a local or require it",
      ["string.trim(input)"] = "string.trim is not in the sandbox; write a function for it",
    } do
      assert.equal(text, check(NODE:format(body))[1].text, body)
    end
    assert.equal('elg is not in the sandbox; write local elg = require "elg" at the top of the file',
      check("return elg.graph {}")[1].text)
  end)

  it("names values that JSON does not have", function()
    expect("NOT_JSON", { "return nil, function() end", "return nil, ctx", "local function f() end return nil, f",
      "state.f = function() end", "state.a.b = ctx", "return nil, { a = { function() end } }",
      "return nil, math.huge", "return { state = { f = ctx }, next = nil }",
      "local co = coroutine.create(input.f) return nil, co", "return nil, -math.huge",
      "state.h = math.huge", "state.n = 1/0", "state.q = 0/0", "state.a = { b = { 1 % 0 } }",
      "return 'ok', { x = 1 / 0 }", "return 'ok', string.rep", "return 'ok', ctx.http", "state.f = tostring",
      "return nil, { ctx.artifact }", "return nil, 1e999", "local h = math.huge return nil, { h }",
      "state.lib = string", "state.n = input.x / 0 state.m = 1", "return { output = math.huge }" })
    assert.same({ "NOT_JSON graph.lua:2" }, codes_of(check [[
      local elg = require "elg" return elg.graph { id = "x", version = "1", entry = "a",
      nodes = { a = function() end }, initial = function() return { best = math.huge } end }]]))
    expect("NOT_JSON", { "return nil, { 1, 2, x = 3 }", "return nil, { [1] = 1, x = 3 }",
      "return nil, { a = { 'x', b = 1 } }", "return nil, 0 / 0",
      "state.list = { 1, name = 2 }", "return nil, -(1 / 0)", "return { output = { 1, n = 2 } }" })
    expect_none { "return nil, { f = input.f }", "return nil, { 1, x = nil }", "return nil, { [1] = 2, [2] = 3 }",
      "return nil, input.x / 2", "local t = { 1, n = 1 } return nil, t.n",
      "local f = function() end return nil, f()",
      "return nil, ctx.trace_id", "return nil, math.pi", "return nil, string.rep('x', 2)", "return nil, _VERSION",
      "state.best = math.huge for _, v in ipairs(input) do if v < state.best then state.best = v end end",
      "for i = 1, 2 do if i == 2 then state.n = 1 else state.n = math.huge end end",
      "state.d = { x = 1/0 } state.d.x = 1",
      "state.dist[input.k] = math.huge for k, v in pairs(input) do state.dist[k] = v end",
      "state.best = math.huge input.f(state)", "return nil, (ctx.http { url = 'http://x' })",
      "state.n = #input", "return nil, math.min(math.huge, 1)", "local best = math.huge" }
  end)

  it("names lists with holes", function()
    expect("HOLES", { "return nil, { 1, nil, 3 }", "return nil, #{ nil, 1 }",
      "for i = 1, #input do if input[i] == 1 then input[i] = nil end end return nil, #input",
      "for i, v in ipairs(input) do if v then input[i] = nil end end return nil, #input" })
    expect_none { "return nil, { 1, 2, nil }", "return nil, { 1, elg.null, 3 }",
      "return select(2, unpack({ 1, nil, 3 }, 1, 3))", "input[#input] = nil return nil, #input",
      "for i = #input, 1, -1 do input[i] = nil end return nil, #input",
      "state[input.key] = nil return nil, #input", "local t = { n = 3, 1, nil, 3 }",
      "local j = 0 for i = 1, #input do local v = input[i] input[i] = nil "
        .. "if v then j = j + 1 input[j] = v end end return nil, #input" }
  end)

  it("follows the places of a list that is written out", function()
    expect("HOLES", { "local t = { 1, 2, 3 } t[2] = nil return #t", "local t = {} t[1] = 1 t[3] = 3 return #t",
      "local t = input t[2] = nil return #t", "local t = input.list t[1] = nil return nil, #t",
      "local t = { 1, 2, 3 } if input.x then t[1] = nil end for _, v in ipairs(t) do input.f(v) end",
      "local t = { 1, 2 } t[4] = 4 return nil, { list = t }",
      "local t = { [1] = 1, [3] = 3 } return nil, unpack(t)",
      "local n, t = 0, {} t[2] = n table.insert(t, 1)" })
    expect_none { "local t = { 1, 2, 3 } t[3] = nil return #t", "local t = {} t[1] = 1 t[2] = 3 return #t",
      "local t = {} t[2] = 1 t[1] = 3 return #t", "local t = { 1, 2, 3 } t[2] = nil t[2] = 4 return #t",
      "local t = { 1, 2, 3 } t[2] = nil t[3] = nil return nil, t", "local t = {} t[3] = 1 return t[3]",
      "local t = { 1, 2, 3 } input.f(t) t[2] = nil return #t", "local t = { input.f() } t[3] = 1 return #t",
      "local t = { 1, 2, 3 } t[2] = nil t.n = 3 return nil, unpack(t, 1, t.n)",
      "local t = {} for i = 1, 3 do t[i] = i end t[3] = nil return #t",
      "local t = { 1, 2 } if input.x then t[1] = nil return end return #t",
      "local t = {} if input.x then t[1] = 1 end t[2] = 2 return #t",
      "local t = input if #t == 2 then t[2] = nil end return nil, #t",
      "local t = input t[2] = nil t[1] = nil return #t", "local t = input table.remove(t) t[2] = nil return #t",
      "local t = {} t[#t + 1] = 1 t[3] = 2 return #t", "local t = { a = 1 } t.b = nil return nil, t" }
  end)

  it("names orders of iteration that are not the same elsewhere", function()
    expect("NEXT_FIRST", { "local k = next(input)", "return nil, (next(input))",
      "for k, v in pairs(input) do state.first = v break end",
      "for k in pairs(input) do return k end" })
    expect_none { "if next(input) then state.some = true end", "if next(input) == nil then return end",
      "for _ in pairs(input) do return 'some' end", "local k2 = next(input, 1)",
      "for k, v in pairs(input) do if v == 1 then return k end end" }
  end)

  it("names lists and texts that keep the order of pairs", function()
    expect("PAIRS_ORDER", {
      "local out = {} for k in pairs(input) do out[#out + 1] = k end return nil, out",
      "local out = {} for k, v in pairs(input) do table.insert(out, v) end return nil, { list = out }",
      "local s = '' for k in pairs(input) do s = s .. k end return nil, s",
      "local out = {} for k in pairs(input) do if k then out[#out + 1] = { k } end end return nil, { out }",
      "local out = {} for k in pairs(input) do out[#out + 1] = k end return nil, { first = out[1] }" })
    expect_none {
      "local out = {} for k in pairs(input) do out[#out + 1] = k end table.sort(out) return nil, out",
      "local out = {} for k in pairs(input) do out[#out + 1] = k end return nil, #out",
      "local out = {} for k in pairs(input) do out[#out + 1] = k end return nil, input.order(out)",
      "local out = {} for _, k in ipairs(input) do out[#out + 1] = k end return nil, out",
      "local out = {} for k in pairs(input) do out[#out + 1] = 1 end return nil, out",
      "local out = {} for k, v in pairs(input) do out[k] = v end return nil, out",
      "for k in pairs(input) do local out = {} out[#out + 1] = k input.f(out) end",
      "local s = 0 for k, v in pairs(input) do s = s + v end return nil, s" }
  end)

  it("names what keeps the order of pairs in the state", function()
    expect("PAIRS_ORDER", {
      "local s = '' for k in pairs(input) do s = s .. k end state.s = s",
      "local s = '' for k in pairs(input) do s = k .. ',' .. s end state.s = { text = 'of ' .. s }",
      "for k in pairs(input) do state.s = state.s .. k end",
      "for k in next, input do table.insert(state.keys, k) end",
      "for k, v in pairs(input) do local x = v.x state.list[#state.list + 1] = x end",
      "local out = {} for k in pairs(input) do out[#out + 1] = k end ctx.all(out)" })
    expect_none {
      "local s = '' for k in pairs(input) do s = s .. k end state.s = #s",
      "for k in pairs(input) do table.insert(state.keys, k) end table.sort(state.keys)",
      "for k in pairs(input) do table.insert(state.keys, k) end local keys = state.keys table.sort(keys)",
      "for k in pairs(input) do state.s = state.s .. k end state.s = nil",
      "for k in pairs(input) do state.s = state.s .. k end input.f(state)",
      "for _, k in ipairs(input) do state.s = state.s .. k end",
      "for k in pairs(input) do state.s = state.s .. 'x' end",
      "local s = '' for k in pairs(input) do s = s .. k end state.s = s state.s = 1" }
  end)

  it("names calls that are recorded in the order of pairs", function()
    expect("PAIRS_ORDER", { "for k, v in pairs(input) do ctx.http { url = v } end",
      "for k, v in pairs(input) do local url = 'http://' .. v if k then state[k] = ctx.http(url) end end",
      "local get = ctx.http for k, v in pairs(input) do get(v) end",
      "local function fetch(u) return ctx.http(u) end for k, v in pairs(input) do state[k] = fetch(v) end" })
    expect_none { "for k, v in pairs(input) do ctx.log(v) end", "for k in pairs(input) do ctx.sleep(1) end",
      "for i, v in ipairs(input) do ctx.http { url = v } end",
      "for k, v in pairs(input) do state[k] = input.f(v) end",
      "local function pure(u) return u end for k, v in pairs(input) do state[k] = pure(v) end" }
  end)

  it("names what the last or the first fitting turn of pairs leaves", function()
    expect("PAIRS_ORDER", { "for k, v in pairs(input) do state.last = v end",
      "for k, v in pairs(input) do if v > 3 then state.found = k break end end",
      "for k, v in pairs(input) do if v > 3 then state.found = k end end",
      "for k, v in pairs(input) do if v.n > input.least and v.n < 9 then return nil, k end end",
      "local last for k in pairs(input) do last = k end return nil, { last = last }",
      "local last for k in pairs(input) do last = k end state.last = last",
      "for k in pairs(input) do state.first = state.first or k end",
      "for k, v in pairs(input) do if v < 3 then state.few = true else state.many = k end end" })
    expect_none { "for k, v in pairs(input) do if v > (state.max or 0) then state.max = v end end",
      "local b, who for k, v in pairs(input) do if not b or v > b then b, who = v, k end end state.w = who",
      "for k, v in pairs(input) do if k == input.id then state.found = v break end end",
      "for k, v in pairs(input) do state.max = math.max(state.max, v) end",
      "for k, v in pairs(input) do if v > 3 then state.any = true break end end",
      "for k, v in pairs(input) do state[k] = v end", "for k, v in pairs(input) do state.sum = state.sum + v end",
      "for k, v in pairs(input) do local last = v end",
      "for k, v in pairs(input) do if v.primary then state.p = k end end",
      "for k, v in pairs(input) do if v > 3 then return 'big' end end",
      "for k, v in pairs(input) do state.last = v end state.last = nil" }
  end)

  it("names sums of fractions in the order of pairs", function()
    expect("PAIRS_ORDER", { "local s = 0 for k, v in pairs(input) do s = s + v * 0.1 end return nil, s",
      "for k, v in pairs(input) do state.sum = state.sum + v / 3 end",
      "local s, t = 0, { a = 0.1, b = 0.2, c = 0.3 } for _, v in pairs(t) do s = s + v end return nil, { s / 2 }",
      "local s = 0.1 for k, v in pairs(input) do s = v + s end state.s = s" })
    expect_none { "local s = 0 for k, v in pairs(input) do s = s + v / 4 end return nil, s",
      "local s, t = 0, { a = 0.5, b = 2 } for _, v in pairs(t) do s = s + v end return nil, s",
      "local s, t = 0, { a = 0.1 } for k in pairs(t) do s = s + #k end return nil, s",
      "local s = 0 for k, v in pairs(input) do s = s + 0.1 end return nil, s",
      "local s = 0 for k, v in ipairs(input) do s = s + v * 0.1 end return nil, s" }
  end)

  it("names equality of sums of fractions", function()
    expect("FLOAT_EQUAL", { "if 0.1 + input.x == 0.3 then return end",
      "if input.x * 0.1 ~= state.y then return end", "if input.a + input.b == 0.3 then return end",
      "local sum = 0 sum = sum + 0.1 if sum == 1 then return end",
      "local sum = input.a + input.b if sum == 0.7 then return end",
      "for x = 0, 1, 0.1 do if x == input.x then return end end" })
    expect_none { "if input.x == 0.1 then return end", "if input.x / 2 == 1 then return end",
      "for x = 0, 1, 0.5 do if x == 1 then return end end",
      "if input.x + 0.5 == 1 then return end", "if input.a + input.b == 3 then return end",
      "if input.x % 2 == 0 then return end", "if 0.1 + input.x >= 0.3 then return end" }
  end)

  it("names calls in loops without an end", function()
    expect("ENDLESS_CALLS", { "while true do ctx.sleep(1) end",
      "repeat ctx.http { url = 'http://x' } until false", "while 1 do input.f(ctx) end",
      "for i = 1, math.huge do ctx.artifact.write('x') end",
      "while true do for i = 1, 2 do ctx.now() break end end", "::again:: ctx.sleep(1) goto again",
      "do ::again:: if input.x then ctx.sleep(1) end do local y = 1 end goto again end",
      "local function rec() ctx.sleep(1) rec() end", "local function rec() ctx.now() return rec() end rec()",
      "local function poll() poll(ctx.now()) end", "for _ in function() return 1 end do ctx.sleep(1) end",
      "for i = 1, 2, 0 do ctx.now() end", "while not false do ctx.now() end", "for i = 1, 1 / 0 do ctx.now() end",
      "repeat local x = 1 ctx.now() until not 1", "while (true) do ctx.now() end" })
    assert.same({ "ENDLESS_CALLS graph.lua:2" }, codes_of(check(
      "local function poll(ctx)\nctx.sleep(1)\nreturn poll(ctx) end " .. NODE:format("poll(ctx)"))))
    assert.same({ "ENDLESS_CALLS graph.lua:2" }, codes_of(check(
      "local M = {} function M.poll(ctx)\nctx.sleep(1)\nM.poll(ctx) end " .. NODE:format("M.poll(ctx)"))))
    expect_none { "::again:: ctx.sleep(1) if input.x then goto again end", "goto done ctx.sleep(1) ::done::",
      "::again:: if ctx.now() then return end goto again",
      "for i = 1, 2 do ::again:: ctx.now() if i then break end goto again end",
      "::again:: ctx.now() if input.x then goto done end goto again ::done::", "::again:: input.f() goto again",
      "local function rec(n) ctx.sleep(1) if n > 0 then rec(n - 1) end end rec(3)",
      "local function rec(n) if n == 0 then return end ctx.sleep(1) rec(n - 1) end rec(3)",
      "local function rec(n) ctx.now() return n > 0 and rec(n - 1) end rec(3)",
      "for _ in function() return input.f() end do ctx.sleep(1) end", "local function rec() ctx.log('x') rec() end",
      "for _ in function() if input.x then return 1 end end do ctx.sleep(1) end",
      "local function rec(n) ctx.now() assert(n > 0) rec(n - 1) end rec(3)" }
    expect_none { "while true do if ctx.now() > 5 then break end end",
      "while true do if ctx.now() then return nil end end", "while true do local x = 1 end",
      "while true do assert(ctx.http('http://x')) end",
      "while true do ctx.log('x') end", "repeat ctx.sleep(1) until ctx.now() > 5" }
  end)

  it("names a ctx that is hidden or misplaced", function()
    expect("CTX_SHADOWED", { "local ctx = input", "for ctx in pairs(input) do end",
      "for ctx = 1, 2 do end" })
    expect_none { "ctx.http { url = 'http://x', at_most_once = true, reconcile = function(ctx) return ctx end }" }
    local function places(nodes)
      return codes_of(check(([[
        local elg = require "elg" return elg.graph { id = "x", version = "1", entry = "a",
        nodes = { a = %s]]):format(nodes)))
    end
    assert.same({ "CTX_PLACE graph.lua:2" }, places "function(state, ctx) end } }")
    assert.same({ "CTX_PLACE graph.lua:2" }, places "{ run = function(ctx) end } } }")
    assert.same({}, places "function(s, i, ctx) end } }")
    assert.same({ "CTX_PLACE graph.lua:2" }, places
      [[function() end }, initial = function(input, ctx) return {} end }]])
    assert.same({ "CTX_PLACE graph.lua:2" }, places
      [[function() end }, edges = { { from = "a", key = "b", to = "a", when = function(s, o, ctx) end } } }]])
  end)

  it("names what ctx does not have, and arguments that its functions do not take", function()
    expect("CTX_MEMBER", { "ctx.slep(1)", "return nil, ctx.trace", "local s = ctx.sleeep s(1)",
      "ctx.artifact.reed('x')",
      "local c = ctx c.nwo()", "local function f(c) return c.tiem end f(ctx)" })
    expect("CTX_ARGUMENTS", { "ctx.rand(1, 6)", "ctx.now(1)", "ctx.sleep()", "ctx:sleep(1)", "ctx.artifact:write('x')",
      "local rand = ctx.rand return nil, rand()", "ctx.artifact.write('x', {}, {})", "ctx.map(list)",
      "ctx.rand(1, 6, input.f())", "local function f(a, c) c.uuid(a) end f(1, ctx)" })
    assert.same({ "CTX_ARGUMENTS other.lua:1" }, codes_in("other.dice(input, ctx)", {
      ["other.lua"] = "local M = {} function M.dice(x, c) return c.rand(x, 1) end return M" }))
    local text = check(NODE:format "ctx.slep(1) ctx.rand(1, 6)")
    assert.same({ "ctx.rand is given 2 arguments; it takes 1", "ctx has no slep; did you mean sleep?" },
      { text[1].text, text[2].text })
    expect_none { "ctx.rand(6)", "ctx.sleep(input.f())", "ctx.call('a')", "ctx.log('x', { a = 1 })", "ctx.now()",
      "ctx.log('info', 'x', {})", "ctx.run(other)", "ctx.wait('go', 5)", "ctx.rand(unpack(input))", "ctx.all(input)",
      "return nil, { ctx.trace_id, ctx.step_index, ctx.node_id, ctx.attempt, ctx.previous }", "if ctx.sql2 then end",
      "ctx.mine = 1", "input.ctx.slep(1)", "local function f(ctx) return ctx.depth end f(input)",
      "local function f(c) c = input return c.tiem end f(ctx)", "return nil, ctx[input.name]", "ctx.uuid(input.f())" }
  end)

  it("names a state that is assigned to, and results that nobody takes", function()
    expect("STATE_LOST", { "state = { n = 1 }", "state = {} return 'k', state.n", "state = input.f(state)",
      "if input.x then state = nil end", "local x x, state = 1, { n = 1 }" })
    expect_none { "state = state or {} state.n = 1", "state = { n = 1 } return { state = state }",
      "state = {} input.f(state)", "state.n = {}", "local state = {} state = { n = 1 }",
      "local function f(state) state = {} end f(1)", "state = {} local kept = state return { state = kept }" }
    expect("EXTRA_RESULT", { "return nil, 1, 2", "if input.x then return 'k', 1, nil end" })
    expect_none { "return nil, input.f()", "local function f() return 1, 2, 3 end return nil, f()", "return 'k', 1" }
  end)

  it("names options that a function of ctx does not take", function()
    expect("CTX_OPTION", { "ctx.http { url = 'x', timout_ms = 5 }", "ctx.wait { name = 'x', timeout = 5 }",
      "ctx.call('x', {}, { timout_ms = 5 })", "ctx.run(other, {}, { rais = true })",
      "ctx.map(other, {}, { at_once = 1 })",
      "ctx.artifact.write('x', { nme = 'x' })", "local o = { rise = true } ctx.artifact.read('x', o)",
      "local http = ctx.http http { url = 'x', bdy = '' }", "local o = { url = 'x' } o.mehtod = 'GET' ctx.http(o)",
      "local function f(c) c.http { uri = 'x' } end f(ctx)",
      "ctx.http { url = 'x', reconcile = input.f }",
      "ctx.http { url = 'x', at_most_once = false, reconcile = input.f }" })
    expect("CTX_OPTION", { "ctx.all { { 'http', { url = 'x', timout_ms = 5 } } }",
      "ctx.all { { 'wait', 'x' }, { 'call', 'x', {}, { timeout = 5 } } }",
      "ctx.all { { 'http', { url = 'x', raise = true } } }",
      "ctx.all { { 'artifact.write', { content = 'x', nme = 'x' } } }" })
    expect_none { "ctx.all { { 'http', 'x' }, { 'call', 'x', { timeout = 5 } }, { 'run', other, {}, { x = 1 } } }",
      "ctx.all { { 'artifact.read', { hash = input.hash, encoding = 'base64' } } }",
      "ctx.all { { input.kind, { x = 1 } }, input.one }",
      "ctx.all { { 'call', 'x', {}, { timeout_ms = 5 } }, { 'wait', { name = 'x', timeout_ms = 5 } } }" }
    assert.equal("ctx.http takes no timout_ms; did you mean timeout_ms?",
      check(NODE:format "ctx.http { url = 'x', timout_ms = 5 }")[1].text)
    expect_none { "ctx.http { url = 'x', at_most_once = true, reconcile = input.f }", "ctx.http { url = 'x', x = nil }",
      "ctx.http { url = 'x', at_most_once = input.once, reconcile = input.f }", "ctx.http(input)", "ctx.http 'x'",
      "local o = { url = 'x', note = 1 } input.f(o) ctx.http(o)", "ctx.http { url = 'x', [input.name] = input.f }",
      "local o = { url = 'x', reconcile = input.f } o[input.k] = true ctx.http(o)", "ctx.call('x', { timout_ms = 5 })",
      "local o = { url = 'x', note = 1 } o.note = nil ctx.http(o)", "input.http { timout_ms = 5 }" }
  end)

  it("names errors of calls that are lost as a third result", function()
    expect("LOST_ERROR", { "return nil, ctx.http 'x'", "return 'k', ctx.http { url = 'x' }",
      "return nil, ctx.http('x' .. input.id)", "return nil, ctx.call('x', input)",
      "return nil, ctx.run(other, {}, nil)",
      "return nil, ctx.call('x', {}, { raise = false })", "return nil, ctx.artifact.read(input.hash)",
      "local call = ctx.call return nil, call('x')", "return nil, ctx.artifact.write('x', { name = 'x' })" })
    expect_none { "return nil, (ctx.http 'x')", "return nil, ctx.http { url = 'x', raise = true }",
      "return nil, ctx.http { url = 'x', raise = input.x }", "return nil, ctx.http(input)", "return nil, ctx.now()",
      "return nil, ctx.call('x', {}, { raise = true })", "return nil, ctx.call('x', {}, input)",
      "return nil, ctx.all {}",
      "return nil, ctx.call(unpack(input))", "return nil, ctx.wait 'x'", "return nil, ctx.http 'x' or 1",
      "local function f() return nil, ctx.http 'x' end return nil, { f() }", "return nil, input.http 'x'",
      "local o = { url = 'x' } o[input.k] = true return nil, ctx.http(o)" }
  end)

  it("names calls that no version performs yet", function()
    expect("UNSUPPORTED_CALL", { "ctx.send { to = 'x' }", "local sql = ctx.sql return nil, sql { q = 'x' }" })
    expect_none { "input.send { to = 'x' }", "local s = ctx.send" }
  end)

  it("names require in a node, and what the sandbox does not have", function()
    expect("REQUIRE_IN_NODE", { "local x = require 'other'" })
    expect("UNKNOWN_GLOBAL", { "print(input)", "io.open('x')", "os.getenv('HOME')",
      "string.dump(run)", "table.unpack(input)", "debug.traceback()", "foo:bar()" })
    expect_none { "local f = jit and jit.version", "if print then print(1) end",
      "local t = os.time() return nil, string.rep('x', 3)",
      "local unpack = table.unpack or unpack return nil, unpack(input)" }
  end)

  it("leaves out what a comment asks for, there alone", function()
    assert.same({}, codes_in "outer = 1 -- elg: ignore OUTER_ASSIGN")
    assert.same({}, codes_in "outer = 1 -- elg: ignore")
    assert.same({}, codes_in "\n-- elg: ignore OUTER_ASSIGN, HOLES\nouter = 1")
    assert.same({ "OUTER_ASSIGN graph.lua:5" }, codes_in "outer = 1 -- elg: ignore HOLES")
    assert.same({ "OUTER_ASSIGN graph.lua:6" },
      codes_in "outer = 1 -- elg: ignore OUTER_ASSIGN\nouter = 2")
    assert.same({ "OUTER_ASSIGN graph.lua:5" }, codes_in "outer = 1 -- ignored by elg: ignorance")
  end)

  it("reads modules that the graph requires, and says so if it cannot", function()
    assert.same({ "UNREADABLE other.lua:2" }, codes_in("", { ["other.lua"] = "local x =\n=" }))
    assert.same({ "HOLES a/init.lua:2" }, codes_in("", { ["other.lua"] = "return require 'a'",
      ["a/init.lua"] = "local t =\n{ 1, nil, 2 }\nreturn #t" }))
  end)

  it("has no warning for the examples and the specs' graphs", function()
    local count = 0
    for path in io.popen("ls examples/*/graph.lua spec/graphs/*.lua lua/elg/templates/graph.lua"):lines() do
      local folder, entry = path:match("^(.*/)(.*)$")
      local found = lint.check(entry, function(name)
        local file = io.open(folder .. name)
        local text = file and file:read("*a")
        if file then file:close() end
        return text
      end)
      assert.same({}, codes_of(found), path)
      count = count + 1
    end
    assert.is_true(count >= 6)
  end)
end)
