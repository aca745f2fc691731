-- input: the inputs of runs, as --input gives them: JSON if it starts with { [ or ", - for
-- standard input, else a file; with --concurrency JSON Lines. Uses codes, sys.
local codes = require "elg.cli.codes"
local sys = require "elg.sys"

local M = {}

-- As the library's limit of one JSON text.
local TEXT_BYTES_MAX = 64 * 1024 * 1024

local function is_json(text)
  return text:find('^%s*[{%["]') ~= nil
end

local function too_large(where)
  codes.fail(codes.exit.invalid, ("has more than %d bytes; keep large data in an artifact")
    :format(TEXT_BYTES_MAX), where)
end

-- An open file and its name.
local function open(source)
  if source == "-" then return io.stdin, "standard input" end
  if sys.kind(source) == "folder" then
    codes.fail(codes.exit.unavailable, "is a folder, not a file", source)
  end
  local file, message = io.open(source, "rb")
  if not file then
    codes.fail(codes.exit.unavailable, (message:gsub("^.*: ", "")), source)
  end
  return file, source
end

-- The whole text of a source: JSON itself, a file's path, or "-".
function M.read_whole(source)
  if is_json(source) then return source end
  local file, name = open(source)
  local text, message = file:read(TEXT_BYTES_MAX + 1)
  if file ~= io.stdin then file:close() end
  if not text and message then codes.fail(codes.exit.unavailable, message, name) end
  if text and #text > TEXT_BYTES_MAX then too_large(name) end
  return text or ""
end

-- A function that gives the next line that is not blank, and its number; nil at the end.
local function text_lines(text)
  local at, number = 1, 0
  return function()
    while at <= #text do
      local stop = text:find("\n", at, true) or #text + 1
      local line = text:sub(at, stop - 1)
      at, number = stop + 1, number + 1
      if line:find("%S") then return line, number end
    end
  end
end

-- As text_lines, of a file that is read as it is needed, a piece at a time.
local function file_lines(file, name)
  local pending, at, number, over = "", 1, 0, false
  local function more()
    local piece = file:read(math.max(65536, #pending - at + 1))
    over = piece == nil
    pending, at = pending:sub(at) .. (piece or ""), 1
    if #pending > TEXT_BYTES_MAX then too_large(("%s, line %d"):format(name, number + 1)) end
  end
  return function()
    while not over or at <= #pending do
      local stop = pending:find("\n", at, true) or (over and #pending + 1)
      if not stop then
        more()
      else
        local line = pending:sub(at, stop - 1)
        at, number = stop + 1, number + 1
        if line:find("%S") then return line, number end
      end
    end
    file:close()
    return nil
  end
end

-- The lines of a source of JSON Lines: a function that gives text, number. Standard input
-- is read to its end first, so that waiting for it never holds up runs.
function M.lines(source)
  if is_json(source) or source == "-" then return text_lines(M.read_whole(source)) end
  local file, name = open(source)
  return file_lines(file, name)
end

return M
