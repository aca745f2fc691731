-- luacheck: no max line length
-- units: what a unit of fuel takes where it takes long: scripts that do one thing for ever, each
-- until its allowance is spent. Prints the slowest; M.measure gives them to bench/run.lua.
--
-- Uses spec/support (boxes, process_c).
local boxes = require "boxes"
local process = require "process_c"

local M = {}

local FUEL = 1000000
local MEMORY = 64 * 2 ^ 20

-- name, body of a node
local CASES = {
  { "error", "local e = error while true do pcall(e) end" },
  { "error str", "while true do pcall(error, 'x') end" },
  { "error lua frame", "local function f() error('x') end while true do pcall(f) end" },
  { "index nil", "local function f() local x return x.y end while true do pcall(f) end" },
  { "lua depth 100", "local function f(n) if n == 0 then error('x', 0) end return (f(n - 1)) end while true do pcall(f, 100) end" },
  { "gsub depth 50", "local function f(n) if n == 0 then error('x', 0) end return (('a'):gsub('a', function() return f(n - 1) end)) end while true do pcall(f, 50) end" },
  { "gsub depth 180", "local function f(n) if n == 0 then error('x', 0) end return (('a'):gsub('a', function() return f(n - 1) end)) end while true do pcall(f, 180) end" },
  { "sort depth 180", "local function f(n) if n == 0 then error('x', 0) end table.sort({1,2}, function() f(n - 1) end) end while true do pcall(f, 180) end" },
  { "tostring depth 180", "local function f(n) if n == 0 then error('x', 0) end return tostring(setmetatable({}, {__tostring = function() f(n - 1) end})) end while true do pcall(f, 180) end" },
  { "wrap depth 150", "local function f(n) if n == 0 then error('x', 0) end coroutine.wrap(f)(n - 1) end while true do pcall(f, 150) end" },
  { "wrap new", "local w = coroutine.wrap local function f() end while true do w(f) end" },
  { "wrap run", "local w = coroutine.wrap local function f() end while true do w(f)() end" },
  { "create", "local w = coroutine.create local function f() end while true do w(f) end" },
  { "tables", "while true do local t = {} end" },
  { "tables1", "while true do local t = {1,2,3,4,5,6,7,8} end" },
  { "tables200", "while true do local t = {" .. ("1,"):rep(400) .. "} end" },
  { "tables h", "while true do local t = {a=1,b=2,c=3} end" },
  { "kept", "local t = {} for i = 1, 1e9 do t[i % 20000] = {i} end" },
  { "kept 60M", "local t = {} for i = 1, 1e9 do t[i % 400000] = {i} end" },
  { "new strings", "local i = 0 while true do i = i + 1 local s = 'a' .. i end" },
  { "kept strings", "local t, i = {}, 0 while true do i = i + 1 t[i % 100000] = 'a' .. i end" },
  { "num to str", "local x = 0.1 while true do x = x * 1.0001 local s = '' .. x end" },
  { "tostring num", "local x = 0.1 while true do x = x * 1.0001 local s = tostring(x) end" },
  { "tostring tab", "local t = {} while true do local s = tostring(t) end" },
  { "tostring tabs", "while true do local s = tostring({}) end" },
  { "rehash", "while true do local t = {} for i = 1, 64 do t['k' .. i] = i end end" },
  { "rehash objs", "local o = {} for i = 1, 5000 do o[i] = {} end while true do local t = {} for i = 1, 5000 do t[o[i]] = i end end" },
  { "pairs5", "local t = {a=1,b=2,c=3,d=4,e=5} while true do for k in pairs(t) do end end" },
  { "pairs0", "local t = {} while true do for k in pairs(t) do end end" },
  { "pairs1000", "local t = {} for i = 1, 1000 do t['k' .. i * 7919 % 1009] = i end while true do for k in pairs(t) do end end" },
  { "pairs100k", "local t = {} for i = 1, 100000 do t['k' .. i * 7919 % 100003] = i end while true do for k in pairs(t) do end end" },
  { "pairs100k break", "local t = {} for i = 1, 100000 do t['k' .. i * 7919 % 100003] = i end while true do for k in pairs(t) do break end end" },
  { "pairs longstr", "local t = {} for i = 1, 1000 do t[('k'):rep(5000) .. i] = i end while true do for k in pairs(t) do end end" },
  { "next5", "local t = {a=1,b=2,c=3,d=4,e=5} while true do next(t) end" },
  { "next1000", "local t = {} for i = 1, 1000 do t['k' .. i * 7919 % 1009] = i end while true do next(t) end" },
  { "next mid", "local t = {} for i = 1, 1000 do t['k' .. i * 7919 % 1009] = i end while true do next(t, 'k5') end" },
  { "sort nums", "while true do local t = {} for i = 1, 100 do t[i] = i * 7919 % 101 end table.sort(t) end" },
  { "sort 100k", "local t = {} for i = 1, 100000 do t[i] = i * 7919 % 100003 end while true do table.sort(t) end" },
  { "sort strs", "while true do local t = {} for i = 1, 100 do t[i] = 'x' .. i * 7919 % 101 end table.sort(t) end" },
  { "sort longstrs", "local t = {} for i = 1, 100 do t[i] = ('x'):rep(10000) .. i * 7919 % 101 end while true do table.sort(t) end" },
  { "insert front", "local t = {} for i = 1, 1000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end" },
  { "concat", "local t = {} for i = 1, 1000 do t[i] = 'abc' end while true do table.concat(t) end" },
  { "concat nums", "local t = {} for i = 1, 1000 do t[i] = i + 0.1 end while true do table.concat(t) end" },
  { "format g", "while true do string.format('%.14g', 0.1) end" },
  { "format 99f", "while true do string.format('%99.99f', 1e300) end" },
  { "format many", "local f = ('%.99f'):rep(100) local a = {} for i = 1, 100 do a[i] = 1e300 end while true do string.format(f, unpack(a)) end" },
  { "format s", "while true do string.format('%s%s', 'a', 'b') end" },
  { "format q", "local s = ('\\n'):rep(10000) while true do string.format('%q', s) end" },
  { "tonumber", "while true do tonumber('1e300') end" },
  { "tonumber long", "local s = '1' .. ('0'):rep(1000) while true do tonumber(s) end" },
  { "tonumber long2", "local s = '0.' .. ('123456789'):rep(1000) while true do tonumber(s) end" },
  { "arith str", "local s = '1' .. ('0'):rep(300) while true do local x = s + 1 end" },
  { "rep", "while true do ('x'):rep(1000) end" },
  { "rep1e6", "while true do ('x'):rep(1e6) end" },
  { "reverse", "local s = ('x'):rep(500) while true do s:reverse() end" },
  { "upper", "local s = ('x'):rep(500) while true do s:upper() end" },
  { "sub", "local s = ('x'):rep(500) while true do s:sub(2) end" },
  { "cat", "local s = ('x'):rep(500) local i = 0 while true do i = i + 1 local y = s .. i end" },
  { "char", "local s = {('x'):rep(7000):byte(1, -1)} while true do string.char(unpack(s)) end" },
  { "vararg tab", "local t = {} for i = 1, 500 do t[i] = i end local function g(...) while true do local x = {...} end end g(unpack(t))" },
  { "find plain", "local s = ('x'):rep(10000) while true do s:find('y', 1, true) end" },
  { "find short", "while true do ('abc'):find('b', 1, true) end" },
  { "match short", "while true do ('abc'):match('b') end" },
  { "match cap", "while true do ('abc'):match('(a)(b)(c)') end" },
  { "match bomb", "local s = ('a'):rep(60) while true do s:find(('a*'):rep(20) .. 'b') end" },
  { "match set", "local s = ('a'):rep(1000) while true do s:find('[^b-z]*[b-z]') end" },
  { "gmatch", "local s = ('ab '):rep(100) while true do for w in s:gmatch('%a+') do end end" },
  { "gsub str", "local s = ('ab '):rep(100) while true do s:gsub('%a+', 'xy') end" },
  { "gsub tmpl", "local s = ('ab '):rep(100) while true do s:gsub('%a', '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0') end" },
  { "gsub long tmpl", "local s, r = ('a'):rep(1000), ('x'):rep(3000) while true do s:gsub('a', r) end" },
  { "gsub long tmpl2", "local s, r = ('a'):rep(100), ('%0'):rep(1500) while true do s:gsub('.*', r) end" },
  { "gsub fn", "local s = ('ab '):rep(100) while true do s:gsub('%a+', function() end) end" },
  { "gsub empty", "local s = ('ab '):rep(10000) while true do s:gsub('', '') end" },
  { "encode", "local t = {a=1,b={1,2,3},c='x'} while true do elg.json.encode(t) end" },
  { "encode nums", "local t = {} for i = 1, 1000 do t[i] = i / 7 end while true do elg.json.encode(t) end" },
  { "encode names", "local t = {} for i = 1, 1000 do t['k' .. i] = i end while true do elg.json.encode(t) end" },
  { "encode empties", "local t = {} for i = 1, 1000 do t[i] = {} end while true do elg.json.encode(t) end" },
  { "encode longkeys", "local t = {} for i = 1, 1000 do t[('k'):rep(1000) .. i] = i end while true do elg.json.encode(t) end" },
  { "encode err", "local t = {function() end} while true do pcall(elg.json.encode, t) end" },
  { "encode deep err", "local t = {} local u = t for i = 1, 120 do u[1] = {} u = u[1] end u[1] = print or next while true do pcall(elg.json.encode, t) end" },
  { "decode", "local s = '{\"a\":1,\"b\":[1,2,3],\"c\":\"x\"}' while true do elg.json.decode(s) end" },
  { "decode nums", "local t = {} for i = 1, 1000 do t[i] = i / 7 end local s = elg.json.encode(t) while true do elg.json.decode(s) end" },
  { "decode longnum", "local s = '0.' .. ('123456789'):rep(1000) while true do elg.json.decode(s) end" },
  { "decode arrays", "local s = '[' .. ('[],'):rep(1000) .. '[]]' while true do elg.json.decode(s) end" },
  { "decode objs", "local s = '[' .. ('{},'):rep(1000) .. '{}]' while true do elg.json.decode(s) end" },
  { "decode bad", "while true do elg.json.decode('[1,') end" },
  { "hash", "while true do elg.hash(1) end" },
  { "array", "while true do elg.array() end" },
  { "random", "while true do math.random() end" },
  { "randomseed", "while true do math.randomseed(1) math.random() end" },
  { "uuid", "while true do ctx.uuid() end" },
  { "secret", "while true do ctx.secret('a') end" },
  { "sin", "local x = 1e300 while true do math.sin(x) math.tan(x) end" },
  { "pow", "local x = 1.1 while true do math.pow(x, 1.7) end" },
  { "fmod", "while true do math.fmod(1e308, 1e-308) end" },
  { "modop", "local a, b = 1e308, 1e-308 while true do local x = a % b end" },
  { "date", "while true do os.date() end" },
  { "date t", "while true do os.date('*t') end" },
  { "date long", "local f = ('%c'):rep(300) while true do os.date(f) end" },
  { "time", "local d = os.date('*t') while true do os.time(d) end" },
  { "load", "while true do load('return 1') end" },
  { "load64k", "local s = 'return ' .. ('1+'):rep(32000) .. '1' while true do load(s) end" },
  { "load fail", "while true do load('return (') end" },
  { "load pieces", "while true do local n = 0 load(function() n = n + 1 return n < 1000 and ' ' or nil end) end" },
  { "load big fn", "local s = 'local t = {}' .. ('t[1]=2 '):rep(9000) while true do load(s) end" },
  { "setmt", "local t, m = {}, {} while true do setmetatable(t, m) end" },
  { "str cmp", "local a, b = ('x'):rep(500) .. 'a', ('x'):rep(500) .. 'b' while true do local c = a < b end" },
  { "metas", "local m m = setmetatable({}, {__add = function() return m end, __concat = function() return m end}) while true do local x = m + m local y = m .. m end" },
  { "index chain", "local t = {} for i = 1, 90 do t = setmetatable({}, {__index = t}) end while true do local x = t.foo end" },
  { "eq meta", "local mt = {__eq = function() return true end} local a, b = setmetatable({}, mt), setmetatable({}, mt) while true do local x = a == b end" },
  { "closures", "while true do local x = 1 local f = function() return x end end" },
  { "len", "local t = {} for i = 1, 100000 do t[i] = i end while true do local x = #t end" },
  { "len hash", "local t = {} for i = 100000, 1, -1 do t[i] = i end while true do local x = #t end" },
  { "maxn", "local t = {} for i = 1, 1000 do t[i] = i end while true do table.maxn(t) end" },
  { "unpack", "local t = {} for i = 1, 7000 do t[i] = i end while true do unpack(t) end" },
  { "unpack e", "local t = {} while true do unpack(t, 1, 7900) end" },
  { "collide", "local t = {} for i = 1, 3000 do t[i * 2^32] = i end while true do local x = t[2^33] end" },
  { "collide ins", "while true do local t = {} for i = 1, 3000 do t[i * 2^32] = i end end" },
  { "stack grow", "local function f(n) if n == 0 then return 1 end return 1 + f(n - 1) end while true do coroutine.wrap(f)(2000) end" },
  { "stack over", "local function f() return 1 + f() end while true do pcall(f) end" },
  { "xpcall over", "local function f() return 1 + f() end while true do xpcall(f, function(e) return e end) end" },
  { "err in handler", "while true do xpcall(error, error) end" },
  { "wrap err", "while true do pcall(coroutine.wrap(error), 'x') end" },
  { "resume dead", "local co = coroutine.create(function() end) coroutine.resume(co) while true do coroutine.resume(co) end" },
  { "yield", "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end" },
  { "assert", "while true do pcall(assert, false) end" },
  { "call nil", "while true do pcall(nil) end" },
  { "bad arg", "while true do pcall(string.rep) end" },
  { "bad arg2", "while true do pcall(setmetatable, 1) end" },
  { "bad pattern", "while true do pcall(string.find, 'a', '[') end" },
  { "page touch", "while true do local t = {} for i = 1, 100 do t[i] = ('x'):rep(4000 + i) end end" },
  { "big alloc", "while true do local s = ('x'):rep(8e6) end" },
  { "big table", "while true do local t = {} for i = 1, 1e5 do t[i] = i end end" },
  { "decode utf", "local s = '\"' .. ('\\\\u00e9'):rep(3000) .. '\"' while true do elg.json.decode(s) end" },
  { "byte", "local s = ('x'):rep(7000) while true do s:byte(1, -1) end" },
  { "select", "local t = {} for i = 1, 7000 do t[i] = i end local function f(...) while true do select('#', ...) select(7000, ...) end end f(unpack(t))" },
  { "vararg", "local t = {} for i = 1, 7000 do t[i] = i end local function f(...) return ... end local function g(...) while true do f(...) end end g(unpack(t))" },
  { "return many", "local t = {} for i = 1, 7000 do t[i] = i end local function f(n) if n == 0 then return unpack(t) end return 1, f(n - 1) end while true do f(100) end" },
  { "tail many", "local t = {} for i = 1, 7000 do t[i] = i end local function f() end local function h(...) return f(...) end local function g(...) while true do h(...) end end g(unpack(t))" },
}

local TRIES, MORE_TRIES, SLOW_NS = 2, 6, 60

-- Nanoseconds of a unit: the best of a few, of more where it is slow: what else the machine does
-- only ever takes time.
local function unit_ns(case)
  local box = assert(boxes.open { memory_bytes = MEMORY })
  local program = assert(boxes.program(box, case[2], "local elg = require 'elg' "))
  local best = math.huge
  for try = 1, TRIES + MORE_TRIES do
    if try > TRIES and best < SLOW_NS then break end
    local began_us = process.monotonic_us()
    local outcome = assert(boxes.run(box, program, { fuel_max = FUEL, memory_bytes = MEMORY }))
    best = math.min(best, 1000 * (process.monotonic_us() - began_us) / outcome.fuel)
    assert(outcome.kind == "fuel", case[1] .. " ended: " .. (outcome.message or outcome.kind))
  end
  program:close()
  box:close()
  return best
end

local function slowest_of(cases, pattern)
  local list = {}
  for _, case in ipairs(cases) do
    if case[1]:find(pattern or "", 1, true) then list[#list + 1] = { ns = unit_ns(case), name = case[1] } end
  end
  table.sort(list, function(a, b) return a.ns > b.ns end)
  return list
end

-- measure(): a list of { ns, name }, the slowest first.
function M.measure(pattern)
  return slowest_of(CASES, pattern)
end

if arg and arg[0]:match("units%.lua$") then
  local list = M.measure(arg[1])
  for i = 1, math.min(#list, 25) do print(("%8.1f ns  %s"):format(list[i].ns, list[i].name)) end
end

return M
