-- luacheck: no max line length
-- hostile: odd, wrong and unfriendly node code. Each ends, with an outcome that is the same
-- cut in slices, uncut, in a fresh state and parked, and the next job is untouched.
local boxes = require "boxes"

local SNIPPETS = {
  "local t = {} for i=1,190 do t = setmetatable({}, {__index=t}) end return 'ok', t.x",
  "local t = setmetatable({}, {}) getmetatable(t).__index = t return 'ok', t.x",
  "local f f = function() return xpcall(f, f) end f()",
  "local m = {} m.__tostring = function(x) return x end tostring(setmetatable({}, m))",
  "string.format('%99999d', 1)",
  "string.format('%.1000f', 1)",
  "('x'):rep(-1e300)",
  "('x'):rep(0/0)",
  "('x'):rep(1e300)",
  "table.concat({}, 'x', 1, 1e9)",
  "table.concat({}, 'x', -1e15, 1e15)",
  "unpack({}, 1, 1e9)",
  "unpack({}, -1e15, 1e15)",
  "unpack({}, 1e300, -1e300)",
  "string.char(unpack({}, 1, 200))",
  "select(-1e300, 1)",
  "select(1e300)",
  "table.insert({}, 0/0, 1)",
  "table.remove({1,2}, 0/0)",
  "table.remove({1,2}, 1.5)",
  "math.random(0/0)",
  "math.random(1e300, 1e301)",
  "math.random(-2^53, 2^53)",
  "os.date('%')",
  "os.date('%Q')",
  "os.date(('%c'):rep(1000))",
  "os.date('%c', 1e300)",
  "os.date('%c', 0/0)",
  "os.time{year=1e300,month=1,day=1}",
  "os.time{year=0/0,month=1,day=1}",
  "os.time({year=2^40, month=2^40, day=2^40})",
  "ctx.rand(0/0)",
  "ctx.rand(-1)",
  "ctx.rand({})",
  "ctx.secret(('x'):rep(1000))",
  "ctx.secret('a\\0b')",
  "ctx.all({})",
  "ctx.all({1,2})",
  "ctx.call()",
  "ctx.http()",
  "ctx.http({})",
  "ctx.log()",
  "ctx.log({})",
  "ctx.sleep('x')",
  "ctx.http{url=ctx.http}",
  "ctx.http{reconcile=5}",
  "local t = {} t.t = t ctx.call('f', t)",
  "load(('x'):rep(2^21))",
  "load(function() return load end)",
  "load(function() error('q') end)",
  "load(('('):rep(1e5))",
  "load('for _ in (nil):foo() do end')",
  "load('\\27LJ')",
  "setmetatable(_G, {__index=function(t,k) return k end}) return nosuch, {}",
  "coroutine.resume(coroutine.running())",
  "coroutine.wrap(coroutine.wrap(coroutine.yield))()",
  "coroutine.yield()",
  "local co co = coroutine.wrap(function() co() end) co()",
  "local co = coroutine.create(function() ctx.call('f') end) coroutine.resume(co)",
  "table.sort({3,2,1}, coroutine.yield)",
  "('abc'):gsub('.', coroutine.yield)",
  "table.sort({1,2,3,nil,5}, error)",
  "table.sort(setmetatable({}, {__index=function() return 1 end, __len=function() return 1e9 end}))",
  "next({}, {})",
  "next({}, 0/0)",
  "for k in pairs(setmetatable({}, {__pairs=error})) do end",
  "local t={} for i=1,10 do t[i]=i end for k,v in pairs(t) do t[k]=nil t[k+100]=1 end",
  "rawset(ctx, 'now', nil) ctx.now()",
  "ctx.artifact.read({})",
  "ctx.artifact.write(5)",
  "require(1)",
  "require(('x'):rep(1e6))",
  "require('a..b')",
  "require('/etc/passwd')",
  "elg.json.decode(('['):rep(1e5))",
  "elg.json.decode(('[1,'):rep(1e5))",
  "elg.json.decode('\\255')",
  "elg.json.decode('{\"a\":1}', 5)",
  "elg.hash(print)",
  "elg.array(setmetatable({}, {}))",
  "elg.array(5)",
  "return elg.array(), setmetatable({}, {__index=error})",
  "return setmetatable({}, {__index=error})",
  "return {next=setmetatable({},{})}",
  "return 'x\\0y'",
  "return ('k'):rep(200)",
  "return '\\255'",
  "return 1/0",
  "state = 5",
  "return {state=5}",
  "return {state=function() end}",
  "error(setmetatable({}, {__tostring=error}))",
  "error(setmetatable({code=5,message={}}, {__index=error}))",
  "error({code=('C'):rep(1e6), message=('m'):rep(1e6)})",
  "error(('m'):rep(1e6))",
  "local e = {} e.e = e error(e)",
  "error(coroutine.create(error))",
  "assert(false)",
  "assert(nil, {})",
  "local t = nil; t.x.y = 1",
  "return (nil)()",
  "return #5",
  "return {} < {}",
  "return {} .. {}",
  "local s = 'x' for i = 1, 30 do s = s .. s end",
  "local a = {} for i=1,1e6 do a[i]=0 end table.sort(a, function(x,y) return x<y end)",
  "string.gsub(('a'):rep(1e5), '', 'x')",
  "('a'):rep(1e6):gsub('a', '%0%0%0%0')",
  "('a'):rep(1e5):match(('(a*)'):rep(32))",
  "('a'):rep(1e5):find(('.-'):rep(50)..'b')",
  "(('('):rep(33)):match('x')",
  "('x'):match(('('):rep(33))",
  "('x'):match('%b')",
  "('x'):gsub('x', '%9')",
  "('x'):gsub('x', '%')",
  "('x'):gsub('x', {x=function() end})",
  "local t = {} for i = 1, 3e5 do t['k'..i] = i end local n = 0 for k in pairs(t) do n = n + 1 end return 'ok', n",
  "bit.tobit(0/0) bit.lshift(1, -1e300) bit.tohex(1, -1e9)",
  "math.ldexp(1, 1e300)",
  "math.floor('x')",
  "tonumber('1', 99)",
  "tonumber(('1'):rep(1e6))",
  "tostring()",
  "setmetatable({}, 5)",
  "setmetatable({})",
  "getmetatable()",
  "rawset(5, 1, 1)",
  "string.byte('x', -1e300, 1e300)",
  "('x'):sub(-1e300, 1e300)",
  "debug.traceback()",
  "local function f(...) return f(1, ...) end f()",
  "local function f(...) return select('#', ...), f(..., ...) end f(1)",
}

local JOB = { node = "n", fuel_max = 3e6, memory_bytes = 8 * 2 ^ 20 }

describe("hostile code", function()
  local cut, whole, fresh, program, clean
  setup(function()
    cut = assert(boxes.open { slice = 991 })
    whole = assert(boxes.open { slice = 2000000000 })
    fresh = assert(boxes.open { fresh = true })
    program = assert(boxes.program(whole, "state.x = tostring({}) .. math.random() return 'ok', elg.hash(state)",
      "local elg = require 'elg' "))
    clean = boxes.digest(assert(boxes.run(whole, program)))
  end)
  teardown(function()
    program:close()
    cut:close()
    whole:close()
    fresh:close()
  end)

  local function digest(box, body, park)
    local bad = assert(boxes.program(box, body, "local elg = require 'elg' "))
    local slices = 0
    local out, err = boxes.run(box, bad, JOB, nil, park and function()
      slices = slices + 1
      if slices < 20 or slices % 100 == 0 then assert(box:unpark((assert(box:park())))) end
    end)
    bad:close()
    assert.truthy(out, type(err) == "table" and err.text or nil)
    assert.not_equal("INTERNAL", out.code)
    return boxes.digest(out)
  end

  for i, body in ipairs(SNIPPETS) do
    it(("ends and harms nothing: %d %s"):format(i, body:sub(1, 60)), function()
      local expected = digest(whole, body)
      assert.equal(clean, boxes.digest(assert(boxes.run(whole, program))))
      assert.is_true(expected == digest(cut, body), "cut in slices")
      assert.is_true(expected == digest(fresh, body), "in a fresh state")
      assert.is_true(expected == digest(cut, body, true), "parked on the way")
    end)
  end
end)
