-- rules_state: nothing outlives a step but its state and output (I3), and these are JSON.
-- Uses tree, index, steps, library, numbers.
local index = require "elg.lint.index"
local library = require "elg.lint.library"
local numbers = require "elg.lint.numbers"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FOLLOW_MAX = 8 -- names behind names

-- Library functions that change their first argument.
local CHANGES = { "table.insert", "table.remove", "table.sort", "rawset", "setmetatable" }

-- Declared outside the function: there before the step, and made anew for the next one.
local function is_outer(var, root)
  return var.func.file ~= root.file or not tree.contains(root, var.func)
end

local function outer_text(verb, var, path)
  return ("%s %s, which is declared outside of the node (%s %d): nothing outlives a step; "
    .. "keep it in the state"):format(verb, var.name, path or "line", var.line)
end

-- The list or table whose members the second variable of `for k, v in pairs(list)` is.
local function walked(var)
  local loop = var.loop
  local call = loop and loop.tag == "ForIn" and loop.vars[2] == var and loop.values[1]
  if not call or call.tag ~= "Call" then return nil end
  local known = tree.global(call.callee, "pairs") or tree.global(call.callee, "ipairs")
  return known and call.args[1] or nil
end

-- The only value that a function returns; nil if there are several, or none.
local function only_returned(func)
  if func.only == nil then
    local count, found = 0, false
    for ret in tree.returns(func) do
      count, found = count + 1, #ret.values == 1 and ret.values[1]
    end
    func.only = count == 1 and found
  end
  return func.only or nil
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
      node = not var.assigned and (var.value or walked(var)) or nil
    elseif node.tag == "Name" then
      local known = library.tables[node.name] and not steps.assigned_globals(project)[node.name]
      return known and node or nil
    else
      got = node.tag == "Call" and steps.resolve(project, file, node.callee) or nil
      file, node = got and got.file, got and only_returned(got)
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

-- Assignments in step code to what is outside of it.
function M.outer(project, file, report)
  for assign in tree.each(file, "Assign") do
    local root = steps.root(project, assign)
    for _, target in ipairs(root and assign.targets or {}) do
      check_target(project, file, root, target, report)
    end
  end
  for call in tree.each(file, "Call") do
    local root = steps.root(project, call)
    for _, name in ipairs(root and call.args[1] and CHANGES or {}) do
      if tree.global(call.callee, name) then
        check_change(project, file, root, call.args[1], call, name .. " changes", report)
      end
    end
  end
end

-- "a function" for what the library has under a name, as ctx.http or string.rep.
local function library_kind(project, value)
  if value.tag == "Index" and value.key.tag == "String" then
    local object, name = tree.value(value.object), value.key.value
    if steps.is_parameter(project, object, "ctx", 3) and library.ctx[name] then
      return "ctx." .. name
    end
    local fields = object.tag == "Name" and not object.var and library.tables[object.name]
    local full = fields and fields[name] and object.name .. "." .. name
    return full and not library.values[full] and full .. ", a function" or nil
  end
  if value.tag ~= "Name" or value.var or steps.assigned_globals(project)[value.name] then return nil end
  if library.tables[value.name] then return "the library's table " .. value.name end
  return library.globals[value.name] and not library.values[value.name]
    and value.name .. ", a function" or nil
end

-- What an expression is that no JSON value is; nil: it may be one.
local function not_json(project, node)
  local value = tree.value(node)
  if value.tag == "Function" then return "a function" end
  if steps.is_parameter(project, value, "ctx", 3) then return "ctx" end
  if value.tag ~= "Call" then return library_kind(project, value) end
  for _, name in ipairs { "coroutine.create", "coroutine.wrap", "coroutine.running" } do
    if tree.global(value.callee, name) then return "what " .. name .. " gives" end
  end
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
-- is_replaced(), if given: may it be replaced before it is kept, so that an infinity there
-- is no mistake yet?
local function check_value(project, node, what, report, is_replaced)
  local stack = { node }
  while #stack > 0 do
    local at = table.remove(stack)
    local verb = at == node and "is" or "has in it"
    local kind = not_json(project, at)
    if kind then
      report("NOT_JSON", at, ("%s %s %s, which is not a JSON value"):format(what, verb, kind))
    elseif at.tag == "Table" then
      if is_mixed(at) then
        report("NOT_JSON", at, ("%s %s a table with both a list and names, which is no JSON value")
          :format(what, verb))
      end
      for _, item in ipairs(at.items) do stack[#stack + 1] = item.value end
    elseif numbers.is_infinite(at) and not (is_replaced and is_replaced()) then
      report("NOT_JSON", at, ("%s %s a number that is infinite or none; JSON has finite numbers")
        :format(what, verb))
    end
  end
end

local LOOPS = { While = true, Repeat = true, ForNumber = true, ForIn = true }

-- The index from which on a node may be executed after the assignment: that of the outermost
-- loop around it, or the next one.
local function later_than(assign)
  local from, loop = assign.index + 1, tree.enclosing(assign, LOOPS)
  while loop do
    from, loop = loop.index, tree.enclosing(loop, LOOPS)
  end
  return from
end

local CONSTANT = { String = true, Number = true }
local ANY, OPEN = {}, {}

-- Assigns by the constant keys that are in their targets; those with another key under
-- OPEN, all that have any under ANY.
local function assigns_by_key(file)
  if file.by_key then return file.by_key end
  file.by_key = {}
  for assign in tree.each(file, "Assign") do
    for _, target in ipairs(assign.targets) do
      local at = tree.bare(target)
      while at.tag == "Index" do
        index.add(file.by_key, CONSTANT[at.key.tag] and at.key.value or OPEN, assign)
        index.add(file.by_key, ANY, assign)
        file.work:spend(1)
        at = tree.bare(at.object)
      end
    end
  end
  return file.by_key
end

-- May what is assigned to the state's member be replaced within the step: by an assignment to
-- a member of that name, or by a function that is given the state?
local function is_passing(file, assign, target, state)
  local from, last = later_than(assign), assign.func.last
  local by_key, key = assigns_by_key(file), ANY
  from = math.max(from, assign.func.index)
  if CONSTANT[target.key.tag] then key = target.key.value or OPEN end
  return (index.other_between(by_key[key], from, last, assign)
    or (key ~= ANY and index.other_between(by_key[OPEN], from, last, assign))
    or index.between(file.bare[state.var], from, last)) and true or false
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
      if second then check_value(project, second, "the output", report) end
      if first.tag == "Table" then check_result(project, first, report) end
    elseif project.roots[ret.func] == "initial" and first then
      check_value(project, first, "the initial state", report)
    end
  end
  for assign in tree.each(file, "Assign") do
    for i, target in ipairs(assign.targets) do
      local name, deep = tree.head(target)
      if deep and assign.values[i] and steps.is_parameter(project, name, "state", 1)
        and steps.root(project, assign) then
        check_value(project, assign.values[i], "the state's member", report,
          function() return is_passing(file, assign, target, name) end)
      end
    end
  end
end

return M
