-- Forged beginnings, calls and rows: what a run stands on is checked when it is taken up again
-- and when it is verified, and the report names the place (I10, I17).
local outside = require "outside"

local GRAPH = [[
local elg = require "elg"
local function price(state, input, ctx)
  state.cents = ctx.rand(100)
  return "priced", { at = ctx.now() }
end
local function wait(state, _, ctx)
  ctx.sleep(state.ms)
  return "waited"
end
local function ship(state) return nil, { cents = state.cents } end
return elg.graph { id = "order", version = "1", entry = "price",
  initial = function(input)
    if input.fail then error("no luck") end
    return { ms = input.ms, item = input.item }
  end,
  nodes = { price = price, wait = wait, ship = ship },
  edges = { { from = "price", key = "priced", to = "wait" }, { from = "wait", key = "waited", to = "ship" } } }
]]
local LONG = [[
local elg = require "elg"
local function work(state, _, ctx)
  state.n = state.n + 1
  if state.n % 10 == 0 then ctx.now() end
  return state.n < 60 and "again" or nil, { n = state.n }
end
return elg.graph { id = "long", version = "1", entry = "work", initial = { n = 0 },
  nodes = { work = work }, edges = { { from = "work", key = "again", to = "work" } } }
]]

describe("a forged", function()
  local place

  setup(function()
    place = outside.place("forged")
    place:write("order.lua", GRAPH)
    place:write("long.lua", LONG)
    local done = place:elg { "run", "order.lua", "--trace", "t", "--input", '{"ms":0,"item":"cup"}',
      "--store", "sqlite:ended.db", "--quiet" }
    assert.equal(0, done.code, done.err)
    done = place:elg { "run", "order.lua", "--trace", "t", "--input", '{"fail":true}',
      "--store", "sqlite:failed.db", "--quiet" }
    assert.equal(1, done.code, done.err)
    done = place:elg { "run", "long.lua", "--trace", "t", "--store", "sqlite:long.db", "--quiet" }
    assert.equal(0, done.code, done.err)
    local child = place:start_elg { "run", "order.lua", "--trace", "t", "--input",
      '{"ms":3000,"item":"cup"}', "--store", "sqlite:open.db" }
    assert.truthy(outside.eventually(function()
      return os.execute("sqlite3 '" .. place:file("open.db") .. "' \"SELECT 1 FROM cmo_activities"
        .. " WHERE activity_type = 'sleep'\" 2>/dev/null | grep -q 1") == 0
    end))
    child:stop()
    done = place:elg { "submit", "order.lua", "--trace", "t", "--input", '{"ms":0,"item":"cup"}',
      "--store", "sqlite:submitted.db", "--quiet" }
    assert.equal(0, done.code, done.err)
  end)
  teardown(function() place:remove() end)

  -- A copy of that database with a change; the store's name.
  local function forge(base, sql)
    local name = base .. "-forged.db"
    os.execute(("cd '%s' && rm -f %s %s-wal %s-shm && sqlite3 %s.db '.backup %s'"):format(place.path, name,
      name, name, base, name))
    local file = place:write("forge.sql", sql)
    assert.equal(0, os.execute(("cd '%s' && sqlite3 -bail %s < '%s' >/dev/null"):format(place.path, name, file)), sql)
    return "sqlite:" .. name
  end

  local function verify(store)
    return place:json { "replay", "t", "--verify", "--store", store }
  end

  local function diverged(done, step, what, seq)
    assert.equal(5, done.code, done.out .. done.err)
    assert.is_false(done.doc.verified)
    assert.equal(step, done.doc.divergence.step, done.out)
    if what then assert.equal(what, done.doc.divergence.what, done.out) end
    if seq then assert.equal(seq, done.doc.divergence.seq, done.out) end
    return done.doc.divergence
  end

  it("run that claims to have never begun is not verified", function()
    for _, sql in ipairs {
      "UPDATE cmo_inputs SET initial_state = NULL",
      "UPDATE cmo_inputs SET initial_state = NULL; DELETE FROM cmo_steps; DELETE FROM cmo_activities",
      "UPDATE cmo_inputs SET initial_state = NULL; UPDATE cmo_runs SET step_count = 99",
    } do
      diverged(verify(forge("ended", sql)), 0, "initial_state")
      assert.equal(5, place:elg({ "replay", "t", "--to", "1", "--store", forge("ended", sql) }).code)
    end
    diverged(verify(forge("ended", "UPDATE cmo_inputs SET initial_state = NULL; DELETE FROM cmo_steps;"
      .. " DELETE FROM cmo_activities; UPDATE cmo_runs SET step_count = 0, status = 'aborted'")), 0, "chain")
  end)

  it("run that failed to begin is not verified either", function()
    assert.equal(0, verify("sqlite:failed.db").code)
    diverged(verify(forge("failed", "UPDATE cmo_runs SET status = 'completed', error = NULL")), 0)
    diverged(verify(forge("failed", [[UPDATE cmo_inputs SET input = CAST('{"fail":1}' AS BLOB)]])), 0)
    diverged(verify(forge("failed", "UPDATE cmo_runs SET error = CAST(replace(CAST(error AS TEXT),"
      .. " 'luck', 'time') AS BLOB)")), 0, "error")
  end)

  local BEGINNINGS = {
    [[UPDATE cmo_inputs SET input = CAST('{"item":"pot","ms":0}' AS BLOB)]],
    "UPDATE cmo_runs SET seed = 'other'",
    "UPDATE cmo_inputs SET limits = CAST(replace(CAST(limits AS TEXT), '100000000', '100000') AS BLOB)",
  }

  it("beginning of a run under way ends it as diverged when it is taken up", function()
    local more = { [[UPDATE cmo_inputs SET initial_state = CAST('{"ms":0}' AS BLOB)]],
      "UPDATE cmo_inputs SET initial_state = NULL" }
    for i, sql in ipairs { BEGINNINGS[1], BEGINNINGS[2], BEGINNINGS[3], more[1], more[2] } do
      local store = forge("open", sql)
      local done = place:json { "resume", "t", "--store", store }
      assert.equal(5, done.code, sql .. done.out .. done.err)
      assert.truthy(done.doc.error.message:find("beginning", 1, true), i .. done.out)
      diverged(verify(store), 0)
    end
  end)

  it("beginning of a run that was submitted does too", function()
    for _, sql in ipairs(BEGINNINGS) do
      local done = place:json { "resume", "t", "--store", forge("submitted", sql) }
      assert.equal(5, done.code, sql .. done.out .. done.err)
      assert.truthy(done.doc.error.message:find("beginning", 1, true), done.out)
    end
    assert.equal(0, place:json({ "resume", "t", "--store", forge("submitted", "SELECT 1") }).code)
  end)

  it("row of a call under way ends its run as diverged, and verification names it", function()
    for _, change in ipairs { [[request_data = CAST('{"ms":1}' AS BLOB)]], "due_at = 1",
      "due_at = due_at + 100000000", "request_hash = idempotency_key", "idempotency_key = request_hash",
      "timestamp = timestamp + 1", "digest = NULL" } do
      local store = forge("open", "UPDATE cmo_activities SET " .. change .. " WHERE activity_type = 'sleep'")
      local done = place:json { "resume", "t", "--store", store }
      assert.equal(5, done.code, change .. done.out .. done.err)
      assert.truthy(done.doc.error.message:find("a call's row", 1, true), done.out)
      diverged(verify(store), 1)
    end
  end)

  it("row that cannot be read is reported at its step and call", function()
    for _, change in ipairs { "status = 'zz'", "state_hash = 'zz'", "chain = 'zz'", "fuel = -1", "fuel = 'abc'" } do
      diverged(verify(forge("long", "UPDATE cmo_steps SET " .. change .. " WHERE step_index = 30")), 30, "journal")
    end
    for _, change in ipairs { "status = 'zz'", "timestamp = 'zz'", "response_blob_ref = 'zz'" } do
      diverged(verify(forge("long", "UPDATE cmo_activities SET " .. change .. " WHERE step_index = 29")), 29,
        "journal", 0)
    end
  end)

  it("graph row is reported, and none of its code is executed", function()
    for _, change in ipairs { "definition = CAST('{}' AS BLOB)", "definition = CAST('[1' AS BLOB)",
      "definition = CAST(replace(CAST(definition AS TEXT), 'cents', 'pence') AS BLOB)",
      "graph_id = 'x'", "graph_version = '9'" } do
      local store = forge("ended", "UPDATE cmo_graphs SET " .. change)
      diverged(verify(store), 0, "graph")
      local done = place:elg { "resume", "t", "--store", forge("open", "UPDATE cmo_graphs SET " .. change) }
      assert.equal(4, done.code, change .. done.out .. done.err)
      assert.truthy(done.err:find("cmo_graphs", 1, true), done.err)
    end
  end)

  it("status of a run does not make it pass over what resume is to take up", function()
    local done = place:elg { "resume", "--store", forge("open", "UPDATE cmo_runs SET status = 'waitin'") }
    assert.equal(4, done.code, done.out .. done.err)
    assert.truthy(done.err:find("cmo_runs.status", 1, true), done.err)
  end)
end)
