-- rules_state: nothing outlives a step but its state and output (I3). Uses tree, steps, changes,
-- library.
local changes = require "elg.lint.changes"
local library = require "elg.lint.library"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FOLLOW_MAX = 8 -- names behind names

-- Declared outside the function: there before the step, and made anew for the next one.
local function is_outer(var, root)
  return var.func.file ~= root.file or not tree.contains(root, var.func)
end

local function outer_text(verb, var, path)
  return ("%s %s, which is declared outside of the node (%s %d): nothing outlives a step; "
    .. "keep it in the state"):format(verb, var.name, path or "line", var.line)
end

-- The outer variable, or the Name of a library's table, that the table at hand is or belongs
-- to, also behind names and functions that return it; nil: none, or it cannot be told.
-- Second result: the path of the file that declares it.
local function origin(project, file, node, root)
  local got
  for _ = 1, FOLLOW_MAX do
    node = tree.head(node)
    local var = node.tag == "Name" and node.var
    if var then
      if is_outer(var, root) and (not got or is_outer(var, got)) then return var, file.path end
      node = not var.assigned and (var.value or changes.walked(var)) or nil
    elseif node.tag == "Name" then
      local known = library.tables[node.name] and not steps.assigned_globals(project)[node.name]
      return known and node or nil
    else
      got = node.tag == "Call" and steps.resolve(project, file, node.callee) or nil
      file, node = got and got.file, got and steps.only_returned(got)
    end
    if not node then return nil end
  end
end

-- Reports a change within the table that `node` is or belongs to, if it is an outer one.
local function check_change(project, file, root, node, place, verb, report)
  local found, path = origin(project, file, node, root)
  if not found then return end
  if found.tag == "Name" then
    report("OUTER_CHANGE", place, ("%s the library's table %s: nothing outlives a step; write a "
      .. "function of your own"):format(verb, found.name))
  else
    report("OUTER_CHANGE", place, outer_text(verb, found, path ~= file.path and path or nil))
  end
end

local function check_target(project, file, root, target, report)
  local name, deep = tree.head(target)
  if deep and not (name.tag == "Name" and not name.var and name.name == "_G") then
    check_change(project, file, root, target.object, target, "changes", report)
  elseif name.var then
    if is_outer(name.var, root) then
      report("OUTER_ASSIGN", target, outer_text("assigns to", name.var))
    end
  else
    report("GLOBAL_ASSIGN", target, ("assigns to the global %s: nothing outlives a step; make it "
      .. "local, or keep it in the state"):format(deep and target.key.value or name.name))
  end
end

local function check_call(project, file, root, call, report)
  local name, changed = nil, nil
  if call.tag == "Call" then name, changed = changes.changer(call) end
  if changed then return check_change(project, file, root, changed, call, name .. " changes", report) end
  local func, args = steps.applied(project, file, call)
  for place, node in pairs(func and project.changes[func] or {}) do
    if args[place] then
      local where = (func.file == file and "line " or func.file.path .. ":") .. node.line
      check_change(project, file, root, args[place], call, ("%s (%s) changes"):format(
        func.name or "the function", where), report)
    end
  end
end

-- Which functions change what they are given, in all files; none, if that is too much to find out.
function M.changes(project)
  project.changes = {}
  project.changes = changes.read(project)
end

-- Assignments in step code to what is outside of it.
function M.outer(project, file, report)
  for assign in tree.each(file, "Assign") do
    local root = steps.root_of_made(project, assign) or steps.root(project, assign)
    for _, target in ipairs(root and assign.targets or {}) do
      check_target(project, file, root, target, report)
    end
  end
  for _, tag in ipairs { "Call", "Method" } do
    for call in tree.each(file, tag) do
      local root = steps.root_of_made(project, call) or steps.root(project, call)
      if root then check_call(project, file, root, call, report) end
    end
  end
end

return M
