-- The contract of the checkpoint ops table, over every back end: all calls but commit, which is in
-- checkpoint_spec.lua.
local checkpoint = require "checkpoint_c"
require "sqlite_c"
local stores = require "stores"
local step, activity = stores.step, stores.activity
local create, finish, stay, open_step = stores.create, stores.finish, stores.stay, stores.open_step
local commit, results = stores.commit, stores.results

for _, backend in ipairs(stores.backends) do
  describe("checkpoint (" .. backend.name .. ")", function()
    local store
    before_each(function()
      checkpoint.clock(5000)
      store = stores.open(backend)
    end)
    after_each(function()
      checkpoint.alloc_fail(-1)
      if store then store:close() end
      stores.clean()
    end)

    describe("claim", function()
      it("raises the epoch and counts, durably, until a record sets it back", function()
        commit(store, create "t1")
        assert.equal(1, store:claim("t1").claims)
        local row = store:claim "t1"
        assert.same({ 3, 2 }, { row.epoch, row.claims })
        assert.same({ 3, 2 }, { store:run_get("t1").epoch, store:run_get("t1").claims })
        commit(store, stay("t1", 0, { epoch = 3 }))
        assert.equal(2, store:run_get("t1").claims)
        commit(store, stay("t1", 0, { epoch = 3 }, { open_step(0) }))
        assert.equal(0, store:run_get("t1").claims)
      end)
      it("gives an ended run as it is", function()
        commit(store, create "t1", finish("t1", 0, { status = "completed" }))
        local before = store:run_get "t1"
        assert.same(before, store:claim "t1")
        assert.same(before, store:run_get "t1")
      end)
      it("quarantines past the tenth claim without progress, once", function()
        commit(store, create "t1", create "t2")
        for i = 1, 10 do assert.equal(i, store:claim("t1").claims) end
        local row = assert(store:claim "t1")
        assert.equal("quarantined", row.status)
        assert.truthy(row.error:find('"code":"QUARANTINED"', 1, true))
        assert.equal(5000, row.completed_at_ms)
        assert.same(row, store:claim "t1")
        assert.same(row, store:run_get "t1")
        assert.equal("FENCED", results(store, finish("t1", 0, { epoch = 11 })))
        commit(store, finish("t2", 0))
      end)
      it("says which run is not there", function()
        local _, err = store:claim "nobody"
        assert.equal("ELG_NOT_FOUND", err.status)
        assert.equal("nobody", err.where)
        assert.equal("ELG_NOT_FOUND", err.error_status)
      end)
      it("can be let go and had again, and reserving is no claim", function()
        assert.is_true(store:reserve "t1")
        assert.is_true(store:reserve "t1")
        commit(store, create "t1")
        store:release "t1"
        store:release "t1"
        assert.equal(2, store:claim("t1").epoch)
      end)
      it("can be drawn, executed and let go, or let go before its end", function()
        assert.is_true(store:reserve_new "t1")
        assert.is_true(store:reserve_new "t2")
        commit(store, create "t1", create "t2")
        commit(store, finish("t1", 0, { status = "completed" }), finish("t2", 0))
        store:release "t1"
        store:release "t2"
        assert.equal("completed", store:claim("t1").status)
        assert.equal(2, store:claim("t2").epoch)
        assert.equal("ELG_NOT_FOUND", select(2, store:claim_next()).status)
        store:release "t2"
        assert.equal("t2", store:claim_next().trace_id)
      end)
    end)

    describe("journal", function()
      before_each(function()
        commit(store, create "t1",
          finish("t1", 0, nil, { activity(0, 1), step(0, { attempt = 2 }), activity(0, 0, { attempt = 2 }),
            step(0, { status = "error", has_chain = false }), activity(0, 0) }),
          finish("t1", 1), finish("t1", 2, nil, { step(2), activity(2, 0) }))
      end)
      local function order(rows)
        local out = {}
        for i, row in ipairs(rows) do
          out[i] = row.step_index .. "." .. row.attempt .. (row.seq and "." .. row.seq or "")
        end
        return table.concat(out, " ")
      end
      it("comes by step and attempt, each before its activities", function()
        assert.equal("0.1 0.1.0 0.1.1 0.2 0.2.0 1.1 2.1 2.1.0", order(store:journal "t1"))
      end)
      it("gives a range and stops when told to", function()
        assert.equal("1.1", order(store:journal("t1", 1, 1)))
        assert.equal("1.1 2.1 2.1.0", order(store:journal("t1", 1)))
        assert.equal("", order(store:journal("t1", 3)))
        assert.equal("0.1 0.1.0", order(store:journal("t1", 0, -1, 2)))
        assert.equal("ELG_NOT_FOUND", select(2, store:journal "t9").status)
      end)
    end)

    describe("run_list", function()
      it("gives the newest first, filtered, without payloads", function()
        commit(store, create("a", { created_at_ms = 10 }), create("c", { created_at_ms = 30 }),
          create("b", { created_at_ms = 20 }), create("b2", { created_at_ms = 20 }),
          finish("c", 0, { status = "completed" }), stay("a", 0, { status = "waiting" }))
        local function ids(...)
          local out = {}
          for i, row in ipairs(assert(store:run_list(...))) do
            out[i] = row.trace_id
            assert.is_nil(row.input)
            assert.is_nil(row.initial_state)
            assert.is_nil(row.limits)
          end
          return table.concat(out, " ")
        end
        assert.equal("c b2 b a", ids())
        assert.equal("b2 b a", ids(nil, true))
        assert.equal("c", ids "completed")
        assert.equal("a", ids("waiting", true))
        assert.equal("", ids("completed", true))
        assert.equal("c b2", ids(nil, false, 2))
      end)
    end)

    describe("graphs", function()
      it("are kept under their hash", function()
        local graph = { hash = stores.hash "g", id = "g", version = "1.0", definition = ("x"):rep(100000) }
        assert.is_true(store:graph_put(graph))
        assert.is_true(store:graph_put(graph))
        assert.same(graph, store:graph_get(graph.hash))
        local _, err = store:graph_get(stores.hash "other")
        assert.equal("ELG_NOT_FOUND", err.status)
      end)
    end)

    describe("abort", function()
      local function polled()
        local out = {}
        for i, row in ipairs(assert(store:abort_poll())) do out[i] = row.trace_id end
        return table.concat(out, " ")
      end
      it("is a flag that the owner sees once", function()
        commit(store, create "a", create "b")
        store:claim "a"
        assert.is_true(store:abort_request "a")
        assert.is_true(store:abort_request "b")
        assert.is_true(store:run_get("a").abort_requested)
        assert.equal("a", polled())
        assert.equal("", polled())
        store:claim "b"
        assert.equal("b", polled())
        assert.equal("ELG_NOT_FOUND", select(2, store:abort_request "c").status)
      end)
      it("is fine, and of no effect, for an ended run", function()
        commit(store, create "a")
        store:claim "a"
        commit(store, finish("a", 0, { status = "completed", epoch = 2 }))
        assert.is_true(store:abort_request "a")
        assert.is_true(store:abort_request "a")
        assert.equal("", polled())
        assert.equal("completed", store:run_get("a").status)
      end)
      it("survives the turns of the run", function()
        commit(store, create "a")
        assert.is_true(store:abort_request "a")
        commit(store, finish("a", 0))
        assert.is_true(store:run_get("a").abort_requested)
      end)
    end)

    describe("faults", function()
      it("that are planted fail the call as often as told and write nothing", function()
        commit(store, create "t1")
        store:fault("commit", 1, 2, "ELG_FULL")
        commit(store, finish("t1", 0))
        for _ = 1, 2 do
          local _, err = store:commit { finish("t1", 1) }
          assert.equal("ELG_FULL", err.status)
          assert.equal("ELG_FULL", err.error_status)
        end
        commit(store, finish("t1", 1))
        store:fault("claim", 0, 1, "ELG_BUSY")
        assert.equal("ELG_BUSY", select(2, store:claim "t1").status)
        store:fault("claim", 0, 9, "ELG_BUSY")
        store:fault()
        assert(store:claim "t1")
      end)
      it("make a call slow", function()
        commit(store, create "t1")
        store:fault("commit", 0, 0, "ELG_OK", 50000)
        local before = checkpoint.monotonic_us()
        commit(store, finish("t1", 0))
        assert.is_true(checkpoint.monotonic_us() - before >= 50000)
      end)
    end)

    describe("allocation", function()
      -- Makes the n-th and all later allocations fail, for every n, until the call goes well.
      local function each_failure(call, verify)
        local n = 0
        repeat
          checkpoint.alloc_fail(n)
          local ok, err = call()
          checkpoint.alloc_fail(-1)
          if not ok then
            assert.equal("ELG_NO_MEMORY", err.status)
            assert.equal("ELG_NO_MEMORY", err.error_status)
            if verify then verify() end
          end
          n = n + 1
          assert.is_true(n < 1000)
        until ok
        return n - 1
      end
      it("may fail in open", function()
        local url = backend.url()
        local other
        assert.is_true(each_failure(function()
          local err
          other, err = checkpoint.open(url)
          return other, err
        end) > 0)
        other:close()
      end)
      it("may fail in commit, which then wrote nothing", function()
        commit(store, create "t1", finish("t1", 0))
        local turns = { create "t2", finish("t1", 1, nil, { step(1), activity(1, 0) }), create "t3",
          finish("t3", 0) }
        each_failure(function() return store:commit(turns) end, function()
          assert.equal(1, #store:run_list())
          assert.equal(1, #store:journal "t1")
          assert.equal(1, store:run_get("t1").step_count)
        end)
        assert.equal(3, #store:run_list())
        assert.equal(3, #store:journal "t1")
      end)
      it("may fail in every other call", function()
        commit(store, create "t1", finish("t1", 0, nil, { step(0, { error = "1", stop = "2" }), activity(0, 0) }))
        local graph = { hash = stores.hash "g", id = "g", version = "1", definition = "{}" }
        each_failure(function() return store:graph_put(graph) end)
        each_failure(function() return store:graph_get(graph.hash) end)
        each_failure(function() return store:reserve "t9" end)
        each_failure(function() return store:claim "t1" end)
        each_failure(function() store:release "t1" return store:claim_next() end)
        each_failure(function() return store:run_get "t1" end)
        each_failure(function() return store:run_list() end)
        each_failure(function() return store:journal "t1" end)
        each_failure(function() return store:abort_request "t1" end)
        each_failure(function() return store:abort_poll() end)
      end)
      it("leaves nothing behind", function()
        commit(store, create "t1", finish("t1", 0))
        store:claim "t1"
        store:close()
        store = nil
        assert.equal(0, (select(2, checkpoint.alloc_counts())))
      end)
    end)
  end)
end

describe("checkpoint (any)", function()
  it("refuses what is not a store's name", function()
    for _, url in ipairs { "", "nope", "mysql://x", "sqlite:", "sqlite::memory:", "memory:x" } do
      local store, err = checkpoint.open(url)
      assert.is_nil(store)
      assert.equal("ELG_USAGE", err.status)
      assert.equal(url, err.where)
    end
  end)
  it("names the folder of the artifacts", function()
    local memory = checkpoint.open "memory:"
    assert.equal("", memory:artifacts())
    memory:close()
    local path = stores.folder() .. "/s.db"
    local sqlite = checkpoint.open("sqlite:" .. path)
    assert.equal(path .. "-artifacts", sqlite:artifacts())
    sqlite:close()
    stores.clean()
  end)
end)
