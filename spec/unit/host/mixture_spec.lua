-- Runs side by side in one host: large heaps are not copied at every slice, runs that take
-- each other's place all get on, and none's result depends on it. What is counted is what
-- was parked; times are only printed.
local json = require "elg.json"
local mixture = require "mixture_c"
local outside = require "outside"

local GRAPH = [[
local elg = require "elg"
-- Some 90 bytes live for each of n; then as many looks as `rounds` says.
local function work(_, input)
  local heap, sum = {}, 0
  for i = 1, input.n do heap[i] = { i, i } end
  for round = 1, input.rounds do
    for i = 1, input.n do sum = (sum + heap[i][1] * round) % 1000003 end
  end
  return nil, { sum = sum }
end
local function spin(_, input)
  local sum = 0
  for i = 1, input.loops do sum = (sum + i) % 1000003 end
  return nil, { sum = sum }
end
return elg.graph { id = "mixture", version = "1", entry = "choose", edges = {
    { from = "choose", key = "work", to = "work" }, { from = "choose", key = "spin", to = "spin" } },
  nodes = { work = work, spin = spin,
    choose = function(_, input) return input.n and "work" or "spin", input end } }
]]

local HEAP = '{"n":%d,"rounds":%d}'
local LOOPS = '{"loops":3000000}'

describe("runs side by side", function()
  local place, path

  setup(function()
    place = outside.place("mixture")
    path = place:write("mixture.lua", GRAPH)
  end)
  teardown(function() place:remove() end)

  local function run(inputs, step_timeout_ms)
    local done = mixture.run(outside.build .. "/elg-compile", path, inputs, step_timeout_ms)
    for i, text in ipairs(done.ends) do done.ends[i] = json.decode(text) end
    return done
  end

  -- Each input alone, then all together: the same ends.
  local function together(inputs)
    local alone_ms, alone = 0, {}
    for i, input in ipairs(inputs) do
      local done = run({ input })
      assert.equal("completed", done.ends[1].status)
      assert.equal(0, done.parks)
      alone_ms, alone[i] = alone_ms + done.ms, done.ends[1]
    end
    local done = run(inputs)
    for i, result in ipairs(done.ends) do
      assert.equal("completed", result.status)
      assert.same(alone[i].output, result.output)
      assert.equal(alone[i].state_hash, result.state_hash)
    end
    print(("    %d runs: %d turns, %d large heaps parked, %.0f MB; %.0f ms, each alone %.0f ms")
      :format(#inputs, done.turns, done.parks, done.parked_bytes / 1e6, done.ms, alone_ms))
    return done
  end

  it("parks a large heap once in many slices", function()
    local done = together { HEAP:format(200000, 10), LOOPS, LOOPS }
    assert.is_true(done.parks >= 1)
    -- At every turn of the others, if nothing held it: a third of all turns.
    assert.is_true(done.parks * 10 <= done.turns, done.parks .. " of " .. done.turns)
  end)

  it("gets on with more heaps than may be parked", function()
    local inputs = {}
    for i = 1, 5 do inputs[i] = HEAP:format(400000 + i, 3) end
    local done = together(inputs)
    -- Alone they take some 1,400 turns; executed again from the start, at most as many more.
    assert.is_true(done.parks * 10 <= done.turns, done.parks .. " of " .. done.turns)
  end)
end)
