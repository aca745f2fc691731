-- The contract of signals, over every back end: kept, read in order, consumed with a turn.
local checkpoint = require "checkpoint_c"
require "sqlite_c"
local stores = require "stores"
local create, finish, stay = stores.create, stores.finish, stores.stay
local results = stores.results

local function signal(name, payload, key)
  return { name = name, key = key or "", payload = payload, payload_hash = stores.hash(payload:sub(1, 99)) }
end

local function refused(status, pattern, _, err)
  assert.equal(status, err.status)
  assert.equal(status, err.error_status)
  assert.equal("t1", err.where)
  assert.truthy(err.text:find(pattern, 1, true), err.text)
end

for _, backend in ipairs(stores.backends) do
  describe("checkpoint signals (" .. backend.name .. ")", function()
    local store, url
    before_each(function()
      checkpoint.clock(5000)
      store, url = stores.open(backend)
    end)
    after_each(function()
      checkpoint.alloc_fail(-1)
      if store then store:close() end
      stores.clean()
    end)

    local function payloads(name, after)
      local out = {}
      for i, row in ipairs((assert(store:signals("t1", name, after)))) do out[i] = row.payload end
      return table.concat(out, " ")
    end

    local function numbers(name)
      local out = {}
      for i, row in ipairs((assert(store:signals("t1", name)))) do out[i] = row.signal_no end
      return out
    end

    it("are kept in order, by run and name", function()
      results(store, create "t1", create "t2")
      assert.is_true(store:signal_put("t1", signal("a", "1")))
      assert.is_true(store:signal_put("t1", signal("b", "2")))
      assert.is_true(store:signal_put("t2", signal("a", "3")))
      assert.is_true(store:signal_put("t1", signal("a", "4", "k")))
      assert.equal("1 4", payloads "a")
      assert.equal("2", payloads "b")
      assert.equal("", payloads "c")
      local rows, last = store:signals("t1", "a", 0, 1)
      assert.same({ 1, "a", "", stores.hash "1" },
        { #rows, rows[1].name, rows[1].key, rows[1].payload_hash })
      assert.equal("4", payloads("a", rows[1].signal_no))
      assert.is_true(last > rows[1].signal_no)
      assert.equal("k", store:signals("t1", "a", rows[1].signal_no)[1].key)
      assert.equal(select(2, store:signals("t1", "nothing")), last)
    end)

    it("with a key are kept once, with the same content", function()
      results(store, create "t1", create "t2")
      assert.is_true(store:signal_put("t1", signal("a", "1", "k")))
      assert.is_false(store:signal_put("t1", signal("a", "1", "k")))
      assert.is_true(store:signal_put("t2", signal("a", "1", "k")))
      refused("ELG_EXISTS", "another payload", store:signal_put("t1", signal("a", "2", "k")))
      refused("ELG_EXISTS", "another name", store:signal_put("t1", signal("b", "1", "k")))
      assert.equal("1", payloads "a")
    end)

    it("are refused for a run that is not there or has ended, but for a key that is known", function()
      refused("ELG_NOT_FOUND", "no such run", store:signal_put("t1", signal("a", "1")))
      results(store, create "t1")
      assert.is_true(store:signal_put("t1", signal("a", "1", "k")))
      results(store, finish("t1", 0, { status = "completed" }))
      refused("ELG_USAGE", "has ended (completed)", store:signal_put("t1", signal("a", "2")))
      assert.is_false(store:signal_put("t1", signal("a", "1", "k")))
      assert.equal("1", payloads "a")
    end)

    it("are consumed with a turn, once", function()
      results(store, create "t1")
      for i = 1, 3 do store:signal_put("t1", signal("a", tostring(i))) end
      local no = numbers "a"
      local function use(before, ...)
        local turn = finish("t1", before)
        turn.uses = {}
        for i, number in ipairs { ... } do turn.uses[i] = { number, before, 1, i - 1 } end
        return turn
      end
      assert.equal("OK", results(store, use(0, no[1])))
      assert.equal("2 3", payloads "a")
      assert.equal("CORRUPT", results(store, use(1, no[1])))
      assert.equal("CORRUPT", results(store, use(1, no[2], no[1])))
      assert.equal("CORRUPT", results(store, use(1, no[2], no[2])))
      assert.equal("CORRUPT", results(store, use(1, 999999)))
      assert.equal("2 3", payloads "a")
      assert.equal(1, store:run_get("t1").step_count)
      assert.equal("OK", results(store, use(1, no[3], no[2])))
      assert.equal("", payloads "a")
    end)

    it("are not another run's to consume", function()
      results(store, create "t1", create "t2")
      store:signal_put("t1", signal("a", "1"))
      local turn = finish("t2", 0)
      turn.uses = { { numbers("a")[1], 0, 1, 0 } }
      assert.equal("CORRUPT OK", results(store, turn, finish("t1", 0)))
      assert.equal("1", payloads "a")
    end)

    it("make a run due that waits, and no other", function()
      results(store, create "t1", create "t2")
      store:signal_put("t1", signal("a", "1"))
      assert.equal(0, store:run_get("t1").due_ms)
      store:claim "t1"
      store:claim "t2"
      results(store, stay("t2", 0, { status = "waiting", epoch = 2 }))
      store:signal_put("t2", signal("a", "1"))
      local due_ms = store:run_get("t2").due_ms
      assert.is_true(math.abs(due_ms - store:wall_ms()) < 5000) -- clocks of two
      store:release "t2"
      assert.equal("t2", store:claim_next().trace_id)
    end)

    it("that a run did not see make it due as it is left waiting", function()
      results(store, create "t1")
      store:signal_put("t1", signal("a", "1"))
      store:signal_put("t1", signal("b", "2"))
      local last = select(2, store:signals("t1", "a"))
      local function waiting(seen, due_ms)
        local turn = stay("t1", 0, { status = "waiting", due_ms = due_ms or 0 })
        turn.seen = seen
        results(store, turn)
        return store:run_get("t1").due_ms
      end
      local far_ms = 4000000000000
      assert.equal(0, waiting(last))
      assert.equal(far_ms, waiting(last, far_ms))
      assert.is_true(waiting(last - 1) > 0)
      assert.equal(0, waiting(last))
      assert.is_true(waiting(0, far_ms) < far_ms)
      local turn = stay("t1", 0, { status = "waiting" }) -- the last one is consumed: none is unseen
      turn.seen, turn.uses = last - 1, { { last, 0, 1, 0 } }
      results(store, turn)
      assert.equal(0, store:run_get("t1").due_ms)
    end)

    it("waiting sets claims back: the run came to where it waits", function()
      results(store, create "t1")
      store:claim "t1"
      results(store, stay("t1", 0, { epoch = 2, status = "waiting" }))
      assert.equal(0, store:run_get("t1").claims)
    end)

    it("are told of by the poll, once they are there", function()
      local function polled()
        local seen, out = {}, {}
        for _, trace_id in ipairs(assert(store:signal_poll())) do
          if not seen[trace_id] then out[#out + 1] = trace_id end
          seen[trace_id] = true
        end
        table.sort(out)
        return table.concat(out, " ")
      end
      results(store, create "t1", create "t2")
      store:claim "t1"
      store:claim "t2"
      results(store, stay("t1", 0, { status = "waiting", epoch = 2 }),
        stay("t2", 0, { status = "waiting", epoch = 2 }))
      local other = backend.shared and assert(checkpoint.open(url, "pid 2")) or store
      assert(other:signal_put("t1", signal("a", "1")))
      local until_us, said = checkpoint.monotonic_us() + 5000000, ""
      while said == "" and checkpoint.monotonic_us() < until_us do said = polled() end
      assert.equal("t1", said)
      if other ~= store then other:close() end
    end)

    it("of a run that do not get consumed are bounded, in number and bytes", function()
      results(store, create "t1")
      local begun_us = checkpoint.monotonic_us()
      for i = 1, 1000 do assert.is_true(store:signal_put("t1", signal("a", tostring(i)))) end
      print(("      %s: 1000 signals kept in %.1f s"):format(backend.name,
        (checkpoint.monotonic_us() - begun_us) / 1e6))
      refused("ELG_LIMIT", "1000 signals wait already", store:signal_put("t1", signal("a", "1")))
      local turn = finish("t1", 0)
      turn.uses = { { numbers("a")[1], 0, 1, 0 } }
      assert.equal("OK", results(store, turn))
      assert.is_true(store:signal_put("t1", signal("a", "last")))
      results(store, create "t2")
      local large = '"' .. ("x"):rep(15 * 1024 * 1024) .. '"'
      for _ = 1, 4 do assert.is_true(store:signal_put("t2", signal("a", large))) end
      local _, err = store:signal_put("t2", signal("a", large))
      assert.equal("ELG_LIMIT", err.status)
      assert.truthy(err.text:find("bytes would wait", 1, true))
    end)

    it("survive that any allocation fails", function()
      results(store, create "t1")
      local n, ok = 0, false
      while not ok do
        checkpoint.alloc_fail(n)
        local created, err = store:signal_put("t1", signal("a", "1", "k"))
        checkpoint.alloc_fail(-1)
        ok = created ~= nil
        if not ok then assert.equal("ELG_NO_MEMORY", err.status) end
        n = n + 1
        assert.is_true(n < 1000)
      end
      assert.equal("1", payloads "a")
    end)

    it("meet the faults that are planted", function()
      results(store, create "t1")
      store:fault("signal_put", 0, 1, "ELG_FULL")
      assert.equal("ELG_FULL", select(2, store:signal_put("t1", signal("a", "1"))).status)
      store:fault("signals", 0, 1, "ELG_IO")
      assert.equal("ELG_IO", select(2, store:signals("t1", "a")).status)
      assert.equal("", payloads "a")
    end)
  end)
end
