-- The contract of the checkpoint ops table, over every back end.
local checkpoint = require "checkpoint_c"
require "sqlite_c"
local stores = require "stores"
local run, step, activity = stores.run, stores.step, stores.activity
local create, finish, stay, open_step = stores.create, stores.finish, stores.stay, stores.open_step

local function results(store, ...)
  local out = assert(store:commit { ... })
  return table.concat(out, " "):gsub("ELG_", "")
end

local function commit(store, ...)
  local said = results(store, ...)
  assert.equal(("OK "):rep(select("#", ...)):sub(1, -2), said)
end

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

    describe("create", function()
      it("keeps every field of the run", function()
        local row = run("t1", { status = "waiting", due_ms = 77, error = '{"code":"X"}' })
        commit(store, { create = true, before = 0, run = row })
        local got = assert(store:run_get "t1")
        for key, value in pairs(row) do assert.equal(value, got[key], key) end
        assert.equal(5000, got.updated_at_ms)
        assert.equal(0, got.completed_at_ms)
        assert.is_false(got.abort_requested)
      end)
      it("refuses a run that exists and leaves it as it was", function()
        commit(store, create "t1")
        assert.equal("EXISTS", results(store, create("t1", { seed = "other" })))
        assert.equal("42", store:run_get("t1").seed)
      end)
      it("takes records along and sets the claims to 0", function()
        local turn = create("t1", { step_count = 1, claims = 1 })
        turn.records = { step(0) }
        commit(store, turn)
        assert.equal(1, #store:journal "t1")
        assert.equal(0, store:run_get("t1").claims)
      end)
      it("keeps the claims of a run without records", function()
        commit(store, create("t1", { claims = 1 }))
        assert.equal(1, store:run_get("t1").claims)
      end)
      it("keeps what may be missing missing, and what is empty empty", function()
        local row = run "t1"
        row.input, row.initial_state, row.limits = nil, "", nil
        commit(store, { create = true, before = 0, run = row })
        local got = store:run_get "t1"
        assert.is_nil(got.input)
        assert.equal("", got.initial_state)
        assert.is_nil(got.error)
      end)
    end)

    describe("commit", function()
      it("keeps every field of a step and of an activity", function()
        local s = step(0, { metadata = '{"m":1}', error = '{"e":1}', stop = '{"kind":"k"}',
          retry_due_ms = 99, activity_count = 1, duration_us = 1234567 })
        local a = activity(0, 0, { due_ms = 4, response_blob_ref = stores.hash "artifact" })
        commit(store, create "t1", finish("t1", 0, nil, { s, a }))
        local rows = assert(store:journal "t1")
        assert.equal(2, #rows)
        for key, value in pairs(s) do assert.equal(value, rows[1][key], key) end
        for key, value in pairs(a) do assert.equal(value, rows[2][key], key) end
      end)
      it("keeps an empty edge apart from none, and empty payloads apart from none", function()
        commit(store, create "t1", finish("t1", 0, nil, { step(0, { next_edge = "", state = "" }) }),
          finish("t1", 1, nil, { step(1, { has_edge = false, next_edge = "" }) }))
        local rows = store:journal "t1"
        assert.is_true(rows[1].has_edge)
        assert.equal("", rows[1].state)
        assert.is_false(rows[2].has_edge)
      end)
      it("keeps large and binary payloads", function()
        local bytes = {}
        for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
        local large = table.concat(bytes):rep(8192)
        commit(store, create "t1", finish("t1", 0, nil, { step(0, { state = large }) }))
        assert.is_true(large == store:journal("t1")[1].state)
      end)
      it("refuses a gap, a stale count and a run that is not there", function()
        commit(store, create "t1")
        assert.equal("CORRUPT", results(store, finish("t1", 1)))
        commit(store, finish("t1", 0))
        assert.equal("CORRUPT", results(store, finish("t1", 0)))
        assert.equal("NOT_FOUND", results(store, finish("t2", 0)))
        assert.equal(1, #store:journal "t1")
      end)
      it("refuses a finished step without its row", function()
        commit(store, create "t1")
        local turn = finish("t1", 0)
        turn.run.step_count = 2
        assert.equal("CORRUPT", results(store, turn))
        assert.equal("CORRUPT", results(store, finish("t1", 0, nil, {})))
        assert.equal("CORRUPT", results(store, finish("t1", 0, nil, { open_step(0) })))
        assert.equal("CORRUPT", results(store, stay("t1", 0, nil, { step(1) })))
        assert.equal("CORRUPT", results(store, stay("t1", 0, nil, { activity(1, 0) })))
        assert.equal(0, #store:journal "t1")
        assert.equal(0, store:run_get("t1").step_count)
      end)
      it("takes several attempts and several steps in one turn", function()
        commit(store, create "t1")
        local failed = step(0, { status = "error", has_chain = false })
        local turn = finish("t1", 0, nil, { failed, step(0, { attempt = 2 }), step(1), open_step(2),
          activity(2, 0) })
        turn.run.step_count = 2
        commit(store, turn)
        assert.equal(5, #store:journal "t1")
      end)
      it("refuses a stale epoch and a foreign one", function()
        commit(store, create "t1")
        local row = assert(store:claim "t1")
        assert.equal(2, row.epoch)
        assert.equal("FENCED", results(store, finish("t1", 0, { epoch = 1 })))
        assert.equal("FENCED", results(store, finish("t1", 0, { epoch = 3 })))
        assert.equal(0, #store:journal "t1")
        commit(store, finish("t1", 0, { epoch = 2 }))
      end)
      it("refuses a second record", function()
        commit(store, create "t1", finish("t1", 0, nil, { step(0), activity(0, 0) }))
        commit(store, stay("t1", 1, nil, { open_step(1), activity(1, 0) }))
        assert.equal("CORRUPT", results(store, stay("t1", 1, nil, { activity(1, 0, { response = "2" }) })))
        assert.equal('{"value":1}', store:journal("t1", 1)[2].response)
      end)
      it("replaces an intent by its result and an open attempt by its end", function()
        local intent = activity(0, 0, { status = "intent", response = nil, digest = nil })
        intent.response = nil
        commit(store, create "t1", stay("t1", 0, nil, { open_step(0), intent }))
        local rows = store:journal "t1"
        assert.equal("open", rows[1].status)
        assert.equal("intent", rows[2].status)
        commit(store, finish("t1", 0, nil, { activity(0, 0), step(0) }))
        rows = store:journal "t1"
        assert.equal(2, #rows)
        assert.equal("ok", rows[1].status)
        assert.equal('{"s":0}', rows[1].state)
        assert.equal("done", rows[2].status)
        assert.equal('{"value":1}', rows[2].response)
      end)
      it("replaces an open record within one turn, and only an open one", function()
        commit(store, create "t1")
        commit(store, finish("t1", 0, nil, { open_step(0), activity(0, 0, { status = "intent" }),
          activity(0, 0), step(0) }))
        assert.equal(2, #store:journal "t1")
        assert.equal("CORRUPT", results(store, finish("t1", 1, nil, { step(1), step(1) })))
        assert.equal(2, #store:journal "t1")
      end)
      it("writes nothing of a turn that it refuses, and leaves the others unharmed", function()
        commit(store, create "a", create "b", create "c")
        commit(store, finish("b", 0, nil, { step(0), activity(0, 0) }))
        local bad = finish("b", 1, { status = "completed" }, { step(1), activity(1, 0), activity(1, 0) })
        assert.equal("OK CORRUPT OK", results(store, finish("a", 0), bad, finish("c", 0)))
        assert.equal(1, #store:journal "a")
        assert.equal(2, #store:journal "b")
        assert.equal(1, #store:journal "c")
        local row = store:run_get "b"
        assert.equal("running", row.status)
        assert.equal(1, row.step_count)
      end)
      it("writes nothing of a creation that it refuses", function()
        local bad = create("t1", { step_count = 1 })
        bad.records = { step(0), step(0) }
        assert.equal("CORRUPT OK", results(store, bad, create "t2"))
        assert.equal("ELG_NOT_FOUND", select(2, store:run_get "t1").status)
        assert.equal(1, #store:run_list())
      end)
      it("takes several turns of one run in order", function()
        commit(store, create "t1", finish("t1", 0), finish("t1", 1), finish("t1", 2))
        assert.equal(3, store:run_get("t1").step_count)
      end)
      it("refuses what follows a refused turn of the run", function()
        commit(store, create "t1", create "t2")
        assert.equal("CORRUPT CORRUPT OK", results(store,
          stay("t1", 0, nil, { activity(0, 0), activity(0, 0) }), finish("t1", 0), finish("t2", 0)))
        assert.equal(0, #store:journal "t1")
      end)
      it("keeps the end of a run and refuses what comes after", function()
        commit(store, create "t1", finish("t1", 0, { status = "completed", completed_at_ms = 4321 }))
        local row = store:run_get "t1"
        assert.equal("completed", row.status)
        assert.equal(4321, row.completed_at_ms)
        assert.equal("CORRUPT", results(store, finish("t1", 1)))
      end)
      it("dates the end itself where the turn does not", function()
        commit(store, create "t1", stay("t1", 0, { status = "failed", error = '{"code":"E"}' }))
        local row = store:run_get "t1"
        assert.equal(5000, row.completed_at_ms)
        assert.equal('{"code":"E"}', row.error)
      end)
      it("changes of a run what a turn may change, and nothing else", function()
        local row = run "t1"
        row.initial_state = nil
        commit(store, { create = true, before = 0, run = row })
        checkpoint.clock(6000)
        commit(store, stay("t1", 0, { status = "waiting", due_ms = 9, seed = "no", input = "no",
          initial_state = '{"late":1}', started_at_ms = 3, graph_id = "no", limits = "no",
          created_at_ms = 1 }))
        local got = store:run_get "t1"
        assert.equal('{"late":1}', got.initial_state)
        assert.equal("waiting", got.status)
        assert.equal(9, got.due_ms)
        assert.equal(3, got.started_at_ms)
        assert.equal(6000, got.updated_at_ms)
        assert.same({ "42", '{"n":1}', "g", "{}", 1000 },
          { got.seed, got.input, got.graph_id, got.limits, got.created_at_ms })
        commit(store, finish("t1", 0, { initial_state = "" }))
        commit(store, finish("t1", 1, { initial_state = '{"never":1}' }))
        assert.equal("", store:run_get("t1").initial_state)
      end)
      it("refuses a trace id that could not be one", function()
        for _, id in ipairs { "", "a b", "a/b", "\xC3\xBC", "a\n" } do
          assert.equal("ELG_USAGE", select(2, store:commit { create(id) }).status)
          assert.equal("ELG_USAGE", select(2, store:run_get(id)).status)
        end
        assert.equal("ELG_USAGE", select(2, store:claim(("x"):rep(129))).status)
        commit(store, create(("x"):rep(128)), create "A.b_c:d-9")
      end)
      it("refuses a run without graph hash or chain", function()
        for _, field in ipairs { "graph_hash", "chain" } do
          local turn = create "t1"
          turn.run[field] = nil
          assert.equal("ELG_USAGE", select(2, store:commit { turn }).status)
        end
      end)
      it("takes 256 turns at once and no more", function()
        local turns = {}
        for i = 1, 256 do turns[i] = create("t" .. i) end
        assert.equal(256, #assert(store:commit(turns)))
        turns[257] = create "one"
        assert.equal("ELG_USAGE", select(2, store:commit(turns)).status)
        assert.equal(256, #store:run_list())
      end)
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
