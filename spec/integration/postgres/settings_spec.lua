-- Where the database is and how it is reached: every setting of libpq, in the URL, as
-- POSTGRES_*, or as libpq's own PG*; TLS among them.
local outside = require "outside"
local pg = require "postgres_c"
local postgres = require "postgres"

local function shell(command)
  assert(os.execute("{ " .. command .. "; } >/dev/null 2>&1") == 0, command)
end

-- A key and a certificate for 127.0.0.1 that it signed itself.
local function certificate(place, name)
  shell(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout %s.key -out %s.pem -subj /CN=%s "
    .. "-addext subjectAltName=IP:127.0.0.1"):format(place:file(name), place:file(name), name))
  return place:file(name .. ".pem"), place:file(name .. ".key")
end

describe("elg finds its Postgres", function()
  local server, place, root, other, schema
  setup(function()
    place = outside.place("pg-settings")
    local cert, key = certificate(place, "server")
    root, other = cert, certificate(place, "other")
    shell("chmod 755 " .. place.path)
    if pg.root() then shell("chown postgres " .. key) end
    shell("chmod 600 " .. key)
    server = postgres.start { "fsync=off", "ssl=on", "ssl_cert_file=" .. cert, "ssl_key_file=" .. key }
    place:write("one.lua", outside.one_node "return nil, {}")
  end)
  teardown(function()
    postgres.stop(server)
    place:remove()
  end)
  before_each(function() schema = select(2, postgres.schema(server)) end)

  local function run(url, env)
    return place:elg({ "run", "one.lua", "--store", url }, { env = env })
  end
  local function kept()
    return postgres.sql(postgres.url(server), "SELECT count(*) AS n FROM " .. schema .. ".cmo_runs")[1].n
  end
  local function url(more)
    return postgres.tcp(server, { schema = schema }) .. (more or "")
  end
  -- What the environment has to say if the URL says nothing.
  local function environment(prefix, more)
    local env = { HOST = "127.0.0.1", PORT = tostring(server.port), USER = "elg", PASSWORD = "secret",
      OPTIONS = "-csearch_path=" .. schema }
    for name, value in pairs(more or {}) do env[name] = value end
    local out = {}
    for name, value in pairs(env) do out[prefix .. name] = value end
    return out
  end

  it("by its URL", function()
    assert.equal(0, run(url()).code)
    assert.equal("1", kept())
  end)

  it("by POSTGRES_*, which PG* does not overrule", function()
    local env = environment("POSTGRES_", { DB = "postgres" })
    env.PGHOST, env.PGPASSWORD = "192.0.2.1", "wrong"
    local done = run("postgres://", env)
    assert.equal(0, done.code, done.err)
    assert.equal("1", kept())
  end)

  it("by PG*", function()
    local done = run("postgres://", environment("PG", { DATABASE = "postgres" }))
    assert.equal(0, done.code, done.err)
    assert.equal("1", kept())
  end)

  it("by the URL where both say something", function()
    local done = run(url(), environment("POSTGRES_", { DB = "nowhere", PASSWORD = "wrong" }))
    assert.equal(0, done.code, done.err)
    assert.equal(4, run("postgres://127.0.0.1", environment("POSTGRES_", { DB = "nowhere" })).code)
  end)

  it("over TLS, whose certificate it checks", function()
    local checkpoint = require "checkpoint_c"
    local none, why = checkpoint.open(url("&sslmode=verify-full&sslrootcert=/nofile"))
    assert.is_nil(none)
    assert.truthy(why.text:find('root certificate file "/nofile" does not exist', 1, true), why.text)
    local store = assert(checkpoint.open(url("&sslmode=verify-full&sslrootcert=" .. root)))
    local seen = postgres.sql(postgres.url(server), [[SELECT count(*) AS n, bool_and(ssl) AS tls
      FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'elg']])[1]
    store:close()
    assert.same({ n = "3", tls = "t" }, seen)
    local done = run("postgres://", environment("POSTGRES_", { DB = "postgres", SSLMODE = "verify-full",
      SSLROOTCERT = root }))
    assert.equal(0, done.code, done.err)
  end)

  it("and not another that pretends to be it", function()
    local done = run(url("&sslmode=verify-full&sslrootcert=" .. other))
    assert.equal(4, done.code)
    assert.truthy(done.err:find("certificate verify failed", 1, true), done.err)
    done = run("postgres://", environment("POSTGRES_", { DB = "postgres", SSLMODE = "verify-ca",
      SSLROOTCERT = other }))
    assert.equal(4, done.code)
    assert.truthy(done.err:find("certificate verify failed", 1, true), done.err)
  end)
end)
