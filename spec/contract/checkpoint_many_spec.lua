-- The contract of claims and hand-backs of many runs in one transaction, over every back end: they
-- are what so many single ones would be.
local checkpoint = require "checkpoint_c"
local process = require "process_c"
require "sqlite_c"
local stores = require "stores"
local create = stores.create

local SEED = tonumber(os.getenv "ELG_SEED") or os.time() % 1000000
local PLANS = 6

-- A plan of submissions: { trace_id, graph_id, quota }.
local function plan(seed)
  math.randomseed(seed)
  local out, limits = {}, {}
  for _, graph in ipairs { "a", "b", "c" } do
    local kind = math.random(5)
    limits[graph] = kind == 1 and { running_max = math.random(3) }
      or kind == 2 and { rate_count = math.random(4), rate_ms = 3600000 }
      or kind == 3 and { key_running_max = math.random(2) } or {}
  end
  for i = 1, 40 do
    local graph = ("abc"):sub(math.random(3)):sub(1, 1)
    local quota = { priority = math.random(3) == 1 and math.random(2) or 0 }
    for name, value in pairs(limits[graph]) do quota[name] = value end
    if quota.key_running_max then quota.key = math.random(2) == 1 and "x" or "y" end
    out[i] = { ("r%02d"):format(i), graph, quota }
  end
  return out
end

local function submit(store, submissions)
  for i, what in ipairs(submissions) do
    local run = stores.run(what[1], { graph_id = what[2], status = "pending", epoch = 0,
      started_at_ms = 0, created_at_ms = 1000 + i })
    run.quota = what[3]
    stores.commit(store, { create = true, before = 0, run = run })
  end
end

-- Traces as batches of at most max() runs give them, to the last.
local function taken(store, max)
  local out = {}
  repeat
    local rows, err = store:claim_many(max())
    if not rows then assert.equal("ELG_NOT_FOUND", err.status) end
    for _, row in ipairs(rows or {}) do out[#out + 1] = row.trace_id end
    process.sleep_us(2000) -- the clocks of stores have milliseconds
  until not rows
  return table.concat(out, " ")
end

for _, backend in ipairs(stores.backends) do
  describe("checkpoint (" .. backend.name .. ") of many runs", function()
    local store, url, other
    before_each(function()
      store, url = stores.open(backend)
      other = backend.shared and assert(checkpoint.open(url, "pid 2 on here")) or nil
    end)
    after_each(function()
      checkpoint.alloc_fail(-1)
      if other then other:close() end
      store:close()
      stores.clean()
    end)
    local function traces(rows)
      local out = {}
      for i, row in ipairs(rows or {}) do out[i] = row.trace_id end
      return table.concat(out, " ")
    end

    it("claims in the order of single claims: priority, fairness, limits", function()
      for i = 0, PLANS - 1 do
        local submissions = plan(SEED + i)
        local reference = assert(stores.connect "memory:")
        submit(reference, submissions)
        local wanted = taken(reference, function() return 1 end)
        reference:close()
        local fresh = assert(stores.connect(backend.url()))
        submit(fresh, submissions)
        local got = taken(fresh, function() return math.random(64) end)
        fresh:close()
        assert.equal(wanted, got, "ELG_SEED=" .. SEED + i)
      end
      print(backend.name .. ": ELG_SEED=" .. SEED)
    end)

    it("claims as single claims do, for all to see", function()
      submit(store, { { "a", "g" }, { "b", "g" }, { "c", "g" } })
      local rows = assert(store:claim_many(2))
      for _, row in ipairs(rows) do
        assert.same({ 1, 1, '{"n":1}' }, { row.epoch, row.claims, row.input })
        assert.same(row, store:run_get(row.trace_id))
        stores.commit(store, { before = 0, run = stores.run(row.trace_id, { epoch = 1 }), records = {} })
      end
      if other then
        assert.equal("c", traces(other:claim_many(64)))
        assert.equal("ELG_BUSY", select(2, other:claim "a").status)
      end
    end)

    it("takes up graphs that are named, and says so if there is nothing", function()
      submit(store, { { "a", "g" }, { "b", "h" }, { "c", "h" } })
      local got = {}
      for _ = 1, 2 do got[#got + 1] = traces(store:claim_many(2, { "h", "i" })) end
      assert.equal("b c", (table.concat(got, " "):gsub(" $", "")))
      assert.equal("ELG_NOT_FOUND", select(2, store:claim_many(2, { "h" })).status)
      assert.equal("ELG_NOT_FOUND", select(2, store:claim_many(2, {})).status)
      assert.equal("ELG_USAGE", select(2, store:claim_many(0)).status)
      assert.equal("ELG_USAGE", select(2, store:claim_many(65)).status)
    end)

    it("quarantines who was claimed too often, and gives it with the others", function()
      submit(store, { { "bad", "g" }, { "good", "g" } })
      for _ = 1, 10 do
        assert(store:claim "bad")
        store:release "bad"
      end
      local seen = {}
      for _ = 1, 2 do
        for _, row in ipairs(store:claim_many(8) or {}) do seen[row.trace_id] = row.status end
      end
      assert.same({ bad = "quarantined", good = "pending" }, seen)
      assert.equal("quarantined", store:run_get("bad").status)
    end)

    if backend.shared then
      it("claims by name what can be had, and leaves out the rest", function()
        submit(store, { { "a", "g" }, { "b", "g" }, { "theirs", "g" }, { "often", "g" } })
        stores.commit(store, create("ended", { status = "completed" }))
        assert(other:claim "theirs")
        for _ = 1, 10 do
          assert(store:claim "often")
          store:release "often"
        end
        local rows = assert(store:claim_named { "b", "ended", "theirs", "none", "often", "a" })
        table.sort(rows, function(x, y) return x.trace_id < y.trace_id end)
        assert.equal("a b", traces(rows))
        for _, row in ipairs(rows) do assert.same(row, store:run_get(row.trace_id)) end
        assert.equal("ELG_BUSY", select(2, other:claim "a").status)
        assert.same({ 1, "pending" }, { store:run_get("theirs").epoch, store:run_get("often").status })
        assert.equal("ELG_NOT_FOUND", select(2, store:claim_named { "none", "ended" }).status)
        -- What is held here already is claimed anew, as by claim.
        assert.equal(2, store:claim_named({ "a" })[1].epoch)
      end)

      it("gives no run to two who claim at once", function()
        local submissions = {}
        for i = 1, 300 do submissions[i] = { ("t%03d"):format(i), "g" .. i % 2 } end
        submit(store, submissions)
        local children, seen, count = {}, {}, 0
        for i = 1, 4 do
          children[i] = stores.child(([[
            require "sqlite_c"
            local store = assert(require("checkpoint_c").open(%q, "child %d"))
            while true do
              local rows = store:claim_many(1 + %d * 5)
              if not rows then break end
              for _, row in ipairs(rows) do print(row.trace_id) end
              io.stdout:flush()
            end
            print "none"
            io.stdout:flush()
            os.execute "sleep 3"]]):format(url, i, i))
        end
        for _, child in ipairs(children) do
          for line in child:lines() do
            if line == "none" then break end
            assert.is_nil(seen[line], line)
            seen[line], count = true, count + 1
          end
        end
        for _, child in ipairs(children) do child:close() end
        assert.equal(300, count)
      end)
    end

    it("hands back what is held here, uncounted", function()
      submit(store, { { "a", "g" }, { "b", "g" }, { "c", "g" }, { "d", "g" } })
      for _ = 1, 3 do store:claim_next() end
      local theirs = other or store
      if other then other:claim "d" end
      store:hand_back_many { "a", "b", "d", "none" }
      assert.same({ 0, 0, 1 }, { store:run_get("a").claims, store:run_get("b").claims,
        store:run_get("c").claims })
      if other then assert.same({ 1, "ELG_BUSY" }, { store:run_get("d").claims,
        select(2, store:claim "d").status }) end
      assert.equal("a", theirs:claim_next().trace_id)
      assert.equal("b", theirs:claim_next().trace_id)
    end)

    it("hands back more than are claimed at once", function()
      local submissions, held = {}, {}
      for i = 1, 150 do submissions[i] = { ("t%03d"):format(i), "g" } end
      submit(store, submissions)
      repeat
        local rows = store:claim_many(64)
        for _, row in ipairs(rows or {}) do held[#held + 1] = row.trace_id end
      until not rows
      assert.equal(150, #held)
      store:hand_back_many(held)
      for _, trace_id in ipairs(held) do assert.equal(0, store:run_get(trace_id).claims) end
      assert((other or store):claim(held[150]))
    end)

    it("may run out of memory at any one allocation, and holds nothing then", function()
      submit(store, { { "a", "g" }, { "b", "g" } })
      local n, rows = 0
      repeat
        checkpoint.alloc_fail(n)
        local err
        rows, err = store:claim_many(2)
        checkpoint.alloc_fail(-1)
        if not rows then assert.equal("ELG_NO_MEMORY", err.status) end
        n = n + 1
      until rows
      assert.is_true(n > 1 and #rows >= 1)
      assert.is_true(store:run_get("a").claims == 1)
      if other then
        store:hand_back_many { "a", "b" }
        local named
        n = 0
        repeat
          checkpoint.alloc_fail(n)
          named = store:claim_named { "a", "b" }
          checkpoint.alloc_fail(-1)
          n = n + 1
        until named
        assert.equal(2, #named)
      end
    end)
  end)
end
