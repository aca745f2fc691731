-- served: which graphs a worker serves: those of the files it was given. Uses settings,
-- sys. A run carries its own code, so that the files are only checked and asked for ids.
local codes = require "elg.cli.codes"
local json = require "elg.json"
local settings = require "elg.cli.settings"
local sys = require "elg.sys"

local M = {}

-- The graph files that a path stands for: itself, or of a folder its files *.lua (not those
-- of folders in it, where modules may be).
local function files_of(path)
  local kind, message = sys.kind(path)
  if not kind then codes.fail(codes.exit.unavailable, message, path) end
  if kind ~= "folder" then return { path } end
  local files = {}
  for _, name in ipairs(codes.check(sys.names(path))) do
    local file = path .. "/" .. name
    if name:match("%.lua$") and sys.kind(file) == "file" then files[#files + 1] = file end
  end
  if #files == 0 then
    codes.fail(codes.exit.unavailable, "no graph in this folder: no file *.lua", path)
  end
  return files
end

-- The ids of the graphs of all `paths`, sorted; nil for nil: every graph. Ends the command
-- if one of the files is not a graph, or wrong.
function M.graph_ids(host, paths)
  if not paths or #paths == 0 then return nil end
  local seen, ids = {}, {}
  for _, path in ipairs(paths) do
    for _, file in ipairs(files_of(path)) do
      local graph = settings.open_graph(host, file)
      local id = codes.check(json.decode(codes.check(graph:describe()))).id
      graph:close()
      if not seen[id] then ids[#ids + 1] = id end
      seen[id] = true
    end
  end
  table.sort(ids)
  return ids
end

return M
