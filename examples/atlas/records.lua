-- records: finds and joins records of the ISO lists.
local M = {}

-- first(records, member, value): the first record with that value, or nil.
function M.first(records, member, value)
  for _, record in ipairs(records) do
    if record[member] == value then return record end
  end
end

-- where(records, test): all for which test(record) holds.
function M.where(records, test)
  local found = {}
  for _, record in ipairs(records) do
    if test(record) then found[#found + 1] = record end
  end
  return found
end

-- span(text, code): where in a list's text the record of that code is: bytes first..last,
-- from 0, as a Range request counts them.
function M.span(text, code)
  local at = text:find('"code": "' .. code .. '"', 1, true)
  if not at then return nil end
  local before = text:sub(math.max(1, at - 40), at - 1)
  local open = before:match(".*(){")
  local last = text:find("}", at, true)
  return at - #before + open - 2, last - 1
end

-- orphans(subdivisions): codes whose parent is none of them. A parent is written without
-- the country, or with it.
function M.orphans(subdivisions)
  local known, lost = {}, {}
  for _, record in ipairs(subdivisions) do known[record.code] = true end
  for _, record in ipairs(subdivisions) do
    local parent = record.parent
    if parent and not known[parent] and not known[record.code:sub(1, 3) .. parent] then
      lost[#lost + 1] = record.code
    end
  end
  return lost
end

-- by_type(subdivisions): { type, count } rows, most frequent first.
function M.by_type(subdivisions)
  local counts, rows = {}, {}
  for _, record in ipairs(subdivisions) do
    counts[record.type] = (counts[record.type] or 0) + 1
  end
  for kind, count in pairs(counts) do rows[#rows + 1] = { type = kind, count = count } end
  table.sort(rows, function(a, b) return a.count > b.count end)
  return rows
end

-- first_word("Greek, Modern (1453-)"): "Greek"
function M.first_word(name)
  return name:match("^[^%s,;(]+") or name
end

return M
