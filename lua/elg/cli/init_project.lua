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
local FOLDERS = { "", "/spec", "/meta" }

local function refuse_existing(folder)
  for _, file in ipairs(FILES) do
    local path = folder .. "/" .. file[1]
    if sys.kind(path) then
      codes.fail(codes.exit.usage, "is there already; nothing was written", path)
    end
  end
end

local function make_folders(folder)
  for _, part in ipairs(FOLDERS) do
    local ok, message = sys.mkdir(folder .. part)
    if not ok then codes.fail(codes.exit.unavailable, message, folder .. part) end
  end
end

local function write_file(path, text)
  local file, message = io.open(path, "wb")
  local ok = file ~= nil
  if ok then ok, message = file:write(text) end
  if file then
    local closed, why = file:close()
    if ok and not closed then ok, message = closed, why end
  end
  if not ok then
    codes.fail(codes.exit.unavailable, (tostring(message):gsub("^.*: ", "")), path)
  end
end

-- Executes the command; the exit code.
function M.run(_, args, printer)
  local embedded = require "elg.embedded"
  local folder = args[1] or "."
  refuse_existing(folder)
  make_folders(folder)
  local written = {}
  for i, file in ipairs(FILES) do
    write_file(folder .. "/" .. file[1], embedded.text(file[2]))
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
