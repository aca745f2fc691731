-- hostile: scripts that mean harm, a family at a time, through the program and through the
-- library (I1, I2, I3, I15, I16): none gets hold of anything, none takes the process down, each
-- ends within its budget, and the honest runs between them come out as ever.
local hostile = require "hostile"
local json = require "elg.json"
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local worker = require "worker_plan"

local FUEL, MEMORY, STEP_MS, MORE_MS = 1000000, 4 * 2 ^ 20, 3000 * outside.slow, 100 * outside.slow
local SECRETS = { "canary-of-a-file", "canary-of-the-environment", "canary-of-a-secret",
  "canary-of-another-run", "ESCAPED" }
local ENV = { ELG_CANARY = "canary-of-the-environment",
  ELG_SECRET_CANARY = "canary-of-a-secret" }

describe("a hostile script", function()
  local place, server, canary, drop, total, slowest, after

  -- Runs of a family: an honest one that holds a secret before each script.
  local function runs_of(family, scripts)
    local runs = {}
    local function add(node, mine)
      runs[#runs + 1] = { node = node, trace = ("%s-%d"):format(family, #runs + 1),
        input = ('{"node":%q,"canary":%q,"drop":%q,"port":%d,"other":"%s-1","mine":%q,'
          .. '"family":%q}'):format(node, canary, drop, server.port, family, mine, family) }
    end
    for i = 1, #scripts do
      add("clean", "canary-of-another-run")
      add("s" .. i, "nothing")
    end
    add("clean", "canary-of-another-run")
    return runs
  end

  local function check_honest(result, what)
    assert.equal("completed", result.status, what)
    assert.equal(5050, result.state.sum, what)
    after = after or {}
    local family = result.graph_id
    after[family] = after[family] or result.output.after
    assert.equal(after[family], result.output.after, what)
  end

  -- A hostile run's result, as text and as a value.
  local function check_hostile(text, result, what)
    for _, secret in ipairs(SECRETS) do
      assert.is_nil(text:find(secret, 1, true), what .. ": " .. text:sub(1, 500))
    end
    assert.is_true(result.status == "completed" or result.status == "failed",
      what .. ": " .. result.status .. " " .. text:sub(1, 2000))
    if result.status == "failed" then
      assert.not_equal("INTERNAL", result.error.code, what)
    elseif result.steps == 3 then
      assert.equal(after[result.graph_id], result.output.after, what .. ": something was left")
    end
  end

  local function check_world(what)
    assert.equal("return 'canary-of-a-file'\n", outside.read(canary), what)
    local pipe = io.popen("ls -A '" .. drop .. "'")
    assert.equal("", pipe:read("*a"), what)
    pipe:close()
    assert.equal(0, #server:log(), what)
  end

  local function check_all(runs, scripts, texts, how)
    assert.equal(#runs, #texts, how)
    local ends = {}
    for i, run in ipairs(runs) do
      local result = json.decode(texts[i])
      local script = scripts[tonumber(run.node:match("^s(%d+)$"))]
      local what = ("%s: %s: %s"):format(how, run.trace, script and script.title or "honest")
      if script then check_hostile(texts[i], result, what) else check_honest(result, what) end
      ends[i] = result.status .. " " .. (result.error ~= json.null and result.error
        and result.error.code or "")
    end
    check_world(how)
    return ends
  end

  -- Results are told as they become durable: which is whose, the inputs say.
  local function in_order(family, runs, out)
    local by_trace, by_input, texts = {}, {}, {}
    for line in out:gmatch("[^\n]+") do by_trace[json.decode(line).trace_id] = line end
    for _, row in ipairs(process.sql(place:file(family .. ".db"),
      "SELECT trace_id, input FROM cmo_runs_json")) do
      local node = json.decode(row.input).node
      by_input[node] = by_input[node] or {}
      table.insert(by_input[node], by_trace[row.trace_id])
    end
    for i, run in ipairs(runs) do texts[i] = table.remove(by_input[run.node]) end
    return texts
  end

  local function by_program(family, runs)
    local lines = {}
    for i, run in ipairs(runs) do lines[i] = run.input end
    place:write("input.jsonl", table.concat(lines, "\n") .. "\n")
    local done = place:start_elg({ "run", family .. ".lua", "--input", "input.jsonl",
      "--concurrency", "1", "--json", "--quiet", "--fuel", ("%d"):format(FUEL), "--memory",
      ("%d"):format(MEMORY), "--step-timeout-ms", ("%d"):format(STEP_MS), "--allow-net",
      "127.0.0.1:1", "--store", "sqlite:" .. family .. ".db", "--seed", "7" }, { env = ENV }):wait()
    assert.is_true(done.code == 0 or done.code == 1 or done.code == 7, family .. ": " .. tostring(done.code
      or "signal " .. tostring(done.signal)) .. " " .. done.err)
    for _, secret in ipairs(SECRETS) do
      if secret ~= "canary-of-another-run" then
        assert.is_nil((done.out .. done.err):find(secret, 1, true), family)
      end
    end
    return in_order(family, runs, done.out)
  end

  -- Every step's time, by the journal.
  local function check_budget(family)
    local rows = process.sql(place:file(family .. ".db"), "SELECT node_id, duration_ms FROM"
      .. " cmo_steps ORDER BY duration_ms DESC LIMIT 1")
    local ms = tonumber(rows[1].duration_ms)
    assert.is_true(ms <= STEP_MS + MORE_MS, ("%s %s took %s ms"):format(family, rows[1].node_id, ms))
    if ms > slowest.ms then slowest = { ms = ms, name = family .. " " .. rows[1].node_id } end
  end

  -- No step of a hostile run has seen what another run held.
  local function check_others(family)
    local rows = process.sql(place:file(family .. ".db"), "SELECT count(*) AS n FROM cmo_steps_json"
      .. " s JOIN cmo_runs_json r USING (trace_id) WHERE r.input LIKE '%\"mine\":\"nothing\"%' AND"
      .. " s.state || s.output || coalesce(s.error, '') LIKE '%canary-of-another-run%'")
    assert.equal(0, tonumber(rows[1].n), family)
  end

  -- Nothing that was kept holds what must not be at rest (I14).
  local function check_store(family)
    local path = place:file(family .. ".db")
    for _, name in ipairs { path, path .. "-wal" } do
      local text = outside.read(name) or ""
      for _, secret in ipairs { "canary-of-a-file", "canary-of-the-environment", "canary-of-a-secret" } do
        assert.is_nil(text:find(secret, 1, true), name .. " holds " .. secret)
      end
    end
  end

  -- In this process every state is built anew and every step audited; in a jail they are put
  -- back, in slices of another size.
  local function by_library(family, runs, jail)
    local done = worker.start(place, { graph = place:file(family .. ".lua"), runs = runs, seed = "7",
      concurrency = 8, options = { store = "memory:", fuel_max = FUEL, memory_bytes_max = MEMORY,
        fresh_states = not jail, slice_instructions = jail and 5003 or 99991,
        audit_rate = jail and 0 or 1, jail = jail, jailer = outside.build .. "/elg-jail",
        artifacts = place:file("artifacts"), allow_net = { "127.0.0.1:1" } } }, { env = ENV }):wait()
    assert.equal(0, done.code, family .. ": " .. tostring(done.signal) .. done.err)
    local results, texts = {}, {}
    for trace, text in done.out:gmatch("result (%S+) ([^\n]+)") do results[trace] = text end
    for i, run in ipairs(runs) do texts[i] = assert(results[run.trace], run.trace) end
    return texts
  end

  -- A jailed run came to what the other came to, byte for byte but for the chain, which
  -- covers that it was jailed.
  local function check_same(a, b, what)
    assert.equal(a:gsub('"chain":"%x+"', ""), b:gsub('"chain":"%x+"', ""), what)
  end

  setup(function()
    place = outside.place("hostile")
    server = ledger.start { log = place:file("ledger.log") }
    canary = place:write("canary.lua", "return 'canary-of-a-file'\n")
    drop = place:file("drop")
    assert(os.execute("mkdir '" .. drop .. "'") == 0)
    total, slowest = 0, { ms = 0 }
  end)
  teardown(function()
    print(("\nhostile: %d scripts; the longest step took %.0f ms (%s)"):format(total, slowest.ms,
      slowest.name or "-"))
    server:stop()
    place:remove()
  end)

  for _, family in ipairs(hostile.families()) do
    it("gets nowhere: " .. family, function()
      local scripts = hostile.scripts(family)
      total = total + #scripts
      place:write(family .. ".lua", hostile.graph(family, scripts))
      local runs = runs_of(family, scripts)
      local first = check_all(runs, scripts, by_program(family, runs), "elg run")
      check_budget(family)
      check_store(family)
      check_others(family)
      local texts = by_library(family, runs)
      local second = check_all(runs, scripts, texts, "library")
      local jailed = by_library(family, runs, true)
      check_all(runs, scripts, jailed, "jail")
      for i, run in ipairs(runs) do check_same(texts[i], jailed[i], run.trace .. " " .. run.node) end
      for i, run in ipairs(runs) do
        assert.equal(first[i], second[i], ("%s: %s"):format(run.trace, run.node))
      end
    end)
  end

  it("is one of at least three hundred", function()
    local count = 0
    for _, family in ipairs(hostile.families()) do count = count + #hostile.scripts(family) end
    assert.is_true(count >= 300, count .. " scripts")
  end)
end)
