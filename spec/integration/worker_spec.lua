-- elg submit and elg worker, as processes, on SQLite and on Postgres.
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local served = require "served"
local sys = require "elg.sys"

local IMPATIENT = 12 -- more than claims_max
local CALL = [[
local elg = require "elg"
return elg.graph {
  id = "call", version = "1", entry = "call", edges = {},
  nodes = { call = function(_, input, ctx) assert(ctx.http { url = input.url }) end },
}
]]

-- Submits a run that waits on a server which never answers; its trace.
local function submit_call(world, server)
  world.place:write("call.lua", CALL)
  return world:json({ "submit", "call.lua", "--input",
    ('{"url":"%s/slow?ms=600000"}'):format(server.url) }).doc.trace_id
end

for _, store in ipairs(served.stores) do
  describe("elg worker (" .. store.name .. ")", function()
    local world, server
    setup(function() server = ledger.start() end)
    teardown(function() server:stop() end)
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    it("executes what is submitted, before it started and after", function()
      local early = world:submit { steps = 3 }
      assert.equal("pending", world:show(early).status)
      local worker = world:worker()
      local late = world:submit { steps = 5 }
      assert.equal(3, world:await(early, "completed").steps)
      assert.equal(5, world:await(late, "completed").steps)
      worker:kill(served.SIGTERM)
      local done = worker:wait()
      assert.equal(0, done.code)
      assert.equal(2, #outside.documents(done.out))
      for _, trace_id in ipairs { early, late } do
        assert.is_true(world:json({ "replay", trace_id, "--verify" }).doc.verified)
      end
    end)

    it("ends with what each run came to, and goes on after a failure", function()
      local worker = world:worker()
      local bad = world:submit { steps = 3, fail = 2 }
      assert.equal("failed as asked", world:await(bad, "failed").error.message:match("failed.*"))
      world:await(world:submit { steps = 1 }, "completed")
      worker:kill(served.SIGINT)
      assert.equal(130, worker:wait().code)
    end)

    it("serves the graphs it was given, and no others", function()
      os.execute("mkdir -p " .. world.place:file("graphs"))
      world.place:write("graphs/other.lua", (served.COUNT:gsub('"count"', '"other"')))
      local worker = world:worker("--graphs", "graphs")
      local count = world:submit {}
      local other = world:json({ "submit", "graphs/other.lua" }).doc.trace_id
      world:await(other, "completed")
      assert.equal("pending", world:show(count).status)
      worker:stop()
    end)

    it("refuses graphs that are none", function()
      world.place:write("bad.lua", "return 1")
      assert.equal(3, world:elg({ "worker", "--graphs", "bad.lua" }).code)
      assert.equal(4, world:elg({ "worker", "--graphs", "nowhere" }).code)
    end)

    it("lets go of runs that wait for long, and takes them up in time", function()
      local worker = world:worker("--concurrency", "2")
      local waiting = {}
      for i = 1, 4 do waiting[i] = world:submit { steps = 1, sleep_ms = 6000 } end
      local quick = world:submit { steps = 1 } -- there is room for it
      world:await(quick, "completed")
      assert.not_equal("completed", world:show(waiting[4]).status)
      for i = 1, 4 do
        local doc = world:await(waiting[i], "completed")
        assert.equal(1, #doc.journal)
        assert.equal(1, #doc.journal[1].activities)
      end
      worker:stop()
    end)

    it("keeps to the limits that a graph has, over all workers", function()
      world.place:write("limited.lua", (served.COUNT:gsub('id = "count", version = "1",',
        'id = "limited", version = "1", limits = { concurrency = 2, key = "who.id", key_concurrency = 1 },')))
      local workers = { world:worker(), world:worker() }
      local docs = {}
      for i = 1, 8 do
        docs[i] = world:json({ "submit", "limited.lua", "--input",
          ('{"sleep_ms":200,"who":{"id":"%s"}}'):format(i % 2 == 0 and "even" or "odd") }).doc.trace_id
      end
      for i = 1, 8 do docs[i] = world:await(docs[i], "completed") end
      -- At each begin: how many are between their begin and their end, of all and of its key.
      for i, doc in ipairs(docs) do
        local all, of_key = 0, 0
        for k, other in ipairs(docs) do
          if other.started_at <= doc.started_at and doc.started_at < other.completed_at then
            all = all + 1
            of_key = of_key + ((i - k) % 2 == 0 and 1 or 0)
          end
        end
        assert.is_true(all <= 2 and of_key == 1, ("%d at once, %d of a key"):format(all, of_key))
      end
      for _, worker in ipairs(workers) do worker:stop() end
    end)

    it("takes higher priorities first", function()
      local low = world:submit({ steps = 1 })
      local high = world:submit({ steps = 1 }, "--priority", "5")
      local worker = world:worker("--concurrency", "1")
      world:await(low, "completed")
      assert.is_true(world:show(high).started_at <= world:show(low).started_at)
      worker:stop()
    end)

    it("hands back at SIGTERM what another worker then ends", function()
      local worker = world:worker("--drain-ms", "300")
      local sleeping = world:submit { steps = 1, sleep_ms = 1500 }
      local burning = world:submit { steps = 2000000, spin = 300000 }
      assert(outside.eventually(function() return world:show(burning).steps > 10 end))
      worker:kill(served.SIGTERM)
      local done = worker:wait()
      assert.equal(0, done.code)
      assert.is_true(done.ms < 30000)
      local doc = world:show(burning)
      assert.same({ "running", 0 }, { doc.status, doc.claims })
      local second = world:worker()
      world:await(sleeping, "completed")
      local steps = doc.steps
      assert(outside.eventually(function() return world:show(burning).steps > steps end))
      assert.equal(0, world:elg({ "abort", burning }).code)
      world:await(burning, "aborted")
      second:stop()
    end)

    it("is several processes with --threads, and one that is killed comes again", function()
      local supervisor = world:worker("--threads", "2")
      local trace_id = world:submit { steps = 1 }
      world:await(trace_id, "completed")
      local before = outside.children(supervisor.pid)
      assert.equal(2, #before)
      process.kill(before[1], 9)
      assert(outside.eventually(function()
        local now = outside.children(supervisor.pid)
        return #now == 2 and now[1] ~= before[1] and now[2] ~= before[1]
      end))
      for _ = 1, 3 do world:await(world:submit { steps = 1 }, "completed") end
      supervisor:kill(served.SIGTERM)
      assert.equal(0, supervisor:wait().code)
      assert.is_false(process.kill(before[2], 0) or false)
    end)

    it("writes its log as JSON, if LOG_FORMAT says so", function()
      local worker = world.place:start_elg({ "worker", "--store", world.url },
        { env = { LOG_FORMAT = "json" } })
      assert(outside.eventually(function()
        return select(2, worker:output()):find("serving", 1, true)
      end))
      worker:kill(served.SIGTERM)
      local docs = outside.documents(worker:wait().err)
      assert.is_true(#docs >= 3)
      assert.same({ "info", "" }, { docs[1].level, docs[1].trace_id })
    end)

    it("hands back at once at the second signal, however often", function()
      local trace_id = submit_call(world, server)
      for i = 1, IMPATIENT do
        local epoch = world:show(trace_id).epoch
        local worker = world:worker("--drain-ms", "60000", "--allow-net", "127.0.0.1:" .. server.port)
        assert(outside.eventually(function() return world:show(trace_id).epoch > epoch end))
        worker:kill(served.SIGTERM)
        assert(outside.eventually(function() -- two at the same instant are one
          return select(2, worker:output()):find("stopping", 1, true)
        end))
        for _ = 1, i % 3 + 1 do worker:kill(served.SIGTERM) end
        local done = worker:wait()
        assert.same({ 0, 0 }, { done.code, world:show(trace_id).claims }, done.err)
      end
      assert.equal("running", world:show(trace_id).status)
    end)

    local function second_signal(signals, pause_ms)
      local epoch = 0
      local supervisor = world:worker("--threads", "2", "--drain-ms", "60000", "--allow-net",
        "127.0.0.1:" .. server.port)
      local trace_id = submit_call(world, server)
      assert(outside.eventually(function() return world:show(trace_id).epoch > epoch end))
      supervisor:kill(signals[1])
      sys.poll(-1, pause_ms)
      supervisor:kill(signals[2])
      assert.equal(0, (supervisor:wait() or error("it goes on after two signals")).code)
      assert.equal(0, world:show(trace_id).claims)
    end

    it("hands back at once at the second signal, of several processes", function()
      second_signal({ served.SIGTERM, served.SIGTERM }, 1500) -- each process has taken the first one
    end)

    it("hands on both of two signals at once to several processes", function()
      second_signal({ served.SIGINT, served.SIGTERM }, 0)
    end)

    it("hands back what was run or resumed by name, at two signals as at one", function()
      local trace_id = submit_call(world, server)
      for _ = 1, IMPATIENT do
        local epoch = world:show(trace_id).epoch
        local child = world:start { "resume", trace_id, "--allow-net", "127.0.0.1:" .. server.port }
        assert(outside.eventually(function() return world:show(trace_id).epoch > epoch end))
        child:kill(served.SIGTERM)
        child:kill(served.SIGTERM)
        assert.equal(143, child:wait().code)
        assert.equal(0, world:show(trace_id).claims)
      end
    end)

    it("takes over from a worker that is killed", function()
      local first = world:worker()
      local traces = {}
      for i = 1, 6 do traces[i] = world:submit { steps = 40, sleep_ms = 50 } end
      assert(outside.eventually(function() return world:show(traces[6]).steps > 2 end))
      local second = world:worker()
      first:stop()
      for _, trace_id in ipairs(traces) do
        assert.equal(40, world:await(trace_id, "completed").steps)
      end
      second:stop()
    end)
  end)

  describe("elg submit (" .. store.name .. ")", function()
    local world
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    it("is the same run for the same key, whatever version its graph has", function()
      local first = world:json { "submit", "count.lua", "--key", "k", "--input", '{"steps":2}' }
      assert.same({ 0, true }, { first.code, first.doc.created })
      world.place:write("count.lua", served.COUNT .. "-- another version\n")
      local second = world:json { "submit", "count.lua", "--key", "k", "--input", '{"steps":2}' }
      assert.same({ 0, false, first.doc.trace_id },
        { second.code, second.doc.created, second.doc.trace_id })
      assert.equal(2, world:elg({ "submit", "count.lua", "--key", "k" }).code)
      assert.equal(1, #world:json({ "list" }).docs)
    end)

    it("is the same run for the same trace, graph and input", function()
      for i = 1, 2 do
        local done = world:json { "submit", "count.lua", "--trace", "t" }
        assert.same({ 0, i == 1, "t" }, { done.code, done.doc.created, done.doc.trace_id })
      end
      assert.equal(2, world:elg({ "submit", "count.lua", "--trace", "t", "--input", "{\"a\":1}" }).code)
      assert.equal(2, world:elg({ "submit", "count.lua", "--trace", "t", "--key", "k" }).code)
      assert.equal(0, world:json({ "run", "count.lua", "--trace", "t" }).code)
    end)

    it("takes a run per line, and names the line that is wrong", function()
      local done = world:json({ "submit", "count.lua", "--lines", "--input", "-" },
        { stdin = '{"steps":1}\n{bad\n\n{"steps":2}\n' })
      assert.equal(3, done.code)
      assert.equal(2, #done.docs)
      assert.truthy(done.err:find("elg: input line 2 column 2, $: ", 1, true), done.err)
      assert.truthy(done.err:find("2 lines were recorded, the last one line 4", 1, true))
    end)
  end)
end
