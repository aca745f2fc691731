-- tables: lists and maps: filling, counting, grouping, removing, walking.
return function(n)
  local total = 0
  for round = 1, n / 100 do
    local list, groups = {}, {}
    for i = 1, 100 do
      list[#list + 1] = { id = i, kind = "kind" .. i * round % 7, price = i * 3 % 41 }
    end
    for _, item in ipairs(list) do
      local group = groups[item.kind]
      if not group then
        group = { count = 0, sum = 0, ids = {} }
        groups[item.kind] = group
      end
      group.count, group.sum = group.count + 1, group.sum + item.price
      table.insert(group.ids, item.id)
    end
    for _, group in pairs(groups) do
      total = total + group.sum / group.count + #group.ids
      while #group.ids > 10 do table.remove(group.ids) end
      table.remove(group.ids, 1)
    end
  end
  return math.floor(total)
end
