-- A host whose loop hangs lets its leases go, though its heartbeat goes on: another takes its
-- runs, and what the first one then writes is refused.
local core = require "elg.core"
local fault = require "fault_c"
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
    local doc = world:await("t", "completed", 20000)
    assert.same({}, ended)
    assert.truthy(table.concat(warnings, "\n"):find("FENCED", 1, true), table.concat(warnings, "\n"))
    assert.equal("NO_SUCH_ACTIVITY", doc.output.code) -- the worker has no such activity
    assert.equal(1, #doc.journal)
    worker:stop()
  end)
end)
