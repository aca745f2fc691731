-- intercept: what a host puts between node code and the world is recorded like the world's
-- answers, and replays the same.
local core = require "elg.core"
local helper = require "helper"
local sys = require "elg.sys"

local GRAPH = [[
local elg = require "elg"
return elg.graph { id = "i", version = "1", entry = "a", edges = {}, nodes = {
  a = { timeout_ms = 2000, run = function(state, input, ctx)
    state.now = ctx.now()
    ctx.sleep(input.sleep_ms)
    local res, err = ctx.http { url = "http://127.0.0.1:1/x", headers = { A = ctx.secret "KEY" },
      timeout_ms = 100 }
    state.kept = ctx.artifact.write("hello").hash
    state.read = ctx.artifact.read(state.kept).content
    state.all = ctx.all { { "call", "c", 1 }, { "call", "c", 2 } }
    return nil, { res = res, err = err }
  end } } }
]]

local folder, host, ended, seen

local function open(answer)
  seen = {}
  host = assert(core.host_open { store = "sqlite:" .. folder .. "/elg.db",
    compiler = helper.build .. "/elg-compile",
    on_event = function(event) if event.kind == "end" then ended = event.data end end })
  if not answer then return end
  assert(host:intercept(function(call, kind, request, key)
    seen[#seen + 1] = kind
    assert.equal(64, #key)
    return answer(call, kind, request)
  end))
end

local function run(sleep_ms, each_tick)
  ended = nil
  local graph = assert(host:graph(folder .. "/graph.lua"))
  local trace_id = assert(host:start(graph, { input = ('{"sleep_ms":%d}'):format(sleep_ms) }))
  local deadline_us = sys.monotonic_us() + 5e6
  while not ended and sys.monotonic_us() < deadline_us do
    assert(host:tick(10000))
    if each_tick then each_tick() end
    sys.poll(host:poll_fd(), 10)
  end
  return trace_id, core.decode(ended or "null")
end

-- Answers everything but artifacts at once.
local function answer_all(call, kind, request)
  if kind == "now" then call:complete "12345" return true end
  if kind == "sleep" then call:complete "null" return true end
  if kind == "call" then call:complete(request) return true end
  if kind == "http_request" then
    call:complete '{"status":200,"headers":{},"body":"b"}'
    return true
  end
end

describe("elg_host_intercept", function()
  before_each(function()
    folder = assert(sys.mkdtemp "/tmp/elg-intercept-")
    local file = assert(io.open(folder .. "/graph.lua", "w"))
    file:write(GRAPH)
    file:close()
  end)
  after_each(function()
    if host then host:close() end
    host = nil
    sys.remove_tree(folder)
  end)

  it("is offered every kind of call, and what it leaves is performed", function()
    open(answer_all)
    local _, result = run(3600000)
    assert.equal("completed", result.status)
    assert.same({ "now", "sleep", "http_request", "write_artifact", "read_artifact", "call", "call" },
      seen)
    assert.same({ status = 200, headers = {}, body = "b" }, result.output.res)
    assert.same({ 12345, "hello" }, { result.state.now, result.state.read })
    assert.same({ { ok = true, value = { name = "c", request = 1 } },
      { ok = true, value = { name = "c", request = 2 } } }, result.state.all)
  end)

  it("sees a secret's name and never its value (I14)", function()
    local request
    open(function(call, kind, text)
      if kind == "http_request" then request = text end
      return answer_all(call, kind, text)
    end)
    run(1)
    assert.same({ ["$secret"] = "KEY" }, core.decode(request).headers.a)
  end)

  it("is recorded: a host without it verifies the run", function()
    open(answer_all)
    local trace_id = run(3600000)
    host:close()
    open(nil)
    local report = core.decode(assert(host:replay(trace_id, { verify = true })))
    assert.same({ true, core.null }, { report.verified, report.divergence })
  end)

  it("may answer later, or fail", function()
    local waiting
    open(function(call, kind, request)
      if kind ~= "http_request" then return answer_all(call, kind, request) end
      waiting = call
      return true
    end)
    local _, result = run(1, function()
      if waiting then waiting:fail("LATE", "no luck") end
      waiting = nil
    end)
    assert.same({ code = "LATE", message = "no luck" }, result.output.err)
  end)

  it("has the call's time to answer", function()
    local kept
    open(function(call, kind, request)
      if kind ~= "http_request" then return answer_all(call, kind, request) end
      kept = call
      return true
    end)
    local _, result = run(1)
    assert.equal("TIMEOUT", result.output.err.code)
    kept:complete "{}"
  end)

  it("ends a sleep that it took, and nothing else does", function()
    local waiting, since_us
    open(function(call, kind, request)
      if kind ~= "sleep" then return answer_all(call, kind, request) end
      waiting, since_us = call, sys.monotonic_us()
      return true
    end)
    local _, result = run(1, function()
      if not waiting or sys.monotonic_us() - since_us < 50000 then return end
      waiting:complete "null"
      waiting = nil
    end)
    assert.equal("completed", result.status)
    assert.is_true(sys.monotonic_us() - since_us >= 50000)
  end)

  it("leaves clock and sleep to the host if it does not want them", function()
    open(function(call, kind, request)
      return kind ~= "now" and kind ~= "sleep" and answer_all(call, kind, request) or false
    end)
    local before_ms, before_us = sys.wall_ms(), sys.monotonic_us()
    local _, result = run(50)
    assert.is_true(result.state.now >= before_ms and result.state.now <= sys.wall_ms())
    assert.is_true(sys.monotonic_us() - before_us >= 49000)
  end)

  it("raises what it raises where the host ticks", function()
    open(function() error("broken answer") end)
    local ok, message = pcall(run, 1)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("broken answer", 1, true), message)
  end)

  it("is one", function()
    open(answer_all)
    assert.equal("ELG_EXISTS", (select(3, host:intercept(function() end))))
    assert.has_error(function() host:intercept(nil) end)
  end)
end)
