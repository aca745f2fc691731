-- testing: runs a graph in a test, in the same sandbox as ever, with its calls answered
-- from a list instead of the world. Uses elg.core, elg.sys, elg.testing_answers,
-- elg.testing_options.
--
--   local testing = require "elg.testing"
--   local result = testing.run("graph.lua", { input = { city = "Bonn" }, answers = {
--     { url = "https://example.org/bonn", status = 200, body = "{}" },
--   } })
--   assert.equal("completed", result.status)
--
-- The clock stands at options.now_ms and goes on by what the graph sleeps, so nothing waits;
-- artifacts are kept in memory. Delays between attempts are real.
local answers = require "elg.testing_answers"
local core = require "elg.core"
local checks = require "elg.testing_options"
local sys = require "elg.sys"

local M = { null = core.null, array = answers.array }

local NOW_MS = 1700000000000 -- 2023-11-14T22:13:20Z
local TIMEOUT_MS = 10000
local TICK_US = 20000
local KEPT = { completed = true, failed = true, timeout = true, aborted = true,
  diverged = true, quarantined = true, waiting = true }

-- The compile helper: ELG_COMPILER, or as it lies from elg.core where both are installed, or
-- in a build folder. nil leaves the search to the library.
local function compiler()
  local given = os.getenv("ELG_COMPILER")
  if given and given ~= "" then return given end
  local module = package.searchpath and package.searchpath("elg.core", package.cpath)
  local folder = module and module:match("^(.*)/[^/]*$")
  if not folder then return nil end
  for _, path in ipairs { "/../../../../libexec/elg/elg-compile", "/../../elg-compile" } do
    if sys.kind(folder .. path) == "file" then return folder .. path end
  end
end

-- The text of a file, such as one that `elg show --json` wrote.
local function read_file(path)
  local file, message = io.open(path, "rb")
  if not file then error(message, 0) end
  local text = file:read("*a")
  file:close()
  return text
end

-- encode(value): its canonical JSON. Raises for what JSON does not have.
function M.encode(value)
  local ok, text = pcall(answers.encode, value)
  if not ok then error(text, 2) end
  return text
end

-- journal(path or text): answers and options of a recorded run, for options.journal of run.
-- It is what `elg show TRACE --json` printed.
function M.journal(source)
  checks.check_kind(source, "string", "journal")
  return answers.journal(source:find("^%s*{") and source or read_file(source))
end

local function check(value, message, _, where)
  if value == nil then
    error(where and where ~= "" and where .. ": " .. message or message, 0)
  end
  return value
end

-- What children tell is their own.
local function take_event(stage, event)
  if event.trace_id ~= stage.trace_id then return end
  if event.kind == "end" then
    stage.document = event.data
  elseif event.kind == "log" then
    stage.logs[#stage.logs + 1] = { level = event.level, text = event.text,
      fields = event.data ~= "" and core.decode(event.data) or nil }
  elseif event.kind == "step" then
    stage.nodes[#stage.nodes + 1] = event.node_id
  end
end

-- What the clock's calls are answered, if no answer is given for them.
local function answer_clock(stage, kind, request)
  if kind == "now" then return ("%.0f"):format(stage.now_ms) end
  if kind ~= "sleep" then return nil end
  stage.now_ms = stage.now_ms + (type(request) == "table" and request.ms or request)
  return "null"
end

local WORLD = { http_request = true, call = true, wait = true }

-- A signal that no answer brings does not come: a wait with a timeout is over at once.
local function answer_wait(stage, kind, request)
  if kind ~= "wait" or not request.timeout_ms then return nil end
  stage.now_ms = stage.now_ms + request.timeout_ms
  return { err = { code = "TIMEOUT",
    message = ("no signal came within %.0f ms"):format(request.timeout_ms) } }
end

-- The answer to a call. What is wrong with the answers themselves ends the test.
local function find_answer(stage, call, kind, request, text)
  local ok, answer = pcall(stage.source.find, stage.source, kind, request, text)
  if ok then return answer or answer_wait(stage, kind, request), true end
  stage.missing = stage.missing or tostring(answer)
  call:fail("NO_ANSWER", stage.missing)
end

-- One call of node code. True: it is answered here; artifacts are left to the memory.
local function intercept(stage, call, kind, text)
  local request = core.decode(text)
  local record = { type = kind, request = request }
  stage.calls[#stage.calls + 1] = record
  local answer, is_sound = find_answer(stage, call, kind, request, text)
  if not is_sound then return true end
  local value = answer and answer.value or (not answer and answer_clock(stage, kind, request))
  if value then
    record.value = core.decode(value)
    call:complete(value)
  elseif answer then
    record.err = answer.err
    call:fail(answer.err.code, answer.err.message or "")
  elseif WORLD[kind] then
    stage.missing = stage.missing or ("no answer for %s %s; add one to answers"):format(kind, text)
    call:fail("NO_ANSWER", stage.missing)
  else
    return false
  end
  return true
end

local function open(stage, options)
  local host = check(core.host_open { store = "memory:", compiler = compiler(),
    fuel_max = options.fuel_max, memory_bytes_max = options.memory_bytes_max,
    allow_net = {}, step_events = true,
    on_event = function(event) take_event(stage, event) end })
  check(host:intercept(function(call, kind, text) return intercept(stage, call, kind, text) end))
  return host
end

-- Ticks until the run has ended, is parked for good, or has asked what has no answer.
local function drive(host, stage, trace_id, timeout_ms)
  local deadline_us = sys.monotonic_us() + timeout_ms * 1000
  repeat
    local active = check(host:tick(TICK_US))
    if stage.missing then error(stage.missing, 0) end
    if stage.document then return stage.document end
    if active == 0 then
      local text = check(host:result(trace_id))
      if KEPT[core.decode(text).status] then return text end
    end
    sys.poll(host:poll_fd(), 50)
  until sys.monotonic_us() > deadline_us
  error(("%s has not ended in %d ms"):format(trace_id, timeout_ms), 0)
end

local function input_text(options, journal)
  if options.input ~= nil then return answers.encode(options.input, "input") end
  return journal and journal.input or "{}"
end

local function execute(host, stage, path, options)
  local journal = options.journal or {}
  local graph = check(host:graph(path))
  stage.trace_id = options.trace_id or journal.trace_id or "test"
  local trace_id = check(host:start(graph, { input = input_text(options, options.journal),
    trace_id = stage.trace_id,
    seed = options.seed or journal.seed or "test" }))
  local text = drive(host, stage, trace_id, options.timeout_ms or TIMEOUT_MS)
  local result = check(core.decode(text))
  result.document, result.calls, result.logs = text, stage.calls, stage.logs
  result.nodes = stage.nodes
  return result
end

-- run(path, options): executes the graph of that file to its end. options, all optional:
--   input       a table, a scalar
--   answers     a list of { url =, status =, body =, headers = } for ctx.http, { call = NAME,
--               value = } for ctx.call, { wait = NAME, value = } for ctx.wait, { run = FILE,
--               input = (members), value = } for ctx.run and ctx.map (without one the child is
--               executed), { type =, request =, value = } for any call; in place
--               of a value err = { code =, message = }; the first that fits and is left is
--               used, once, or `times` often (math.huge). Or a function(type, request) that
--               returns a value, or nil and such an err; nothing: no answer
--   journal     what M.journal gave: its answers behind those, its input, trace id and seed
--   now_ms, seed, trace_id, timeout_ms (10,000), fuel_max, memory_bytes_max
-- The result: as `elg run --json` prints, decoded, and document (that text), calls (a list of
-- { type, request, value or err }), logs ({ level, text, fields }), nodes (ids, in order).
-- Raises if the graph does not load, a call has no answer, it does not end, or something is
-- given that is not in this list.
function M.run(path, options)
  if options == nil then options = {} end
  local fits, problem = pcall(checks.check_run, path, options)
  if not fits then error(problem, 2) end
  local stage = { calls = {}, logs = {}, nodes = {}, now_ms = options.now_ms or NOW_MS,
    source = answers.create(options.answers, options.journal) }
  local host = open(stage, options)
  local ok, result = pcall(execute, host, stage, path, options)
  host:close()
  if not ok then error(result, 2) end
  return result
end

return M
