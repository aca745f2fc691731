-- luacheck: no max line length
-- library: what is ours behaves as the original wherever the original is right; the
-- original is Debian's luajit, which runs this file.
local boxes = require "boxes"
local generator = require("same").generator

-- Runs `code` (a function body) with `values` decoded from JSON text in the sandbox and
-- gives what it returns.
local function inside(body, input)
  local out = assert(boxes.eval(body, { input = input or "null", fuel_max = 1e9,
    memory_bytes = 64 * 2 ^ 20 }))
  if out.kind ~= "done" then error(out.kind .. ": " .. tostring(out.message) .. " " .. tostring(out.where)) end
  return out.output
end

-- The same body in and outside must give the same text.
local function same(body)
  local ours = inside(("local function f() %s end return 'ok', f()"):format(body))
  local theirs = assert(loadstring(body))()
  if '"' .. theirs .. '"' == ours then return end
  local at, mine = 0, ours:sub(2, -2)
  local a, b = theirs:gmatch("[^;]*"), mine:gmatch("[^;]*")
  for part in a do
    at = at + 1
    local other = b()
    if part ~= other then error(("part %d: %s, not as the original %s"):format(at, tostring(other), part)) end
  end
end

-- Prints pcall's results in a form without quotes, escapes or addresses.
local SHOW = [[
local function show(...)
  local out = {}
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    out[i] = (tostring(v):gsub("[^%w .,:;_<>()%-]", function(c) return "<" .. c:byte() .. ">" end))
  end
  return table.concat(out, ",")
end
local function msg(ok, ...)
  if ok then return show(ok, ...) end
  return "error"
end
]]

describe("patterns", function()
  local ATOMS = { "a", "b", ".", "%a", "%d", "%s", "[ab]", "[^a]", "[a-c]", "%w", "x", "%.", "[%d_]",
    "%u", "%l", "%p", "%x", "[]]", "[^]]", "[a-]", "%%", "%z", "%c", "%S", "%g" }
  local SUFFIXES = { "", "", "", "*", "+", "-", "?" }
  local TEXT = { "a", "b", "c", "x", "1", "2", " ", ".", "_", "A", "(", ")", "]", "-", "\n", "%" }

  local function random_pattern(random)
    local out, open, closed = {}, 0, 0
    if random(6) == 1 then out[1] = "^" end
    for _ = 1, random(5) do
      local kind = random(14)
      if kind == 1 then
        out[#out + 1] = "("
        open = open + 1
      elseif kind == 2 and open > closed then
        out[#out + 1] = ")"
        closed = closed + 1
      elseif kind == 3 then
        out[#out + 1] = "()"
      elseif kind == 4 then
        out[#out + 1] = "%b()"
      elseif kind == 5 then
        out[#out + 1] = "%f[%w]"
      elseif kind == 6 and closed > 0 then
        out[#out + 1] = "%1"
      else
        out[#out + 1] = ATOMS[random(#ATOMS)] .. SUFFIXES[random(#SUFFIXES)]
      end
    end
    for _ = 1, open - closed do out[#out + 1] = ")" end
    if random(8) == 1 then out[#out + 1] = "$" end
    return table.concat(out)
  end

  local function random_text(random)
    local out = {}
    for i = 1, random(14) - 1 do out[i] = TEXT[random(#TEXT)] end
    return table.concat(out)
  end

  it("match, find, gmatch and gsub as the original on 4000 random pairs", function()
    local random = generator(20240607)
    for _ = 1, 40 do
      local lines = { SHOW, "local out = {}" }
      local pairs_tried = {}
      for _ = 1, 100 do
        local s, p = random_text(random), random_pattern(random)
        local init = random(9) - 4
        pairs_tried[#pairs_tried + 1] = { s, p, init }
        lines[#lines + 1] = ("do local s, p = %q, %q"):format(s, p)
        lines[#lines + 1] = ("out[#out + 1] = msg(pcall(string.match, s, p, %d))"):format(init)
        lines[#lines + 1] = ("out[#out + 1] = msg(pcall(string.find, s, p, %d, %s))"):format(init,
          random(5) == 1 and "true" or "false")
        lines[#lines + 1] = "out[#out + 1] = msg(pcall(string.gsub, s, p, '<%0>'))"
        lines[#lines + 1] = ("out[#out + 1] = msg(pcall(string.gsub, s, p, {a = 'T', [1] = 'N'}, %d))"):format(random(3))
        lines[#lines + 1] = "out[#out + 1] = msg(pcall(string.gsub, s, p, function(...) return select('#', ...) .. tostring(...) end))"
        lines[#lines + 1] = "out[#out + 1] = msg(pcall(function() local t = {} for a, b in s:gmatch(p) do t[#t + 1] = tostring(a) .. tostring(b) if #t > 40 then break end end return table.concat(t, ' ') end)) end"
      end
      lines[#lines + 1] = "return table.concat(out, ';')"
      local ok, err = pcall(same, table.concat(lines, "\n"))
      if not ok then
        local n = tonumber(err:match("part (%d+)"))
        local tried = pairs_tried[math.floor(((n or 1) + 1) / 2 / 6) + 1] or {}
        error(("%s near %q %q %s"):format(err, tried[1], tried[2], tried[3]))
      end
    end
  end)

  it("refuse malformed patterns as the original", function()
    for _, p in ipairs { "%", "[a", "[", "[^", "(a", "a)", "%b", "%bx", "%f", "%fa", "(()", "%1", "[%", "[a-" } do
      same(SHOW .. ("return msg(pcall(string.match, 'aab(x)', %q))"):format(p))
      same(SHOW .. ("return msg(pcall(string.gsub, 'aab(x)', %q, 'x'))"):format(p))
    end
  end)

  it("count their steps", function()
    local short = boxes.eval [[return "ok", ("a"):rep(20):find(("a?"):rep(20) .. ("a"):rep(20) .. "b")]]
    assert.truthy(short.fuel > 100000)
  end)
end)

describe("table functions", function()
  it("sort as the original on random lists, and keep equal elements in order", function()
    same [[
      local out, x = {}, 7
      local function random(n) x = (x * 16807) % 2147483647 return x % n end
      for _ = 1, 60 do
        local t = {}
        for i = 1, random(70) do t[i] = random(1000) + (random(2) == 1 and 0.5 or 0) end
        table.sort(t)
        out[#out + 1] = table.concat(t, " ")
        table.sort(t, function(a, b) return a > b end)
        out[#out + 1] = table.concat(t, " ")
      end
      local s = { "b", "a", "", "B", "aa", "10", "9" }
      table.sort(s)
      out[#out + 1] = table.concat(s, " ")
      return table.concat(out, ",")]]
    assert.equal('"ok"', inside [[
      local t = {}
      for i = 1, 500 do t[i] = { i % 7, i } end
      table.sort(t, function(a, b) return a[1] < b[1] end)
      for i = 2, 500 do
        local a, b = t[i - 1], t[i]
        if a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) then return "ok", "unstable at " .. i end
      end
      return "ok", "ok"]])
  end)

  it("end for order functions that make no sense", function()
    assert.equal("500", inside [[
      local t = {}
      for i = 1, 500 do t[i] = i end
      table.sort(t, function() return true end)
      table.sort(t, function() return false end)
      table.sort(t, function(a, b) return math.random() < 0.5 end)
      return "ok", #t]])
  end)

  it("insert, remove, concat, maxn and unpack as the original", function()
    same(SHOW .. [[
      local out = {}
      local function note(...) out[#out + 1] = show(...) end
      local t = { 1, 2, 3 }
      table.insert(t, 4) table.insert(t, 1, 0) table.insert(t, 3, 1.5)
      note(table.concat(t, " "))
      note(table.remove(t)) note(table.remove(t, 1)) note(table.remove(t, 2))
      note(table.concat(t, "-", 1, 2)) note(table.concat({}, "x")) note(table.concat({ 1, "a", 2.5 }))
      note(table.maxn { 1, 2, nil, 4, [10.5] = 1 }) note(unpack({ 1, nil, 3 }, 1, 3)) note(unpack({}))
      note(select("#", table.remove({}))) note(msg(pcall(table.concat, { {} })))
      note(msg(pcall(table.insert, {}, 1, 2, 3))) note(msg(pcall(table.insert, {})))
      note(table.remove({ 1, 2 }, 2)) note(msg(pcall(table.sort, { 1, "a" })))
      return table.concat(out, ";")]])
  end)

  it("check positions", function()
    assert.equal("[false,false,false]", inside [[
      return "ok", { (pcall(table.insert, { 1 }, 5, 1)), (pcall(table.insert, { 1 }, 0, 1)),
        (pcall(table.insert, { 1 }, 1.5, 1)) }]])
  end)
end)

describe("string functions", function()
  it("format, rep, sub, byte, char, upper, lower, reverse as the original", function()
    same(SHOW .. [[
      local out = {}
      local function note(...) out[#out + 1] = show(...) end
      local nums = { 0, 1, -1, 3.7, 1e100, -0.0, 123456789012345, 2^53, 1e15, 0.1, 255, 1/3 }
      for _, n in ipairs(nums) do
        for _, f in ipairs { "%d", "%5.2f", "%g", "%.14g", "%e", "%x", "%-8d|", "%+d", "%08.3f", "%a", "%i", "%.3s", "%10s" } do
          note(msg(pcall(string.format, f, n)))
        end
      end
      note(string.format("%q", 'a\n"b"\0\\')) note(string.format("%s %s", "a", 1)) note(string.format("%c%c", 65, 66))
      note(string.format("%5s|%-5s|%.2s", "ab", "ab", "abc")) note(msg(pcall(string.format, "%y", 1)))
      note(msg(pcall(string.format, "%d"))) note(string.format("%%")) note(msg(pcall(string.format, "%d", "x")))
      note(string.format("%s", nil)) note(string.format("%s", true)) note(msg(pcall(string.format, "%")))
      note(("ab"):rep(3)) note(("ab"):rep(0)) note(("ab"):rep(-1)) note(("ab"):rep(3, ",")) note((""):rep(100))
      note(("hello"):sub(2, -2), ("hello"):sub(-3), ("hello"):sub(10), ("hello"):byte(1, -1))
      note(("aBc1"):upper(), ("aBc1"):lower(), ("abc"):reverse(), ("x"):len(), #"abc")
      note(tostring(1e15), tostring(-0.0), tostring(0/0 ~= 0/0), tostring(2^63), tostring(nil), tonumber("0x10"), tonumber("10", 2), tonumber("z", 36), tonumber(" 5 "), tonumber("5x"))
      return table.concat(out, ";")]])
  end)

  it("rep refuses what no string can hold, and nothing else", function()
    assert.equal('["resulting string too large","resulting string too large","resulting string too large","","",""]', inside [[
      local function why(...) return (select(2, pcall(string.rep, ...)):gsub("^.-: ", "")) end
      return "ok", { why("x", 2^31), why("ab", 2^30 + 1), why("", 2^31, "x"), why("", 1e300), why("x", -2^40), why("x", 0 / 0) }]])
    local out = boxes.eval("return 'ok', #('x'):rep(2^30)", { fuel_max = 1e9 })
    assert.equal("memory", out.kind)
  end)

  it("show no addresses", function()
    local out = inside [[
      local t, f, co = {}, function() end, coroutine.create(function() end)
      return "ok", { tostring(t), tostring(f), tostring(co), tostring(print or next), string.format("%s", t),
        (pcall(string.format, "%p", t)), tostring(nil), tostring(require "elg".null) }]]
    assert.truthy(out:match('^%["table: 0x%x+","function: 0x%x+","thread: 0x%x+"'), out)
    for address in out:gmatch("0x(%x+)") do assert.equal(8, #address) end
    assert.truthy(out:match(',false,"nil","null"%]$'), out)
  end)

  it("have a locked metatable", function()
    assert.equal('["string",false]', inside [[return "ok", { getmetatable(""), (pcall(setmetatable, "", {})) }]])
  end)
end)

describe("pairs and next", function()
  it("go 1..n, numbers, strings, booleans, objects, for any history", function()
    local expected = '["1","2","3","-1","0","2.5","10","A","a","aa","b","false","true","T"]'
    assert.equal(expected, inside [[
      local function order(build)
        local t, out = {}, {}
        local T = {}
        build(t, T)
        for k in pairs(t) do
          out[#out + 1] = type(k) == "table" and "T" or tostring(k)
        end
        local again = {}
        local k = next(t)
        while k ~= nil do
          again[#again + 1] = type(k) == "table" and "T" or tostring(k)
          k = next(t, k)
        end
        assert(table.concat(out, " ") == table.concat(again, " "))
        return out
      end
      local keys = { "b", 10, true, "a", 2, 1, 2.5, "aa", false, 3, 0, -1, "A" }
      local one = order(function(t, T) for _, k in ipairs(keys) do t[k] = 1 end t[T] = 1 end)
      local two = order(function(t, T)
        for i = 1, 50 do t["x" .. i] = 1 end
        for i = #keys, 1, -1 do t[keys[i] ] = 1 end
        t[T] = 1
        for i = 1, 50 do t["x" .. i] = nil end
      end)
      assert(table.concat(one) == table.concat(two))
      return "ok", one]])
  end)

  it("sort names by their bytes, many and few, long and short, and start where next does", function()
    assert.equal('"ok"', inside [[
      local x = 11
      local function random(n) x = (x * 16807) % 2147483647 return x % n + 1 end
      local PARTS = { "", "a", "b", "\0", "\255", "abcdefg", "abcdefgh", "abcdefghi", "\195\169", "1", "10" }
      for round = 1, 120 do
        local t, names = {}, {}
        for _ = 1, random(round) do
          local name = PARTS[random(#PARTS)] .. PARTS[random(#PARTS)] .. PARTS[random(#PARTS)]
          if t[name] == nil then t[name], names[#names + 1] = true, name end
        end
        table.sort(names)
        if next(t) ~= names[1] then return "ok", "next in round " .. round end
        local i = 0
        for name in pairs(t) do
          i = i + 1
          if name ~= names[i] then return "ok", ("pairs in round %d: %q"):format(round, name) end
        end
        if i ~= #names then return "ok", "count in round " .. round end
        local key = next(t, names[1])
        if key ~= names[2] then return "ok", "next from the first in round " .. round end
        t[names[1] ] = nil
        t.zzz = true
        if next(t) ~= (names[2] and names[2] < "zzz" and names[2] or "zzz") then return "ok", "next after a change in round " .. round end
      end
      return "ok", "ok"]])
  end)

  it("allow clearing and changing on the way", function()
    assert.equal('{"a":2,"c":4,"e":6,"left":0}', inside [[
      local t = { a = 1, b = 2, c = 3, d = 4, e = 5 }
      local seen = {}
      for k, v in pairs(t) do
        seen[k] = v + 1
        if k == "a" then t.b = nil t.c = 3 end
        if k == "c" then t.d = nil end
        t[k] = nil
      end
      local n = 0
      for _ in pairs(t) do n = n + 1 end
      seen.left = n
      return "ok", seen]])
  end)

  it("next tells an empty table and refuses a strange key", function()
    assert.equal('[true,false,1]', inside [[
      return "ok", { next({}) == nil, (pcall(next, { a = 1 }, "zz")), (next({ 5 })) }]])
  end)
end)

describe("the rest", function()
  it("coroutines behave as the original", function()
    same(SHOW .. [[
      local out = {}
      local function note(...) out[#out + 1] = show(...) end
      local co = coroutine.create(function(a, b)
        note(a, b) note(coroutine.yield(a + b)) note(coroutine.isyieldable()) error("x", 0) end)
      note(coroutine.status(co)) note(coroutine.resume(co, 1, 2)) note(coroutine.status(co))
      note(coroutine.resume(co, "r", nil, 3)) note(coroutine.status(co)) note(coroutine.resume(co))
      local w = coroutine.wrap(function(...) for i = 1, 3 do coroutine.yield(i, ...) end end)
      note(w("a", "b")) note(w()) note(w()) note(w()) note(msg(pcall(w)))
      local t = coroutine.wrap(function() error({ 1 }) end)
      note(type(select(2, pcall(t))))
      local self self = coroutine.create(function() return coroutine.resume(self) end)
      note(coroutine.resume(self))
      local outer outer = coroutine.create(function()
        local inner = coroutine.create(function() return coroutine.status(outer), coroutine.resume(outer) end)
        return coroutine.resume(inner)
      end)
      note(coroutine.resume(outer))
      note(coroutine.resume(coroutine.create(function(...) return select("#", ...) end), nil, nil))
      note(msg(pcall(coroutine.resume, 5))) note(msg(pcall(coroutine.wrap, 5)))
      note(pcall(coroutine.wrap(function() error("pos", 0) end)) )
      note(coroutine.running() == nil or type(coroutine.running()))
      return table.concat(out, ";")]])
  end)

  it("depth of callbacks is bounded by an error", function()
    local out = inside [[
      local function deep(n) return (("x"):gsub("x", function() return deep(n + 1) end)) end
      local ok, err = pcall(deep, 1)
      local function deeper() return coroutine.wrap(deeper)() end
      local ok2, err2 = pcall(deeper)
      local function sorting() table.sort({ 2, 1 }, function(a, b) sorting() return a < b end) end
      local ok3, err3 = pcall(sorting)
      local m = {} setmetatable(m, { __tostring = function(s) return tostring(s) end })
      local ok4, err4 = pcall(tostring, m)
      local after = ("abc"):gsub(".", function(c) return c:upper() end)
      return "ok", { ok, ok2, ok3, ok4, err:match("deeper than 190") ~= nil, after }]]
    assert.equal('[false,false,false,false,true,"ABC"]', out)
  end)

  it("metatables: no finalizers, no weak tables, protection kept", function()
    assert.equal('[false,false,false,true,"P"]', inside [[
      local p = setmetatable({}, { __metatable = "P" })
      return "ok", { (pcall(setmetatable, {}, { __gc = function() end })), (pcall(setmetatable, {}, { __mode = "k" })),
        (pcall(setmetatable, p, {})), (pcall(setmetatable, {}, nil)), getmetatable(p) }]])
  end)

  it("load takes text, names its chunk, keeps errors as values, has an environment", function()
    assert.equal('[3,"nil","q:1:",9,false,"nil",6,7]', inside [[
      local f = load("return 1 + 2")
      local bad, err = load("x = = 1", "=q")
      local env = load("y = 9 return y", "c", "t", {})
      local binary, why = load("\27LJ\2")
      local pieces, i = { "return ", "6", nil }, 0
      x = 7
      return "ok", { f(), tostring(bad), err:sub(1, 4), env(), y ~= nil, tostring(binary),
        load(function() i = i + 1 return pieces[i] end)(), load("return x")() }]])
  end)

  it("require finds the library's tables, and the engine's extensions of them", function()
    assert.equal('[true,true,true,true,true,true,true,0,null,3]', inside [[
      local new, clear = require "table.new", require "table.clear"
      local t = new(10, 10)
      t[1], t.x, t[{}] = 1, 2, 3
      clear(t)
      return "ok", { require "string" == string, require "table" == table, require "math" == math,
        require "bit" == bit, require "coroutine" == coroutine, require "os" == os, require "utf8" == utf8,
        #t, next(t) or elg.null, #table.move({ 1, 2 }, 1, 2, 2) }]])
    assert.equal("[false,false,false]", inside [[
      return "ok", { (pcall(require "table.new", -1, 0)), (pcall(require "table.new", 0, 1e300)),
        (pcall(require "table.clear", 1)) }]])
  end)

  it("offers nothing else", function()
    local absent = {}
    for _, name in ipairs { "io", "debug", "jit", "ffi", "package", "dofile", "loadfile", "newproxy", "getfenv",
      "setfenv", "collectgarbage", "module", "print", "gcinfo" } do
      absent[#absent + 1] = name .. " == nil"
    end
    assert.equal("[true,true,true,true]", inside("return 'ok', { " .. table.concat(absent, " and ") .. [[,
      string.dump == nil and string.buffer == nil, os.getenv == nil and os.execute == nil and os.exit == nil and
      os.remove == nil and os.rename == nil and os.tmpname == nil and os.setlocale == nil,
      not pcall(require, "io") and not pcall(require, "ffi") and not pcall(require, "jit") }]]))
  end)
end)

describe("time and numbers", function()
  it("os.date as the C library's in UTC", function()
    local letters = "aAbBcdHIjmMpSUwWxXyY%DFTRehnCu"
    local body = { "local out = {}" }
    local times = { 0, 86399, 951782400, 951868800, 1078012800, 1700000000, 4102444799, 1e9, 1709164800,
      1735603200, 1735689600, 978307199, 68169600 }
    for _, t in ipairs(times) do
      for c in letters:gmatch(".") do
        body[#body + 1] = ("out[#out + 1] = os.date('!%%%s', %d)"):format(c, t)
      end
      body[#body + 1] = ("local d = os.date('!*t', %d) for _, k in ipairs { 'year', 'month', 'day', 'hour', 'min', 'sec', 'wday', 'yday' } do out[#out + 1] = d[k] end"):format(t)
    end
    body[#body + 1] = "return (table.concat(out, ' '):gsub('%c', ' '))"
    same(table.concat(body, "\n"))
  end)

  it("os.time inverts os.date and normalises", function()
    assert.equal("[0,951825600,1000000000,1706745600,978220800]", inside [[
      return "ok", { os.time { year = 1970, month = 1, day = 1, hour = 0 }, os.time { year = 2000, month = 2, day = 29 },
        os.time(os.date("!*t", 1e9)), os.time { year = 2023, month = 13, day = 32, hour = 0 },
        os.time { year = 2001, month = 0, day = 31, hour = 0 } }]])
  end)

  it("math has the bits that any machine has", function()
    local out = inside [[
      local h = {}
      for i = 1, 2000 do
        local x = (i * 0.37) % 17 - 5
        local list = { math.sin(x), math.cos(x), math.tan(x), math.exp(x), math.atan(x), math.sinh(x), math.cosh(x),
          math.tanh(x), math.atan2(x, 3), math.abs(x) ^ 0.7, math.log(i), math.log10(i), math.pow(1.01, i),
          math.fmod(i, x), math.asin(x / 23), math.acos(x / 23) }
        for j = 1, #list do h[#h + 1] = string.format("%.17g", list[j]) end
      end
      return "ok", require "elg".hash(h)]]
    assert.equal('"' .. (require "mathbits") .. '"', out)
  end)
end)

describe("values", function()
  it("elg.json keeps big integers as text where asked", function()
    assert.equal('["12345678901234567890",1,12345678901234567000,true]', inside [[
      local json = require "elg".json
      local a = json.decode('{"x":12345678901234567890,"y":1}', { big = "string" })
      local b, err = json.decode("{")
      return "ok", { a.x, a.y, json.decode("12345678901234567890"), b == nil and type(err) == "string" }]])
  end)

  it("are arrays, null, emptiness, and errors that name the path", function()
    assert.equal('[[],{},null,[1,2]]', inside [[
      local elg = require "elg"
      return "ok", { elg.array(), {}, elg.null, elg.array { 1, 2 } }]])
    local cases = {
      { "state.items = { {}, { blob = '\\255' } }", "state.items[2].blob: not valid UTF-8 at byte 1; keep binary in an artifact" },
      { "state.f = { g = function() end }", "state.f.g: a function" },
      { "state.t = { 1, nil, 3 }", "state.t: an array with holes" },
      { "state.t = { 1, x = 2 }", "state.t: an array with a string as a key" },
      { "state.me = { state }", "state.me[1]: the table contains itself" },
      { "state['a b'] = 0/0", "state[\"a b\"]: NaN" },
      { "state.x = 1/0", "state.x: infinity" },
      { "state.x = coroutine.create(function() end)", "state.x: a thread" },
      { "local t = state for i = 1, 200 do t.t = {} t = t.t end", "nested deeper than 128" },
      { "state.x = { [true] = 1 }", "state.x: boolean as a key" },
    }
    for _, case in ipairs(cases) do
      local out = assert(boxes.eval(case[1] .. " return 'ok'"))
      assert.equal("INVALID_STATE", out.code, case[1])
      assert.is_false(out.retry)
      assert.truthy(out.message:find(case[2], 1, true), out.message)
    end
    assert.equal("INVALID_OUTPUT", boxes.eval("return 'ok', function() end").code)
  end)

  it("are bounded in size, also where one table is reached in many ways", function()
    local out = assert(boxes.eval([[
      local s, t = ("x"):rep(1e6), {}
      for i = 1, 1000 do t[i] = s end
      local wide = {}
      for _ = 1, 100 do wide = { wide, wide } end
      local ok, why = pcall(elg.json.encode, wide)
      state.why = tostring(ok) .. why
      state.t = input.big and t or nil
      return "ok"]], { input = '{"big":true}' }))
    assert.equal("INVALID_STATE", out.code)
    assert.truthy(out.message:find("larger than 16777216 bytes", 1, true))
    out = assert(boxes.eval([[
      local wide = {}
      for _ = 1, 100 do wide = { wide, wide } end
      local ok, why = pcall(elg.json.encode, wide)
      return "ok", tostring(ok) .. why]]))
    assert.equal('"falsevalue: larger than 16777216 bytes; keep large data in an artifact"', out.output)
  end)

  it("an array stays one when it is emptied", function()
    local out = boxes.eval("table.remove(state.list) return 'ok'", { state = '{"list":[1]}' })
    assert.equal('{"list":[]}', out.state)
  end)
end)
