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

    -- Half of the runs are left to their end: they have no time of their own and nobody aborts them.
    local function new_run(i)
      local is_left = i % 2 == 1
      local flags = { { "--durability", "sync" }, {}, { "--checkpoint-interval", "3" },
        { "--run-timeout-ms", tostring(150 + random(400)) } }
      return { trace = "r" .. i, is_left = is_left, story = {}, flags = flags[1 + random(is_left and 3 or 4)],
        ends = { "kill", "kill", "term", "nothing", not is_left and "abort" or nil } }
    end

    local function document(run) return world:json({ "show", run.trace }).doc end

    local function told(run) return run.trace .. " after " .. table.concat(run.story, ", ") end

    -- Starts the run, or takes it up again, or lets a worker do it.
    local function go_on(run, by_worker)
      if not document(run) then
        return world:start { "run", "endings.lua", "--trace", run.trace, "--seed", "s", "--input", INPUT,
          "--quiet", unpack(run.flags) }
      end
      if by_worker then return world:start { "worker", "--quiet" } end
      return world:start { "resume", run.trace, "--quiet" }
    end

    local function stop(child)
      child:stop()
      if store.name == "postgres" then world:sql "UPDATE cmo_runs SET worker = NULL" end -- no wait for its lease
    end

    -- One event in the life of a process that has the run.
    local function disturb(child, run)
      process.sleep_us(random(350) * 1000)
      local what = run.ends[1 + random(#run.ends)]
      count(what)
      if what == "term" then child:kill(served.SIGTERM) end
      if what == "abort" then world:elg { "abort", run.trace } end
      if what ~= "kill" then
        if not child:wait(3000) then child:kill(served.SIGTERM) end
        child:wait()
      end
      stop(child)
      table.insert(run.story, what)
    end

    -- Opens a run that has ended badly; its status before. An aborted one stays as it is.
    local function open_again(run)
      local status = document(run).status
      count(status)
      local code = world:elg({ "retry", run.trace }).code
      local is_opened = status == "failed" or status == "timeout" or status == "quarantined"
      assert.equal(is_opened and 0 or 2, code, told(run))
      table.insert(run.story, status)
      return status
    end

    local OVER = { completed = true, aborted = true }

    local function live(run)
      for _ = 1, 2 + random(EVENTS_MAX) do
        disturb(go_on(run, random(3) == 0), run)
        if document(run) then
          all_verified(run.trace, table.concat(run.story, ", "))
          local status = open_again(run)
          all_verified(run.trace, table.concat(run.story, ", "))
          if OVER[status] then return end
        end
      end
    end

    local function leave_alone(run)
      for _ = 1, 4 do
        local child = go_on(run)
        child:wait()
        stop(child)
        if OVER[open_again(run)] then break end
      end
      all_verified(run.trace, table.concat(run.story, ", "))
    end

    it("verifies at each moment, and ends as if nothing had been", function()
      local ended = 0
      for i = 1, RUNS do
        local run = new_run(i)
        live(run)
        leave_alone(run)
        local doc, others = document(run), children(run.trace, "AND status <> 'completed'")
        if run.is_left then assert.same({ "completed", {} }, { doc.status, others }, told(run)) end
        if doc.status == "completed" and #others == 0 then
          ended = ended + 1
          assert.equal(expected, doc.state_hash, told(run))
        end
      end
      assert.is_true(ended >= RUNS / 2)
      local texts = {}
      for what, n in pairs(counts) do texts[#texts + 1] = n .. " " .. what end
      table.sort(texts)
      print(("    %s: ELG_ENDING_SEED=%d, %d of %d as undisturbed: %s"):format(store.name, SEED, ended, RUNS,
        table.concat(texts, ", ")))
    end)
  end)
end
