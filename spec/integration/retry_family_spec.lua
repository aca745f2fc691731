-- elg retry of a run whose children ended badly: they go on with it, and theirs.
local core = require "elg.core"
local json = require "elg.json"
local outside = require "outside"
local served = require "served"

-- Fails in its first attempt, which is 1; after a retry by hand it is 3 (2 tells of the end).
local LEAF = [[
local elg = require "elg"
return elg.graph { id = "leaf", version = "1", entry = "a", nodes = {
  a = function(_, input, ctx)
    if input.wait then ctx.wait("never", ctx.attempt == 1 and 60000 or 10) return nil, "waited" end
    if input.bad and ctx.attempt == 1 then error("leaf " .. input.n .. " fails") end
    return nil, { n = input.n, attempt = ctx.attempt }
  end }, edges = {} }
]]
local CHILD = [[
local elg = require "elg"
local leaf = require "leaf"
return elg.graph { id = "child", version = "1", entry = "a", nodes = {
  a = function(_, input, ctx)
    local out, err = ctx.run(leaf, input)
    if err then error(err.code .. ": " .. err.message) end
    return nil, { leaf = out, attempt = ctx.attempt }
  end }, edges = {} }
]]
local PARENT = [[
local elg = require "elg"
local child = require "child"
return elg.graph { id = "parent", version = "1", entry = "before", nodes = {
  before = function(_, input, ctx) -- its child failed, and this was all right
    local _, err = ctx.run(child, { n = 0, bad = true, early = true })
    return "on", { input = input, code = err.code }
  end,
  a = function(_, input, ctx)
    local list = ctx.map(child, input.input)
    for _, one in ipairs(list) do if not one.ok then error(one.err.code) end end
    return nil, list
  end }, edges = { { from = "before", key = "on", to = "a" } } }
]]

for _, store in ipairs(served.stores) do
  describe("elg retry of a family (" .. store.name .. ")", function()
    local world
    before_each(function()
      world = served.create(store)
      world.place:write("leaf.lua", LEAF)
      world.place:write("child.lua", CHILD)
      world.place:write("parent.lua", PARENT)
    end)
    after_each(function() world:destroy() end)

    local function run(input, ...)
      return world:json({ "run", "parent.lua", "--trace", "p", "--input", input, ... }).doc
    end
    -- What body(host) gives, of a host of this process that reads the store.
    local function reading(body)
      local host = assert(core.host_open { store = world.url, read_only = true,
        compiler = outside.build .. "/elg-compile" })
      local result = body(host)
      host:close()
      return result
    end
    local function all()
      return reading(function(host)
        local list = {}
        assert(host:list(nil, function(text)
          local doc = json.decode(text)
          list[doc.trace_id] = doc.status
          return true
        end))
        return list
      end)
    end
    local function verify_all()
      local traces = all()
      reading(function(host)
        for trace_id in pairs(traces) do
          local doc = json.decode(assert(host:replay(trace_id, { verify = true })))
          assert.is_true(doc.verified, trace_id)
        end
      end)
    end
    local function count(status)
      local n = 0
      for _, is in pairs(all()) do n = n + (is == status and 1 or 0) end
      return n
    end

    it("opens what failed below it, and nothing else", function()
      assert.equal("failed", run('[{"n":1},{"n":2,"bad":true},{"n":3,"bad":true}]').status)
      assert.same({ 7, 2 }, { count "failed", count "completed" }) -- with the early ones
      local done = world:elg { "retry", "p" }
      assert.equal(0, done.code, done.err)
      assert.truthy(done.err:find("4 runs", 1, true), done.err)
      assert.same({ 2, 2, 5 }, { count "failed", count "completed", count "running" })
      verify_all()
      local doc = world:json({ "resume", "p" }).doc
      assert.equal("completed", doc.status)
      local attempts = {}
      for i, one in ipairs(doc.output) do attempts[i] = one.value.leaf.attempt end
      assert.same({ 1, 3, 3 }, attempts)
      assert.equal("retried by hand", doc and world:show("p").journal[3].error.message:match("^%a+ %a+ %a+"))
      assert.same({ 2, 7 }, { count "failed", count "completed" })
      verify_all()
    end)

    it("opens what its end aborted too", function()
      local doc = run('[{"n":1},{"n":2,"wait":true}]', "--run-timeout-ms", "1500")
      assert.equal("timeout", doc.status)
      outside.eventually(function() return count "waiting" + count "running" == 0 end)
      assert.equal(0, world:elg({ "retry", "p" }).code)
      local worker = world:worker()
      doc = world:await("p", "completed")
      worker:stop()
      assert.equal("waited", doc.output[2].value.leaf)
      verify_all()
    end)

    it("tells a parent that waits of the second end of a child", function()
      world.place:write("parent.lua", (PARENT:gsub('entry = "before"', 'entry = "a"')
        :gsub("input%.input", "input"):gsub("if not one.ok then", "if one.err and ctx.attempt == 9 then")))
      world.place:write("leaf.lua", (LEAF:gsub("if input.bad", 'if input.late then ctx.sleep(300) end if input.bad')))
      run('[{"n":1,"bad":true},{"n":2,"wait":true}]', "--run-timeout-ms", "700")
      local bad
      for trace_id in pairs(all()) do
        if trace_id ~= "p" and world:show(trace_id).graph_id == "leaf" then
          bad = world:show(trace_id).status == "failed" and trace_id or bad
        end
      end
      local parent = world:show(bad).trace_id
      assert.equal(0, world:elg({ "retry", bad }).code)
      assert.equal("completed", world:json({ "resume", parent }).doc.status)
      local rows = world:sql("SELECT count(*) AS n FROM cmo_signals WHERE signal_key = '$" .. bad
        .. "' AND consumed_step IS NULL")
      assert.equal(1, tonumber(rows[1].n))
    end)

    it("leaves a child as it ended whose journal somebody altered, and says so", function()
      run('[{"n":1,"bad":true}]')
      local altered
      for trace_id in pairs(all()) do
        local doc = world:show(trace_id)
        if doc.graph_id == "leaf" and doc.error.message:find("leaf 1", 1, true) then altered = trace_id end
      end
      world:sql("UPDATE cmo_steps SET error = NULL WHERE trace_id = '" .. altered .. "'")
      local done = world:elg { "retry", "p" }
      assert.equal(0, done.code, done.err)
      assert.truthy(done.err:find(altered .. " step 0: this child stays as it ended", 1, true), done.err)
      assert.same({ "running", "failed" }, { world:show("p").status, world:show(altered).status })
      assert.equal("failed", world:json({ "resume", "p" }).doc.status)
    end)

    it("is all or nothing", function()
      run('[{"n":2,"bad":true},{"n":3,"bad":true}]')
      local before = world:json({ "list" }).docs
      world:spoil "p"
      assert.equal(4, world:elg({ "retry", "p" }).code)
      assert.same(before, world:json({ "list" }).docs)
    end)
  end)
end
