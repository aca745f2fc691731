-- rules_edges: the keys that nodes return against the graph's edges. Uses tree, steps. Needs
-- the loaded graph; a node whose keys cannot be told is left alone.
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

-- Values assigned to a local variable; nil if one cannot be told.
local function values_of(file, var)
  if var.kind ~= "local" or (not var.value and #var.declared.values > 0) then return nil end
  local values = { var.value }
  for _, assign in ipairs(file.assigns[var] or {}) do
    file.work:spend(1)
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
  for ret in tree.returns(func) do
    if ret.values[1] then push(look, ret.values[1], ret) else look.ends = true end
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
  while #look.stack > 0 do
    local at = table.remove(look.stack)
    func.file.work:spend(1)
    local reader = read[at.node.tag]
    if reader then reader(look, at.node, at.ret) else look.open = true end
  end
  return look
end

-- { from = { key = the Item of the edge } }, for edges whose ends are written out.
local function edge_places(project)
  local edges, places = project.edges_node and tree.value(project.edges_node), {}
  for _, item in ipairs(edges and edges.items or {}) do
    local fields = item.value.tag == "Table" and tree.fields(project.entry, item.value) or {}
    if fields.from and fields.key then
      local from, key = fields.from.value or false, fields.key.value or false
      places[from] = places[from] or {}
      places[from][key] = places[from][key] or item
    end
  end
  return places
end

local function edges_by_key(described)
  local found = {}
  for _, edge in ipairs(described.edges) do
    found[edge.from] = found[edge.from] or {}
    found[edge.from][edge.key] = true
  end
  return found
end

local function check_unused(project, edge, looks, places, report)
  local func = project.node_functions[edge.from]
  local look = func and looks[func]
  if not look or look.open or look.keys[edge.key] then return end
  local place = (places[edge.from] or {})[edge.key]
  report("UNUSED_EDGE", place or func, ("edge %q from %q: no return of the node gives that key")
    :format(edge.key, edge.from), (place and project.entry or func.file).path)
end

-- { Function = ids of the nodes that have it }, sorted.
local function ids_by_function(project)
  local ids = {}
  for id, func in pairs(project.node_functions) do
    ids[func] = ids[func] or {}
    table.insert(ids[func], id)
  end
  for _, list in pairs(ids) do table.sort(list) end
  return ids
end

-- A key is lost if no node that has the function has an edge for it.
local function check_missing(ids, look, edges, report)
  local known = {}
  for _, id in ipairs(ids) do
    for key in pairs(edges[id] or {}) do known[key] = true end
  end
  for key, ret in pairs(look.keys) do
    if not known[key] then
      report("NO_EDGE", ret, ("returns %q, but no edge from %q has that key: the run fails")
        :format(key, ids[1]), ret.func.file.path)
    end
  end
end

-- Ids of nodes from which one can be reached that may return nil, or whose keys cannot be
-- told: of these nobody can say that they go round for ever.
local function find_endings(project, looks)
  local can_end, before, queue = {}, {}, {}
  for _, node in ipairs(project.described.nodes) do
    local func = project.node_functions[node.id]
    local look = func and looks[func]
    can_end[node.id] = not look or look.open or look.ends or false
    if can_end[node.id] then queue[#queue + 1] = node.id end
  end
  for _, edge in ipairs(project.described.edges) do
    before[edge.to] = before[edge.to] or {}
    table.insert(before[edge.to], edge.from)
  end
  while #queue > 0 do
    for _, from in ipairs(before[table.remove(queue)] or {}) do
      if not can_end[from] then
        can_end[from] = true
        queue[#queue + 1] = from
      end
    end
  end
  return can_end
end

-- Edges that are never taken, and keys that no edge has. Leaves in project.can_end the ids
-- of nodes that the run can end behind.
function M.edges(project, _, report)
  if not project.described then return end
  local looks, edges, places = {}, edges_by_key(project.described), edge_places(project)
  for _, func in pairs(project.node_functions) do
    looks[func] = looks[func] or keys_of(project, func)
  end
  project.can_end = find_endings(project, looks)
  for _, edge in ipairs(project.described.edges) do
    check_unused(project, edge, looks, places, report)
  end
  for func, ids in pairs(ids_by_function(project)) do
    check_missing(ids, looks[func], edges, report)
  end
end

return M
