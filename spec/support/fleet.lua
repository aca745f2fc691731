-- fleet: workers over one Postgres that are killed, stopped and cut off, and what must hold
-- afterwards. Uses outside, ledger, postgres, postgres_proxy_c, process_c, worker_plan, elg.core.
local core = require "elg.core"
local json = require "elg.json"
local ledger = require "ledger"
local outside = require "outside"
local plan = require "worker_plan"
local postgres = require "postgres"
local process = require "process_c"
local proxy = require "postgres_proxy_c"

local M = {}

local SIGTERM, SIGCONT, SIGSTOP = 15, 18, 19
local LEASE_MS = 5000
local BEYOND_MS_MIN, BEYOND_MS = 300, 2000 -- the runs are under way elsewhere then
local TICK_MS = 1000
local STOPPED_MAX = 2 -- of the workers; the others go on meanwhile
local SETTLE_MS = 240000
local CONCURRENCY, CALM_CONCURRENCY = "16", "256"
local PROBLEMS_MAX, PROBLEM_BYTES_MAX = 10, 800
local STEPS = 20

local fleet = {}
fleet.__index = fleet

local function now_ms() return process.monotonic_us() / 1000 end

local function generator(seed)
  local x = seed % 2147483647 + 1
  return function(n)
    x = x * 48271 % 2147483647
    return x % n
  end
end

-- create{ runs, seconds, workers, seed }: `problems` fill with texts.
function M.create(options)
  local self = setmetatable(options, fleet)
  self.random = generator(options.seed)
  self.place = outside.place("fleet")
  self.ledger = ledger.start { log = self.place:file("ledger.log") }
  self.server = postgres.start { "autovacuum=off" }
  local port = proxy.start(("%s/.s.PGSQL.%d"):format(self.server.folder, self.server.port))
  local schema
  self.direct, schema = postgres.schema(self.server)
  self.url = postgres.tcp(self.server, { port = port, schema = schema })
  self.calm = postgres.schema(self.server)
  self.crew, self.frozen, self.problems, self.errors = {}, {}, {}, {}
  self.counts = { kill = 0, stop = 0, pause = 0, restart = 0, drop_commit = 0, cut_request = 0 }
  self.submitted, self.repeats, self.unknown, self.stale = 0, 0, 0, 0
  return self
end

function fleet:problem(text, ...)
  if #self.problems < PROBLEMS_MAX then
    self.problems[#self.problems + 1] = text:format(...):sub(1, PROBLEM_BYTES_MAX)
  end
end

function fleet:close()
  for _, child in pairs(self.crew) do child:stop() end
  self.ledger:stop()
  postgres.stop(self.server)
  if #self.problems == 0 then return self.place:remove() end
  print("fleet: what went wrong is kept in " .. self.place.path)
end

function fleet:sql(text, url)
  for _ = 1, 100 do
    local ok, rows = pcall(postgres.sql, url or self.direct, text)
    if ok then return rows end
    self.sql_error = rows
    process.sleep_us(100000) -- it may be starting again
  end
  error(self.sql_error)
end

-- ---- runs

local function trace_of(i) return ("fleet-%d"):format(i) end

local function opened(url)
  return assert(core.host_open { store = url, compiler = outside.build .. "/elg-compile" })
end

-- Submits runs up to the n-th, in one process of its own life.
function fleet:submit(n, url)
  local host = opened(url or self.direct)
  local graph = assert(host:graph(outside.root .. "/spec/graphs/fleet.lua"))
  for i = url and 1 or self.submitted + 1, n do
    assert(host:submit(graph, { trace_id = trace_of(i), seed = "7",
      input = ('{"n":%d,"url":"%s"}'):format(i, self.ledger.url) }))
  end
  graph:close()
  host:close()
  if not url then self.submitted = n end
end

function fleet:ended(url)
  return tonumber(self:sql("SELECT count(*) AS n FROM cmo_runs WHERE completed_at IS NOT NULL",
    url)[1].n)
end

-- ---- workers

function fleet:start_worker(url)
  local env = { ASAN_OPTIONS = "verify_asan_link_order=0", LOG_LEVEL = "info",
    LD_PRELOAD = outside.build .. "/spec/interpose.so", ELG_SPEC_PORT = tostring(self.ledger.port),
    ELG_SPEC_PAUSE = self.place:file("pause") }
  return self.place:start_elg({ "worker", "--store", url or self.url, "--drain-ms", "5000",
    "--concurrency", url and CALM_CONCURRENCY or CONCURRENCY }, { env = env })
end

-- What a process left: refused writes are counted, and whatever it said of its end.
function fleet:take_end(done, wanted)
  local _, told = done.err:gsub("refused the run's records %(ELG_FENCED%)", "")
  self.stale = self.stale + told
  local counted = tonumber(done.err:match("(%d+) stale writes refused"))
  if counted and counted ~= told then
    self:problem("%d stale writes were refused, %d told of", counted, told)
  end
  -- Who starts makes one attempt to reach the store, and says so.
  local at_start = done.code == 4 and not done.err:find("serving", 1, true)
  if done.signal ~= wanted and not (wanted == nil and done.code == 0) and not at_start then
    self:problem("a worker ended with %s: %s", tostring(done.code or done.signal), done.err:sub(-500))
  end
end

-- A worker that is neither stopped nor has ended; nil: there is none.
function fleet:choose()
  local list = {}
  for i = 1, self.workers do
    local child = self.crew[i]
    if child:wait(0) then
      self:take_end(child:wait(0), "nothing")
      self.crew[i] = self:start_worker()
    elseif not self.frozen[child] then
      list[#list + 1] = i
    end
  end
  return list[1] and list[self.random(#list) + 1]
end

-- It has stopped: until when.
function fleet:freeze(child)
  self.frozen[child] = now_ms() + LEASE_MS + BEYOND_MS_MIN + self.random(BEYOND_MS)
end

-- Notices who has stopped itself before a send, and continues whoever stood long enough.
function fleet:thaw(all)
  for i = 1, self.workers do
    local child = self.crew[i]
    if not self.frozen[child] and outside.state(child.pid) == "T" then
      self:freeze(child)
      self.counts.pause = self.counts.pause + 1
    end
  end
  for child, until_ms in pairs(self.frozen) do
    if all or now_ms() > until_ms then
      child:kill(SIGCONT)
      self.frozen[child] = nil
    end
  end
end

function fleet:frozen_count()
  local n = outside.read(self.place:file("pause")) and 1 or 0
  for _ in pairs(self.frozen) do n = n + 1 end
  return n
end

local faults = {}

function faults.kill(self)
  local i = self:choose()
  if not i then return false end
  self:take_end(self.crew[i]:stop(), 9)
  self.crew[i] = self:start_worker()
end

function faults.stop(self)
  local i = self:frozen_count() < STOPPED_MAX and self:choose()
  if not i then return false end
  self.crew[i]:kill(SIGSTOP)
  self:freeze(self.crew[i])
end

-- Counted once somebody has stopped itself.
function faults.pause(self)
  if self:frozen_count() >= STOPPED_MAX then return false end
  self.place:write("pause", "")
end

function faults.restart(self) postgres.crash(self.server) end
function faults.drop_commit() proxy.set "drop_commit" end
function faults.cut_request() proxy.set "cut_request" end

local KINDS = { "stop", "kill", "drop_commit", "pause", "restart", "cut_request", "stop", "pause", "kill",
  "drop_commit", "cut_request" }

-- One fault a second while the runs come in; then until all have ended. One that hit nobody is
-- tried again.
function fleet:disturb()
  local began, tick, hits = now_ms(), 0, 0
  for i = 1, self.workers do self.crew[i] = self:start_worker() end
  while now_ms() - began < self.seconds * 1000 do
    tick = tick + 1
    local part = math.min(1, (now_ms() - began) / (self.seconds * 800))
    self:submit(math.max(self.submitted, math.ceil(self.runs * part)))
    local kind = KINDS[hits % #KINDS + 1]
    local before = proxy.counts().faults
    local hit = faults[kind](self) ~= false
    repeat
      process.sleep_us(50000)
      self:thaw()
    until now_ms() - began >= tick * TICK_MS
    if kind == "drop_commit" or kind == "cut_request" then hit = hit and proxy.counts().faults > before end
    if hit then
      hits = hits + 1
      if kind ~= "pause" then self.counts[kind] = self.counts[kind] + 1 end
    end
  end
  self:submit(self.runs)
end

function fleet:settle()
  proxy.set "pass"
  os.remove(self.place:file("pause"))
  local until_ms = now_ms() + SETTLE_MS
  repeat
    process.sleep_us(100000)
    self:thaw()
    self:choose()
  until self:ended() == self.runs or now_ms() > until_ms
  self:thaw(true)
  for i = 1, self.workers do self.crew[i]:kill(SIGTERM) end
  for i = 1, self.workers do
    local done = self.crew[i]:wait() or self.crew[i]:stop()
    self:take_end(done, nil)
    self.crew[i] = nil
  end
end

-- ---- what must hold

local RUNS = [[SELECT r.trace_id, r.status, r.step_count, convert_from(r.error, 'UTF8') AS error,
  (SELECT md5(string_agg(s.state_hash, ' ' ORDER BY s.step_index)) FROM cmo_steps s
    WHERE s.trace_id = r.trace_id AND s.status = 'ok') AS states,
  (SELECT s.state_hash FROM cmo_steps s WHERE s.trace_id = r.trace_id AND s.status = 'ok'
    ORDER BY s.step_index DESC LIMIT 1) AS state_hash FROM cmo_runs r ORDER BY 1]]
local STEPS_SQL = [[SELECT trace_id, step_index, attempt, node_id, status, next_edge, next_node,
  activity_count, input_hash, output_hash FROM cmo_steps ORDER BY 1, 2, 3]]
local CALLS = [[SELECT trace_id, step_index, attempt, seq, activity_type, request_hash, idempotency_key
  FROM cmo_activities ORDER BY 1, 2, 3, 4]]
local RECORDED = [[SELECT trace_id, step_index, activity_type, idempotency_key, status,
  (convert_from(request_data, 'UTF8')::json ->> 'at_most_once') AS once FROM cmo_activities]]

local function line_of(row)
  local names, parts = {}, {}
  for name in pairs(row) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = name .. "=" .. tostring(row[name]) end
  return table.concat(parts, " ")
end

function fleet:compare(what, sql)
  local rows, wanted = self:sql(sql), self:sql(sql, self.calm)
  if #rows ~= #wanted then self:problem("%d rows of %s, undisturbed %d", #rows, what, #wanted) end
  for i = 1, math.min(#rows, #wanted) do
    local is, should = line_of(rows[i]), line_of(wanted[i])
    if is ~= should then self:problem("%s: %s, undisturbed %s", what, is, should) end
  end
  return #rows
end

function fleet:check_effects()
  local by_key, repeats = self.ledger:by_key(function(entry, seen)
    self:problem("key %s: %s and %s", entry.key, seen.path, entry.path)
  end)
  self.effects, self.repeats = 0, self.repeats + repeats
  for _, row in ipairs(self:sql(RECORDED)) do
    local seen = by_key[row.idempotency_key]
    local count = seen and seen.count or 0
    if row.status ~= "done" and row.status ~= "unknown" then
      self:problem("%s step %s: a call is %s", row.trace_id, row.step_index, row.status)
    end
    if row.status == "unknown" then self.unknown = self.unknown + 1 end
    if row.once and count > 1 then
      self:problem("%s step %s: %d times", row.trace_id, row.step_index, count)
    end
    if row.activity_type == "http_request" and row.status == "done" and count == 0 then
      self:problem("%s step %s: recorded, never asked", row.trace_id, row.step_index)
    end
    if seen then
      seen.known, self.effects = true, self.effects + (seen.known and 0 or 1)
    end
  end
  for key, seen in pairs(by_key) do
    if not seen.known then self:problem("%s under %s: not recorded", seen.path, key) end
  end
end

function fleet:verify()
  local traces = {}
  for i = 1, self.runs do traces[i] = trace_of(i) end
  local done = plan.start(self.place, { options = { store = self.direct, read_only = true },
    verify = traces }):wait(600000)
  local count = 0
  for text in (done and done.out or ""):gmatch("verify %S+ ([^\n]*)") do
    count = count + 1
    if not json.decode(text).verified then self:problem("%s", text) end
  end
  if count ~= self.runs then self:problem("%d verified: %s", count, done and done.err or "it hangs") end
end

-- The same runs, disturbed by nobody.
function fleet:repeat_calmly()
  self:submit(self.runs, self.calm)
  local worker = self:start_worker(self.calm)
  local ended = outside.eventually(function() return self:ended(self.calm) == self.runs end, SETTLE_MS)
  worker:kill(SIGTERM)
  worker:wait()
  if not ended then self:problem("the undisturbed runs do not end") end
end

function fleet:check()
  self:check_effects()
  self:repeat_calmly()
  self:compare("runs", RUNS)
  self.step_count = self:compare("steps", STEPS_SQL)
  self:compare("calls", CALLS)
  if self.step_count ~= self.runs * STEPS then
    self:problem("%d steps, not %d", self.step_count, self.runs * STEPS)
  end
  self:verify()
end

function fleet:summary()
  local c = self.counts
  return ("%d runs, %d steps; %d killed, %d stopped past their lease and %d more just before a "
    .. "send, %d restarts of the server, %d replies to COMMIT dropped, %d connections cut; %d "
    .. "effects, %d repeated, %d unknown; %d stale writes refused"):format(self.runs,
    self.step_count or 0, c.kill, c.stop, c.pause, c.restart, c.drop_commit, c.cut_request,
    self.effects or 0, self.repeats, self.unknown, self.stale)
end

return M
