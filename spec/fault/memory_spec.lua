-- Memory (I16): every allocation of a whole run fails once, and from some point on all of
-- them: an error or a good end, never a crash, a leak or a wrong record; the run can be taken
-- up and ends as it would have. ELG_ALLOCATIONS: each so-many-th allocation fails in its turn.
local host_c = require "host_c"
local outside = require "outside"

local STRIDE = tonumber(os.getenv("ELG_ALLOCATIONS") or "") or os.getenv("ELG_TORTURE") and 1 or 7

local GRAPH = [[
local elg = require "elg"
local function ask(state, _, ctx)
  ctx.log("asking", { n = state.n })
  state.got = assert(ctx.call("echo", { n = state.n }))
  ctx.now()
  return "many"
end
local function many(state, _, ctx)
  state.n = state.n + 1
  local list = ctx.all { { "call", "echo", { n = 1 } }, { "artifact.write", { content = "text" } } }
  state.hash = list[2].value.hash
  if state.n == 2 and ctx.attempt == 1 then error("once") end
  return "rest", { n = state.n }
end
local function rest(state, _, ctx)
  ctx.sleep(1)
  state.text = ctx.artifact.read(state.hash)
  state.chance = ctx.rand(1000)
  return state.n < 3 and "again" or nil, { n = state.n }
end
return elg.graph { id = "memory", version = "1", entry = "ask",
  initial = function(input) return { n = input.n } end,
  nodes = { ask = ask, rest = rest, many = { run = many, retry = { max_attempts = 2 } } },
  edges = { { from = "ask", key = "many", to = "many" }, { from = "many", key = "rest", to = "rest" },
    { from = "rest", key = "again", to = "ask", when = function(s) return s.n < 3 end } } }
]]

local FAMILY = [[
local elg = require "elg"
local child = require "child"
return elg.graph { id = "family", version = "1", entry = "a", edges = {},
  initial = function(input) return { n = input.n } end,
  nodes = { a = function(state, _, ctx)
    local results = ctx.map(child, { { n = 1 }, { n = 2 }, { fail = true } }, { concurrency = 2 })
    local one = ctx.run(child, { n = 3 })
    local r = ctx.all { { "wait", "never", 1 }, { "wait", "nothing", 2 }, { "run", child, { n = 4 } } }
    state.sum = results[1].value + results[2].value + one + r[3].value
    return nil, { sum = state.sum, err = results[3].err.message, late = r[1].err.code }
  end } }
]]
local CHILD = [[
local elg = require "elg"
return elg.graph { id = "child", version = "1", entry = "a", edges = {}, nodes = {
  a = function(_, input, ctx)
    if input.fail then error { message = "no", retry = false } end
    return nil, ctx.call("echo", { n = input.n }).n
  end } }
]]

describe("a host whose memory runs out", function()
  local place, clean

  local function travel(name, fail_at, fail_count, audit_rate, graph)
    return host_c.travel { store = name == "memory:" and name or "sqlite:" .. place:file(name),
      compiler = outside.build .. "/elg-compile", graph = place:file(graph or "memory.lua"),
      input = '{"n":1}', fail_at = fail_at, fail_count = fail_count,
      audit_rate = audit_rate }
  end

  local function forget(name)
    os.execute("rm -rf '" .. place:file(name) .. "'*")
  end

  setup(function()
    place = outside.place("memory")
    place:write("memory.lua", GRAPH)
    place:write("family.lua", FAMILY)
    place:write("child.lua", CHILD)
    clean = travel("clean.db", 0)
  end)
  teardown(function() place:remove() end)

  it("does it all as long as there is enough, and gives everything back", function()
    assert.equal("done", clean.stage, clean.text)
    assert.equal(0, clean.blocks)
    assert.is_true(clean.calls > 300, clean.calls)
  end)

  it("closes its store, which asks whether it is alive, before what answers that", function()
    assert.is_false(clean.early)
  end)

  for _, kind in ipairs { "one.db", "memory:" } do
    it("survives each allocation failing once: " .. kind, function()
      local ended = {}
      for at = 1, clean.calls, STRIDE do
        forget("one.db")
        local result = travel(kind, at, 1)
        assert.equal(0, result.blocks, ("allocation %d: %s"):format(at, result.stage))
        assert.not_equal("verify", result.stage, ("allocation %d: %s"):format(at, result.text))
        ended[result.stage] = (ended[result.stage] or 0) + 1
        if result.stage ~= "done" and kind ~= "memory:" then
          local again = travel(kind, 0)
          assert.equal("done", again.stage, ("after %d at %s (%s): %s"):format(at, result.stage,
            result.text, again.text))
        end
      end
      assert.is_true((ended.tick or 0) > 0 and (ended.replay or 0) > 0)
      assert.is_true((ended.open or 0) + (ended.graph or 0) + (ended.start or 0) > 0)
    end)
  end

  it("survives it while every step is executed twice, and takes no failure for a difference", function()
    local audited = travel("memory:", 0, 1, 1)
    assert.equal("done", audited.stage, audited.text)
    assert.is_true(audited.calls > clean.calls + 50, audited.calls)
    local lost = 0
    for at = 1, audited.calls, STRIDE do
      local result = travel("memory:", at, 1, 1)
      assert.equal(0, result.blocks, ("allocation %d: %s"):format(at, result.stage))
      assert.not_equal("verify", result.stage, ("allocation %d: %s"):format(at, result.text))
      assert.is_nil(result.text:find("executed twice", 1, true), ("allocation %d: %s"):format(at, result.text))
      if result.stage ~= "done" then lost = lost + 1 end
    end
    assert.is_true(lost > 10, lost)
  end)

  for _, kind in ipairs { "family.db", "memory:" } do
    it("survives it with children and waits: " .. kind, function()
      forget "family.db"
      local calm = travel(kind, 0, 1, 0, "family.lua")
      assert.equal("done", calm.stage, calm.text)
      local ended = {}
      for at = 1, calm.calls, STRIDE * 6 do
        forget "family.db"
        local result = travel(kind, at, 1, 0, "family.lua")
        assert.equal(0, result.blocks, ("allocation %d: %s"):format(at, result.stage))
        assert.not_equal("verify", result.stage, ("allocation %d: %s"):format(at, result.text))
        ended[result.stage] = (ended[result.stage] or 0) + 1
        if result.stage ~= "done" and kind ~= "memory:" then
          local again = travel(kind, 0, 1, 0, "family.lua")
          assert.equal("done", again.stage, ("after %d at %s (%s): %s"):format(at, result.stage,
            result.text, again.text))
        end
      end
      assert.is_true((ended.tick or 0) > 5)
    end)
  end

  it("survives all allocations failing from one on", function()
    for at = 1, clean.calls, STRIDE * 3 do
      forget("all.db")
      local result = travel("all.db", at, 1e9)
      assert.equal(0, result.blocks, ("allocation %d: %s"):format(at, result.stage))
      local again = travel("all.db", 0)
      assert.equal("done", again.stage, ("after %d at %s (%s): %s"):format(at, result.stage,
        result.text, again.text))
    end
  end)
end)
