-- steps: which functions of a graph's files are executed in a step: nodes, `when`, `initial`
-- and what these call. Uses tree.
--
-- project: { files = { path = file }, entry = file, described = elg_graph_describe's document
-- or nil }; read adds roots = { Function = kind }, node_functions = { id = Function }, made =
-- { Function = true }.
-- kind: "node", "when", "initial" or "helper".
local tree = require "elg.lint.tree"

local M = {}

local function module_file(project, name)
  local path = name:gsub("%.", "/")
  return project.files[path .. ".lua"] or project.files[path .. "/init.lua"]
end

-- The Function in the field `name` of what `node` stands for, also in another file.
local function member(project, file, node, name)
  local module = tree.required(node)
  if module then
    local other = module_file(project, module)
    return other and other.exports[name]
  end
  local object = tree.bare(node)
  if object.tag ~= "Name" or not object.var or object.var.assigned then return nil end
  local field = (tree.fields(file, object))[name]
  local func = field and tree.value(field)
  return func and func.tag == "Function" and func or nil
end

-- resolve(project, file, node): the Function that an expression of `file` stands for, also
-- one of another file; nil if that cannot be told.
function M.resolve(project, file, node)
  local value = tree.value(node)
  if value.tag == "Function" then return value end
  if value.tag ~= "Index" or value.key.tag ~= "String" then return nil end
  return member(project, file, value.object, value.key.value)
end

-- applied(project, file, call): the Function that a Call or Method executes, also by pcall, and
-- its arguments; nil if that cannot be told.
function M.applied(project, file, call)
  local args = {}
  if call.tag == "Method" then
    args[1] = call.object
    for i, arg in ipairs(call.args) do args[i + 1] = arg end
    return member(project, file, call.object, call.name), args
  end
  if not (call.args[1] and tree.global(call.callee, "pcall")) then
    return M.resolve(project, file, call.callee), call.args
  end
  for i = 2, #call.args do args[i - 1] = call.args[i] end
  return M.resolve(project, file, call.args[1]), args
end

-- only_returned(func): the only value that a function returns; nil if there are several, or
-- none.
function M.only_returned(func)
  if func.only == nil then
    local count, found = 0, false
    for ret in tree.returns(func) do
      count, found = count + 1, #ret.values == 1 and ret.values[1]
    end
    func.only = count == 1 and found
  end
  return func.only or nil
end

-- What a call at the top of a file returns, if it is a value of its own: the node and its file.
local function made_value(project, file, node)
  local call = tree.value(node)
  if call.tag ~= "Call" or not call.func.main then return nil end
  local maker = M.resolve(project, file, call.callee)
  local made = maker and M.only_returned(maker)
  if made then return made, maker.file end
end

-- made(project, file, node): the Function that a Name, an Index or a Method stands for, which
-- was made when the file was loaded, by a function that returns it or a table with it:
-- `local count = counter()`. What it keeps is outside of every step. nil: none.
function M.made(project, file, node)
  local value, name = tree.value(node), node.name
  if node.tag ~= "Method" and value.tag ~= "Index" then
    local made = made_value(project, file, value)
    local func = made and tree.value(made)
    return func and func.tag == "Function" and func or nil
  end
  if node.tag ~= "Method" then
    node, name = value, value.key.value
  end
  local made, other = made_value(project, file, node.object)
  if not made then return nil end
  local field = name and (tree.fields(other, made))[name]
  local func = field and tree.value(field)
  return func and func.tag == "Function" and func or nil
end

-- The argument of elg.graph in a file; nil if there is none, or more than one.
local function graph_argument(file)
  local found
  for call in tree.each(file, "Call") do
    local callee = tree.bare(call.callee)
    if callee.tag == "Index" and callee.key.value == "graph"
      and tree.required(callee.object) == "elg" then
      if found then return nil end
      found = call.args[1]
    end
  end
  return found
end

-- A node's function out of what stands in `nodes`.
local function run_of(project, file, node)
  local value = tree.value(node)
  if value.tag == "Table" then
    local run = (tree.fields(file, node)).run
    return run and M.resolve(project, file, run)
  end
  return M.resolve(project, file, node)
end

-- Functions by node id as the text of the file says; not complete.
local function written_nodes(project, file, fields)
  local found = {}
  local nodes = fields.nodes and tree.fields(file, fields.nodes) or {}
  for id, node in pairs(nodes) do
    found[id] = node and run_of(project, file, node) or nil
  end
  return found
end

local function functions_by_line(project)
  local lines = {}
  for _, file in pairs(project.files) do
    for func in tree.each(file, "Function") do
      if not func.main then
        lines[func.line] = lines[func.line] or {}
        table.insert(lines[func.line], func)
      end
    end
  end
  return lines
end

-- The loaded graph knows each node's line: that decides where the text does not.
local function confirmed_nodes(project, written)
  local lines, found = functions_by_line(project), {}
  for _, node in ipairs(project.described.nodes) do
    local there = lines[node.line] or {}
    local mine = written[node.id]
    if #there == 1 then
      found[node.id] = there[1]
    elseif mine and mine.line == node.line then
      found[node.id] = mine
    end
  end
  return found
end

local function add_whens(project, file, edges)
  for item in tree.each(file, "Item", tree.value(edges)) do
    if item.key and item.key.value == "when" then
      local func = M.resolve(project, file, item.value)
      if func then project.roots[func] = "when" end
    end
  end
end

-- The Function that a node mentions, and whether it was made when a file was loaded.
local function mentioned_by(project, file, node)
  if node.tag == "Method" then
    local func = M.applied(project, file, node)
    if func then return func end
  elseif node.tag ~= "Name" and node.tag ~= "Index" then
    return nil
  end
  local func = node.tag ~= "Method" and M.resolve(project, file, node)
  if func then return func end
  return M.made(project, file, node), true
end

-- What functions in `roots` mention is executed with them.
local function add_helpers(project)
  local queue = {}
  for func in pairs(project.roots) do queue[#queue + 1] = func end
  local i = 0
  while i < #queue do -- each function comes once
    i = i + 1
    local func = queue[i]
    for k = func.index + 1, func.last do
      local mentioned, is_made = mentioned_by(project, func.file, func.file.nodes[k])
      if mentioned and is_made then project.made[mentioned] = true end
      if mentioned and not project.roots[mentioned]
        and not (mentioned.file == func.file and tree.contains(func, mentioned)) then
        project.roots[mentioned] = "helper"
        queue[#queue + 1] = mentioned
      end
    end
  end
end

-- read(project): finds the functions.
function M.read(project)
  project.roots, project.node_functions = {}, {}
  project.outermost, project.effects, project.made = {}, {}, {}
  local file = project.entry
  local argument = graph_argument(file)
  local fields = argument and tree.fields(file, argument) or {}
  local written = written_nodes(project, file, fields)
  project.edges_node = fields.edges or nil
  project.node_functions = project.described and confirmed_nodes(project, written) or written
  if fields.edges then add_whens(project, file, fields.edges) end
  local initial = fields.initial and M.resolve(project, file, fields.initial)
  if initial then project.roots[initial] = "initial" end
  for _, func in pairs(project.node_functions) do project.roots[func] = "node" end
  add_helpers(project)
end

-- assigned_globals(project): { name = true } of the globals that any file assigns to.
function M.assigned_globals(project)
  if project.assigned then return project.assigned end
  local found = {}
  for _, file in pairs(project.files) do
    for assign in tree.each(file, "Assign") do
      for _, target in ipairs(assign.targets) do
        if target.tag == "Name" and not target.var then found[target.name] = true end
      end
    end
  end
  project.assigned = found
  return found
end

local NO_ROOT = {}

-- root(project, node): the outermost function around a node that is executed in a step; nil:
-- none is.
function M.root(project, node)
  local found = node.func and project.outermost[node.func]
  if not found then
    found = NO_ROOT
    local func = node.func
    while func do
      if project.roots[func] then found = func end
      func = func.func
    end
    if node.func then project.outermost[node.func] = found end
  end
  return found ~= NO_ROOT and found or nil
end

-- root_of_made(project, node): the outermost function around a node that was made when its file
-- was loaded, and is executed in steps; nil: none.
function M.root_of_made(project, node)
  local func, found = node.func, nil
  while func and next(project.made) do
    if project.made[func] then found = func end
    func = func.func
  end
  return found
end

-- has_effect(project, func): has the function calls with effects in it?
function M.has_effect(project, func)
  local known = project.effects[func]
  if known == nil then
    known = false
    for call in tree.each(func.file, "Call", func) do
      known = known or M.is_effect(project, call)
    end
    project.effects[func] = known
  end
  return known
end

-- is_parameter(project, node, name, place): is an expression the parameter of that name, or
-- that place of a node's function?
function M.is_parameter(project, node, name, place)
  local var = node.tag == "Name" and node.var
  if not var or var.kind ~= "parameter" then return false end
  return var.name == name
    or (project.roots[var.func] == "node" and var.func.params[place] == var)
end

local EFFECTS = { now = true, sleep = true, http = true, send = true, request = true,
  mcp = true, sql = true, wait = true, run = true, map = true, call = true, all = true, write = true, read = true }

-- is_effect(project, call): is it ctx.http(...), ctx.artifact.read(...) or the like?
function M.is_effect(project, call)
  local callee = tree.value(call.callee)
  if callee.tag ~= "Index" or not EFFECTS[callee.key.value] then return false end
  local object = tree.value(callee.object)
  if object.tag == "Index" and object.key.value == "artifact" then object = tree.value(object.object) end
  return M.is_parameter(project, object, "ctx", 3)
end

-- is_activity(project, call): is it an effect, or is ctx handed to a function?
function M.is_activity(project, call)
  if M.is_effect(project, call) then return true end
  for _, arg in ipairs(call.args) do
    if M.is_parameter(project, tree.bare(arg), "ctx", 3) then return true end
  end
  return false
end

return M
