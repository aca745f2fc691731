-- elg gc: what ended long ago goes, with all that belongs to it; what is used stays.
local served = require "served"

local WRITER = [[
local elg = require "elg"
return elg.graph { id = "writer", version = "1", entry = "a",
  nodes = { a = function(state, input, ctx)
    local kept = ctx.artifact.write(input.text)
    if input.fail then error("as asked") end
    return nil, { hash = kept.hash, big = ("x"):rep(300000) }
  end }, edges = {} }
]]

local FAMILY = [[
local elg = require "elg"
local child = require "child"
return elg.graph { id = "family", version = "1", entry = "a",
  nodes = { a = function(state, input, ctx) return nil, ctx.run(child, {}) end }, edges = {} }
]]

local CHILD = [[
local elg = require "elg"
return elg.graph { id = "child", version = "1", entry = "c",
  nodes = { c = function() return nil, 1 end }, edges = {} }
]]

for _, store in ipairs(served.stores) do
  describe("elg gc (" .. store.name .. ")", function()
    local world
    before_each(function()
      world = served.create(store)
      world.place:write("writer.lua", WRITER)
    end)
    after_each(function() world:destroy() end)

    local function run(trace_id, input)
      return world:json({ "run", "writer.lua", "--trace", trace_id, "--input", input }).doc
    end
    local function traces()
      local list = {}
      for i, doc in ipairs(world:json({ "list" }).docs) do list[i] = doc.trace_id end
      return table.concat(list, " ")
    end
    local function gc(...)
      local done = world:json { "gc", ... }
      assert.equal(0, done.code, done.err)
      return done.doc
    end
    -- Makes everything in the store older by so many hours.
    local function age(hours)
      if store.name == "postgres" then
        local back = ("- interval '%d hours'"):format(hours)
        world:sql("UPDATE cmo_artifacts SET created_at = created_at " .. back)
        world:sql("UPDATE cmo_graphs SET created_at = created_at " .. back)
        world:sql("UPDATE cmo_runs SET completed_at = completed_at " .. back)
      else
        local back = ("- %d"):format(hours * 3600000)
        world:sql("UPDATE cmo_graphs SET created_at = created_at " .. back)
        world:sql("UPDATE cmo_runs SET completed_at = completed_at " .. back)
        os.execute(("find '%s' -type f -path '*artifacts*' -exec touch -d '-%d hours' {} +"):format(
          world.place.path, hours))
      end
    end

    it("keeps all artifacts while a run's row cannot be read, and removes the other runs (I4)", function()
      run("good", '{"text":"one"}')
      local hash = run("bad", '{"text":"two"}').output.hash
      age(48)
      local steps = world:show("bad").steps
      world:sql("UPDATE cmo_runs SET step_count = -1 WHERE trace_id = 'bad'")
      local done = world:json { "gc", "--older-than", "1d" }
      assert.equal(4, done.code, done.err)
      assert.truthy(done.err:find("row bad", 1, true), done.err)
      assert.equal(4, world:json({ "show", "good" }).code)
      world:sql(("UPDATE cmo_runs SET step_count = %d WHERE trace_id = 'bad'"):format(steps))
      assert.equal("bad", traces())
      assert.is_true(world:json({ "replay", "bad", "--verify" }).doc.verified)
      world.place:write("read.lua", ([[
        local elg = require "elg"
        return elg.graph { id = "read", version = "1", entry = "a", edges = {},
          nodes = { a = function(_, _, ctx) return nil, (ctx.artifact.read(%q)) end } }]]):format(hash))
      assert.equal("two", world:json({ "run", "read.lua" }).doc.output.content)
    end)

    it("removes by age and status, and artifacts that nothing refers to", function()
      run("a", '{"text":"one"}')
      run("b", '{"text":"two"}')
      run("f", '{"text":"three","fail":true}')
      assert.same({ 0, 0 }, { gc().runs, gc().artifacts })
      age(48)
      run("young", '{"text":"one"}') -- the same artifact as a's
      assert.same({ 2, true }, { gc("--older-than", "1d", "--status", "completed", "--dry-run").runs,
        gc("--older-than", "1d", "--dry-run").dry_run })
      assert.equal("young f b a", traces())
      local counts = gc("--older-than", "1d", "--status", "completed")
      -- Of b, "two" and its large output; those of a are of young, too.
      assert.same({ 2, 2, 0 }, { counts.runs, counts.artifacts, counts.graphs })
      assert.equal("young f", traces())
      for _, trace_id in ipairs { "young", "f" } do
        assert.is_true(world:json({ "replay", trace_id, "--verify" }).doc.verified)
      end
      counts = gc("--older-than", "1d")
      assert.same({ 1, 1 }, { counts.runs, counts.artifacts }) -- "three"
    end)

    it("keeps what is not old, has not ended, or could be retried meanwhile", function()
      run("f", '{"text":"x","fail":true}')
      age(48)
      assert.equal(0, world:elg({ "retry", "f" }).code)
      world:submit({}, "--trace", "p")
      assert.equal(0, gc("--older-than", "1h").runs)
      assert.equal("p f", traces())
    end)

    it("removes a family together", function()
      world.place:write("family.lua", FAMILY)
      world.place:write("child.lua", CHILD)
      local doc = world:json({ "run", "family.lua", "--trace", "parent" }).doc
      assert.equal("completed", doc.status)
      age(48)
      assert.equal(2, gc("--older-than", "1d").runs)
      assert.equal("", traces())
    end)

    it("removes graphs that no run carries, once they are old", function()
      run("a", '{"text":"one"}')
      age(48)
      local counts = gc("--older-than", "1d")
      assert.same({ 1, 1, 2 }, { counts.runs, counts.graphs, counts.artifacts })
      assert.equal("completed", run("again", '{"text":"one"}').status)
    end)
  end)
end
