-- rules_options: the tables of options that functions of ctx are given, and errors of calls that nobody
-- looks at. Uses tree, context, library, near.
--
-- Only tables that are written out are looked at: in the call, or in a local that is for it alone.
local context = require "elg.lint.context"
local library = require "elg.lint.library"
local near = require "elg.near"
local tree = require "elg.lint.tree"

local M = {}

-- The fields of a table that is written out for the call alone, and whether there are others; nil: it is
-- none.
local function written(file, arg)
  local node = tree.bare(arg)
  if tree.value(node).tag ~= "Table" then return nil end
  if node.tag == "Name" and #(file.bare[node.var] or {}) ~= 1 then return nil end
  return tree.fields(file, node)
end

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  return names
end

-- A field with a value that is there: false stands for several values.
local function is_set(field)
  return field and field.tag ~= "Nil" and field.tag ~= "False"
end

local function check_names(known, what, fields, report)
  for field, value in pairs(fields) do
    if not known[field] and value and value.tag ~= "Nil" then
      report("CTX_OPTION", value, ("%s takes no %s%s"):format(what, field, near.hint(field, names_of(known))))
    end
  end
end

-- Of ctx.all's { "http", { ... } } and { "call", name, request, { ... } }: `raise` and `reconcile` are for
-- single calls.
local function check_entry(file, entry, report)
  local kind = entry.tag == "Table" and entry.items[1] and tree.value(entry.items[1].value)
  local item = kind and entry.items[kind.value == "call" and 4 or 2]
  local options = kind and kind.tag == "String" and kind.value ~= "run" and library.options[kind.value]
  if not options or not item or item.key or entry.items[1].key then return end
  local fields, known = written(file, item.value), {}
  for name in pairs(options[2]) do known[name] = name ~= "raise" and name ~= "reconcile" or nil end
  if fields then check_names(known, ("ctx.all: %q"):format(kind.value), fields, report) end
end

local function check_options(vars, file, call, report)
  local name = context.function_of(vars, call)
  if name == "all" and call.args[1] then
    local list = tree.bare(call.args[1])
    for _, item in ipairs(list.tag == "Table" and list.items or {}) do
      check_entry(file, tree.bare(item.value), report)
    end
  end
  local place, known = unpack(library.options[name] or {})
  local arg = place and call.args[place]
  if not arg then return end
  local fields, is_open = written(file, arg)
  if not fields then return end
  check_names(known, "ctx." .. name, fields, report)
  local is_once = is_open or fields.at_most_once == false or is_set(fields.at_most_once)
  if name == "http" and is_set(fields.reconcile) and not is_once then
    report("CTX_OPTION", fields.reconcile, "reconcile is asked only where at_most_once = true: any other call is "
      .. "sent again, under its key")
  end
end

-- Names of options that a function of ctx does not take, and reconcile where it is never asked.
function M.options(project, file, report)
  local vars = context.variables(project)
  for call in tree.each(file, "Call") do check_options(vars, file, call, report) end
end

-- Functions that give nil, err, and at which place of the arguments `raise` may be.
local RAISE_AT = { http = 1, call = 3, run = 3, ["artifact.write"] = 2, ["artifact.read"] = 2 }

local SPREADS = { Call = true, Method = true, Vararg = true }

-- Does the text decide that the call raises nothing?
local function is_plain(file, call, place)
  local arg, last = call.args[place], call.args[#call.args]
  if not arg then return not (last and SPREADS[last.tag]) end
  local value = tree.value(arg)
  if value.tag == "String" or value.tag == "Nil" or (value.tag == "Binary" and value.op == "..") then return true end
  local fields, is_open = written(file, arg)
  return fields and not is_open and (fields.raise == nil or (fields.raise and not is_set(fields.raise)))
end

-- return nil, ctx.http "URL": the error is the third result.
function M.errors(project, file, report)
  local vars = context.variables(project)
  for ret in tree.each(file, "Return") do
    local last = ret.values[#ret.values]
    local name = #ret.values == 2 and project.roots[ret.func] == "node" and last.tag == "Call"
      and context.function_of(vars, last)
    if name and RAISE_AT[name] and is_plain(file, last, RAISE_AT[name]) then
      report("LOST_ERROR", last, ("ctx.%s gives nil, err if it fails, and a node's third result is lost: the output is "
        .. "null then; look at err, set raise = true, or write (ctx.%s(...)) if null is meant"):format(name, name))
    end
  end
end

return M
