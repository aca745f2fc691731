-- rules_edges: the keys that nodes return against the graph's edges. Uses tree, steps. Needs
-- the loaded graph; a node whose keys cannot be told is left alone.
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local LOOK_MAX = 200 -- expressions that one node's keys are looked for in

-- Values assigned to a local variable; nil if one cannot be told.
local function values_of(file, var)
  if var.kind ~= "local" or (not var.value and #var.declared.values > 0) then return nil end
  local values = { var.value }
  for assign in tree.each(file, "Assign") do
    for i, target in ipairs(assign.targets) do
      if target.var == var then
        if not assign.values[i] or #assign.values ~= #assign.targets then return nil end
        values[#values + 1] = assign.values[i]
      end
    end
  end
  return values
end

-- { next = key } as a node's only result.
local function next_of(result)
  for _, item in ipairs(result.items) do
    if not item.key or item.key.tag ~= "String" then return nil, true end
    if item.key.value == "next" then return item.value end
  end
end

local function push(look, node, ret)
  look.stack[#look.stack + 1] = { node = node, ret = ret }
end

local function push_returns(look, func)
  if look.seen[func] then return end
  look.seen[func] = true
  for ret in tree.each(func.file, "Return", func) do
    if ret.func == func then
      if ret.values[1] then push(look, ret.values[1], ret) else look.ends = true end
    end
  end
  look.ends = look.ends or tree.can_fall_off(func)
end

local read = {}

function read.String(look, node, ret)
  look.keys[node.value] = look.keys[node.value] or ret
end

function read.Nil(look)
  look.ends = true
end

-- `a and b` gives an edge's key only as b.
function read.Binary(look, node, ret)
  if node.op == "and" or node.op == "or" then
    push(look, node.right, ret)
    if node.op == "or" then push(look, node.left, ret) end
  else
    look.open = true
  end
end

function read.Paren(look, node, ret)
  push(look, node.inner, ret)
end

function read.Table(look, node, ret)
  local key, unclear = next_of(node)
  if unclear or node ~= ret.values[1] then look.open = true end
  if key then push(look, key, ret) elseif not unclear then look.ends = true end
end

function read.Name(look, node, ret)
  local values = node.var and not look.seen[node.var] and values_of(ret.func.file, node.var)
  if not values then
    look.open = look.open or not (node.var and look.seen[node.var])
    return
  end
  look.seen[node.var] = true
  for _, value in ipairs(values) do push(look, value, ret) end
end

-- return other(state): what that function gives.
function read.Call(look, node, ret)
  local func = #ret.values == 1 and ret.values[1] == node
    and steps.resolve(look.project, ret.func.file, node.callee)
  if func then push_returns(look, func) else look.open = true end
end

-- { keys = { key = the Return that gives it }, ends = true if nil is one, open = true if
-- there may be others }
local function keys_of(project, func)
  local look = { project = project, keys = {}, open = false, stack = {}, seen = {} }
  push_returns(look, func)
  for _ = 1, LOOK_MAX do
    local at = table.remove(look.stack)
    if not at then return look end
    local reader = read[at.node.tag]
    if reader then reader(look, at.node, at.ret) else look.open = true end
  end
  look.open = true
  return look
end

-- Where an edge is written, if its ends are.
local function edge_place(project, edge)
  local edges = project.edges_node and tree.value(project.edges_node)
  for _, item in ipairs(edges and edges.items or {}) do
    if item.value.tag == "Table" then
      local fields = tree.fields(project.entry, item.value)
      if fields.from and fields.from.value == edge.from and fields.key
        and fields.key.value == edge.key then
        return item
      end
    end
  end
end

local function edges_by_key(described)
  local found = {}
  for _, edge in ipairs(described.edges) do
    found[edge.from] = found[edge.from] or {}
    found[edge.from][edge.key] = true
  end
  return found
end

local function check_unused(project, edge, looks, report)
  local func = project.node_functions[edge.from]
  local look = func and looks[func]
  if not look or look.open or look.keys[edge.key] then return end
  local place = edge_place(project, edge)
  report("UNUSED_EDGE", place or func, ("edge %q from %q: no return of the node gives that key")
    :format(edge.key, edge.from), (place and project.entry or func.file).path)
end

-- A key is lost if no node that has the function has an edge for it.
local function check_missing(project, func, look, edges, report)
  for key, ret in pairs(look.keys) do
    local known, id = false, nil
    for node_id, other in pairs(project.node_functions) do
      if other == func then
        known = known or (edges[node_id] and edges[node_id][key])
        id = (not id or node_id < id) and node_id or id
      end
    end
    if not known then
      report("NO_EDGE", ret, ("returns %q, but no edge from %q has that key: the run fails")
        :format(key, id), ret.func.file.path)
    end
  end
end

-- Ids of nodes from which one can be reached that may return nil, or whose keys cannot be
-- told: of these nobody can say that they go round for ever.
local function find_endings(project, looks)
  local can_end, changed = {}, true
  for _, node in ipairs(project.described.nodes) do
    local func = project.node_functions[node.id]
    local look = func and looks[func]
    can_end[node.id] = not look or look.open or look.ends
  end
  while changed do
    changed = false
    for _, edge in ipairs(project.described.edges) do
      if can_end[edge.to] and not can_end[edge.from] then
        can_end[edge.from], changed = true, true
      end
    end
  end
  return can_end
end

-- Edges that are never taken, and keys that no edge has. Leaves in project.can_end the ids
-- of nodes that the run can end behind.
function M.edges(project, _, report)
  if not project.described then return end
  local looks, edges = {}, edges_by_key(project.described)
  for _, func in pairs(project.node_functions) do
    looks[func] = looks[func] or keys_of(project, func)
  end
  project.can_end = find_endings(project, looks)
  for _, edge in ipairs(project.described.edges) do
    check_unused(project, edge, looks, report)
  end
  for func, look in pairs(looks) do check_missing(project, func, look, edges, report) end
end

return M
