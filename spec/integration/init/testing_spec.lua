-- elg.testing: a graph in the sandbox with answers from a list, a function or a journal.
local core = require "elg.core"
local program = require "program"
local testing = require "elg.testing"

local GRAPH = [[
local elg = require "elg"
return elg.graph { id = "t", version = "1", entry = "ask",
  nodes = {
    ask = { retry = { max_attempts = 2 }, run = function(state, input, ctx)
      state.began, state.id = ctx.now(), ctx.uuid()
      local res, err = ctx.http { url = input.url, method = input.method, body = "q" }
      if not res then error(err) end
      ctx.log("warn", "answered", { status = res.status })
      ctx.sleep(60000)
      state.took = ctx.now() - state.began
      return "ok", { body = res.body }
    end },
    call = function(state, input, ctx)
      local sum, err = ctx.call("add", { 1, 2 })
      return nil, { sum = sum, err = err, body = input.body, list = elg.array {} }
    end,
  },
  edges = { { from = "ask", key = "ok", to = "call" } },
}
]]

local URL = "http://127.0.0.1:1/x"
local ADD = { call = "add", value = 3 }

local p

local function run(options)
  options.input = options.input or { url = URL, method = "POST" }
  return testing.run(p.folder .. "/graph.lua", options)
end

describe("elg.testing", function()
  before_each(function() p = program.create { ["graph.lua"] = GRAPH } end)
  after_each(function() p:destroy() end)

  it("answers waits and child runs; a child without an answer is executed", function()
    p:destroy()
    p = program.create { ["graph.lua"] = [[
      local elg = require "elg"
      local child = require "child"
      return elg.graph { id = "w", version = "1", entry = "a", edges = {}, nodes = {
        a = function(state, input, ctx)
          local go = ctx.wait("go")
          local _, late = ctx.wait("never", 5000)
          local list = ctx.map(child, { { n = 1 }, { n = 2 }, { n = 3 } })
          return nil, { go = go, late = late.code, one = list[1].value, two = list[2].err.code,
            three = list[3].value, took = ctx.now() }
        end } } ]], ["child.lua"] = [[
      local elg = require "elg"
      return elg.graph { id = "c", version = "1", entry = "a", edges = {}, nodes = {
        a = function(state, input, ctx) return nil, ctx.call("add", { input.n, 1 }) end } } ]] }
    local result = testing.run(p.folder .. "/graph.lua", { now_ms = 1000, answers = { ADD,
      { wait = "go", value = { by = "Ada" } }, { run = "child.lua", input = { n = 1 }, value = "one" },
      { run = "child.lua", input = { n = 2 }, err = { code = "FAILED", message = "no" } } } })
    assert.same({ go = { by = "Ada" }, late = "TIMEOUT", one = "one", two = "FAILED", three = 3,
      took = 6000 }, result.output)
    assert.same({ "a" }, result.nodes)
    assert.equal(7, #result.calls) -- two waits, three runs, the child's call, now
    assert.has_error(function()
      testing.run(p.folder .. "/graph.lua", {})
    end, 'no answer for wait {"name":"go"}; add one to answers')
  end)

  it("answers from a list, and does not wait for sleeps", function()
    local result = run { answers = { { url = URL, body = "b" }, ADD } }
    assert.same({ "completed", 2, { body = "b", sum = 3, list = {} } },
      { result.status, result.steps, result.output })
    assert.equal(60000, result.state.took)
    assert.equal(1700000000000, result.state.began)
    assert.same({ "ask", "call" }, result.nodes)
    assert.same({ { level = "warn", text = "answered", fields = { status = 200 } } }, result.logs)
    assert.same({ type = "call", request = { name = "add", request = { 1, 2 } }, value = 3 },
      result.calls[5])
    assert.equal(result.state_hash, run({ answers = { ADD, { url = URL, body = "b" } } }).state_hash)
  end)

  it("uses each answer once, or as often as it says, and the first that fits", function()
    local refused = { url = URL, err = { code = "CONNECT", message = "no" } }
    assert.equal("b", run({ answers = { refused, { url = URL, body = "b" }, ADD } }).output.body)
    local failed = run { answers = { { url = URL, err = refused.err, times = 2 } } }
    assert.same({ "failed", "CONNECT" }, { failed.status, failed.error.code })
    assert.equal("post", run({ answers = { { url = URL, method = "GET", body = "get" },
      { type = "http_request", request = { method = "POST" }, value = { status = 200, body = "post" } },
      { call = "add", request = { 9 }, value = 9 }, ADD } }).output.body)
  end)

  it("answers from a function", function()
    local result = run { answers = function(kind, request)
      if kind == "http_request" then return { status = 200, body = request.body .. "!" } end
      if kind == "call" then return nil, { code = "BUSY", message = "later" } end
      if kind == "now" then return 5 end
    end }
    assert.same({ "q!", { code = "BUSY", message = "later" }, 5, 0 }, { result.output.body,
      result.output.err, result.state.began, result.state.took })
  end)

  it("says which call has no answer", function()
    local ok, message = pcall(run, { answers = { ADD } })
    assert.is_false(ok)
    assert.truthy(message:find('no answer for http_request {"body":"q","method":"POST"', 1, true), message)
    ok, message = pcall(run, { answers = { { url = URL } } })
    assert.is_false(ok)
    assert.truthy(message:find('no answer for call {"name":"add"', 1, true), message)
  end)

  it("answers from what elg show printed, and comes to the same state", function()
    p:write("input.json", '{"url":"' .. URL .. '"}')
    p:write("short.lua", (GRAPH:gsub("ctx.sleep%(60000%)", "ctx.sleep(1)")
      :gsub("if not res then error%(err%) end", "res = res or { status = 0, body = err.code }")))
    local code, recorded = p:json "run short.lua --input input.json --trace t --quiet"
    assert.equal(0, code)
    assert.equal(0, (p:sh "$ELG show t --json >journal.json"))
    local journal = testing.journal(p.folder .. "/journal.json")
    for _ = 1, 2 do -- a journal is not used up
      local result = testing.run(p.folder .. "/short.lua", { journal = journal })
      assert.equal(recorded.state_hash, result.state_hash)
      assert.same(recorded.output, result.output)
      assert.equal("t", result.trace_id)
    end
    assert.has_error(function() testing.journal '{"a":1}' end)
  end)

  it("raises for a graph that does not load, and for one that does not end", function()
    p:write("bad.lua", "return 1")
    assert.is_false(pcall(testing.run, p.folder .. "/bad.lua"))
    p:write("slow.lua", [[local elg = require "elg"
      return elg.graph { id = "s", version = "1", entry = "a", edges = {}, nodes = { a = {
        retry = { max_attempts = 2, initial_delay_ms = 60000 },
        run = function() error("no") end } } }]])
    local ok, message = pcall(testing.run, p.folder .. "/slow.lua", { timeout_ms = 100 })
    assert.is_false(ok)
    assert.truthy(message:find("has not ended in 100 ms", 1, true), message)
  end)

  -- run(...) fails with a message that begins so, and has no traceback in it.
  local function expect_refusal(text, ...)
    local ok, message = pcall(testing.run, ...)
    assert.is_false(ok, text)
    assert.truthy(message:find("elg.testing: " .. text, 1, true), message)
    assert.is_nil(message:find("stack traceback", 1, true), message)
  end

  it("names what it is given that is wrong, and uses none of it", function()
    local path = p.folder .. "/graph.lua"
    expect_refusal("run: the graph's path must be a string, not a number", 5)
    expect_refusal("run: options must be a table, not a number", path, 5)
    expect_refusal("inptu: unknown; options has answers, ", path, { inptu = 1 })
    expect_refusal("timeout_ms: must be a number, not a string", path, { timeout_ms = "x" })
    expect_refusal("now_ms: must be a number from 0", path, { now_ms = 0 / 0 })
    expect_refusal("journal: must be a table, not a number", path, { journal = 5 })
    expect_refusal("journal: must be what testing.journal gave", path, { journal = {} })
    expect_refusal("answers: must be a table or function, not a string", path, { answers = "x" })
    expect_refusal("answers.url: answers is a list of tables", path, { answers = { url = URL } })
    for problem, answer in pairs { [": must be a table, not a number"] = 5,
      [".statsu: unknown; an answer with url has body, err, "] = { url = URL, statsu = 404 },
      [".input: unknown"] = { call = "add", input = 1 }, [": names no call"] = { status = 404 },
      [": has both url and call"] = { url = URL, call = "add" }, [".err: must be a table"] = { url = URL, err = "x" },
      [".err: has no code"] = { url = URL, err = { message = "x" } },
      [".err.cod: unknown"] = { url = URL, err = { cod = "X" } },
      [": has both err and status"] = { url = URL, status = 500, err = { code = "X" } },
      [": has both value and err"] = { call = "add", value = 1, err = { code = "X" } },
      [".status: must be an integer from 100 to 599"] = { url = URL, status = 4040 },
      [".times: must be a number from 0"] = { url = URL, times = -1 },
      ['.type: "http" is none; there are call, http_request, '] = { type = "http", value = 1 } } do
      expect_refusal("answers[2]" .. problem, path, { answers = { { url = URL }, answer } })
    end
    expect_refusal("answers[2]: is missing", path, { answers = { { url = URL }, nil, ADD } })
    local input = { url = URL, method = "POST" }
    expect_refusal("the error that answers gave for http_request: must be a table", path,
      { input = input, answers = function(kind) if kind == "http_request" then return nil, "no" end end })
    expect_refusal("the value that answers gave for http_request.f: a function is not", path,
      { input = input, answers = function(kind) if kind == "http_request" then return { f = print } end end })
    local ok, message = pcall(testing.run, path, { input = input, answers = function() error("mine", 0) end })
    assert.same({ false, "mine" }, { ok, message })
    for _, wrong in ipairs { function() testing.journal(5) end, function() testing.array(5) end } do
      assert.truthy(select(2, pcall(wrong)):find("not a number", 1, true))
    end
  end)

  it("loses nothing of an input", function()
    local path = p.folder .. "/graph.lua"
    expect_refusal("input: has both a list and the name a", path, { input = { 1, a = 2 } })
    expect_refusal("input.list: is a list with holes; testing.null stands for null", path,
      { input = { list = { 1, nil, 3 } } })
    expect_refusal("input.list[2].x: not valid UTF-8", path, { input = { list = { 1, { x = "\255" } } } })
    expect_refusal("input: 1.5 is no place in a list", path, { input = { [1.5] = 1 } })
    expect_refusal("input: a member's name is a boolean", path, { input = { [true] = 1 } })
  end)

  it("writes values as canonical JSON", function()
    assert.equal('{"a":[1,2.5,null],"b":{},"c":[],"d":"\\u0001\195\164"}', testing.encode {
      d = "\1\195\164", c = testing.array {}, b = {}, a = { 1, 2.5, testing.null } })
    assert.equal(core.canonical "[1e300]", testing.encode { 1e300 })
    for _, bad in ipairs { { f = print }, { 1 / 0 }, { [2] = 1, a = 1 }, { 1, a = 2 },
      { 1, nil, 3 }, "\255", { ["\255"] = 1 }, testing.array { a = 1 } } do
      assert.has_error(function() testing.encode(bad) end)
    end
    local loop = {}
    loop.a = loop
    assert.has_error(function() testing.encode(loop) end)
  end)
end)
