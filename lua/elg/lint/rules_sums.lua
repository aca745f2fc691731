-- rules_sums: equality of sums of fractions. Uses tree, numbers.
local numbers = require "elg.lint.numbers"
local tree = require "elg.lint.tree"

local M = {}

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
