-- parser: a Lua file as a tree whose names are bound to their variables. Uses lexer.
--
-- Nodes are tables with `tag` and `line`:
--   Nil True False Vararg, Number value, String value, Name name var, Index object key,
--   Call callee args, Method object name args, Function params vararg body name,
--   Binary op left right, Unary op operand, Paren inner, Table items { key, value };
--   Local vars values, Assign targets values, Do body, While condition body, Repeat body
--   condition, If clauses { condition, body }, ForNumber var values body, ForIn vars values
--   body, Return values, Break, Goto name, Label name, Block statements.
-- `function a.b()` is an Assign, `local function f` a Local with `recursive`. A Name without
-- var is a global. A variable: { name, line, kind = local|parameter|loop|self, func }.
local lexer = require "elg.lint.lexer"

local M = {}

local DEPTH_MAX = 200 -- of blocks and expressions, as in LuaJIT
local CHAIN_MAX = 1000000 -- of operators or suffixes in a row

-- left and right binding power
local BINARY = {
  ["or"] = { 1, 1 }, ["and"] = { 2, 2 },
  ["<"] = { 3, 3 }, [">"] = { 3, 3 }, ["<="] = { 3, 3 }, [">="] = { 3, 3 },
  ["~="] = { 3, 3 }, ["=="] = { 3, 3 },
  [".."] = { 5, 4 }, ["+"] = { 6, 6 }, ["-"] = { 6, 6 },
  ["*"] = { 7, 7 }, ["/"] = { 7, 7 }, ["%"] = { 7, 7 }, ["^"] = { 10, 9 },
}
local UNARY_POWER = 8
local UNARY = { ["not"] = true, ["-"] = true, ["#"] = true }
local BLOCK_END = { eof = true, ["end"] = true, ["else"] = true, ["elseif"] = true,
  ["until"] = true }
local CONSTANTS = { ["nil"] = "Nil", ["true"] = "True", ["false"] = "False",
  ["..."] = "Vararg" }

local parser = {}
parser.__index = parser

function parser:fail(text)
  error({ line = self.token.line, text = text }, 0)
end

function parser:advance()
  local token = self.token
  self.at = self.at + 1
  self.token = self.tokens[self.at]
  return token
end

function parser:accept(kind)
  if self.token.kind == kind then return self:advance() end
end

function parser:expect(kind)
  if self.token.kind ~= kind then
    self:fail(("%s expected near %s"):format(kind, self.token.value or self.token.kind))
  end
  return self:advance()
end

-- goto is a keyword only where a label may follow it.
function parser:name()
  if self.token.kind == "goto" then return self:advance() end
  return self:expect("name")
end

function parser:deeper()
  self.depth = self.depth + 1
  if self.depth > DEPTH_MAX then self:fail("nested too deeply") end
end

function parser:node(tag, line)
  return { tag = tag, line = line or self.token.line }
end

-- ---- scopes

-- self.names has what each name stands for here; a scope, what its names stood for before.
function parser:open_scope()
  self.scope = { parent = self.scope, names = {}, hidden = {} }
end

function parser:close_scope()
  local scope = self.scope
  for i = #scope.names, 1, -1 do self.names[scope.names[i]] = scope.hidden[i] or nil end
  self.scope = scope.parent
end

function parser:variable(name, line, kind)
  return { name = name, line = line, kind = kind, func = self.func, hides = self:find(name) }
end

function parser:declare(variable)
  local scope, name = self.scope, variable.name
  table.insert(scope.names, name)
  table.insert(scope.hidden, self.names[name] or false)
  self.names[name] = variable
  return variable
end

function parser:find(name)
  return self.names[name]
end

function parser:name_node(token)
  local node = self:node("Name", token.line)
  node.name, node.var = token.value, self:find(token.value)
  return node
end

-- ---- expressions

local function string_node(token)
  return { tag = "String", value = token.value, line = token.line }
end

function parser:list()
  local values = { self:expression() }
  while self:accept(",") do values[#values + 1] = self:expression() end
  return values
end

function parser:table_item()
  local item = { tag = "Item", line = self.token.line }
  local after = self.tokens[self.at + 1]
  if self:accept("[") then
    item.key = self:expression()
    self:expect("]")
    self:expect("=")
  elseif (self.token.kind == "name" or self.token.kind == "goto") and after.kind == "=" then
    item.key = string_node(self:advance())
    self:advance()
  end
  item.value = self:expression()
  return item
end

function parser:table()
  local node = self:node("Table")
  node.items = {}
  self:expect("{")
  while self.token.kind ~= "}" do
    node.items[#node.items + 1] = self:table_item()
    if not (self:accept(",") or self:accept(";")) then break end
  end
  self:expect("}")
  return node
end

function parser:parameters(func)
  self:expect("(")
  while self.token.kind ~= ")" do
    if self:accept("...") then
      func.vararg = true
      break
    end
    local token = self:name()
    local variable = self:variable(token.value, token.line, "parameter")
    func.params[#func.params + 1] = self:declare(variable)
    if not self:accept(",") then break end
  end
  self:expect(")")
end

-- After the word function. `name` is for messages, `method` gives it a self.
function parser:function_body(line, name, method)
  local func = { tag = "Function", line = line, params = {}, name = name }
  local outer = self.func
  self.func = func
  self:open_scope()
  if method then
    func.params[1] = self:declare(self:variable("self", line, "self"))
  end
  self:parameters(func)
  func.body = self:block()
  func.last_line = self.token.line
  self:close_scope()
  self.func = outer
  self:expect("end")
  return func
end

function parser:arguments()
  if self.token.kind == "string" then return { string_node(self:advance()) } end
  if self.token.kind == "{" then return { self:table() } end
  self:expect("(")
  local args = self.token.kind == ")" and {} or self:list()
  self:expect(")")
  return args
end

function parser:primary()
  if self.token.kind == "(" then
    local node = self:node("Paren")
    self:advance()
    node.inner = self:expression()
    self:expect(")")
    return node
  end
  return self:name_node(self:name())
end

local OPENS_CALL = { ["("] = true, string = true, ["{"] = true }

-- One suffix more, or nil.
function parser:suffix(object)
  local kind, line = self.token.kind, self.token.line
  if kind == "." then
    self:advance()
    return { tag = "Index", line = line, object = object, key = string_node(self:name()) }
  elseif kind == "[" then
    self:advance()
    local node = { tag = "Index", line = line, object = object, key = self:expression() }
    self:expect("]")
    return node
  elseif kind == ":" then
    self:advance()
    return { tag = "Method", line = line, object = object, name = self:name().value,
      args = self:arguments() }
  elseif OPENS_CALL[kind] then
    return { tag = "Call", line = line, callee = object, args = self:arguments() }
  end
end

function parser:suffixed()
  local node = self:primary()
  for _ = 1, CHAIN_MAX do
    local longer = self:suffix(node)
    if not longer then return node end
    node = longer
  end
  self:fail("too many calls and indexes in a row")
end

function parser:simple()
  local kind = self.token.kind
  local node = self:node(CONSTANTS[kind])
  if CONSTANTS[kind] then
    self:advance()
  elseif kind == "number" or kind == "string" then
    node.tag = kind == "number" and "Number" or "String"
    node.value = self:advance().value
  elseif kind == "{" then
    return self:table()
  elseif kind == "function" then
    return self:function_body(self:advance().line)
  else
    return self:suffixed()
  end
  return node
end

function parser:operand()
  if not UNARY[self.token.kind] then return self:simple() end
  local node = self:node("Unary")
  node.op = self:advance().kind
  node.operand = self:expression(UNARY_POWER)
  return node
end

-- expression(power): operators that bind tighter than `power`.
function parser:expression(power)
  self:deeper()
  local left = self:operand()
  for _ = 1, CHAIN_MAX do
    local binds = BINARY[self.token.kind]
    if not binds or binds[1] <= (power or 0) then
      self.depth = self.depth - 1
      return left
    end
    local node = self:node("Binary")
    node.op = self:advance().kind
    node.left, node.right = left, self:expression(binds[2])
    left = node
  end
  self:fail("too many operators in a row")
end

-- ---- statements

function parser:scoped_block()
  self:open_scope()
  local block = self:block()
  self:close_scope()
  return block
end

local statements = {}

statements["do"] = function(self, node)
  node.tag, node.body = "Do", self:scoped_block()
  self:expect("end")
end

statements["while"] = function(self, node)
  node.tag, node.condition = "While", self:expression()
  self:expect("do")
  node.body = self:scoped_block()
  self:expect("end")
end

-- The condition sees the body's variables.
statements["repeat"] = function(self, node)
  node.tag = "Repeat"
  self:open_scope()
  node.body = self:block()
  self:expect("until")
  node.condition = self:expression()
  self:close_scope()
end

statements["if"] = function(self, node)
  node.tag, node.clauses = "If", {}
  repeat
    local clause = { tag = "Clause", line = self.token.line, condition = self:expression() }
    self:expect("then")
    clause.body = self:scoped_block()
    node.clauses[#node.clauses + 1] = clause
  until not self:accept("elseif")
  if self:accept("else") then
    node.clauses[#node.clauses + 1] = { tag = "Clause", line = self.token.line,
      body = self:scoped_block() }
  end
  self:expect("end")
end

function parser:loop_body(node, variables)
  self:expect("do")
  self:open_scope()
  for _, variable in ipairs(variables) do
    variable.loop = node
    self:declare(variable)
  end
  node.body = self:block()
  self:close_scope()
  self:expect("end")
end

statements["for"] = function(self, node)
  local variables = {}
  repeat
    local token = self:name()
    variables[#variables + 1] = self:variable(token.value, token.line, "loop")
  until not self:accept(",")
  if #variables == 1 and self:accept("=") then
    node.tag, node.var, node.values = "ForNumber", variables[1], self:list()
  else
    self:expect("in")
    node.tag, node.vars, node.values = "ForIn", variables, self:list()
  end
  self:loop_body(node, variables)
end

-- function a.b.c:d() ... end
statements["function"] = function(self, node)
  local target, method = self:name_node(self:name()), false
  while not method and (self.token.kind == "." or self.token.kind == ":") do
    method = self:advance().kind == ":"
    local key = string_node(self:name())
    target = { tag = "Index", line = key.line, object = target, key = key }
  end
  local name = target.tag == "Name" and target.name or target.key.value
  node.tag, node.targets = "Assign", { target }
  node.values = { self:function_body(node.line, name, method) }
end

local function local_function(self, node)
  local token = self:name()
  local variable = self:declare(self:variable(token.value, token.line, "local"))
  node.tag, node.vars, node.recursive = "Local", { variable }, true
  node.values = { self:function_body(node.line, token.value) }
end

statements["local"] = function(self, node)
  if self:accept("function") then return local_function(self, node) end
  node.tag, node.vars, node.values = "Local", {}, {}
  repeat
    local token = self:name()
    node.vars[#node.vars + 1] = self:variable(token.value, token.line, "local")
  until not self:accept(",")
  if self:accept("=") then node.values = self:list() end
  for _, variable in ipairs(node.vars) do self:declare(variable) end
end

statements["return"] = function(self, node)
  node.tag, node.values = "Return", {}
  if not BLOCK_END[self.token.kind] and self.token.kind ~= ";" then node.values = self:list() end
  self:accept(";")
  if not BLOCK_END[self.token.kind] then self:fail("something after return") end
end

statements["break"] = function(_, node)
  node.tag = "Break"
end

statements["::"] = function(self, node)
  node.tag, node.name = "Label", self:name().value
  self:expect("::")
end

function parser:is_goto()
  local after = self.tokens[self.at + 1]
  return self.token.kind == "goto" and after.kind == "name"
end

-- A call, or an assignment.
function parser:expression_statement(node)
  local first = self:suffixed()
  if first.tag == "Call" or first.tag == "Method" then return first end
  node.tag, node.targets = "Assign", { first }
  while self:accept(",") do node.targets[#node.targets + 1] = self:suffixed() end
  self:expect("=")
  node.values = self:list()
  for _, target in ipairs(node.targets) do
    if target.tag ~= "Name" and target.tag ~= "Index" then self:fail("cannot assign to this") end
  end
  return node
end

function parser:statement()
  local node = self:node()
  if self:is_goto() then
    self:advance()
    node.tag, node.name = "Goto", self:name().value
    return node
  end
  local read = statements[self.token.kind]
  if not read then return self:expression_statement(node) end
  self:advance()
  read(self, node)
  return node
end

function parser:block()
  local block = self:node("Block")
  block.statements = {}
  self:deeper()
  while not BLOCK_END[self.token.kind] do
    if not self:accept(";") then
      block.statements[#block.statements + 1] = self:statement()
    end
  end
  self.depth = self.depth - 1
  return block
end

function parser:chunk()
  local body = self:block()
  self:expect("eof")
  return body
end

-- What was raised is ours, or a defect.
local function as_problem(raised)
  if type(raised) ~= "table" then error(raised, 0) end
  return raised
end

-- parse(text): the file's main Function, and by line the codes to leave out there. nil,
-- { line, text } for what it cannot read.
function M.parse(text)
  local ok, tokens, ignores = pcall(lexer.read, text)
  if not ok then return nil, as_problem(tokens) end
  local self = setmetatable({ tokens = tokens, at = 1, token = tokens[1], depth = 0, names = {} }, parser)
  local main = { tag = "Function", line = 0, params = {}, vararg = true, main = true }
  self.func = main
  self:open_scope()
  local read, body = pcall(self.chunk, self)
  if not read then return nil, as_problem(body) end
  main.body = body
  return main, ignores
end

return M
