-- Runs whose graph cannot be loaded: who asks for them by name is told, and they hold up no other.
local outside = require "outside"
local served = require "served"

local ASKED = 12 -- more than a run may be claimed in vain
local GOOD = 6
local BATCHED = 50 -- many batches of two
local PAUSES_MS = 250 + 500 + 1000 + 2000 -- between five claims of one worker

-- Reads an artifact, takes input.between steps, sleeps: then its journal has to be read again.
local READER = [[
local elg = require "elg"
return elg.graph { id = "reader", version = "1", entry = "read",
  initial = function(input) return { input = input, left = input.between } end,
  nodes = {
    write = function(state, input, ctx) return nil, ctx.artifact.write(("large "):rep(60000)) end,
    read = function(state, input, ctx)
      if not state.input.artifact then return "write" end
      state.bytes = #ctx.artifact.read(state.input.artifact).content
      return state.left > 0 and "count" or "sleep"
    end,
    count = function(state) state.left = state.left - 1 return state.left > 0 and "count" or "sleep" end,
    sleep = function(state, input, ctx) ctx.sleep(700) return nil, { bytes = state.bytes } end,
  },
  edges = { { from = "read", key = "write", to = "write" }, { from = "read", key = "count", to = "count" },
    { from = "read", key = "sleep", to = "sleep" }, { from = "count", key = "count", to = "count" },
    { from = "count", key = "sleep", to = "sleep" } },
}
]]

for _, store in ipairs(served.stores) do
  describe("a run that cannot be loaded (" .. store.name .. ")", function()
    local world
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    it("is not quarantined by those who ask for it by name", function()
      local id = world:submit { steps = 2 }
      local mend = world:spoil(id)
      for _ = 1, ASKED do
        local done = world:elg { "resume", id }
        assert.equal(4, done.code)
        assert.truthy(done.err:find("definition", 1, true), done.err)
      end
      local doc = world:show(id)
      assert.same({ "pending", 0 }, { doc.status, doc.claims })
      mend()
      assert.equal(0, world:elg({ "resume", id }).code)
      assert.equal(2, world:show(id).steps)
    end)

    it("for an input that cannot be read just now, is told of, not counted, and keeps no other", function()
      local kept, input = world.place:file("kept"), world.place:file("large.json")
      world.place:write("large.json", ('{"steps":1,"pad":"%s"}'):format(("x"):rep(300000)))
      assert.equal(0, world:elg({ "submit", "count.lua", "--trace", "bad", "--artifacts", kept, "--input",
        input }).code)
      local found = assert(io.popen(("find '%s' -type f"):format(kept)))
      local file = found:read "*l"
      found:close()
      os.execute(("mv '%s' '%s-away' && mkdir '%s'"):format(file, input, file)) -- read() fails
      local function bad() return world:sql("SELECT status, claims FROM cmo_runs WHERE trace_id = 'bad'")[1] end
      local function untouched()
        local row = bad()
        assert.same({ "pending", 0 }, { row.status, tonumber(row.claims) })
      end
      for _ = 1, ASKED do assert.equal(4, world:elg({ "resume", "bad", "--artifacts", kept }).code) end
      untouched()
      local good = {}
      for i = 1, BATCHED do good[i] = world:submit { steps = 1 } end
      local worker = world:worker("--concurrency", "2", "--artifacts", kept)
      for i = 1, BATCHED do world:await(good[i], "completed") end
      local _, said = worker:output()
      assert.truthy(said:find("bad", 1, true) and said:find("Is a directory", 1, true), said)
      assert.truthy(outside.eventually(function() return tonumber(bad().claims) == 0 end))
      untouched()
      os.execute(("rmdir '%s' && mv '%s-away' '%s'"):format(file, input, file))
      assert.truthy(outside.eventually(function() return bad().status == "completed" end), bad().status)
      worker:stop()
    end)

    local function reader_is(status, kept)
      return assert(outside.eventually(function()
        local doc = world:json({ "show", "reader", "--artifacts", kept }).doc
        return doc.status == status and doc
      end), "the run is not " .. status)
    end

    -- One that needs it to be loaded, asleep and in nobody's hands.
    local function reader(between, interval)
      local kept = world.place:file("kept")
      world.place:write("reader.lua", READER)
      local written = world:json { "run", "reader.lua", "--artifacts", kept }
      assert.equal(0, written.code, written.err)
      world:json { "submit", "reader.lua", "--trace", "reader", "--artifacts", kept, "--input",
        ('{"artifact":%q,"between":%d}'):format(written.doc.output.hash, between),
        "--checkpoint-interval", tostring(interval) }
      local worker = world:worker("--artifacts", kept)
      reader_is("waiting", kept)
      worker:kill(served.SIGTERM)
      assert.equal(0, worker:wait().code)
      return kept
    end

    for _, how in ipairs { { "for a result", 0, 1 }, { "for a state between checkpoints", 2, 10 } } do
      it(how[1] .. " in an artifact, goes on once that is there again", function()
        local kept = reader(how[2], how[3])
        assert(os.rename(kept, kept .. "-away"))
        local worker = world:worker("--artifacts", kept)
        assert.truthy(outside.eventually(function()
          return select(2, worker:output()):find("is missing", 1, true)
        end), select(2, worker:output()))
        local missed = world:sql("SELECT status FROM cmo_runs WHERE trace_id = 'reader'")[1]
        assert.equal("waiting", missed.status)
        os.execute(("rm -rf '%s' && mv '%s-away' '%s'"):format(kept, kept, kept))
        assert.same({ bytes = 360000 }, reader_is("completed", kept).output)
        worker:stop()
      end)
    end

    local it_on_sqlite = store.name == "sqlite" and it or function() end
    it_on_sqlite("because its graph is gone, is quarantined at once", function()
      local id = world:submit { steps = 1 }
      world:sql("DROP TRIGGER cmo_graphs_graph_hash")
      world:sql("DELETE FROM cmo_graphs")
      local done = world:elg { "resume", id }
      assert.equal(4, done.code)
      assert.truthy(done.err:find("is not in the store", 1, true), done.err)
      local worker = world:worker()
      local doc = world:await(id, "quarantined")
      worker:stop()
      assert.truthy(doc.error.message:find("claim 1,", 1, true), doc.error.message)
    end)

    -- It is the worker that keeps count, whatever the store.
    local it_once = store.name == "sqlite" and it or function() end
    it_once("is left alone for longer each time, and holds up no other of its graph", function()
      local bad = world:submit { steps = 1 }
      world:spoil(bad)
      world.place:write("count.lua", served.COUNT .. "-- another version\n")
      local good = {}
      for i = 1, GOOD do good[i] = world:submit { steps = 1 } end
      local worker = world:worker("--concurrency", "1")
      for i = 1, GOOD do good[i] = world:await(good[i], "completed") end
      local doc = world:await(bad, "quarantined")
      worker:stop()
      local last
      for i = 1, GOOD do last = math.max(last or 0, good[i].completed_at) end
      assert.truthy(doc.error.message:find("claim 5", 1, true), doc.error.message)
      assert.is_true(last < doc.completed_at, "others waited for it")
      local ms = doc.completed_at - doc.created_at
      assert.is_true(ms >= PAUSES_MS, ("quarantined after %d ms"):format(ms))
      print(("unloadable (%s): 5 claims in %d ms; %d others done %d ms before"):format(store.name, ms,
        GOOD, doc.completed_at - last))
    end)
  end)
end
