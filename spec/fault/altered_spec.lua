-- A run whose rows were altered while nobody executed it: taking it up must not let anything
-- depend on them (I3, I17). And what a beginning that fails leaves behind.
local outside = require "outside"

local GRAPH = [[
local elg = require "elg"
return elg.graph { id = "altered", version = "1", entry = "a",
  initial = function(input) return { n = input.n } end,
  nodes = {
    a = function(state) state.n = state.n + 1 return "b", { q = 1 } end,
    b = function(state, input, ctx) ctx.rand(3) ctx.now() ctx.sleep(60000) return nil, input end,
  },
  edges = { { from = "a", key = "b", to = "b" } } }
]]

describe("an unfinished run", function()
  local place

  setup(function()
    place = outside.place("altered")
    place:write("g.lua", GRAPH)
    local owner = place:start_elg { "run", "g.lua", "--input", '{"n":1}', "--trace", "t" }
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place, "SELECT 1 FROM cmo_runs WHERE status = 'waiting'")
      return ok and #rows == 1
    end))
    owner:stop()
    os.execute(("cd '%s' && sqlite3 elg.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null"
      .. " && cp elg.db base.db"):format(place.path))
  end)
  teardown(function() place:remove() end)

  local function resume_after(text)
    os.execute(("cd '%s' && rm -f elg.db-wal elg.db-shm && cp base.db elg.db"):format(place.path))
    place:sql(text)
    return place:json { "resume", "t" }
  end

  local HASH = "'" .. ("a"):rep(64) .. "'"
  for what, text in pairs {
    state = "UPDATE cmo_steps SET state = CAST('{\"n\":700}' AS BLOB) WHERE step_index = 0",
    output = "UPDATE cmo_steps SET output = CAST('{\"q\":9}' AS BLOB) WHERE step_index = 0",
    ["state and its hash"] = "UPDATE cmo_steps SET state = CAST('{}' AS BLOB), state_hash = "
      .. "'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' WHERE step_index = 0",
    ["next node"] = "UPDATE cmo_steps SET next_node = 'a' WHERE step_index = 0",
    ["chain of a step"] = "UPDATE cmo_steps SET chain = " .. HASH .. " WHERE step_index = 0",
    ["head of the chain"] = "UPDATE cmo_runs SET chain = " .. HASH,
    ["recorded time"] = "UPDATE cmo_activities SET response_data = CAST('{\"value\":5}' AS BLOB)"
      .. " WHERE activity_type = 'now'",
  } do
    it("does not go on from an altered " .. what, function()
      local done = resume_after(text)
      assert.equal(5, done.code, done.out .. done.err)
      assert.equal("diverged", done.doc.status)
      assert.equal("DIVERGED", done.doc.error.code)
      assert.truthy(done.doc.error.message:find("not what was written", 1, true), done.out)
    end)
  end

  it("shows each step's own head of the chain when it is rewound", function()
    os.execute(("cd '%s' && rm -f elg.db-wal elg.db-shm && cp base.db elg.db"):format(place.path))
    local shown = place:json { "show", "t" }
    local rewound = place:json { "replay", "t", "--to", "0" }
    assert.equal(shown.doc.journal[1].chain, rewound.doc.chain)
  end)
end)

describe("a beginning that fails", function()
  local place
  setup(function() place = outside.place("beginning") end)
  teardown(function() place:remove() end)

  for what, case in pairs {
    RAISED = "error('no luck')", INVALID_STATE = "return { x = 0/0 }",
    FUEL = "while true do end",
  } do
    it("is a failed run on either store, with the author's error: " .. what, function()
      place:write("i.lua", ([[
local elg = require "elg"
return elg.graph { id = "i", version = "1", entry = "a",
  initial = function() %s end,
  nodes = { a = function() end }, edges = {} }
]]):format(case))
      for _, store in ipairs { "sqlite:" .. what .. ".db", "memory:" } do
        local done = place:json { "run", "i.lua", "--store", store, "--fuel", "100000" }
        assert.equal(1, done.code, done.out .. done.err)
        assert.equal("failed", done.doc.status)
        assert.equal(what, done.doc.error.code)
        assert.equal(0, done.doc.steps)
      end
      local list = place:json { "list", "--store", "sqlite:" .. what .. ".db" }
      assert.equal("failed", list.doc.status)
      assert.equal(0, place:json({ "replay", list.doc.trace_id, "--verify", "--store",
        "sqlite:" .. what .. ".db" }).code)
    end)
  end
end)
