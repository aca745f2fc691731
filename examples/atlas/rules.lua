-- rules: checks records against the JSON schemas that come with the data, as far as these
-- schemas go: required members, types, lengths, patterns, no other members.
local M = {}

-- The Lua pattern of a schema's pattern; nil if it has what Lua's patterns have not.
local function translate(pattern)
  if pattern:find("[|()?,\128-\255]") then return nil end
  local out, at = {}, 1
  while at <= #pattern do
    local class = pattern:match("^%b[]", at)
    local count = tonumber(pattern:match("^{(%d+)}", at + #(class or "")))
    if class then
      out[#out + 1] = count and class:rep(count) or class
      at = at + #class + (count and #tostring(count) + 2 or 0)
    else
      local char = pattern:sub(at, at)
      out[#out + 1] = char == "-" and "%-" or char
      at = at + 1
    end
  end
  return table.concat(out)
end

local function check_member(value, rule)
  if rule.type and type(value) ~= rule.type then return "is not a " .. rule.type end
  if rule.minLength and #value < rule.minLength then return "is too short" end
  local pattern = rule.pattern and translate(rule.pattern)
  if pattern and not value:find(pattern) then return "does not match " .. rule.pattern end
end

-- check(schema, name, records): how many members were checked, and a list of what is wrong.
function M.check(schema, name, records)
  local list = schema.properties[name]
  local rules = list.items.properties
  local required = list.items.required or list.required or {}
  local wrong, checked = {}, 0
  for i, record in ipairs(records) do
    for _, member in ipairs(required) do
      if record[member] == nil then wrong[#wrong + 1] = ("%d: %s is missing"):format(i, member) end
    end
    for member, value in pairs(record) do
      local problem = not rules[member] and "is not in the schema"
        or check_member(value, rules[member])
      if problem then wrong[#wrong + 1] = ("%d: %s %s"):format(i, member, problem) end
      checked = checked + 1
    end
  end
  return checked, wrong
end

return M
