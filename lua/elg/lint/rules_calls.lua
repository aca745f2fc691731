-- rules_calls: ctx and what is called: endless calls, ctx hidden or misplaced, require in a
-- node, names that the sandbox does not have. Uses tree, steps, library.
local library = require "elg.lint.library"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local EFFECTS = { now = true, sleep = true, http = true, send = true, request = true,
  mcp = true, sql = true, wait = true, run = true, map = true, call = true, all = true, write = true, read = true }
local LOOPS = { While = true, Repeat = true, ForNumber = true, ForIn = true, Function = true }

local function is_ctx(project, node)
  return steps.is_parameter(project, tree.bare(node), "ctx", 3)
end

-- ctx.http(...), ctx.artifact.read(...), or ctx handed to a function.
local function is_activity(project, call)
  local callee = call.callee
  if callee.tag == "Index" and EFFECTS[callee.key.value] then
    local object = tree.bare(callee.object)
    if is_ctx(project, object) then return true end
    if object.tag == "Index" and object.key.value == "artifact" and is_ctx(project, object.object)
    then
      return true
    end
  end
  for _, arg in ipairs(call.args) do
    if is_ctx(project, arg) then return true end
  end
  return false
end

local ALWAYS = { True = true, Number = true, String = true }

local function is_endless(loop)
  if loop.tag == "While" then return ALWAYS[loop.condition.tag] end
  if loop.tag == "Repeat" then
    return loop.condition.tag == "False" or loop.condition.tag == "Nil"
  end
  return loop.tag == "ForNumber" and tree.global(loop.values[2], "math.huge")
end

-- Is there a way out of the loop but its condition?
local function has_exit(file, loop)
  for i = loop.index + 1, loop.last do
    local node = file.nodes[i]
    if node.tag == "Goto" then return true end
    if node.tag == "Return" and node.func == loop.func then return true end
    if node.tag == "Break" and tree.enclosing(node, LOOPS) == loop then return true end
    if node.tag == "Call" and (tree.global(node.callee, "error")
      or tree.global(node.callee, "assert")) then
      return true
    end
  end
  return false
end

local function check_loop(project, file, loop, report)
  if not is_endless(loop) or has_exit(file, loop) then return end
  for call in tree.each(file, "Call", loop) do
    if call.func == loop.func and is_activity(project, call) then
      return report("ENDLESS_CALLS", call, ("calls in a loop without an end (line %d): a step has "
        .. "at most 1,000; bound the loop, or go round by an edge"):format(loop.line))
    end
  end
end

-- Calls in loops without a bound.
function M.endless(project, file, report)
  for _, tag in ipairs { "While", "Repeat", "ForNumber" } do
    for loop in tree.each(file, tag) do check_loop(project, file, loop, report) end
  end
end

-- Variables named ctx that hide a parameter ctx. A function's own parameter is meant so.
local function check_hidden(node, vars, report)
  for _, var in ipairs(vars) do
    if var.name == "ctx" and var.hides and var.hides.kind == "parameter" then
      report("CTX_SHADOWED", node, ("hides the parameter ctx of line %d; give it another name")
        :format(var.hides.line))
    end
  end
end

-- node(state, input, ctx), when(state, output), initial(input)
local function check_places(func, kind, report)
  for i, var in ipairs(func.params) do
    if var.name == "ctx" and kind == "node" and i ~= 3 then
      report("CTX_PLACE", func, ("ctx is the third parameter of a node (state, input, ctx), here "
        .. "it is number %d"):format(i))
    elseif var.name == "ctx" and (kind == "when" or kind == "initial") then
      report("CTX_PLACE", func, ("`%s` is given no ctx; ask in a node and keep the answer")
        :format(kind))
    end
  end
end

-- ctx hidden by another variable, or expected where it is not.
function M.ctx(project, file, report)
  for node in tree.each(file, "Local") do check_hidden(node, node.vars, report) end
  for node in tree.each(file, "ForIn") do check_hidden(node, node.vars, report) end
  for node in tree.each(file, "ForNumber") do check_hidden(node, { node.var }, report) end
  for func in tree.each(file, "Function") do check_places(func, project.roots[func], report) end
end

-- Modules are loaded with the graph. One that was loaded is found again, so only the place
-- is wrong.
function M.require(project, file, report)
  for call in tree.each(file, "Call") do
    if tree.global(call.callee, "require") and steps.root(project, call) then
      report("REQUIRE_IN_NODE", call, "require within a node: modules are loaded with the graph; "
        .. "require it at the top of the file")
    end
  end
end

-- "print" or "os.getenv" for an expression that is called or indexed; nil: it is known.
local function unknown_name(node, assigned)
  if node.tag == "Name" and not node.var and not assigned[node.name] then
    local known = library.globals[node.name] or library.tables[node.name]
    return not known and node.name or nil
  end
  local object = node.tag == "Index" and tree.bare(node.object)
  if object and object.tag == "Name" and not object.var and not assigned[object.name]
    and node.key.tag == "String" then
    local names = library.tables[object.name]
    return names and not names[node.key.value] and object.name .. "." .. node.key.value or nil
  end
end

local USES = { Index = "object", Call = "callee", Method = "object" }

-- Names that some expression only asks for, such as `jit and jit.version`.
local function asked_names(file, assigned)
  local found = {}
  for _, tag in ipairs { "Name", "Index" } do
    for node in tree.each(file, tag) do
      local parent = node.parent
      if not (USES[parent.tag] and parent[USES[parent.tag]] == node) then
        local name = unknown_name(node, assigned)
        if name then found[name] = true end
      end
    end
  end
  return found
end

local function use_text(name)
  local instead = library.instead[name]
  return ("%s is not in the sandbox%s"):format(name, instead and "; " .. instead or "")
end

-- Globals that the sandbox does not have, where they are called or indexed.
function M.globals(project, file, report)
  local assigned = steps.assigned_globals(project)
  local asked = asked_names(file, assigned)
  for _, tag in ipairs { "Index", "Call", "Method" } do
    for node in tree.each(file, tag) do
      local name = unknown_name(node[USES[tag]], assigned)
      if name and not asked[name] then report("UNKNOWN_GLOBAL", node, use_text(name)) end
    end
  end
end

return M
