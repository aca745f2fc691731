-- The options of ctx.call: a time limit and at-most-once, over a host's activity.
local core = require "elg.core"
local outside = require "outside"
local process = require "process_c"

describe("ctx.call's options", function()
  local place, store, calls
  before_each(function()
    place, calls = outside.place("options"), 0
    store = "sqlite:" .. place:file("elg.db")
  end)
  after_each(function() place:remove() end)

  -- A host whose activity "pay" is asked and never answers.
  local function open()
    local host = assert(core.host_open { store = store, compiler = outside.build .. "/elg-compile" })
    host:register("pay", function() calls = calls + 1 end)
    return host
  end

  local function tick(host, until_true)
    local until_us = process.monotonic_us() + 20000000
    repeat
      assert(host:tick(20000))
    until until_true() or process.monotonic_us() > until_us
  end

  local function output(host, body)
    assert(host:start(assert(host:graph(place:write("pay.lua", outside.one_node(body)))),
      { trace_id = "t", input = "{}" }))
    tick(host, function() return (host:result("t") or ""):find('"completed"', 1, true) end)
    return host:result("t")
  end

  it("end a call when its time is over", function()
    local host = open()
    local text = output(host, [[
      local _, err = ctx.call("pay", {}, { timeout_ms = 50 })
      local all = ctx.all { { "call", "pay", {}, { timeout_ms = 50 } } }
      return nil, { err.code, all[1].err.code } ]])
    assert.truthy(text:find('"output":["TIMEOUT","TIMEOUT"]', 1, true), text)
    assert.equal(2, calls)
    host:close()
  end)

  it("are refused where they are none", function()
    local host = open()
    local text = output(host, [[
      local ok, problem = pcall(ctx.call, "pay", {}, { bogus = 1 })
      local _, err = ctx.call("pay", {}, { timeout_ms = "x" })
      local alone, other = pcall(ctx.all, { { "http", { url = "http://x/", reconcile = function() end } } })
      for _, entry in ipairs { { "call", "pay", {}, { raise = true } }, { "http", { url = "http://x/", raise = true } },
        { "wait", { name = "n", raise = true } } } do
        local good, what = pcall(ctx.all, { { "call", "pay", {} }, entry })
        if good or not tostring(what):find("ctx.all[2]: raise", 1, true) then error(what) end
      end
      return nil, { ok, tostring(problem):find("bogus", 1, true) ~= nil, err.code, alone,
        tostring(other):find("reconcile", 1, true) ~= nil } ]])
    assert.truthy(text:find('"output":[false,true,"INVALID_REQUEST",false,true]', 1, true), text)
    host:close()
  end)

  it("keep a call from happening twice over a crash, and over attempts", function()
    local host = open()
    assert(host:start(assert(host:graph(place:write("pay.lua", [[
      local elg = require "elg"
      return elg.graph { id = "pay", version = "1", entry = "a", edges = {}, nodes = { a = {
        retry = { max_attempts = 2 }, run = function(_, _, ctx)
          local _, err = ctx.call("pay", { cents = 1 }, { at_most_once = true })
          if ctx.attempt == 1 then error("again") end
          return nil, err.code
        end } } }]]))), { trace_id = "t", input = "{}" }))
    tick(host, function() return calls == 1 end)
    host:close()
    host = open()
    assert(host:resume("t"))
    tick(host, function() return (host:result("t") or ""):find('"completed"', 1, true) end)
    assert.truthy(host:result("t"):find('"output":"UNKNOWN"', 1, true), host:result("t"))
    assert.equal(1, calls)
    host:close()
    assert.equal(0, place:elg({ "replay", "t", "--verify" }).code)
  end)
end)
