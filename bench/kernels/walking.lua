-- walking: pairs and next over maps of several sizes.
return function(n)
  local sum = 0
  local small = { a = 1, b = 2, c = 3, d = 4, e = 5 }
  local large = {}
  for i = 1, 60 do large["key" .. i * 7 % 61] = i end
  for i = 1, n / 20 do
    for key, value in pairs(small) do sum = sum + value + #key end
    if i % 10 == 0 then
      for _, value in pairs(large) do sum = sum + value end
    end
    if next(small) then sum = sum + 1 end
  end
  return sum
end
