-- lint: warnings about a graph's Lua that loads, but hardly does what is meant. A helper
-- for authors: it knows only what can be told from the text, and leaves alone what cannot.
-- Uses the files beside it, near. Knows nothing of hosts: it is given texts.
local index = require "elg.lint.index"
local rules_calls = require "elg.lint.rules_calls"
local rules_edges = require "elg.lint.rules_edges"
local rules_holes = require "elg.lint.rules_holes"
local rules_json = require "elg.lint.rules_json"
local rules_lists = require "elg.lint.rules_lists"
local rules_node = require "elg.lint.rules_node"
local rules_options = require "elg.lint.rules_options"
local rules_order = require "elg.lint.rules_order"
local rules_state = require "elg.lint.rules_state"
local rules_sums = require "elg.lint.rules_sums"
local steps = require "elg.lint.steps"
local tree = require "elg.lint.tree"

local M = {}

local FILES_MAX = 256 -- as the library's limit of a graph's files
local BYTES_MAX = 8 * 1024 * 1024 -- of all files together
local FINDINGS_MAX = 1000
-- What a rule may look at: so many nodes, and each node of the files so many times.
local WORK_MAX = 1000000
local WORK_PER_NODE = 40

-- Of the graph as a whole before its files, of each file, and of the graph behind them: a rule and
-- the codes of its findings.
local FIRST_RULES = { { rules_state.changes, "OUTER_CHANGE by a function" } }
local FILE_RULES = {
  { rules_state.outer, "OUTER_ASSIGN, OUTER_CHANGE, GLOBAL_ASSIGN" },
  { rules_json.json, "NOT_JSON, INVALID_RESULT" }, { rules_holes.holes, "HOLES" },
  { rules_order.order, "PAIRS_ORDER, NEXT_FIRST" }, { rules_lists.lists, "PAIRS_ORDER" },
  { rules_sums.sums, "FLOAT_EQUAL" },
  { rules_calls.endless, "ENDLESS_CALLS" }, { rules_calls.ctx, "CTX_SHADOWED, CTX_PLACE" },
  { rules_calls.unsupported, "UNSUPPORTED_CALL" },
  { rules_node.ctx, "CTX_MEMBER, CTX_ARGUMENTS" }, { rules_node.state, "STATE_LOST" },
  { rules_node.results, "EXTRA_RESULT" }, { rules_options.options, "CTX_OPTION" },
  { rules_options.errors, "LOST_ERROR" }, { rules_calls.require, "REQUIRE_IN_NODE" },
  { rules_calls.globals, "UNKNOWN_GLOBAL" },
}
local GRAPH_RULES = { { rules_edges.edges, "UNUSED_EDGE, NO_EDGE, CANNOT_END" } }
local OTHERS = "CANNOT_END, UNREACHABLE_NODE, CHECK_LIMIT, UNREADABLE, UNKNOWN_CODE"

local KNOWN = {} -- the set of all these codes
for _, codes in ipairs { FILE_RULES, GRAPH_RULES, { { nil, OTHERS } } } do
  for _, rule in ipairs(codes) do
    for code in rule[2]:gmatch("[%u_]+") do KNOWN[code] = true end
  end
end

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
  project.bytes = project.bytes + #text
  if project.bytes > BYTES_MAX then
    found[#found + 1] = warning("CHECK_LIMIT", path, 1, ("the file is left out of this check, which looks "
      .. "at %d MiB in all"):format(BYTES_MAX / 2 ^ 20))
    return true
  end
  local file, problem = tree.read(path, text, project.work)
  if file then
    project.files[path] = file
    project.node_count = project.node_count + #file.nodes
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

-- One finding for each file, line, code and text.
local function keep(project, found, finding)
  local key = finding.where .. "\0" .. finding.code .. "\0" .. finding.text
  if project.known[key] or is_ignored(project.files[finding.path], finding.line, finding.code) then return end
  project.known[key] = true
  if #found < FINDINGS_MAX then
    found[#found + 1] = finding
  else
    project.is_full = true
  end
end

-- Lets a rule look at a file, or at the graph. One that would look at too much says so in its place.
local function apply(project, rule, file, found)
  local path = file and file.path or project.entry.path
  local function report(code, node, text, other_path)
    keep(project, found, warning(code, other_path or path, node.line, text))
  end
  project.work:begin(WORK_MAX + WORK_PER_NODE * project.node_count)
  local ok, raised = pcall(rule[1], project, file, report)
  if ok then return end
  if raised ~= index.TOO_MUCH then error(raised, 0) end
  keep(project, found, warning("CHECK_LIMIT", path, 1, ("%s: only a part was looked at, because of how large "
    .. "and entangled %s; smaller functions and files are checked to the end"):format(rule[2],
    file and "the file is" or "the graph's files are together")))
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

-- Codes that a comment asks to leave out, and that nothing has.
local function check_ignores(project, file, found)
  for _, asked in ipairs(file.ignores.asked) do
    if not KNOWN[asked.code] then
      keep(project, found, warning("UNKNOWN_CODE", file.path, asked.line, ("elg: ignore %s: no warning has that code")
        :format(asked.code)))
    end
  end
end

-- The library sees edges only: where a node may return nil as its key, it can end.
local function is_ending(project, path, line)
  if not project.can_end then return true end -- who knows
  if not project.end_lines then
    project.end_lines = {}
    for _, node in ipairs(project.described.nodes) do
      if project.can_end[node.id] then project.end_lines[node.line] = true end
    end
  end
  return path == project.entry.path and project.end_lines[line] or false
end

-- check(entry, read, described): findings { level = "warning", code, where = "path:line",
-- text, path, line } by file and line. entry: the graph's path, relative to its folder;
-- read(path): a file's text or nil; described: the decoded document of elg_graph_describe,
-- nil if the graph does not load (edges are not checked then). Second result:
-- ignored(path, line, code), whether a finding of the library is to be left out: a comment
-- there asks for it, or the text shows that it is not so.
function M.check(entry, read, described)
  local project = { files = {}, seen = {}, count = 0, bytes = 0, node_count = 0, described = described,
    work = index.new_work(), known = {} }
  local found, paths = {}, { entry }
  for path in pairs(described and described.sources or {}) do
    if path ~= entry then paths[#paths + 1] = path end
  end
  add_files(project, paths, read, found)
  project.entry = project.files[entry]
  if project.entry then
    project.paths = sorted_paths(project.files)
    steps.read(project)
    for _, rule in ipairs(FIRST_RULES) do apply(project, rule, nil, found) end
    for _, path in ipairs(project.paths) do
      check_ignores(project, project.files[path], found)
      for _, rule in ipairs(FILE_RULES) do apply(project, rule, project.files[path], found) end
    end
    for _, rule in ipairs(GRAPH_RULES) do apply(project, rule, nil, found) end
  end
  if project.is_full then
    found[#found + 1] = warning("CHECK_LIMIT", entry, 1, ("more than %d warnings: the others are left out")
      :format(FINDINGS_MAX))
  end
  table.sort(found, in_order)
  return found, function(path, line, code)
    return is_ignored(project.files[path], line, code)
      or (code == "CANNOT_END" and is_ending(project, path, line))
  end
end

return M
