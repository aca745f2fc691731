-- call: one call of node code against the journal (I6, I7, I10).
local executor = require "executor"

local TWICE = executor.graph { a = '{"max_attempts":3,"backoff":"constant"}' }
local GET = '{"url":"http://127.0.0.1/"}'
local ONCE = '{"at_most_once":true,"url":"http://127.0.0.1/pay"}'
local VALUE = '{"value":1}'
local LOST = '{"error":{"code":"TRUNCATED","message":"m"}}'

local function executing()
  local world = executor.begin(TWICE)
  assert(world:initial("{}", 10))
  assert(world:begin(20))
  return world
end

-- A crash: what is committed is recalled, and the attempt begins again.
local function crash(world)
  assert(world:recall(executor.TRACE))
  assert(world:begin(90))
end

describe("executor.call", function()
  local world
  before_each(function() world = executing() end)
  after_each(function()
    world:crash()
    assert.equal(0, world:close())
  end)

  local function calls_of_journal()
    local calls = {}
    for _, row in ipairs(world:journal(executor.TRACE)) do
      if row.seq then calls[#calls + 1] = row end
    end
    return calls
  end

  it("numbers calls from 0 within an attempt", function()
    for i = 0, 2 do
      local seq, verdict = world:call("http", GET, 20)
      assert.same({ i, "perform" }, { seq, verdict })
      assert(world:result(seq, "done", VALUE, 20))
    end
    assert(world:failed { code = "X", message = "x", retry = true })
    assert(world:begin(30))
    assert.equal(0, (world:call("http", GET, 30)))
  end)

  it("gives the same key over attempts and crashes, another to each call", function()
    world:call("http", GET, 20)
    world:call("http", GET, 20)
    assert(world:result(0, "done", VALUE, 20))
    assert(world:result(1, "done", VALUE, 20))
    assert(world:failed { code = "X", message = "x", retry = true })
    assert(world:commit())
    crash(world)
    world:call("http", GET, 20)
    assert(world:result(0, "done", VALUE, 20))
    assert(world:commit())
    local calls = calls_of_journal()
    assert.equal(calls[1].key, calls[3].key)
    assert.not_equal(calls[1].key, calls[2].key)
  end)

  it("answers a recorded call from the journal", function()
    world:call("http", GET, 20)
    assert(world:result(0, "done", '{"value":"recorded"}', 20))
    assert(world:commit())
    crash(world)
    local _, verdict, response = world:call("http", GET, 95)
    assert.same({ "replay", '{"value":"recorded"}' }, { verdict, response })
    assert.is_false(world:look().dirty)
  end)

  it("performs again what was not recorded", function()
    assert(world:open())
    world:call("http", GET, 20)
    assert(world:commit())
    crash(world)
    assert.same({ 0, "perform" }, { world:call("http", GET, 95) })
  end)

  it("records no call without its attempt", function()
    world:call("now", "{}", 20)
    assert(world:result(0, "done", VALUE, 20))
    assert.equal(2, world:commit())
    local journal = world:journal(executor.TRACE)
    assert.same({ "open", "now" }, { journal[1].status, journal[2].type })
  end)

  it("keeps the clock of an attempt that is open", function()
    assert(world:open())
    assert(world:commit())
    crash(world)
    assert.equal(20, world:look().clock_ms)
  end)

  it("keeps a sleep's due time over a crash", function()
    world:call("sleep", '{"ms":100}', 20)
    assert(world:open())
    assert(world:intent(0, 120))
    assert(world:commit())
    crash(world)
    assert.same({ 0, "perform" }, { world:call("sleep", '{"ms":100}', 90) })
    assert(world:intent(0, 190))
    assert(world:result(0, "done", '{"value":null}', 120))
    assert(world:commit())
    assert.equal(120, calls_of_journal()[1].due_ms)
  end)

  local divergences = {
    { "another request", "http", '{"url":"http://127.0.0.1/other"}', "/other" },
    { "another kind", "call", '{"name":"x"}', "asks for call" },
  }
  for _, case in ipairs(divergences) do
    it("is diverged when the code asks for " .. case[1], function()
      world:call("http", GET, 20)
      assert(world:result(0, "done", VALUE, 20))
      assert(world:commit())
      crash(world)
      local ok, status, where, text = world:call(case[2], case[3], 95)
      assert.same({ nil, "ELG_DIVERGED", "graph.lua:1" }, { ok, status, where })
      assert.truthy(text:find("step 0 node a call 0: the journal holds http_request", 1, true), text)
      assert.truthy(text:find(case[4], 1, true), text)
    end)
  end

  it("is diverged when the code ends without asking for a recorded call", function()
    world:call("http", GET, 20)
    assert(world:result(0, "done", VALUE, 20))
    assert(world:commit())
    crash(world)
    local ok, status, _, text = world:done {}
    assert.same({ nil, "ELG_DIVERGED" }, { ok, status })
    assert.truthy(text:find("call 0 (http_request), the code ended without asking", 1, true), text)
  end)

  it("has an end to the calls of an attempt", function()
    for i = 1, 1000 do assert.equal(i - 1, (world:call("now", "{}", 20))) end
    local ok, status = world:call("now", "{}", 20)
    assert.same({ nil, "ELG_LIMIT" }, { ok, status })
  end)

  it("records what was under way as cancelled when the attempt ends", function()
    world:call("http", GET, 20)
    world:call("http", ONCE, 20)
    assert(world:open())
    assert(world:intent(1, 0))
    assert(world:failed { status = "timeout", code = "TIMEOUT", message = "m", retry = true,
      stop_kind = "call" })
    assert(world:commit())
    local calls = calls_of_journal()
    assert.same({ "cancelled", "unknown" }, { calls[1].status, calls[2].status })
    assert.truthy(calls[1].response:find('"code":"CANCELLED"', 1, true))
    local attempt = world:journal(executor.TRACE)[1]
    assert.same({ "timeout", '{"fuel":1,"kind":"call","seq":0}', 2 },
      { attempt.status, attempt.stop, attempt.activity_count })
  end)

  describe("at most once", function()
    local function ask() return select(2, world:call("http", ONCE, 30)) end

    local function intend()
      assert.equal("perform", ask())
      assert(world:open())
      assert(world:intent(0, 0))
      assert(world:commit())
    end

    local function next_attempt()
      assert(world:failed { code = "X", message = "x", retry = true })
      assert(world:commit())
      assert(world:begin(40))
    end

    it("is unknown after a crash behind the intent", function()
      intend()
      crash(world)
      assert.equal("unknown", ask())
    end)

    it("is performed after a crash before the intent", function()
      assert.equal("perform", ask())
      assert(world:commit())
      assert(world:recall(executor.TRACE))
      assert(world:begin(90))
      assert.equal("perform", ask())
    end)

    for _, how in ipairs { "in one process", "with a crash between" } do
      local function go_on()
        next_attempt()
        if how ~= "in one process" then crash(world) end
      end

      it("gives a later attempt the earlier result, " .. how, function()
        intend()
        assert(world:result(0, "done", '{"value":"paid"}', 30))
        go_on()
        local _, verdict, response = world:call("http", ONCE, 50)
        assert.same({ "replay", '{"value":"paid"}' }, { verdict, response })
        assert(world:done {})
        assert(world:commit())
        local calls = calls_of_journal()
        assert.equal(2, #calls)
        assert.equal(calls[1].response, calls[2].response)
      end)

      it("stays unknown in a later attempt, " .. how, function()
        intend()
        assert(world:result(0, "unknown", LOST, 30))
        go_on()
        assert.equal("unknown", ask())
      end)

      it("is what reconcile settled it to in a later attempt, " .. how, function()
        intend()
        assert(world:result(0, "unknown", LOST, 30))
        local hash
        assert(world:commit())
        for _, call in ipairs(calls_of_journal()) do hash = call.request_hash end
        local request = ('{"request_hash":"%s","result":{"value":"found"}}'):format(hash)
        local seq = world:call("settle", request, 31)
        assert(world:result(seq, "done", '{"value":"found"}', 31))
        assert(world:settle(0, '{"value":"found"}'))
        go_on()
        local _, verdict, response = world:call("http", ONCE, 50)
        assert.same({ "replay", '{"value":"found"}' }, { verdict, response })
      end)
    end

    it("does not take the outcome of another request", function()
      intend()
      assert(world:result(0, "done", VALUE, 30))
      next_attempt()
      local _, verdict = world:call("http", ONCE:gsub("pay", "pay2"), 50)
      assert.equal("perform", verdict)
    end)
  end)
end)
