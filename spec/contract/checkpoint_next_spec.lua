-- The contract of taking runs up by their turn, of the lease and of the shared clock, over
-- every back end.
local checkpoint = require "checkpoint_c"
local stores = require "stores"
local create = stores.create

for _, backend in ipairs(stores.backends) do
  describe("checkpoint (" .. backend.name .. ")", function()
    local store
    before_each(function()
      checkpoint.clock(5000)
      store = stores.open(backend)
    end)
    after_each(function()
      if store then store:close() end
      stores.clean()
    end)
    local function commit(turn) stores.commit(store, turn) end

    describe("claim_next", function()
      local function free(...)
        for _, turn in ipairs { ... } do
          commit(turn)
          store:release(turn.run.trace_id)
        end
      end
      local function next_id(...)
        local row, err = store:claim_next(...)
        return row and row.trace_id or err.status
      end
      -- Makes the runs free as another process would find them.
      local function freed(...)
        for _, turn in ipairs { ... } do assert(store:reserve(turn.run.trace_id)) end
        free(...)
      end
      it("takes each free run once, the oldest first, and counts as claim does", function()
        freed(create("b", { created_at_ms = 20 }), create("a", { created_at_ms = 30 }),
          create("c", { created_at_ms = 10 }))
        local row = assert(store:claim_next())
        assert.same({ "c", 2, 1, '{"n":1}' }, { row.trace_id, row.epoch, row.claims, row.input })
        assert.same(row, store:run_get "c")
        assert.equal("b", next_id())
        assert.equal("a", next_id())
        assert.equal("ELG_NOT_FOUND", next_id())
        store:release "a"
        assert.equal("a", next_id())
      end)
      it("passes over the runs that it is told of, and those of a jail", function()
        for i = 1, 4 do
          freed(create("t" .. i, { created_at_ms = 1000 + i,
            limits = i > 2 and '{"fuel":1,"jail":true}' or '{"fuel":1}' }))
        end
        local function ids(count, ...)
          local out = {}
          for i = 1, count do out[i] = next_id(nil, ...) end
          return table.concat(out, " ")
        end
        assert.equal("t2 ELG_NOT_FOUND", ids(2, { "t1" }, true))
        assert.equal("t1 t3 ELG_NOT_FOUND", ids(3, { "t4" }, false))
        assert.equal("t4", ids(1))
        store:hand_back_many { "t1", "t2", "t3", "t4" }
        local many = {}
        for _ = 1, 2 do
          for _, row in ipairs(store:claim_many(8, nil, { "t2", "t3" }) or {}) do
            many[#many + 1] = row.trace_id
          end
        end
        assert.equal("t1 t4", table.concat(many, " "))
      end)
      it("leaves what is held, has ended, waits for a time or for a signal", function()
        freed(create("ended", { status = "completed" }),
          create("later", { status = "waiting", due_ms = 4102444800000 }),
          create("signal", { status = "waiting" }))
        assert(store:reserve "held")
        commit(create "held")
        assert.equal("ELG_NOT_FOUND", next_id())
        freed(create("due", { status = "waiting", due_ms = 4000 }))
        assert.equal("due", next_id())
      end)
      it("takes what has waited longest, since it was due or made", function()
        freed(create("new", { created_at_ms = 15 }), create("due2", { status = "waiting", due_ms = 20 }),
          create("due1", { status = "waiting", due_ms = 10 }))
        assert.equal("due1", next_id())
        assert.equal("new", next_id())
        assert.equal("due2", next_id())
      end)
      it("takes runs of the graphs that are named", function()
        freed(create("x", { graph_id = "gx" }), create("y", { graph_id = "gy" }))
        assert.equal("ELG_NOT_FOUND", next_id {})
        assert.equal("ELG_NOT_FOUND", next_id { "gz" })
        assert.equal("y", next_id { "gz", "gy" })
        assert.equal("x", next_id())
      end)
      it("quarantines a run that was claimed too often, and goes on", function()
        freed(create("poison", { created_at_ms = 1 }), create("good", { created_at_ms = 2 }))
        for _ = 1, 10 do
          assert.equal("poison", next_id())
          store:release "poison"
        end
        local row = assert(store:claim_next())
        assert.same({ "poison", "quarantined", 5000 }, { row.trace_id, row.status, row.completed_at_ms })
        assert.truthy(row.error:find('"code":"QUARANTINED"', 1, true))
        assert.equal("good", next_id())
      end)
    end)

    describe("lease and clock", function()
      it("say until when runs are held, and what time it is", function()
        assert.is_true(store:lease_left_us() > 3000000)
        checkpoint.clock(0)
        assert.is_true(math.abs(store:wall_ms() - os.time() * 1000) < 2500)
      end)
    end)
  end)
end
