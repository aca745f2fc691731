-- A Postgres that cannot be used: elg says why, and ends with 4.
local outside = require "outside"
local postgres = require "postgres"
local proxy = require "postgres_proxy_c"

describe("elg over a Postgres that cannot be used", function()
  local server, port, place
  setup(function()
    server = postgres.start { "fsync=off" }
    port = proxy.start(("%s/.s.PGSQL.%d"):format(server.folder, server.port))
  end)
  teardown(function() postgres.stop(server) end)
  before_each(function()
    place = outside.place("pg-exit")
    place:write("one.lua", outside.one_node "return nil, { text = ('x'):rep(200000) }")
  end)
  after_each(function()
    proxy.set "pass"
    place:remove()
  end)

  -- Every way to begin ends with 4 and that text, which has no password in it.
  local function refuses(url, text)
    for _, argv in ipairs { { "run", "one.lua" }, { "worker" }, { "submit", "one.lua" }, { "resume" } } do
      argv[#argv + 1], argv[#argv + 2] = "--store", url
      local done = place:elg(argv, { wait_ms = 20000 })
      assert.equal(4, done.code, argv[1] .. ": " .. done.err)
      assert.truthy(done.err:find(text, 1, true), argv[1] .. ": " .. done.err)
      assert.is_nil((done.err .. done.out):find("secret", 1, true))
    end
  end

  it("for its password", function()
    refuses(postgres.tcp(server, { password = "secret-but-wrong" }), "password authentication failed")
  end)
  it("for a database that is not there", function()
    refuses(postgres.tcp(server, { database = "nowhere" }), 'database "nowhere" does not exist')
  end)
  it("because it is down", function()
    refuses(postgres.tcp(server, { port = 1 }), "Connection refused")
  end)
  it("because it is old", function()
    proxy.set "old_server"
    refuses(postgres.tcp(server, { port = port }), "Postgres 12")
  end)
  it("for a schema from the future", function()
    local url = postgres.schema(server)
    assert.equal(0, place:elg({ "run", "one.lua", "--store", url }).code)
    postgres.sql(url, "INSERT INTO cmo_schema (version) VALUES (99)")
    refuses(url, "use a newer elg")
  end)
  it("for a role that may only read, which may list and show", function()
    local url, name = postgres.schema(server)
    assert.equal(0, place:elg({ "run", "one.lua", "--trace", "t", "--store", url }).code)
    postgres.sql(url, ([[CREATE ROLE reader LOGIN PASSWORD 'secret';
      GRANT USAGE ON SCHEMA %s TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA %s TO reader]])
      :format(name, name))
    local as_reader = postgres.tcp(server, { user = "reader", schema = name })
    refuses(as_reader, "permission denied")
    assert.equal(1, #place:json({ "list", "--store", as_reader }).docs)
    assert.equal("completed", place:json({ "show", "t", "--store", as_reader }).doc.status)
    assert.equal(0, place:elg({ "replay", "t", "--verify", "--store", as_reader }).code)
  end)
  it("because its disk is full, and goes on when there is room", function()
    local disk = server.folder .. "/small"
    assert(os.execute(("mkdir %s && mount -t tmpfs -o size=4m,mode=777 tmpfs %s && chown postgres %s")
      :format(disk, disk, disk)) == 0)
    local ok, message = pcall(function()
      postgres.sql(postgres.url(server), ("CREATE TABLESPACE small LOCATION '%s'"):format(disk))
      local url = postgres.schema(server) .. "%20-cdefault_tablespace%3Dsmall"
      place:write("fill.lua", outside.one_node([[
        local text = {}
        for i = 1, 20000 do text[i] = string.format("%d", math.random(100000000, 999999999)) end
        ctx.log("full soon")
        return nil, { text = table.concat(text, "", 1, 20000) }]]))
      local done
      for _ = 1, 200 do
        done = place:elg { "run", "fill.lua", "--store", url }
        if done.code ~= 0 then break end
      end
      assert.equal(4, done.code, done.err)
      assert.truthy(done.err:find("No space left on device", 1, true), done.err)
      assert.truthy(done.err:find("make room", 1, true), done.err)
      assert(os.execute(("mount -o remount,size=64m %s"):format(disk)) == 0)
      assert.equal(0, place:elg({ "run", "fill.lua", "--store", url }).code)
    end)
    os.execute("umount -l " .. disk)
    assert(ok, message)
  end)
end)
