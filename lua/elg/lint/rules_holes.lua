-- rules_holes: lists with holes, whose length is not certain. Uses tree, index, steps.
local index = require "elg.lint.index"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local HOLE_ADVICE = "its length is not certain; use elg.null, or table.remove"

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
  for _, name in ipairs(file.names[var] or {}) do
    if is_measured(name) then return true end
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

-- Does the call move the places of a list?
local function is_move(call)
  return tree.global(call.callee, "table.remove") or tree.global(call.callee, "table.insert")
end

-- The calls of a file that move the places of a list.
local function moves_of(file)
  if file.moves then return file.moves end
  local moves = {}
  for call in tree.each(file, "Call") do
    if is_move(call) then moves[#moves + 1] = call end
  end
  file.moves = moves
  return moves
end

-- Does the loop assign anything else to fields of the list, or empty it altogether?
local function is_rebuilt(file, loop, var, assign)
  if #loop.body.statements == 1 and loop.body.statements[1] == assign then return true end
  return (index.between(file.settings[var], loop.index, loop.last)
    or index.between(moves_of(file), loop.index, loop.last)) ~= nil
end

-- { var = the Assigns to its fields and the Unarys that ask for its length }
local function events_of(file)
  if file.events then return file.events end
  file.events = {}
  for _, node in ipairs(file.nodes) do
    for _, target in ipairs(node.tag == "Assign" and node.targets or {}) do
      local var = target.tag == "Index" and target.object.var
      if var then index.add(file.events, var, node) end
    end
    if node.tag == "Unary" and node.op == "#" and node.operand.var then
      index.add(file.events, node.operand.var, node)
    end
  end
  return file.events
end

-- The first #list behind `after`, in the same function and with nothing assigned between.
local function length_behind(file, var, after)
  local event = index.between(events_of(file)[var], after.last + 1, after.func.last)
  return event and event.tag == "Unary" and event or nil
end

-- list[i] = nil, and #list later
local function check_nil(file, assign, target, report)
  local var = target.object.tag == "Name" and target.object.var
  if not var or var.assigned then return end
  local within, loop = is_place_within(target.key, var)
  if not within or is_rebuilt(file, loop, var, assign) then return end
  local top = loop
  while true do
    local outer = tree.enclosing(top, tree.LOOPS, assign.func)
    if not outer then break end
    top = outer
  end
  local length = length_behind(file, var, top)
  if length then
    report("HOLES", length, ("#%s after %s[...] = nil in line %d: %s"):format(var.name, var.name,
      assign.line, HOLE_ADVICE))
  end
end

-- What ends the last item of a list in more values than one.
local SPREADS = { Call = true, Method = true, Vararg = true }

-- Is the key a place of a list: 1, 2 and so on?
local function is_place(key)
  return key.tag == "Number" and key.value ~= nil and key.value >= 1 and key.value % 1 == 0
end

-- Places of a list: the set `has` of them, their count, and how many at the front are known
-- to have nothing missing before them.
local function set_place(places, place, value)
  if (places.has[place] or false) == value then return end
  places.has[place] = value or nil
  places.count = places.count + (value and 1 or -1)
  if not value then places.front = math.min(places.front, place - 1) end
end

-- The places that a list has as it is written out; nil: that cannot be told.
local function written_places(list)
  local places, count = { has = {}, count = 0, front = 0 }, 0
  for i, item in ipairs(list.items) do
    if not item.key then
      count = count + 1
      set_place(places, count, true)
      if (i == #list.items and SPREADS[item.value.tag]) or tree.bare(item.value).tag == "Nil" then return nil end
    elseif is_place(item.key) then
      set_place(places, item.key.value, true)
    elseif item.key.tag ~= "String" or item.key.value == "n" then
      return nil
    end
  end
  return places
end

-- The last place, if one before it is missing.
local function last_behind_hole(file, places)
  while places.has[places.front + 1] do
    places.front = places.front + 1
    file.work:spend(1)
  end
  if places.front == places.count then return nil end
  local last = 0
  for place in pairs(places.has) do last = math.max(last, place) end
  return last
end

local LEAVES = { Return = true, Break = true, Goto = true }
local CONDITIONS = { Clause = true }

-- Is the assignment in a loop, or does it leave the block that it is in?
local function is_apart(assign, block)
  local statements = assign.parent.statements
  return tree.enclosing(assign, tree.LOOPS, block) ~= nil
    or (assign.parent ~= block and LEAVES[statements[#statements].tag]) or false
end

-- Notes list[2] = value among its places; false: what it does cannot be told.
local function note_place(file, places, var, block, target)
  local assign = target.parent
  if index.other_between(file.names[var], assign.index, assign.last, target.object) then return false end
  if target.key.tag == "String" then return target.key.value ~= "n" end
  if not is_place(target.key) or #assign.targets ~= #assign.values or is_apart(assign, block) then return false end
  local is_nil = tree.bare(assign.values[1]).tag == "Nil"
  if #assign.targets > 1 or (not is_nil and assign.parent ~= block) then return false end
  set_place(places, target.key.value, not is_nil)
  return true
end

-- Does the name, behind brackets and in tables, become the output of a node?
local function is_output(project, name)
  local node, parent = name, name.parent
  while parent.tag == "Paren" or parent.tag == "Item" or parent.tag == "Table" do
    node, parent = parent, parent.parent
  end
  return parent.tag == "Return" and project.roots[parent.func] == "node" and parent.values[1] ~= node
end

-- What a use of the list's name means: "write", "read", "length", or nil: who knows.
local function use_of(project, name)
  local parent = name.parent
  if parent.tag == "Index" and parent.object == name then
    return parent.is_target and "write" or "read"
  end
  if parent.tag == "Call" and tree.global(parent.callee, "unpack") and #parent.args > 1 then return "read" end
  return (is_measured(name) or is_output(project, name)) and "length" or nil
end

-- local t = { ... }: follows its places through the text up to where its length matters.
local function check_written(project, file, declared, var, report)
  local places, block = written_places(tree.bare(var.value)), declared.parent
  if not places then return end
  local jump = index.between(file.tags.Goto, declared.last + 1, block.last)
  for node in index.nodes(file.work, file.names[var], declared.last + 1, jump and jump.index or block.last) do
    local use = use_of(project, node)
    if not use or node.func ~= declared.func then return end
    if use == "write" and not note_place(file, places, var, block, node.parent) then return end
    local last = use == "length" and last_behind_hole(file, places)
    if last then
      return report("HOLES", node, ("%s has something at %d, but not at every place before it: %s")
        :format(var.name, last, HOLE_ADVICE))
    end
    if node.parent.tag == "Call" and is_move(node.parent) then return end
  end
end

-- Does anything else than the assignment of nil touch the list's places, or ask for them
-- before: then its author knows how long it is?
local function is_known_otherwise(file, var, assign)
  local func, clause = assign.func, tree.enclosing(assign, CONDITIONS)
  while clause do
    if clause.condition
      and index.between(file.names[var], clause.condition.index, clause.condition.last) then
      return true
    end
    clause = tree.enclosing(clause, CONDITIONS)
  end
  return (index.other_between(file.writes[var], func.index, func.last, assign)
    or index.between(file.arguments[var], func.index, func.last)) ~= nil
end

-- t[2] = nil of a list from elsewhere, and #t later
local function check_taken(file, assign, target, report)
  local var = target.object.tag == "Name" and target.object.var
  if not var or var.assigned or not is_place(target.key) or #assign.targets > 1
    or (var.value and tree.bare(var.value).tag == "Table") or var.func ~= assign.func
    or is_apart(assign, assign.func.body) or is_known_otherwise(file, var, assign) then
    return
  end
  local length = length_behind(file, var, assign)
  if length then
    report("HOLES", length, ("#%s after %s[%d] = nil in line %d: %s"):format(var.name, var.name,
      target.key.value, assign.line, HOLE_ADVICE))
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
        check_taken(file, assign, target, report)
      end
    end
  end
  for declared in tree.each(file, "Local") do
    for _, var in ipairs(declared.vars) do
      if not var.assigned and var.value and tree.bare(var.value).tag == "Table" then
        check_written(project, file, declared, var, report)
      end
    end
  end
end

return M
