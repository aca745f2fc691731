-- input: the inputs of runs, as --input gives them: JSON if it starts with { [ or ", or is a
-- number, true, false or null; - for standard input; else a file (./1 is the file of that name);
-- with --concurrency JSON Lines. And how their errors are told. Uses codes, core, sys.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local json = require "elg.json"
local sys = require "elg.sys"

local M = {}

-- As the library's limit of one JSON text.
local TEXT_BYTES_MAX = 64 * 1024 * 1024
local PIECE_BYTES = 65536
local STDIN = 0
local ENOENT = 2

-- JSON's values of one word, between blanks.
local WORDS = { ["true"] = true, ["false"] = true, null = true }
local NUMBERS = { "^%-?%d+$", "^%-?%d+%.%d+$", "^%-?%d+[eE][+-]?%d+$", "^%-?%d+%.%d+[eE][+-]?%d+$" }
-- A text with a byte order mark is no file's name either: the library says what is wrong.
local BYTE_ORDER_MARK = "\239\187\191"

local function is_json(text)
  if text:find('^%s*[{%["]') or text:sub(1, #BYTE_ORDER_MARK) == BYTE_ORDER_MARK then return true end
  local word = text:match("^%s*(%S+)%s*$")
  if not word or WORDS[word] then return word ~= nil end
  for _, pattern in ipairs(NUMBERS) do
    if word:find(pattern) then return true end
  end
  return false
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
  local file, message, number = io.open(source, "rb")
  if file then return file, source end
  message = message:gsub("^.*: ", "")
  if number == ENOENT then
    message = ("%s; nor is it JSON, where a text has quotes: %s"):format(message, json.quote(source))
  end
  codes.fail(codes.exit.unavailable, message, source)
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

-- Where something is wrong: `where`, the library's place in a text, in the file that `source` names, or as it
-- is; `number` (may be nil) is the line of JSON Lines that the text is.
function M.place(source, where, number)
  local label, line, column, rest = where:match("^(%a* ?)line (%d+) column (%d+)(.*)$")
  local file = source ~= "-" and not is_json(source) and source
  if line and file then
    return ("%s:%s:%s%s"):format(file, number or line, column, (rest:gsub("^,", ":")))
  end
  if line then return ("%sline %s column %s%s"):format(label, number or line, column, rest) end
  if not number then return where end
  return (file and ("%s:%d"):format(file, number) or "input line " .. number)
    .. (where ~= "" and ": " .. where or "")
end

-- Several JSON texts, a line each, where one is expected?
local function is_lines(text)
  local first, more = text:match("^%s*([^\n]+)\n%s*(%S)")
  return more ~= nil and core.canonical(first) ~= nil
end

-- Ends the command for what a binding said of the text of a source: message, status name, where.
-- `lines` (may be nil) is how JSON Lines are asked for.
function M.fail(source, text, message, status, where, lines)
  local place = M.place(source, where)
  if lines and place ~= "" and status == "ELG_INVALID" and is_lines(text) then
    message = ("%s; of JSON Lines, %s makes a run of each line"):format(message, lines)
  end
  codes.fail_status(message, status, place)
end

-- As codes.check, of a binding that was given the text of a source.
function M.check(source, text, value, message, status, where)
  if value == nil then M.fail(source, text, message, status, where) end
  return value
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

-- As text_lines, of pieces as they are needed: read() gives the next one, nil at the end,
-- false if there is none yet; then so does this.
local function piece_lines(read, name)
  local parts, held, piece, at, number, over = {}, 0, "", 1, 0, false
  -- Keeps the beginning of a line whose end is not read.
  local function hold()
    parts[#parts + 1] = piece:sub(at)
    held, piece, at = held + #piece - at + 1, "", 1
    if held > TEXT_BYTES_MAX then too_large(("%s, line %d"):format(name, number + 1)) end
  end
  local function take(stop)
    local line = table.concat(parts) .. piece:sub(at, stop - 1)
    parts, held, at, number = {}, 0, stop + 1, number + 1
    return line
  end
  return function()
    while not over do
      local stop = piece:find("\n", at, true)
      if not stop then
        hold()
        local more = read()
        if more == false then return false end
        piece, over = more or "", more == nil
        stop = over and 1
      end
      local line = stop and take(stop)
      if line and line:find("%S") then return line, number end
    end
  end
end

-- Pieces of standard input, without waiting for them.
local function read_stdin()
  if sys.poll(STDIN, 0) ~= "ready" then return false end
  local text, message = sys.read(STDIN, PIECE_BYTES)
  if not text then codes.fail(codes.exit.unavailable, message, "standard input") end
  return text ~= "" and text or nil
end

-- Pieces of a file, which is closed behind the last.
local function file_reader(file)
  return function()
    local text = file:read(PIECE_BYTES)
    if not text then file:close() end
    return text
  end
end

-- A function that gives line, number for every line of a source of JSON Lines, waiting for
-- those of standard input; nil at the end.
function M.whole_lines(source)
  local next_line, fd = M.lines(source)
  return function()
    local text, number = next_line()
    while text == false do
      if sys.poll(fd, -1) == "signal" then return nil end
      text, number = next_line()
    end
    return text, number
  end
end

-- The lines of a source of JSON Lines: a function that gives text, number; nil at the end;
-- of standard input false while there is no line yet, and its descriptor comes second.
function M.lines(source)
  if is_json(source) then return text_lines(source) end
  if source == "-" then return piece_lines(read_stdin, "standard input"), STDIN end
  local file, name = open(source)
  return piece_lines(file_reader(file), name)
end

return M
