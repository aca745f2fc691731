-- life: a run's phases, its attempts and delays, and how it ends.
local executor = require "executor"

local CHAIN = executor.graph({ a = "null", b = "null" }, { { "a", "ok", "b" } })

local function retrying(backoff, attempts, initial_ms, max_ms)
  return executor.graph { a = ('{"max_attempts":%d,"backoff":"%s","initial_delay_ms":%d,'
    .. '"max_delay_ms":%d}'):format(attempts, backoff, initial_ms, max_ms) }
end

local function ready(description)
  local world = executor.begin(description)
  assert(world:initial("{}", 10))
  return world
end

local function executing(description)
  local world = ready(description)
  assert(world:begin(20))
  return world
end

describe("executor.life", function()
  local world
  after_each(function()
    world:crash()
    assert.equal(0, world:close())
  end)

  it("goes from the initial state over the edges to the end", function()
    world = executor.begin(CHAIN)
    assert.equal("initial", world:look().phase)
    assert(world:initial('{"x":1}', 10))
    local look = world:look()
    assert.same({ "ready", "a", '{"x":1}', '{"n":1}' },
      { look.phase, look.node_id, look.state, look.input })
    assert(world:begin(20))
    assert.equal("executing", world:look().phase)
    assert(world:done { state = '{"x":2}', output = '"out"', key = "ok", edge = 0 })
    look = world:look()
    assert.same({ "ready", "b", "a", '{"x":2}', '"out"', 1 }, { look.phase, look.node_id,
      look.previous, look.state, look.input, look.attempt })
    assert(world:begin(30))
    assert(world:done { wall_ms = 99 })
    local row = world:row()
    assert.same({ "completed", 2, 99 }, { row.status, row.step_count, row.completed_at_ms })
    assert.equal("ended", world:look().phase)
  end)

  it("fails a run whose key has no edge, keeping the step", function()
    world = executing(CHAIN)
    assert(world:done { key = "nowhere", edge = -1 })
    local row = world:row()
    assert.same({ "failed", 1 }, { row.status, row.step_count })
    assert.equal('{"code":"NO_EDGE","message":"node a returned \\"nowhere\\", and no edge from it has that key; '
      .. 'there are \\"ok\\"","traceback":"","where":"a"}', row.error)
  end)

  it("names the first eight keys that there are, and where the node is", function()
    local edges = { { "b", "other", "a" } }
    for i = 1, 10 do edges[i + 1] = { "a", "k" .. math.max(1, i - 1), "b" } end
    local function message(description, key)
      world = executing(description)
      assert(world:done { key = key, edge = -1, where = "graph.lua:7" })
      local text = world:row().error
      assert.equal("graph.lua:7", text:match '"where":"([^"]*)"')
      return (text:match('"message":"(.-)","traceback'):gsub("\\", ""))
    end
    local nodes = { a = "null", b = "null" }
    assert.equal('node a returned "other", and no edge from it has that key; there are "k1", "k2", "k3", "k4", '
      .. '"k5", "k6", "k7", "k8", ...', message(executor.graph(nodes, edges), "other"))
    assert.equal('node a returned "k9", and the when of no edge with that key holds',
      message(executor.graph(nodes, edges), "k9"))
    assert.equal('node a returned "x", and no edge leads from it; the run ends where a node returns nil, output',
      message(executor.graph(nodes, { edges[1] }), "x"))
  end)

  local delays = {
    { "constant", 300, 1000, { 300, 300, 300 } },
    { "linear", 300, 800, { 300, 600, 800 } },
    { "exponential", 300, 1000, { 300, 600, 1000 } },
  }
  for _, case in ipairs(delays) do
    it("waits as " .. case[1] .. " backoff says", function()
      world = executing(retrying(case[1], 4, case[2], case[3]))
      for n, delay_ms in ipairs(case[4]) do
        assert(world:failed { code = "X", message = "x", retry = true, wall_ms = 5000 * n })
        local row, look = world:row(), world:look()
        assert.same({ "retry", n + 1, "waiting", 5000 * n + delay_ms },
          { look.phase, look.attempt, row.status, row.due_ms })
        assert(world:begin(row.due_ms))
      end
      assert(world:failed { code = "LAST", message = "the last one", retry = true })
      assert.equal("failed", world:row().status)
      assert.truthy(world:row().error:find('"code":"LAST"', 1, true))
    end)
  end

  it("does not retry what says so", function()
    world = executing(retrying("constant", 4, 0, 0))
    assert(world:failed { code = "X", message = "x", retry = false })
    assert.same({ "ended", "failed" }, { world:look().phase, world:row().status })
  end)

  it("ends as timeout when the last attempt's time was over", function()
    world = executing(CHAIN)
    assert(world:failed { status = "timeout", code = "TIMEOUT", message = "late", retry = true,
      stop_kind = "call" })
    assert.equal("timeout", world:row().status)
  end)

  it("begins each attempt from the state before the step", function()
    world = executing(retrying("constant", 2, 0, 0))
    assert(world:failed { code = "X", message = "x", retry = true })
    assert.same({ "retry", "{}", '{"n":1}' },
      { world:look().phase, world:look().state, world:look().input })
    assert.equal("running", world:row().status)
  end)

  for status, attempt in pairs { aborted = "aborted", timeout = "timeout", diverged = "diverged",
    failed = "error" } do
    it("is stopped from outside as " .. status .. ", with the attempt under way", function()
      world = executing(CHAIN)
      assert(world:stop(status, { status = attempt, code = "C", message = "m", stop_kind = "fuel",
        fuel = 12, wall_ms = 77 }))
      assert.same({ "ended", status, 77 }, { world:look().phase, world:row().status,
        world:row().completed_at_ms })
      assert(world:commit())
      local journal = world:journal(executor.TRACE)
      assert.equal(1, #journal)
      assert.equal(attempt, journal[1].status)
      assert.equal('{"fuel":12,"kind":"fuel","seq":0}', journal[1].stop)
    end)
  end

  it("is stopped between attempts without inventing one", function()
    world = ready(CHAIN)
    assert(world:stop("aborted", { status = "aborted", code = "C", message = "m" }))
    assert(world:commit())
    assert.same({}, world:journal(executor.TRACE))
  end)

  it("chains the failed attempts of a step that is not repeated any more", function()
    world = executing(retrying("constant", 3, 100, 100))
    assert(world:failed { code = "X", message = "x", retry = true })
    local before = world:row().chain
    assert(world:stop("aborted", { status = "aborted", code = "C", message = "m" }))
    assert.not_equal(before, world:row().chain)
    assert(world:commit())
    assert.equal(1, #world:journal(executor.TRACE))
  end)

  it("tells waiting from running", function()
    world = executing(CHAIN)
    assert(world:commit())
    world:waiting(true, 900)
    assert.same({ "waiting", 900, true }, { world:row().status, world:row().due_ms,
      world:look().dirty })
    world:waiting(false, 0)
    assert.same({ "running", 0 }, { world:row().status, world:row().due_ms })
  end)

  for _, crashed in ipairs { false, true } do
    it("keeps clocks from going back" .. (crashed and ", also after a crash" or ""), function()
      world = executing(CHAIN)
      assert.equal(20, world:look().clock_ms)
      assert(world:call("now", "{}", 50))
      assert(world:result(0, "done", '{"value":500}', 50))
      assert(world:commit())
      if crashed then
        assert(world:recall(executor.TRACE))
        assert(world:begin(55))
        assert(world:call("now", "{}", 55))
      end
      assert(world:done { key = "ok", edge = 0 })
      assert(world:begin(60))
      assert.equal(500, world:look().clock_ms)
    end)
  end

  it("keeps a state every checkpoint_interval steps and at the end", function()
    local loop = executor.graph({ a = "null" }, { { "a", "again", "a" } })
    world = executor.begin(loop, '{"checkpoint_interval":3}')
    assert(world:initial("{}", 10))
    for i = 1, 5 do
      assert(world:begin(20))
      assert(world:done { state = ('{"i":%d}'):format(i), key = i < 5 and "again" or nil, edge = 0 })
    end
    assert(world:commit())
    local kept = {}
    for i, row in ipairs(world:journal(executor.TRACE)) do kept[i] = row.state or "" end
    assert.same({ "", "", '{"i":3}', "", '{"i":5}' }, kept)
  end)

  it("adopts a recomputed state only if it is the recorded one", function()
    local loop = executor.graph({ a = "null" }, { { "a", "again", "a" } })
    world = executor.begin(loop, '{"checkpoint_interval":3}')
    assert(world:initial("{}", 10))
    assert(world:begin(20))
    assert(world:done { state = '{"i":1}', key = "again", edge = 0 })
    assert(world:commit())
    assert(world:recall(executor.TRACE))
    assert.is_nil(world:look().state)
    local ok, status = world:begin(30)
    assert.same({ nil, "ELG_INTERNAL" }, { ok, status })
    local other, diverged, _, text = world:adopt('{"i":2}')
    assert.same({ nil, "ELG_DIVERGED" }, { other, diverged })
    assert.truthy(text:find("after step 0", 1, true))
    assert(world:adopt('{"i":1}'))
    assert(world:begin(30))
  end)

  it("refuses limits that it cannot use", function()
    world = require("executor_c").create(CHAIN)
    for _, limits in ipairs { "{", '{"checkpoint_interval":0}', '{"checkpoint_interval":-1}' } do
      local ok, status = world:start(executor.new_row(limits))
      assert.same({ nil, "ELG_CORRUPT" }, { ok, status })
    end
  end)
end)
