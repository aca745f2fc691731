-- Random sequences of operations, the same on every back end: each must answer as memory does.
-- ELG_SEED repeats one; the seed is printed when they differ.
local checkpoint = require "checkpoint_c"
local stores = require "stores"

local SEQUENCES, OPERATIONS = 30, 60

local function rng(seed)
  local state = seed % 2147483647
  if state == 0 then state = 1 end
  return function(n)
    state = (state * 48271) % 2147483647
    return state % n
  end
end

local STATUSES = { "running", "running", "running", "waiting", "completed", "failed" }

local function random_records(rand, count, after)
  local records = {}
  for index = count, after do
    if index < after or rand(3) == 0 then
      if rand(3) == 0 then
        records[#records + 1] = stores.step(index, { status = "error", has_chain = false,
          fuel = rand(1000) })
      end
      if rand(2) == 0 then
        records[#records + 1] = stores.activity(index, rand(2),
          { status = rand(3) == 0 and "intent" or "done", response = "r" .. rand(9) })
      end
      records[#records + 1] = index < after and stores.step(index, { attempt = 1 + rand(2),
        state = rand(5) == 0 and "" or nil }) or stores.open_step(index, { attempt = 1 + rand(2) })
    end
  end
  if #records > 1 and rand(8) == 0 then table.remove(records, 1 + rand(#records)) end
  return records
end

local function random_turn(rand, known)
  local id = "run" .. rand(6)
  local model = known[id] or { count = 0, epoch = 1 }
  local before = rand(10) == 0 and rand(4) or model.count
  local after = before + rand(3)
  local turn = { create = rand(6) == 0, before = before, run = stores.run(id, {
    step_count = after, epoch = rand(10) == 0 and rand(4) or model.epoch,
    status = STATUSES[1 + rand(#STATUSES)], chain = stores.hash("h" .. rand(99)),
    due_ms = rand(3) * 7, created_at_ms = 1000 + rand(3), claims = rand(3),
    error = rand(4) == 0 and "{}" or nil }) }
  turn.records = random_records(rand, before, after)
  return turn
end

local function learn(store, known)
  for id in pairs(known) do known[id] = nil end
  for _, row in ipairs(store:run_list()) do
    known[row.trace_id] = { count = row.step_count, epoch = row.epoch }
  end
end

-- Operations are drawn once and then played on each store.
local function draw(rand, known)
  local kind, id = rand(10), "run" .. rand(7)
  if kind < 6 then
    local turns = {}
    for i = 1, 1 + rand(4) do turns[i] = random_turn(rand, known) end
    return "commit " .. #turns, function(store) return store:commit(turns) end
  end
  if kind == 6 then return "claim " .. id, function(store) return store:claim(id) end end
  if kind == 7 then return "abort " .. id, function(store) return store:abort_request(id) end end
  if kind == 8 then
    return "poll", function(store)
      local rows, err = store:abort_poll()
      if rows then table.sort(rows, function(a, b) return a.trace_id < b.trace_id end) end
      return rows, err
    end
  end
  local unfinished, status = rand(2) == 0, rand(2) == 0 and STATUSES[1 + rand(#STATUSES)] or nil
  return "list", function(store) return store:run_list(status, unfinished) end
end

local function answer(store, operation)
  local value, err = operation(store)
  return stores.dump(value) .. " " .. (err and err.status or "")
end

local function everything(store)
  local out = {}
  for _, row in ipairs(assert(store:run_list())) do
    out[#out + 1] = stores.dump(store:run_get(row.trace_id))
    out[#out + 1] = stores.dump(assert(store:journal(row.trace_id)))
  end
  return table.concat(out, "\n")
end

local function sequence(seed)
  local rand, known, open = rng(seed), {}, {}
  for i, backend in ipairs(stores.backends) do open[i] = stores.open(backend) end
  for step = 1, OPERATIONS do
    checkpoint.clock(10000 + step)
    local name, operation = draw(rand, known)
    local expected = answer(open[1], operation)
    for i = 2, #open do
      local where = ("seed %d, operation %d: %s on %s"):format(seed, step, name, stores.backends[i].name)
      assert.equal(expected, answer(open[i], operation), where)
    end
    learn(open[1], known)
  end
  for i = 2, #open do
    assert.equal(everything(open[1]), everything(open[i]), "seed " .. seed)
  end
  local runs = #open[1]:run_list()
  for _, store in ipairs(open) do store:close() end
  return runs
end

describe("checkpoint (random operations)", function()
  it("are answered alike by every back end", function()
    local first = tonumber(os.getenv "ELG_SEED") or os.time() % 1000000
    local runs = 0
    for i = 0, SEQUENCES - 1 do runs = runs + sequence(first + i) end
    stores.clean()
    checkpoint.clock(0)
    assert.is_true(runs > SEQUENCES, "the sequences made too few runs, seed " .. first)
  end)
end)
