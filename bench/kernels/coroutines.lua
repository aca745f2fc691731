-- coroutines: generators, and protected calls that succeed.
local function walk(tree)
  if not tree then return end
  walk(tree.left)
  coroutine.yield(tree.key)
  walk(tree.right)
end
local function insert(tree, key)
  if not tree then return { key = key } end
  if key < tree.key then tree.left = insert(tree.left, key) else tree.right = insert(tree.right, key) end
  return tree
end
return function(n)
  local x, sum = 7, 0
  for _ = 1, n / 200 do
    local tree
    for _ = 1, 30 do
      x = (x * 16807) % 2147483647
      tree = insert(tree, x % 1000)
    end
    local last = -1
    for key in coroutine.wrap(function() walk(tree) end) do
      local ok, more = pcall(function() return key >= last and key end)
      sum, last = sum + (ok and more or 0), key
    end
  end
  return sum
end
