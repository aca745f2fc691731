-- luacheck: no max line length
-- alloc: in twenty-eight scenarios, every allocation of the host's side fails once, and all from each one
-- on; and Lua's memory ends at every of many bounds: an error or the good end, nothing leaked,
-- and what it says it did is what it would have done (I16).
local boxes = require "boxes"

local function one(body, more)
  local scenario = { files = { ["graph.lua"] = boxes.source(body, "local elg = require 'elg' ") } }
  for name, value in pairs(more or {}) do scenario[name] = value end
  return scenario
end

local BIG = '{"k":"' .. ("v"):rep(300000) .. '","list":[' .. ("[1,2,{\"a\":null}],"):rep(500) .. "0]}"

local function whole(text)
  return { files = { ["graph.lua"] = "local elg = require 'elg' " .. text } }
end

-- name, files, and what of the job is not the default. fails: the status that a load without
-- trouble gives.
local SCENARIOS = {
  { "a step", one "state.x = input return 'ok', { 1, 2 }" },
  { "a load of modules", { files = {
    ["graph.lua"] = "local lib = require 'lib.a' " .. boxes.source "state.x = 1 return 'ok'",
    ["lib/a.lua"] = "return { b = require 'lib.b' }", ["lib/b/init.lua"] = "return { 1 }" } } },
  { "a load that raises", whole "error('at the top')", fails = "ELG_INVALID" },
  { "a load that does not compile", whole "x = = 1", fails = "ELG_INVALID" },
  { "a load without end", whole "while true do end", fails = "ELG_INVALID" },
  { "a load that returns no graph", whole "return { string.rep('x', 1000) }", fails = "ELG_INVALID" },
  { "a load of many nodes and edges", whole [[
    local nodes, edges = {}, {}
    for i = 1, 60 do nodes["n" .. i] = function() end edges[i] = { from = "n" .. i, key = "k", to = "n1", when = function() return true end } end
    nodes.n = function() return nil end
    return elg.graph { id = "many", version = "1", entry = "n", nodes = nodes, edges = edges }]] },
  { "an initial state", whole [[ return elg.graph { id = "i", version = "1", entry = "n", nodes = { n = function() end },
      initial = function(input) return { list = { input, input }, text = elg.json.encode(input) } end } ]], initial = true },
  { "a call", one "state.x = ctx.call('f', { n = 1, list = { 'a' } }) return 'ok'" },
  { "calls of every kind", one [[
    ctx.now() ctx.sleep(1) ctx.log("text", { a = 1 }) state.h = ctx.http { url = "u", headers = { a = ctx.secret("S") } }
    state.w, state.e = ctx.wait { name = "n" } return 'ok']] },
  { "several calls at once", one [[
    local list = ctx.all { { "call", "f", 1 }, { "artifact.write", { content = "x" } } } state.n = #list return 'ok']],
    answer = function(o) return o.type == "all" and '[{"ok":true,"value":1},{"err":{"code":"C","message":"m"},"ok":false}]' or "null" end },
  { "a call that fails and is raised", one "ctx.call('f', 1, { raise = true })", answer = function() return '{"code":"C","message":"m"}', false end },
  { "an error", one "local function f() error('wrong ' .. #input) end f()" },
  { "an error that is a table", one "error({ code = 'C', message = ('m'):rep(5000), retry = false, more = { 1 } })" },
  { "an error in an edge's condition", { files = { ["graph.lua"] = [[ return require "elg".graph { id = "g", version = "1", entry = "n",
    nodes = { n = function(state) state.a = 1 return "ok", { b = 2 } end }, edges = { { from = "n", key = "ok", to = "n", when = function(s) error(s) end } } } ]] } } },
  { "a full stack", one "local function f() return 1 + f() end f()" },
  { "an invalid state", one "state.list = { { 'x', { f = ctx } } } return 'ok'" },
  { "a text that is not UTF-8", one "state.a = { b = { 'x', 'y\\255' } } return 'ok'" },
  { "a request that is no value", one "ctx.call('f', { a = { ctx } })" },
  { "a result that is none", one "return { state = {}, output = 1, nexxt = 'k' }" },
  { "coroutines", one [[
    local function tree(n) if n > 0 then tree(n - 1) coroutine.yield(n) tree(n - 1) end end
    local out = {} for n in coroutine.wrap(function() tree(6) end) do out[#out + 1] = n end
    state.n = #out ctx.call("f", out) return "ok"]] },
  { "patterns and formats", one [[
    local out = {} for w in (("one two three "):rep(50)):gmatch("%a+") do out[#out + 1] = w:upper():gsub(".", { O = "0" }) end
    state.text = table.concat(out, ("%5.2f"):format(1.5)) return "ok"]] },
  { "sorting", one [[
    local t = {} for i = 1, 500 do t[i] = i * 7919 % 503 end table.sort(t, function(a, b) return a > b end)
    state.first, state.keys = t[1], 0 for _ in pairs(t) do state.keys = state.keys + 1 end return "ok"]] },
  { "JSON", one [[
    local t = {} for i = 1, 300 do t["name" .. i] = { i, i / 7, "x" .. i, elg.null } end
    local text = elg.json.encode(t) state.same = text == elg.json.encode(elg.json.decode(text))
    state.bad = select(2, elg.json.decode("[1,")) state.hash = elg.hash(t) return "ok", text]] },
  { "large values", one "state.k = state.k .. '!' state.list = nil return 'ok', input", state = BIG, input = BIG },
  { "load", one "state.x = load('return 1 + 1')() state.why = select(2, load('x = = 1')) return 'ok'" },
  { "parking at every slice", one "local t = {} for i = 1, 2000 do t[i] = { i } end ctx.call('f', #t) state.n = #t return 'ok'",
    slice = 900, park = true },
  { "a second execution elsewhere", one "state.t = {} for i = 1, 50 do state.t[i] = ctx.call('f', i).echo.request end return 'ok'",
    fresh = true, base = 0x310000000000, twice = true },
}

-- Runs the job that has begun; its digest, or nil and the error.
local function finish(box, scenario)
  local outcome, err = box:resume()
  while outcome and (outcome.kind == "slice" or outcome.kind == "call") do
    if scenario.park then
      local parked, problem = box:park()
      if not parked then return nil, problem end
      local ok, other = box:unpark(parked)
      parked:close()
      if not ok then return nil, other end
    end
    if outcome.kind == "slice" then
      outcome, err = box:resume()
    else
      outcome, err = box:resume((scenario.answer or boxes.answer)(outcome))
    end
  end
  if not outcome then return nil, err end
  return boxes.digest(outcome), outcome.kind
end

local function run_program(box, scenario, memory)
  local program, err = box:program("graph.lua", scenario.files)
  if not program then return nil, err end
  local result
  for _ = 1, scenario.twice and 2 or 1 do
    local job = { node = not scenario.initial and "n" or nil, state = scenario.state, input = scenario.input,
      fuel_max = 2e6, memory_bytes = memory }
    local ok
    ok, err = box:begin(program, job)
    if ok then result, err = finish(box, scenario) end
    if not ok or not result then result = nil break end
  end
  if not result then box:discard() end
  program:close()
  return result, err
end

-- A scenario from opening to closing: the digest, or the error's status; calls, blocks left.
local function travel(scenario, fail)
  local options = { slice = scenario.slice or 1000000, fresh = scenario.fresh, base = scenario.base }
  for name, value in pairs(fail or {}) do options[name] = value end
  local box, err = boxes.open(options)
  if not box then return err.status end
  local result, problem = run_program(box, scenario)
  box:close()
  local calls, live = box:counts()
  return result or problem.status, calls, live
end

describe("memory of the host's side ends within", function()
  local count = 0
  teardown(function() print(("\nalloc: %d scenarios, %d failed allocations"):format(#SCENARIOS, count)) end)

  for _, row in ipairs(SCENARIOS) do
    local scenario = row[2]
    for name, value in pairs(row) do if type(name) == "string" then scenario[name] = value end end
    it(row[1], function()
      local good, calls, live = travel(scenario)
      if scenario.fails then assert.equal(scenario.fails, good) else assert.truthy(good:find("|", 1, true), good) end
      assert.equal(0, live)
      local refused = 0
      for _, kind in ipairs { "fail_at", "fail_from" } do
        for n = 1, calls do
          local result, _, left = travel(scenario, { [kind] = n })
          assert.truthy(result == good or result == "ELG_NO_MEMORY", ("%s %d: %s, not %s"):format(kind, n, result:sub(1, 300), good:sub(1, 300)))
          if result ~= good then refused = refused + 1 end
          if left then assert.equal(0, left, kind .. n) end
        end
      end
      count = count + refused
      assert.truthy(refused >= calls, ("%d of %d"):format(refused, calls)) -- from one on, each is seen
    end)
  end
end)

-- The heap is copied from the image: the least bound is what that takes.
describe("Lua's memory ends within", function()
  local count = 0
  teardown(function() print(("alloc: %d bounds of Lua's memory met"):format(count)) end)

  for _, row in ipairs(SCENARIOS) do
    local scenario = row[2]
    if not scenario.fails then
      it(row[1], function()
        local box = assert(boxes.open { slice = scenario.slice or 1000000 })
        local good = assert(run_program(box, scenario, 16 * 2 ^ 20))
        local function without_fuel(digest) return (digest:gsub("^(%a+)|%d+|", "%1|")) end
        local bytes, ended = 2 ^ 14, 0
        while bytes < 4 * 2 ^ 20 do
          local result, kind = run_program(box, scenario, math.floor(bytes))
          assert(result, kind)
          if kind == "memory" then
            ended = ended + 1
          elseif kind ~= "fuel" then
            assert.equal(without_fuel(good), without_fuel(result), bytes)
          end
          bytes = bytes * 1.07
        end
        count = count + ended
        assert.truthy(ended > 0)
        assert.equal(good, (run_program(box, scenario, 16 * 2 ^ 20))) -- and nothing was left
        box:close()
      end)
    end
  end
end)
