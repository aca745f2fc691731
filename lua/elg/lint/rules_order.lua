-- rules_order: what depends on the order of pairs and next, which is by key here and any
-- elsewhere. Uses tree, index, steps, numbers.
--
-- info: what is known of one loop: loop, turn (the set of variables that a turn gives), and
-- what is found out once for all of its statements.
local index = require "elg.lint.index"
local numbers = require "elg.lint.numbers"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FIRST_ADVICE = "it is the smallest key here, where pairs and next are sorted, and any in "
  .. "other Luas; say which one you mean"
local ORDER = "in the order of pairs: by key here, any in other Luas; "

-- local key = next(t): its value is used, not only whether there is one.
local function check_next(call, report)
  if not tree.global(call.callee, "next") or #call.args ~= 1 then return end
  local parent = tree.outer(call)
  if parent.tag == "Local" or parent.tag == "Assign" or parent.tag == "Return"
    or parent.tag == "Index" then
    report("NEXT_FIRST", call, "relies on which key next gives first: " .. FIRST_ADVICE)
  end
end

-- The table that a loop goes through with pairs, or with next; nil: it is another loop.
local function walked(loop)
  local first = tree.bare(loop.values[1])
  if tree.global(first, "next") then return loop.values[2] end
  return first.tag == "Call" and tree.global(first.callee, "pairs") and first.args[1] or nil
end

local function mentions(file, within, vars)
  for name in tree.each(file, "Name", within) do
    if name.var and vars[name.var] then return true end
  end
  return false
end

local function any_mentions(file, list, vars)
  for _, node in ipairs(list) do
    if mentions(file, node, vars) then return true end
  end
  return false
end

local function is_inside(var, loop)
  return (var.loop and tree.contains(loop, var.loop))
    or (var.declared and tree.contains(loop, var.declared)) or false
end

local MAKERS = { Local = true, Assign = true, ForIn = true, ForNumber = true }

-- The nodes of a file that give variables values, in order.
local function makers_of(file)
  if file.makers then return file.makers end
  file.makers = {}
  for _, node in ipairs(file.nodes) do
    if MAKERS[node.tag] then table.insert(file.makers, node) end
  end
  return file.makers
end

-- The set of variables that a turn of the loop gives: its own, and those within it that are
-- made of them.
local function variables_of(file, loop)
  local found = {}
  for _, var in ipairs(loop.vars) do found[var] = true end
  for node in index.nodes(file.work, makers_of(file), loop.body.index, loop.last) do
    local made = node.vars or (node.tag == "ForNumber" and { node.var }) or {}
    for _, target in ipairs(node.targets or {}) do
      if target.var and is_inside(target.var, loop) then made[#made + 1] = target.var end
    end
    if #made > 0 and any_mentions(file, node.values, found) then
      for _, var in ipairs(made) do found[var] = true end
    end
  end
  return found
end

-- for k, v in pairs(t) do use(k) break end
local function is_first_turn(file, loop, turn)
  local body = loop.body.statements
  local last = body[#body]
  return last and (last.tag == "Return" or last.tag == "Break") and mentions(file, loop.body, turn)
end

-- A member of the state under names that are written out: { name, key, state = its
-- variable }; nil: it is none.
local function member_of(project, file, node)
  local names, at = {}, tree.bare(node)
  while at.tag == "Index" and (at.key.tag == "String" or at.key.tag == "Number") do
    names[#names + 1] = tostring(at.key.value)
    file.work:spend(1)
    at = tree.value(at.object)
  end
  if #names == 0 or not steps.is_parameter(project, at, "state", 1) or not steps.root(project, at) then
    return nil
  end
  local key = names[1]
  for i = 1, math.floor(#names / 2) do names[i], names[#names + 1 - i] = names[#names + 1 - i], names[i] end
  return { name = at.name .. "." .. table.concat(names, "."), key = key, state = at.var }
end

-- A place that outlives the loop: a variable from outside of it, { name, var }, or a member
-- of the state; nil: it is neither. One place has one `id`.
local function place_of(project, file, loop, node)
  node = tree.bare(node)
  if node.tag == "Name" then
    local var = node.var
    return var and var.declared and not is_inside(var, loop) and { name = var.name, var = var, id = var } or nil
  end
  local member = member_of(project, file, node)
  if member then member.id = member.name end
  return member
end

local function is_place(project, file, loop, node, place)
  local other = place_of(project, file, loop, node)
  return other and other.id == place.id or false
end

-- Is the place an operand of the chain of `..`, or of arithmetic?
local function is_operand(project, file, loop, value, place, is_joint)
  local stack = { value }
  while #stack > 0 do
    local at = tree.bare(table.remove(stack))
    if is_place(project, file, loop, at, place) then return true end
    if is_joint(at) then stack[#stack + 1], stack[#stack + 2] = at.left, at.right end
  end
  return false
end

local function is_concat(node)
  return node.tag == "Binary" and node.op == ".."
end

-- list[#list + 1] = value, text = text .. value, table.insert(list, value): the place, and
-- what is added to it.
local function grown(project, file, loop, statement)
  if statement.tag == "Call" then
    local known = tree.global(statement.callee, "table.insert") and #statement.args == 2
    return known and place_of(project, file, loop, statement.args[1]) or nil, statement.args[2]
  end
  if statement.tag ~= "Assign" or #statement.targets ~= 1 then return nil end
  local target, value = statement.targets[1], tree.bare(statement.values[1])
  local key = target.tag == "Index" and target.key
  if key and key.tag == "Binary" and key.op == "+" and key.left.tag == "Unary" and key.left.op == "#" then
    local place = place_of(project, file, loop, target.object)
    return place and is_place(project, file, loop, key.left.operand, place) and place or nil, value
  end
  local place = is_concat(value) and place_of(project, file, loop, target)
  return place and is_operand(project, file, loop, value, place, is_concat) and place or nil, value
end

-- Keys under which any file may sort a list; ["*"] if that cannot be told of one.
local function sorted_keys(project)
  if project.sorted then return project.sorted end
  local found = {}
  for _, file in pairs(project.files) do
    for call in tree.each(file, "Call") do
      local list = tree.global(call.callee, "table.sort") and call.args[1] and tree.value(call.args[1])
      if list and list.tag ~= "Table" then
        found[list.tag == "Index" and list.key.tag == "String" and list.key.value or "*"] = true
      end
    end
  end
  project.sorted = found
  return found
end

-- { name of a member of the state = Assigns to it }
local function member_assigns(project, file)
  if file.members then return file.members end
  local members = {}
  for assign in tree.each(file, "Assign") do
    for _, target in ipairs(assign.targets) do
      local member = target.tag == "Index" and member_of(project, file, target)
      if member then index.add(members, member.name, assign) end
    end
  end
  file.members = members
  return members
end

-- Does a member of the state stay as it is behind node `from` of the function: neither
-- assigned again, nor sorted, nor the state given to another function?
local function is_kept(project, file, place, from, func)
  if index.between(member_assigns(project, file)[place.name], from, func.last)
    or index.between(file.bare[place.state], from, func.last) then
    return false
  end
  local sorted = sorted_keys(project)
  return not (sorted["*"] or sorted[place.key])
end

local IN_ORDER = { "table.concat", "unpack" }
local THROUGH = { Paren = true, Table = true, Item = true }

local function is_through(node)
  return THROUGH[node.tag] or is_concat(node) or numbers.is_arithmetic(node)
    or (node.tag == "Unary" and node.op == "-")
end

-- The whole that the node is a part of, through brackets, tables and operators.
local function outermost(file, node)
  local at, passed = node, {}
  while not at.whole and is_through(at.parent) do
    file.work:spend(1)
    passed[#passed + 1] = at
    at = at.parent
  end
  local whole = at.whole or at
  for _, part in ipairs(passed) do part.whole = whole end
  return whole
end

-- "order" if the assignment keeps the value in the state.
local function use_in_assign(project, file, loop, assign, value)
  for i, target in ipairs(assign.targets) do
    file.work:spend(1)
    local place = assign.values[i] == value and place_of(project, file, loop, target)
    if place and place.state then
      return is_kept(project, file, place, assign.last + 1, assign.func) and "order" or "other"
    end
  end
  return "other"
end

-- "order": the use shows the order; "other": who knows; nil: it does not.
local function use_of(project, file, loop, name)
  name = outermost(file, name)
  local parent = name.parent
  if parent.tag == "Return" then return project.roots[parent.func] == "node" and "order" or "other" end
  if parent.tag == "Unary" and parent.op == "#" then return nil end
  if parent.tag == "Index" then return parent.object == name and parent.key.value == 1 and "order" or nil end
  if parent.tag == "Assign" then return use_in_assign(project, file, loop, parent, name) end
  if parent.tag ~= "Call" then return "other" end
  if steps.is_effect(project, parent) and parent.callee ~= name then return "order" end
  for _, shown in ipairs(IN_ORDER) do
    if parent.args[1] == name and tree.global(parent.callee, shown) then return "order" end
  end
  return "other"
end

local function find_shown(project, file, loop, place)
  if not place.var then return is_kept(project, file, place, loop.last + 1, loop.func) end
  local shown = false
  for name in index.nodes(file.work, file.names[place.var], loop.last + 1, place.var.declared.parent.last) do
    local use = use_of(project, file, loop, name)
    if use == "other" then return false end
    shown = shown or use == "order"
  end
  return shown
end

-- Is what the place holds behind the loop shown from there on, for certain?
local function is_shown(project, file, info, place)
  local holder = place.state or place.var
  info.shown[holder] = info.shown[holder] or {}
  local shown = info.shown[holder]
  if shown[place.id] == nil then shown[place.id] = find_shown(project, file, info.loop, place) end
  return shown[place.id]
end

local GROWERS = { "Call", "Assign" }

-- for k, v in pairs(t) do list[#list + 1] = k end, and nothing sorts the list.
local function check_grown(project, file, info, report)
  for _, tag in ipairs(GROWERS) do
    for statement in tree.each(file, tag, info.loop.body) do
      local place, value = grown(project, file, info.loop, statement)
      if place and mentions(file, value, info.turn) and is_shown(project, file, info, place) then
        report("PAIRS_ORDER", statement, place.name .. " grows " .. ORDER .. "sort it, if it matters")
      end
    end
  end
end

-- for k, v in pairs(t) do ctx.http { url = v } end
local function check_calls(project, file, info, report)
  for call in tree.each(file, "Call", info.loop.body) do
    if call.func == info.loop.func and any_mentions(file, call.args, info.turn) then
      local helper = steps.resolve(project, file, call.callee)
      if steps.is_effect(project, call) or (helper and steps.has_effect(project, helper)) then
        report("PAIRS_ORDER", call, "calls that are recorded " .. ORDER
          .. "go through sorted keys, if it matters")
      end
    end
  end
end

local PLAIN = { Block = true, Do = true, If = true, Clause = true }
local COMPARES = { ["<"] = true, [">"] = true, ["<="] = true, [">="] = true }
local UNCLEAR = { Call = true, Method = true, Function = true, Goto = true }

local function has_unclear(file, node)
  file.work:spend(node.last - node.index)
  for i = node.index, node.last do
    local at = file.nodes[i]
    if UNCLEAR[at.tag] or (at.tag == "Binary" and (at.op == "==" or at.op == "~="))
      or (at.tag == "Unary" and at.op == "not") then
      return true
    end
  end
  return false
end

-- The set of places that are assigned to in the loop, by id.
local function assigned_places(project, file, info)
  if info.assigned then return info.assigned end
  local assigned = {}
  for assign in tree.each(file, "Assign", info.loop.body) do
    for _, target in ipairs(assign.targets) do
      local place = place_of(project, file, info.loop, target)
      if place then assigned[place.id] = true end
    end
  end
  info.assigned = assigned
  return assigned
end

-- Does the condition hold for several keys, as far as its text says: a comparison by size of
-- what the turn gives, with what no turn changes?
local function is_for_several(project, file, info, condition)
  if has_unclear(file, condition) then return false end
  local assigned = assigned_places(project, file, info)
  for i = condition.index, condition.last do
    local place = place_of(project, file, info.loop, file.nodes[i])
    if place and assigned[place.id] then return false end
  end
  for comparison in tree.each(file, "Binary", condition) do
    if COMPARES[comparison.op] and mentions(file, comparison, info.turn) then return true end
  end
  return false
end

-- The place of the first clause whose condition does not hold for several keys; behind the
-- last one if there is none.
local function first_single(project, file, info, statement)
  local found = info.singles[statement]
  if found then return found end
  for i, clause in ipairs(statement.clauses) do
    clause.place = i
    if not found and clause.condition and not is_for_several(project, file, info, clause.condition) then
      found = i
    end
  end
  info.singles[statement] = found or #statement.clauses + 1
  return info.singles[statement]
end

-- Is the statement executed in several turns, so that the order says what it leaves?
local function is_of_several_turns(project, file, info, statement)
  local at, conditional = statement, false
  while at ~= info.loop.body do
    local parent = at.parent
    if not PLAIN[parent.tag] then return false end -- within another loop or function
    if parent.tag == "If" then
      if first_single(project, file, info, parent) <= at.place then return false end
      conditional = true
    end
    file.work:spend(1)
    at = parent
  end
  return conditional or (not info.is_first and not info.has_goto)
end

-- x = x or value: the first one stays.
local function kept_first(project, file, loop, value, place)
  return value.tag == "Binary" and value.op == "or" and is_place(project, file, loop, value.left, place)
    and value.right or value
end

local function check_last(project, file, info, assign, report)
  local loop = info.loop
  for i, target in ipairs(assign.targets) do
    local place = assign.values[i] and place_of(project, file, loop, target)
    local value = place and kept_first(project, file, loop, tree.bare(assign.values[i]), place)
    if place and mentions(file, value, info.turn) and not has_unclear(file, value)
      and is_of_several_turns(project, file, info, assign) then
      for k = value.index, value.last do
        if is_place(project, file, loop, file.nodes[k], place) then return end
      end
      if is_shown(project, file, info, place) then
        report("PAIRS_ORDER", assign, place.name .. " keeps what one turn gives " .. ORDER
          .. "say which one you mean")
      end
    end
  end
end

-- if v > 3 then return nil, k end
local function check_return(project, file, info, ret, report)
  local loop = info.loop
  if ret.func == loop.func and project.roots[ret.func] == "node" and ret.parent ~= loop.body
    and any_mentions(file, ret.values, info.turn) and is_of_several_turns(project, file, info, ret) then
    report("PAIRS_ORDER", ret, "returns what one turn gives " .. ORDER .. "say which one you mean")
  end
end

-- Has the table that the loop goes through, as it is written out, fractions that are not exact?
local function has_fractions(info)
  if info.fractions == nil then
    local list = tree.value(walked(info.loop))
    info.fractions = false
    for _, item in ipairs(list.tag == "Table" and list.items or {}) do
      info.fractions = info.fractions or numbers.is_inexact(item.value) or false
    end
  end
  return info.fractions
end

-- Does rounding matter in the sum: has it, its start or the table fractions that are not exact?
local function is_rounded(file, info, value, place)
  local start = place.var and place.var.value
  if start and numbers.is_inexact(start) then return true end
  for i = value.index, value.last do
    local node = file.nodes[i]
    if numbers.is_inexact(node) or (node.tag == "Binary" and node.op == "/"
      and not numbers.is_power_of_two(node.right)) then
      return true
    end
  end
  return has_fractions(info) and mentions(file, value, { [info.loop.vars[2] or 0] = true })
end

-- for _, v in pairs(t) do sum = sum + v / 3 end
local function check_sum(project, file, info, assign, report)
  local loop = info.loop
  local value = #assign.targets == 1 and tree.bare(assign.values[1])
  local place = value and numbers.is_arithmetic(value) and place_of(project, file, loop, assign.targets[1])
  if place and mentions(file, value, info.turn) and is_operand(project, file, loop, value, place, numbers.is_arithmetic)
    and is_rounded(file, info, value, place) and is_shown(project, file, info, place) then
    report("PAIRS_ORDER", assign, place.name .. " adds up fractions, whose rounding depends on it, " .. ORDER
      .. "go through sorted keys, or count in whole units")
  end
end

local function check_loop(project, file, loop, report)
  local turn = variables_of(file, loop)
  local info = { loop = loop, turn = turn, shown = {}, singles = {}, is_first = is_first_turn(file, loop, turn),
    has_goto = index.between(file.tags.Goto, loop.body.index, loop.last) ~= nil }
  if info.is_first then
    report("NEXT_FIRST", loop, "relies on which key pairs gives first: " .. FIRST_ADVICE)
  end
  check_grown(project, file, info, report)
  check_calls(project, file, info, report)
  for assign in tree.each(file, "Assign", loop.body) do
    if assign.func == loop.func then
      check_last(project, file, info, assign, report)
      check_sum(project, file, info, assign, report)
    end
  end
  for ret in tree.each(file, "Return", loop.body) do check_return(project, file, info, ret, report) end
end

-- walked, mentions, variables_of, grown and use_of, as above: for lists that functions give.
M.walked, M.mentions, M.variables_of = walked, mentions, variables_of
M.grown, M.use_of = grown, use_of

-- Order of iteration that would not be the same elsewhere.
function M.order(project, file, report)
  for call in tree.each(file, "Call") do check_next(call, report) end
  for loop in tree.each(file, "ForIn") do
    if walked(loop) then check_loop(project, file, loop, report) end
  end
end

return M
