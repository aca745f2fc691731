-- Looking from outside: elg list with its filters and pages, show by parts, watch, migrate, and
-- stores that may only be read; on SQLite and on Postgres.
local outside = require "outside"
local process = require "process_c"
local served = require "served"

local NOBODY = 65534

for _, store in ipairs(served.stores) do
  describe("looking from outside (" .. store.name .. ")", function()
    local world
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    local function traces(...)
      local list = {}
      local done = world:json { "list", ... }
      assert.equal(0, done.code, done.err)
      for i, doc in ipairs(done.docs) do list[i] = doc.trace_id end
      return table.concat(list, " ")
    end

    it("lists by status, graph, time and page", function()
      world.place:write("other.lua", (served.COUNT:gsub('"count"', '"other"')))
      for i = 1, 5 do
        world:json { "run", i == 3 and "other.lua" or "count.lua", "--trace", "t" .. i, "--input",
          i == 4 and '{"steps":2,"fail":1}' or '{"steps":1}' }
      end
      world:submit({}, "--trace", "p")
      assert.equal("p t5 t4 t3 t2 t1", traces())
      assert.equal("t4", traces("--status", "failed"))
      assert.equal("p t4", traces("--status", "failed", "--status", "pending"))
      assert.equal("p", traces("--status", "unfinished"))
      assert.equal("t3", traces("--graph", "other"))
      assert.equal("", traces("--graph", "none"))
      assert.equal("p t5", traces("--limit", "2"))
      assert.equal("t4 t3", traces("--limit", "2", "--after", "t5"))
      assert.equal("t2 t1", traces("--graph", "count", "--status", "completed", "--after", "t4"))
      assert.equal("", traces("--after", "t1"))
      assert.equal("p t5 t4 t3 t2 t1", traces("--since", "1h"))
      assert.equal("", traces("--until", "2020-01-01"))
      assert.equal("", traces("--since", "2100-01-01T00:00:00Z"))
      assert.equal(4, world:elg({ "list", "--after", "nobody" }).code)
      assert.equal(2, world:elg({ "list", "--since", "yesterday" }).code)
      assert.equal(2, world:elg({ "list", "--since", "2026-02-30" }).code)
    end)

    it("shows a long run by parts", function()
      world:json { "run", "count.lua", "--trace", "t", "--input", '{"steps":10}' }
      local function steps(...)
        local list = {}
        for i, step in ipairs(world:json({ "show", "t", ... }).doc.journal) do
          list[i] = step.step_index
        end
        return table.concat(list, " ")
      end
      assert.equal("3 4 5", steps("--from", "3", "--limit", "3"))
      assert.equal("8 9", steps("--from", "8"))
      assert.equal("0 1", steps("--limit", "2"))
      assert.equal(2, world:elg({ "show", "t", "--step", "1", "--from", "1" }).code)
    end)

    it("follows a run to its end, with its exit code", function()
      local trace_id = world:submit { steps = 4, sleep_ms = 50, fail = 4 }
      local watch = world.place:start_elg { "watch", trace_id, "--json", "--store", world.url }
      process.sleep_us(300000)
      local worker = world:worker()
      local done = assert(watch:wait())
      worker:stop()
      assert.equal(1, done.code)
      local docs = outside.documents(done.out)
      local told = {}
      for i = 1, #docs - 1 do told[i] = docs[i].step_index .. docs[i].status end
      assert.same({ "0ok", "1ok", "2ok", "3error" }, told)
      assert.equal("failed", docs[#docs].status)
      assert.equal(0, world:elg({ "watch", world:json({ "run", "count.lua" }).doc.trace_id }).code)
      assert.equal(4, world:elg({ "watch", "nobody" }).code)
    end)

    it("stops following when it is told to", function()
      local watch = world.place:start_elg { "watch", world:submit {}, "--store", world.url }
      process.sleep_us(300000)
      watch:kill(served.SIGINT)
      assert.equal(130, watch:wait().code)
    end)

    it("says what the schema is", function()
      if store.name == "sqlite" then
        assert.equal(4, world:elg({ "migrate", "--check" }).code)
      end
      local version = world:json({ "migrate" }).doc.schema_version
      assert.is_true(version >= 1)
      assert.equal(version, world:json({ "migrate", "--check" }).doc.schema_version)
    end)
  end)
end

describe("a database that may only be read", function()
  local place
  before_each(function() place = outside.place("read-only") end)
  after_each(function() place:remove() end)
  it("can be listed, shown, watched and verified by others", function()
    place:write("count.lua", served.COUNT)
    os.execute("mkdir " .. place:file("db") .. " && chmod 755 " .. place.path)
    local url = "sqlite:" .. place:file("db") .. "/a?b#c%d.db"
    assert.equal(0, place:elg({ "run", "count.lua", "--trace", "t", "--store", url }).code)
    os.execute("cd " .. place:file("db") .. " && rm -f *-shm *-lock && chmod 444 * && chmod 555 .")
    local as = { uid = NOBODY }
    for _, argv in ipairs { { "list" }, { "show", "t" }, { "watch", "t" },
      { "replay", "t", "--verify" } } do
      argv[#argv + 1], argv[#argv + 2] = "--store", url
      local done = place:elg(argv, as)
      assert.equal(0, done.code, done.err)
    end
    local done = place:elg({ "retry", "t", "--store", url }, as)
    assert.equal(4, done.code)
    assert.truthy(done.err:find("read-only", 1, true))
  end)
end)
