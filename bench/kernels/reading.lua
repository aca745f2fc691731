-- reading: a parser of CSV and of numbers, byte by byte and by find.
local TEXT = {}
for i = 1, 30 do TEXT[i] = ('%d,"name, %d",%.2f,,plain text %d'):format(i, i, i / 7, i) end
TEXT = table.concat(TEXT, "\n") .. "\n"

local function fields_of(line)
  local out, at = {}, 1
  while at <= #line + 1 do
    if line:byte(at) == 34 then
      local stop = line:find('"', at + 1, true)
      out[#out + 1] = line:sub(at + 1, stop - 1)
      at = stop + 2
    else
      local stop = line:find(",", at, true) or #line + 1
      out[#out + 1] = line:sub(at, stop - 1)
      at = stop + 1
    end
  end
  return out
end

return function(n)
  local sum = 0
  for _ = 1, n / 200 do
    for line in TEXT:gmatch("([^\n]*)\n") do
      local fields = fields_of(line)
      sum = sum + (tonumber(fields[1]) or 0) + math.floor(tonumber(fields[3]) or 0) + #fields[2]
    end
    for i = 1, #TEXT do
      local byte = TEXT:byte(i)
      if byte >= 48 and byte <= 57 then sum = sum + byte - 48 end
    end
  end
  return sum
end
