-- crash: campaigns of kills over spec/graphs/crash.lua, and what must hold after them.
-- A campaign is one store with RUNS runs: executed by a worker or by `elg resume`, killed,
-- taken up again, until all have ended; then compared with the same runs undisturbed.
-- Uses outside, ledger, process_c, elg.json.
local json = require "elg.json"
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"
local worker = require "worker_plan"

local M = {}

local RUNS = 16
local CONCURRENCY = 8
local CROWD = 3
local ROUNDS = 2
local KILL_US_MAX = 90000
local ATTEMPTS_MAX = 400

local tester = {}
tester.__index = tester

-- A generator of its own: math.random is everybody's.
local function generator(seed)
  local x = seed % 2147483647 + 1
  return function(n)
    x = x * 48271 % 2147483647
    return x % n
  end
end

-- create(seed, crowd): a tester; its `problems` fill with texts, by what they are about. With
-- `crowd` several processes are at work at once.
function M.create(seed, crowd)
  local place = outside.place("kill")
  return setmetatable({ random = generator(seed), place = place, crowd = crowd, kills = 0,
    campaigns = 0, problem_count = 0, reported_count = 0, repeat_count = 0, unknown_count = 0, effect_count = 0,
    ledger = ledger.start { log = place:file("ledger.log") },
    problems = { state = {}, effects = {}, at_most_once = {}, journal = {}, reported = {},
      verify = {} } }, tester)
end

function tester:close()
  self.ledger:stop()
  if self.problem_count == 0 then return self.place:remove() end
  for about, texts in pairs(self.problems) do
    if texts[1] then print(("kill: %s: %s"):format(about, texts[1])) end
  end
  print("kill: what went wrong is kept in " .. self.place.path)
end

function tester:problem(about, text, ...)
  self.problem_count = self.problem_count + 1
  table.insert(self.problems[about], text:format(...))
end

function tester:summary()
  return ("%d kills in %d campaigns, %d reports checked, %d effects in the ledger, "
    .. "%d repeats, %d unknown outcomes"):format(self.kills, self.campaigns,
    self.reported_count, self.effect_count, self.repeat_count, self.unknown_count)
end

-- ---- one campaign

local function runs_of(campaign, url)
  local runs, traces = {}, {}
  for i = 1, RUNS do
    traces[i] = ("kill-%d-%d"):format(campaign, i)
    runs[i] = { trace = traces[i],
      input = ('{"n":%d,"rounds":%d,"url":"%s"}'):format(i, ROUNDS, url) }
  end
  return runs, traces
end

-- What a killed process had told: traces with the highest step, and those that had ended.
local function read_reports(out, err)
  local steps, ended, count = {}, {}, 0
  local function step(trace, index)
    steps[trace] = math.max(steps[trace] or -1, tonumber(index))
    count = count + 1
  end
  for line in out:gmatch("([^\n]*)\n") do
    local kind, trace, rest = line:match("^(%a+) (%S+) (.*)$")
    if kind == "step" or kind == "log" then step(trace, rest:match("^(%d+)")) end
    if kind == "end" then ended[trace], count = rest, count + 1 end
    if line:sub(1, 1) == "{" then
      local doc = json.decode(line)
      ended[doc.trace_id], count = doc.status, count + 1
    end
  end
  for line in err:gmatch("([^\n]*)\n") do
    local trace, index = line:match("^info  (%S+) (%d+) ")
    if trace then step(trace, index) end
  end
  return steps, ended, count
end

-- Nothing that was reported may be missing now.
function tester:check_reports(db, out, err)
  local steps, ended, count = read_reports(out, err)
  self.reported_count = self.reported_count + count
  local stored, status = {}, {}
  if count == 0 then return end -- perhaps there is no store yet
  for _, row in ipairs(process.sql(db, "SELECT trace_id, max(step_index) AS last"
    .. " FROM cmo_steps WHERE status <> 'open' GROUP BY trace_id")) do
    stored[row.trace_id] = row.last
  end
  for _, row in ipairs(process.sql(db, "SELECT trace_id, status FROM cmo_runs")) do
    status[row.trace_id] = row.status
  end
  for trace, last in pairs(steps) do
    if (stored[trace] or -1) < last then
      self:problem("reported", "%s: step %d was reported, %s is stored", trace, last,
        tostring(stored[trace]))
    end
  end
  for trace, was in pairs(ended) do
    if status[trace] ~= was then
      self:problem("reported", "%s: reported %s, stored %s", trace, was, tostring(status[trace]))
    end
  end
end

-- `elg resume` wants a store that is there.
function tester:start_one(runs, db, first)
  if not first and self.random(3) == 0 and outside.read(db) then
    return self.place:start_elg { "resume", "--store", "sqlite:" .. db, "--concurrency",
      tostring(CONCURRENCY), "--json" }
  end
  local durability = self.random(2) == 0 and "sync" or "effect"
  return worker.start(self.place, { options = { store = "sqlite:" .. db, durability = durability },
    graph = outside.root .. "/spec/graphs/crash.lua", seed = "7", concurrency = CONCURRENCY,
    runs = runs })
end

local function unfinished(db)
  if not outside.read(db) then return RUNS end
  local ok, rows = pcall(process.sql, db,
    "SELECT count(*) AS n FROM cmo_runs WHERE completed_at IS NOT NULL")
  return ok and RUNS - rows[1].n or RUNS
end

-- The process's end, by itself or by a kill at a random instant: one in four anywhere from its
-- start on, the others once it has reported something, so that each run gets on before it is
-- claimed ten times in vain (I11).
function tester:end_of(child)
  if self.random(4) > 0 then
    outside.eventually(function()
      local out, err = child:output()
      return #out + #err > 0 or child:wait(0)
    end)
  end
  local part = self.random(1000) / 1000
  local done = child:wait((300 + part * part * KILL_US_MAX) / 1000)
  if done then return done end
  done = child:stop()
  if done.signal == 9 then self.kills = self.kills + 1 end
  return done
end

-- Starts, kills, starts again, until all runs have ended or `kills` are reached; then one
-- last time without a kill.
function tester:disturb(runs, db, kills)
  local attempts = 0
  while self.kills < kills and unfinished(db) > 0 do
    local child = self:start_one(runs, db, attempts == 0)
    local done = self:end_of(child)
    if not done.signal and done.code ~= 0 then
      self:problem("state", "ended with %s: %s", tostring(done.code or done.signal), done.err)
    end
    self:check_reports(db, done.out, done.err)
    attempts = attempts + 1
    if attempts > ATTEMPTS_MAX then return self:problem("state", "%s: no progress", db) end
  end
  self:finish(runs, db)
end

-- As disturb, with several processes at once over one store: each takes what no live one has.
-- Now and then one of them is killed; the others take over what it had.
function tester:disturb_crowd(runs, db, kills)
  local crowd, attempts = {}, 0
  local function ended(i, done)
    crowd[i] = nil
    if not done.signal and done.code ~= 0 then
      self:problem("state", "ended with %s: %s", tostring(done.code), done.err)
    end
    self:check_reports(db, done.out, done.err)
  end
  while self.kills < kills and unfinished(db) > 0 and attempts < ATTEMPTS_MAX do
    for i = 1, CROWD do
      if not crowd[i] then
        crowd[i], attempts = self:start_one(runs, db, i == 1), attempts + 1
      end
    end
    process.sleep_us(5000 + self.random(KILL_US_MAX))
    local i = self.random(CROWD) + 1
    local done = crowd[i]:wait(0)
    if not done then
      done = crowd[i]:stop()
      if done.signal == 9 then self.kills = self.kills + 1 end
    end
    ended(i, done)
  end
  if attempts >= ATTEMPTS_MAX then self:problem("state", "%s: no progress", db) end
  for i, child in pairs(crowd) do ended(i, child:wait()) end
  self:finish(runs, db)
end

function tester:finish(runs, db)
  local done = worker.start(self.place, { options = { store = "sqlite:" .. db },
    graph = outside.root .. "/spec/graphs/crash.lua", seed = "7", concurrency = CONCURRENCY,
    runs = runs }):wait()
  if not done or done.code ~= 0 then
    self:problem("state", "the last process failed: %s", done and done.err or "it hangs")
  end
end

-- ---- what must hold

local RUN_ROWS = "SELECT r.trace_id, r.status, (SELECT s.state_hash FROM cmo_steps s"
  .. " WHERE s.trace_id = r.trace_id AND s.status = 'ok' ORDER BY s.step_index DESC LIMIT 1)"
  .. " AS state_hash, CAST(r.error AS TEXT) AS error FROM cmo_runs r ORDER BY r.trace_id"
local STEP_ROWS = "SELECT trace_id, step_index, attempt, node_id, status, next_edge, next_node"
  .. " FROM cmo_steps ORDER BY 1, 2, 3"
-- A call that was settled after a crash is not there in an undisturbed run.
local ASKED_ROWS = "SELECT * FROM cmo_activities WHERE activity_type <> 'settle'"
  .. " ORDER BY trace_id, step_index, attempt, seq"
local CALL_ROWS = "SELECT trace_id, step_index, attempt, seq, activity_type, request_hash,"
  .. " idempotency_key, status, CAST(request_data AS TEXT) AS request FROM cmo_activities"
  .. " ORDER BY 1, 2, 3, 4"

local function line_of(row, names)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = tostring(row[name]) end
  return table.concat(parts, " ")
end

function tester:compare(about, rows, wanted, names)
  if #rows ~= #wanted then
    return self:problem(about, "%d rows, undisturbed %d", #rows, #wanted)
  end
  for i, row in ipairs(rows) do
    local is, should = line_of(row, names), line_of(wanted[i], names)
    if is ~= should then self:problem(about, "%s, undisturbed %s", is, should) end
  end
end

function tester:compare_stores(db, reference)
  self:compare("state", process.sql(db, RUN_ROWS), process.sql(reference, RUN_ROWS),
    { "trace_id", "status", "state_hash", "error" })
  self:compare("journal", process.sql(db, STEP_ROWS), process.sql(reference, STEP_ROWS),
    { "trace_id", "step_index", "attempt", "node_id", "status", "next_edge", "next_node" })
  self:compare("journal", process.sql(db, ASKED_ROWS), process.sql(reference, ASKED_ROWS),
    { "trace_id", "step_index", "attempt", "seq", "activity_type", "request_hash",
      "idempotency_key" })
end

function tester:check_call(row, seen)
  if row.status ~= "done" and row.status ~= "unknown" then
    self:problem("journal", "%s: a call is %s", row.trace_id, row.status)
  end
  if row.status == "unknown" then self.unknown_count = self.unknown_count + 1 end
  if row.activity_type ~= "http_request" then return end
  local count = seen and seen.count or 0
  local once = row.request:find('"at_most_once":true', 1, true) ~= nil
  if once and count > 1 then
    self:problem("at_most_once", "%s step %d: %d times", row.trace_id, row.step_index, count)
  elseif count == 0 and row.status == "done" then
    self:problem("effects", "%s step %d seq %d: recorded, never asked", row.trace_id,
      row.step_index, row.seq)
  end
end

function tester:check_effects(db)
  local known = {}
  local by_key, repeats = self.ledger:by_key(function(entry, seen)
    self:problem("effects", "key %s: %s and %s", entry.key, seen.path, entry.path)
  end)
  self.repeat_count = self.repeat_count + repeats
  for _, row in ipairs(process.sql(db, CALL_ROWS)) do
    self:check_call(row, by_key[row.idempotency_key])
    known[row.idempotency_key] = true
  end
  for key, seen in pairs(by_key) do
    self.effect_count = self.effect_count + 1
    if not known[key] then self:problem("effects", "%s under %s: not recorded", seen.path, key) end
  end
end

function tester:verify(db, traces)
  local done = worker.start(self.place, { options = { store = "sqlite:" .. db, read_only = true },
    verify = traces }):wait()
  local count = 0
  for text in done.out:gmatch("verify %S+ ([^\n]*)") do
    local result = json.decode(text)
    count = count + 1
    if not result.verified then self:problem("verify", "%s", text) end
  end
  if count ~= #traces then self:problem("verify", "%d verified: %s", count, done.err) end
end

function tester:campaign(kills)
  self.campaigns = self.campaigns + 1
  local runs, traces = runs_of(self.campaigns, self.ledger.url)
  local db = self.place:file(("killed-%d.db"):format(self.campaigns))
  local reference = self.place:file(("calm-%d.db"):format(self.campaigns))
  if self.crowd then self:disturb_crowd(runs, db, kills) else self:disturb(runs, db, kills) end
  self:check_effects(db)
  self:finish(runs, reference)
  self:compare_stores(db, reference)
  self:verify(db, traces)
  if self.problem_count > 0 then return end
  outside.write(self.ledger.log_path, "")
  os.remove(db)
  os.remove(reference)
end

-- Campaigns until that many processes were killed, or one found something; its files stay.
function tester:kill_until(kills)
  while self.kills < kills and self.problem_count == 0 do self:campaign(kills) end
end

return M
