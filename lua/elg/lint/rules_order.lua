-- rules_order: what depends on the order of pairs and next, which is by key here and any
-- elsewhere. Uses tree, steps, numbers.
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
  local parent = call.parent
  while parent.tag == "Paren" do parent = parent.parent end
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

-- The set of variables that a turn of the loop gives: its own, and those within it that are
-- made of them.
local function variables_of(file, loop)
  local found = {}
  for _, var in ipairs(loop.vars) do found[var] = true end
  for i = loop.body.index, loop.last do
    local node = file.nodes[i]
    local made = node.vars or (node.tag == "ForNumber" and { node.var }) or {}
    for _, target in ipairs(node.tag == "Assign" and node.targets or {}) do
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

-- A place that outlives the loop: a variable from outside of it, or a member of the state
-- under names that are written out: { name, var or key }; nil: it is neither.
local function place_of(project, loop, node)
  node = tree.bare(node)
  if node.tag == "Name" then
    local var = node.var
    return var and var.declared and not is_inside(var, loop) and { name = var.name, var = var } or nil
  end
  local names, at = {}, node
  while at.tag == "Index" and (at.key.tag == "String" or at.key.tag == "Number") do
    table.insert(names, 1, tostring(at.key.value))
    at = tree.value(at.object)
  end
  if #names == 0 or not steps.is_parameter(project, at, "state", 1) or not steps.root(project, at) then
    return nil
  end
  return { name = at.name .. "." .. table.concat(names, "."), key = names[#names], state = at.var }
end

local function is_place(project, loop, node, place)
  local other = place_of(project, loop, node)
  return other and other.name == place.name and other.var == place.var or false
end

-- Is the place an operand of the chain of `..`, or of arithmetic?
local function is_operand(project, loop, value, place, is_joint)
  local stack = { value }
  while #stack > 0 do
    local at = tree.bare(table.remove(stack))
    if is_place(project, loop, at, place) then return true end
    if is_joint(at) then stack[#stack + 1], stack[#stack + 2] = at.left, at.right end
  end
  return false
end

local function is_concat(node)
  return node.tag == "Binary" and node.op == ".."
end

-- list[#list + 1] = value, text = text .. value, table.insert(list, value): the place, and
-- what is added to it.
local function grown(project, loop, statement)
  if statement.tag == "Call" then
    local known = tree.global(statement.callee, "table.insert") and #statement.args == 2
    return known and place_of(project, loop, statement.args[1]) or nil, statement.args[2]
  end
  if statement.tag ~= "Assign" or #statement.targets ~= 1 then return nil end
  local target, value = statement.targets[1], tree.bare(statement.values[1])
  local key = target.tag == "Index" and target.key
  if key and key.tag == "Binary" and key.op == "+" and key.left.tag == "Unary" and key.left.op == "#" then
    local place = place_of(project, loop, target.object)
    return place and is_place(project, loop, key.left.operand, place) and place or nil, value
  end
  local place = is_concat(value) and place_of(project, loop, target)
  return place and is_operand(project, loop, value, place, is_concat) and place or nil, value
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

-- Does a member of the state stay as it is behind node `from` of the function: neither
-- assigned again, nor sorted, nor the state given to another function?
local function is_kept(project, file, place, from, loop, func)
  for i = from, func.last do
    local node = file.nodes[i]
    if node.tag == "Assign" then
      for _, target in ipairs(node.targets) do
        if is_place(project, loop, target, place) then return false end
      end
    elseif node.tag == "Name" and node.var == place.state and node.parent.tag ~= "Index" then
      return false
    end
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

-- "order" if the assignment keeps the value in the state.
local function use_in_assign(project, file, loop, assign, value)
  for i, target in ipairs(assign.targets) do
    local place = assign.values[i] == value and place_of(project, loop, target)
    if place and place.state then
      return is_kept(project, file, place, assign.last + 1, loop, assign.func) and "order" or "other"
    end
  end
  return "other"
end

-- "order": the use shows the order; "other": who knows; nil: it does not.
local function use_of(project, file, loop, name)
  local parent = name.parent
  while is_through(parent) do
    name, parent = parent, parent.parent
  end
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

-- Is what the place holds behind the loop shown from there on, for certain?
local function is_shown(project, file, loop, place)
  if not place.var then return is_kept(project, file, place, loop.last + 1, loop, loop.func) end
  local shown = false
  for i = loop.last + 1, place.var.declared.parent.last do
    local name = file.nodes[i]
    if name.tag == "Name" and name.var == place.var then
      local use = use_of(project, file, loop, name)
      if use == "other" then return false end
      shown = shown or use == "order"
    end
  end
  return shown
end

-- for k, v in pairs(t) do list[#list + 1] = k end, and nothing sorts the list.
local function check_grown(project, file, loop, turn, report)
  for i = loop.body.index, loop.last do
    local statement = file.nodes[i]
    local place, value = grown(project, loop, statement)
    if place and mentions(file, value, turn) and is_shown(project, file, loop, place) then
      report("PAIRS_ORDER", statement, place.name .. " grows " .. ORDER .. "sort it, if it matters")
    end
  end
end

-- Does a function have calls with effects in it?
local function has_effect(project, func)
  for call in tree.each(func.file, "Call", func) do
    if steps.is_effect(project, call) then return true end
  end
  return false
end

-- for k, v in pairs(t) do ctx.http { url = v } end
local function check_calls(project, file, loop, turn, report)
  for call in tree.each(file, "Call", loop.body) do
    if call.func == loop.func and any_mentions(file, call.args, turn) then
      local helper = steps.resolve(project, file, call.callee)
      if steps.is_effect(project, call) or (helper and has_effect(project, helper)) then
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
  for i = node.index, node.last do
    local at = file.nodes[i]
    if UNCLEAR[at.tag] or (at.tag == "Binary" and (at.op == "==" or at.op == "~="))
      or (at.tag == "Unary" and at.op == "not") then
      return true
    end
  end
  return false
end

-- Conditions under which a statement of the loop is executed in each turn; nil: it is within
-- another loop or function.
local function conditions_of(loop, statement)
  local found, at = {}, statement
  while at ~= loop.body do
    local parent = at.parent
    if not PLAIN[parent.tag] then return nil end
    if parent.tag == "If" then
      for _, clause in ipairs(parent.clauses) do
        found[#found + 1] = clause.condition
        if clause == at then break end
      end
    end
    at = parent
  end
  return found
end

-- Does the condition hold for several keys, as far as its text says: a comparison by size of
-- what the turn gives, with what no turn changes?
local function is_for_several(project, file, loop, turn, condition)
  if has_unclear(file, condition) then return false end
  for assign in tree.each(file, "Assign", loop.body) do
    for _, target in ipairs(assign.targets) do
      local place = place_of(project, loop, target)
      for i = condition.index, place and condition.last or 0 do
        if is_place(project, loop, file.nodes[i], place) then return false end
      end
    end
  end
  for comparison in tree.each(file, "Binary", condition) do
    if COMPARES[comparison.op] and mentions(file, comparison, turn) then return true end
  end
  return false
end

-- Is the statement executed in several turns, so that the order says what it leaves?
local function is_of_several_turns(project, file, loop, turn, statement)
  local conditions = conditions_of(loop, statement)
  if not conditions then return false end
  for _, condition in ipairs(conditions) do
    if not is_for_several(project, file, loop, turn, condition) then return false end
  end
  return #conditions > 0 or (not is_first_turn(file, loop, turn) and not tree.each(file, "Goto", loop.body)())
end

-- x = x or value: the first one stays.
local function kept_first(project, loop, value, place)
  return value.tag == "Binary" and value.op == "or" and is_place(project, loop, value.left, place)
    and value.right or value
end

local function check_last(project, file, loop, turn, assign, report)
  for i, target in ipairs(assign.targets) do
    local place = assign.values[i] and place_of(project, loop, target)
    local value = place and kept_first(project, loop, tree.bare(assign.values[i]), place)
    if place and mentions(file, value, turn) and not has_unclear(file, value)
      and is_of_several_turns(project, file, loop, turn, assign) then
      for k = value.index, value.last do
        if is_place(project, loop, file.nodes[k], place) then return end
      end
      if is_shown(project, file, loop, place) then
        report("PAIRS_ORDER", assign, place.name .. " keeps what one turn gives " .. ORDER
          .. "say which one you mean")
      end
    end
  end
end

-- if v > 3 then return nil, k end
local function check_return(project, file, loop, turn, ret, report)
  if ret.func == loop.func and project.roots[ret.func] == "node" and ret.parent ~= loop.body
    and any_mentions(file, ret.values, turn) and is_of_several_turns(project, file, loop, turn, ret) then
    report("PAIRS_ORDER", ret, "returns what one turn gives " .. ORDER .. "say which one you mean")
  end
end

-- Does rounding matter in the sum: has it, its start or the table fractions that are not exact?
local function is_rounded(file, loop, value, place)
  local start, list = place.var and place.var.value, tree.value(walked(loop))
  if start and numbers.is_inexact(start) then return true end
  for i = value.index, value.last do
    local node = file.nodes[i]
    if numbers.is_inexact(node) or (node.tag == "Binary" and node.op == "/"
      and not numbers.is_power_of_two(node.right)) then
      return true
    end
  end
  for _, item in ipairs(list.tag == "Table" and list.items or {}) do
    if numbers.is_inexact(item.value) then return mentions(file, value, { [loop.vars[2] or 0] = true }) end
  end
  return false
end

-- for _, v in pairs(t) do sum = sum + v / 3 end
local function check_sum(project, file, loop, turn, assign, report)
  local value = #assign.targets == 1 and tree.bare(assign.values[1])
  local place = value and numbers.is_arithmetic(value) and place_of(project, loop, assign.targets[1])
  if place and mentions(file, value, turn) and is_operand(project, loop, value, place, numbers.is_arithmetic)
    and is_rounded(file, loop, value, place) and is_shown(project, file, loop, place) then
    report("PAIRS_ORDER", assign, place.name .. " adds up fractions, whose rounding depends on it, " .. ORDER
      .. "go through sorted keys, or count in whole units")
  end
end

local function check_loop(project, file, loop, report)
  local turn = variables_of(file, loop)
  if is_first_turn(file, loop, turn) then
    report("NEXT_FIRST", loop, "relies on which key pairs gives first: " .. FIRST_ADVICE)
  end
  check_grown(project, file, loop, turn, report)
  check_calls(project, file, loop, turn, report)
  for assign in tree.each(file, "Assign", loop.body) do
    if assign.func == loop.func then
      check_last(project, file, loop, turn, assign, report)
      check_sum(project, file, loop, turn, assign, report)
    end
  end
  for ret in tree.each(file, "Return", loop.body) do check_return(project, file, loop, turn, ret, report) end
end

-- Order of iteration that would not be the same elsewhere.
function M.order(project, file, report)
  for call in tree.each(file, "Call") do check_next(call, report) end
  for loop in tree.each(file, "ForIn") do
    if walked(loop) then check_loop(project, file, loop, report) end
  end
end

return M
