-- numbers: a sieve, a product of matrices, a simulation.
return function(n)
  local count, sieve = 0, {}
  for i = 2, n do sieve[i] = true end
  for i = 2, n do
    if sieve[i] then
      count = count + 1
      for j = i * i, n, i do sieve[j] = false end
    end
  end
  local size = 12
  local sum = 0
  for round = 1, n / 2000 do
    local a, b = {}, {}
    for i = 1, size do
      a[i], b[i] = {}, {}
      for j = 1, size do a[i][j], b[i][j] = i + j * round, i - j end
    end
    for i = 1, size do
      for j = 1, size do
        local cell = 0
        for k = 1, size do cell = cell + a[i][k] * b[k][j] end
        sum = (sum + cell) % 1000003
      end
    end
  end
  local x, v = 1, 0
  for _ = 1, n do
    v = v - x * 0.01
    x = x + v * 0.01
  end
  return count + sum + math.floor(x * 1000)
end
