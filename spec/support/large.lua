-- large: sources of a graph, as programs write them, in many shapes and any size. Uses
-- nothing. shape(n): a text that grows with n; at n = 1 it has each thing once.
local M = {}

-- repeated(n, text): the text n times, with its number in place of @.
local function repeated(n, text)
  local parts = {}
  for i = 1, n do parts[i] = text:gsub("@", tostring(i)) end
  return table.concat(parts)
end

local function graph(head, nodes, edges)
  return ([[local elg = require "elg"
%s
return elg.graph { id = "x", version = "1", entry = "a1", nodes = {
%s
}, edges = {
%s
} }
]]):format(head, nodes, edges or "")
end

local function node(body, head)
  return graph(head or "", "a1 = function(state, input, ctx)\n" .. body .. "\nend")
end

M.shapes = {
  functions = function(n)
    return graph(repeated(n, "local function f@(x)\n  local a, b = x, { x }\n  b.c = a\n  return b\nend\n"),
      "a1 = function(state) state.x = f1(1) end")
  end,
  methods = function(n)
    return node("M.f1(1) M.g1()", "local M, kept = {}, {}\n"
      .. repeated(n, "function M.f@(x) kept.x = M.g@(x) return M.f@ end\nfunction M.g@(x) return kept end\n"))
  end,
  calling = function(n)
    return node("f1(1)", "local f1\nlocal M = {}\n"
      .. repeated(n, "function M.f@(x) return x, M.f@(x - 1) end\n")
      .. "f1 = function(x) " .. repeated(n, "M.f@(x) ") .. "end")
  end,
  statements = function(n) return node(repeated(n, "state.x@ = @\n")) end,
  infinities = function(n) return node(repeated(n, "state.x@ = math.huge\n")) end,
  outer = function(n) return node(repeated(n, "list.x = @ list[1].y = 2\n"), "local list = {}") end,
  locals = function(n) return node(repeated(n, "local t@ = { 1, 2, @ }\n") .. "return nil, t1") end,
  places = function(n) return node("local t = {}\n" .. repeated(n, "t[@] = 1\n") .. "return nil, #t") end,
  measured = function(n) return node("local t = {}\n" .. repeated(n, "t[@] = 1 state.n = #t\n")) end,
  removed = function(n)
    return node("local t = input\n" .. repeated(n, "t[@] = nil for i = 1, 3 do t[i] = nil end\n") .. "return nil, #t")
  end,
  table = function(n)
    return graph("local big = {\n" .. repeated(n, "k@ = { @, 2 },\n") .. "}\nlocal list = {\n" .. repeated(n, "@,")
      .. "nil, 1 }", "a1 = function(state) return nil, { big.k1, #list } end")
  end,
  nested = function(n) -- as deep as Lua allows, so many times
    local opens = "if state.x then for k, v in pairs(input) do state.y = v "
    return node(repeated(math.ceil(n / 40), opens:rep(40) .. ("end end "):rep(40) .. "\n"))
  end,
  closures = function(n)
    return node(repeated(math.ceil(n / 40), ("local f = function(x) "):rep(40) .. ("state.z = x end "):rep(40) .. "\n"))
  end,
  tables = function(n)
    return node(repeated(math.ceil(n / 60), "state.t = " .. ("{ a = "):rep(60) .. "1" .. ("}"):rep(60) .. "\n"))
  end,
  sums = function(n)
    return node("local s = 0\nfor k, v in pairs(input) do s = s" .. repeated(n, " + v * @") .. " end\nreturn nil, s")
  end,
  sum = function(n)
    return node("local s = 0\nfor k, v in pairs(input) do s = v end\nstate.s = 0" .. repeated(n, " + s"))
  end,
  joined = function(n)
    return node("local s = ''\nfor k, v in pairs(input) do "
      .. repeated(math.ceil(n / 100), "s = s" .. (" .. k"):rep(100) .. "\n") .. " end\nreturn nil, s")
  end,
  logic = function(n) return node("state.x = input.x" .. repeated(n, " and input.y@ or input.z@")) end,
  elseifs = function(n)
    return node("for k, v in pairs(input) do\nif v < 0 then state.x0 = v\n"
      .. repeated(n, "elseif v < @ then state.x@ = v\n") .. "end end")
  end,
  loops = function(n)
    return node(repeated(n, "for k, v in pairs(input) do state.t@[#state.t@ + 1] = k ctx.call(k) end\n"))
  end,
  growing = function(n)
    local body = repeated(n, "t[#t + 1] = k state.l@[#state.l@ + 1] = v\n")
    return node("local t = {}\nfor k, v in pairs(input) do\n" .. body .. "end\nreturn nil, t")
  end,
  calls = function(n)
    return node("while true do\n" .. repeated(n, "ctx.call(@) help(ctx)\n") .. "end",
      "local function help(ctx) " .. repeated(n, "ctx.log(@) ") .. "end")
  end,
  walked = function(n)
    return node("for k in pairs(input) do\n" .. repeated(n, "help(k, ctx) ") .. "end",
      "local function help(k, ctx) " .. repeated(n, "k = k + @ ") .. "end")
  end,
  gotos = function(n)
    return node(repeated(n, "::l@:: state.x = @\n") .. repeated(n, "if state.x then goto l@ end\n"))
  end,
  backs = function(n) return node(repeated(n, "do ::l@:: ctx.call(@) goto l@ end\n"))
  end,
  iterators = function(n)
    return node(repeated(n, "for x in every do ctx.call(x) end\n"),
      "local function every(x)\n" .. repeated(n, "if x == @ then return @ end\n") .. "return 1 end")
  end,
  keys = function(n) return node(repeated(n, "if state.x == @ then return 'k@' end\n")) end,
  choices = function(n)
    return node("local key = 'k'\n" .. repeated(n, "if state.x == @ then key = 'k@' end\n") .. "return key")
  end,
  edges = function(n)
    n = math.min(n, 4000)
    return graph("", "a1 = function() return 'k2' end,\n"
      .. repeated(n, "b@ = function(state) if state.x then return 'k' end return 'l' end,\n"),
      "{ from = 'a1', key = 'k2', to = 'b1' },\n" .. repeated(n - 1, "{ from = 'b@', key = 'k', to = 'b" .. "@' },\n"))
  end,
  chain = function(n)
    return node("state.x = 1", "local v0 = { x = {} }\n" .. (repeated(n, "local v@ = v#.x v@.x = {}\n")
      :gsub("v(%d+) = v#", function(i) return ("v%d = v%d"):format(i, i - 1) end)))
  end,
  aliases = function(n)
    return node("local v0 = state\n" .. (repeated(n, "local v@ = v#.x v@.x = {}\n")
      :gsub("v(%d+) = v#", function(i) return ("v%d = v%d"):format(i, i - 1) end)))
  end,
  unread = function(n) return node(repeated(n, "state.x = = @\n")) end,
}

-- entangled(n): what takes more work than its size says: a long list that loses its first
-- place, gets it again and is measured, so many times.
function M.entangled(n)
  return node("local t = {}\n" .. repeated(n, "t[@] = 1\n")
    .. repeated(n, "t[1] = nil t[1] = @ state.n = #t\n"))
end

-- guarded(n): a module whose function changes what it is given, maybe: what else that hangs on takes
-- more work to find out than its size says.
function M.guarded(n)
  return "local function change(t, other)\nif t.a == 0 then t.c()\n"
    .. repeated(n, "elseif t.a == @ then t.c()\n") .. "elseif other then\n" .. repeated(n, "t.x = @\n")
    .. "end\nend\nreturn change\n"
end

return M
