-- core: the bindings that need no store; sys: the process.
local core = require "elg.core"
local sys = require "elg.sys"

describe("core JSON", function()
  it("canonicalises and hashes", function()
    assert.equal('{"a":1,"b":[true,null]}', core.canonical '{ "b":[true , null],"a":1.0 }')
    -- sha256 of {}
    assert.equal("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", core.hash " {} ")
  end)

  it("answers nil, message, code, where", function()
    for _, f in ipairs { core.canonical, core.hash, core.decode } do
      local value, message, code, where = f '{"a":[1,}'
      assert.is_nil(value)
      assert.equal("ELG_INVALID", code)
      assert.truthy(where:find("line 1 column 9", 1, true), where)
      assert.is_true(#message > 0)
    end
  end)

  it("decodes into plain tables", function()
    assert.same({ a = { 1, 2.5, { b = "x\0y" }, {} }, c = core.null, d = false, e = {} },
      core.decode '{"a":[1,2.5,{"b":"x\\u0000y"},[]],"c":null,"d":false,"e":{}}')
    assert.same({ {}, { {} }, { a = { { b = {} } } } }, core.decode '[[],[[]],{"a":[{"b":[]}]}]')
    assert.equal("x", core.decode '"x"')
    assert.equal(core.null, core.decode "null")
  end)

  it("decodes up to the depth of a document, 16 more than a value's, and says so beyond", function()
    local deep = core.decode(("["):rep(144) .. ("]"):rep(144))
    local depth = 0
    while deep do depth, deep = depth + 1, deep[1] end
    assert.equal(144, depth)
    assert.equal("ELG_LIMIT", (select(3, core.decode(("["):rep(145) .. ("]"):rep(145)))))
  end)

  it("raises for what is not a text", function()
    for _, f in ipairs { core.canonical, core.hash, core.decode } do
      assert.has_error(function() f(nil) end)
      assert.has_error(function() f({}) end)
    end
  end)
end)

describe("sys", function()
  it("writes whole texts and says why it cannot", function()
    local ok, message, code = sys.write(-1, "x")
    assert.same({ nil, "Bad file descriptor", "ERRNO" }, { ok, message, code })
    assert.is_true(sys.write(1, ""))
  end)

  it("makes and removes folders with all that is in them", function()
    local folder = assert(sys.mkdtemp "/tmp/elg-spec-")
    assert.equal("folder", sys.kind(folder))
    os.execute(("mkdir -p %s/a/b && touch %s/a/b/c"):format(folder, folder))
    assert.equal("file", sys.kind(folder .. "/a/b/c"))
    assert.is_true(sys.remove_tree(folder))
    assert.is_nil(sys.kind(folder))
    assert.is_nil((sys.remove_tree(folder)))
  end)

  it("tells time, usage and its own path", function()
    local before = sys.monotonic_us()
    local cpu_us, rss_kb = sys.usage()
    assert.is_true(cpu_us > 0 and rss_kb > 1000)
    assert.is_true(sys.monotonic_us() >= before)
    assert.is_true(math.abs(sys.wall_ms() / 1000 - os.time()) < 2)
    assert.truthy(sys.exe():find("luajit", 1, true))
  end)

  it("waits no longer than it is told", function()
    local before = sys.monotonic_us()
    assert.equal("timeout", sys.poll(-1, 30))
    local took_us = sys.monotonic_us() - before
    assert.is_true(took_us >= 29000 and took_us < 2000000)
  end)
end)

describe("core host", function()
  local helper = require "helper"
  local GRAPH = [[
    local elg = require "elg"
    return elg.graph { id = "g", version = "1", entry = "a",
      nodes = { a = { run = function(state, input, ctx)
        ctx.log("begun")
        local value, err = ctx.call("double", { n = 21 })
        return nil, { value = value or elg.null, code = err and err.code }
      end } }, edges = {} }
  ]]
  local folder, host, events

  before_each(function()
    folder, events = assert(sys.mkdtemp "/tmp/elg-core-"), {}
    local file = assert(io.open(folder .. "/g.lua", "w"))
    file:write(GRAPH)
    file:close()
    host = assert(core.host_open { store = "memory:", compiler = helper.build .. "/elg-compile",
      step_events = true, on_event = function(event) events[#events + 1] = event end })
  end)
  after_each(function()
    host:close()
    sys.remove_tree(folder)
  end)

  -- Runs the graph to its end; the decoded result.
  local function run(options)
    local graph = assert(host:graph(folder .. "/g.lua"))
    local trace_id = assert(host:start(graph, options or {}))
    for _ = 1, 1000 do
      if assert(host:tick(20000)) == 0 then break end
      sys.poll(host:poll_fd(), 100)
    end
    return core.decode(assert(host:result(trace_id)))
  end

  it("tells events in order, with what they are about", function()
    assert(host:register("double", function(call) call:complete "42" end))
    assert.equal("completed", run({ trace_id = "t" }).status)
    local kinds = {}
    for i, event in ipairs(events) do
      kinds[i] = event.kind
      assert.equal("t", event.trace_id)
    end
    assert.same({ "log", "step", "end" }, kinds)
    assert.same({ "begun", "info", "a", 0 }, { events[1].text, events[1].level, events[1].node_id,
      events[1].step_index })
    assert.equal("completed", events[3].text)
    assert.equal(1, (host:steps()))
  end)

  it("lets Lua functions answer calls, at once or later, well or not", function()
    local pending, seen
    assert(host:register("double", function(call, request, key)
      seen = { request, #key }
      pending = call
    end))
    local graph = assert(host:graph(folder .. "/g.lua"))
    local trace_id = assert(host:start(graph, {}))
    for _ = 1, 100 do
      host:tick(1000)
      sys.poll(host:poll_fd(), 20)
      if pending then break end
    end
    assert.same({ '{"n":21}', 64 }, seen)
    pending:complete '{"n": 42}'
    assert.has_error(function() pending:complete "1" end, "calling 'complete' on bad self (the call is over)")
    for _ = 1, 100 do
      if host:tick(1000) == 0 then break end
      sys.poll(host:poll_fd(), 20)
    end
    assert.same({ value = { n = 42 } }, core.decode(host:result(trace_id)).output)
  end)

  it("fails calls that Lua fails or drops", function()
    assert(host:register("double", function(call) call:fail("NOPE", "not today") end))
    assert.equal("NOPE", run().output.code)
    host:close()
    host = assert(core.host_open { store = "memory:", compiler = helper.build .. "/elg-compile" })
    assert(host:register("double", function(call) call:fail("", "") end))
    assert.equal("FAILED", run().output.code)
    host:close()
    host = assert(core.host_open { store = "memory:", compiler = helper.build .. "/elg-compile" })
    assert(host:register("double", function() end))
    local graph = assert(host:graph(folder .. "/g.lua"))
    local trace_id = assert(host:start(graph, {}))
    for _ = 1, 200 do
      if host:tick(1000) == 0 then break end
      collectgarbage()
      sys.poll(host:poll_fd(), 5)
    end
    assert.equal("ABANDONED", core.decode(host:result(trace_id)).output.code)
  end)

  it("raises what a callback raises, after the tick", function()
    assert(host:register("double", function() error("my callback broke") end))
    local graph = assert(host:graph(folder .. "/g.lua"))
    assert(host:start(graph, {}))
    local ok, message
    for _ = 1, 100 do
      ok, message = pcall(host.tick, host, 1000)
      if not ok then break end
      sys.poll(host:poll_fd(), 20)
    end
    assert.is_false(ok)
    assert.truthy(message:find("my callback broke", 1, true))
    assert.truthy(message:find("stack traceback", 1, true))
  end)

  it("raises a table that a callback raises as that table", function()
    local mine = { exit = 9 }
    run { trace_id = "t" }
    local ok, raised = pcall(host.list, host, nil, function() error(mine) end)
    assert.is_false(ok)
    assert.equal(mine, raised)
    local count = 0
    assert.is_true(host:list(nil, function() count = count + 1 return false end))
    assert.equal(1, count)
  end)

  it("is closed with its graphs and calls, once or twice", function()
    local graph = assert(host:graph(folder .. "/g.lua"))
    assert.equal(64, #graph:hash())
    host:close()
    host:close()
    graph:close()
    assert.has_error(function() graph:hash() end, "calling 'hash' on bad self (the graph is closed)")
    assert.has_error(function() host:tick(1) end, "calling 'tick' on bad self (the host is closed)")
    assert.has_error(function() host:result "x" end, "calling 'result' on bad self (the host is closed)")
  end)

  it("answers errors as nil, message, code, where; misuse raises", function()
    local value, message, code, where = host:graph "/no/such.lua"
    assert.same({ "nil", "ELG_NOT_FOUND", "/no/such.lua" }, { tostring(value), code, where })
    assert.truthy(message:find("No such file", 1, true))
    assert.equal("ELG_NOT_FOUND", (select(3, host:result "nobody")))
    assert.equal("ELG_USAGE", (select(3, core.host_open { store = "what:" })))
    assert.same({ "ELG_USAGE", "memory_bytes_max" },
      { select(3, core.host_open { store = "memory:", memory_bytes_max = 2 ^ 37 }) })
    for _, options in ipairs { { fuel_max = -1 }, { durability = "none" }, { step_timeout_ms = 2 ^ 33 },
      { allow_net = "x" }, { store = {} } } do
      assert.has_error(function() core.host_open(options) end)
    end
    assert.has_error(function() host.tick({}, 1) end)
    assert.has_error(function() host.tick(io.stdout, 1) end)
    assert.has_error(function() host:start(host, {}) end)
  end)

  it("counts and times steps without telling them", function()
    assert(host:register("double", function(call) call:complete "1" end))
    for i = 1, 5 do run { trace_id = "t" .. i } end
    local count, p50, p95, p99 = host:steps()
    assert.equal(5, count)
    assert.is_true(p50 > 0 and p50 <= p95 and p95 <= p99)
  end)
end)
