-- sizes: files of at most 500 lines, functions of at most 60. Arguments: files.

local FILE_LINES_MAX, FUNCTION_LINES_MAX = 500, 60
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

-- Functions of C files begin with { and end with } in the first column, as clang-format
-- leaves them; tables end with };
local function check_c(file, lines)
  local begun
  for i, line in ipairs(lines) do
    if line == "{" then begun = i end
    if line == "}" and begun then
      local count = i - begun - 1
      if count > FUNCTION_LINES_MAX then
        complain(file, begun, ("a function of %d lines"):format(count))
      end
      begun = nil
    end
  end
end

-- A Lua function ends with the first `end` at its own indentation. Blocks of specs
-- (describe and it) are not functions that anyone calls.
local function check_lua(file, lines)
  local open = {}
  for i, line in ipairs(lines) do
    local indent, rest = line:match("^(%s*)(.*)$")
    local spec = rest:match("^describe") or rest:match("^it[%s(]")
    if not spec and rest:match("function[%s%w_.:]*%b()") and not rest:match("%f[%w]end%f[%W]") then
      open[#indent] = i
    end
    if rest:match("^end%f[%W]") or rest == "end" then
      local begun = open[#indent]
      open[#indent] = nil
      if begun and i - begun - 1 > FUNCTION_LINES_MAX then
        complain(file, begun, ("a function of %d lines"):format(i - begun - 1))
      end
    end
  end
end

for _, file in ipairs(arg) do
  local lines = read_lines(file)
  if #lines > FILE_LINES_MAX then complain(file, 1, ("%d lines"):format(#lines)) end
  if file:match("%.lua$") then check_lua(file, lines) else check_c(file, lines) end
end
os.exit(wrong == 0 and 0 or 1)
