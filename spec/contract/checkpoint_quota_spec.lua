-- The contract of the order in which runs are taken up, and of how many: priorities, fairness
-- between graphs, limits at once and in a time; over every back end.
local checkpoint = require "checkpoint_c"
local process = require "process_c"
local stores = require "stores"

for _, backend in ipairs(stores.backends) do
  describe("checkpoint (" .. backend.name .. ") claim_next", function()
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

    local age = 0
    -- Submits a run of the graph; each is younger than the one before.
    local function submit(trace_id, graph_id, quota)
      age = age + 1
      local run = stores.run(trace_id, { graph_id = graph_id, status = "pending", epoch = 0,
        started_at_ms = 0, created_at_ms = 1000 + age })
      run.quota = quota
      assert.same({ "ELG_OK" }, store:commit { { create = true, before = 0, run = run } })
    end
    local function next_id(of)
      local row, err = (of or store):claim_next()
      return row and row.trace_id or assert.equal("ELG_NOT_FOUND", err.status) and "none"
    end
    local function taken(count)
      local list = {}
      for i = 1, count do list[i] = next_id() end
      return table.concat(list, " ")
    end
    local function ended(trace_id)
      local row = assert(store:run_get(trace_id))
      assert.same({ "ELG_OK" }, store:commit { { before = 0, run = stores.run(trace_id,
        { status = "completed", epoch = row.epoch }), records = {} } })
      store:release(trace_id)
    end

    it("takes those of higher priority first", function()
      submit("low", "g")
      submit("high", "g", { priority = 7 })
      submit("higher", "h", { priority = 9 })
      submit("mid", "g", { priority = 3 })
      assert.equal("higher high mid low none", taken(5))
    end)

    it("is fair: the graph that was served the longest ago is next", function()
      for i = 1, 4 do submit("a" .. i, "a") end
      submit("b1", "b")
      submit("b2", "b")
      submit("c1", "c")
      local order = {}
      for i = 1, 7 do
        order[i] = next_id()
        process.sleep_us(2000) -- the clocks of stores have milliseconds
      end
      assert.equal("a1 b1 c1 a2 b2 a3 a4", table.concat(order, " "))
    end)

    it("lets so many of a graph run at once", function()
      for i = 1, 3 do submit("l" .. i, "limited", { running_max = 2 }) end
      submit("free", "other")
      assert.equal("l1 free l2 none", (taken(4):gsub("^(l1) (l2) (free)", "%1 %3 %2")))
      assert.equal("none", next_id(other))
      ended "l1"
      assert.equal("l3", next_id(other))
      assert.equal("none", next_id())
    end)

    it("lets so many of a key run at once, and others pass", function()
      local function of(key) return { key_running_max = 1, key = key } end
      submit("a1", "g", of "a")
      submit("a2", "g", of "a")
      submit("b1", "g", of "b")
      submit("none1", "g")
      assert.equal("a1 b1 none1 none", taken(4))
      store:hand_back("a1", false) -- as long as it is nobody's it counts for nothing
      assert.equal("a1", next_id())
      ended "a1"
      assert.equal("a2 none", taken(2))
    end)

    it("passes over very many of one key", function()
      for i = 1, 40 do submit(("a%02d"):format(i), "g", { key_running_max = 1, key = "a" }) end
      submit("b", "g", { key_running_max = 1, key = "b" })
      assert.equal("a01", next_id())
      assert.equal("b", next_id())
    end)

    it("lets so many begin in a time, and those that began go on", function()
      local quota = { rate_count = 2, rate_ms = 700 }
      for i = 1, 4 do submit("r" .. i, "g", quota) end
      assert.equal("r1 r2 none", taken(3))
      store:hand_back("r1", false)
      assert.equal("r1 none", taken(2))
      process.sleep_us(750000)
      assert.equal("r3 r4 none", taken(3))
    end)

    if backend.shared then
      it("counts what other processes hold, and forgets them when they are gone", function()
        for i = 1, 3 do submit("l" .. i, "g", { running_max = 1 }) end
        assert.equal("l1", next_id(other))
        assert.equal("none", next_id())
        other:close()
        other = store
        assert.truthy(next_id():find "^l")
        assert.equal("none", next_id())
      end)
    end
  end)
end
