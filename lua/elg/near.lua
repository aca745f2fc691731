-- near: the name that was hardly meant otherwise, for "did you mean". Knows nothing else.
local M = {}

local WORD_BYTES_MAX = 40

-- How many letters are other, more, fewer, or two that changed places.
local function distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      local swapped = before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j)
      if swapped then row[j] = math.min(row[j], before[j - 2] + 1) end
    end
    before, last = last, row
  end
  return last[#b]
end

-- nearest(word, names): of a list of names the one that is nearest to the word, of several the first
-- by the alphabet; nil if none differs in a third of its letters or less.
function M.nearest(word, names)
  local best, least
  if #word > WORD_BYTES_MAX then return nil end
  for _, name in ipairs(names) do
    local far = distance(word, name)
    if far <= math.max(1, math.floor(#name / 3)) and (not best or far < least or (far == least and name < best)) then
      best, least = name, far
    end
  end
  return best
end

-- hint(word, names, otherwise): "; did you mean NAME?", or `otherwise` ("").
function M.hint(word, names, otherwise)
  local best = M.nearest(word, names)
  return best and ("; did you mean %s?"):format(best) or otherwise or ""
end

return M
