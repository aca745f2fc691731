-- Family: SIGKILL at random instants over runs that wait for signals and for children (I4, I6,
-- I10). ELG_FAMILY_KILLS: how many on SQLite, a tenth of them on Postgres; ELG_KILL_SEED: which.
local core = require "elg.core"
local outside = require "outside"
local postgres = require "postgres"
local process = require "process_c"

local KILLS = tonumber(os.getenv("ELG_FAMILY_KILLS") or "") or 60
local SEED = tonumber(os.getenv("ELG_KILL_SEED") or "") or os.time() % 1000000
local RUNS = 6
local ITEMS = 6
local CHILDREN = 12 + 3 + 1 -- of a run: mapped, theirs, one more
local WAIT_MS = 120000

local function generator(seed)
  local x = seed % 2147483647 + 1
  return function(n)
    x = x * 48271 % 2147483647
    return x % n
  end
end

local tester = {}
tester.__index = tester

local function create(kind, place, name)
  local self = setmetatable({ kind = kind, place = place, kills = 0 }, tester)
  self.db = place:file(name .. ".db")
  self.url = kind == "sqlite" and "sqlite:" .. self.db or (postgres.schema(postgres.shared()))
  self.env = { env = { ELG_STORE = self.url } }
  return self
end

-- Rows, each value as text.
function tester:sql(text)
  local rows = self.kind == "sqlite" and process.sql(self.db, text) or postgres.sql(self.url, text)
  for _, row in ipairs(rows) do
    for name, value in pairs(row) do row[name] = tostring(value) end
  end
  return rows
end

function tester:submit()
  for i = 1, RUNS do
    local done = self.place:elg({ "submit", outside.root .. "/spec/graphs/family.lua", "--trace",
      "f" .. i, "--seed", "7" }, self.env)
    assert(done.code == 0, done.err)
  end
end

function tester:open()
  return assert(core.host_open { store = self.url, compiler = outside.build .. "/elg-compile" })
end

-- The signals of all runs, in an order of chance, but those of a run and name in theirs.
local function signals_of(random)
  local left, list = {}, {}
  for i = 1, RUNS do
    for item = 1, ITEMS do table.insert(left, { trace = "f" .. i, name = "item", n = item }) end
    table.insert(left, { trace = "f" .. i, name = "go", n = i * 100 })
  end
  while #left > 0 do
    local at = random(#left) + 1
    for k = 1, at - 1 do -- the first of its kind goes first
      if left[k].trace == left[at].trace and left[k].name == left[at].name then
        at = k
        break
      end
    end
    list[#list + 1] = table.remove(left, at)
  end
  return list
end

-- Sent twice now and then, with its key: it counts once.
local function send(host, signal, random)
  for _ = 1, random(4) == 0 and 2 or 1 do
    local created, message = host:signal(signal.trace, { name = signal.name,
      payload = tostring(signal.n), key = signal.name .. signal.n })
    assert(created ~= nil, message)
  end
end

function tester:unfinished()
  return tonumber(self:sql("SELECT count(*) AS n FROM cmo_runs WHERE completed_at IS NULL")[1].n)
end

function tester:worker()
  return self.place:start_elg({ "worker", "--quiet", "--concurrency", "8" }, self.env)
end

-- Two workers, one of which is killed and started again at random instants.
function tester:disturb(kills, random)
  local host, signals = self:open(), signals_of(random)
  local steady, sent = self:worker(), 0
  while self.kills < kills and self:unfinished() > 0 do
    local victim = self:worker()
    process.sleep_us(40000 + random(150000))
    while sent < math.floor(#signals * (self.kills + 1) / kills) do
      sent = sent + 1
      send(host, signals[sent], random)
    end
    process.sleep_us(random(60000))
    if random(3) == 0 then victim, steady = steady, victim end
    if victim:stop().signal == 9 then self.kills = self.kills + 1 end
  end
  while sent < #signals do
    sent = sent + 1
    send(host, signals[sent], random)
  end
  host:close()
  local done = outside.eventually(function() return self:unfinished() == 0 end, WAIT_MS)
  steady:kill(15)
  assert(steady:wait(), "the worker does not stop")
  return done
end

local RUN_ROWS = "SELECT r.trace_id, r.status, r.parent_trace_id, r.step_count,"
  .. " (SELECT s.state_hash FROM cmo_steps s WHERE s.trace_id = r.trace_id AND s.status = 'ok'"
  .. " ORDER BY s.step_index DESC LIMIT 1) AS state_hash FROM cmo_runs r ORDER BY r.trace_id"
local USE_ROWS = "SELECT trace_id, name, signal_key, consumed_step, consumed_seq, consumed_attempt"
  .. " FROM cmo_signals WHERE name <> '$child' ORDER BY trace_id, name, signal_no"
local CALL_ROWS = "SELECT trace_id, step_index, attempt, seq, count(*) AS n FROM cmo_activities"
  .. " GROUP BY trace_id, step_index, attempt, seq HAVING count(*) > 1"

local function lines(rows, names)
  local out = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for k, name in ipairs(names) do parts[k] = row[name] == nil and "-" or row[name] end
    out[i] = table.concat(parts, " ")
  end
  return out
end

function tester:runs()
  return lines(self:sql(RUN_ROWS), { "trace_id", "status", "step_count", "state_hash" })
end

for _, kind in ipairs { "sqlite", "postgres" } do
  describe("a family of runs that is killed (" .. kind .. ")", function()
    local place, killed, calm, ended

    setup(function()
      place = outside.place "family"
      local random = generator(SEED)
      local kills = kind == "sqlite" and KILLS or math.max(4, math.floor(KILLS / 10))
      print(("\nfamily: %s, %d kills, ELG_KILL_SEED=%d"):format(kind, kills, SEED))
      calm = create("sqlite", place, "calm")
      calm:submit()
      assert(calm:disturb(0, random), "the undisturbed runs do not end")
      killed = create(kind, place, "killed")
      killed:submit()
      ended = killed:disturb(kills, random)
    end)
    teardown(function() place:remove() end)

    it("ends", function()
      print(("family: %s: %d kills, %d runs"):format(kind, killed.kills, #killed:runs()))
      assert.is_true(killed.kills > 0)
      assert.truthy(ended, table.concat(killed:runs(), "\n"))
    end)

    it("has every child once, and the state hashes of runs that nobody disturbed", function()
      assert.equal(RUNS * (1 + CHILDREN), #calm:runs())
      assert.same(calm:runs(), killed:runs())
    end)

    it("took each signal once, in the order of its name", function()
      local last, count = {}, 0
      for _, row in ipairs(killed:sql(USE_ROWS)) do
        local of = row.trace_id .. row.name
        assert.is_true(tonumber(row.consumed_step) ~= nil, of .. " was not consumed")
        local at = row.consumed_step * 1000 + row.consumed_seq
        local free = row.consumed_step == "2" -- in ctx.all, which is first is not said
        assert.is_true(free or at > (last[of] or -1), of .. " is out of order")
        last[of], count = math.max(at, last[of] or -1), count + 1
      end
      assert.equal(RUNS * (ITEMS + 1), count)
    end)

    it("has each call's result once, and agrees with its journals", function()
      assert.same({}, killed:sql(CALL_ROWS))
      local host = killed:open()
      local count = 0
      for _, row in ipairs(killed:sql(RUN_ROWS)) do
        local text = assert(host:replay(row.trace_id, { verify = true }))
        assert.truthy(text:find('"verified":true', 1, true), text)
        count = count + 1
      end
      host:close()
      assert.equal(RUNS * (1 + CHILDREN), count)
    end)
  end)
end
