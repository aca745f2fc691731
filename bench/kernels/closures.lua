-- closures: map, filter, fold, composition, memoization.
local function map(list, f)
  local out = {}
  for i = 1, #list do out[i] = f(list[i]) end
  return out
end
local function filter(list, f)
  local out = {}
  for _, value in ipairs(list) do
    if f(value) then out[#out + 1] = value end
  end
  return out
end
local function fold(list, start, f)
  local value = start
  for i = 1, #list do value = f(value, list[i]) end
  return value
end
local function compose(f, g)
  return function(...) return f(g(...)) end
end

return function(n)
  local total = 0
  for round = 1, n / 100 do
    local list = {}
    for i = 1, 100 do list[i] = i + round end
    local add = function(x) return x + round end
    local double = function(x) return x * 2 end
    local odd = filter(list, function(x) return x % 2 == 1 end)
    local mapped = map(odd, compose(double, add))
    total = (total + fold(mapped, 0, function(a, b) return a + b end)) % 1000003
  end
  return total
end
