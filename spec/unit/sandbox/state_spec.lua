-- luacheck: no max line length
-- state: nothing outlives a step (I3), parked jobs come back in any order, allocations may
-- fail anywhere (I16).
local boxes = require "boxes"

describe("a step", function()
  local HEAD = [[
    local cache = {}
    local counter = 0
    shared = { list = {} }
    local memo = setmetatable({}, { __index = function(t, k) t[k] = k return k end })
    local gen = coroutine.wrap(function() for i = 1, 100 do coroutine.yield(i) end end)
    local lib = require "lib"
  ]]
  local FILES = { ["lib.lua"] = [[
    local M = { count = 0, memo = {} }
    function M.bump() M.count = M.count + 1 return M.count end
    return M]] }
  local LEAKS = {
    { "counter = counter + 1", "counter" },
    { "cache[#cache + 1] = 1", "#cache" },
    { "shared.list[#shared.list + 1] = 1", "#shared.list" },
    { "leaked = (leaked or 0) + 1", "leaked" },
    { "_G.other = (_G.other or 0) + 1", "other" },
    { "lib.bump()", "lib.count" },
    { "lib.memo[#lib.memo + 1] = 1", "#lib.memo" },
    { "local _ = memo[5]", "rawget(memo, 5) or 0" },
    { "gen()", "gen() - 1" },
    { "string.leak = (string.leak or 0) + 1", "string.leak" },
    { "math.pi = 3", "math.pi" },
    { "table.insert = nil", "table.insert == nil" },
    { "ctx.leak = (ctx.leak or 0) + 1", "ctx.leak" },
    { "ctx.trace_id = 'x'", "ctx.trace_id" },
    { "elg.null_count = (elg.null_count or 0) + 1", "elg.null_count" },
    { "elg.json.encode = nil", "elg.json.encode == nil" },
    { "pairs = nil", "pairs == nil" },
    { "math.random()", "math.random()" },
    { "math.randomseed(5)", "math.random()" },
    { "setmetatable(_G, { __index = function() return 9 end })", "not_there" },
    { "getmetatable(elg.array()) .__index = 5", "true" },
    { "input.x = 1", "input.x" },
    { "next({ a = 1, b = 2 })", "(next({ a = 1, b = 2 }))" },
    { "coroutine.wrap(function() counter = 5 end)()", "counter" },
    { "setmetatable(string, { __index = function() return 9 end })", "tostring(string.not_there)" },
    { "setmetatable(elg, { __index = { more = 1 } })", "tostring(elg.more)" },
    { "getmetatable(memo).__index = nil", "memo[7]" },
    { "kept_closure = function() counter = counter + 1 return counter end kept_closure()", "type(kept_closure)" },
    { "state.f = lib.bump state.f() state.f = nil", "lib.count" },
    { "lib.bump = function() return 99 end", "lib.bump()" },
    { "package_of = require 'lib' package_of.count = 7", "require('lib').count" },
    { "utf8.charpattern = '.' utf8.len = nil", "#utf8.charpattern" },
    { "local it = ('a b'):gmatch('%a') cache.it = it it()", "type(cache.it)" },
    { "table.sort(cache) cache[1] = coroutine.create(function() end) coroutine.resume(cache[1])", "#cache" },
    { "load('counter_of_load = 5')()", "type(counter_of_load)" },
    { "ctx.rand(10) ctx.uuid()", "ctx.rand(1000)" },
    { "tostring({}) tostring(cache)", "tostring(shared)" },
    { "pcall(error, cache) cache.error = 1", "type(cache.error)" },
    { "local _, err = ctx.call('f') cache.reply = err or 1", "type(cache.reply)" },
    { "for i = 1, 1e5 do cache[i] = { i } end for i = 1, 1e5 do cache[i] = nil end", "#cache" },
  }

  local function source(change, look)
    return HEAD .. ([[ local elg = require "elg"
      local function look(ctx, input) return %s end
      return elg.graph { id = "g", version = "1", entry = "n", nodes = { n = function(state, input, ctx)
        local before = look(ctx, input)
        if state.change then pcall(function() %s end) end
        return nil, { before = before }
      end } }]]):format(look, change)
  end

  for i, leak in ipairs(LEAKS) do
    for _, fresh in ipairs { false, true } do
      it(("leaves nothing behind: %d%s"):format(i, fresh and " (fresh)" or ""), function()
        local box = assert(boxes.open { fresh = fresh })
        local files = { ["graph.lua"] = source(leak[1], leak[2]), ["lib.lua"] = FILES["lib.lua"] }
        local program = assert(box:program("graph.lua", files))
        local clean = boxes.run(box, program, { state = "{}" })
        assert.equal("done", clean.kind, clean.message)
        for _ = 1, 3 do boxes.run(box, program, { state = '{"change":true}' }) end
        local after = boxes.run(box, program, { state = "{}" })
        assert.equal(boxes.digest(clean), boxes.digest(after))
        program:close()
        box:close()
      end)
    end
  end
end)

describe("parked jobs", function()
  local BODY = [[
    local t = {}
    local co = coroutine.wrap(function() for i = 1, 10 do t[i] = ctx.call("f", { i, input.id }).echo.request coroutine.yield() end end)
    for i = 1, 10 do table.sort({ 2, 1 }, function(a, b) co() return a < b end) end
    state.t, state.id = t, input.id
    return "ok"]]

  it("come back in any order with what they would have done alone", function()
    local box = assert(boxes.open { slice = 50 })
    local program = assert(boxes.program(box, BODY))
    local other = assert(boxes.program(box, "local x = ctx.call('f', input) state.id = x.echo.request.id return 'ok'"))
    local expected, jobs = {}, {}
    for i = 1, 40 do
      local p = i % 3 == 0 and other or program
      local job = { node = "n", input = ('{"id":%d}'):format(i) }
      expected[i] = boxes.digest(assert(boxes.run(box, p, job)))
      jobs[i] = { job = job, program = p }
    end
    local x, left = 12345, 40
    while left > 0 do
      x = (x * 16807) % 2147483647
      local job = jobs[x % 40 + 1]
      if not job.done then
        if job.parked then
          assert(box:unpark(job.parked))
        else
          assert(box:begin(job.program, job.job))
        end
        local reply = job.outcome and job.outcome.kind == "call" and boxes.answer(job.outcome) or nil
        job.outcome = assert(box:resume(reply))
        if job.outcome.kind == "call" or job.outcome.kind == "slice" then
          job.parked = assert(box:park())
        else
          job.done = true
          left = left - 1
        end
      end
    end
    for i = 1, 40 do assert.equal(expected[i], boxes.digest(jobs[i].outcome)) end
    program:close()
    other:close()
    box:close()
  end)

  it("encode, hash and ask for what is their own, wherever a slice ends", function()
    local body = [[
      local mine = { id = input.id, pad = ("p"):rep(400) }
      state.text, state.hash = elg.json.encode(mine), elg.hash(mine)
      state.back = ctx.call("f", mine).echo.request.id
      return "ok"]]
    local whole = assert(boxes.eval(body, { input = '{"id":1}' }))
    local box = assert(boxes.open { slice = 1 })
    local program = assert(boxes.program(box, body))
    local other = assert(boxes.program(box, "elg.json.encode(input) ctx.call('g', input) return 'ok'"))
    local outcome = boxes.run(box, program, { input = '{"id":1}' }, nil, function(left)
      if left.kind ~= "slice" then return end
      local parked = assert(box:park())
      assert(boxes.run(box, other, { input = '{"id":"' .. ("o"):rep(500) .. '"}' }))
      assert(box:unpark(parked))
    end)
    assert.equal(boxes.digest(whole), boxes.digest(outcome))
    program:close()
    other:close()
    box:close()
  end)

  it("keep results while an edge's condition is asked", function()
    local box = assert(boxes.open { slice = 1 })
    local program = assert(box:program("g.lua", { ["g.lua"] = [[
      local function slow() local s = 0 for i = 1, 50 do s = s + i end return s end
      return require "elg".graph { id = "g", version = "1", entry = "n",
        nodes = { n = function(state) state.a = "mine" return "ok", { b = "out" } end },
        edges = { { from = "n", key = "ok", to = "n", when = function(s, o) slow() return s.a == "mine" and o.b == "out" end } } }]] }))
    local function step(between) return boxes.digest(assert(boxes.run(box, program, {}, nil, between))) end
    local alone = step()
    assert.truthy(alone:match("mine"))
    local noise = assert(boxes.program(box, "state.noise = 'NOISE' return 'no', 'NOISE'"))
    local job = { node = "n" }
    assert.equal(alone, step(function()
      local parked = assert(box:park())
      assert(box:begin(noise, job))
      assert(boxes.finish(box))
      assert(box:unpark(parked))
    end))
    program:close()
    noise:close()
    box:close()
  end)

  it("whose error has no place are not given another job's", function()
    local box = assert(boxes.open { slice = 5000 })
    local full = assert(boxes.program(box, "local function f() return 1 + f() end f()"))
    local other = assert(boxes.program(box, "local function g() error('of another') end g()"))
    local function step(between) return boxes.digest(assert(boxes.run(box, full, {}, nil, between))) end
    local alone = step()
    assert.truthy(alone:find("stack overflow", 1, true), alone)
    assert.equal(alone, step(function()
      local parked = assert(box:park())
      assert.equal("error", boxes.run(box, other).kind)
      assert(box:unpark(parked))
    end))
    full:close()
    other:close()
    box:close()
  end)

  it("take little memory", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, "state.more = {} for i = 1, 5 do state.more[i] = 'x' .. i end ctx.call('f') return 'ok'"))
    assert(box:begin(program, { node = "n", state = '{"k":"' .. ("v"):rep(1000) .. '"}' }))
    assert.equal("call", box:resume().kind)
    local parked, bytes = assert(box:park())
    assert.truthy(bytes < 20000, bytes .. " bytes")
    parked:close()
    program:close()
    box:close()
  end)

  it("can be dropped", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, "ctx.call('f') return 'ok'"))
    for _ = 1, 3 do
      assert(box:begin(program, { node = "n" }))
      box:resume()
      box:discard()
    end
    assert.equal("done", boxes.run(box, program).kind)
    assert(box:begin(program, { node = "n" }))
    local _, err = box:begin(program, { node = "n" })
    assert.equal("ELG_INTERNAL", err.status)
    program:close()
    box:close()
  end)
end)

describe("allocations", function()
  local FILES = { ["graph.lua"] = boxes.source("state.x = lib.f(ctx.call('f', { 1 })) return 'ok', elg.json.encode(state)",
    "local lib = require 'lib' local elg = require 'elg'"), ["lib.lua"] = "return { f = function(x) return { x, load('return 1')() } end }" }

  -- Everything from opening to closing; the first error's status, or the job's digest.
  local function everything(options)
    local result, err, box
    options = options or {}
    options.slice = 1000000
    box, err = boxes.open(options)
    if not box then return err.status end
    local program
    program, err = box:program("graph.lua", FILES)
    if program then
      local job, outcome = { node = "n" }, nil
      result, err = box:begin(program, job)
      if result then
        outcome, err = box:resume()
        if outcome then
          local parked
          parked, err = box:park()
          if parked then
            result, err = box:unpark(parked)
            if result then outcome, err = box:resume("1") end
            parked:close()
          end
        end
      end
      result = outcome and not err and boxes.digest(outcome)
      program:close()
    end
    local calls, live
    box:close()
    calls, live = box:counts()
    return err and err.status or result, calls, live
  end

  it("may each fail once, or all from one on: no memory, no leak, no crash", function()
    local good, calls, live = everything()
    assert.truthy(good:match("^done"), good)
    assert.equal(0, live)
    assert.truthy(calls > 20)
    local refused = 0
    for _, kind in ipairs { "fail_at", "fail_from" } do
      for n = 1, calls + 1 do
        local result, _, left = everything { [kind] = n }
        assert.truthy(result == good or result == "ELG_NO_MEMORY", ("%s %d: %s"):format(kind, n, result))
        if result ~= good then refused = refused + 1 end
        if left then assert.equal(0, left, kind .. n) end
      end
    end
    assert.truthy(refused > 20)
  end)
end)
