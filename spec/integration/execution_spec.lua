-- Execution end to end, by the program: retries, timeouts, edges, aborts, exit codes.
local outside = require "outside"

describe("execution", function()
  local place

  setup(function() place = outside.place("execution") end)
  teardown(function() place:remove() end)

  -- Writes a graph of one retrying node `work` with that body, runs it.
  local function retry(policy, body, ...)
    place:write("retry.lua", ([[
      local elg = require "elg"
      return elg.graph { id = "retry", version = "1", entry = "work",
        nodes = { work = { retry = { %s }, run = function(state, input, ctx) %s end } },
        edges = {} }]]):format(policy, body))
    local done = place:json { "run", "retry.lua", ... }
    done.rows = place:sql("SELECT attempt, status, clock, retry_at, completed_at, started_at,"
      .. " CAST(error AS TEXT) AS error FROM cmo_steps WHERE trace_id = '" .. done.doc.trace_id
      .. "' ORDER BY attempt")
    assert.equal(0, place:json({ "replay", done.doc.trace_id, "--verify" }).code)
    return done
  end

  local function delays(rows)
    local list = {}
    for i = 1, #rows - 1 do
      list[i] = rows[i].retry_at - rows[i].completed_at
      assert.is_true(rows[i + 1].started_at >= rows[i].retry_at)
    end
    return list
  end

  local FAIL = 'error("attempt " .. ctx.attempt)'

  it("retries with a constant delay", function()
    local done = retry('max_attempts = 4, backoff = "constant", initial_delay_ms = 20', FAIL)
    assert.equal(1, done.code)
    assert.same({ 20, 20, 20 }, delays(done.rows))
    assert.truthy(done.doc.error.message:find("attempt 4", 1, true))
    assert.equal(4, #done.rows)
  end)

  it("retries with a linear delay, up to its maximum", function()
    local done = retry('max_attempts = 5, backoff = "linear", initial_delay_ms = 10,'
      .. ' max_delay_ms = 25', FAIL)
    assert.same({ 10, 20, 25, 25 }, delays(done.rows))
  end)

  it("retries with an exponential delay, up to its maximum", function()
    local done = retry('max_attempts = 6, backoff = "exponential", initial_delay_ms = 5,'
      .. ' max_delay_ms = 30', FAIL)
    assert.same({ 5, 10, 20, 30, 30 }, delays(done.rows))
  end)

  it("begins each attempt with the state before the step", function()
    local done = retry("max_attempts = 3", [[state.n = (state.n or 0) + 1
      if ctx.attempt < 3 then error("again") end
      return nil, { n = state.n, attempt = ctx.attempt }]])
    assert.equal(0, done.code, done.err)
    assert.same({ n = 1, attempt = 3 }, done.doc.output)
  end)

  it("does not retry what says so, nor fuel, nor an invalid state", function()
    assert.equal(1, #retry("max_attempts = 5",
      'error { code = "NO", message = "final", retry = false }').rows)
    assert.equal(1, #retry("max_attempts = 5", "state.f = print or function() end").rows)
    assert.equal(1, #retry("max_attempts = 5", "while true do end", "--fuel", "10000").rows)
  end)

  it("retries what takes too much memory or time", function()
    assert.equal(3, #retry("max_attempts = 3, initial_delay_ms = 1",
      "local t = {} while true do t[#t + 1] = {} end", "--memory", "2M").rows)
    local done = retry("max_attempts = 2, initial_delay_ms = 1", "while true do end",
      "--step-timeout-ms", "30", "--fuel", "100000000000")
    assert.equal(7, done.code)
    assert.equal("timeout", done.doc.status)
    assert.same({ "timeout", "timeout" }, { done.rows[1].status, done.rows[2].status })
  end)

  it("ends a node at its own timeout and a run at the run's", function()
    place:write("node.lua", [[
      local elg = require "elg"
      return elg.graph { id = "t", version = "1", entry = "work", edges = {},
        nodes = { work = { timeout_ms = 40, run = function() while true do end end } } }]])
    local done = place:json { "run", "node.lua", "--fuel", "100000000000" }
    assert.equal(7, done.code, done.err)
    place:write("sleeper.lua", outside.one_node("ctx.sleep(60000) return nil"))
    done = place:json { "run", "sleeper.lua", "--run-timeout-ms", "150" }
    assert.equal(7, done.code, done.err)
    assert.equal("timeout", done.doc.status)
    assert.is_true(done.ms < 50000)
  end)

  it("does not count sleep against the node's timeout", function()
    place:write("node.lua", [[
      local elg = require "elg"
      return elg.graph { id = "t", version = "1", entry = "work", edges = {},
        nodes = { work = { timeout_ms = 60, run = function(_, _, ctx) ctx.sleep(200) end } } }]])
    assert.equal(0, place:json({ "run", "node.lua" }).code)
  end)

  it("keeps a thousand lines of ctx.log of an attempt, and says that there were more", function()
    local function lines(count)
      place:write("log.lua", outside.one_node(("for i = 1, %d do ctx.log('line ' .. i) end"):format(count)))
      local said = place:json({ "run", "log.lua" }).err
      return select(2, said:gsub("line %d+", "")), said:find(" left out: ", 1, true) ~= nil
    end
    assert.same({ 1000, false }, { lines(1000) })
    assert.same({ 1000, true }, { lines(1001) })
    assert.same({ 1000, true }, { lines(3000) })
  end)

  it("tries edges in their order, by key and when", function()
    place:write("edges.lua", [[
      local elg = require "elg"
      local function leaf(name) return function() return nil, name end end
      return elg.graph { id = "e", version = "1", entry = "a",
        initial = function(input) return input end,
        nodes = { a = function(state) return state.key, { x = state.x } end,
          b = leaf "b", c = leaf "c", d = leaf "d" },
        edges = {
          { from = "a", key = "k", to = "b", when = function(s, o) s.x = 99 return o.x > 10 end },
          { from = "a", key = "k", to = "c", when = function(s, o) return s.x > 5 and o.x > 5 end },
          { from = "a", key = "k", to = "d" },
          { from = "a", key = "only", to = "b", when = function() return false end },
          { from = "a", key = "bad", to = "b", when = function() error("in when") end } } }]])
    local function to(input)
      local done = place:json { "run", "edges.lua", "--input", input }
      local result = done.doc.error
      return done.doc.status == "completed" and done.doc.output or result.code, done
    end
    assert.equal("b", (to '{"key":"k","x":11}'))
    assert.equal("c", (to '{"key":"k","x":6}'))
    assert.equal("d", (to '{"key":"k","x":1}'))
    local code, done = to '{"key":"only","x":1}'
    assert.equal("NO_EDGE", code)
    assert.equal(1, done.code)
    assert.equal('node a returned "only", and the when of no edge with that key holds', done.doc.error.message)
    assert.truthy(done.doc.error.where:find("^edges.lua:%d+$"), done.doc.error.where)
    code, done = to '{"key":"bad","x":1}'
    assert.equal("RAISED", code)
    assert.truthy(done.doc.error.where:find("edges.lua:12", 1, true), done.doc.error.where)
  end)

  it("aborts a run of another process, which tells so and ends with 7", function()
    place:write("sleeper.lua", outside.one_node("ctx.sleep(60000) return nil"))
    local owner = place:start_elg { "run", "sleeper.lua", "--trace", "long", "--json" }
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place,
        "SELECT 1 FROM cmo_activities WHERE trace_id = 'long'")
      return ok and #rows > 0
    end))
    assert.equal(0, place:elg({ "abort", "long" }).code)
    local done = owner:wait()
    assert.equal(7, done.code, done.err)
    assert.equal("aborted", outside.documents(done.out)[1].status)
    assert.equal(0, place:json({ "replay", "long", "--verify" }).code)
  end)

  it("aborts a run that nobody owns by itself, and one that loops", function()
    place:write("sleeper.lua", outside.one_node("ctx.sleep(60000) return nil"))
    local owner = place:start_elg { "run", "sleeper.lua", "--trace", "left" }
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place,
        "SELECT 1 FROM cmo_activities WHERE trace_id = 'left'")
      return ok and #rows > 0
    end))
    owner:stop()
    assert.equal(0, place:elg({ "abort", "left" }).code)
    assert.equal("aborted", place:json({ "show", "left" }).doc.status)
    assert.equal(7, place:json({ "resume", "left" }).code)
    place:write("loop.lua", outside.one_node("while true do end"))
    owner = place:start_elg { "run", "loop.lua", "--trace", "loop", "--fuel", "100000000000" }
    assert.truthy(outside.eventually(function()
      return place:elg({ "abort", "loop" }).code == 0
    end))
    assert.equal(7, owner:wait().code)
  end)

  it("keeps a state every seventh step, and resume and replay compute those between", function()
    place:write("count.lua", [[
      local elg = require "elg"
      return elg.graph { id = "c", version = "1", entry = "a",
        initial = { n = 0, list = elg.array {} },
        nodes = { a = function(state, _, ctx)
          state.n = state.n + 1
          state.list[state.n] = ctx.rand(1000)
          if state.n == 17 then ctx.sleep(1500) end
          return state.n < 30 and "again" or nil, { n = state.n }
        end }, edges = { { from = "a", key = "again", to = "a" } } }]])
    local argv = { "run", "count.lua", "--seed", "5", "--trace", "t" }
    local calm = place:json { "run", "count.lua", "--seed", "5", "--trace", "t", "--store",
      "sqlite:calm.db" }
    assert.equal(0, calm.code, calm.err)
    argv[#argv + 1] = "--checkpoint-interval"
    argv[#argv + 1] = "7"
    local owner = place:start_elg(argv)
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place, "SELECT 1 FROM cmo_activities WHERE trace_id = 't'")
      return ok and #rows > 0
    end))
    owner:stop()
    local done = place:json { "resume", "t" }
    assert.equal(0, done.code, done.err)
    assert.equal(calm.doc.state_hash, done.doc.state_hash)
    local kept = place:sql("SELECT step_index FROM cmo_steps WHERE trace_id = 't'"
      .. " AND state IS NOT NULL ORDER BY 1")
    local list = {}
    for i, row in ipairs(kept) do list[i] = row.step_index end
    assert.same({ 6, 13, 20, 27, 29 }, list)
    for _, to in ipairs { 0, 5, 6, 12, 16, 29 } do
      local at = place:json { "replay", "t", "--to", tostring(to) }
      assert.equal(to + 1, at.doc.state.n)
    end
    assert.equal(0, place:json({ "replay", "t", "--verify" }).code)
  end)
end)
