-- strings: building text: concatenation, table.concat, format, upper, rep.
return function(n)
  local lines, bytes = {}, 0
  for i = 1, n do
    local name = "item-" .. i % 97
    local line = string.format("%-12s %6.2f %s", name, i * 1.25, i % 3 == 0 and "yes" or "no")
    lines[#lines + 1] = line
    if #lines == 40 then
      local page = table.concat(lines, "\n") .. "\n" .. ("-"):rep(20)
      bytes = bytes + #page + #page:upper():sub(-10)
      lines = {}
    end
  end
  return bytes
end
