-- conditions: whether anything in a loop can change what its condition says. Uses tree, index,
-- steps.
local index = require "elg.lint.index"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local CONSTANT = { Nil = true, True = true, False = true, Number = true, String = true }

-- Was the variable there before the loop, in the same call of the function?
local function is_older(var, loop)
  if var.func ~= loop.func then return false end
  local place = var.declared or var.loop
  return var.kind == "parameter" or (place and place.index < loop.index and var.loop ~= loop) or false
end

-- Is none of the nodes in the loop, or in another function?
local function are_elsewhere(file, list, loop)
  for node in index.nodes(file.work, list, 1, math.huge) do
    if node.func ~= loop.func or tree.contains(loop, node) then return false end
  end
  return true
end

-- Does a variable keep its value while the loop goes round?
local function is_same_value(file, var, loop)
  return is_older(var, loop) and are_elsewhere(file, file.assigns[var], loop)
end

-- Are all calls in the loop ones of ctx? Others may know the table by another name.
local function has_own_calls(project, file, loop)
  for _, tag in ipairs { "Call", "Method" } do
    for call in tree.each(file, tag, loop) do
      if tag == "Method" or not steps.is_effect(project, call) then return true end
    end
  end
  return false
end

-- Does a field of the variable's table, which no other name has?
local function is_same_field(project, file, var, loop)
  if not is_same_value(file, var, loop) or not are_elsewhere(file, file.writes[var], loop) then return false end
  if tree.enclosing(loop, tree.LOOPS, loop.func) then return false end
  local value = var.value and tree.bare(var.value)
  if var.kind ~= "parameter" and not (value and value.tag == "Table") then return false end
  if project.roots[var.func] ~= "node" and has_own_calls(project, file, loop) then return false end
  return not index.between(file.bare[var], 1, loop.last)
end

local function is_same(project, file, node, loop)
  if node.tag == "Name" then -- one turn may be all that `repeat` is to do
    return loop.tag == "While" and node.var and is_same_value(file, node.var, loop)
  end
  if node.tag ~= "Index" or not CONSTANT[node.key.tag] then return false end
  local object = tree.bare(node.object)
  return object.tag == "Name" and object.var and is_same_field(project, file, object.var, loop)
end

-- never_changes(project, file, loop): does a While's or a Repeat's condition, which is not
-- always the same, stay what it is once the loop goes round? Only variables, fields of a table
-- that has no other name, and constants are followed.
function M.never_changes(project, file, loop)
  local stack, has_variable = { loop.condition }, false
  while #stack > 0 do
    local node = tree.bare(table.remove(stack))
    file.work:spend(1)
    if node.tag == "Unary" and node.op ~= "#" then
      stack[#stack + 1] = node.operand
    elseif node.tag == "Binary" and node.op ~= ".." then
      stack[#stack + 1], stack[#stack + 2] = node.left, node.right
    elseif not CONSTANT[node.tag] then
      if not is_same(project, file, node, loop) then return false end
      has_variable = true
    end
  end
  return has_variable
end

return M
