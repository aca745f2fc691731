-- Determinism (I1): varied graphs give the same hashes, edges, requests and fuel in fresh
-- processes, after others in the same process, under another environment, locale, time zone
-- and address layout, with images and without, whatever the slices. ELG_GRAPHS: how many;
-- ELG_GRAPH_SEED: which.
local generate = require "generate"
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local worker = require "worker_plan"

local GRAPHS = tonumber(os.getenv("ELG_GRAPHS") or "") or 200
local SEED = tonumber(os.getenv("ELG_GRAPH_SEED") or "") or os.time() % 1000000
local AT_ONCE = 4

-- All that must be the same, as text.
local STEPS = "SELECT trace_id || ' ' || step_index || '/' || attempt || ' ' || node_id || ' '"
  .. " || status || ' fuel ' || fuel || ' ' || coalesce(state_hash, '-') || ' '"
  .. " || coalesce(output_hash, '-') || ' ' || input_hash || ' ' || coalesce(next_edge, '-')"
  .. " || ' ' || next_node || ' ' || coalesce(CAST(error AS TEXT), '') || ' '"
  .. " || coalesce(CAST(state AS TEXT), '') AS line FROM cmo_steps ORDER BY trace_id, step_index,"
  .. " attempt"
local CALLS = "SELECT trace_id || ' ' || step_index || '/' || attempt || '.' || seq || ' '"
  .. " || activity_type || ' ' || status || ' ' || request_hash || ' ' || idempotency_key || ' '"
  .. " || location AS line FROM cmo_activities ORDER BY trace_id, step_index, attempt, seq"

describe("the same graph, input, seed and results", function()
  local place, server, runs, wanted

  local function lines(db)
    local out = {}
    for _, text in ipairs { STEPS, CALLS } do
      for _, row in ipairs(process.sql(place:file(db), text)) do out[#out + 1] = row.line end
    end
    return out
  end

  -- A process per graph, a few at a time.
  local function separately(db, flags, env)
    local open, at = {}, 0
    while at < #runs or next(open) do
      while at < #runs and #open < AT_ONCE do
        at = at + 1
        local argv = { "run", runs[at].graph, "--trace", runs[at].trace, "--seed", "7", "--input",
          runs[at].input, "--store", "sqlite:" .. place:file(db), "--quiet" }
        for _, flag in ipairs(flags or {}) do argv[#argv + 1] = flag end
        open[#open + 1] = place:start_elg(argv, { env = env and env(at) })
      end
      local done = table.remove(open, 1):wait()
      assert(done.code == 0 or done.code == 1, done.err)
    end
  end

  local function together(db, options, order, concurrency)
    local list = {}
    for i, at in ipairs(order) do list[i] = runs[at] end
    options.store = "sqlite:" .. place:file(db)
    local done = worker.start(place, { options = options, seed = "7", concurrency = concurrency,
      runs = list }):wait()
    assert(done.code == 0, done.err)
  end

  local function same(db)
    local got = lines(db)
    for i, line in ipairs(wanted) do
      if got[i] ~= line then assert.equal(line, got[i]) end
    end
    assert.equal(#wanted, #got)
  end

  setup(function()
    print(("\ndeterminism: %d graphs, ELG_GRAPH_SEED=%d"):format(GRAPHS, SEED))
    place = outside.place("same")
    server = ledger.start {}
    runs = {}
    for i = 1, GRAPHS do
      runs[i] = { trace = ("same-%03d"):format(i), input = ('{"url":"%s"}'):format(server.url),
        graph = place:write(("graph%d.lua"):format(i), generate.graph(SEED + i)) }
    end
    separately("first.db")
    wanted = lines("first.db")
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  it("are worth comparing: steps, calls, failed attempts, and most runs complete", function()
    local db = place:file("first.db")
    local function count(text) return process.sql(db, "SELECT count(*) AS n FROM " .. text)[1].n end
    assert.equal(GRAPHS, count("cmo_runs"))
    assert.is_true(count("cmo_runs WHERE status = 'completed'") > GRAPHS * 0.8)
    assert.is_true(count("cmo_steps WHERE status = 'ok'") > GRAPHS * 4)
    assert.is_true(count("cmo_steps WHERE status = 'error'") > GRAPHS / 4)
    assert.is_true(count("cmo_activities") > GRAPHS / 2)
    print(("determinism: %d steps, %d calls"):format(count("cmo_steps"), count("cmo_activities")))
  end)

  it("give the same in a fresh process with another environment, locale and time zone", function()
    separately("other.db", nil, function(i)
      return { LC_ALL = "tr_TR.UTF-8", LANG = "de_DE.UTF-8", TZ = "Asia/Kathmandu",
        ["ELG_PADDING_" .. i] = ("x"):rep(i * 37 % 4000), MALLOC_PERTURB_ = tostring(i % 255 + 1),
        HOME = "/nonexistent" }
    end)
    same("other.db")
  end)

  it("give the same with states built anew, each step executed twice", function()
    separately("fresh.db", { "--fresh-states", "--audit", "1" })
    same("fresh.db")
  end)

  it("give the same among others in one process, in any slices, each step executed twice", function()
    local order = {}
    for i = 1, #runs do order[i] = #runs - i + 1 end
    together("among.db", { slice_instructions = 777, audit_rate = 1 }, order, 8)
    same("among.db")
  end)

  it("give the same when every single instruction is a slice", function()
    local order = {}
    for i = 1, #runs do order[i] = (i * 7) % #runs + 1 end
    if #runs % 7 == 0 then for i = 1, #runs do order[i] = i end end
    together("slices.db", { slice_instructions = 1 }, order, 16)
    same("slices.db")
  end)

  it("give the same in one process, states built anew, durability sync, other slices", function()
    local order, random = {}, generate.generator(SEED)
    for i = 1, #runs do order[i] = i end
    for i = #order, 2, -1 do
      local k = random(i) + 1
      order[i], order[k] = order[k], order[i]
    end
    together("anew.db", { fresh_states = true, slice_instructions = 1000, durability = "sync" },
      order, 3)
    same("anew.db")
  end)

  it("agree with their journals", function()
    local traces = {}
    for i, run in ipairs(runs) do traces[i] = run.trace end
    for _, db in ipairs { "first.db", "among.db" } do
      local done = worker.start(place, { options = { store = "sqlite:" .. place:file(db),
        read_only = true }, verify = traces }):wait()
      local _, verified = done.out:gsub('"verified":true', "")
      assert.equal(#traces, verified, done.out:match('[^\n]*"verified":false[^\n]*') or done.err)
    end
  end)

  it("are laid out anew in each process", function()
    assert.equal("2", (outside.read("/proc/sys/kernel/randomize_va_space") or ""):sub(1, 1))
  end)
end)
