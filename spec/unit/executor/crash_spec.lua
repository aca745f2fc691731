-- crash: after a crash at any commit, and after any allocation that fails, a run ends with
-- the journal of an undisturbed one (I1, I4, I16).
local executor = require "executor"

local RETRY = '{"max_attempts":3,"backoff":"exponential","initial_delay_ms":10}'
local GRAPH = executor.graph({ a = RETRY, b = "null", c = "null" },
  { { "a", "ok", "b" }, { "b", "ok", "c" } })
local CRASHES_MAX = 100
local GET = '{"url":"http://127.0.0.1/get"}'
local PAY = '{"at_most_once":true,"url":"http://127.0.0.1/pay"}'

-- Two attempts, calls of every kind, a sleep, an error, three steps.
local SCRIPT = {}

function SCRIPT.a(d, attempt)
  d:call("now", "{}")
  local got = d:call("http", GET)
  if attempt == 1 then
    return nil, { code = "X", message = "the first attempt fails", retry = true, fuel = 11 }
  end
  d:call("sleep", '{"ms":5}')
  return { state = '{"got":' .. got .. "}", output = got, key = "ok", edge = 0, fuel = 12 }
end

function SCRIPT.b(d)
  local called = d:call("call", '{"name":"f","request":[1,2]}')
  d:call("artifact.write", '{"content":"text"}')
  return { state = '{"b":true}', output = called, key = "ok", edge = 1, fuel = 13,
    metadata = '{"m":1}' }
end

function SCRIPT.c()
  return { state = '{"c":true}', output = "[]", fuel = 14 }
end

local function undisturbed(script)
  local world = executor.begin(GRAPH)
  local driver = executor.drive(world, script)
  assert.equal("ended", driver:finish_or_crash())
  return world, driver.commits
end

-- The journal and the end of a run, and the bytes that were left when all was closed.
local function outcome(world)
  local row, journal = world:row(), world:journal(executor.TRACE)
  world:crash()
  return { status = row.status, chain = row.chain, steps = row.step_count, journal = journal },
    world:close()
end

-- Goes on after a crash; what is not in the store begins anew.
local function recover(world)
  local ok, status, where, text = world:recall(executor.TRACE)
  if status == "ELG_NOT_FOUND" then return world:start(executor.new_row()) end
  return ok, status, where, text
end

describe("executor.crash", function()
  it("leads to the same journal at every commit", function()
    local world, commits = undisturbed(SCRIPT)
    local expected, left = outcome(world)
    assert.equal(0, left)
    assert.truthy(commits >= 10)
    assert.same({ "completed", 3 }, { expected.status, expected.steps })
    for at = 1, commits do
      world = executor.begin(GRAPH)
      local driver = executor.drive(world, SCRIPT, { crash_after = at })
      assert.equal("crashed", driver:finish_or_crash())
      assert(recover(world))
      assert.equal("ended", executor.drive(world, SCRIPT):finish_or_crash())
      local actual
      actual, left = outcome(world)
      assert.same(expected, actual, "crash after commit " .. at)
      assert.equal(0, left)
    end
  end)

  it("leads to the same journal when every commit is followed by one", function()
    local expected = outcome((undisturbed(SCRIPT)))
    local world, crashes = executor.begin(GRAPH), 0
    while crashes < CRASHES_MAX
      and executor.drive(world, SCRIPT, { crash_after = 1 }):finish_or_crash() == "crashed" do
      crashes = crashes + 1
      assert(recover(world))
    end
    assert.same(expected, (outcome(world)))
    assert.truthy(crashes >= 10)
  end)

  it("never performs an at-most-once call twice", function()
    local script = { a = SCRIPT.a, c = SCRIPT.c }
    function script.b(d)
      d:call("http", PAY)
      return { key = "ok", edge = 1 }
    end
    local world, commits = undisturbed(script)
    outcome(world)
    for at = 1, commits do
      world = executor.begin(GRAPH)
      local effects, paid = {}, 0
      executor.drive(world, script, { crash_after = at, effects = effects }):finish_or_crash()
      assert(recover(world))
      assert.equal("ended",
        executor.drive(world, script, { effects = effects }):finish_or_crash())
      for _, effect in ipairs(effects) do
        if effect == "http " .. PAY then paid = paid + 1 end
      end
      assert.truthy(paid <= 1, ("crash after commit %d: paid %d times"):format(at, paid))
      assert.equal("completed", (outcome(world)).status)
    end
  end)

  it("leads to the same journal when any allocation fails", function()
    local expected = outcome((undisturbed(SCRIPT)))
    local failures, n = 0, 0
    repeat
      n = n + 1
      local world = executor.begin(GRAPH)
      world:fail_at(n)
      local ended, problem = executor.drive(world, SCRIPT):finish_or_crash()
      world:fail_at(0)
      if not ended then
        failures = failures + 1
        assert.equal("ELG_NO_MEMORY", problem.status, ("allocation %d: %s"):format(n, problem.text))
        assert(recover(world))
        assert.equal("ended", executor.drive(world, SCRIPT):finish_or_crash())
      end
      local actual, left = outcome(world)
      assert.same(expected, actual, "allocation " .. n)
      assert.equal(0, left)
    until ended
    assert.truthy(failures > 20, failures)
  end)

  it("makes another chain of any other record", function()
    local chains = {}
    local function variant(name, change)
      local script = { a = SCRIPT.a, b = SCRIPT.b, c = SCRIPT.c }
      if change then change(script) end
      local chain = (outcome((undisturbed(script)))).chain
      assert.is_nil(chains[chain], name)
      chains[chain] = name
    end
    variant "none"
    variant("a request", function(script)
      script.b = function(d)
        d:call("call", '{"name":"f","request":[1,3]}')
        d:call("artifact.write", '{"content":"text"}')
        return { key = "ok", edge = 1, fuel = 13 }
      end
    end)
    for _, field in ipairs { "fuel", "state", "output", "metadata" } do
      variant(field, function(script)
        script.c = function()
          local result = SCRIPT.c()
          result[field] = field == "fuel" and 15 or '{"other":1}'
          return result
        end
      end)
    end
    variant("a failed attempt's fuel", function(script)
      script.a = function(d, attempt)
        local result, failure = SCRIPT.a(d, attempt)
        if failure then failure.fuel = 99 end
        return result, failure
      end
    end)
  end)
end)
