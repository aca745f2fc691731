-- The contract of commit, over every back end. The other calls are in checkpoint_calls_spec.lua.
local checkpoint = require "checkpoint_c"
require "sqlite_c"
local stores = require "stores"
local run, step, activity = stores.run, stores.step, stores.activity
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
      it("refuses a record of a step that is finished, or that cannot have begun", function()
        commit(store, create "t1", finish("t1", 0))
        assert.equal("CORRUPT", results(store, stay("t1", 1, nil, { activity(0, 7) })))
        assert.equal("CORRUPT", results(store, stay("t1", 1, nil, { step(0, { attempt = 2 }) })))
        local failed = step(1, { status = "error", has_chain = false })
        assert.equal("CORRUPT", results(store, stay("t1", 1, nil, { failed, open_step(2) })))
        assert.equal(1, #store:journal "t1")
        commit(store, stay("t1", 1, nil, { failed, open_step(1, { attempt = 2 }) }))
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
      it("refuses a run whose graph was not put (I9), and that alone", function()
        local stray = create("stray", { graph_hash = stores.hash "nowhere" })
        assert.same({ "ELG_OK", "ELG_NOT_FOUND", "ELG_OK" }, store:commit { create "t1", stray, create "t2" })
        assert.equal("ELG_NOT_FOUND", select(2, store:run_get "stray").status)
        assert.equal("t2 t1", (function()
          local out = {}
          for i, row in ipairs(assert(store:run_list())) do out[i] = row.trace_id end
          return table.concat(out, " ")
        end)())
        -- One that is there is told of as that, whatever its graph.
        assert.same({ "ELG_EXISTS" }, store:commit { create("t1", { graph_hash = stores.hash "nowhere" }) })
        assert(store:graph_put { hash = stores.hash "nowhere", id = "g", version = "2", definition = "{}" })
        assert.same({ "ELG_OK" }, store:commit { stray })
        assert.equal(stores.hash "nowhere", store:run_get("stray").graph_hash)
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
  end)
end
