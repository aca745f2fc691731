-- changes: which parameters' tables a function changes, itself or by what it calls. What hangs
-- on other things than that table is left alone. Uses tree, index, steps.
local index = require "elg.lint.index"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FOLLOW_MAX = 8 -- names behind names

-- Library functions that change an argument: its place.
local CHANGERS = { ["table.insert"] = 1, ["table.remove"] = 1, ["table.sort"] = 1, rawset = 1,
  setmetatable = 1, ["table.move"] = 5 }
local NAMES = { "table.insert", "table.remove", "table.sort", "rawset", "setmetatable", "table.move" }

-- changer(call): the name of the library's function that a call executes and the argument that
-- it changes; nil: none.
function M.changer(call)
  for _, name in ipairs(NAMES) do
    if tree.global(call.callee, name) then return name, call.args[CHANGERS[name]] or call.args[1] end
  end
  if tree.required(call.callee) == "table.clear" then return "table.clear", call.args[1] end
end

-- walked(var): the list or table whose members the second variable of `for k, v in pairs(list)`
-- is; nil: it is none.
function M.walked(var)
  local loop = var.loop
  local call = loop and loop.tag == "ForIn" and loop.vars[2] == var and loop.values[1]
  if not call or call.tag ~= "Call" then return nil end
  local known = tree.global(call.callee, "pairs") or tree.global(call.callee, "ipairs")
  return known and call.args[1] or nil
end

-- The parameter of `func` whose table `node` is or belongs to, also behind names; nil: none.
local function parameter_of(func, node)
  for _ = 1, FOLLOW_MAX do
    node = tree.head(node)
    local var = node.tag == "Name" and node.var
    if not var or var.func ~= func or var.assigned then return nil end
    if var.kind == "parameter" or var.kind == "self" then return var end
    node = var.value or M.walked(var)
    if not node then return nil end
  end
end

-- Does the condition speak of more than that variable: of other variables of the function?
local function speaks_of_others(file, condition, var)
  for name in tree.each(file, "Name", condition) do
    if name.var and name.var ~= var and name.var.func == var.func then return true end
  end
  return false
end

local CLAUSE = { Clause = true }

-- Is the node executed only where an `if` says so that speaks of more than the variable?
local function is_guarded(file, node, var)
  local clause = tree.enclosing(node, CLAUSE, var.func)
  while clause do
    for _, other in ipairs(clause.parent.clauses) do
      file.work:spend(1)
      if other.condition and speaks_of_others(file, other.condition, var) then return true end
      if other == clause then break end
    end
    clause = tree.enclosing(clause, CLAUSE, var.func)
  end
  return false
end

-- The first return of the function that hangs on more than the variable; nodes behind it may
-- not be executed.
local function first_way_out(file, var)
  if not var.way_out then
    local way_out = math.huge
    for ret in tree.returns(var.func) do
      if is_guarded(file, ret, var) then
        way_out = ret.index
        break
      end
    end
    var.way_out = way_out
  end
  return var.way_out
end

local function place_in(func, var)
  for i, param in ipairs(func.params) do
    if param == var then return i end
  end
end

-- Keeps that `node` changes what the expression `changed` is.
local function note(found, file, node, changed)
  local func = node.func
  local var = changed and parameter_of(func, changed)
  if not var or (found.places[func] and found.places[func][var]) then return end
  if first_way_out(file, var) < node.index or is_guarded(file, node, var) then return end
  found.places[func] = found.places[func] or {}
  found.places[func][var] = node
  table.insert(found.queue, { func = func, place = place_in(func, var), node = node })
end

-- self.__index = self: says again what is so.
local function is_class(target, value)
  return target.key.value == "__index" and value and value.tag == "Name"
    and target.object.tag == "Name" and value.var == target.object.var
end

local function note_file(project, file, found)
  for assign in tree.each(file, "Assign") do
    for i, target in ipairs(assign.targets) do
      if target.tag == "Index" and not is_class(target, assign.values[i]) then
        note(found, file, assign, target.object)
      end
    end
  end
  for _, tag in ipairs { "Call", "Method" } do
    for call in tree.each(file, tag) do
      if tag == "Call" then
        local _, changed = M.changer(call)
        note(found, file, call, changed)
      end
      local func, args = steps.applied(project, file, call)
      if func then index.add(found.sites, func, { call = call, args = args, file = file }) end
    end
  end
end

-- read(project): { Function = { place of a parameter = the node that changes its table } }.
function M.read(project)
  local found = { places = {}, queue = {}, sites = {} }
  for _, path in ipairs(project.paths) do note_file(project, project.files[path], found) end
  local changes, i = {}, 0
  while i < #found.queue do -- each parameter of a function comes once
    i = i + 1
    local at = found.queue[i]
    changes[at.func] = changes[at.func] or {}
    changes[at.func][at.place] = at.node
    for _, site in ipairs(found.sites[at.func] or {}) do
      site.file.work:spend(1)
      note(found, site.file, site.call, site.args[at.place])
    end
  end
  return changes
end

return M
