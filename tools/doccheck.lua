-- doccheck: every file opens with a comment, every function of a header and every function
-- that a Lua module exports has one. Arguments: files.

local wrong = 0

local function complain(file, line, text)
  wrong = wrong + 1
  io.stderr:write(("%s:%d: %s\n"):format(file, line, text))
end

local function read_lines(file)
  local lines = {}
  for line in io.lines(file) do lines[#lines + 1] = line end
  return lines
end

-- A declaration as Lua's C functions have it; a header may list dozens under one comment.
local function is_lua_function(line)
  return line:match("^int elg_[%w_]+%(lua_State %*L%);$") ~= nil
end

-- True if going up from line i, over declarations without a blank line between, there is
-- a comment: a group may share one.
local function has_comment_above(lines, i)
  for k = i - 1, 1, -1 do
    if lines[k]:match("%*/%s*$") then return true end
    local blank = lines[k]:match("^%s*$")
    if blank and not (is_lua_function(lines[i]) and is_lua_function(lines[k - 1] or "")) then
      return false
    end
  end
  return false
end

-- The pairs whose meaning is the same everywhere, and headers that one folder keeps to
-- itself, need no words.
local PAIRS = { init = true, fini = true, create = true, destroy = true, open = true,
  close = true, begin = true, ["end"] = true }

-- Function declarations stand in the first column and have a name before the bracket.
local function check_header(file, lines)
  for i, line in ipairs(lines) do
    local declares = line:match("^[%a][%w_%s%*]*[%s%*]elg_[%w_]+%(")
      or line:match("^ELG_API .*elg_[%w_]+%(")
    local verb = line:match("elg_[%w_]-_?(%l+)%(")
    local internal = line:match("elg__")
    if declares and not internal and not PAIRS[verb] and not has_comment_above(lines, i) then
      complain(file, i, "no comment: " .. line)
    end
  end
end

local function check_module(file, lines)
  for i, line in ipairs(lines) do
    if line:match("^function [%w_]+[.:][%w_]+%s*%(") or line:match("^M%.[%w_]+%s*=%s*function") then
      if not (lines[i - 1] or ""):match("^%-%-") and not file:match("^spec/") then
        -- Methods of a local class need none; what M exports does.
        if line:match("^function M[.:]") or line:match("^M%.") then
          complain(file, i, "no comment: " .. line)
        end
      end
    end
  end
end

for _, file in ipairs(arg) do
  local lines = read_lines(file)
  local first = lines[1] and lines[1]:match("^#!") and lines[2] or lines[1]
  if not (first or ""):match("^/%*") and not (first or ""):match("^%-%-") then
    complain(file, 1, "the file does not open with a comment")
  end
  if file:match("^src/.*%.h$") then check_header(file, lines) end
  if file:match("%.lua$") then check_module(file, lines) end
end
os.exit(wrong == 0 and 0 or 1)
