-- I5: the store is made slow, and every effect looks, at the instant at which it happens, for
-- what it depends on in the store; pure steps do not wait.
local core = require "elg.core"
local fault = require "fault_c"
local json = require "elg.json"
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local sys = require "elg.sys"

local COMMIT_US = 60000
local GRAPH = [[
local elg = require "elg"
local function pure(state)
  state.n = state.n + 1
  return state.n % state.every == 0 and "act" or "ok", { n = state.n }
end
local function act(state, _, ctx)
  local seen = ctx.call("look", { n = state.n })
  if state.url then
    assert(ctx.http { url = state.url .. "/n/" .. state.n, method = "POST", body = "x" })
    ctx.all { { "call", "look", { n = state.n, part = 1 } }, { "call", "look", { part = 2 } } }
  end
  state.seen = seen
  return state.n < state.max and "ok" or nil, { n = state.n }
end
return elg.graph { id = "commit", version = "1", entry = "pure",
  initial = function(input) input.n = 0 return input end,
  nodes = { pure = pure, pure2 = pure, act = act },
  edges = { { from = "pure", key = "ok", to = "pure2" }, { from = "pure2", key = "ok", to = "pure" },
    { from = "pure", key = "act", to = "act" }, { from = "pure2", key = "act", to = "act" },
    { from = "act", key = "ok", to = "pure" } } }
]]

describe("output commit", function()
  local place, server

  setup(function()
    place = outside.place("commit")
    place:write("commit.lua", GRAPH)
    server = ledger.start { log = place:file("ledger.log") }
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  -- Opens a host over a slow store. `seen` fills with what each host activity found.
  local function open(name, durability)
    local db = place:file(name .. ".db")
    local host = assert(core.host_open { store = "sqlite:" .. db, durability = durability,
      compiler = outside.build .. "/elg-compile" })
    local seen = {}
    assert(host:register("look", function(call, _, key)
      local rows = process.sql(db, "SELECT r.trace_id, r.step_count,"
        .. " (SELECT count(*) FROM cmo_steps s WHERE s.trace_id = r.trace_id"
        .. " AND s.status = 'ok') AS finished,"
        .. " (SELECT count(*) FROM cmo_steps s WHERE s.trace_id = r.trace_id"
        .. " AND s.status = 'open' AND s.step_index = r.step_count) AS opened,"
        .. " (SELECT count(*) FROM cmo_activities a WHERE a.trace_id = r.trace_id"
        .. " AND a.step_index = r.step_count AND a.status = 'done') AS results FROM cmo_runs r")
      seen[#seen + 1] = { rows = rows, key = key, at_us = process.monotonic_us() }
      call:complete("true")
    end))
    return host, seen
  end

  local function drive(host, input)
    local graph = assert(host:graph(place:file("commit.lua")))
    local trace = assert(host:start(graph, { input = input, seed = "1" }))
    local began_us = process.monotonic_us()
    while assert(host:tick(20000)) > 0 do sys.poll(host:poll_fd(), 1000) end
    local result = json.decode(assert(host:result(trace)))
    assert.equal("completed", result.status, json.quote(tostring(result.error)))
    return result, process.monotonic_us() - began_us
  end

  it("holds each effect until the steps before it, and its attempt, are durable", function()
    local host, seen = open("effects")
    fault.slow(host, "commit", COMMIT_US)
    drive(host, '{"every":5,"max":20}')
    assert.equal(4, #seen)
    for i, look in ipairs(seen) do
      assert.equal(1, #look.rows)
      -- 5 pure steps and the effects' own steps before this one, all finished; this one open.
      assert.equal(5 * i + i - 1, look.rows[1].finished)
      assert.equal(5 * i + i - 1, look.rows[1].step_count)
      assert.equal(1, look.rows[1].opened)
    end
    host:close()
  end)

  it("holds an effect until the results of the same step are durable", function()
    local host, seen = open("results")
    fault.slow(host, "commit", COMMIT_US)
    drive(host, ('{"every":2,"max":4,"url":"%s"}'):format(server.url))
    assert.equal(6, #seen)
    for i = 1, 6, 3 do
      assert.equal(0, seen[i].rows[1].results)
      assert.equal(2, seen[i + 1].rows[1].results)
      assert.is_true(seen[i + 2].rows[1].results >= 2)
    end
    host:close()
  end)

  it("lets no request leave before a commit of that step has taken its time", function()
    outside.write(server.log_path, "")
    local host, seen = open("http")
    fault.slow(host, "commit", COMMIT_US)
    local began_ms = process.wall_ms()
    drive(host, ('{"every":2,"max":6,"url":"%s"}'):format(server.url))
    local log = server:log()
    assert.equal(3, #log)
    -- The step's open row takes one commit, the result of the call before it another.
    local before_ms = began_ms
    for i, entry in ipairs(log) do
      assert.is_true(entry.time - before_ms >= 2 * COMMIT_US / 1000 - 5, entry.time - before_ms)
      assert.is_true(seen[3 * i - 1].at_us > 0)
      before_ms = entry.time
    end
    host:close()
  end)

  it("does not make pure steps wait", function()
    local host = open("pure")
    fault.slow(host, "commit", COMMIT_US)
    local result, us = drive(host, '{"every":1000,"max":1000}')
    assert.equal(1001, result.steps)
    assert.is_true(us < 100 * COMMIT_US, us)
    host:close()
  end)

  it("makes every step wait where durability is sync", function()
    local host = open("sync", "sync")
    fault.slow(host, "commit", COMMIT_US)
    local result, us = drive(host, '{"every":10,"max":10}')
    assert.equal(11, result.steps)
    assert.is_true(us > 11 * COMMIT_US, us)
    host:close()
  end)

  it("tells of a step only once it is there", function()
    local db, missing, told = place:file("told.db"), 0, 0
    local host
    host = assert(core.host_open { store = "sqlite:" .. db,
      compiler = outside.build .. "/elg-compile", step_events = true, on_event = function(event)
        if event.kind ~= "step" then return end
        told = told + 1
        local rows = process.sql(db, "SELECT 1 FROM cmo_steps WHERE step_index = "
          .. ("%d"):format(event.step_index) .. " AND status = 'ok'")
        if #rows == 0 then missing = missing + 1 end
      end })
    assert(host:register("look", function(call) call:complete("1") end))
    fault.slow(host, "commit", COMMIT_US)
    drive(host, '{"every":5,"max":20}')
    assert.equal(24, told)
    assert.equal(0, missing)
    host:close()
  end)

  it("gives every step a commit of its own where durability is sync, and tells of it after", function()
    local db, told, seen = place:file("own.db"), {}, {}
    local function finished()
      return #process.sql(db, "SELECT 1 FROM cmo_steps WHERE status = 'ok'")
    end
    local host
    host = assert(core.host_open { store = "sqlite:" .. db, durability = "sync",
      compiler = outside.build .. "/elg-compile", step_events = true, on_event = function(event)
        if event.kind ~= "step" then return end
        told[#told + 1] = event.step_index
        seen[#seen + 1] = finished()
      end })
    assert(host:register("look", function(call) call:complete("1") end))
    fault.slow(host, "commit", COMMIT_US)
    drive(host, '{"every":12,"max":12}')
    assert.equal(13, #told)
    for i = 1, 13 do
      assert.equal(i - 1, told[i])
      -- The commit behind it may be through by now, not more: a step is a commit.
      assert.is_true(seen[i] >= i and seen[i] <= i + 1, seen[i] .. " steps at the event of step " .. told[i])
    end
    host:close()
  end)

  it("keeps no step whose predecessor was refused where durability is sync", function()
    for skip = 1, 6 do
      local db = place:file("refused" .. skip .. ".db")
      local options = { store = "sqlite:" .. db, durability = "sync",
        compiler = outside.build .. "/elg-compile" }
      local host = assert(core.host_open(options))
      local graph = assert(host:graph(place:file("commit.lua")))
      fault.fail(host, "commit", skip, 2, "ELG_IO") -- the batch, and its only turn once more
      local trace = assert(host:start(graph, { input = '{"every":12,"max":12}', seed = "1" }))
      local failed
      for _ = 1, 200 do
        local active = host:tick(20000)
        if not active then failed = true end
        if active == 0 then break end
        sys.poll(host:poll_fd(), 50)
      end
      assert.is_true(failed)
      host:close()
      local rows = process.sql(db, "SELECT step_index FROM cmo_steps ORDER BY step_index")
      local run = process.sql(db, "SELECT step_count FROM cmo_runs")[1]
      assert.equal(run.step_count, #rows)
      for i, row in ipairs(rows) do assert.equal(i - 1, row.step_index) end
      host = assert(core.host_open(options))
      assert(host:register("look", function(call) call:complete("1") end))
      assert(host:resume(trace))
      while assert(host:tick(20000)) > 0 do sys.poll(host:poll_fd(), 1000) end
      assert.equal(13, json.decode(assert(host:result(trace))).steps)
      assert.is_true(json.decode(assert(host:replay(trace, { verify = true }))).verified)
      host:close()
    end
  end)

  it("starts no effect while the store takes nothing, and none is lost", function()
    local host, seen = open("failing")
    fault.fail(host, "commit", 2, 1000000, "ELG_IO")
    local graph = assert(host:graph(place:file("commit.lua")))
    local trace = assert(host:start(graph, { input = '{"every":2,"max":8}', seed = "1" }))
    local failed
    for _ = 1, 200 do
      local active, message = host:tick(20000)
      if not active then failed = message end
      if failed or active == 0 then break end
      sys.poll(host:poll_fd(), 50)
    end
    assert.truthy(failed)
    local before = #seen
    for _ = 1, 5 do
      host:tick(20000)
      sys.poll(host:poll_fd(), 20)
    end
    assert.equal(before, #seen)
    fault.fail(host)
    host:close()
    local again, looked = open("failing")
    assert(again:resume(trace))
    while assert(again:tick(20000)) > 0 do sys.poll(again:poll_fd(), 1000) end
    local keys = {}
    for _, look in ipairs(seen) do keys[look.key] = true end
    for _, look in ipairs(looked) do keys[look.key] = true end
    local count = 0
    for _ in pairs(keys) do count = count + 1 end
    assert.equal(4, count)
    assert.equal("completed", json.decode(again:result(trace)).status)
    again:close()
  end)
end)
