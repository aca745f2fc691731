-- tree: a parsed file laid out flat, in the order of its text, with what its names stand
-- for. Uses parser, index. Nothing here recurses, however deep the file nests.
--
-- file: { path, nodes, main, ignores, exports = { name = Function }, work } and what index
-- adds. Each node also has: index, last (of its last descendant in nodes), parent, func (the
-- Function around it).
local index = require "elg.lint.index"
local parser = require "elg.lint.parser"

local M = {}

local FOLLOW_MAX = 8 -- names behind names

-- The tags of loops.
M.LOOPS = { While = true, Repeat = true, ForNumber = true, ForIn = true }

-- Children in the order of the text: single nodes and lists.
local CHILDREN = {
  Index = { "object", "key" }, Call = { "callee", "args" }, Method = { "object", "args" },
  Function = { "body" }, Binary = { "left", "right" }, Unary = { "operand" },
  Paren = { "inner" }, Table = { "items" }, Item = { "key", "value" },
  Local = { "values" }, Assign = { "targets", "values" }, Do = { "body" },
  While = { "condition", "body" }, Repeat = { "body", "condition" }, If = { "clauses" },
  Clause = { "condition", "body" }, ForNumber = { "values", "body" },
  ForIn = { "values", "body" }, Return = { "values" }, Block = { "statements" },
}

local function children_of(node)
  local children = {}
  for _, field in ipairs(CHILDREN[node.tag] or {}) do
    local value = node[field]
    if value and value.tag then
      children[#children + 1] = value
    else
      for _, child in ipairs(value or {}) do children[#children + 1] = child end
    end
  end
  return children
end

-- Lays out the tree under `main`, which has no function around it.
local function flatten(main)
  local nodes, stack = {}, { main }
  while #stack > 0 do
    local node = stack[#stack]
    if node.index then
      node.last = #nodes
      stack[#stack] = nil
    else
      nodes[#nodes + 1] = node
      node.index = #nodes
      local children = children_of(node)
      for i = #children, 1, -1 do
        local child = children[i]
        child.parent = node
        child.func = node.tag == "Function" and node or node.func
        stack[#stack + 1] = child
      end
    end
  end
  return nodes
end

-- each(file, tag, within): the nodes of a tag, within a node if one is given, in order.
function M.each(file, tag, within)
  return index.nodes(file.work, file.tags[tag], within and within.index or 1,
    within and within.last or #file.nodes)
end

-- contains(outer, node): is `node` `outer`, or within it?
function M.contains(outer, node)
  return node.index >= outer.index and node.index <= outer.last
end

-- The node's nearest enclosing node of one of the tags, at most up to `top`; nil: none.
function M.enclosing(node, tags, top)
  local at, work = node.parent, node.func and node.func.file.work
  while at and at ~= top do
    if tags[at.tag] then return at end
    work:spend(1)
    at = at.parent
  end
end

-- Counts what is assigned to each variable; one that is assigned once, where it is
-- declared, keeps that value.
local function bind_values(file)
  for _, node in ipairs(file.nodes) do
    if node.tag == "Local" then
      for i, var in ipairs(node.vars) do
        local last = node.values[#node.values]
        local spread = last and i >= #node.values and #node.vars > #node.values
        if not spread then var.value = node.values[i] end
        var.declared = node
      end
    elseif node.tag == "Assign" then
      for _, target in ipairs(node.targets) do
        if target.var then target.var.assigned = true end
      end
    end
  end
end

-- bare(node): without brackets around it.
function M.bare(node)
  while node.tag == "Paren" do node = node.inner end
  return node
end

-- outer(node): what the node is a part of, brackets left out, and the part: the node with its brackets.
function M.outer(node)
  while node.parent.tag == "Paren" do node = node.parent end
  return node.parent, node
end

-- value(node): what a name that is never assigned again stands for, else the node itself.
function M.value(node)
  for _ = 1, FOLLOW_MAX do
    node = M.bare(node)
    local var = node.tag == "Name" and node.var
    if not var or var.assigned or not var.value then return node end
    node = var.value
  end
  return node
end

-- global(node, name): is it that global, or (name may be "table.sort") that field of it, also
-- behind a name of its own?
function M.global(node, name)
  local outer, field = name:match("^(.-)%.(.*)$")
  node = M.value(node)
  if not outer then return node.tag == "Name" and not node.var and node.name == name end
  return node.tag == "Index" and node.key.tag == "String" and node.key.value == field
    and M.global(node.object, outer)
end

local TESTS = { ["and"] = true, ["or"] = true, ["=="] = true, ["~="] = true }
local ASKING = { "type", "pcall", "xpcall", "rawequal", "assert", "select", "tostring", "rawget" }

-- is_tested(node): does the text around the expression only ask whether it is there?
function M.is_tested(node)
  local parent, part = M.outer(node)
  if parent.tag == "Binary" then return TESTS[parent.op] end
  if parent.tag == "Unary" then return parent.op == "not" end
  if parent.tag == "Clause" or parent.tag == "While" or parent.tag == "Repeat" then return true end
  if parent.tag ~= "Call" then return false end
  for _, name in ipairs(ASKING) do
    if parent.callee ~= part and M.global(parent.callee, name) then return true end
  end
  return false
end

-- head(node): what is at the head of a.b[c].d, and whether there is anything behind it.
function M.head(node)
  local deep = false
  node = M.bare(node)
  while node.tag == "Index" do
    node, deep = M.bare(node.object), true
  end
  return node, deep
end

local function is_error(statement)
  return statement.tag == "Call" and M.global(statement.callee, "error")
end

local function find_fall(func)
  local blocks = { func.body }
  while #blocks > 0 do
    local statements = table.remove(blocks).statements
    local last = statements[#statements]
    if last and last.tag == "Do" then
      blocks[#blocks + 1] = last.body
    elseif last and last.tag == "If" and not last.clauses[#last.clauses].condition then
      for _, clause in ipairs(last.clauses) do blocks[#blocks + 1] = clause.body end
    elseif not last or (last.tag ~= "Return" and not is_error(last)) then
      return true
    end
  end
  return false
end

-- can_fall_off(func): may the function come to its end without a return?
function M.can_fall_off(func)
  if func.falls_off == nil then func.falls_off = find_fall(func) end
  return func.falls_off
end

-- returns(func): iterates over the Returns of the function itself.
function M.returns(func)
  if not func.returns then
    local returns = {} -- kept when it is whole: what fills it may raise TOO_MUCH
    for ret in M.each(func.file, "Return", func) do
      if ret.func == func then returns[#returns + 1] = ret end
    end
    func.returns = returns
  end
  return index.nodes(func.file.work, func.returns, func.index, func.last)
end

-- required(node): the module name of `require "name"`, also behind a name; nil: none.
function M.required(node)
  node = M.value(node)
  local name = node.tag == "Call" and M.global(node.callee, "require") and node.args[1]
  return name and name.tag == "String" and name.value or nil
end

local function find_fields(file, node, var)
  local value, found = M.value(node), { fields = {}, open = false }
  local function put(key, field)
    if key.tag ~= "String" then
      found.open = true
    else
      found.fields[key.value] = found.fields[key.value] == nil and field or false
    end
  end
  for _, item in ipairs(value.tag == "Table" and value.items or {}) do
    if item.key then put(item.key, item.value) end
  end
  for _, assign in ipairs(var and file.writes[var] or {}) do
    for i, target in ipairs(assign.targets) do
      if target.tag == "Index" and target.object.var == var then
        put(target.key, assign.values[i])
      end
    end
  end
  return found
end

-- fields(file, table_node): { name = value node } of a table: what its constructor has and
-- what is assigned to fields of the variable that holds it; a name with two values is false.
-- Second result: whether fields with computed names are assigned as well.
function M.fields(file, node)
  local var = node.tag == "Name" and node.var or nil
  local key = var or node
  file.fields[key] = file.fields[key] or find_fields(file, node, var)
  return file.fields[key].fields, file.fields[key].open
end

-- The functions that a file's returned table has.
local function find_exports(file)
  local body = file.main.body.statements
  local last = body[#body]
  local exported = last and last.tag == "Return" and last.values[1]
  file.exports = {}
  if not exported then return end
  for name, value in pairs((M.fields(file, exported))) do
    local func = value and M.value(value)
    if func and func.tag == "Function" then file.exports[name] = func end
  end
end

-- read(path, text, work): a file, or nil, { line, text }. work: what its rules spend; nil:
-- there is no maximum.
function M.read(path, text, work)
  local main, ignores = parser.parse(text)
  if not main then return nil, ignores end
  local file = { path = path, main = main, ignores = ignores, nodes = flatten(main),
    fields = {}, work = work or index.new_work() }
  index.build(file)
  for func in M.each(file, "Function") do func.file = file end
  bind_values(file)
  find_exports(file)
  return file
end

return M
