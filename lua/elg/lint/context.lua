-- context: which expressions are ctx, ctx.artifact and their functions. Uses tree, index, steps, library.
--
-- ctx is the third parameter of a node, and the parameter of a function that a node hands it to;
-- what else may have that name is left alone.
local index = require "elg.lint.index"
local library = require "elg.lint.library"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

-- Puts the parameters that a call hands the variable on to at the end of the list.
local function hand_on(project, file, call, var, list, seen)
  local func, args = steps.applied(project, file, call)
  for place, arg in ipairs(func and args or {}) do
    local param = tree.bare(arg).var == var and func.params[place]
    if param and not param.assigned and not seen[param] then
      seen[param] = true
      list[#list + 1] = param
    end
  end
end

-- variables(project): { variable = true } of the parameters that are ctx.
function M.variables(project)
  if project.ctx_variables then return project.ctx_variables end
  local seen, list = {}, {}
  for _, func in pairs(project.node_functions) do
    local param = func.params[3]
    if param and not param.assigned and not seen[param] then
      seen[param] = true
      list[#list + 1] = param
    end
  end
  local i = 0
  while i < #list do -- each parameter comes once
    i = i + 1
    local file = list[i].func.file
    for call in index.nodes(file.work, file.arguments[list[i]], 1, #file.nodes) do
      hand_on(project, file, call, list[i], list, seen)
    end
  end
  project.ctx_variables = seen
  return seen
end

-- object_of(vars, node): what an expression is of ctx: the table of its members and its name; nil: neither
-- ctx nor ctx.artifact. vars: what variables gives.
function M.object_of(vars, node)
  node = tree.value(node)
  if node.tag == "Name" and vars[node.var or false] then return library.ctx, "ctx" end
  if node.tag ~= "Index" or node.key.value ~= "artifact" then return nil end
  local object = tree.value(node.object)
  if object.tag == "Name" and vars[object.var or false] then return library.ctx.artifact, "ctx.artifact" end
end

-- function_of(vars, call): "http" or "artifact.read", if a Call is of ctx.http or ctx.artifact.read; nil: of
-- nothing that ctx has.
function M.function_of(vars, call)
  local callee = tree.value(call.callee)
  if callee.tag ~= "Index" or callee.key.tag ~= "String" then return nil end
  local members = M.object_of(vars, callee.object)
  local name = callee.key.value
  if not members or type(members[name]) ~= "table" or not members[name][1] then return nil end
  return members == library.ctx and name or "artifact." .. name
end

return M
