-- Digests and the chain (I17): what they cover, and that the documented framing is what is hashed.
local checkpoint = require "checkpoint_c"
local stores = require "stores"

local function each_change(row, changes)
  local out = {}
  for key, value in pairs(changes) do
    local copy = {}
    for k, v in pairs(row) do copy[k] = v end
    if value == "(none)" then copy[key] = nil else copy[key] = value end
    out[key] = copy
  end
  return out
end

local function sha256_hex(bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  local pipe = assert(io.popen("sha256sum " .. path))
  local hex = pipe:read(64)
  pipe:close()
  os.remove(path)
  return hex
end

local function u64(value)
  local out = {}
  for i = 8, 1, -1 do
    out[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end

local function unhex(hex) return (hex:gsub("..", function(b) return string.char(tonumber(b, 16)) end)) end

-- column { name, kind, value } as documented at the head of chain.c
local function framed(tag, columns)
  table.sort(columns, function(a, b) return a[1] < b[1] end)
  local out = { tag, "\0" }
  for _, column in ipairs(columns) do
    local name, kind, value = column[1], column[2], column[3]
    if value == nil then kind, value = "N", "" end
    if kind == "I" then value = u64(value) end
    if kind == "H" then value = unhex(value) end
    out[#out + 1] = string.char(#name) .. name .. kind .. u64(#value) .. value
  end
  return table.concat(out)
end

describe("checkpoint.chain", function()
  local step = stores.step(3, { metadata = "{}", error = "1", stop = "2", retry_due_ms = 5 })
  local activity = stores.activity(3, 1, { due_ms = 8, response_blob_ref = stores.hash "blob" })
  local run = stores.run "t1"

  it("hashes the documented framing of a step", function()
    local s = step
    assert.equal(sha256_hex(framed("elg.step.1", {
      { "activity_count", "I", s.activity_count }, { "attempt", "I", s.attempt },
      { "clock", "I", s.clock_ms }, { "error", "B", s.error }, { "fingerprint", "T", s.fingerprint },
      { "fuel", "I", s.fuel }, { "input_hash", "H", s.input_hash }, { "metadata", "B", s.metadata },
      { "next_edge", "T", s.next_edge }, { "next_node", "T", s.next_node },
      { "node_id", "T", s.node_id }, { "output", "B", s.output },
      { "output_hash", "H", s.output_hash }, { "retry_at", "I", s.retry_due_ms },
      { "state", "B", s.state }, { "state_hash", "H", s.state_hash }, { "status", "T", s.status },
      { "step_index", "I", s.step_index }, { "stop", "B", s.stop },
    })), checkpoint.digest(s))
  end)
  it("hashes the documented framing of an activity, large ones too", function()
    local a = {}
    for k, v in pairs(activity) do a[k] = v end
    a.response, a.due_ms = ("r"):rep(3000), 0
    assert.equal(sha256_hex(framed("elg.activity.1", {
      { "activity_type", "T", a.type }, { "attempt", "I", a.attempt }, { "due_at", "I", nil },
      { "idempotency_key", "H", a.key }, { "location", "T", a.where },
      { "request_data", "B", a.request }, { "request_hash", "H", a.request_hash },
      { "response_blob_ref", "T", a.response_blob_ref }, { "response_data", "B", a.response },
      { "seq", "I", a.seq }, { "status", "T", a.status }, { "step_index", "I", a.step_index },
      { "timestamp", "I", a.timestamp_ms },
    })), checkpoint.digest(a))
  end)
  it("begins with what the run is", function()
    assert.equal(sha256_hex(framed("elg.run.1", {
      { "graph_hash", "H", run.graph_hash }, { "graph_id", "T", run.graph_id },
      { "graph_version", "T", run.graph_version }, { "initial_state", "B", run.initial_state },
      { "input", "B", run.input }, { "limits", "B", run.limits }, { "seed", "T", run.seed },
      { "trace_id", "T", run.trace_id },
    })), checkpoint.chain_begin(run))
  end)
  it("goes on from the head over the digests in order", function()
    local a, b, c = stores.hash "a", stores.hash "b", stores.hash "c"
    assert.equal(sha256_hex("elg.chain.1\0" .. unhex(a .. b .. c)), checkpoint.chain_next(a, b, c))
    assert.not_equal(checkpoint.chain_next(a, b, c), checkpoint.chain_next(a, c, b))
    assert.not_equal(checkpoint.chain_next(a), checkpoint.chain_next(b))
  end)
  it("sees a change of every chained column of a step", function()
    local other = stores.hash "changed"
    local changed = each_change(step, { step_index = 4, attempt = 2, node_id = "n2", status = "error",
      input_hash = other, state_hash = other, output_hash = other, has_edge = false, next_edge = "o",
      next_node = "", state = "(none)", output = "", metadata = "(none)", error = "(none)",
      stop = "(none)", fuel = 1, activity_count = 9, clock_ms = 1, retry_due_ms = 0,
      fingerprint = "(none)" })
    local seen = { [checkpoint.digest(step)] = "unchanged" }
    for key, row in pairs(changed) do
      local digest = checkpoint.digest(row)
      assert.is_nil(seen[digest], key)
      seen[digest] = key
    end
  end)
  it("knows what is missing from what is empty", function()
    for _, column in ipairs { "state", "output", "metadata", "error", "stop", "fingerprint" } do
      local variants = each_change(step, { [column] = "" })
      local empty = checkpoint.digest(variants[column])
      variants = each_change(step, { [column] = "(none)" })
      assert.not_equal(empty, checkpoint.digest(variants[column]), column)
    end
  end)
  it("does not see times, durations, digest and chain of a step", function()
    for key, row in pairs(each_change(step, { started_at_ms = 1, completed_at_ms = 2, duration_us = 3,
      digest = stores.hash "x", chain = stores.hash "y", has_chain = false })) do
      assert.equal(checkpoint.digest(step), checkpoint.digest(row), key)
    end
  end)
  it("sees a change of every chained column of an activity", function()
    local other = stores.hash "changed"
    local seen = { [checkpoint.digest(activity)] = "unchanged" }
    for key, row in pairs(each_change(activity, { step_index = 4, attempt = 2, seq = 0,
      status = "unknown", type = "now", request_hash = other, key = other, request = "(none)",
      response = "", response_blob_ref = "", due_ms = 0, timestamp_ms = 1,
      where = "(none)" })) do
      local digest = checkpoint.digest(row)
      assert.is_nil(seen[digest], key)
      seen[digest] = key
    end
    for key, row in pairs(each_change(activity, { digest = other })) do
      assert.equal(checkpoint.digest(activity), checkpoint.digest(row), key)
    end
  end)
  it("sees what a run is made of, and nothing that changes on its way", function()
    local seen = { [checkpoint.chain_begin(run)] = "unchanged" }
    for key, row in pairs(each_change(run, { trace_id = "t2", graph_id = "h", graph_version = "2",
      graph_hash = stores.hash "x", input = "{}", initial_state = "(none)", limits = "[]",
      seed = "43" })) do
      local digest = checkpoint.chain_begin(row)
      assert.is_nil(seen[digest], key)
      seen[digest] = key
    end
    for key, row in pairs(each_change(run, { status = "failed", epoch = 7, claims = 3, due_ms = 1,
      created_at_ms = 1, updated_at_ms = 1, started_at_ms = 1, completed_at_ms = 1,
      chain = stores.hash "x", error = "{}" })) do
      assert.equal(checkpoint.chain_begin(run), checkpoint.chain_begin(row), key)
    end
  end)
  it("survives the store", function()
    for _, backend in ipairs(stores.backends) do
      local store = stores.open(backend)
      local s, a = stores.step(0, { metadata = "", error = "1", retry_due_ms = 5 }), stores.activity(0, 0)
      assert(store:commit { stores.create "t1", stores.finish("t1", 0, nil, { s, a }) })
      local rows = store:journal "t1"
      assert.equal(checkpoint.digest(s), checkpoint.digest(rows[1]))
      assert.equal(checkpoint.digest(a), checkpoint.digest(rows[2]))
      assert.equal(checkpoint.chain_begin(stores.run "t1"), checkpoint.chain_begin(store:run_get "t1"))
      store:close()
    end
    stores.clean()
  end)
end)
