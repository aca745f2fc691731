-- luacheck: no max line length
-- fuel: exact, the same for any slicing, image or fresh state, address, or parking (I1).
local boxes = require "boxes"

local PROGRAM = [[
  local seen = {}
  local function work(n) local s = 0 for i = 1, n do s = s + i % 7 end return s end
  local co = coroutine.wrap(function(a)
    for i = 1, 20 do
      local inner = coroutine.wrap(function() coroutine.yield(work(30)) return work(10) end)
      a = a + inner() + inner() + coroutine.yield(a)
    end
    return a
  end)
  local r = co(1)
  for i = 1, 20 do r = co(i) end
  seen.co = r
  seen.pcall = { pcall(function() work(100) error("x" .. work(10)) end) }
  seen.nested = select(2, pcall(pcall, pcall, function() error({ code = "C" }) end)) == true
  local list = {}
  for i = 1, 300 do list[i] = (i * 7919) % 1000 end
  table.sort(list, function(a, b) work(2) return a < b end)
  seen.first, seen.last = list[1], list[300]
  seen.gsub = ("x"):rep(50):gsub(".", function(c) return tostring(work(20)) end)
  local m = setmetatable({}, {
    __index = function(_, k) return work(k) end,
    __lt = function() work(5) return true end,
    __concat = function(a) return "cat" .. work(5) end,
    __eq = function() work(5) return true end,
    __call = function(_, x) return work(x) end,
    __tostring = function() work(9) return "meta" end,
  })
  seen.index = m[50] + m[100]
  seen.cat = m .. "x"
  seen.call = m(40)
  seen.text = tostring(m) .. string.format("%s", m)
  seen.handler = select(2, xpcall(function() work(10) error("q") end, function(e) work(30) return "H" .. e end))
  seen.big = #string.rep("ab", 100000)
  local parts = {}
  for i = 1, 200 do parts[i] = "p" .. i end
  seen.concat = #table.concat(parts, ",")
  for k, v in pairs({ z = 1, a = 2, [3] = 4, [1] = 5 }) do parts[#parts + 1] = tostring(k) .. v end
  seen.pairs = table.concat(parts, " ", 201)
  seen.find = ("a"):rep(60):find("a*a*b")
  seen.asked = ctx.call("f", 1).echo.request
  for i = 1, 3000 do local t = { i, { i } } seen.garbage = #t end
  local function many(n, ...) if n > 0 then return n, many(n - 1, ...) end return ... end
  seen.many = select("#", many(5, ("x"):rep(3000):byte(1, -1)))
  seen.random = math.random(1000)
  state.seen = seen
  return "ok", { n = #parts }]]

local function run(options, job, between)
  local box = assert(boxes.open(options))
  local program = assert(boxes.program(box, PROGRAM))
  local out = assert(boxes.run(box, program, job, nil, between and function(o) between(box, o) end))
  program:close()
  box:close()
  return out
end

describe("fuel", function()
  local reference = run({ slice = 100000000 })
  local expected = boxes.digest(reference)

  it("is spent by a program of every kind", function()
    assert.equal("done", reference.kind, reference.message)
    assert.truthy(reference.fuel > 30000)
  end)

  for _, slice in ipairs { 1, 2, 777, 1000, 10000 } do
    it("and the result are the same cut every " .. slice, function()
      assert.equal(expected, boxes.digest(run { slice = slice }))
    end)
  end

  it("and the result are the same in a state made anew", function()
    assert.equal(expected, boxes.digest(run { fresh = true }))
    assert.equal(expected, boxes.digest(run { fresh = true, slice = 777 }))
  end)

  it("and the result are the same at other addresses", function()
    for _, base in ipairs { 0x200000000000, 0x310000000000, 0x1f0000000000 } do
      assert.equal(expected, boxes.digest(run { base = base, slice = 1000 }))
    end
  end)

  it("of tables whose keys are objects is the same at any address", function()
    local results = {}
    for i, base in ipairs { 0x200000000000, 0x310000000000, 0x1f0000000000, 0x1a5300000000 } do
      local out = assert(boxes.eval([[
        local o, seen = {}, {}
        for i = 1, 1000 do
          o[i] = i % 3 == 0 and {} or i % 3 == 1 and function() return i end or coroutine.create(next)
        end
        for round = 1, 200 do
          local t = {}
          for i = 1, 150 + round do t[o[i * 7 % 1000 + 1] ] = i end
          for i = 1, 100 + round, 3 do t[o[i * 7 % 1000 + 1] ] = nil end
          for i = 1, 300 do t[o[i * 3 % 1000 + 1] ] = i end
          if round == 7 then for _, v in pairs(t) do seen[#seen + 1] = v end end
        end
        return nil, seen]], nil, { base = base }))
      assert.equal("done", out.kind, out.message)
      results[i] = boxes.digest(out)
      assert.equal(results[1], results[i])
    end
    local _, err = boxes.open { base = 0x200000010000 }
    assert.equal("ELG_USAGE", err.status)
  end)

  it("and the result are the same parked at every slice", function()
    local count = 0
    assert.equal(expected, boxes.digest(run({ slice = 97 }, nil, function(box)
      local parked = assert(box:park())
      assert(box:unpark(parked))
      count = count + 1
    end)))
    assert.truthy(count > 300)
  end)

  it("stops a job at exactly its maximum, wherever that is", function()
    for _, slice in ipairs { 1, 777, 100000000 } do
      local box = assert(boxes.open { slice = slice })
      local program = assert(boxes.program(box, PROGRAM))
      for _, max in ipairs { 1, 2, 100, 1234, 5000, 9999, 20000, reference.fuel - 1, reference.fuel } do
        local out = boxes.run(box, program, { fuel_max = max })
        assert.equal("fuel", out.kind, "max " .. max)
        assert.equal(max, out.fuel)
      end
      local out = boxes.run(box, program, { fuel_max = reference.fuel + 1 })
      assert.equal(expected, boxes.digest(out))
      program:close()
      box:close()
    end
  end)

  local SWALLOWERS = {
    "while true do pcall(function() while true do end end) end",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "while true do coroutine.wrap(function() while true do end end)() end",
    "local function again() pcall(again) again() end again()",
    "table.sort({3,2,1}, function() while true do end end)",
    "('abc'):gsub('.', function() while true do end end)",
    "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
    "for _ in function() return 1 end do end",
    "local s = ('a'):rep(60) while true do s:find(('a*'):rep(30) .. 'b') end",
    "while true do local f = load('return 1') end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.remove(t, 1) table.insert(t, 1, 0) end",
    "local t = {} for i = 1, 1e4 do t[i] = -i end while true do table.sort(t) end",
    "while true do string.rep('x', 1e6) end",
    "local s = string.rep('x', 1e6) while true do local t = s .. 'y' end",
    "local t = {} for i = 1, 1e4 do t['k' .. i] = i end while true do next(t) for k in pairs(t) do end end",
    "local t = {} for i = 1, 5e4 do t[i] = 'x' end while true do table.concat(t) end",
    "local t = {} for i = 1, 1e4 do t[i] = i end while true do elg.json.decode(elg.json.encode(t)) end",
    "goto l ::l:: goto l",
    "repeat until false",
    "return f()",
  }
  for i, body in ipairs(SWALLOWERS) do
    it("ends what swallows errors or never ends: " .. i, function()
      local head = "local elg = require 'elg' local function f() return f() end "
      local box = assert(boxes.open())
      local program = assert(boxes.program(box, body, head:gsub("function f", "f function f") and
        "local elg = require 'elg' local f f = function() return f() end "))
      local out = assert(boxes.run(box, program, { fuel_max = 2000000 }))
      assert.equal("fuel", out.kind, out.message)
      assert.equal(2000000, out.fuel)
      program:close()
      box:close()
    end)
  end
end)

describe("work within one instruction", function()
  -- A million bytes at 64 a unit are 15,625 units; none of these may be much cheaper.
  local CASES = {
    "local t = s .. 'y'", "local t = s .. 'y'; local u = s .. 'y'; local v = s .. 'y'", "local t = s < r",
    "local t = s <= r", "local t = s:sub(2)", "local t = s:sub(2) t = s:sub(2)", "local t = s:upper()", "local t = s:lower()", "local t = s:reverse()",
    "local t = tonumber(s)", "local t = s:rep(1)", "local t = s:find('y', 1, true)", "local t = s:find('[yz]')",
    "local t = s:gsub('y', 'z')", "local t = ('%s'):format(s)", "local t = table.concat({ s, 'y' })",
    "local t = s:gsub('', 'z')", "local t = ('%q'):format(s)", "local t = s:find('')  for _ in s:gmatch('') do end",
    "local t = elg.json.encode(s)", "local t = elg.hash(s)", "local t = load('x=\"' .. s .. '\"')", "local t = s:byte(1)",
  }
  for i, work in ipairs(CASES) do
    it("is charged: " .. work, function()
      local head = "local elg = require 'elg' "
      local before = "local s = string.rep('x', 1000000) local r = string.rep('x', 1000000) .. 'z' "
      local box = assert(boxes.open())
      local function fuel(body)
        local program = assert(boxes.program(box, body .. " return 'ok'", head))
        local out = assert(boxes.run(box, program))
        assert.equal("done", out.kind, out.message)
        program:close()
        return out.fuel
      end
      local cost = fuel(before .. work) - fuel(before)
      local times = select(2, work:gsub("local %a = s %.%.", "")) + select(2, work:gsub("s:sub", ""))
      assert.truthy(i == #CASES and cost < 100 or i < #CASES and cost > 15000 * math.max(times, 1), cost)
      box:close()
    end)
  end
end)

describe("an instruction that hands on thousands of values", function()
  -- What ten of them take more for 6,400 values than for one: a unit for 64 each time.
  local CASES = {
    { "local n = select('#', ...)", 1000 }, { "tail(...)", 3000 }, { "back(2, ...)", 7000 },
    { "bytes:byte(1, select('#', ...))", 2000 }, { "local a, b = ...", 0 },
  }
  local HEAD = [[local elg = require 'elg' local t, bytes = {}, ('x'):rep(6400) for i = 1, 6400 do t[i] = i end
    local function none() end local function tail(...) return none(...) end
    local function back(n, ...) if n == 0 then return ... end return n, back(n - 1, ...) end ]]
  for _, case in ipairs(CASES) do
    it("is charged: " .. case[1], function()
      local box = assert(boxes.open())
      local function fuel(turns, n)
        local program = assert(boxes.program(box, ("local function given(...) for i = 1, %d do %s end end given(unpack(t, 1, %d))"
          .. " return 'ok'"):format(turns, case[1], n), HEAD))
        local out = assert(boxes.run(box, program))
        assert.equal("done", out.kind, out.message)
        program:close()
        return out.fuel
      end
      local cost = fuel(20, 6400) - fuel(10, 6400) - (fuel(20, 1) - fuel(10, 1))
      assert.truthy(cost >= case[2] and cost <= case[2] * 1.05, cost)
      box:close()
    end)
  end
end)

describe("an instruction that takes long", function()
  -- What ten of them cost at least, besides the instructions.
  local CASES = {
    { "pcall(error)", 240 }, { "pcall(string.rep)", 240 }, { "pcall(function() return nil .. 1 end)", 240 },
    { "xpcall(error, error)", 240 }, { "local x = '1e300' + 1", 14000 }, { "local x = math.sin('1e300')", 14000 },
    { "local x = ('1' .. ('0'):rep(300)) * 2", 14000 }, { "local x = tonumber('1e-300')", 14000 },
    { "for i = '1e300', 1 do end", 14000 }, { "local x = ('x'):rep('1e-200')", 6000 },
    { "local x = math.fmod(1e308, 1e-308)", 300 }, { "local x = chain.x", 60 }, { "chain.x = nil", 60 },
    { "local x = ('%.99f%g'):format(1e300, 0.1)", 320 }, { "local x = os.date('%c')", 480 },
    { "local x = elg.json.encode({ {}, {}, {} })", 180 }, { "pcall(elg.json.encode, next)", 2600 },
    { "local x = elg.json.decode('[]')", 160 }, { "local x = ('ab'):gsub('%a', '%0%0%0%0%0%0%0%0')", 160 },
    { "table.sort({ long .. 'b', long .. 'a' })", 150 },
  }
  local HEAD = "local elg = require 'elg' local chain = setmetatable({}, { __index = {}, __newindex = {} }) local long = ('x'):rep(1000) "
  for _, case in ipairs(CASES) do
    it("is charged: " .. case[1], function()
      local box = assert(boxes.open())
      local function fuel(body)
        local program = assert(boxes.program(box, ("for i = 1, 10 do %s end return 'ok'"):format(body), HEAD))
        local out = assert(boxes.run(box, program))
        assert.equal("done", out.kind, out.message)
        program:close()
        return out.fuel
      end
      local cost = fuel(case[1]) - fuel ""
      assert.truthy(cost >= case[2] and cost < 20 * case[2] + 2000, cost)
      box:close()
    end)
  end
end)

describe("memory", function()
  local EATERS = {
    "local t = {} for i = 1, 1e9 do t[i] = { i } end",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do pcall(function() for i = 1, 1e7 do t[#t + 1] = 'k' .. i end end) end",
    "string.rep('x', 2e7)",
    "local t = {} while true do t[#t + 1] = coroutine.create(print or next) end",
    "local function r() return 1 + r(coroutine.wrap(r)()) end r()",
  }
  for i, body in ipairs(EATERS) do
    it("has an end that no pcall sees: " .. i, function()
      local results = {}
      for _, slice in ipairs { 50, 100000000 } do
        local box = assert(boxes.open { slice = slice })
        local program = assert(boxes.program(box, body))
        results[#results + 1] = boxes.digest(assert(boxes.run(box, program, { memory_bytes = 4 * 2 ^ 20 })))
        program:close()
        box:close()
      end
      assert.equal(results[1], results[2])
      if i < 6 then assert.equal("memory", results[1]:match("^%a+")) end
    end)
  end

  it("is not used up by garbage", function()
    local out = assert(boxes.eval([[
      local t
      for i = 1, 400000 do t = { i, "s" .. i } end
      for i = 1, 200 do t = string.rep("x", 200000) .. i end
      return "ok", #t]], { memory_bytes = 3 * 2 ^ 20 }))
    assert.equal("done", out.kind)
    assert.equal("200003", out.output)
  end)

  it("of a hundred times the bound is allocated as garbage, with the same fuel every time", function()
    local BODY = [[
      local kept, bytes = { ("k"):rep(90000), ("l"):rep(90000), ("m"):rep(90000) }, 0
      for i = 1, 800 do
        local block = ("x"):rep(20000 + i * 50) .. i -- large, of many sizes
        bytes = bytes + 2 * #block
      end
      for i = 1, 100 do
        local t = {}
        for j = 1, 2500 do t[j] = { j } end
        bytes = bytes + 2500 * 80
      end
      for i = 1, 12000 do bytes = bytes + #(("s"):rep(3000) .. i) end
      return "ok", { bytes, #kept }]]
    local BOUND = 2 ^ 20
    local expected
    for _, options in ipairs { {}, { slice = 997 }, { fresh = true }, { base = 0x310000000000 }, { slice = 499999, park = true } } do
      options.memory_bytes = 2 ^ 20 -- its address range is 68 MiB
      local box = assert(boxes.open(options))
      local program = assert(boxes.program(box, BODY))
      local out = assert(boxes.run(box, program, { memory_bytes = BOUND, fuel_max = 1e9 }, nil, options.park and function()
        assert(box:unpark(assert(box:park())))
      end))
      assert.equal("done", out.kind, out.message)
      expected = expected or boxes.digest(out)
      assert.equal(expected, boxes.digest(out))
      local bytes = tonumber(out.output:match("%d+"))
      assert.truthy(bytes > 100 * BOUND, bytes)
      program:close()
      box:close()
    end
  end)

  it("is bounded by what lives, not by what was given out", function()
    local function kind(live)
      return assert(boxes.eval(([[
        local kept = {}
        for i = 1, %d do kept[i] = ("x"):rep(100000) .. i end
        for i = 1, 2000 do local t = ("y"):rep(50000) .. i end
        return "ok", #kept]]):format(live), { memory_bytes = 4 * 2 ^ 20, fuel_max = 1e9 })).kind
    end
    assert.equal("done", kind(25))
    assert.equal("memory", kind(45))
  end)

  it("serves the next job whatever the last one did", function()
    local box = assert(boxes.open())
    local good = assert(boxes.program(box, "state.x = 1 return 'ok', elgx"))
    local bad = assert(boxes.program(box, "local t = {} for i = 1, 1e9 do t[i] = {} end"))
    local first = boxes.digest(assert(boxes.run(box, good)))
    for _ = 1, 5 do
      assert.equal("memory", boxes.run(box, bad).kind)
      assert.equal(first, boxes.digest(boxes.run(box, good)))
    end
    good:close()
    bad:close()
    box:close()
  end)
end)
