-- luacheck: no max line length
-- library_random: replaced functions beside the engine's own, on random arguments of the kinds that
-- authors give and of some that they do not. ELG_LIBRARY_SEED: which.
local same = require "same"

local SEED = tonumber(os.getenv("ELG_LIBRARY_SEED") or "") or os.time() % 1000000 + 1
local ROUNDS, EACH = 20, 60

local random = same.generator(SEED)

local function pick(list) return list[random(#list)] end

local NUMBERS = { "0", "1", "-1", "2", "3.5", "-0.5", "255", "1e15", "123456789012", "2^53", "-2^31", "0.1", "1/3", "1e100", "1e-7", "65" }
local STRINGS = { "''", "'a'", "'hello world'", "'10'", "' 0x1F '", "'1e3'", "'-7.25'", "'x1'", "'a\\nb\\0c'", "('ab'):rep(20)", "'zz'", "'%d'", "'1_000'", "'inf'", "'0x'", "'.5'", "'5.'", "'1e+'" }
local VALUES = { "nil", "true", "false" }

local function number() return pick(NUMBERS) end
local function text() return pick(STRINGS) end
local function small() return tostring(random(14) - 5) end
local function any() return pick { number, text, function() return pick(VALUES) end }() end
local function list()
  local out = {}
  for i = 1, random(8) - 1 do out[i] = pick { number, text }() end
  return "{" .. table.concat(out, ", ") .. "}"
end

local function directive()
  local flags, width, precision = pick { "", "", "-", "+", "0", " ", "#" }, pick { "", "", "5", "12" }, pick { "", "", ".0", ".3", ".10" }
  return "%" .. flags .. width .. precision .. pick { "d", "i", "u", "x", "X", "o", "c", "e", "E", "f", "g", "G", "a", "s", "q", "%" }
end

-- A list is made, changed by `change`, and shown with what the change gave.
local function changed(change)
  return ("(function() local t = %s local function run(...) return show(...) .. '|' .. show(unpack(t, 1, 12)) end return run(%s) end)()"):format(list(), change)
end

local CALLS = {
  format = function()
    local f, args = {}, {}
    for i = 1, random(3) do
      f[i] = directive() .. pick { "", " ", "x" }
      args[i] = f[i]:match("[csq]") and f[i]:match("c") == nil and pick { text, number }() or number()
    end
    return ("string.format('%s', %s)"):format(table.concat(f), table.concat(args, ", "))
  end,
  format_wrong = function() return ("string.format('%s', %s)"):format(directive(), any()) end,
  rep = function() return ("string.rep(%s, %s, %s)"):format(text(), small(), pick { "nil", "','", "''" }) end,
  tonumber = function() return ("tonumber(%s)"):format(any()) end,
  tonumber_base = function() return ("tonumber(%s, %d)"):format(pick { "'ff'", "'10'", "'zz'", "'-7'", "' 11 '", "'9'", "''" }, random(35) + 1) end,
  tostring = function() return ("tostring(%s)"):format(any()) end,
  concat = function() return ("table.concat(%s, %s, %s, %s)"):format(list(), pick { "nil", "','" }, pick { "nil", "1", "2", "3" }, pick { "nil", "0", "1", "2" }) end,
  unpack = function() return ("unpack(%s, %s, %s)"):format(list(), pick { "nil", small() }, pick { "nil", small() }) end,
  maxn = function() return ("table.maxn(%s)"):format(list()) end,
  append = function() return changed(("table.insert(t, %s)"):format(number())) end,
  insert = function() return changed(("table.insert(t, math.min(#t + 1, %d), %s)"):format(random(8), number())) end,
  remove = function() return changed(pick { "table.remove(t)", "table.remove(t, #t > 0 and 1 or nil)", "table.remove(t, #t)" }) end,
  move = function() return changed(("table.move(t, %s, %s, %s) == t"):format(small(), small(), tostring(random(5)))) end,
  sort = function() return changed "table.sort(t, function(a, b) return tostring(a) < tostring(b) end)" end,
  sort_wrong = function() return changed "table.sort(t)" end,
  find = function() return ("string.find(%s, %s, %s, true)"):format(text(), text(), small()) end,
  gsub = function() return ("string.gsub(%s, %s, %s, %s)"):format(text(), pick { "'%a'", "'.'", "''", "'l+'", "'(%w)(%w)'", "'^.'", "'$'" }, pick { "'<%0>'", "'%1'", "{ a = 'A', l = 1, h = false }", "string.upper", "function() end", "5" }, pick { "nil", "1", "0" }) end,
  date = function() return ("os.date('!%s', %d)"):format(pick { "%c", "%x %X", "%Y-%m-%dT%H:%M:%S", "%j %U %w %a", "%p %I" }, random(2147483646)) end,
  difftime = function() return ("os.difftime(%d, %d)"):format(random(2147483646), random(2147483646)) end,
  wrap = function() return ("(function() local w = coroutine.wrap(function(...) local a = coroutine.yield(...) error(a, 0) end) return show(w(%s)) .. msg(pcall(w, %s)) .. msg(pcall(w)) end)()"):format(any(), any()) end,
  resume = function() return ("(function() local c = coroutine.create(function(...) return select('#', ...), coroutine.yield(...) end) return show(coroutine.resume(c, %s)) .. show(coroutine.resume(c, %s, nil)) .. show(coroutine.resume(c)) end)()"):format(any(), any()) end,
  load = function() return ("(function() local f, e = load(%s, 'c') return f and msg(pcall(f)) or 'no' end)()"):format(pick { "'return 1, 2'", "'x ='", "'error(5)'", "''", "'return ...'" }) end,
  setmetatable = function() return ("getmetatable(setmetatable({}, %s)) == nil, pcall(setmetatable, %s, {})"):format(pick { "nil", "{}" }, any()) end,
  fmod = function() return ("math.fmod(%s, %s)"):format(number(), number()) end,
  string_number = function() return ("%s + %s, %s .. %s"):format(text(), number(), number(), text()) end,
  next_empty = function() return ("next({}), next({ %s })"):format(number()) end,
  select = function() return ("select(%s, %s, %s)"):format(pick { "'#'", "1", "2", "-1", "-2" }, any(), any()) end,
}

describe("the library", function()
  it("gives what the engine's own gives", function()
    print(("\nlibrary: ELG_LIBRARY_SEED=%d"):format(SEED))
    local names, count = {}, 0
    for name in pairs(CALLS) do names[#names + 1] = name end
    table.sort(names)
    for _ = 1, ROUNDS do
      local calls = {}
      for _ = 1, EACH do
        for _, name in ipairs(names) do calls[#calls + 1] = CALLS[name]() end
      end
      -- One function has a limited number of constants.
      for first = 1, #calls, 150 do
        local part = {}
        for i = first, math.min(#calls, first + 149) do part[#part + 1] = calls[i] end
        count = count + same.compare(part)
      end
    end
    print(("library: %d calls of %d kinds"):format(count, #names))
  end)
end)
