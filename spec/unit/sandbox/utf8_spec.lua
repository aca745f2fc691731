-- luacheck: no max line length
-- utf8: as Lua 5.3's own on random texts, and strict where that is not.
local same = require "same"
local boxes = require "boxes"

local function lua53(code)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write("io.write((function()\n" .. code .. "\nend)())")
  file:close()
  local pipe = assert(io.popen("lua5.3 " .. path .. " 2>&1"))
  local out = pipe:read("*a")
  pipe:close()
  os.remove(path)
  return out
end

-- Whole characters, torn ones and bytes that are none; no surrogates, which 5.3 takes.
local PIECES = { "a", "\195\169", "\226\130\172", "\240\159\142\137", "\127", "\0", "z", "\239\191\191", "\194\128",
  "\244\143\191\191", "\224\160\128", "\240\144\128\128", "\128", "\195", "\226\130", "\255", "\192\128", "\224\128\128",
  "\240\128\128\128", "\244\144\128\128", "\248\136\128\128\128", "\191" }
local WHOLE = 12

local function literal(text)
  return "'" .. text:gsub(".", function(c) return ("\\%03d"):format(c:byte()) end):gsub("%z", "\\000") .. "'"
end

local function random_text(random, whole)
  local out = {}
  for i = 1, random(9) - 1 do out[i] = PIECES[random(whole and WHOLE or #PIECES)] end
  return literal(table.concat(out))
end

describe("utf8", function()
  it("is Lua 5.3's on 3000 random calls", function()
    local random = same.generator(5300)
    local count = 0
    for _ = 1, 30 do
      local calls = {}
      for _ = 1, 20 do
        local s = random_text(random, random(3) > 1)
        local i, j, n = random(16) - 8, random(20) - 10, random(9) - 5
        local list = { ("utf8.len(%s)"):format(s), ("utf8.len(%s, %d, %d)"):format(s, i, j),
          ("utf8.codepoint(%s, %d)"):format(s, i), ("utf8.codepoint(%s, %d, %d)"):format(s, i, j),
          ("utf8.offset(%s, %d)"):format(s, n), ("utf8.offset(%s, %d, %d)"):format(s, n, i),
          ("(function() local t = {} for p, c in utf8.codes(%s) do t[#t + 1] = p .. ':' .. c end return table.concat(t, ' ') end)()"):format(s),
          ("(function() local t = {} for c in (%s):gmatch(utf8.charpattern) do t[#t + 1] = #c end return table.concat(t, ' ') end)()"):format(s),
          ("utf8.codes(%s)(%s, %d)"):format(s, s, random(12) - 1) }
        for _, call in ipairs(list) do calls[#calls + 1] = call end
      end
      for _ = 1, 5 do
        local codes = {}
        for c = 1, random(4) do codes[c] = ({ random(127), 127 + random(1920), 0x800 + random(0xC000), 0xE000 + random(0x1F00), 0x10000 + random(0xFFFFF), 0x10FFFF, 0, 0x110000, -1 })[random(9)] end
        calls[#calls + 1] = ("utf8.char(%s)"):format(table.concat(codes, ", "))
      end
      count = count + same.compare(calls, lua53)
    end
    print(("\nutf8: %d calls as Lua 5.3's"):format(count))
    assert.is_true(count > 3000)
  end)

  it("takes no surrogates, which no state may hold", function()
    assert.equal('["error","nil,1","error","error"]', same.inside(same.SHOW .. [[
      return "ok", { msg(pcall(utf8.char, 0xD800)), show(utf8.len("\237\160\128")),
        msg(pcall(utf8.codepoint, "\237\191\191")), msg(pcall(function() for _ in utf8.codes("\237\160\128") do end end)) }]]))
  end)

  it("refuses what are no texts or whole numbers", function()
    assert.equal('["error","error","error","error","error"]', same.inside(same.SHOW .. [[
      return "ok", { msg(pcall(utf8.char, 1.5)), msg(pcall(utf8.len, {})), msg(pcall(utf8.len, "a", 0.5)),
        msg(pcall(utf8.offset, "a")), msg(pcall(utf8.codes)) }]]))
    assert.equal('["error","nil",0,""]', same.inside(same.SHOW .. [[
      return "ok", { msg(pcall(utf8.codepoint, "a", 1e300)), tostring(utf8.offset("a", 1e300)), utf8.len(""), utf8.char() }]]))
  end)

  it("is charged by its work", function()
    local function fuel(body)
      return assert(boxes.eval("local s = ('\195\169'):rep(50000) " .. body .. " return 'ok'")).fuel
    end
    local bare = fuel ""
    for _, work in ipairs { "local x = utf8.len(s)", "local x = utf8.offset(s, 49999)", "local x = utf8.offset(s, -49999)",
      "local x = utf8.offset(('\128'):rep(100000), 0, 100000)", "local x = utf8.codes(s)(('\128'):rep(100000), 5)" } do
      assert.truthy(fuel(work) - bare > 6000, work)
    end
    assert.truthy(fuel "for i = 1, 100 do local x = select('#', utf8.codepoint(s, 1, 2000)) end" - bare > 100 * 1000)
    assert.truthy(fuel "local t = {} for i = 1, 1000 do t[i] = 233 end for i = 1, 100 do local x = utf8.char(unpack(t)) end" - bare > 100 * 1000)
  end)
end)
