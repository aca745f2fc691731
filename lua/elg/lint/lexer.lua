-- lexer: the tokens of a Lua file (5.1 with what LuaJIT adds), and its comments that ask to
-- be quiet. Knows no grammar.
local M = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or
  repeat return then true until while]]):gmatch("%a+") do KEYWORDS[word] = true end

local ESCAPES = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v" }

-- Longest first.
local OPERATORS = { "^%.%.%.", "^%.%.", "^==", "^~=", "^<=", "^>=", "^::",
  "^[%+%-%*/%%%^#<>=%(%){}%[%];:,%.]" }

local function fail(line, text)
  error({ line = line, text = text }, 0)
end

local function count_lines(text, first, last)
  local _, count = text:sub(first, last):gsub("\n", "")
  return count
end

-- The end of a long bracket that begins at `at`, and where its content is; nil: it is none.
local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local first = at + #level + 2
  local stop, last = text:find("]" .. level .. "]", first, true)
  return last or 0, first, (stop or 0) - 1
end

-- "-- elg: ignore CODE, CODE": the set and the list of its codes, { ["*"] = true } for every
-- code, or nil. What stands behind the list is for people.
local function read_ignore(comment)
  local rest = comment:match("^%s*elg:%s*ignore%f[%W](.*)")
  if not rest then return nil end
  local codes, listed, at = {}, {}, 1
  while true do
    local code, stop = rest:match("^[%s,]*(%u[%u_]+)%f[^%w_]()", at)
    if not code then break end
    codes[code], listed[#listed + 1], at = true, code, stop
  end
  if #listed == 0 then codes["*"] = true end
  return codes, listed
end

-- A comment beside code speaks of its own line, one alone on its line of the next.
local function keep_ignore(lexer, comment)
  local codes, listed = read_ignore(comment)
  if not codes then return end
  for _, code in ipairs(listed) do
    table.insert(lexer.ignores.asked, { code = code, line = lexer.line })
  end
  local last = lexer.tokens[#lexer.tokens]
  local beside = last and last.line == lexer.line
  local line = beside and lexer.line or lexer.line + 1
  lexer.ignores[line] = lexer.ignores[line] or {}
  for code in pairs(codes) do lexer.ignores[line][code] = true end
end

local function skip_comment(lexer, at)
  local text = lexer.text
  local last = text:sub(at + 2, at + 2) == "[" and long_bracket(text, at + 2)
  if last then
    if last == 0 then fail(lexer.line, "a comment without an end") end
    lexer.line = lexer.line + count_lines(text, at, last)
    return last + 1
  end
  local stop = text:find("\n", at, true) or #text + 1
  keep_ignore(lexer, text:sub(at + 2, stop - 1))
  return stop
end

local function skip_blank(lexer, at)
  local text = lexer.text
  while true do
    local stop = text:match("^%s+()", at)
    if stop then
      lexer.line = lexer.line + count_lines(text, at, stop - 1)
      at = stop
    elseif text:find("^%-%-", at) then
      at = skip_comment(lexer, at)
    else
      return at
    end
  end
end

local function push(lexer, kind, value)
  lexer.tokens[#lexer.tokens + 1] = { kind = kind, value = value, line = lexer.line }
end

-- What the escape at `at` means, and where the text goes on.
local function escape(body, at)
  local hex, stop = body:match("^\\x(%x%x)()", at)
  if hex then return string.char(tonumber(hex, 16)), stop end
  local digits
  digits, stop = body:match("^\\(%d%d?%d?)()", at)
  if digits then return string.char(tonumber(digits) % 256), stop end
  stop = body:match("^\\z%s*()", at)
  if stop then return "", stop end
  local c = body:sub(at + 1, at + 1)
  return ESCAPES[c] or c, at + 2
end

local function unescape(body)
  local out, at = {}, 1
  while true do
    local stop = body:find("\\", at, true)
    if not stop then break end
    out[#out + 1] = body:sub(at, stop - 1)
    out[#out + 1], at = escape(body, stop)
  end
  return table.concat(out) .. body:sub(at)
end

local function read_string(lexer, at, quote)
  local text, stop = lexer.text, at + 1
  while true do
    stop = text:find("[\\\n" .. quote .. "]", stop)
    if not stop then fail(lexer.line, "a string without an end") end
    local c = text:sub(stop, stop)
    if c == quote then break end
    if c == "\n" then fail(lexer.line, "a string without an end") end
    stop = text:match("^\\z%s*()", stop) or stop + 2
  end
  push(lexer, "string", unescape(text:sub(at + 1, stop - 1)))
  lexer.line = lexer.line + count_lines(text, at, stop)
  return stop + 1
end

local function read_long_string(lexer, at)
  local last, first, content_last = long_bracket(lexer.text, at)
  if not last then return nil end
  if last == 0 then fail(lexer.line, "a string without an end") end
  push(lexer, "string", (lexer.text:sub(first, content_last):gsub("^\n", "")))
  lexer.line = lexer.line + count_lines(lexer.text, at, last)
  return last + 1
end

-- With an exponent, in hexadecimal, or one of LuaJIT's 64 bit and imaginary numbers.
local function read_number(lexer, at)
  local text = lexer.text
  local stop = text:match("^0[xX][%x%.]*()", at)
  if stop then
    stop = text:match("^[pP][+-]?%d+()", stop) or stop
  else
    stop = text:match("^[%d%.]+()", at)
    stop = text:match("^[eE][+-]?%d+()", stop) or stop
  end
  local value = tonumber(text:sub(at, stop - 1))
  local suffix = text:match("^[%w_]+", stop) or ""
  if not (suffix == "" or suffix:lower() == "ll" or suffix:lower() == "ull"
    or suffix:lower() == "i") or (not value and suffix == "") then
    fail(lexer.line, "a number that is none")
  end
  push(lexer, "number", suffix == "" and value or nil)
  return stop + #suffix
end

local function read_operator(lexer, at)
  for _, pattern in ipairs(OPERATORS) do
    local found = lexer.text:match(pattern, at)
    if found then
      push(lexer, found)
      return at + #found
    end
  end
  fail(lexer.line, ("an unexpected character %q"):format(lexer.text:sub(at, at)))
end

local function read_token(lexer, at)
  local text = lexer.text
  local c = text:sub(at, at)
  local word = text:match("^[%a_\128-\255][%w_\128-\255]*", at)
  if word then
    push(lexer, KEYWORDS[word] and word or "name", word)
    return at + #word
  end
  if c == '"' or c == "'" then return read_string(lexer, at, c) end
  if text:find("^%.?%d", at) then return read_number(lexer, at) end
  return c == "[" and read_long_string(lexer, at) or read_operator(lexer, at)
end

-- Every way in which Lua lets a line end, "\r" and "\r\n" too, as "\n".
local function with_plain_ends(text)
  if not text:find("\r", 1, true) then return text end
  return (text:gsub("[\r\n]+", function(ends)
    local count, at = 0, 1
    while at <= #ends do
      local pair = ends:sub(at, at + 1)
      at = at + ((pair == "\r\n" or pair == "\n\r") and 2 or 1)
      count = count + 1
    end
    return ("\n"):rep(count)
  end))
end

-- read(text): tokens { kind, value, line }, the last of kind "eof"; and by line the codes
-- that a comment asks to leave out there, with `asked`, a list of { code, line }. kind is
-- "name", "string", "number" or the keyword or operator itself. Raises { line, text }.
function M.read(text)
  text = with_plain_ends(text)
  local lexer = { text = text, line = 1, tokens = {}, ignores = { asked = {} } }
  local at = text:match("^\239\187\191()") or 1 -- a byte order mark
  at = text:match("^#[^\n]*()", at) or at
  while true do
    at = skip_blank(lexer, at)
    if at > #text then break end
    at = read_token(lexer, at)
  end
  push(lexer, "eof")
  return lexer.tokens, lexer.ignores
end

return M
