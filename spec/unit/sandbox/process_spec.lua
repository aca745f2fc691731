-- process: the same job gives the same digest in any process: other environment, locale and
-- time zone, other addresses, whatever ran before (I1).
local boxes = require "boxes"
local helper = require "helper"

-- A varied program number `n`: statements drawn from a list by a generator.
local function body_of(n)
  local x = n * 7919 + 13
  local function random(k) x = (x * 16807) % 2147483647 return x % k + 1 end
  local statements = {
    "for i = 1, 50 do s = s + i * 0.1 end",
    "t[#t + 1] = string.format('%5.3f %s', s, tostring(t))",
    "t.k = (t.k or '') .. math.random(100)",
    "s = s + math.sin(s) ^ 2 + math.exp(-s * s)",
    "for k, v in pairs(t) do s = s + #tostring(k) end",
    "t[{}] = true t[function() end] = 1 for k in pairs(t) do if type(k) == 'table' then t[k] = nil end end",
    "table.sort(words, function(a, b) return a > b end)",
    "t.d = os.date('%c %x %p') .. os.time()",
    "t.e = select(2, pcall(function() local q = nil return q.x end))",
    "t.f = tostring(function() end) .. tostring(coroutine.create(next))",
    "t.u = ctx.uuid() t.r = ctx.rand(1000)",
    "t.g = ('some text with words'):gsub('%w+', string.upper)",
    "t.c = coroutine.wrap(function() for i = 1, 5 do coroutine.yield() end end)()",
    "for i = 1, 2000 do local g = { i, tostring(i) } s = s + #g end",
    "t.h = elg.hash({ s, words })",
    "t.n = ctx.call('f', { s = s }).echo.request.s",
    "t.p = ('x'):rep(5000):find('y')",
    "t.up = ('ÄÖ'):upper() .. ('äö' < 'z' and 1 or 2)",
  }
  local out = { "local elg = require 'elg' local s, t, words = 0, {}, { 'pear', 'apple', 'fig', 'Äpfel' }" }
  for _ = 1, 12 do out[#out + 1] = statements[random(#statements)] end
  out[#out + 1] = [[local o = { s = s, words = words }
    for k, v in pairs(t) do if type(k) ~= 'function' then o[tostring(k)] = tostring(v) end end return 'ok', o]]
  return table.concat(out, "\n")
end

local M = {}

-- Digests of programs 1..count, one line each.
function M.digests(count, options)
  local box = assert(boxes.open(options))
  local out = {}
  for n = 1, count do
    local program = assert(boxes.program(box, body_of(n)))
    out[n] = boxes.digest(assert(boxes.run(box, program)))
    program:close()
  end
  box:close()
  return table.concat(out, "\n")
end

if not describe then
  io.write(M.digests(tonumber(arg[1]), { base = tonumber(arg[2]), slice = tonumber(arg[3]) }))
  return M
end

describe("in another process", function()
  local COUNT = 100
  local here = M.digests(COUNT)

  it("most programs end well", function()
    local done = select(2, here:gsub("done|", ""))
    assert.truthy(done > COUNT / 2, done)
  end)

  for _, case in ipairs {
    { "LC_ALL=C.UTF-8 TZ=Asia/Tokyo X=1", "0 10000" },
    { "env -i PATH=\"$PATH\" LC_ALL=de_DE.UTF-8 TZ=America/New_York", "0 777" },
    { "setarch -R env A=" .. ("b"):rep(3000), "0 1000" },
    { "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-AVX", tostring(0x230000000000) .. " 50" },
  } do
    it("nothing differs under " .. case[1]:sub(1, 40), function()
      local env = ("LUA_PATH='%s' LUA_CPATH='%s' ELG_BUILD='%s'"):format(package.path, package.cpath, helper.build)
      for _, name in ipairs { "LD_PRELOAD", "ASAN_OPTIONS" } do
        if os.getenv(name) then env = ("%s %s='%s'"):format(env, name, os.getenv(name)) end
      end
      local setting = case[1]:gsub("^([%u_]+=)", "env %1")
      local pipe = assert(io.popen(("%s env %s luajit -lhelper spec/unit/sandbox/process_spec.lua %d %s 2>&1"):format(
        setting, env, COUNT, case[2])))
      local there = pipe:read "*a"
      pipe:close()
      assert.is_true(here == there, there:sub(1, 300))
    end)
  end

  it("nothing differs after other programs ran, or in fresh states", function()
    assert.equal(here, M.digests(COUNT))
    assert.equal(here, M.digests(COUNT, { fresh = true }))
  end)
end)

return M
