-- sorting: numbers by size, records by an order function, strings.
return function(n)
  local x, check = 42, 0
  for _ = 1, n / 100 do
    local numbers, records, names = {}, {}, {}
    for i = 1, 100 do
      x = (x * 16807) % 2147483647
      numbers[i], records[i], names[i] = x, { key = x % 1000, at = i }, "n" .. x % 10000
    end
    table.sort(numbers)
    table.sort(records, function(a, b)
      if a.key ~= b.key then return a.key < b.key end
      return a.at < b.at
    end)
    table.sort(names)
    check = (check + numbers[50] + records[10].key + #names[7]) % 1000003
  end
  return check
end
