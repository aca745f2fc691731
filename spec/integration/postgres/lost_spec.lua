-- Connections that go at the worst moment, and transactions that the server gives up: what is
-- committed is told by looking, never by guessing (I4, I6), and a run is never written twice.
local checkpoint = require "checkpoint_c"
local postgres = require "postgres"
local proxy = require "postgres_proxy_c"
local stores = require "stores"
local create, finish, stay = stores.create, stores.finish, stores.stay

local server, port, direct, url

-- The store's URL through the proxy, and the server's without it, of one new schema.
local function schema()
  local name
  direct, name = postgres.schema(server)
  url = postgres.tcp(server, { port = port, schema = name })
end

local function log_count(text)
  local file = assert(io.open(server.folder .. "/log"))
  local _, count = file:read("*a"):gsub(text, "")
  file:close()
  return count
end

local function wait_for(what, condition)
  for _ = 1, 400 do
    if condition() then return end
    os.execute("sleep 0.025")
  end
  error("not within 10 s: " .. what)
end

describe("checkpoint.postgres over a network that loses things", function()
  local store
  setup(function()
    server = postgres.start { "fsync=off" }
    port = proxy.start(("%s/.s.PGSQL.%d"):format(server.folder, server.port))
  end)
  teardown(function() postgres.stop(server) end)
  before_each(function()
    checkpoint.clock(5000)
    proxy.set "pass"
    schema()
    store = assert(stores.connect(url, "pid 1 on here"))
    assert.same({ "ELG_OK" }, store:commit { create "t1" })
  end)
  after_each(function()
    proxy.set "pass"
    proxy.release()
    store:close()
    stores.clean()
  end)

  local function lose(mode, ...)
    local before = proxy.counts().faults
    proxy.set(mode)
    local results = assert(store:commit { ... })
    assert.equal(before + 1, proxy.counts().faults)
    return table.concat(results, " "):gsub("ELG_", "")
  end
  -- The number of the worker's last flush that wrote t1, and of the last that created runs.
  local function flush_of_run()
    local token = tonumber(postgres.sql(direct, [[SELECT flush % (1::bigint << 33) AS n
      FROM cmo_runs WHERE trace_id = 't1']])[1].n)
    assert.equal(0, token % 2)
    return token / 2
  end
  local function flush_of_marker()
    return tonumber(postgres.sql(direct, "SELECT flush FROM cmo_flushes")[1].flush)
  end

  it("finds a commit whose reply was lost, and does not repeat it", function()
    assert.same({ "ELG_OK" }, store:commit { finish("t1", 0) })
    local flush = flush_of_run()
    assert.equal("OK", lose("drop_commit", finish("t1", 1)))
    assert.equal(flush + 1, flush_of_run())
    assert.equal(2, #store:journal "t1")
    assert.equal(2, store:run_get("t1").step_count)
    assert.equal("OK OK", lose("drop_commit", finish("t1", 2), create "t2"))
    assert.equal(flush + 2, flush_of_run())
    assert.equal(flush + 2, flush_of_marker())
    assert.equal(3, #store:journal "t1")
    assert.equal(2, #store:run_list())
  end)
  it("knows it of turns that change nothing that could be looked for", function()
    assert.same({ "ELG_OK" }, store:commit { stay("t1", 0) })
    local flush = flush_of_run()
    assert.equal("OK", lose("drop_commit", stay("t1", 0)))
    assert.equal(flush + 1, flush_of_run())
  end)
  it("knows it of creations", function()
    local flush = flush_of_marker()
    assert.equal("OK", lose("drop_commit", create "t2"))
    assert.equal(flush + 1, flush_of_marker())
    assert.equal("OK OK", lose("cut_request", create "t3", create "t4"))
    assert.equal(flush + 3, flush_of_marker())
  end)
  it("keeps what it said of refused turns", function()
    assert(store:claim "t1")
    assert.same({ "ELG_OK" }, store:commit { create "t2" })
    assert.equal("FENCED OK CORRUPT", lose("drop_commit", finish("t1", 0, { epoch = 1 }),
      finish("t2", 0), finish("t2", 5)))
    assert.equal(0, #store:journal "t1")
    assert.equal(1, #store:journal "t2")
  end)
  it("repeats a commit that did not arrive", function()
    assert.same({ "ELG_OK" }, store:commit { stay("t1", 0) })
    local flush = flush_of_run()
    assert.equal("OK", lose("cut_request", finish("t1", 0)))
    assert.equal(flush + 2, flush_of_run())
    assert.equal(1, #store:journal "t1")
  end)
  local function late(turn, meanwhile)
    local errors = log_count "division by zero"
    assert.equal("OK", lose("late_request", turn))
    meanwhile()
    assert.equal(1, proxy.counts().late)
    proxy.release()
    wait_for("the late flush is refused", function()
      return proxy.counts().late == 0 and log_count "division by zero" > errors
    end)
  end
  it("keeps a flush out that arrives after it was given up", function()
    late(stay("t1", 0, { status = "waiting", due_ms = 9 }), function()
      assert.same({ "ELG_OK" }, store:commit { stay("t1", 0) })
    end)
    assert.equal("running", store:run_get("t1").status)
    assert.same({ "ELG_OK" }, store:commit { finish("t1", 0) })
  end)
  it("keeps one out that creates runs", function()
    late(create "t2", function()
      postgres.sql(direct, "DELETE FROM cmo_runs WHERE trace_id = 't2'")
    end)
    assert.equal(1, #store:run_list())
  end)
  it("fences a flush whose run was taken by another before it was settled", function()
    postgres.sql(direct, "UPDATE cmo_runs SET epoch = epoch + 1, flush = 0 WHERE trace_id = 't1'")
    assert.equal("FENCED", lose("cut_request", finish("t1", 0)))
    assert.equal(0, #store:journal "t1")
  end)
  it("does both at random, and every step is there once", function()
    local seed = tonumber(os.getenv "ELG_SEED") or os.time()
    math.randomseed(seed)
    local modes, lost = { "pass", "drop_commit", "cut_request" }, 0
    for step = 0, 59 do
      local mode = modes[math.random(3)]
      proxy.set(mode)
      lost = lost + (mode == "pass" and 0 or 1)
      assert.same({ "ELG_OK" }, store:commit { finish("t1", step) }, "seed " .. seed)
    end
    assert.is_true(lost > 10)
    local rows = store:journal "t1"
    assert.equal(60, #rows, "seed " .. seed)
    for i, row in ipairs(rows) do assert.equal(i - 1, row.step_index) end
  end)
  it("claims, reads and lists over lost connections", function()
    for _ = 1, 3 do
      proxy.set "drop_commit"
      assert(store:claim "t1")
    end
    assert.is_true(store:run_get("t1").epoch >= 4)
    postgres.sql(direct, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      .. "WHERE application_name = 'elg'")
    assert.equal(1, #assert(store:run_list()))
    postgres.sql(direct, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      .. "WHERE application_name = 'elg'")
    assert.equal("t1", assert(store:run_get "t1").trace_id)
  end)

  -- Another's transaction holds b, and asks for a once the store, which has a by then, waits for b.
  it("makes a call again that a deadlock ended", function()
    local reopened = {}
    for _, id in ipairs { "a", "b" } do
      assert.same({ "ELG_OK" }, store:commit { create(id) })
      assert.same({ "ELG_OK" }, store:commit { stay(id, 0, { status = "failed" }) })
      reopened[#reopened + 1] = stay(id, 0, { epoch = store:run_get(id).epoch + 1 })
    end
    local before = log_count "deadlock detected"
    local other = stores.child(([[print(require("postgres_c").sql(%q, "BEGIN;"
      .. "SET LOCAL deadlock_timeout = '20s';"
      .. "SELECT 1 FROM cmo_runs WHERE trace_id = 'b' FOR UPDATE;"
      .. "DO $$ BEGIN FOR i IN 1 .. 1000 LOOP PERFORM pg_sleep(0.01);"
      .. "EXIT WHEN EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted); END LOOP; END $$;"
      .. "SELECT 1 FROM cmo_runs WHERE trace_id = 'a' FOR UPDATE; COMMIT"))]]):format(direct))
    wait_for("a lock of b", function()
      return postgres.sql(direct, "SELECT count(*) AS n FROM cmo_runs WHERE trace_id = 'b' AND NOT EXISTS "
        .. "(SELECT 1 FROM cmo_runs WHERE trace_id = 'b' FOR UPDATE SKIP LOCKED)")[1].n == "1"
    end)
    assert.same({ "ELG_OK", "ELG_OK" }, store:reopen(reopened))
    assert.truthy(other:read("*l"):find("table", 1, true))
    other:close()
    assert.is_true(log_count "deadlock detected" > before)
    assert.equal("running running", store:run_get("a").status .. " " .. store:run_get("b").status)
  end)
end)
