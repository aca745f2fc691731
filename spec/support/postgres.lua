-- postgres: real servers for specs, started here and ended with this process, whatever ends it.
-- Uses the module postgres_c and postgres_server.sh.
local pg = require "postgres_c"

local M = {}

local FIRST_PORT, PORTS = 21000, 9000
local WAIT_TRIES, PORT_TRIES = 600, 5

local function read_file(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local tries = 0

-- The process id of a server that takes connections, or nil and its log.
local function wait_for(folder)
  for _ = 1, WAIT_TRIES do
    local pid = tonumber((read_file(folder .. "/pid") or ""):match "^%d+")
    if pid == 0 then break end
    if pid then return pid end
    os.execute("sleep 0.05")
  end
  return nil, read_file(folder .. "/log") or "no log"
end

-- Starts a server: { folder =, port =, pid =, pipe = }. `settings` are of postgresql.conf.
-- `folder` (may be nil) has the data of an earlier one.
function M.start(settings, folder)
  if not folder then
    local pipe = assert(io.popen("mktemp -d /tmp/elg-postgres-XXXXXX"))
    folder = pipe:read("*l")
    pipe:close()
  end
  local message
  for _ = 1, PORT_TRIES do -- someone may have the port
    tries = tries + 1
    local server = { folder = folder, port = FIRST_PORT + (pg.pid() * 7 + tries) % PORTS }
    os.remove(folder .. "/pid")
    server.pipe = assert(io.popen(("exec sh spec/support/postgres_server.sh %s %d %s"):format(
      folder, server.port, table.concat(settings or {}, " ")), "w"))
    server.pid, message = wait_for(folder)
    if server.pid then return server end
    server.pipe:close()
  end
  error("the server did not start: " .. message)
end

-- Ends it and removes its folder.
function M.stop(server)
  server.pipe:close()
end

-- Stops it as a crash would and starts it again, at the same port with the same data.
function M.crash(server)
  local become = "setpriv --reuid=postgres --regid=postgres --clear-groups"
  local command = ([[cd %s && %s env -i PATH="$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH" \
    pg_ctl -D %s/data -l %s/log -m immediate -w restart >/dev/null && echo restarted]]):format(
    server.folder, pg.root() and become or "", server.folder, server.folder)
  local pipe = assert(io.popen(command)) -- unlike execute, it hands no open pipe on
  assert(pipe:read "*l" == "restarted", "the server did not restart")
  pipe:close()
end

-- The one that all suites of this process share. It may forget what it was told when the machine
-- stops: nothing here asks that.
local shared
function M.shared()
  if not shared then
    shared = M.start { "fsync=off", "full_page_writes=off", "autovacuum=off" }
  end
  return shared
end

-- URL of the server by its socket; `query` is more of the form &name=value.
function M.url(server, database, query)
  return ("postgres://elg@/%s?host=%s&port=%d%s"):format(database or "postgres",
    server.folder, server.port, query or "")
end

-- A new schema of the database, and its URL: as good as a new database, and faster.
local schemas = 0
function M.schema(server)
  schemas = schemas + 1
  local name = ("s%d_%d"):format(pg.pid(), schemas)
  M.sql(M.url(server), "CREATE SCHEMA " .. name)
  return M.url(server, nil, "&options=-csearch_path%3D" .. name), name
end

-- URL of the server over TCP, which asks for the password. `port` may be a proxy's.
function M.tcp(server, more)
  more = more or {}
  return ("postgres://%s:%s@127.0.0.1:%d/%s%s"):format(more.user or "elg",
    more.password or "secret", more.port or server.port, more.database or "postgres",
    more.schema and "?options=-csearch_path%3D" .. more.schema or "")
end

-- Rows of a query, values as text. Fails the spec if the query does.
function M.sql(url, text)
  local rows, message = pg.sql(url, text)
  return rows or error(message, 2)
end

return M
