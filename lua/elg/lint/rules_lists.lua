-- rules_lists: lists that a function fills in the order of pairs and returns unsorted, where
-- what is given is shown or kept. Uses tree, index, steps, rules_order.
local index = require "elg.lint.index"
local rules_order = require "elg.lint.rules_order"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local GROWERS = { "Call", "Assign" }

-- The statement in the loop by which the variable's list or text grows by what a turn gives.
local function grower(project, file, loop, var)
  local turn = rules_order.variables_of(file, loop)
  for _, tag in ipairs(GROWERS) do
    for statement in tree.each(file, tag, loop.body) do
      local place, value = rules_order.grown(project, file, loop, statement)
      if place and place.var == var and rules_order.mentions(file, value, turn) then return statement end
    end
  end
end

-- Is nothing done with the variable behind the loop, but that it is returned?
local function is_given_as_is(project, file, loop, returned)
  for name in index.nodes(file.work, file.names[returned.var], loop.last + 1, math.huge) do
    if name ~= returned and rules_order.use_of(project, file, loop, name) then return false end
  end
  return returned.index > loop.last
end

local function find_grower(project, func)
  local file, returned = func.file, steps.only_returned(func)
  local var = returned and returned.tag == "Name" and returned.var
  if not var or not var.declared or var.func ~= func then return false end
  for loop in tree.each(file, "ForIn", func) do
    local statement = loop.func == func and rules_order.walked(loop) and grower(project, file, loop, var)
    if statement and is_given_as_is(project, file, loop, returned) then return statement end
  end
  return false
end

-- The statement that puts what a function returns into the order of pairs; nil: none does.
local function grower_of(project, func)
  if func.grower == nil then func.grower = find_grower(project, func) end
  return func.grower or nil
end

-- local list = keys(t): what becomes of the list?
local function is_shown_later(project, file, call, var)
  local shown = false
  for name in index.nodes(file.work, file.names[var], call.last + 1, var.declared.parent.last) do
    local use = rules_order.use_of(project, file, call, name)
    if use == "other" then return false end
    shown = shown or use == "order"
  end
  return shown
end

local function is_shown(project, file, call)
  local parent = call.parent
  if parent.tag ~= "Local" then return rules_order.use_of(project, file, call, call) == "order" end
  for i, var in ipairs(parent.vars) do
    if parent.values[i] == call then return not var.assigned and is_shown_later(project, file, call, var) end
  end
  return false
end

-- Calls of such functions.
function M.lists(project, file, report)
  for call in tree.each(file, "Call") do
    local func = call.parent.tag ~= "Block" and steps.resolve(project, file, call.callee)
    local statement = func and grower_of(project, func)
    if statement and is_shown(project, file, call) then
      report("PAIRS_ORDER", call, ("what %s gives is in the order of pairs (%s%d): by key here, any in other Luas; "
        .. "sort it, if it matters"):format(func.name or "the function",
        func.file == file and "line " or func.file.path .. ":", statement.line))
    end
  end
end

return M
