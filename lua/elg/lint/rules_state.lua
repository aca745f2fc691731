-- rules_state: nothing outlives a step but its state and output (I3), and these are JSON.
-- Uses tree, steps.
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

-- Library functions that change their first argument.
local CHANGES = { "table.insert", "table.remove", "table.sort", "rawset", "setmetatable" }

-- The variable at the head of a.b[c].d, and whether there is anything behind it.
local function head(node)
  local deep = false
  node = tree.bare(node)
  while node.tag == "Index" do
    node, deep = tree.bare(node.object), true
  end
  return node, deep
end

-- Declared outside the function: there before the step, and made anew for the next one.
local function is_outer(var, root)
  local func = var.func
  while func do
    if func == root then return false end
    func = func.func
  end
  return true
end

local function outer_text(verb, var)
  return ("%s %s, which is declared outside of the node (line %d): nothing outlives a step; "
    .. "keep it in the state"):format(verb, var.name, var.line)
end

local function check_target(root, target, report)
  local name, deep = head(target)
  if name.tag ~= "Name" then return end
  if name.var then
    if not is_outer(name.var, root) then return end
    report(deep and "OUTER_CHANGE" or "OUTER_ASSIGN", target,
      outer_text(deep and "changes" or "assigns to", name.var))
  elseif not deep or name.name == "_G" then
    report("GLOBAL_ASSIGN", target, ("assigns to the global %s: nothing outlives a step; make it "
      .. "local, or keep it in the state"):format(deep and target.key.value or name.name))
  end
end

-- Assignments in step code to what is outside of it.
function M.outer(project, file, report)
  for assign in tree.each(file, "Assign") do
    local root = steps.root(project, assign)
    for _, target in ipairs(root and assign.targets or {}) do
      check_target(root, target, report)
    end
  end
  for call in tree.each(file, "Call") do
    local root = steps.root(project, call)
    for _, name in ipairs(root and call.args[1] and CHANGES or {}) do
      if tree.global(call.callee, name) then
        local var = head(call.args[1]).var
        if var and is_outer(var, root) then
          report("OUTER_CHANGE", call, outer_text(name .. " changes", var))
        end
      end
    end
  end
end

-- What an expression is that no JSON value is; nil: it may be one.
local function not_json(project, node)
  local value = tree.value(node)
  if value.tag == "Function" then return "a function" end
  if steps.is_parameter(project, tree.bare(node), "ctx", 3) then return "ctx" end
  if value.tag ~= "Call" then return nil end
  for _, name in ipairs { "coroutine.create", "coroutine.wrap", "coroutine.running" } do
    if tree.global(value.callee, name) then return "what " .. name .. " gives" end
  end
end

-- math.huge, 1 / 0, 0 / 0
local function is_infinite(node)
  node = tree.bare(node)
  if node.tag == "Unary" and node.op == "-" then node = tree.bare(node.operand) end
  return tree.global(node, "math.huge")
    or (node.tag == "Binary" and node.op == "/" and tree.bare(node.right).value == 0)
end

-- { 1, 2, name = 3 }: neither an array nor an object.
local function is_mixed(node)
  local listed, named = false, false
  for _, item in ipairs(node.items) do
    if not item.key then
      listed = listed or tree.bare(item.value).tag ~= "Nil"
    elseif item.key.tag == "String" then
      named = named or tree.bare(item.value).tag ~= "Nil"
    end
  end
  return listed and named
end

-- Reports what cannot be kept of a value, also within a table that is written out.
local function check_value(project, node, what, report)
  local stack = { node }
  while #stack > 0 do
    local at = table.remove(stack)
    local kind = not_json(project, at)
    if kind then
      report("NOT_JSON", at, ("%s %s %s, which is not a JSON value"):format(what,
        at == node and "is" or "has in it", kind))
    elseif at.tag == "Table" then
      if is_mixed(at) then
        report("NOT_JSON", at, what .. (at == node and " is" or " has in it") .. " a table with both a list and "
          .. "names, which is no JSON value")
      end
      for _, item in ipairs(at.items) do stack[#stack + 1] = item.value end
    end
  end
end

local function check_output(project, node, report)
  check_value(project, node, "the output", report)
  if is_infinite(node) then
    report("NOT_JSON", node, "the output is infinite or not a number; JSON has finite numbers")
  end
end

-- return { output =, state =, next =, metadata = }
local function check_result(project, result, report)
  for _, item in ipairs(result.items) do
    local name = item.key and item.key.value
    if name == "output" or name == "state" or name == "metadata" then
      check_value(project, item.value, "the " .. name, report)
    end
  end
end

-- Values of outputs and states that JSON does not have.
function M.json(project, file, report)
  for ret in tree.each(file, "Return") do
    local first, second = ret.values[1], ret.values[2]
    if project.roots[ret.func] == "node" and first then
      if second then check_output(project, second, report) end
      if first.tag == "Table" then check_result(project, first, report) end
    end
  end
  for assign in tree.each(file, "Assign") do
    for i, target in ipairs(assign.targets) do
      local name, deep = head(target)
      if deep and assign.values[i] and steps.is_parameter(project, name, "state", 1)
        and steps.root(project, assign) then
        check_value(project, assign.values[i], "the state's member", report)
      end
    end
  end
end

return M
