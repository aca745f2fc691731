-- A worker that was started without --jail over runs that were begun in a jail, and others.
local ledger = require "ledger"
local outside = require "outside"
local served = require "served"

local PARENT = [[
local elg = require "elg"
local child = require "child"
local function work(state, input, ctx)
  local res, err = ctx.http { url = input.url .. "/echo", method = "POST", body = "b" }
  ctx.sleep(50)
  local sums = ctx.map(child, { { n = 1 }, { n = 2 } })
  return nil, { net = res and res.status or err.code, sums = sums }
end
return elg.graph { id = "parent", version = "1", entry = "work", nodes = { work = work }, edges = {} }
]]
local CHILD = [[
local elg = require "elg"
local function sum(state, input, ctx)
  for i = 1, 20000 do state.x = (state.x or 0) + i end
  ctx.sleep(20)
  return nil, state.x * input.n
end
return elg.graph { id = "child", version = "1", entry = "sum", nodes = { sum = sum }, edges = {} }
]]

for _, store in ipairs(served.stores) do
  describe("elg worker without --jail (" .. store.name .. ")", function()
    local world, server
    before_each(function()
      world = served.create(store)
      world.place:write("parent.lua", PARENT)
      world.place:write("child.lua", CHILD)
      server = ledger.start()
    end)
    after_each(function()
      server:stop()
      world:destroy()
    end)

    local function submit(...)
      local done = world:json { "submit", "parent.lua", "--input", ('{"url":%q}'):format(server.url),
        ... }
      assert.equal(0, done.code, done.err)
      return done.doc.trace_id
    end

    it("executes jailed runs in a jail, with their children, and others as ever", function()
      local traces = {}
      for i = 1, 8 do traces[i] = i % 2 == 0 and submit("--jail") or submit() end
      local worker = world:worker("--audit", "1")
      for i, trace_id in ipairs(traces) do
        local doc = world:await(trace_id, "completed")
        local jailed = i % 2 == 0
        assert.equal(jailed and "NET_DENIED" or 200, doc.output.net)
        assert.same({ { ok = true, value = 200010000 }, { ok = true, value = 400020000 } }, doc.output.sums)
        assert.is_true(world:json({ "replay", trace_id, "--verify" }).doc.verified)
      end
      local burning = world:submit({ steps = 2000000, spin = 300000 }, "--jail")
      assert.is_true(outside.eventually(function() return #outside.children(worker.pid, "elg-jail") > 0 end))
      assert.equal(0, world:elg({ "abort", burning }).code)
      world:await(burning, "aborted")
      worker:kill(served.SIGTERM)
      assert.equal(0, worker:wait().code)
      local open = world:worker("--allow-net", "127.0.0.1")
      assert.equal(200, world:await(submit("--jail"), "completed").output.net)
      open:stop()
    end)

    it("tries again if a jail could not be started", function()
      local jail, began = outside.build .. "/elg-jail", world.place:file("began")
      local script = world.place:write("jailer", ("#!/bin/sh\n[ -e %s ] || { : > %s; exit 1; }\nexec %s \"$@\"\n")
        :format(began, began, jail))
      os.execute("chmod 755 " .. script)
      local jailed = world:submit({ steps = 1 }, "--jail")
      local worker = world.place:start_elg({ "worker", "--store", world.url },
        { env = { ELG_JAILER = script } })
      world:await(jailed, "completed")
      worker:kill(served.SIGTERM)
      local done = worker:wait()
      assert.equal(0, done.code)
      assert.truthy(done.err:find("did not begin", 1, true), done.err)
    end)

    it("leaves jailed runs to others where there is no jail, and says so once", function()
      if os.getenv("ELG_MAKE") then return pending("layers are left out under AddressSanitizer") end
      local jailed, plain = {}, {}
      for i = 1, 3 do jailed[i] = world:submit({ steps = 1 }, "--jail") end
      for i = 1, 3 do plain[i] = world:submit { steps = 1 } end
      local worker = world.place:start { outside.build .. "/spec/without", "444", outside.program,
        "worker", "--store", world.url, "--concurrency", "1" }
      for _, trace_id in ipairs(plain) do world:await(trace_id, "completed") end
      for i = 4, 6 do jailed[i] = world:submit({ steps = 1 }, "--jail") end
      world:await(world:submit { steps = 1 }, "completed")
      for _, trace_id in ipairs(jailed) do
        local doc = world:show(trace_id)
        assert.same({ "pending", 0 }, { doc.status, doc.claims })
      end
      local able = world:worker()
      for _, trace_id in ipairs(jailed) do world:await(trace_id, "completed") end
      able:stop()
      worker:kill(served.SIGTERM)
      local done = worker:wait()
      assert.equal(0, done.code)
      local _, told = done.err:gsub("left to others", "")
      assert.equal(1, told, done.err)
      assert.truthy(done.err:find("landlock_create_ruleset", 1, true), done.err)
    end)
  end)
end
