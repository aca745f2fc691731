-- records: what a node does with a JSON document: walks it, copies it, picks, joins, renames.
local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = copy(item) end
  return out
end

local function write(value, out)
  if type(value) == "table" then
    if #value > 0 then
      out[#out + 1] = "["
      for i, item in ipairs(value) do
        if i > 1 then out[#out + 1] = "," end
        write(item, out)
      end
      out[#out + 1] = "]"
    else
      local names = {}
      for name in pairs(value) do names[#names + 1] = name end
      table.sort(names)
      out[#out + 1] = "{"
      for i, name in ipairs(names) do
        if i > 1 then out[#out + 1] = "," end
        out[#out + 1] = '"' .. name .. '":'
        write(value[name], out)
      end
      out[#out + 1] = "}"
    end
  elseif type(value) == "string" then
    out[#out + 1] = '"' .. value:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  else
    out[#out + 1] = tostring(value)
  end
end

return function(n)
  local bytes = 0
  for i = 1, n / 100 do
    local customer = { name = "Ada \"the\" First", region = "EU", tags = { "gold", "b2b" } }
    local order = { id = i, customer = customer, items = {} }
    for j = 1, 8 do
      order.items[j] = { sku = "SKU-" .. j, price = j * 1.5, qty = i % j + 1, note = j % 2 == 0 and "gift" or nil }
    end
    local other = copy(order)
    local sum = 0
    for _, item in ipairs(other.items) do
      item.total = item.price * item.qty
      sum = sum + item.total
    end
    other.sum, other.customer.tags[3] = sum, sum > 100 and "large" or "small"
    local out = {}
    write(other, out)
    bytes = bytes + #table.concat(out)
  end
  return bytes
end
