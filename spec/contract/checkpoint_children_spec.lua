-- The contract of child runs, over every back end: begun with their parent's turn, their end told
-- to it, ended with it.
local checkpoint = require "checkpoint_c"
require "sqlite_c"
local stores = require "stores"
local create, finish, stay = stores.create, stores.finish, stores.stay
local results = stores.results

local function child(trace_id, parent, over)
  local row = stores.run(trace_id, { status = "pending", epoch = 0, created_at_ms = 0,
    started_at_ms = 0, initial_state = false, parent_trace_id = parent, parent_step = 0,
    parent_seq = 3, depth = 1 })
  row.initial_state = nil
  for name, value in pairs(over or {}) do row[name] = value end
  return row
end

for _, backend in ipairs(stores.backends) do
  describe("checkpoint children (" .. backend.name .. ")", function()
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

    -- A run p with children c1, c2 in hand, at epoch 2.
    local function family()
      local turn = create "p"
      turn.children = { child("c1", "p"), child("c2", "p") }
      assert.equal("OK", results(store, turn))
      for _, name in ipairs { "p", "c1", "c2" } do assert(store:claim(name)) end
    end

    local function told()
      local out = {}
      for i, row in ipairs((assert(store:signals("p", "$child")))) do
        assert.is_nil(row.payload)
        out[i] = row.key
      end
      return table.concat(out, " ")
    end

    local function ended(name, status)
      return finish(name, 0, { epoch = name == "p" and 2 or 1, status = status or "completed",
        parent_trace_id = name ~= "p" and "p" or nil, has_children = name == "p" })
    end

    it("do not begin without their graph, nor does what the turn wrote stay", function()
      stores.commit(store, create "p")
      local turn = finish("p", 0)
      turn.children = { child("c1", "p"), child("c2", "p", { graph_hash = stores.hash "nowhere" }) }
      assert.equal("NOT_FOUND OK", results(store, turn, create "other"))
      assert.equal(0, store:run_get("p").step_count)
      assert.equal(0, #store:journal "p")
      assert.is_nil((store:run_get "c1"))
      assert(store:graph_put { hash = stores.hash "nowhere", id = "g", version = "2", definition = "{}" })
      assert.equal("OK", results(store, turn))
      assert.equal("pending", store:run_get("c2").status)
    end)
    it("begin with a turn of their parent, pending and no one's", function()
      local turn = create "p"
      turn.children = { child("c1", "p"), child("c2", "p", { parent_seq = 4 }) }
      assert.equal("OK", results(store, turn))
      assert(store:claim "p")
      local row = store:run_get "c2"
      assert.same({ "pending", 0, 0, "p", 0, 4, 1, '{"n":1}', "{}", false },
        { row.status, row.epoch, row.claims, row.parent_trace_id, row.parent_step, row.parent_seq,
          row.depth, row.input, row.limits, row.has_children })
      assert.is_nil(row.initial_state)
      assert.is_true(row.created_at_ms > 0)
      assert.is_true(store:run_get("p").has_children)
      assert.equal("", store:run_get("p").parent_trace_id)
      row = store:claim_next()
      assert.same({ 1, "p" }, { row.epoch, row.parent_trace_id })
      local names = store:children "p"
      table.sort(names)
      assert.same({ "c1", "c2" }, names)
      assert.same({}, store:children "c1")
    end)

    it("are not there if the turn was refused", function()
      assert.equal("OK", results(store, create "p"))
      local turn = finish("p", 5)
      turn.children = { child("c1", "p") }
      assert.equal("CORRUPT", results(store, turn))
      turn = finish("p", 0, { epoch = 9 })
      turn.children = { child("c1", "p") }
      assert.equal("FENCED", results(store, turn))
      assert.equal("ELG_NOT_FOUND", select(2, store:run_get "c1").status)
      assert.is_false(store:run_get("p").has_children)
    end)

    it("that are there already are left as they are", function()
      family()
      local before = store:run_get "c1"
      local turn = stay("p", 0, { epoch = 2 })
      turn.children = { child("c1", "p", { input = '{"other":1}' }), child("c3", "p") }
      assert.equal("OK", results(store, turn))
      assert.same(before, store:run_get "c1")
      assert.equal("pending", store:run_get("c3").status)
    end)

    it("tell their parent of their end, and make it due if it waits", function()
      family()
      assert.equal("OK", results(store, stay("p", 0, { epoch = 2, status = "waiting" })))
      assert.equal("OK", results(store, ended "c2"))
      assert.equal("$c2", told())
      assert.is_true(store:run_get("p").due_ms > 0)
      assert.equal("OK", results(store, ended("c1", "failed")))
      assert.equal("$c2 $c1", told())
      assert.same({}, store:children "p")
      local rows = store:signals("p", "$child")
      local turn = finish("p", 0, { epoch = 2 })
      turn.uses = { { rows[1].signal_no, 0, 1, 0 } }
      assert.equal("OK", results(store, turn))
      assert.equal("$c1", told())
    end)

    it("tell it of a quarantine, too", function()
      family()
      for _ = 1, 9 do assert(store:claim "c1") end
      assert.equal("quarantined", store:claim("c1").status)
      assert.equal("$c1", told())
    end)

    it("do not count as signals that wait, and no one can send such a one's key twice", function()
      family()
      assert.equal("OK", results(store, ended "c1"))
      for i = 1, 3 do
        assert(store:signal_put("p", { name = "a", key = "k" .. i, payload = "1",
          payload_hash = stores.hash "1" }))
      end
      assert.equal("$c1", told())
    end)

    for _, status in ipairs { "aborted", "timeout", "failed", "completed" } do
      it("are asked to abort when it ends as " .. status, function()
        family()
        assert.equal("OK", results(store, stay("c2", 0, { status = "waiting",
          parent_trace_id = "p" })))
        assert.equal("OK", results(store, ended("p", status)))
        for _, name in ipairs { "c1", "c2" } do
          assert.is_true(store:run_get(name).abort_requested)
        end
        assert.is_true(store:run_get("c2").due_ms > 0)
        local polled = {}
        for i, row in ipairs(assert(store:abort_poll())) do polled[i] = row.trace_id end
        table.sort(polled)
        assert.equal("c1 c2", table.concat(polled, " "))
      end)
    end

    it("go on when it is diverged or quarantined: somebody may retry it", function()
      family()
      assert.equal("OK", results(store, ended("p", "diverged")))
      assert.is_false(store:run_get("c1").abort_requested)
    end)

    it("are left alone by the end of a run that is not theirs", function()
      family()
      local turn = create "q"
      turn.children = { child("d1", "q") }
      assert.equal("OK", results(store, turn))
      assert.equal("OK", results(store, finish("q", 0, { status = "aborted", has_children = true })))
      assert.is_true(store:run_get("d1").abort_requested)
      assert.is_false(store:run_get("c1").abort_requested)
    end)

    it("256 of them go with one turn", function()
      local turn = create "p"
      turn.children = {}
      for i = 1, 256 do turn.children[i] = child("c" .. i, "p", { parent_seq = i }) end
      local begun_us = checkpoint.monotonic_us()
      assert.equal("OK", results(store, turn))
      print(("      %s: 256 children in %.1f ms"):format(backend.name,
        (checkpoint.monotonic_us() - begun_us) / 1000))
      assert.equal(256, #store:children "p")
    end)

    it("all begin or none, whatever allocation fails", function()
      assert.equal("OK", results(store, create "p"))
      local turn = finish("p", 0, { epoch = 1 })
      turn.children = { child("c1", "p"), child("c2", "p") }
      local n, out = 0, nil
      while not out do
        checkpoint.alloc_fail(n)
        out = store:commit { turn }
        checkpoint.alloc_fail(-1)
        assert.equal(out and 2 or 0, #store:children "p")
        n = n + 1
        assert.is_true(n < 1000)
      end
      assert.equal("ELG_OK", out[1])
      local last = ended "c1"
      n, out = 0, nil
      store:claim "c1"
      while not out do
        checkpoint.alloc_fail(n)
        out = store:commit { last }
        checkpoint.alloc_fail(-1)
        assert.equal(out and "$c1" or "", told())
        n = n + 1
        assert.is_true(n < 1000)
      end
    end)

    -- p and c1 failed, c2 is completed; the turns that open both again.
    local function failed_family()
      family()
      assert.equal("OK OK OK", results(store, ended("c1", "failed"), ended "c2",
        stay("p", 0, { epoch = 2, status = "failed", has_children = true })))
      return stay("c1", 1, { epoch = 2, parent_trace_id = "p" }),
        stay("p", 0, { epoch = 3, has_children = true })
    end
    local function statuses()
      return store:run_get("c1").status .. " " .. store:run_get("p").status
    end

    it("that failed are known by the step that began them", function()
      failed_family()
      assert.same({ "c1" }, store:children_failed("p", 0))
      assert.same({}, store:children_failed("p", 1))
      assert.same({}, store:children_failed("c1", 0))
    end)

    it("go on with their parent, all or none, and tell of their next end", function()
      local c1, p = failed_family()
      p.run.epoch = 4
      assert.same({ "ELG_FENCED", "ELG_FENCED" }, store:reopen { c1, p })
      assert.equal("failed failed", statuses())
      assert.equal("$c1 $c2", told())
      p.run.epoch = 3
      assert.same({ "ELG_OK", "ELG_OK" }, store:reopen { c1, p })
      assert.equal("running running", statuses())
      assert.equal("$c2", told())
      assert.same({ "ELG_FENCED", "ELG_FENCED" }, store:reopen { c1, p })
      local row = assert(store:claim "c1")
      assert.equal("OK", results(store, finish("c1", 1, { epoch = row.epoch, status = "completed",
        parent_trace_id = "p" })))
      assert.equal("$c2 $c1", told())
    end)

    it("go on with their parent, all or none, whatever allocation fails", function()
      local c1, p = failed_family()
      local n, out = 0, nil
      while not out do
        checkpoint.alloc_fail(n)
        out = store:reopen { c1, p }
        checkpoint.alloc_fail(-1)
        assert.equal(out and "running running" or "failed failed", statuses())
        assert.equal(out and "$c2" or "$c1 $c2", told())
        n = n + 1
        assert.is_true(n < 1000)
      end
      assert.same({ "ELG_OK", "ELG_OK" }, out)
    end)
  end)
end
