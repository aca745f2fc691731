-- The contract of runs that wait for whoever takes them up, over every back end: created as
-- no one's, handed back, told of.
local checkpoint = require "checkpoint_c"
local process = require "process_c"
local stores = require "stores"
local create, finish = stores.create, stores.finish

local NOTICE_MS, LATER_MS = 500, 4102444800000

for _, backend in ipairs(stores.backends) do
  describe("checkpoint (" .. backend.name .. ")", function()
    local store, url, other
    before_each(function()
      store, url = stores.open(backend)
      other = backend.shared and assert(checkpoint.open(url, "pid 2 on here")) or store
    end)
    after_each(function()
      if other ~= store then other:close() end
      store:close()
      stores.clean()
    end)
    local function commit(turn) stores.commit(store, turn) end
    local function pending(trace_id, over)
      local turn = create(trace_id, over)
      turn.run.status, turn.run.epoch, turn.run.started_at_ms = "pending", 0, 0
      commit(turn)
    end
    local function next_id()
      local row, err = other:claim_next()
      return row and row.trace_id or err.status
    end
    -- Whether `other` is told within the time a notice takes.
    local function told()
      local until_us = process.monotonic_us() + NOTICE_MS * 1000
      repeat
        if other:work_poll() then return true end
        process.sleep_us(2000)
      until process.monotonic_us() > until_us
      return false
    end
    local function quiet()
      repeat until not told()
    end

    describe("a pending run", function()
      it("is no one's, its creator's neither", function()
        pending "p"
        assert.equal("p", next_id())
        local row = assert(store:run_get "p")
        assert.same({ "pending", 1, 1 }, { row.status, row.epoch, row.claims })
      end)
      it("cannot be made twice", function()
        pending "p"
        local turn = create("p", { status = "pending" })
        assert.same({ "ELG_EXISTS" }, store:commit { turn })
      end)
      it("goes on where a claim takes it up", function()
        pending "p"
        local row = assert(store:claim_next())
        commit { before = 0, run = stores.run("p", { epoch = row.epoch }), records = {} }
        local turn = finish("p", 0)
        turn.run.epoch = row.epoch
        commit(turn)
        row = assert(store:run_get "p")
        assert.same({ "running", 1, 0 }, { row.status, row.step_count, row.claims })
      end)
    end)

    describe("hand_back", function()
      it("takes a claim that came to nothing off the count", function()
        pending "p"
        for _ = 1, 15 do
          assert(store:claim "p")
          store:hand_back("p", true)
        end
        local row = assert(store:run_get "p")
        assert.same({ "pending", 0, 15 }, { row.status, row.claims, row.epoch })
        assert.equal("p", next_id())
      end)
      it("leaves the count of crashes as it was", function()
        pending "p"
        for _ = 1, 4 do
          assert(store:claim "p")
          store:release "p"
        end
        assert(store:claim "p")
        store:hand_back("p", false)
        assert.equal(4, store:run_get("p").claims)
      end)
      it("changes nothing of a run that is not held here", function()
        pending "p"
        assert(store:claim "p")
        if backend.shared then other:hand_back("p", true) end
        assert.equal(1, store:run_get("p").claims)
        store:release "p"
        store:hand_back("p", true)
        assert.equal(1, store:run_get("p").claims)
      end)
    end)

    if backend.shared then
      describe("work_poll", function()
        it("is told of a new pending run, once", function()
          quiet()
          pending "p"
          assert.is_true(told())
          assert.is_false(told())
        end)
        it("is told of a run that is handed back to whoever wants it", function()
          pending "p"
          assert(store:claim "p")
          quiet()
          store:hand_back("p", true)
          assert.is_true(told())
        end)
      end)
    end

    describe("work_due", function()
      local function wait(trace_id, due_ms)
        assert(store:reserve(trace_id))
        commit(create(trace_id, { status = "waiting", due_ms = due_ms }))
        store:hand_back(trace_id, false)
      end
      it("says which time comes first", function()
        assert.equal(math.huge, store:work_due())
        wait("past", 1000)
        assert.equal(math.huge, store:work_due())
        wait("b", LATER_MS + 5000)
        wait("a", LATER_MS)
        assert.equal(LATER_MS, store:work_due())
      end)
    end)

    describe("abort_request", function()
      it("changes nothing of a run that has ended", function()
        assert(store:reserve "e")
        commit(create("e", { status = "completed" }))
        local before = stores.dump(store:run_get "e")
        process.sleep_us(3000)
        assert(store:abort_request "e")
        assert.equal(before, stores.dump(store:run_get "e"))
      end)
    end)
  end)
end
