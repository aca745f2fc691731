-- json: JSON for the command line's own documents. Uses elg.core. Results of runs are
-- printed as the library gives them and never pass through here.
local core = require "elg.core"

local M = { null = core.null }

-- decode(text): a value, or nil, message, code, where.
M.decode = core.decode

local function number(n)
  if n ~= n or n == math.huge or n == -math.huge then error("not a JSON number", 3) end
  return core.canonical(("%.17g"):format(n))
end

-- A string with its quotes. Bytes that are not UTF-8 become U+FFFD: it is for texts that
-- a person gave.
function M.quote(s)
  local text = '"' .. s:gsub('[%z\1-\31"\\]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
  return core.canonical(text) or core.canonical((text:gsub("[\128-\255]+", "\239\191\189")))
end

local function scalar(value)
  local kind = type(value)
  if value == nil or value == core.null then return "null" end
  if kind == "boolean" then return tostring(value) end
  if kind == "number" then return number(value) end
  if kind == "string" then return M.quote(value) end
  error("a " .. kind .. " is not a JSON value", 3)
end

-- object{ name, value, name, value ... }: an object's text, members in the order given;
-- a value that is a table is { raw = JSON text }.
function M.object(list)
  local parts = {}
  for i = 1, list.n or #list, 2 do
    local value = list[i + 1]
    local text = type(value) == "table" and value.raw or scalar(value)
    parts[#parts + 1] = M.quote(list[i]) .. ":" .. text
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The index after the string that begins at `at`.
local function string_end(text, at)
  at = at + 1
  while true do
    local stop = text:find('["\\]', at)
    if text:byte(stop) == 34 then return stop + 1 end
    at = stop + 2
  end
end

-- The index after the value that begins at `at`.
local function value_end(text, at)
  local depth = 0
  repeat
    local c = text:sub(at, at)
    if c == '"' then
      at = string_end(text, at)
    elseif c == "{" or c == "[" then
      depth, at = depth + 1, at + 1
    elseif c == "}" or c == "]" then
      depth, at = depth - 1, at + 1
    else
      at = text:find('["%[%]{},:]', at + (c:find("[,:]") and 1 or 0)) or #text + 1
    end
  until depth == 0
  return at
end

-- member(text, name): the text of a member of the object whose text is given, or nil.
-- The text must be valid JSON without blanks, as the library writes it; it is not decoded,
-- so numbers and order stay as they are.
function M.member(text, name)
  local at, wanted = 2, M.quote(name)
  while text:byte(at) == 34 do
    local colon = string_end(text, at)
    local stop = value_end(text, colon + 1)
    if text:sub(at, colon - 1) == wanted then return text:sub(colon + 1, stop - 1) end
    at = stop + 1
  end
end

-- items(text): the texts of an array's elements, as a list. As member.
function M.items(text)
  local list, at = {}, 2
  while at < #text do
    local stop = value_end(text, at)
    list[#list + 1] = text:sub(at, stop - 1)
    at = stop + 1
  end
  return list
end

-- compact(text): valid JSON without the blanks between its tokens, for member and items.
function M.compact(text)
  local parts, at = {}, 1
  while at <= #text do
    local quote = text:find('"', at, true) or #text + 1
    local stop = quote <= #text and string_end(text, quote) or quote
    parts[#parts + 1] = text:sub(at, quote - 1):gsub("%s+", "") .. text:sub(quote, stop - 1)
    at = stop
  end
  return table.concat(parts)
end

-- pretty(text, margin): JSON text with a line per member and element, two spaces a level.
-- The text must be canonical.
function M.pretty(text, margin)
  local out, depth, at = {}, 0, 1
  local function line() out[#out + 1] = "\n" .. (margin or "") .. ("  "):rep(depth) end
  while at <= #text do
    local c = text:sub(at, at)
    local whole = text:match("^[%[{][%]}]", at) or text:match('^"[^"\\]*"', at)
    if c == '"' and not whole then
      local stop = at + 1
      while text:sub(stop, stop) ~= '"' do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      whole = text:sub(at, stop)
    end
    if c == "]" or c == "}" then
      depth = depth - 1
      line()
    end
    out[#out + 1] = (whole or c) .. (c == ":" and " " or "")
    if not whole and (c == "[" or c == "{") then depth = depth + 1 end
    if c == "," or (not whole and (c == "[" or c == "{")) then line() end
    at = at + #(whole or c)
  end
  return table.concat(out)
end

return M
