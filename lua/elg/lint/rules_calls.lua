-- rules_calls: ctx and what is called: endless calls, ctx hidden or misplaced, require in a
-- node, names that the sandbox does not have. Uses tree, index, steps, library, numbers,
-- conditions.
local conditions = require "elg.lint.conditions"
local index = require "elg.lint.index"
local library = require "elg.lint.library"
local numbers = require "elg.lint.numbers"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local ALWAYS = { True = true, Number = true, String = true, Table = true, Function = true }

-- Does the condition have that value (true or false) at all times?
local function is_always(condition, value)
  condition = tree.bare(condition)
  while condition.tag == "Unary" and condition.op == "not" do
    condition, value = tree.bare(condition.operand), not value
  end
  if value then return ALWAYS[condition.tag] end
  return condition.tag == "False" or condition.tag == "Nil"
end

local function gives_no_nil(func)
  if tree.can_fall_off(func) then return false end
  for ret in tree.returns(func) do
    local first = ret.values[1]
    if not (first and (ALWAYS[first.tag] or first.tag == "False")) then return false end
  end
  return true
end

-- for _ in function() return 1 end do: never given nil
local function never_gives_nil(iterator)
  local func = tree.value(iterator)
  if func.tag ~= "Function" then return false end
  if func.no_nil == nil then func.no_nil = gives_no_nil(func) end
  return func.no_nil
end

local function is_endless(project, file, loop)
  if loop.tag == "While" or loop.tag == "Repeat" then
    return is_always(loop.condition, loop.tag == "While") or conditions.never_changes(project, file, loop)
  end
  if loop.tag == "ForIn" then return never_gives_nil(loop.values[1]) end
  local step = loop.values[3] and tree.bare(loop.values[3])
  return numbers.is_infinite(loop.values[2]) or (step and step.tag == "Number" and step.value == 0)
end

local LEAVES = { Goto = true, Return = true, Break = true }

-- What may be a way out of something, in order.
local function exits_of(file)
  if file.exits then return file.exits end
  file.exits = {}
  for _, node in ipairs(file.nodes) do
    if LEAVES[node.tag] or (node.tag == "Call" and (tree.global(node.callee, "error")
      or tree.global(node.callee, "assert"))) then
      table.insert(file.exits, node)
    end
  end
  return file.exits
end

-- Is there a way out of what goes round from node `first` to node `last` of the function,
-- but what leads back?
local function has_exit(file, func, first, last, back)
  for node in index.nodes(file.work, exits_of(file), first, last) do
    if node.tag == "Break" then
      local loop = tree.enclosing(node, tree.LOOPS, node.func)
      if loop and loop.index < first then return true end
    elseif node ~= back and (node.tag ~= "Return" or node.func == func) then
      return true
    end
  end
  return false
end

-- Reports the first call of what goes round from node `first` to node `last`.
local function report_call(project, file, func, first, last, what, report)
  for call in index.nodes(file.work, file.tags.Call, first, last) do
    if call.func == func and steps.is_activity(project, call) then
      return report("ENDLESS_CALLS", call, ("calls in %s without an end (line %d): a step has "
        .. "at most 1,000; bound the loop, or go round by an edge"):format(what, file.nodes[first].line))
    end
  end
end

local function check_loop(project, file, loop, report)
  local first = loop.body.index
  if is_endless(project, file, loop) and not has_exit(file, loop.func, first, loop.last) then
    report_call(project, file, loop.func, first, loop.last, "a loop", report)
  end
end

-- The Labels of a block by name.
local function labels_of(block)
  if block.labels then return block.labels end
  block.labels = {}
  for _, node in ipairs(block.statements) do
    if node.tag == "Label" then index.add(block.labels, node.name, node) end
  end
  return block.labels
end

-- ::again:: ... goto again, in the same block
local function check_goto(project, file, back, report)
  local labels = labels_of(back.parent)[back.name]
  for label in index.nodes(file.work, labels, 1, back.index) do
    if not has_exit(file, back.func, label.index, back.index, back) then
      report_call(project, file, back.func, label.index, back.index, "a loop of goto", report)
    end
  end
end

local SOMETIMES = { If = true, While = true, Repeat = true, ForNumber = true, ForIn = true, Function = true }

-- Is the node executed whenever its function comes there?
local function is_certain(node)
  local at = node
  while at.parent ~= node.func do
    at = at.parent
    if SOMETIMES[at.tag] or (at.tag == "Binary" and (at.op == "and" or at.op == "or")) then return false end
  end
  return true
end

-- Does the call name the function that it is in?
local function is_of_itself(project, file, call)
  local func, callee = call.func, tree.bare(call.callee)
  if callee.tag == "Name" then return tree.value(callee) == func end
  return callee.tag == "Index" and func.name and callee.key.value == func.name
    and steps.resolve(project, file, callee) == func
end

-- A function that calls itself, whatever happens. Nothing is executed behind the first call
-- that does.
local function check_recursion(project, file, call, report)
  local func = call.func
  if func.is_endless or not is_of_itself(project, file, call) or not is_certain(call) then return end
  local back = call.parent.tag == "Return" and call.parent or nil
  if not has_exit(file, func, func.index + 1, call.last, back) then
    func.is_endless = true
    report_call(project, file, func, func.index + 1, call.last, "a function that calls itself", report)
  end
end

-- Calls in what goes round without a bound.
function M.endless(project, file, report)
  for _, tag in ipairs { "While", "Repeat", "ForNumber", "ForIn" } do
    for loop in tree.each(file, tag) do check_loop(project, file, loop, report) end
  end
  for back in tree.each(file, "Goto") do check_goto(project, file, back, report) end
  for call in tree.each(file, "Call") do check_recursion(project, file, call, report) end
end

-- Variables named ctx that hide a parameter ctx. A function's own parameter is meant so.
local function check_hidden(node, vars, report)
  for _, var in ipairs(vars) do
    if var.name == "ctx" and var.hides and var.hides.kind == "parameter" then
      report("CTX_SHADOWED", node, ("hides the parameter ctx of line %d; give it another name")
        :format(var.hides.line))
    end
  end
end

-- node(state, input, ctx), when(state, output), initial(input)
local function check_places(func, kind, report)
  for i, var in ipairs(func.params) do
    if var.name == "ctx" and kind == "node" and i ~= 3 then
      report("CTX_PLACE", func, ("ctx is the third parameter of a node (state, input, ctx), here "
        .. "it is number %d"):format(i))
    elseif var.name == "ctx" and (kind == "when" or kind == "initial") then
      report("CTX_PLACE", func, ("`%s` is given no ctx; ask in a node and keep the answer")
        :format(kind))
    end
  end
end

-- ctx hidden by another variable, or expected where it is not.
function M.ctx(project, file, report)
  for node in tree.each(file, "Local") do check_hidden(node, node.vars, report) end
  for node in tree.each(file, "ForIn") do check_hidden(node, node.vars, report) end
  for node in tree.each(file, "ForNumber") do check_hidden(node, { node.var }, report) end
  for func in tree.each(file, "Function") do check_places(func, project.roots[func], report) end
end

-- ctx.send, ctx.sql and the like are nil, UNSUPPORTED always.
function M.unsupported(project, file, report)
  for call in tree.each(file, "Call") do
    local callee = tree.value(call.callee)
    if callee.tag == "Index" and library.unsupported[callee.key.value]
      and steps.is_parameter(project, tree.value(callee.object), "ctx", 3) then
      report("UNSUPPORTED_CALL", call, ("ctx.%s is not performed by this version: it gives nil, UNSUPPORTED; use "
        .. "ctx.call or ctx.http"):format(callee.key.value))
    end
  end
end

-- Modules are loaded with the graph. One that was loaded is found again, so only the place
-- is wrong.
function M.require(project, file, report)
  for call in tree.each(file, "Call") do
    if tree.global(call.callee, "require") and steps.root(project, call) then
      report("REQUIRE_IN_NODE", call, "require within a node: modules are loaded with the graph; "
        .. "require it at the top of the file")
    end
  end
end

-- "print" or "os.getenv" for an expression that stands for a name that there is not, also behind
-- a local name; nil: it is known. Second result: is it a global itself?
local function unknown_name(node, assigned)
  node = tree.value(node)
  if node.tag == "Name" and not node.var and not assigned[node.name] then
    local known = library.globals[node.name] or library.tables[node.name]
    return not known and node.name or nil, true
  end
  local object = node.tag == "Index" and tree.value(node.object)
  if object and object.tag == "Name" and not object.var and not assigned[object.name]
    and node.key.tag == "String" then
    local names = library.tables[object.name]
    return names and not names[node.key.value] and object.name .. "." .. node.key.value or nil
  end
end

local USES = { Index = "object", Call = "callee", Method = "object" }
-- Names that some expression only asks for, such as `jit and jit.version`.
local function asked_names(file, assigned)
  local found = {}
  for _, tag in ipairs { "Name", "Index" } do
    for node in tree.each(file, tag) do
      local name = tree.is_tested(node) and unknown_name(node, assigned)
      if name then found[name] = true end
    end
  end
  return found
end

local function use_text(name)
  local instead = library.instead[name] or (name:find(".", 1, true) and "write a function for it")
    or "if it is the graph's own, make it a local or require it"
  return ("%s is not in the sandbox; %s"):format(name, instead)
end

local OPENERS = { _G = true, load = true, loadstring = true }

-- Globals may come into being where the text does not say their names.
local function has_open_globals(project)
  if project.open_globals == nil then
    local is_open = false
    for _, file in pairs(project.files) do
      for name in tree.each(file, "Name") do
        is_open = is_open or (not name.var and OPENERS[name.name]) or false
      end
    end
    project.open_globals = is_open
  end
  return project.open_globals
end

local GIVES = { Return = true, Item = true, Assign = true, Call = true, Method = true, Binary = true, Unary = true }

-- Is the value of the Name used: given away, computed with?
local function is_given(node)
  local parent, part = tree.outer(node)
  return GIVES[parent.tag] and not part.is_target and not (USES[parent.tag] and parent[USES[parent.tag]] == part)
end

-- Globals that the sandbox does not have, where they are called, indexed or given away.
function M.globals(project, file, report)
  local assigned = steps.assigned_globals(project)
  local asked = asked_names(file, assigned)
  for _, tag in ipairs { "Index", "Call", "Method" } do
    for node in tree.each(file, tag) do
      local name = unknown_name(node[USES[tag]], assigned)
      if name and not asked[name] then report("UNKNOWN_GLOBAL", node, use_text(name)) end
    end
  end
  for node in tree.each(file, "Name") do
    local name, is_global = unknown_name(node, assigned)
    if name and is_global and not asked[name] and is_given(node) and not has_open_globals(project) then
      report("UNKNOWN_GLOBAL", node, use_text(name))
    end
  end
end

return M
