-- Runs with every kind of call, ended and opened again at random instants and by every means
-- (SIGKILL, SIGTERM, abort, the run's time, quarantine; resume, retry, workers): whenever nobody has
-- the run in hand its journal verifies, and once left alone it ends with the state of an undisturbed run
-- (I1, I3, I17). ELG_ENDINGS: how many runs; ELG_ENDING_SEED: which.
local generate = require "generate"
local process = require "process_c"
local served = require "served"

local RUNS = tonumber(os.getenv("ELG_ENDINGS")) or 8
local SEED = tonumber(os.getenv("ELG_ENDING_SEED")) or os.time() % 1000000
local EVENTS_MAX = 8

local CHILD = [[
local elg = require "elg"
return elg.graph { id = "part", version = "1", entry = "a", edges = {}, nodes = { a = function(_, input, ctx)
  ctx.sleep(20)
  local done = ctx.artifact.write("part " .. input.n)
  ctx.rand(100)
  return nil, { hash = done.hash }
end } }
]]
local GRAPH = [[
local elg = require "elg"
local part = require "part"
local function gather(state, _, ctx)
  for round = 1, 3 do
    ctx.rand(100)
    local all = ctx.all { { "artifact.write", "g" .. round }, { "http", { url = state.url .. "?r=" .. round } },
      { "artifact.write", "h" .. round }, { "wait", "never", 40 } }
    state.hashes[round] = all[1].value.hash .. all[3].value.hash
    state.net = all[2].ok
  end
  return "gathered"
end
local function try(state, _, ctx)
  local note = ctx.artifact.write("try")
  if ctx.attempt == 1 then error("once more") end
  state.note = note.hash
  return "tried"
end
local function split(state, _, ctx)
  state.parts = ctx.map(part, { { n = 1 }, { n = 2 }, { n = 3 } }, { concurrency = 2 })
  return "split"
end
local function spin(state, _, ctx)
  ctx.now()
  local n = 0
  for i = 1, 300000 do n = n + i end
  for i = 1, 30 do ctx.artifact.write("s" .. i) end
  state.n = n
  return nil, { n = n, id = ctx.uuid() }
end
return elg.graph { id = "endings", version = "1", entry = "gather",
  initial = function(input) return { url = input.url, hashes = elg.array {} } end,
  nodes = { gather = gather, try = { run = try, retry = { max_attempts = 3, initial_delay_ms = 30 } },
    split = split, spin = spin },
  edges = { { from = "gather", key = "gathered", to = "try" }, { from = "try", key = "tried", to = "split" },
    { from = "split", key = "split", to = "spin" } } }
]]
-- Nobody listens there: the answer is always the same error.
local INPUT = '{"url":"http://127.0.0.1:9/"}'

for _, store in ipairs(served.stores) do
  describe("a run ended at random (" .. store.name .. ")", function()
    local world, random, expected, counts

    local function count(what) counts[what] = (counts[what] or 0) + 1 end

    setup(function()
      world, counts = served.create(store), {}
      random = generate.generator(SEED)
      world.place:write("part.lua", CHILD)
      world.place:write("endings.lua", GRAPH)
      local done = world:json { "run", "endings.lua", "--trace", "calm", "--seed", "s", "--input", INPUT }
      assert.equal(0, done.code, done.out .. done.err)
      expected = done.doc.state_hash
    end)
    teardown(function() world:destroy() end)

    local function verified(trace, after)
      local done = world:json { "replay", trace, "--verify" }
      if done.code == 0 then return end
      error(("%s (ELG_ENDING_SEED=%d) after %s: %s%s"):format(trace, SEED, after, done.out, done.err), 0)
    end

    local function children(trace, condition)
      return world:sql(("SELECT trace_id FROM cmo_runs WHERE parent_trace_id = '%s' %s"):format(trace, condition))
    end

    -- Verifies the run and its children.
    local function all_verified(trace, after)
      verified(trace, after)
      for _, row in ipairs(children(trace, "")) do verified(row.trace_id, after) end
    end

    local function begin(trace)
      local flags = { { "--durability", "sync" }, {}, { "--run-timeout-ms", tostring(150 + random(400)) },
        { "--checkpoint-interval", "3" } }
      return world:start { "run", "endings.lua", "--trace", trace, "--seed", "s", "--input", INPUT,
        "--quiet", unpack(flags[1 + random(#flags)]) }
    end

    local function go_on(trace)
      if random(3) == 0 then return world:start { "worker", "--quiet" } end
      return world:start { "resume", trace, "--quiet" }
    end

    -- One event in the life of a process that has the run; what happened.
    local function disturb(child, trace)
      process.sleep_us(random(350) * 1000)
      local what = ({ "kill", "kill", "term", "abort", "nothing" })[1 + random(5)]
      count(what)
      if what == "kill" then
        child:stop()
        if store.name == "postgres" then world:sql "UPDATE cmo_runs SET worker = NULL" end -- no wait for its lease
      end
      if what == "term" then child:kill(served.SIGTERM) end
      if what == "abort" then world:elg { "abort", trace } end
      if what ~= "kill" then
        if not child:wait(3000) then child:kill(served.SIGTERM) end
        if not child:wait(10000) then child:stop() end
      end
      return what
    end

    local function open_again(trace)
      local status = world:json({ "show", trace }).doc.status
      count(status)
      if status == "failed" or status == "timeout" or status == "quarantined" or status == "aborted" then
        world:elg { "retry", trace }
      end
      return status
    end

    local function live(i)
      local trace = "r" .. i
      local child, story = begin(trace), {}
      for _ = 1, 2 + random(EVENTS_MAX) do
        story[#story + 1] = disturb(child, trace)
        if world:json({ "show", trace }).code ~= 0 then return end -- killed before it began
        all_verified(trace, table.concat(story, ", "))
        story[#story + 1] = open_again(trace)
        all_verified(trace, table.concat(story, ", "))
        if story[#story] == "completed" then break end
        child = go_on(trace)
      end
      child:stop()
      return trace, table.concat(story, ", ")
    end

    it("verifies at each moment, and ends as if nothing had been", function()
      local ended = 0
      for i = 1, RUNS do
        local trace, story = live(i)
        if trace then
          for _ = 1, 3 do
            world:elg { "resume", trace }
            if open_again(trace) == "completed" then break end
          end
          all_verified(trace, story .. ", left alone")
          local doc = world:json({ "show", trace }).doc
          if doc.status == "completed" and #children(trace, "AND status <> 'completed'") == 0 then
            ended = ended + 1
            assert.equal(expected, doc.state_hash, trace .. ": " .. story)
          end
        end
      end
      local texts = {}
      for what, n in pairs(counts) do texts[#texts + 1] = n .. " " .. what end
      table.sort(texts)
      print(("    %s: ELG_ENDING_SEED=%d, %d of %d as undisturbed: %s"):format(store.name, SEED, ended, RUNS,
        table.concat(texts, ", ")))
    end)
  end)
end
