-- The tables, views and functions as someone with psql sees them, and how they come to be.
local checkpoint = require "checkpoint_c"
local outside = require "outside"
local postgres = require "postgres"
local proxy = require "postgres_proxy_c"
local stores = require "stores"
local create, finish = stores.create, stores.finish

local server, url, schema

local function sql(text) return postgres.sql(url, text) end
local function names(text)
  local out = {}
  for i, row in ipairs(sql(text)) do out[i] = row.name end
  return table.concat(out, " ")
end

-- The reference's columns, which must be there under these names.
local COLUMNS = {
  cmo_runs = "trace_id graph_id graph_version status started_at completed_at error metadata "
    .. "created_at updated_at",
  cmo_steps = "trace_id step_index node_id state_hash input_hash output_hash next_edge "
    .. "started_at completed_at duration_ms",
  cmo_activities = "trace_id step_index activity_type request_hash request_data response_data "
    .. "response_blob_ref timestamp",
  cmo_graphs = "graph_id graph_version definition created_at updated_at",
}

describe("checkpoint.postgres schema", function()
  setup(function() server = postgres.start { "fsync=off" } end)
  teardown(function() postgres.stop(server) end)
  before_each(function()
    checkpoint.clock(5000)
    url, schema = postgres.schema(server)
  end)
  after_each(function() stores.clean() end)

  it("is made once by many processes that open it at once", function()
    local children = {}
    for i = 1, 8 do
      children[i] = stores.child(([[
        local checkpoint = require "checkpoint_c"
        local store, err = checkpoint.open(%q, "child %d")
        print(store and "opened" or err.text)
        if store then store:close() end]]):format(url, i))
    end
    for _, child in ipairs(children) do
      assert.equal("opened", child:read "*l")
      child:close()
    end
    local pipe = io.popen("ls sql/postgres/[0-9]*.sql | wc -l")
    local count = pipe:read("*l"):match "%d+"
    pipe:close()
    assert.equal(count, sql("SELECT count(*) AS n, max(version) AS last FROM cmo_schema")[1].last)
    assert.equal(count, sql("SELECT count(*) AS n FROM cmo_schema")[1].n)
  end)

  describe("when made", function()
    local store
    before_each(function() store = assert(stores.connect(url, "pid 1 on here")) end)
    after_each(function() store:close() end)

    local function filled()
      local failed = stores.step(1, { status = "error", has_chain = false,
        error = '{"code":"E"}', duration_us = 4000 })
      assert.same({ "ELG_OK", "ELG_OK", "ELG_OK", "ELG_OK" }, store:commit { create "t1",
        finish("t1", 0, nil, { stores.step(0, { duration_us = 2000 }), stores.activity(0, 0) }),
        stores.stay("t1", 1, nil, { failed, stores.open_step(1, { attempt = 2, node_id = "pay" }),
          stores.activity(1, 0, { attempt = 2, status = "intent" }) }), create "t2" })
    end

    it("has the reference's columns", function()
      for table_name, wanted in pairs(COLUMNS) do
        local there = " " .. names(([[SELECT column_name AS name FROM information_schema.columns
          WHERE table_schema = '%s' AND table_name = '%s']]):format(schema, table_name)) .. " "
        for column in wanted:gmatch "%S+" do
          assert.truthy(there:find(" " .. column .. " ", 1, true), table_name .. "." .. column)
        end
      end
    end)
    it("has keys, references and comments", function()
      assert.equal("cmo_runs", names(([[SELECT conrelid::regclass::text AS name FROM pg_constraint
        WHERE contype = 'f' AND confrelid = '%s.cmo_graphs'::regclass]]):format(schema)))
      assert.equal("cmo_activities cmo_inputs cmo_runs cmo_signals cmo_steps", names(([[
        SELECT conrelid::regclass::text AS name FROM pg_constraint
        WHERE contype = 'f' AND confrelid = '%s.cmo_runs'::regclass ORDER BY 1]]):format(schema)))
      assert.equal("", names(([[SELECT relname AS name FROM pg_class
        WHERE relnamespace = '%s'::regnamespace AND relkind = 'r'
        AND obj_description(oid, 'pg_class') IS NULL]]):format(schema)))
      filled()
      local row, message = require("postgres_c").sql(url,
        "INSERT INTO cmo_steps SELECT * FROM cmo_steps WHERE step_index = 0")
      assert.is_nil(row)
      assert.truthy(message:find "duplicate key")
    end)
    it("shows payloads as JSON, whatever they hold", function()
      filled()
      assert.equal('{"s":0}', sql("SELECT state FROM cmo_steps_json WHERE step_index = 0")[1].state)
      assert.equal("http_request", sql([[SELECT activity_type, response_data ->> 'value' AS v
        FROM cmo_activities_json WHERE step_index = 0]])[1].activity_type)
      local run = sql("SELECT input ->> 'n' AS n, owner FROM cmo_runs_json WHERE trace_id = 't1'")[1]
      assert.same({ n = "1", owner = "pid 1 on here" }, run)
      assert.same({ "ELG_OK" }, store:commit { create("odd", { input = "\255\0not JSON" }) })
      assert.truthy(sql("SELECT input FROM cmo_runs_json WHERE trace_id = 'odd'")[1].input:find "not JSON")
      assert.same({ "ELG_OK" }, store:commit { create("nul", { error = [[{"code":"E","message":"a\u0000b"}]] }) })
      assert.same({ error_code = "E", error_message = "a\239\191\189b" },
        sql("SELECT error_code, error_message FROM cmo_execution_summary WHERE trace_id = 'nul'")[1])
      -- A NUL is an odd number of backslashes before u0000; of an even one each pair is a backslash.
      assert.same({ "ELG_OK" }, store:commit { create("escaped", { error = [[{"code":"\\\u0000\\\\u0000",]]
        .. [["message":"\\u0000 \u0000\u0000 \\\u0000u0000"}]] }) })
      assert.same({ error_code = "\\\239\191\189\\\\u0000",
        error_message = "\\u0000 \239\191\189\239\191\189 \\\239\191\189u0000" },
        sql("SELECT error_code, error_message FROM cmo_execution_summary WHERE trace_id = 'escaped'")[1])
    end)
    it("sums runs up", function()
      filled()
      assert.same({ trace_id = "t1", steps_completed = "1", attempts = "3", failed_attempts = "1",
        activities = "2", open_activities = "1", node_duration_ms = "6" },
        sql([[SELECT trace_id, steps_completed, attempts, failed_attempts, activities, open_activities,
          node_duration_ms FROM cmo_execution_summary WHERE trace_id = 't1']])[1])
    end)
    it("says how far a run is", function()
      filled()
      assert.same({ trace_id = "t1", status = "running", steps_completed = "1", current_step = "1",
        current_node = "pay", current_attempt = "2", activities = "2", open_activities = "1" },
        sql([[SELECT trace_id, status, steps_completed, current_step, current_node, current_attempt,
          activities, open_activities FROM get_execution_progress('t1')]])[1])
      assert.equal("0", sql("SELECT count(*) AS n FROM get_execution_progress('none')")[1].n)
    end)
    it("forgets what ended long ago, with all that belongs to it, and nothing else", function()
      filled()
      assert.same({ "ELG_OK", "ELG_OK" }, store:commit {
        stores.stay("t1", 1, { status = "failed", completed_at_ms = 1000 }),
        stores.stay("t2", 0, { status = "completed", completed_at_ms = os.time() * 1000 }) })
      assert.equal("0", sql("SELECT cleanup_old_executions(2147483647) AS n")[1].n)
      assert.equal("1", sql("SELECT cleanup_old_executions(30) AS n")[1].n)
      assert.equal("t2", names "SELECT trace_id AS name FROM cmo_runs")
      assert.equal("0", sql([[SELECT (SELECT count(*) FROM cmo_steps) + (SELECT count(*) FROM cmo_activities)
        + (SELECT count(*) FROM cmo_inputs WHERE trace_id = 't1') AS n]])[1].n)
      assert.equal("1", sql("SELECT count(*) AS n FROM cmo_graphs")[1].n)
      sql "DELETE FROM cmo_runs"
      sql "SELECT cleanup_old_executions(30)"
      assert.equal("0", sql("SELECT count(*) AS n FROM cmo_graphs")[1].n)
    end)
    it("dates changes by hand, and leaves the store's own dates alone", function()
      filled()
      assert.equal(5000, store:run_get("t1").updated_at_ms)
      sql "UPDATE cmo_runs SET metadata = 'x' WHERE trace_id = 't1'"
      assert.is_true(math.abs(store:run_get("t1").updated_at_ms - os.time() * 1000) < 60000)
    end)
    it("is used over three connections, a fourth for artifacts, and none once it is closed", function()
      local count = ("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'elg'")
      assert.equal("3", sql(count)[1].n)
      store:close()
      for _ = 1, 50 do
        if sql(count)[1].n == "0" then break end
        os.execute "sleep 0.02"
      end
      local source = assert(require("artifact_c").open("store", url))
      assert.equal("3", sql(count)[1].n)
      local hash = source:put "content"
      assert.equal("content", source:get(hash))
      assert.equal("4", sql(count)[1].n)
      source:close()
      store = assert(checkpoint.open(url, "reader", true))
      assert.equal("0", sql("SELECT count(*) AS n FROM cmo_workers")[1].n)
      for _ = 1, 50 do
        if sql(count)[1].n == "1" then break end
        os.execute "sleep 0.02"
      end
      assert.equal("1", sql(count)[1].n)
    end)
    it("keeps a run's graph as long as the run, whoever deletes", function()
      filled()
      local row, message = require("postgres_c").sql(url, "DELETE FROM cmo_graphs")
      assert.is_nil(row)
      assert.truthy(message:find "cmo_runs_graph_hash", message)
      -- One that a run comes to carry just now: who deletes waits for it, and leaves it.
      sql "UPDATE cmo_graphs SET created_at = 'epoch'"
      sql "DELETE FROM cmo_runs"
      local child = stores.child(([[
        local sql = require("postgres_c").sql
        assert(sql(%q, "BEGIN; INSERT INTO cmo_runs (trace_id, graph_id, graph_version, graph_hash, status,"
          .. " seed, step_count, epoch, claims, abort_requested) SELECT 'new', graph_id, graph_version,"
          .. " graph_hash, 'pending', '1', 0, 0, 0, false FROM cmo_graphs;"
          .. " SELECT pg_advisory_lock(7); SELECT pg_sleep(0.7); COMMIT"))
        print "done"]]):format(url))
      for _ = 1, 200 do
        if #sql "SELECT 1 AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 7" > 0 then break end
        os.execute "sleep 0.01"
      end
      assert.equal("0", sql("SELECT cleanup_old_executions(30) AS n")[1].n)
      assert.equal("done", child:read "*l")
      child:close()
      assert.equal("1", sql("SELECT count(*) AS n FROM cmo_graphs")[1].n)
      assert.equal("new", names "SELECT trace_id AS name FROM cmo_runs")
    end)
    it("comes to have the key to graphs while workers go on, whatever runs are there", function()
      local before = [[BEGIN; ALTER TABLE cmo_runs DROP CONSTRAINT cmo_runs_graph_hash;
        DROP INDEX cmo_runs_graph; COMMIT]]
      local migration = outside.read "sql/postgres/0009_graph_key.sql"
      local valid = [[SELECT convalidated AS v FROM pg_constraint WHERE conname = 'cmo_runs_graph_hash'
        AND connamespace = ']] .. schema .. "'::regnamespace"
      for _, orphan in ipairs { false, true } do
        sql(before)
        local trace_id = orphan and "orphan" or "t1"
        assert.same({ "ELG_OK" }, store:commit { create(trace_id,
          { graph_hash = orphan and stores.hash "nowhere" or nil }) })
        sql("BEGIN;" .. migration .. "COMMIT")
        local newer = assert(checkpoint.open(url))
        assert.equal(orphan and "f" or "t", sql(valid)[1].v)
        assert.same({ "ELG_OK", "ELG_OK" }, store:commit { finish(trace_id, 0), create(trace_id .. "-b") })
        assert.same({ "ELG_NOT_FOUND" }, newer:commit { create("c", { graph_hash = stores.hash "nowhere" }) })
        newer:close()
      end
    end)
    -- What `elg migrate` of a later build does while workers of this one go on.
    it("may grow while workers use it, and while they are away", function()
      store:close()
      local port = proxy.start(("%s/.s.PGSQL.%d"):format(server.folder, server.port))
      store = assert(stores.connect(postgres.tcp(server, { port = port, schema = schema })))
      assert.same({ "ELG_OK" }, store:commit { create "t1" })
      for i, change in ipairs { "ALTER TABLE cmo_runs ADD COLUMN later TEXT NOT NULL DEFAULT 'x'",
        "ALTER TABLE cmo_steps ADD COLUMN later JSONB; ALTER TABLE cmo_activities ADD COLUMN later INT",
        "CREATE INDEX later ON cmo_runs (later); CREATE TABLE cmo_later (n INT)",
        "ALTER TABLE cmo_inputs ADD COLUMN later BYTEA; ALTER TABLE cmo_graphs ADD COLUMN later INT" } do
        sql(("BEGIN; SELECT pg_advisory_xact_lock(1701602097); %s; INSERT INTO cmo_schema (version) "
          .. "VALUES (%d); COMMIT"):format(change, 100 + i))
        assert.same({ "ELG_OK", "ELG_OK" }, assert(store:commit { create("n" .. i),
          finish("t1", 2 * i - 2, nil, { stores.step(2 * i - 2), stores.activity(2 * i - 2, 0) }) }))
        proxy.set "cut_request" -- what comes back is a session that knows nothing yet
        assert.same({ "ELG_OK" }, assert(store:commit { finish("t1", 2 * i - 1) }))
        assert.equal(2 * i, store:run_get("t1").step_count)
        assert.equal(3 * i, #store:journal "t1")
        assert(store:claim("n" .. i))
      end
      assert.equal(5, #store:run_list())
    end)
    it("keeps updates of runs in their page", function()
      assert.same({ "ELG_OK" }, store:commit { create "hot" })
      for step = 0, 199 do store:commit { finish("hot", step) } end
      store:close() -- the server counts what a session did at the latest when it ends
      local row
      for _ = 1, 100 do
        row = sql([[SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables
          WHERE schemaname = ']] .. schema .. "' AND relname = 'cmo_runs'")[1]
        if tonumber(row.updates) >= 200 then break end
        os.execute "sleep 0.1"
      end
      assert.is_true(tonumber(row.hot) >= 190, row.hot .. " of " .. row.updates)
    end)
  end)
end)
