-- hostile_programs: random bodies of node functions: nested control flow over numbers,
-- strings, tables, closures, coroutines, errors, metatables and chance. All that they do must
-- come out the same in any sandbox; so no objects are keys of tables that grow (sandbox.h says
-- what the arena's address can change). Uses generate.
local generate = require "generate"

local M = {}

local DEPTH_MAX = 4

-- A generator of programs under way: `random`, and how many more statements it may give.
local maker = {}
maker.__index = maker

local ATOMS = { "a", "b", "c", "#t", "#s", "i0", "math.random(10)", "ctx.rand(7)", "bit.bxor(a, 5)",
  "(t[b % 9 + 1] or 0)", "(t.k or 1)", "os.time() % 7", "select('#', unpack(t))", "f(3)", "s:byte(1)" }
local OPERATORS = { "+", "-", "*", "%", "/" }

function maker:pick(list)
  return list[self.random(#list) + 1]
end

function maker:number(depth)
  if depth == 0 or self.random(3) == 0 then
    return self.random(4) == 0 and tostring(self.random(1000)) or self:pick(ATOMS)
  end
  local op = self:pick(OPERATORS)
  local right = self:number(depth - 1)
  if op == "%" or op == "/" then right = "(" .. right .. ") ^ 2 + 1.5" end
  return ("((%s) %s (%s))"):format(self:number(depth - 1), op, right)
end

function maker:condition()
  return ("(%s) %% 7 %s (%s) %% 5"):format(self:number(1), self:pick { "<", "<=", "==", "~=", ">" },
    self:number(1))
end

-- Statements: each a function of the maker and the depth below it.
local STATEMENTS = {
  function(self) return ("a = (%s) %% 1e6"):format(self:number(3)) end,
  function(self) return ("b = math.floor((%s) %% 1000)"):format(self:number(3)) end,
  function(self) return ("c = c + math.sin(%s)"):format(self:number(2)) end,
  function(self) return ("t[#t %% 50 + 1] = (%s) %% 1e5"):format(self:number(2)) end,
  function(self) return ("t['k' .. math.floor((%s) %% 9)] = b"):format(self:number(1)) end,
  function(self) return ("t.k = (%s) %% 1e3"):format(self:number(1)) end,
  function(self) return ("s = (s .. ('%%g'):format(%s)):sub(-60)"):format(self:number(2)) end,
  function(self) return ("s = s:gsub('%%d', function(d) a = a + d return d %s end, 5):sub(-60)")
    :format(self:pick { "", ".. 'x'", "* 2" }) end,
  function() return "s = (tostring({}) .. tostring(f)):match('(%w+): 0x0*(.-)f') or s" end,
  function(self, depth) return ("if %s then\n%s\nelse\n%s\nend"):format(self:condition(),
    self:block(depth), self:block(depth)) end,
  function(self, depth) return ("for i = 1, %d do local i0 = i\n%s\nend"):format(1 + self.random(9),
    self:block(depth)) end,
  function(self, depth) return ("local n = 0 while n < %d and a ~= n do n = n + 1\n%s\nend"):format(
    1 + self.random(6), self:block(depth)) end,
  function(self, depth) return ("for k, v in pairs(t) do local i0 = type(v) == 'number' and v or 1"
    .. " if type(k) == 'string' then a = (a + #k + i0) %% 1e6 end if a %% 11 == %d then\n%s\nend end")
    :format(self.random(11), self:block(depth)) end,
  function(self, depth) return ("local ok, e = pcall(function()\n%s\nif %s then error({ b }) end"
    .. " if %s then error('e' .. b) end end) s = (s .. tostring(ok) .. type(e)):sub(-60)"):format(
    self:block(depth), self:condition(), self:condition()) end,
  function(self, depth) return ("local w = coroutine.wrap(function(x) for i0 = 1, 3 do\n%s\n"
    .. "x = coroutine.yield(x + b) end return x end) a = (a + w(1) + w(2) + w(3)) %% 1e6"):format(
    self:block(depth)) end,
  function(self, depth) return ("local g = f f = function(i0) if i0 %% 5 == 0 then return 1 end\n%s\n"
    .. "return (g(i0 - i0 %% 5) + i0) %% 1000 end"):format(self:block(depth)) end,
  function(self) return ("local l = {} for i = 1, #t do l[i] = tonumber(t[i]) or 0 end"
    .. " table.sort(l, function(x, y) b = (b + 1) %% 1000 return x %% %d < y %% %d end)"
    .. " c = c + (l[1] or 0)"):format(5 + self.random(9), 5 + self.random(9)) end,
  function(self) return ("local o = setmetatable({}, { __index = function(_, k) return #k + b end,"
    .. " __call = function(_, x) return x %% %d end, __add = function(_, y) return y end })"
    .. " a = (a + o.foo + o(b) + (o + 3)) %% 1e6"):format(3 + self.random(20)) end,
  function() return "c = #elg.json.encode({ a = a, s = s, n = b }) + c" end,
  function() return "s = elg.hash({ a, b, s }):sub(1, 20)" end,
  function() return "local r = ctx.call('f', { a = a }) b = (b + r.echo.request.a) % 1000" end,
  function() return "for i = 1, 3000 do local g = { i, s .. i } c = c + #g end" end,
}

function maker:block(depth)
  if depth == 0 or self.left <= 0 then return "a = a + 1" end
  local out = {}
  for i = 1, 1 + self.random(4) do
    self.left = self.left - 1
    out[i] = "do " .. self:pick(STATEMENTS)(self, depth - 1) .. " end"
  end
  return table.concat(out, "\n")
end

-- The body of a node function; the same for the same seed.
function M.body(seed)
  local self = setmetatable({ random = generate.generator(seed * 7919 + 13), left = 40 }, maker)
  for _ = 1, 5 do self.random(2) end
  return ("local a, b, c, s, t, i0 = %d, %d, 0.5, 'seed', { 1, 2, 3 }, 1\n"
    .. "local f = function(x) return x %% 3 end\n%s\n"
    .. "local keys = {} for k, v in pairs(t) do keys[#keys + 1] = type(k) .. type(v) end\n"
    .. "state.keys = keys state.r = { a, b, c == c and c < 1e300 and c > -1e300 and c or 0, s }\n"
    .. "return 'ok', { math.random(), ctx.uuid(), f(4) }"):format(self.random(100), self.random(100),
    self:block(DEPTH_MAX))
end

return M
