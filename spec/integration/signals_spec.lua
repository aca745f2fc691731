-- ctx.wait and elg signal, as authors and operators meet them (I6, I10, I17).
local core = require "elg.core"
local json = require "elg.json"
local outside = require "outside"
local postgres = require "postgres"
local process = require "process_c"
local stores = require "stores"

local function signalled_twice()
  return outside.one_node [[
    local first = ctx.wait("go")
    local second, err = ctx.wait("go", 100)
    return nil, { first = first, second = second, code = err and err.code } ]]
end

for _, kind in ipairs { "sqlite", "postgres" } do
  describe("a signal (" .. kind .. ")", function()
    local place, url

    setup(function()
      place = outside.place "signals"
      url = kind == "sqlite" and "sqlite:" .. place:file "elg.db"
        or (postgres.schema(postgres.shared()))
    end)
    teardown(function() place:remove() end)

    local function elg(...)
      return place:json({ ... }, { env = { ELG_STORE = url } })
    end

    local function run(trace, graph)
      place:write(trace .. ".lua", graph)
      return elg("run", trace .. ".lua", "--trace", trace)
    end

    local function verified(trace)
      local done = elg("replay", trace, "--verify")
      assert.equal(0, done.code, done.out .. done.err)
    end

    it("ends a wait; without one the run is parked, and elg run ends with 0", function()
      local done = run("parked", signalled_twice())
      assert.same({ 0, "waiting" }, { done.code, done.doc.status })
      done = elg("resume", "parked")
      assert.same({ 0, "waiting" }, { done.code, done.doc.status })
      assert.equal(0, elg("signal", "parked", "go", '{"by": "Ada"}').code)
      done = elg("resume", "parked")
      assert.same({ first = { by = "Ada" }, code = "TIMEOUT" }, done.doc.output)
      verified "parked"
    end)

    it("is kept if it comes early, and taken first in, first out, by name", function()
      run("early", outside.one_node [[
        if not ctx.wait("begin") then error("no") end
        local list = {}
        for i = 1, 4 do list[i] = ctx.wait("item") end
        list[5] = ctx.wait { name = "other" }
        return nil, list ]])
      for i = 1, 4 do elg("signal", "early", "item", tostring(i)) end
      elg("signal", "early", "other", '"last"')
      assert.equal("waiting", elg("resume", "early").doc.status)
      elg("signal", "early", "begin")
      assert.same({ 1, 2, 3, 4, "last" }, elg("resume", "early").doc.output)
      verified "early"
    end)

    it("wakes a live owner in another process", function()
      place:write("live.lua", outside.one_node [[
        local all = ctx.all { { "wait", "a" }, { "wait", "a" }, { "wait", "never", 60000 } }
        return nil, { all[1].value, all[2].value, all[3].err.code } ]])
      place:write("ends.lua", outside.one_node [[
        return nil, { ctx.wait("a", 60000), ctx.wait("a", 60000) } ]])
      local owner = place:start_elg({ "run", "ends.lua", "--trace", "ends", "--json" },
        { env = { ELG_STORE = url } })
      assert.truthy(outside.eventually(function()
        local done = elg("show", "ends")
        return done.doc and done.doc.status == "waiting"
      end))
      assert.equal(0, elg("signal", "ends", "a", "1").code)
      assert.equal(0, elg("signal", "ends", "a", "2").code)
      local began_us = process.monotonic_us()
      local done = assert(owner:wait(), "the owner does not wake")
      print(("      %s: the owner ended %.0f ms after the second signal was kept"):format(kind,
        (process.monotonic_us() - began_us) / 1000))
      assert.same({ 1, 2 }, outside.documents(done.out)[1].output)
      verified "ends"
    end)

    it("wakes a run that a worker has let go of", function()
      place:write("worked.lua", outside.one_node [[
        return nil, { ctx.wait("a"), (ctx.wait("b", 60000)) } ]])
      assert.equal(0, elg("submit", "worked.lua", "--trace", "worked").code)
      local worker = place:start_elg({ "worker", "--quiet" }, { env = { ELG_STORE = url } })
      local function is(status)
        return outside.eventually(function() return elg("show", "worked").doc.status == status end)
      end
      assert.truthy(is "waiting")
      for i, name in ipairs { "early", "a", "b" } do
        assert.equal(0, elg("signal", "worked", name, tostring(i)).code)
      end
      local began_us = process.monotonic_us()
      assert.truthy(is "completed")
      print(("      %s: the worker's run ended within %.0f ms"):format(kind,
        (process.monotonic_us() - began_us) / 1000))
      assert.same({ 2, 3 }, elg("show", "worked").doc.output)
      worker:kill(15)
      assert.truthy(worker:wait())
      verified "worked"
    end)

    it("with a key is kept once; what it cannot be sent to is a clear error", function()
      run("keyed", signalled_twice())
      assert.is_true(elg("signal", "keyed", "go", "1", "--key", "k").doc.created)
      assert.is_false(elg("signal", "keyed", "go", "1", "--key", "k").doc.created)
      local function refused(code, pattern, ...)
        local done = elg("signal", ...)
        assert.equal(code, done.code)
        assert.truthy(done.err:find(pattern, 1, true), done.err)
      end
      refused(2, "another payload", "keyed", "go", "2", "--key", "k")
      refused(4, "no such run", "nobody", "go", "1")
      refused(3, "begins with $", "keyed", "$child", "1")
      refused(3, "signal name", "keyed", "", "1")
      refused(3, "signal name", "keyed", ("n"):rep(129), "1")
      refused(3, "line 1 column", "keyed", "go", "{")
      place:write("large.json", '"' .. ("x"):rep(17 * 1024 * 1024) .. '"')
      refused(3, "larger than 16777216 bytes", "keyed", "go", "large.json")
      assert.equal("TIMEOUT", elg("resume", "keyed").doc.output.code)
      refused(2, "has ended (completed)", "keyed", "go", "1")
      assert.is_false(elg("signal", "keyed", "go", "1", "--key", "k").doc.created)
    end)

    it("of a megabyte is taken, and lies in an artifact", function()
      run("large", outside.one_node [[ return nil, #ctx.wait("go") ]])
      place:write("large.json", '"' .. ("x"):rep(1024 * 1024) .. '"')
      assert.equal(0, elg("signal", "large", "go", "large.json").code)
      assert.equal(1024 * 1024, elg("resume", "large").doc.output)
      if kind == "sqlite" then verified "large" end
    end)

    it("that an attempt took is there for the next one that asks the same", function()
      local done = run("again", ([[
        local elg = require "elg"
        return elg.graph { id = "r", version = "1", entry = "a", edges = {}, nodes = { a = {
          retry = { max_attempts = 3, backoff = "constant", initial_delay_ms = 1 },
          run = function(state, input, ctx)
            local first = ctx.wait("go")
            if ctx.attempt < 3 then error("again") end
            return nil, { first, (ctx.wait("go")) }
          end } } } ]]))
      assert.equal("waiting", done.doc.status)
      elg("signal", "again", "go", "1")
      elg("signal", "again", "go", "2")
      assert.same({ 1, 2 }, elg("resume", "again").doc.output)
      verified "again"
    end)

    it("does not make a retry come early", function()
      place:write("slow.lua", ([[
        local elg = require "elg"
        return elg.graph { id = "d", version = "1", entry = "a", edges = {}, nodes = { a = {
          retry = { max_attempts = 2, backoff = "constant", initial_delay_ms = 1200 },
          run = function(state, input, ctx)
            if ctx.attempt == 1 then error("again") end
            return nil, { (ctx.wait("go")) }
          end } } } ]]))
      local owner = place:start_elg({ "run", "slow.lua", "--trace", "slow" },
        { env = { ELG_STORE = url } })
      assert.truthy(outside.eventually(function()
        local done = elg("show", "slow")
        return done.doc and done.doc.status == "waiting"
      end))
      owner:stop()
      elg("signal", "slow", "go", "1")
      assert.truthy(outside.eventually(function() -- a dead owner's lease may last a while
        local done = elg("resume", "slow")
        return done.code == 0 and done.doc.status == "completed"
      end))
      local journal = elg("show", "slow").doc.journal
      assert.equal("error", journal[1].status)
      assert.is_true(journal[2].clock_ms - journal[1].clock_ms >= 1200)
      verified "slow"
    end)

    it("is no time of the node: its timeout does not count waiting", function()
      place:write("slowly.lua", ([[
        local elg = require "elg"
        return elg.graph { id = "s", version = "1", entry = "a", edges = {}, nodes = { a = {
          timeout_ms = 200, run = function(state, input, ctx)
            local _, err = ctx.wait("go", 700)
            return nil, err.code
          end } } } ]]))
      assert.equal("TIMEOUT", elg("run", "slowly.lua").doc.output)
    end)

    it("that the journal holds cannot be altered unseen", function()
      local done = run("altered", outside.one_node [[
        ctx.now()
        return nil, { ctx.wait("go") } ]])
      assert.equal("waiting", done.doc.status)
      elg("signal", "altered", "go", '"paid"')
      assert.equal("completed", elg("resume", "altered").doc.status)
      local sql = "UPDATE cmo_activities SET response_data = %s WHERE trace_id = 'altered' "
        .. "AND activity_type = 'wait'"
      if kind == "sqlite" then
        place:sql(sql:format [[CAST('{"value":"free"}' AS BLOB)]])
      else
        postgres.sql(url, sql:format [[convert_to('{"value":"free"}', 'UTF8')]])
      end
      done = elg("replay", "altered", "--verify")
      assert.equal(5, done.code)
      assert.same({ 0, 1 }, { done.doc.divergence.step, done.doc.divergence.seq })
    end)

    it("whose payload was damaged is told by table and row, and taken once that is mended", function()
      run("spoilt", outside.one_node 'return nil, { ctx.wait("go") }')
      elg("signal", "spoilt", "go", '"paid"')
      local function put(payload)
        local value = kind == "sqlite" and "CAST(%s AS BLOB)" or "convert_to(%s, 'UTF8')"
        local text = ("UPDATE cmo_signals SET payload = %s WHERE trace_id = 'spoilt'"):format(
          payload and value:format(payload) or "NULL")
        if kind == "sqlite" then place:sql(text) else postgres.sql(url, text) end
      end
      for _, case in ipairs { { "'{bad'", "not JSON" }, { false, "is NULL" } } do
        put(case[1])
        local done = place:elg({ "resume", "spoilt" }, { env = { ELG_STORE = url } })
        assert.equal(4, done.code, done.err)
        assert.truthy(done.err:find("cmo_signals%.payload, row spoilt signal_no %d+: " .. case[2]), done.err)
        assert.is_nil(done.err:find("waits for", 1, true), done.err)
      end
      put [['"paid"']]
      assert.same({ "paid" }, elg("resume", "spoilt").doc.output)
    end)

    it("comes while the run does not wait: 200 of them, in order, none lost or doubled", function()
      local want = {}
      place:write("many.lua", outside.one_node [[
        local list = elg.array {}
        for i = 1, 200 do list[i] = ctx.wait("n", 30000) end
        return nil, list ]])
      local owner = place:start_elg({ "run", "many.lua", "--trace", "many", "--json" },
        { env = { ELG_STORE = url } })
      assert.truthy(outside.eventually(function() return elg("show", "many").code == 0 end))
      local host = assert(core.host_open { store = url,
        compiler = outside.build .. "/elg-compile" })
      for i = 1, 200 do
        assert.is_true((host:signal("many", { name = "n", payload = tostring(i), key = "n" .. i })))
        want[i] = i
      end
      host:close()
      local done = assert(owner:wait(60000), "the owner does not end")
      assert.same(want, outside.documents(done.out)[1].output)
      verified "many"
    end)
  end)
end

describe("a signal in process (memory)", function()
  it("wakes its run at once", function()
    local place = outside.place "signals"
    place:write("g.lua", outside.one_node [[
      local all = ctx.all { { "wait", "a" }, { "wait", "b" }, { "wait", "a" } }
      return nil, { all[1].value, all[2].value, all[3].value, ctx.wait("a") } ]])
    local host = assert(core.host_open { store = "memory:",
      compiler = outside.build .. "/elg-compile" })
    local graph = assert(host:graph(place:file "g.lua"))
    assert(host:start(graph, { trace_id = "t" }))
    local function settle()
      local active
      repeat active = assert(host:tick(1000)) until active == 0 or not host:result "t"
      return active
    end
    assert.equal(0, settle())
    for i, name in ipairs { "a", "b", "a", "a" } do
      assert.equal("waiting", json.decode(host:result "t").status)
      assert(host:signal("t", { name = name, payload = tostring(i) }))
      for _ = 1, 50 do host:tick(1000) end
    end
    local result = json.decode(host:result "t")
    assert.same({ 1, 2, 3, 4 }, result.output)
    host:close()
    place:remove()
    stores.clean()
  end)
end)
