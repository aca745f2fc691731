-- patterns: reading log lines and addresses with match, gmatch, gsub and find.
local LINES = {
  '127.0.0.1 - ada [10/Oct/2025:13:55:36 +0000] "GET /index.html?x=1&y=two HTTP/1.1" 200 2326',
  '10.1.2.3 - - [11/Oct/2025:00:01:02 +0000] "POST /api/orders HTTP/1.1" 503 17',
  '192.168.77.1 - bob [12/Oct/2025:23:59:59 +0000] "GET /a/very/long/path/to/some/file.tar.gz HTTP/2" 304 0',
  "this is no log line at all, but it has words, e-mail: someone@example.org, and 42 numbers",
}
return function(n)
  local status, words, found = 0, 0, 0
  for i = 1, n / 10 do
    local line = LINES[i % #LINES + 1]
    local ip, path, code = line:match('^(%d+%.%d+%.%d+%.%d+).-"%u+ (%S+) [^"]*" (%d+)')
    if ip then
      status = status + tonumber(code)
      for _, value in path:gmatch("([%w_]+)=([%w_]+)") do words = words + #value end
    end
    for word in line:gmatch("%a+") do words = words + #word end
    local clean, count = line:gsub("%d+", "#")
    found = found + count + #clean
    if line:find("@", 1, true) then found = found + #line:match("[%w.]+@[%w.]+") end
    found = found + #line:gsub("%s+", " "):gsub("^%s*(.-)%s*$", "%1")
  end
  return status + words + found
end
