-- rules_json: outputs and states are JSON, and a node's result is one. Uses tree, index, steps,
-- library, numbers.
local index = require "elg.lint.index"
local library = require "elg.lint.library"
local numbers = require "elg.lint.numbers"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FOLLOW_MAX = 8 -- operators within operators
local STEPS_MAX = 16 -- of a path that a message shows

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

-- 1LL, -1LL, 2 * 1LL
local function is_wide(node)
  for _ = 1, FOLLOW_MAX do
    node = tree.value(node)
    if node.tag == "Number" then return node.value == nil end
    if node.tag == "Unary" and node.op == "-" then
      node = node.operand
    elseif numbers.is_arithmetic(node) then
      local left = tree.value(node.left)
      node = (left.tag == "Number" and left.value) and node.right or left
    else
      return false
    end
  end
  return false
end

-- What an expression is that no JSON value is; nil: it may be one.
local function not_json(project, node)
  local value = tree.value(node)
  if value.tag == "Function" then return "a function" end
  if is_wide(value) then return "a 64-bit or imaginary number" end
  if steps.is_parameter(project, value, "ctx", 3) then return "ctx" end
  if value.tag ~= "Call" then return library_kind(project, value) end
  for _, name in ipairs { "coroutine.create", "coroutine.wrap", "coroutine.running" } do
    if tree.global(value.callee, name) then return "what " .. name .. " gives" end
  end
end

-- Why a table that is written out is neither an array nor an object; nil: it may be one. Second
-- result: may what is added later mend it?
local function bad_keys(node)
  local listed, named, numbered, highest, open = 0, false, 0, 0, false
  for _, item in ipairs(node.items) do
    local key, value = item.key and tree.value(item.key), tree.bare(item.value)
    if value.tag == "Nil" then
      open = true
    elseif not key then
      listed = listed + 1
      open = open or value.tag == "Call" or value.tag == "Method" or value.tag == "Vararg"
    elseif key.tag == "String" then
      named = true
    elseif key.tag == "True" or key.tag == "False" then
      return "a table with a boolean as a key"
    elseif key.tag == "Number" and key.value then
      if key.value % 1 ~= 0 or key.value < 1 then return "a table with a key that is no place in a list" end
      numbered, highest = numbered + 1, math.max(highest, key.value)
    else
      open = true
    end
  end
  if named and listed + numbered > 0 then return "a table with both a list and names" end
  if highest > listed + numbered and not open then return "a list with holes", true end
end

-- Is `assign` executed before `node`, if that is, in the same call of the function?
local function is_before(assign, node)
  if assign.func ~= node.func or assign.last >= node.index or not tree.contains(assign.parent, node) then
    return false
  end
  local loop = tree.enclosing(node, tree.LOOPS, node.func)
  return not loop or loop.index < assign.index
end

-- What a local variable's table holds where `name` stands, by key: values that were assigned to
-- its fields and are there still, and its written items. Nothing for one that others may change.
-- is_kept_on: may it be changed behind that, too?
local function held(file, name, is_kept_on)
  local var = name.var
  local value = not var.assigned and var.value and tree.bare(var.value)
  if not value or value.tag ~= "Table" or not is_before(var.declared, name)
    or index.between(file.bare[var], var.declared.last + 1, name.index - 1)
    or index.between(file.tags.Goto, var.declared.index, name.index)
    or (is_kept_on and index.between(file.names[var], name.index + 1, name.func.last)) then
    return {}
  end
  local last = {} -- by key, the last value that is certain; false: there is none
  for _, item in ipairs(value.items) do
    if item.key and item.key.tag == "String" then last[item.key.value] = item.value end
  end
  for assign in index.nodes(file.work, file.writes[var], 1, name.index) do
    for i, target in ipairs(assign.targets) do
      if target.tag == "Index" and target.object.var == var then
        if target.key.tag ~= "String" then return {} end
        last[target.key.value] = is_before(assign, name) and assign.values[i] or false
      end
    end
  end
  return last
end

-- "state.items[3].f": `at` is { up =, key = } within another, at the top { root = }.
local function path_of(at)
  local steps_up = {}
  while at.up and #steps_up < STEPS_MAX do
    local key = at.key
    if type(key) == "string" then
      key = key:find("^[%a_][%w_]*$") and "." .. key or ("[%q]"):format(key):gsub("\n", "n")
    else
      key = ("[%s]"):format(key or "?")
    end
    table.insert(steps_up, 1, key)
    at = at.up
  end
  return (at.root or "...") .. table.concat(steps_up)
end

local CONSTANT = { String = true, Number = true }

-- The key of a table's item or of an index, if it is written there.
local function key_of(key)
  key = tree.value(key)
  return CONSTANT[key.tag] and key.value or nil
end

-- The path of what is assigned to: a member of the state.
local function member(target)
  local at = tree.bare(target)
  if at.tag ~= "Index" then return { root = "state" } end
  local keys = {}
  while at.tag == "Index" do
    keys[#keys + 1] = key_of(at.key) or false
    at = tree.bare(at.object)
  end
  local place = { root = "state" }
  for i = #keys, 1, -1 do place = { up = place, key = keys[i] } end
  return place
end

-- Reports what cannot be kept of a value, also within a table that is written out.
-- place: of the value, for path_of. is_replaced(), if given: may it be replaced before it is
-- kept, so that an infinity there is no mistake yet?
local function check_value(project, file, node, place, report, is_replaced)
  local stack, seen = { { node = node, up = place.up, key = place.key, root = place.root } }, {}
  while #stack > 0 do
    local here = table.remove(stack)
    local at = here.node
    local kind, mendable = not_json(project, at), false
    if at.tag == "Table" then kind, mendable = bad_keys(at) end
    if kind and not (mendable and is_replaced) then
      report("NOT_JSON", at, ("%s is %s, which is not a JSON value"):format(path_of(here), kind))
    elseif numbers.is_infinite(at) and not (is_replaced and is_replaced()) then
      report("NOT_JSON", at, ("%s is a number that is infinite or none; JSON has finite numbers")
        :format(path_of(here)))
    end
    if at.tag == "Table" then
      local listed = 0
      for _, item in ipairs(at.items) do
        listed = item.key and listed or listed + 1
        local key = listed
        if item.key then key = key_of(item.key) end
        stack[#stack + 1] = { node = item.value, up = here, key = key }
      end
    elseif at.tag == "Name" and at.var and not seen[at.var] then
      seen[at.var] = true
      for key, value in pairs(held(file, at, is_replaced)) do
        if value then stack[#stack + 1] = { node = value, up = here, key = key } end
      end
    end
  end
end

-- The index from which on a node may be executed after the assignment: that of the outermost
-- loop around it, or the next one.
local function later_than(assign)
  local from, loop = assign.index + 1, tree.enclosing(assign, tree.LOOPS)
  while loop do
    from, loop = loop.index, tree.enclosing(loop, tree.LOOPS)
  end
  return from
end

local UNSURE = { Nil = true, Call = true, Method = true, Vararg = true } -- nil, or who knows
local ANY, OPEN = {}, {}

-- Assigns by the constant keys that are in their targets; those with another key under
-- OPEN, all that have any under ANY.
local function assigns_by_key(file)
  if file.by_key then return file.by_key end
  local by_key = {}
  for assign in tree.each(file, "Assign") do
    for _, target in ipairs(assign.targets) do
      local at = tree.bare(target)
      while at.tag == "Index" do
        index.add(by_key, CONSTANT[at.key.tag] and at.key.value or OPEN, assign)
        index.add(by_key, ANY, assign)
        file.work:spend(1)
        at = tree.bare(at.object)
      end
    end
  end
  file.by_key = by_key
  return by_key
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

local FIELDS = { state = true, output = true, next = true, metadata = true }
local KEPT = { state = true, output = true, metadata = true }

-- return { output =, state =, next =, metadata = }
local function check_result(project, file, result, report)
  for _, item in ipairs(result.items) do
    local name = item.key and item.key.value
    if KEPT[name] then
      check_value(project, file, item.value, { root = name }, report)
    elseif not FIELDS[name] and (not item.key or CONSTANT[item.key.tag])
      and not UNSURE[tree.bare(item.value).tag] then
      report("INVALID_RESULT", item, ("a table that a node returns first has the fields state, output, next, "
        .. "metadata; %s is none of them; to give an output alone, return nil, output")
        :format(name and tostring(name) or "a list's item"))
    end
  end
end

local NO_KEYS = { True = "a boolean", False = "a boolean", Number = "a number", Function = "a function" }

-- The first and the second value that a node returns.
local function check_return(project, file, ret, report)
  local first, second = ret.values[1], ret.values[2]
  if second then check_value(project, file, second, { root = "output" }, report) end
  if first.tag == "Table" then check_result(project, file, first, report) end
  if NO_KEYS[tree.value(first).tag] then
    report("INVALID_RESULT", first, ("a node returns an edge's key (a string or nil) and its output, or a table; "
      .. "this is %s; to give an output alone, return nil, output"):format(NO_KEYS[tree.value(first).tag]))
  end
end

-- Values of outputs and states that JSON does not have, and results that are none.
function M.json(project, file, report)
  for ret in tree.each(file, "Return") do
    local first = ret.values[1]
    if project.roots[ret.func] == "node" and first then
      check_return(project, file, ret, report)
    elseif project.roots[ret.func] == "initial" and first then
      check_value(project, file, first, { root = "initial" }, report)
    end
  end
  for assign in tree.each(file, "Assign") do
    for i, target in ipairs(assign.targets) do
      local name, deep = tree.head(target)
      if deep and assign.values[i] and steps.is_parameter(project, name, "state", 1)
        and steps.root(project, assign) then
        check_value(project, file, assign.values[i], member(target), report,
          function() return is_passing(file, assign, target, name) end)
      end
    end
  end
end

return M
