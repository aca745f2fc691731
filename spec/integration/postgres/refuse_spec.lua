-- Databases that cannot be used: what is said, with which status, and that no password is in it
-- (I14, I16).
local checkpoint = require "checkpoint_c"
local postgres = require "postgres"
local process = require "process_c"
local proxy = require "postgres_proxy_c"
local stores = require "stores"
local create, finish = stores.create, stores.finish

local SIGCONT, SIGSTOP = 18, 19

local server, port

local function refused(url, read_only)
  local store, err = checkpoint.open(url, "pid 1 on here", read_only)
  assert.is_nil(store)
  assert.equal(err.status, err.error_status)
  assert.is_nil((err.where .. err.text):find("secret", 1, true))
  return err.status, err.text, err.where
end
local function says(text, ...)
  for _, part in ipairs { ... } do
    assert.truthy(text:find(part, 1, true), text .. " has not: " .. part)
  end
end
local function shell(command)
  assert(os.execute(command) == 0, command)
end

describe("checkpoint.postgres refuses", function()
  setup(function()
    server = postgres.start { "fsync=off" }
    port = proxy.start(("%s/.s.PGSQL.%d"):format(server.folder, server.port))
  end)
  teardown(function() postgres.stop(server) end)
  before_each(function() checkpoint.clock(5000) end)
  after_each(function()
    proxy.set "pass"
    stores.clean()
  end)

  it("a wrong password", function()
    local status, text, where = refused(postgres.tcp(server, { password = "secret-but-wrong" }))
    assert.equal("ELG_IO", status)
    says(text, 'password authentication failed for user "elg"')
    says(where, "postgres://elg@127.0.0.1:" .. server.port .. "/postgres")
  end)
  it("a database that is not there", function()
    local status, text = refused(postgres.tcp(server, { database = "nowhere" }))
    assert.equal("ELG_IO", status)
    says(text, 'database "nowhere" does not exist')
  end)
  it("a server that is down", function()
    local status, text = refused(postgres.tcp(server, { port = 1 }))
    assert.equal("ELG_IO", status)
    says(text, "Connection refused")
  end)
  it("a server that does not answer, after five seconds", function()
    local since = process.monotonic_us()
    process.kill(server.pid, SIGSTOP)
    local status, text = refused(postgres.tcp(server))
    process.kill(server.pid, SIGCONT)
    assert.equal("ELG_IO", status)
    says(text, "no connection within 5 s")
    assert.is_true(process.monotonic_us() - since < 8e6)
  end)
  it("an old server", function()
    proxy.set "old_server"
    local status, text = refused(postgres.tcp(server, { port = port }))
    assert.equal("ELG_UNSUPPORTED", status)
    says(text, "Postgres 12", "13 or later")
  end)
  it("a database of another encoding", function()
    postgres.sql(postgres.url(server), "CREATE DATABASE latin TEMPLATE template0 "
      .. "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    local status, text = refused(postgres.url(server, "latin"))
    assert.equal("ELG_UNSUPPORTED", status)
    says(text, "LATIN1", "UTF8")
  end)
  it("a schema from the future", function()
    local url = postgres.schema(server)
    assert(checkpoint.open(url)):close()
    postgres.sql(url, "INSERT INTO cmo_schema (version) VALUES (99)")
    for _, read_only in ipairs { false, true } do
      local status, text = refused(url, read_only)
      assert.equal("ELG_UNSUPPORTED", status)
      says(text, "version 99", "use a newer elg")
    end
  end)
  it("a database that is empty, for reading", function()
    local status, text = refused((postgres.schema(server)), true)
    assert.equal("ELG_UNSUPPORTED", status)
    says(text, "version 0", "migrate it first")
  end)
  it("a schema that is not there", function()
    local status, text = refused(postgres.url(server, nil, "&options=-csearch_path%3Dnowhere"))
    assert.equal("ELG_IO", status)
    says(text, "no schema has been selected")
  end)
  it("a role that may only read, but lets it read", function()
    local url, name = postgres.schema(server)
    local store = assert(stores.connect(url))
    assert.same({ "ELG_OK" }, store:commit { create "t1" })
    store:close()
    postgres.sql(url, ([[CREATE ROLE reader LOGIN PASSWORD 'secret';
      GRANT USAGE ON SCHEMA %s TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA %s TO reader]])
      :format(name, name))
    local as_reader = postgres.tcp(server, { user = "reader", schema = name })
    local status, text = refused(as_reader)
    assert.equal("ELG_IO", status)
    says(text, "permission denied", "grant this role")
    store = assert(checkpoint.open(as_reader, "reader", true))
    assert.equal(1, #store:run_list())
    assert.equal("t1", store:run_get("t1").trace_id)
    store:close()
  end)
  it("a standby, or a session that may only read", function()
    local url = postgres.schema(server)
    assert(checkpoint.open(url)):close()
    local status, text = refused(url .. "%20-cdefault_transaction_read_only%3Don")
    assert.equal("ELG_IO", status)
    says(text, "read-only transaction", "name the primary server")
  end)
  it("a role whose rights were taken away, at the next call", function()
    local url, name = postgres.schema(server)
    postgres.sql(url, ([[CREATE ROLE fired LOGIN PASSWORD 'secret';
      GRANT ALL ON SCHEMA %s TO fired]]):format(name))
    local store = assert(stores.connect(postgres.tcp(server, { user = "fired", schema = name })))
    assert.same({ "ELG_OK" }, store:commit { create "t1" })
    postgres.sql(url, "ALTER TABLE cmo_runs OWNER TO elg; ALTER TABLE cmo_steps OWNER TO elg")
    local results, err = store:commit { finish("t1", 0) }
    assert.is_nil(results)
    assert.equal("ELG_IO", err.status)
    says(err.text, "permission denied for table", "grant this role")
    store:close()
  end)
  it("what is not a URL, without showing it", function()
    for _, url in ipairs { "postgres://elg:secret@here/db?nonsense=1", "postgres://elg:sec%zzret@here",
      "postgres://elg:secret@[::1/db", "postgrex://elg:secret@here" } do
      assert.equal("ELG_USAGE", (refused(url)))
    end
    says(select(2, refused "postgres://h/db?nonsense=1"), "nonsense")
  end)
  it("tables that someone changed, by name", function()
    local url = postgres.schema(server)
    local store = assert(stores.connect(url))
    store:commit { create "t1", create "t2" }
    store:commit { finish("t1", 0) }
    postgres.sql(url, "UPDATE cmo_steps SET state_hash = 'XYZ'")
    local rows, err = store:journal "t1"
    assert.is_nil(rows)
    assert.equal("ELG_CORRUPT", err.status)
    says(err.text, "cmo_steps.state_hash", "t1 step 0 attempt 1", "not a hash")
    postgres.sql(url, "UPDATE cmo_runs SET completed_at = now() WHERE trace_id = 't2'")
    says(select(2, store:run_get "t2").text, "completed_at", "does not go with status running")
    postgres.sql(url, "ALTER TABLE cmo_steps DROP COLUMN fuel CASCADE")
    err = select(2, store:commit { finish("t1", 1) })
    assert.equal("ELG_CORRUPT", err.status)
    says(err.text, "fuel")
    store:close()
  end)
end)

describe("checkpoint.postgres on a disk that is full", function()
  it("says so, has written nothing of the flush, and goes on when there is room", function()
    local full = postgres.start { "fsync=off" }
    local disk = full.folder .. "/small"
    shell(("mkdir %s && mount -t tmpfs -o size=4m,mode=777 tmpfs %s && chown postgres %s")
      :format(disk, disk, disk))
    local ok, message = pcall(function()
      postgres.sql(postgres.url(full), ("CREATE TABLESPACE small LOCATION '%s'"):format(disk))
      local url = postgres.schema(full) .. "%20-cdefault_tablespace%3Dsmall"
      local store = assert(stores.connect(url))
      assert.same({ "ELG_OK", "ELG_OK" }, store:commit { create "t1", create "t2" })
      local step, bytes = 0, {}
      local results, err
      for i = 1, 65536 do bytes[i] = string.char(math.random(0, 255)) end
      local state = table.concat(bytes) -- nothing to compress
      repeat
        results, err = store:commit { finish("t1", step, nil, { stores.step(step, { state = state }) }),
          finish("t2", step) }
        step = step + 1
      until not results or step > 200
      assert.equal("ELG_FULL", err and err.status)
      says(err.text, "No space left on device", "make room")
      assert.equal(step - 1, #store:journal "t1")
      assert.equal(step - 1, #store:journal "t2")
      shell(("mount -o remount,size=64m %s"):format(disk))
      assert.same({ "ELG_OK" },
        store:commit { finish("t1", step - 1, nil, { stores.step(step - 1, { state = state }) }) })
      store:close()
    end)
    shell("umount -l " .. disk)
    postgres.stop(full)
    stores.clean()
    assert(ok, message)
  end)
end)
