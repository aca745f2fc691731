-- Runs that a host has claimed and not yet taken into its hands.
local core = require "elg.core"
local outside = require "outside"

local RUNS = 4
local FAULT = "CREATE TRIGGER spoilt BEFORE UPDATE ON cmo_runs BEGIN SELECT RAISE(ABORT, 'no'); END"

describe("a run that is claimed and not in hand", function()
  local place, host, waiting
  before_each(function()
    place = outside.place("claimed")
    place:write("one.lua", outside.one_node("return nil, { n = 1 }"))
    host = assert(core.host_open { store = "sqlite:" .. place:file("elg.db"),
      compiler = outside.build .. "/elg-compile" })
    local graph = assert(host:graph(place:file("one.lua")))
    for i = 1, RUNS do assert(host:submit(graph, { trace_id = "t" .. i, input = "{}" })) end
    assert(host:serve {})
    assert(host:tick(0)) -- claims all of them, and takes up one
    waiting = place:sql("SELECT trace_id FROM cmo_runs WHERE claims = 1 AND status = 'pending'")
    assert.is_true(#waiting >= RUNS - 1)
    waiting = waiting[#waiting].trace_id
  end)
  after_each(function()
    host:close()
    place:remove()
  end)

  local function claims()
    return place:sql("SELECT claims FROM cmo_runs WHERE trace_id = '" .. waiting .. "'")[1].claims
  end

  it("is counted once when it is taken up by its name", function()
    assert(host:resume(waiting))
    assert.equal(1, claims())
  end)

  it("is nobody's if that fails", function()
    place:sql(FAULT)
    assert.is_nil((host:resume(waiting)))
    place:sql("DROP TRIGGER spoilt")
    local done = place:elg { "resume", waiting, "--store", "sqlite:" .. place:file("elg.db") }
    assert.equal(0, done.code, done.err)
  end)
end)
