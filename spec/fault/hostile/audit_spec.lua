-- audit: steps executed twice (I1, I3). Over this library nothing differs; over one whose
-- chance knows an address (see mk/93-audit.mk) every kind of difference is found and named.
local json = require "elg.json"
local outside = require "outside"
local worker = require "worker_plan"

local GRAPH = [[
local elg = require "elg"
local nodes, edges = {}, {}
local function differ(kind, body) nodes[kind] = body edges[#edges + 1] =
  { from = "begin", key = kind, to = kind } end
nodes.begin = function(_, input) return input.kind end
differ("state", function(state) state.x = math.random() end)
differ("output", function() return nil, math.random() end)
differ("fuel", function() for _ = 1, math.random(1000000) do end end)
differ("error", function() error("x" .. math.random()) end)
differ("status", function() if math.random() < 0.5 then error("x") end end)
differ("edge", function() return math.random() < 0.5 and "left" or "right" end)
differ("request", function(_, _, ctx) ctx.artifact.write("x" .. math.random()) end)
differ("count", function(_, _, ctx) for _ = 1, math.random(1000) do ctx.now() end end)
differ("metadata", function() return { metadata = { x = math.random() } } end)
differ("memory", function()
  local t = {}
  if math.random() < 0.5 then for i = 1, 1e9 do t[i] = { i } end end
end)
differ("caught", function(state) state.x = select(2, pcall(error, math.random())) end)
differ("nothing", function(state) state.x = { os.time(), tostring({}), elg.hash(state) } end)
return elg.graph { id = "differ", version = "1", entry = "begin", nodes = nodes, edges = edges }
]]

describe("a step executed twice", function()
  local place, count
  setup(function()
    place = outside.place("audit")
    place:write("differ.lua", GRAPH)
    count = 0
  end)
  teardown(function() place:remove() end)

  -- Results by trace, of runs whose traces begin with the kind of difference.
  local function results(library, rate, kinds, each)
    local runs = {}
    for _, kind in ipairs(kinds) do
      for i = 1, each do
        runs[#runs + 1] = { trace = ("%s-%d"):format(kind, i), input = ('{"kind":"%s"}'):format(kind) }
      end
    end
    count = count + 1
    local env = library and { LUA_CPATH = outside.build .. "/" .. library .. "/?.so;"
      .. outside.build .. "/spec/?.so" }
    local done = worker.start(place, { graph = place:file("differ.lua"), seed = "7", runs = runs,
      options = { store = ("sqlite:%s/run-%d.db"):format(place.path, count), audit_rate = rate,
        memory_bytes_max = 2 ^ 21 } },
      { env = env }):wait()
    assert.equal(0, done.code, done.err)
    local found = {}
    for trace, text in done.out:gmatch("result (%S+) ([^\n]+)") do found[trace] = json.decode(text) end
    return found
  end

  local function diverged(found)
    local set, n = {}, 0
    for trace, result in pairs(found) do
      if result.status == "diverged" then set[trace], n = true, n + 1 end
    end
    return set, n
  end

  local WHAT = { state = "state_hash", output = "output_hash", fuel = "fuel", error = "error",
    status = "status", edge = "next_edge", request = "request", metadata = "metadata",
    memory = "status", caught = "state_hash", count = { "request", "activity_count" } }
  local KINDS = { "nothing" }
  for kind in pairs(WHAT) do KINDS[#KINDS + 1] = kind end
  table.sort(KINDS)

  it("does the same in this library", function()
    local found = results(nil, 1, KINDS, 8)
    local _, n = diverged(found)
    assert.equal(0, n)
    assert.equal("completed", found["state-1"].status)
    assert.equal("failed", found["error-1"].status)
  end)

  it("is found to differ, and in what, if chance knows an address", function()
    local found = results("address", 1, KINDS, 8)
    for kind, names in pairs(WHAT) do
      local texts = {}
      for i = 1, 8 do
        local result = found[kind .. "-" .. i]
        if result.status == "diverged" then
          assert.equal("DIVERGED", result.error.code)
          assert.equal(1, result.steps)
          texts[#texts + 1] = result.error.message
        end
      end
      assert.is_true(#texts > 0, kind)
      for _, text in ipairs(texts) do
        local named = false
        for _, name in ipairs(type(names) == "table" and names or { names }) do
          named = named or text:find("audit: step 1 node " .. kind, 1, true)
            and text:find("executed twice: " .. name .. " was ", 1, true)
        end
        assert.truthy(named, text)
      end
    end
    assert.equal("completed", found["nothing-1"].status)
  end)

  it("is a share of them, and the same ones each time", function()
    local first, n = diverged(results("address", 0.25, { "state" }, 200))
    assert.is_true(n > 20 and n < 80, n .. " of 200")
    local second, m = diverged(results("address", 0.25, { "state" }, 200))
    assert.same(first, second)
    assert.equal(n, m)
    assert.equal(0, (select(2, diverged(results("address", 0, { "state" }, 20)))))
  end)

  it("is not one where the rate is none", function()
    for _, rate in ipairs { "1.5", "-1", "x", "nan" } do
      local done = place:start_elg({ "run", "differ.lua", "--audit", rate }):wait()
      assert.equal(2, done.code)
      assert.truthy(done.err:find("--audit", 1, true))
    end
    local core = require "elg.core"
    for _, rate in ipairs { 1.5, -1, 0 / 0 } do
      local host, text, status = core.host_open { store = "memory:", audit_rate = rate }
      assert.is_nil(host)
      assert.equal("ELG_USAGE", status, text)
    end
  end)

  it("is asked for by elg run --audit", function()
    local done = place:start_elg({ "run", "differ.lua", "--audit", "1", "--json", "--input",
      '{"kind":"state"}' }):wait()
    assert.equal(0, done.code, done.err)
  end)
end)
