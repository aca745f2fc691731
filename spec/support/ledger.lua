-- ledger: starts spec/servers/ledger.c, reads its log, stops it. Uses helper.
local helper = require "helper"

local M = {}
M.__index = M

-- options: log (path or nil), tls = { key = path, cert = path }. The server has ports of
-- its own; url, raw_url are their roots. It ends with this process at the latest.
function M.start(options)
  options = options or {}
  local command = { "exec", helper.build .. "/spec/ledger", "--die-with-parent" }
  if options.log then command[#command + 1] = "--log '" .. options.log .. "'" end
  if options.tls then
    command[#command + 1] = "--tls-key '" .. options.tls.key .. "'"
    command[#command + 1] = "--tls-cert '" .. options.tls.cert .. "'"
  end
  local pipe = assert(io.popen(table.concat(command, " "), "r"))
  local line = pipe:read("*l")
  assert(line, "ledger did not start: make $(B)/spec/ledger")
  local port, raw, pid = line:match("^(%d+) (%d+) (%d+)$")
  local scheme = options.tls and "https" or "http"
  return setmetatable({
    pipe = pipe, pid = tonumber(pid), port = tonumber(port), raw_port = tonumber(raw),
    url = scheme .. "://127.0.0.1:" .. port, raw_url = "http://127.0.0.1:" .. raw,
    log_path = options.log,
  }, M)
end

function M:stop()
  if self.pipe then
    os.execute("kill " .. self.pid)
    self.pipe:close()
    self.pipe = nil
  end
end

-- The log's lines: { method, path, key, sha256, bytes, time, remote } each.
function M:log()
  local out = {}
  for line in io.lines(self.log_path) do
    local entry = {}
    for name, text in line:gmatch('"(%w+)":"([^"]*)"') do entry[name] = text end
    for name, number in line:gmatch('"(%w+)":(%d+)') do entry[name] = tonumber(number) end
    out[#out + 1] = entry
  end
  return out
end

-- The log's requests by key: { count, path, sha256 } each, and how many are repeats. Calls
-- differs(entry, seen) for a repeat that does not ask the same.
function M:by_key(differs)
  local by_key, repeats = {}, 0
  for _, entry in ipairs(self:log()) do
    local seen = by_key[entry.key]
    if not seen then
      by_key[entry.key] = { count = 1, path = entry.path, sha256 = entry.sha256 }
    else
      seen.count, repeats = seen.count + 1, repeats + 1
      if seen.path ~= entry.path or seen.sha256 ~= entry.sha256 then differs(entry, seen) end
    end
  end
  return by_key, repeats
end

return M
