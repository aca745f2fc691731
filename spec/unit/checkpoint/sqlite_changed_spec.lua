-- The SQLite store: a database that someone changed. Whatever its columns hold, the answer
-- is an error that names the place.
local checkpoint = require "checkpoint_c"
local sqlite = require "sqlite_c"
local stores = require "stores"
local create, finish = stores.create, stores.finish

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("checkpoint.sqlite", function()
  local folder, path, url
  before_each(function()
    checkpoint.clock(5000)
    folder = stores.folder()
    path = folder .. "/s.db"
    url = "sqlite:" .. path
  end)
  after_each(function()
    sqlite.fail(-1)
    stores.clean()
  end)

  local function opened(owner, read_only)
    local store, err = stores.connect(url, owner, read_only)
    assert(store, err and err.text)
    return store
  end
  -- A file with one run of three steps.
  local function filled()
    local store = opened()
    stores.commit(store, create "t1", finish("t1", 0, nil, { stores.step(0), stores.activity(0, 0) }),
      finish("t1", 1), finish("t1", 2))
    store:close()
  end


  describe("a database that someone changed", function()
    local function damaged(sql)
      filled()
      sqlite.sql(path, sql)
      return opened()
    end
    local cases = {
      { "UPDATE cmo_steps SET state_hash = 'ABC' WHERE step_index = 1", "journal", "cmo_steps.state_hash" },
      { "UPDATE cmo_steps SET state_hash = upper(state_hash) WHERE step_index = 1", "journal", "cmo_steps.state_hash" },
      { "UPDATE cmo_steps SET state_hash = x'00' WHERE step_index = 1", "journal", "cmo_steps.state_hash" },
      { "UPDATE cmo_steps SET state = 'text' WHERE step_index = 1", "journal", "cmo_steps.state" },
      { "UPDATE cmo_steps SET fuel = -1 WHERE step_index = 1", "journal", "cmo_steps.fuel" },
      { "UPDATE cmo_steps SET fuel = 'many' WHERE step_index = 1", "journal", "cmo_steps.fuel" },
      { "UPDATE cmo_steps SET attempt = 5000000000 WHERE step_index = 1", "journal", "cmo_steps.attempt" },
      { "UPDATE cmo_steps SET status = 'okay' WHERE step_index = 1", "journal", "cmo_steps.status" },
      { "UPDATE cmo_steps SET node_id = printf('%.*c', 200, 'n') WHERE step_index = 1", "journal",
        "cmo_steps.node_id" },
      { "UPDATE cmo_steps SET node_id = 'a' || char(0) || 'b' WHERE step_index = 1", "journal",
        "cmo_steps.node_id" },
      { "UPDATE cmo_steps SET duration_ms = 1e300 WHERE step_index = 1", "journal", "cmo_steps.duration_ms" },
      { "UPDATE cmo_steps SET duration_ms = 'x' WHERE step_index = 1", "journal", "cmo_steps.duration_ms" },
      { "UPDATE cmo_steps SET fingerprint = x'01' WHERE step_index = 1", "journal", "cmo_steps.fingerprint" },
      { "UPDATE cmo_steps SET chain = '' WHERE step_index = 1", "journal", "cmo_steps.chain" },
      { "UPDATE cmo_activities SET activity_type = printf('%.*c', 40, 'n')", "journal",
        "cmo_activities.activity_type" },
      { "UPDATE cmo_activities SET response_blob_ref = '../../etc'", "journal", "cmo_activities.response_blob_ref" },
      { "UPDATE cmo_activities SET seq = -1", "journal", "cmo_activities.seq" },
      { "UPDATE cmo_activities SET request_data = 7", "journal", "cmo_activities.request_data" },
      { "UPDATE cmo_runs SET status = ''", "run_get", "cmo_runs.status" },
      { "UPDATE cmo_runs SET graph_hash = 'x'", "run_get", "cmo_runs.graph_hash" },
      { "UPDATE cmo_runs SET epoch = 1.5", "run_get", "cmo_runs.epoch" },
      { "UPDATE cmo_runs SET abort_requested = 2", "run_get", "cmo_runs.abort_requested" },
      { "UPDATE cmo_runs SET status = 'completed'", "run_get", "cmo_runs.completed_at" },
      { "UPDATE cmo_runs SET step_count = 9223372036854775807", "run_get", "cmo_runs.step_count" },
      { "UPDATE cmo_runs SET error = 'text'", "run_list", "cmo_runs.error" },
      { "UPDATE cmo_inputs SET input = 'text'", "claim", "cmo_inputs.input" },
      { "DELETE FROM cmo_inputs", "run_get", "cmo_inputs.input_of" },
    }
    for _, case in ipairs(cases) do
      it("is reported with table and column: " .. case[1]:sub(1, 60), function()
        local store = damaged(case[1])
        local trace = "t1"
        if case[2] == "run_list" then trace = nil end
        local out, err = store[case[2]](store, trace)
        assert.is_nil(out)
        assert.equal("ELG_CORRUPT", err.status)
        assert.equal(path, err.where)
        assert.truthy(err.text:find(case[3] .. ",", 1, true), err.text)
        assert.truthy(err.text:find("t1", 1, true), err.text)
        store:close()
      end)
    end
    it("does not crash, whatever column is NULL, a number, a text or a blob", function()
      filled()
      local store = opened()
      local calls = { cmo_runs = "run_get", cmo_inputs = "run_get", cmo_steps = "journal",
        cmo_activities = "journal" }
      for table_name, call in pairs(calls) do
        for _, column in ipairs(sqlite.sql(path, "PRAGMA table_info(" .. table_name .. ")")) do
          if column.name ~= "trace_id" then
            for _, value in ipairs { "7", "-1.5", "'x'", "x'ff00'", "zeroblob(70000)", "''" } do
              local keep = ("CREATE TABLE keep AS SELECT * FROM %s"):format(table_name)
              sqlite.sql(path, keep)
              sqlite.sql(path, ("UPDATE %s SET %s = %s WHERE rowid = 1"):format(table_name, column.name, value))
              local out, err = store[call](store, "t1")
              assert.is_true(out ~= nil or err.status == "ELG_CORRUPT", column.name .. " = " .. value)
              sqlite.sql(path, ("DELETE FROM %s; INSERT INTO %s SELECT * FROM keep; DROP TABLE keep")
                :format(table_name, table_name))
            end
          end
        end
      end
      assert.equal(4, #store:journal "t1")
      store:close()
    end)
    it("that lost a table or a column is corrupt", function()
      for _, sql in ipairs { "DROP VIEW cmo_steps_json; DROP TABLE cmo_steps",
        "ALTER TABLE cmo_steps RENAME COLUMN fuel TO petrol" } do
        os.execute("rm -f " .. path .. "*")
        local store = damaged(sql)
        local out, err = store:journal "t1"
        assert.is_nil(out)
        assert.equal("ELG_CORRUPT", err.status)
        out, err = store:commit { finish("t1", 3) }
        assert.is_nil(out)
        assert.equal("ELG_CORRUPT", err.status)
        store:close()
      end
    end)
    it("with overwritten pages fails clearly or reads well, and never crashes", function()
      filled()
      local file = assert(io.open(path, "rb"))
      local whole = file:read "*a"
      file:close()
      local corrupt = 0
      for page = 0, #whole / 8192 - 1 do
        for _, offset in ipairs { 0, 8, 100, 4000, 8000 } do
          os.execute(("rm -f %s-wal %s-shm"):format(path, path))
          local at = page * 8192 + offset
          write_file(path, whole:sub(1, at) .. ("\x7f\xff\x01\xc3"):rep(12) .. whole:sub(at + 49))
          local store, err = checkpoint.open(url)
          if store then
            for _, call in ipairs { "run_get", "journal", "claim" } do
              local out, why = store[call](store, "t1")
              if not out then
                corrupt = corrupt + (why.status == "ELG_CORRUPT" and 1 or 0)
                assert.truthy(why.status == "ELG_CORRUPT" or why.status == "ELG_NOT_FOUND", why.status)
              end
            end
            store:close()
          else
            corrupt = corrupt + 1
            assert.truthy(err.status == "ELG_CORRUPT" or err.status == "ELG_UNSUPPORTED", err.text)
          end
        end
      end
      assert.is_true(corrupt > 20)
    end)
    it("cut short is corrupt", function()
      filled()
      os.execute(("truncate -s 20000 %s; rm -f %s-wal %s-shm"):format(path, path, path))
      local store, err = checkpoint.open(url)
      if store then
        local _
        _, err = store:journal "t1"
        store:close()
      end
      assert.equal("ELG_CORRUPT", err.status)
      assert.equal(path, err.where)
    end)
  end)
end)
