-- Tamper evidence (I17, I10): a change of code, of a request, of a recorded response or of any
-- chained column is reported at its step and call, 100 of 100.
local ledger = require "ledger"
local outside = require "outside"

local CASES = 100
local SEED = tonumber(os.getenv("ELG_TAMPER_SEED") or "") or os.time() % 1000000
local HASH = "'" .. ("ab"):rep(32) .. "'"
local OBJECT = "x'5b315d'"

-- What each column becomes.
local STEPS = {
  { "activity_count", "activity_count + 1" }, { "attempt", "attempt + 6" },
  { "clock", "clock + 1" }, { "error", OBJECT }, { "fingerprint", "'other'" },
  { "fuel", "fuel + 1" }, { "input_hash", HASH }, { "metadata", "x'5b5d'" },
  { "next_edge", "'other'" }, { "next_node", "'flaky2'" }, { "node_id", "'other'" },
  { "output", OBJECT }, { "output_hash", HASH }, { "retry_at", "coalesce(retry_at, 1) + 1" },
  { "state", OBJECT }, { "state", "NULL" }, { "state_hash", HASH }, { "status", "'timeout'" },
  { "step_index", "step_index + 900" }, { "stop", OBJECT }, { "digest", HASH }, { "chain", HASH },
  { "chain", "NULL" },
}
local CALLS = {
  { "activity_type", "'call'" }, { "attempt", "attempt + 6" }, { "due_at", "12" },
  { "idempotency_key", HASH }, { "location", "'other.lua:1'" }, { "request_data", OBJECT },
  { "request_hash", HASH }, { "response_blob_ref", HASH }, { "response_data", OBJECT },
  { "response_data", "CAST(replace(CAST(response_data AS TEXT), 'a', 'b') || ' ' AS BLOB)" },
  { "status", "'cancelled'" }, { "step_index", "step_index + 900" }, { "digest", HASH },
  { "seq", "seq + 300" }, { "timestamp", "coalesce(timestamp, 0) + 1" },
}
local RUNS = {
  { "cmo_runs", "graph_id", "'other'", 0 }, { "cmo_runs", "graph_version", "'other'", 0 },
  { "cmo_runs", "seed", "'other'", 0 }, { "cmo_runs", "step_count", "step_count + 1", "last" },
  { "cmo_runs", "step_count", "step_count - 1", "last" }, { "cmo_runs", "chain", HASH, "last" },
  { "cmo_runs", "status", "'failed'", "last" }, { "cmo_runs", "error", OBJECT, "last" },
  { "cmo_inputs", "input", OBJECT, 0 }, { "cmo_inputs", "initial_state", OBJECT, 0 },
  { "cmo_inputs", "limits",
    "CAST(replace(CAST(limits AS TEXT), '30000', '30001') AS BLOB)", 0 },
}

describe("a changed store", function()
  local place, server, random, finished

  setup(function()
    print(("\ntamper: ELG_TAMPER_SEED=%d"):format(SEED))
    random = require("generate").generator(SEED)
    place = outside.place("tamper")
    server = ledger.start {}
    local done = place:json { "run", outside.root .. "/spec/graphs/varied.lua", "--trace", "t",
      "--seed", "1", "--input", ('{"url":"%s","last":5}'):format(server.url) }
    assert(done.code == 0, done.err .. done.out)
    finished = done.doc.steps
    place:sql("PRAGMA wal_checkpoint(TRUNCATE)")
    os.execute(("cp '%s' '%s'"):format(place:file("elg.db"), place:file("base.db")))
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  -- The verdict on a copy of the store after a statement.
  local function verdict(...)
    os.execute(("cd '%s' && rm -f elg.db-wal elg.db-shm && cp base.db elg.db"):format(place.path))
    for _, text in ipairs { ... } do place:sql(text) end
    return place:json { "replay", "t", "--verify" }
  end

  local function rows(text)
    os.execute(("cd '%s' && rm -f elg.db-wal elg.db-shm && cp base.db elg.db"):format(place.path))
    return place:sql(text)
  end

  local function reported(done, step, seq, what)
    assert.equal(5, done.code, what .. ": " .. done.out .. done.err)
    assert.is_false(done.doc.verified)
    local divergence = done.doc.divergence
    assert.equal(step, divergence.step, what .. ": " .. done.out)
    if seq then assert.equal(seq, divergence.seq, what .. ": " .. done.out) end
  end

  it("is fine as long as nobody changes it", function()
    assert.equal(0, verdict().code)
    assert.equal(0, verdict("UPDATE cmo_steps SET duration_ms = 1, started_at = 2",
      "UPDATE cmo_runs SET updated_at = 3, claims = 1, owner = 'x'").code)
  end)

  -- ARCHITECTURE.md lists them: the columns that are not chained.
  it("does not mind what says when, by whom and in what order", function()
    local done = verdict([[UPDATE cmo_runs SET epoch = epoch + 1, claims = 2, owner = 'x', abort_requested = 1,
      due_at = 5, free = 1, metadata = x'5b5d', priority = 7, running_max = 1, limit_key = 'k',
      key_running_max = 1, rate_count = 1, rate_ms = 1, claimed_at = 1, begun_at = 1, created_at = 1,
      updated_at = 1, started_at = 1, completed_at = 1, parent_step = 4, parent_seq = 4, depth = 3,
      has_children = 1]], [[UPDATE cmo_steps SET started_at = 1, completed_at = 1, duration_ms = 1]],
      "UPDATE cmo_graphs SET created_at = 1",
      "INSERT INTO cmo_signals (trace_id, name, created_at, payload_bytes) VALUES ('t', 'x', 1, 0)")
    assert.equal(0, done.code, done.out .. done.err)
  end)

  it("is reported at the step, and at the call, whatever column it is", function()
    local steps = rows("SELECT step_index, attempt, status FROM cmo_steps")
    local calls = rows("SELECT step_index, attempt, seq FROM cmo_activities")
    for i = 1, CASES do
      local of_call = i % 2 == 0
      local columns = of_call and CALLS or STEPS
      local column = columns[math.floor((i - 1) / 2) % #columns + 1]
      local list = of_call and calls or steps
      local row = list[random(#list) + 1]
      -- A failed attempt has no chain of its own to lose; nor an effect on its state.
      if column[2] == "NULL" then
        repeat row = list[random(#list) + 1] until row.status == "ok"
      end
      local at = (" WHERE step_index = %d AND attempt = %d"):format(row.step_index, row.attempt)
      if of_call then at = at .. (" AND seq = %d"):format(row.seq) end
      local text = ("UPDATE %s SET %s = %s"):format(of_call and "cmo_activities" or "cmo_steps",
        column[1], column[2]) .. at
      local seq = of_call and column[1] ~= "seq" and row.seq or nil
      reported(verdict(text), row.step_index, seq, text)
    end
  end)

  it("is reported when it is in the run's own rows", function()
    for _, case in ipairs(RUNS) do
      local text = ("UPDATE %s SET %s = %s"):format(case[1], case[2], case[3])
      local step = case[4] == "last" and finished or case[4]
      reported(verdict(text), step, nil, text)
    end
    local done = verdict("UPDATE cmo_runs SET graph_hash = " .. HASH)
    assert.equal(5, done.code)
    assert.equal("graph", done.doc.divergence.what)
  end)

  it("is reported when rows are gone, or come twice", function()
    for step = 0, finished - 1, 4 do
      reported(verdict("DELETE FROM cmo_steps WHERE step_index = " .. step), step, nil, "steps")
      reported(verdict("DELETE FROM cmo_activities WHERE seq = 0 AND step_index = " .. step), step,
        0, "calls")
    end
    reported(verdict("INSERT INTO cmo_activities SELECT trace_id, step_index, attempt, 77,"
      .. " activity_type, status, request_hash, idempotency_key, due_at, timestamp, location,"
      .. " digest, response_blob_ref, request_data, response_data FROM cmo_activities"
      .. " WHERE step_index = 4 AND attempt = 1 AND seq = 0"), 4, 77, "a row more")
  end)

  it("is reported when it is the code, with or without a hash that fits", function()
    local done = verdict("UPDATE cmo_graphs SET definition = CAST(replace(CAST(definition AS TEXT),"
      .. " '1000003', '1000033') AS BLOB)")
    assert.equal(5, done.code)
    assert.equal("graph", done.doc.divergence.what)
    assert.truthy(done.doc.divergence.actual:find("hash", 1, true), done.out)
  end)

  it("does not agree with changed code, from the step and call where it asks for else", function()
    local text = outside.read(outside.root .. "/spec/graphs/varied.lua")
    local function against(from, to, step, seq)
      local first, last = text:find(from, 1, true)
      place:write("varied.lua", text:sub(1, first - 1) .. to .. text:sub(last + 1))
      os.execute(("cd '%s' && rm -f elg.db-wal elg.db-shm && cp base.db elg.db"):format(place.path))
      local done = place:json { "replay", "t", "--verify", "--graph", "varied.lua" }
      reported(done, step, seq, to)
    end
    against("1000003", "999983", 0)
    against('"l" .. state.n', '"m" .. state.n', 1, 0)
    against('"report " .. state.n', '"report: " .. state.n', 1, 2)
    against("ctx.now()", "", 0, 1)
    against('body = "f" .. state.n', 'body = "g" .. state.n', 7, 0)
    against("ctx.rand(1e9)", "ctx.rand(1e8)", 2)
    against('"even" or "odd"', '"odd" or "even"', 0)
  end)
end)
