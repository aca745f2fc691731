-- init_project: elg init. Makes a project: a graph, its test, and what editors need. The files
-- are embedded in the program: lua/elg/templates and lua/meta. Uses codes, sys.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local sys = require "elg.sys"

local M = {}

M.summary = "make a project: a graph, its test, settings"
M.usage = "elg init [FOLDER]"
M.args = { min = 0, max = 1 }
M.flags = { flags.common }
M.examples = {
  { "elg init", "in the current folder; no file is overwritten" },
  { "elg init greeting && cd greeting && elg check graph.lua && busted", "the first minute" },
  { "LUA_PATH=... LUA_CPATH=... busted", "busted needs an installed elg, or what make lua of its sources prints" },
}

-- Where each file comes from, in the order of their names in the report.
local FILES = {
  { "graph.lua", "elg.templates.graph" },
  { "spec/graph_spec.lua", "elg.templates.graph_spec" },
  { "README.md", "elg.templates.readme.md" },
  { ".luarc.json", "elg.templates.luarc.json" },
  { ".busted", "elg.templates.busted" },
  { ".gitignore", "elg.templates.gitignore" },
  { "meta/elg.lua", "meta.elg" },
  { "meta/testing.lua", "meta.testing" },
}
local FOLDERS = { "/spec", "/meta" }
local PARENTS_MAX = 256 -- folders above one

local function refuse_existing(folder)
  for _, file in ipairs(FILES) do
    local path = folder .. "/" .. file[1]
    if sys.kind(path) then
      codes.fail(codes.exit.usage, "is there already; nothing was written", path)
    end
  end
end

local function fail(message, path)
  codes.fail(codes.exit.unavailable, (tostring(message):gsub("^.*: ", "")), path)
end

-- Makes a folder and what is missing above it; `made` takes their names, the last first.
local function make_folder(path, made)
  local missing = {}
  for _ = 1, PARENTS_MAX do
    if path == "" or sys.kind(path) == "folder" then break end
    missing[#missing + 1] = path
    path = path:match("^(.*[^/])/+[^/]+/*$") or ""
  end
  for i = #missing, 1, -1 do
    local ok, message = sys.mkdir(missing[i])
    if not ok then fail(message, missing[i]) end
    table.insert(made, 1, missing[i])
  end
end

local function write_file(path, name, text)
  local file, message = io.open(path, "wb")
  local ok = file ~= nil
  if ok then ok, message = file:write(text) end
  if file then
    local closed, why = file:close()
    if ok and not closed then ok, message = closed, why end
  end
  if not ok then fail(message, name) end
end

-- Writes every file into the folder of drafts, which is in the project's: what fails, or is
-- killed here, leaves no file of the project.
local function write_drafts(folder, drafts)
  local embedded = require "elg.embedded"
  for _, part in ipairs(FOLDERS) do
    local ok, message = sys.mkdir(drafts .. part)
    if not ok then fail(message, folder .. part) end
  end
  for _, file in ipairs(FILES) do
    write_file(drafts .. "/" .. file[1], folder .. "/" .. file[1], embedded.text(file[2]))
  end
end

-- Gives the drafts their names; `made` takes these as well.
local function move_drafts(folder, drafts, made)
  for _, file in ipairs(FILES) do
    local path = folder .. "/" .. file[1]
    local ok, message = os.rename(drafts .. "/" .. file[1], path)
    if not ok then fail(message, path) end
    table.insert(made, 1, path)
  end
end

local function make_project(folder, made)
  make_folder(folder, made)
  local drafts, message = sys.mkdtemp(folder .. "/.elg-init-")
  if not drafts then fail(message, folder) end
  local ok, failure = pcall(function()
    write_drafts(folder, drafts)
    for _, part in ipairs(FOLDERS) do make_folder(folder .. part, made) end
    move_drafts(folder, drafts, made)
  end)
  sys.remove_tree(drafts)
  if not ok then error(failure, 0) end
end

-- Executes the command; the exit code.
function M.run(_, args, printer)
  local folder, made, written = ((args[1] or "."):gsub("([^/])/+$", "%1")), {}, {}
  if folder == "" then codes.fail(codes.exit.usage, "the folder has no name") end
  refuse_existing(folder)
  local ok, failure = pcall(make_project, folder, made)
  if not ok then
    for _, path in ipairs(made) do os.remove(path) end
    error(failure, 0)
  end
  for i, file in ipairs(FILES) do
    printer:text(folder .. "/" .. file[1])
    written[i] = json.quote(file[1])
  end
  if printer.json then
    printer:data(json.object { "files", { raw = "[" .. table.concat(written, ",") .. "]" },
      "folder", folder })
  end
  return codes.exit.done
end

return M
