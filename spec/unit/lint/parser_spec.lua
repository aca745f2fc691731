-- parser: reads what LuaJIT reads, and refuses what it refuses.
local lexer = require "elg.lint.lexer"
local tree = require "elg.lint.tree"

-- Real Lua: the runtime's own, its libraries, ours.
local CORPUS = "find /usr/share/lua/5.1 /usr/share/luajit-2.1* lua spec tools examples -name '*.lua'"
local MUTATIONS = 2000
local PIECES = { "end", "(", ")", "{", "}", "\"", "[[", "]]", "--[[", "::", "goto x", "=", ",", "..",
  "...", "function", "local", "return", "0x", "1e", "\\", "~", "not", "break", ";", "\n", ":" }

local function read_all(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function strings_of(text)
  local found = {}
  for _, token in ipairs((lexer.read(text))) do
    if token.kind == "string" then found[#found + 1] = token.value end
  end
  return found
end

local function agrees(text, name)
  local compiled, message = loadstring(text, "=text")
  local file, problem = tree.read(name, text)
  -- What the compiler finds behind the grammar is not for a parser to find.
  if message and (message:find("label") or message:find("break") or message:find("vararg")
    or message:find("outside") or message:find("escape") or message:find("too many")
    or message:find("number") or message:find("jumps into")) then
    return true
  end
  return (compiled ~= nil) == (file ~= nil), message or problem and problem.text
end

-- Every form of statement and expression.
local EVERYTHING = [=[
local a, b = 1, 0x1p4 local function f(x, ...) return ... end
function a.b.c:d(y) self.y = y end function g() end
while a do if b then break elseif c then a = 1 else b = 2 end end
repeat local z = -a ^ 2 until not z
for i = 1, 10, 2 do ::top:: if a then goto top end end
for k, v in pairs(t) do a[k], b.v = v, #k end
do f(1, 2) f "x" f { 1, [2] = 3, x = 4; 5 } a:m [[y]] end
local h = function(...) return (f(...)), a .. b .. "c", a + b * c < d and e or not g, nil, true, false end
return f, 1e3, 'z'
]=]

describe("lint parser", function()
  it("reads the whole grammar, and refuses what LuaJIT refuses when a word is missing or doubled", function()
    assert.is_true(agrees(EVERYTHING, "everything"))
    assert.is_truthy(loadstring(EVERYTHING))
    local count = 0
    for first, last in EVERYTHING:gmatch("()[%w_]+()") do
      for _, text in ipairs { EVERYTHING:sub(1, first - 1) .. EVERYTHING:sub(last),
        EVERYTHING:sub(1, last - 1) .. " " .. EVERYTHING:sub(first) } do
        local same, message = agrees(text, "changed")
        assert.is_true(same, tostring(message) .. "\n" .. text)
        count = count + 1
      end
    end
    for at in EVERYTHING:gmatch("()%p") do
      local text = EVERYTHING:sub(1, at - 1) .. EVERYTHING:sub(at + 1)
      local same, message = agrees(text, "changed")
      assert.is_true(same, tostring(message) .. "\n" .. text)
      count = count + 1
    end
    assert.is_true(count > 300)
  end)

  it("reads every Lua file of this machine that LuaJIT reads, and no other", function()
    local count = 0
    for path in io.popen(CORPUS):lines() do
      local same, message = agrees(read_all(path), path)
      assert.is_true(same, path .. ": " .. tostring(message))
      count = count + 1
    end
    assert.is_true(count > 100)
  end)

  it("agrees with LuaJIT about mutated files", function()
    local seed = tonumber(os.getenv("ELG_SEED")) or 20240607
    math.randomseed(seed)
    local text = read_all("examples/atlas/graph.lua"):sub(1, 3000)
    for i = 1, MUTATIONS do
      local at, size = math.random(#text), math.random(0, 6)
      local mutated = text:sub(1, at) .. PIECES[math.random(#PIECES)] .. text:sub(at + size)
      local same, message = agrees(mutated, "mutated")
      if not same then
        error(("seed %d, mutation %d: %s\n%s"):format(seed, i, tostring(message), mutated))
      end
    end
  end)

  it("reads strings as LuaJIT does", function()
    for _, source in ipairs { [["a\n\65\x41\z
      b\\x41\"'"]], [['\'"\
x']], "[[\nlong\n]]", "[==[ ]] ]==]", [["\065\0650"]], [["\\65"]] } do
      assert.same({ loadstring("return " .. source)() }, strings_of(source), source)
    end
  end)

  it("tells lines across strings and comments of many lines", function()
    local file = assert(tree.read("x", "--[[\n\n]] local a = [[\n\n]] a 'x\\\ny'"
      .. ":z() return function()\nend"))
    local lines = {}
    for _, tag in ipairs { "Local", "Method", "Return", "Function" } do
      for node in tree.each(file, tag) do lines[#lines + 1] = tag .. node.line end
    end
    assert.same({ "Local3", "Method6", "Return6", "Function0", "Function6" }, lines)
  end)

  it("binds names to the variables in sight", function()
    local file = assert(tree.read("x", [[
      local a = 1
      local function f(a) return a end
      do local a = a end
      a = b
    ]]))
    local kinds = {}
    for name in tree.each(file, "Name") do
      kinds[#kinds + 1] = name.name .. ":" .. (name.var and name.var.kind .. name.var.line or "global")
    end
    assert.same({ "a:parameter2", "a:local1", "a:local1", "b:global" }, kinds)
  end)

  it("refuses what is nested too deeply, without harm", function()
    for _, text in ipairs { "return " .. ("("):rep(100000) .. "1" .. (")"):rep(100000),
      ("do "):rep(100000) .. ("end "):rep(100000), "return " .. ("not "):rep(100001) .. "x",
      "return " .. ("{"):rep(50000) .. ("}"):rep(50000), "return a" .. (" .. a"):rep(100000) } do
      local file, problem = tree.read("x", text)
      assert.is_true(file == nil)
      assert.truthy(problem.text:find("too"), problem.text)
    end
  end)

  it("reads chains of any length that nest in nothing, as LuaJIT does", function()
    for _, text in ipairs { "return a" .. (" + a"):rep(100000), "f" .. ("()"):rep(100000),
      "return a" .. (" and a or b"):rep(5000), "f" .. (".a[1]:b()"):rep(30000) } do
      assert.is_true(tree.read("x", text) ~= nil)
      assert.is_true(loadstring(text) ~= nil)
    end
  end)
end)
