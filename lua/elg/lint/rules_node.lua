-- rules_node: what a node does with what it is given and what it returns: members of ctx and their
-- arguments, a state that is assigned to, results beyond the second. Uses tree, index, context,
-- library, near.
local context = require "elg.lint.context"
local index = require "elg.lint.index"
local library = require "elg.lint.library"
local near = require "elg.near"
local tree = require "elg.lint.tree"

local M = {}

local function names_of(members)
  local names = {}
  for name in pairs(members) do names[#names + 1] = name end
  for name in pairs(members == library.ctx and library.ctx_values or {}) do names[#names + 1] = name end
  return names
end

local function check_member(vars, node, report)
  local members, object = context.object_of(vars, node.object)
  local name = members and node.key.tag == "String" and node.key.value
  if not name or members[name] or (members == library.ctx and library.ctx_values[name]) then return end
  if node.is_target or tree.is_tested(node) then return end
  report("CTX_MEMBER", node, ("%s has no %s%s"):format(object, name, near.hint(name, names_of(members))))
end

local SPREADS = { Call = true, Method = true, Vararg = true }

local function count_text(range)
  if range[1] == range[2] then return range[1] == 0 and "none" or tostring(range[1]) end
  return ("%d to %d"):format(range[1], range[2])
end

-- ctx.rand(1, 6): how many arguments there are.
local function check_arguments(vars, call, report)
  local callee = tree.value(call.callee)
  local members, object = nil, nil
  if callee.tag == "Index" then members, object = context.object_of(vars, callee.object) end
  local range = members and members[callee.key.value]
  if type(range) ~= "table" or not range[1] then return end
  local last, count = call.args[#call.args], #call.args
  local is_open = last and SPREADS[last.tag]
  if (is_open and count - 1 or count) > range[2] or (not is_open and count < range[1]) then
    report("CTX_ARGUMENTS", call, ("%s.%s is given %d argument%s; it takes %s"):format(object, callee.key.value,
      count, count == 1 and "" or "s", count_text(range)))
  end
end

-- Names that ctx does not have, its functions called with a colon, or with more or fewer arguments than
-- they take.
function M.ctx(project, file, report)
  local vars = context.variables(project)
  for node in tree.each(file, "Index") do check_member(vars, node, report) end
  for call in tree.each(file, "Call") do check_arguments(vars, call, report) end
  for call in tree.each(file, "Method") do
    local _, object = context.object_of(vars, call.object)
    if object then
      report("CTX_ARGUMENTS", call, ("%s:%s hands %s over as an argument; write %s.%s(...)"):format(object, call.name,
        object, object, call.name))
    end
  end
end

-- Is the variable given away as a whole: returned, handed over, kept? Not by what is assigned to it.
local function gives(file, var)
  for name in index.nodes(file.work, file.bare[var], 1, #file.nodes) do
    local at = tree.enclosing(name, { Assign = true })
    local is_own = false
    for _, target in ipairs(at and at.targets or {}) do is_own = is_own or target.var == var end
    if not is_own then return true end
  end
  return false
end

local function is_given(file, var)
  if var.given == nil then var.given = gives(file, var) end
  return var.given
end

local function check_state(project, file, assign, report)
  for i, target in ipairs(assign.targets) do
    local var, value = target.var, assign.values[i] and tree.bare(assign.values[i])
    local is_state = var and var.kind == "parameter" and project.roots[var.func] == "node" and var.func.params[1] == var
    local is_default = value and value.tag == "Binary" and value.op == "or"
    if is_state and not is_default and not is_given(file, var) then
      report("STATE_LOST", target, ("assigns to the parameter %s, which changes no state; change its fields, or return "
        .. "{ state = ... }"):format(var.name))
    end
  end
end

-- `state = { ... }` in a node that does not return it.
function M.state(project, file, report)
  for assign in tree.each(file, "Assign") do check_state(project, file, assign, report) end
end

-- return key, output, more
function M.results(project, file, report)
  for ret in tree.each(file, "Return") do
    if #ret.values > 2 and project.roots[ret.func] == "node" then
      report("EXTRA_RESULT", ret, ("returns %d values: a node's are the edge's key and the output, the others are lost")
        :format(#ret.values))
    end
  end
end

return M
