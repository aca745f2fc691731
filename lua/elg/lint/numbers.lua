-- numbers: what can be told of an expression's number: infinite, or not exact. Uses tree.
local tree = require "elg.lint.tree"

local M = {}

-- is_infinite(node): is it math.huge, 1 / 0, 0 / 0 or the like: no finite number?
function M.is_infinite(node)
  node = tree.value(node)
  if node.tag == "Unary" and node.op == "-" then node = tree.value(node.operand) end
  return tree.global(node, "math.huge") or (node.tag == "Number" and node.value == math.huge)
    or (node.tag == "Binary" and (node.op == "/" or node.op == "%")
      and tree.value(node.right).tag == "Number" and tree.value(node.right).value == 0)
end

local ARITHMETIC = { ["+"] = true, ["-"] = true, ["*"] = true, ["/"] = true }
local EXACT_PARTS = 2 ^ 20

-- is_inexact(node): is it a number that is not what it says, as 0.1? 0.5 is.
function M.is_inexact(node)
  node = tree.bare(node)
  if node.tag == "Unary" and node.op == "-" then node = node.operand end
  local scaled = node.tag == "Number" and node.value and node.value * EXACT_PARTS
  return scaled and math.abs(scaled) < 2 ^ 52 and scaled % 1 ~= 0
end

-- is_power_of_two(node): is it 2, 0.25 or the like, by which division rounds nothing?
function M.is_power_of_two(node)
  node = tree.bare(node)
  return node.tag == "Number" and node.value ~= nil and math.abs(math.frexp(node.value)) == 0.5
end

-- is_arithmetic(node): is it a sum, a difference, a product or a quotient?
function M.is_arithmetic(node)
  return node.tag == "Binary" and ARITHMETIC[node.op]
end

-- is_inexact_sum(node): is it a sum with an inexact number in it?
function M.is_inexact_sum(node)
  local stack = { node }
  if not M.is_arithmetic(tree.bare(node)) then return false end
  while #stack > 0 do
    local at = tree.bare(table.remove(stack))
    if M.is_inexact(at) then return true end
    if M.is_arithmetic(at) then
      stack[#stack + 1], stack[#stack + 2] = at.left, at.right
    end
  end
  return false
end

return M
