-- lint: warnings about a graph's Lua that loads, but hardly does what is meant. A helper
-- for authors: it knows only what can be told from the text, and leaves alone what cannot.
-- Uses the files beside it. Knows nothing of hosts: it is given texts.
local rules_calls = require "elg.lint.rules_calls"
local rules_edges = require "elg.lint.rules_edges"
local rules_holes = require "elg.lint.rules_holes"
local rules_order = require "elg.lint.rules_order"
local rules_state = require "elg.lint.rules_state"
local rules_sums = require "elg.lint.rules_sums"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FILES_MAX = 256 -- as the library's limit of a graph's files
local FINDINGS_MAX = 1000

-- Of each file, and of the graph as a whole.
local FILE_RULES = { rules_state.outer, rules_state.json, rules_holes.holes,
  rules_order.order, rules_sums.sums, rules_calls.endless, rules_calls.ctx,
  rules_calls.require, rules_calls.globals }
local GRAPH_RULES = { rules_edges.edges }

local function warning(code, path, line, text)
  return { level = "warning", code = code, where = ("%s:%d"):format(path, line), text = text,
    path = path, line = line }
end

-- The paths of modules that a file names in `require "name"`.
local function required_paths(file)
  local paths = {}
  for call in tree.each(file, "Call") do
    local name = tree.required(call)
    if name and name ~= "elg" then
      local path = name:gsub("%.", "/")
      paths[#paths + 1] = { path .. ".lua", path .. "/init.lua" }
    end
  end
  return paths
end

local function add_file(project, path, read, found)
  local text = read(path)
  if not text then return false end
  project.seen[path] = true
  project.count = project.count + 1
  local file, problem = tree.read(path, text)
  if file then
    project.files[path] = file
  else
    found[#found + 1] = warning("UNREADABLE", path, problem.line, problem.text
      .. ": the file is left out of this check")
  end
  return file or true
end

-- The entry and what it requires, as far as `read` has it.
local function add_files(project, paths, read, found)
  local queue = {}
  for _, path in ipairs(paths) do queue[#queue + 1] = { path } end
  local i = 0
  while i < #queue and project.count < FILES_MAX do
    i = i + 1
    for _, path in ipairs(queue[i]) do
      if project.seen[path] then break end
      local file = add_file(project, path, read, found)
      if type(file) == "table" then
        for _, more in ipairs(required_paths(file)) do queue[#queue + 1] = more end
      end
      if file then break end
    end
  end
end

-- is_ignored(ignores, line, code): does a comment of the file ask to leave it out?
local function is_ignored(file, line, code)
  local codes = file and file.ignores[line]
  return codes and (codes[code] or codes["*"]) or false
end

local function apply(project, rules, file, found)
  local function report(code, node, text, path)
    path = path or file.path
    if #found < FINDINGS_MAX and not is_ignored(project.files[path], node.line, code) then
      found[#found + 1] = warning(code, path, node.line, text)
    end
  end
  for _, rule in ipairs(rules) do rule(project, file, report) end
end

local function in_order(a, b)
  if a.path ~= b.path then return a.path < b.path end
  if a.line ~= b.line then return a.line < b.line end
  if a.code ~= b.code then return a.code < b.code end
  return a.text < b.text
end

local function sorted_paths(files)
  local paths = {}
  for path in pairs(files) do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

-- One finding for each place and code.
local function without_doubles(found)
  local kept = {}
  for _, finding in ipairs(found) do
    local before = kept[#kept]
    if not (before and before.where == finding.where and before.code == finding.code
      and before.text == finding.text) then
      kept[#kept + 1] = finding
    end
  end
  return kept
end

-- The library sees edges only: where a node may return nil as its key, it can end.
local function is_ending(project, path, line)
  if not project.can_end then return true end -- who knows
  for _, node in ipairs(project.described.nodes) do
    if node.line == line and path == project.entry.path and project.can_end[node.id] then
      return true
    end
  end
  return false
end

-- check(entry, read, described): findings { level = "warning", code, where = "path:line",
-- text, path, line } by file and line. entry: the graph's path, relative to its folder;
-- read(path): a file's text or nil; described: the decoded document of elg_graph_describe,
-- nil if the graph does not load (edges are not checked then). Second result:
-- ignored(path, line, code), whether a finding of the library is to be left out: a comment
-- there asks for it, or the text shows that it is not so.
function M.check(entry, read, described)
  local project = { files = {}, seen = {}, count = 0, described = described }
  local found, paths = {}, { entry }
  for path in pairs(described and described.sources or {}) do
    if path ~= entry then paths[#paths + 1] = path end
  end
  add_files(project, paths, read, found)
  project.entry = project.files[entry]
  if project.entry then
    steps.read(project)
    for _, path in ipairs(sorted_paths(project.files)) do
      apply(project, FILE_RULES, project.files[path], found)
    end
    apply(project, GRAPH_RULES, project.entry, found)
  end
  table.sort(found, in_order)
  return without_doubles(found), function(path, line, code)
    return is_ignored(project.files[path], line, code)
      or (code == "CANNOT_END" and is_ending(project, path, line))
  end
end

return M
