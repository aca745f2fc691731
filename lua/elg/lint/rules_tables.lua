-- rules_tables: lists with holes, equality of sums. Uses tree, steps, numbers.
local numbers = require "elg.lint.numbers"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local HOLE_ADVICE = "its length is not certain; use elg.null, or table.remove"
local LOOPS = { ForNumber = true, ForIn = true, While = true, Repeat = true }

-- unpack({ a, nil, b }, 1, 3) says itself how long the list is.
local function has_own_length(node)
  local call = node.parent
  if call.tag == "Call" and #call.args == 3 and call.args[1] == node then return true end
  for _, item in ipairs(node.items) do
    if item.key and item.key.value == "n" then return true end
  end
  return false
end

local BY_LENGTH = { "ipairs", "unpack", "table.concat", "table.insert", "table.remove" }

-- Is the expression an operand of # or of what asks for a length?
local function is_measured(node)
  local parent = node.parent
  if parent.tag == "Unary" then return parent.op == "#" end
  if parent.tag ~= "Call" or parent.args[1] ~= node then return false end
  for _, name in ipairs(BY_LENGTH) do
    if tree.global(parent.callee, name) then return true end
  end
  return false
end

-- Does anything depend on the list's length? In a step it may become state or output, which
-- have no holes.
local function length_matters(project, file, node)
  if steps.root(project, node) or is_measured(node) then return true end
  local parent = node.parent
  local var = parent.tag == "Local" and #parent.vars == 1 and parent.vars[1]
  if not var or var.assigned then return false end
  for name in tree.each(file, "Name") do
    if name.var == var and is_measured(name) then return true end
  end
  return false
end

-- { 1, nil, 3 }
local function check_constructor(node, report)
  local hole
  for _, item in ipairs(node.items) do
    if not item.key then
      if tree.bare(item.value).tag == "Nil" then
        hole = hole or item
      elseif hole then
        return report("HOLES", hole, "a list with nil in it: " .. HOLE_ADVICE)
      end
    end
  end
end

-- Is the index sure to be within the list, and not known to be its last: the variable of a
-- loop over the list's places?
local function is_place_within(key, var)
  local loop = key.tag == "Name" and key.var and key.var.loop
  if not loop or key.var.assigned then return false end
  if loop.tag == "ForNumber" then return true, loop end
  local call = loop.values[1]
  return call.tag == "Call" and tree.global(call.callee, "ipairs") and loop.vars[1] == key.var
    and call.args[1] and call.args[1].var == var, loop
end

-- Does the loop assign anything else to fields of the list, or empty it altogether?
local function is_rebuilt(file, loop, var, assign)
  if #loop.body.statements == 1 and loop.body.statements[1] == assign then return true end
  for other in tree.each(file, "Assign", loop) do
    for i, target in ipairs(other.targets) do
      local value = other.values[i]
      if target.tag == "Index" and target.object.var == var
        and not (value and value.tag == "Nil") then
        return true
      end
    end
  end
  for call in tree.each(file, "Call", loop) do
    if tree.global(call.callee, "table.remove") or tree.global(call.callee, "table.insert") then
      return true
    end
  end
  return false
end

-- The first #list behind `after`, in the same function and with nothing assigned between.
local function length_behind(file, var, after)
  for i = after.last + 1, after.func.last do
    local node = file.nodes[i]
    if node.tag == "Assign" then
      for _, target in ipairs(node.targets) do
        if target.tag == "Index" and target.object.var == var then return nil end
      end
    elseif node.tag == "Unary" and node.op == "#" and node.operand.var == var then
      return node
    end
  end
end

-- list[i] = nil, and #list later
local function check_nil(file, assign, target, report)
  local var = target.object.tag == "Name" and target.object.var
  if not var or var.assigned then return end
  local within, loop = is_place_within(target.key, var)
  if not within or is_rebuilt(file, loop, var, assign) then return end
  local top = loop
  while true do
    local outer = tree.enclosing(top, LOOPS, assign.func)
    if not outer then break end
    top = outer
  end
  local length = length_behind(file, var, top)
  if length then
    report("HOLES", length, ("#%s after %s[...] = nil in line %d: %s"):format(var.name, var.name,
      assign.line, HOLE_ADVICE))
  end
end

-- Lists with holes.
function M.holes(project, file, report)
  for node in tree.each(file, "Table") do
    if not has_own_length(node) and length_matters(project, file, node) then check_constructor(node, report) end
  end
  for assign in tree.each(file, "Assign") do
    for i, target in ipairs(assign.targets) do
      local value = assign.values[i]
      if target.tag == "Index" and value and value.tag == "Nil" then
        check_nil(file, assign, target, report)
      end
    end
  end
end

-- Variables that a sum is assigned to, and those with an inexact one.
local function summed_variables(file)
  local summed, inexact = {}, {}
  local function note(var, value)
    if not var or not value then return end
    if numbers.is_arithmetic(tree.bare(value)) then summed[var] = true end
    if numbers.is_inexact_sum(value) then inexact[var] = true end
  end
  for node in tree.each(file, "Local") do
    for i, var in ipairs(node.vars) do note(var, node.values[i]) end
  end
  for node in tree.each(file, "Assign") do
    for i, target in ipairs(node.targets) do note(target.var, node.values[i]) end
  end
  for loop in tree.each(file, "ForNumber") do -- for x = 0, 1, 0.1: x is a sum
    if loop.values[3] and numbers.is_inexact(loop.values[3]) then inexact[loop.var] = true end
  end
  return summed, inexact
end

-- == between sums of numbers that are not exact.
function M.sums(_, file, report)
  local summed, inexact = summed_variables(file)
  local function is_sum(node)
    return numbers.is_arithmetic(node) or (node.var and summed[node.var])
  end
  for node in tree.each(file, "Binary") do
    local left, right = tree.bare(node.left), tree.bare(node.right)
    if (node.op == "==" or node.op == "~=")
      and (numbers.is_inexact_sum(left) or numbers.is_inexact_sum(right)
        or (left.var and inexact[left.var]) or (right.var and inexact[right.var])
        or (is_sum(left) and numbers.is_inexact(right)) or (is_sum(right) and numbers.is_inexact(left))) then
      if left.tag ~= "Nil" and right.tag ~= "Nil" then
        report("FLOAT_EQUAL", node, node.op .. " on a sum of fractions, which is seldom exact; "
          .. "compare math.abs(a - b) with a bound, or count in whole units")
      end
    end
  end
end

return M
