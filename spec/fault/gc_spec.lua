-- elg gc killed at random instants: what is kept loses nothing, nothing is left of half a run, and
-- the next gc finishes what the dead one began.
local outside = require "outside"
local process = require "process_c"
local served = require "served"

local KILLS = tonumber(os.getenv "ELG_GC_KILLS") or 3
local SEED = tonumber(os.getenv "ELG_GC_SEED") or os.time() % 1000000
local SIGKILL = 9
local MORE_MAX = 12 -- rounds until a kill falls after something was removed, and before all was
local OLD_RUNS = 24

-- Each run writes an artifact that others share, one of its own, and a large output.
local WRITER = [[
local elg = require "elg"
return elg.graph { id = "%s", version = "1", entry = "a",
  nodes = { a = function(state, input, ctx)
    local shared = ctx.artifact.write("shared " .. input.n %% 3)
    local own = ctx.artifact.write("own " .. input.text)
    return nil, { shared = shared.hash, own = own.hash, big = ("x"):rep(270000) .. input.text }
  end }, edges = {} }
]]

local FAMILY = [[
local elg = require "elg"
local child = require "child"
return elg.graph { id = "family", version = "1", entry = "a",
  nodes = { a = function(state, input, ctx) return nil, ctx.run(child, input) end }, edges = {} }
]]

local OLD = "graph_id IN ('old', 'family', 'child')"
-- Rows that belong to no run, and runs whose parent or graph is gone.
local STRAY = [[SELECT (SELECT count(*) FROM cmo_steps s WHERE NOT EXISTS (SELECT 1 FROM cmo_runs r
    WHERE r.trace_id = s.trace_id)) + (SELECT count(*) FROM cmo_activities s WHERE NOT EXISTS (SELECT 1
    FROM cmo_runs r WHERE r.trace_id = s.trace_id)) + (SELECT count(*) FROM cmo_inputs s WHERE NOT EXISTS
    (SELECT 1 FROM cmo_runs r WHERE r.trace_id = s.trace_id)) + (SELECT count(*) FROM cmo_runs s WHERE
    s.parent_trace_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cmo_runs r WHERE r.trace_id =
    s.parent_trace_id)) + (SELECT count(*) FROM cmo_runs s WHERE NOT EXISTS (SELECT 1 FROM cmo_graphs g
    WHERE g.graph_hash = s.graph_hash)) + (SELECT count(*) FROM cmo_runs r WHERE r.step_count > (SELECT
    count(*) FROM cmo_steps s WHERE s.trace_id = r.trace_id)) AS n]]

for _, store in ipairs(served.stores) do
  describe("elg gc, killed (" .. store.name .. ")", function()
    local world
    local postgres = store.name == "postgres"
    before_each(function()
      world = served.create(store)
      world.place:write("old.lua", WRITER:format "old")
      world.place:write("kept.lua", WRITER:format "kept")
      world.place:write("family.lua", FAMILY)
      world.place:write("child.lua", WRITER:format "child")
    end)
    after_each(function() world:destroy() end)

    local function number(text) return tonumber(world:sql(text)[1].n) end
    local function run(graph, from, count)
      local lines = {}
      for i = 1, count do lines[i] = ('{"n":%d,"text":"%s %d"}'):format(i, graph, from + i) end
      local done = world:elg({ "run", graph .. ".lua", "--concurrency", "8", "--quiet", "--input", "-" },
        { stdin = table.concat(lines, "\n") })
      assert.equal(0, done.code, done.err)
    end
    -- All artifacts and graphs are two days old, and so are the runs that are to go.
    local function age()
      if postgres then
        world:sql("UPDATE cmo_runs SET completed_at = now() - interval '2 days' WHERE " .. OLD)
        world:sql "UPDATE cmo_graphs SET created_at = now() - interval '2 days'"
        world:sql "UPDATE cmo_artifacts SET created_at = now() - interval '2 days'"
        return
      end
      local then_ms = ("%d"):format((os.time() - 2 * 86400) * 1000)
      world:sql("UPDATE cmo_runs SET completed_at = " .. then_ms .. " WHERE " .. OLD)
      world:sql("UPDATE cmo_graphs SET created_at = " .. then_ms)
      os.execute(("find '%s' -type f -path '*artifacts*' -exec touch -d '-48 hours' {} +"):format(
        world.place.path))
    end
    local function artifacts()
      if postgres then return number "SELECT count(*) AS n FROM cmo_artifacts WHERE chunk_index = 0" end
      local pipe = io.popen(("find '%s' -type f -path '*artifacts*' | wc -l"):format(world.place.path))
      local count = tonumber(pipe:read "*l")
      pipe:close()
      return count
    end
    local function old_runs() return number("SELECT count(*) AS n FROM cmo_runs WHERE " .. OLD) end
    local function kept_verify(kept)
      for _, trace_id in ipairs(kept) do
        assert.is_true(world:json({ "replay", trace_id, "--verify" }).doc.verified, trace_id)
      end
    end
    local ARGV = { "gc", "--older-than", "1d", "--json" }

    it("loses nothing that is kept, and is finished by the next", function()
      math.randomseed(SEED)
      run("kept", 0, 4)
      local kept, kept_artifacts = {}, artifacts()
      for i, doc in ipairs(world:json({ "list" }).docs) do kept[i] = doc.trace_id end
      assert.equal(4, #kept)
      assert.is_true(kept_artifacts >= 4 + 3) -- large outputs, what they wrote
      local whole_us, midway, round = nil, 0, -1
      repeat
        round = round + 1
        run("old", round * 100, OLD_RUNS)
        run("family", round * 100, 4)
        age()
        assert.equal(OLD_RUNS + 8, old_runs())
        if round == 0 then -- how long one takes that nobody disturbs
          local began_us = process.monotonic_us()
          assert.equal(OLD_RUNS + 8, world:json({ "gc", "--older-than", "1d" }).doc.runs)
          whole_us = process.monotonic_us() - began_us
        else
          local child = world:start(ARGV)
          if round <= KILLS then
            process.sleep_us(math.random(0, math.floor(whole_us)))
          else -- none was in the middle yet
            outside.eventually(function() return old_runs() < OLD_RUNS + 8 end)
          end
          local is_killed = child:stop().signal == SIGKILL
          local is_begun = old_runs() < OLD_RUNS + 8 or artifacts() < kept_artifacts + 2 * OLD_RUNS
          if is_killed and is_begun then midway = midway + 1 end
          assert.equal(0, number(STRAY), "after kill " .. round)
          assert.equal(4, number "SELECT count(*) AS n FROM cmo_runs WHERE graph_id = 'kept'")
          if round == 1 then kept_verify(kept) end
          local done = world:elg(ARGV)
          assert.equal(0, done.code, done.err)
        end
        assert.equal(0, old_runs())
        assert.equal(0, number(STRAY))
        assert.equal(kept_artifacts, artifacts())
        assert.equal(1, number "SELECT count(*) AS n FROM cmo_graphs")
      until (round >= KILLS and midway > 0) or round == KILLS + MORE_MAX
      assert.is_true(midway > 0)
      kept_verify(kept)
      print(("gc: %s: %d kills within %.0f ms, %d of them after it had removed something; ELG_GC_SEED=%d"):format(
        store.name, round, whole_us / 1000, midway, SEED))
    end)
  end)
end
