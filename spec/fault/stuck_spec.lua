-- A host whose loop hangs lets its leases go, though its heartbeat goes on: another takes its
-- runs, and what the first one then writes is refused. Without a server it can still be closed.
local core = require "elg.core"
local fault = require "fault_c"
local outside = require "outside"
local postgres = require "postgres"
local process = require "process_c"
local served = require "served"

local BLOCK_US, STUCK_US = 9000000, 1000000

local BLOCKER = [[
local elg = require "elg"
return elg.graph { id = "blocker", version = "1", entry = "a",
  nodes = { a = function(state, input, ctx)
    local value, problem = ctx.call("block", {})
    return nil, { value = value, code = problem and problem.code }
  end }, edges = {} }
]]

-- A host that waits for work, and from then on is not ticked: "idle" when it begins to, "closed" when
-- it was closed, after the file arg[2] was there for a while.
local IDLE = [[
local core, fault, process = require "elg.core", require "fault_c", require "process_c"
local host = assert(core.host_open { store = arg[1] })
fault.stuck_after(host, 1000)
assert(host:serve {})
assert(host:tick(20000))
io.write("idle\n")
io.flush()
repeat process.sleep_us(10000) until io.open(arg[2])
process.sleep_us(2000000) -- it wants to look for work again, and the keeper tries once more
io.write(("%.0f ms of CPU\n"):format(os.clock() * 1000))
host:close()
io.write "closed\n"
]]
local CLOSE_MS_MAX, SIGQUIT = 20000, 3

describe("a host that is stuck", function()
  it("loses its runs to another, and learns it", function()
    local world = served.create(served.stores[2])
    finally(function() world:destroy() end)
    local warnings, ended = {}, {}
    local host = assert(core.host_open { store = world.url,
      compiler = (os.getenv("ELG_BUILD") or "build") .. "/elg-compile",
      on_event = function(event)
        if event.kind == "warning" then warnings[#warnings + 1] = event.text end
        if event.kind == "end" then ended[#ended + 1] = event.trace_id end
      end })
    fault.stuck_after(host, STUCK_US)
    host:register("block", function(call)
      process.sleep_us(BLOCK_US)
      call:complete "1"
    end)
    local worker = world:worker()
    assert(host:start(assert(host:graph(world.place:write("blocker.lua", BLOCKER))),
      { trace_id = "t", input = "{}" }))
    local until_us = process.monotonic_us() + 2 * BLOCK_US
    repeat
      local active = assert(host:tick(20000))
    until active == 0 or process.monotonic_us() > until_us
    host:close()
    local doc = world:await("t", "completed")
    assert.same({}, ended)
    assert.truthy(table.concat(warnings, "\n"):find("FENCED", 1, true), table.concat(warnings, "\n"))
    assert.equal("NO_SUCH_ACTIVITY", doc.output.code) -- the worker has no such activity
    assert.equal(1, #doc.journal)
    worker:stop()
  end)

  it("closes though the server has gone", function()
    local place, server = outside.place("stuck"), postgres.start { "fsync=off" }
    finally(function()
      place:remove() -- the host first: the pipe that ends the server's script is the host's too
      postgres.stop(server)
    end)
    local host = place:start({ "luajit", place:write("idle.lua", IDLE), postgres.url(server),
      place:file("gone") }, { env = { ELG_BUILD = outside.build,
      LUA_CPATH = outside.build .. "/spec/?.so;" .. outside.build .. "/?.so;;",
      LUA_PATH = outside.root .. "/lua/?.lua" } })
    local idle = outside.eventually(function() return host:output():find("idle", 1, true) end)
    assert.truthy(idle, select(2, host:output()))
    process.kill(server.pid, SIGQUIT)
    place:write("gone", "")
    local done = host:wait(CLOSE_MS_MAX * outside.slow)
    assert.truthy(done, "it hangs")
    assert.equal(0, done.code, done.err)
    assert.truthy(done.out:find("closed", 1, true))
    print(("       stuck without a server: %s"):format(done.out:match "%d+ ms of CPU"))
  end)
end)
