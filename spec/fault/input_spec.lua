-- Bad input and bad graphs: each a clear error that names what and where, a documented exit
-- code, and nothing left behind (I15).
local outside = require "outside"

describe("bad input", function()
  local place

  setup(function()
    place = outside.place("input")
    place:write("ok.lua", outside.one_node("return nil, { got = input }"))
  end)
  teardown(function() place:remove() end)

  -- Runs ok.lua on an input; it must be refused with that code and those words.
  local function refuses(input, code, ...)
    local done = place:elg({ "run", "ok.lua", "--input", input })
    assert.equal(code, done.code, done.err)
    for _, words in ipairs { ... } do
      assert.truthy(done.err:find(words, 1, true), done.err)
    end
    assert.equal("", done.out)
    return done
  end

  it("is refused when it is empty", function()
    place:write("empty.json", "")
    refuses("empty.json", 3, "empty.json:1:1: ")
  end)

  it("is refused when it has 200 MB, before memory is spent on it", function()
    local file = assert(io.open(place:file("big.json"), "wb"))
    file:write('{"x":"')
    local piece = ("x"):rep(1024 * 1024)
    for _ = 1, 200 do file:write(piece) end
    file:write('"}')
    file:close()
    local done = refuses("big.json", 3, "big.json", "67108864 bytes")
    assert.is_true(done.rss_kb < 400 * 1024, done.rss_kb)
    os.remove(place:file("big.json"))
  end)

  it("is refused when it is 100,000 deep", function()
    place:write("deep.json", ("["):rep(100000) .. ("]"):rep(100000))
    refuses("deep.json", 3, "128")
    refuses("[" .. ("["):rep(2000), 3, "128")
  end)

  it("is refused when it is not UTF-8, with its place", function()
    place:write("latin.json", '{"a":[1,"caf\233"]}')
    refuses("latin.json", 3, "UTF-8", "a[1]")
  end)

  it("is refused when it is not JSON, with line, column and path", function()
    refuses('{"a":{"b":[1,2,}}', 3, "line 1", "a.b[2]")
    refuses('{"a":NaN}', 3, "line 1")
    refuses('{"a":1} x', 3, "line 1")
  end)

  it("is refused when a number is no double", function()
    refuses('{"a":1e999}', 3, "a")
  end)

  it("is refused when its file is missing, a folder or not readable", function()
    refuses("nowhere.json", 4, "nowhere.json", "No such file")
    refuses(".", 4, "folder")
  end)

  it("stops one line of many and lets the others run", function()
    place:write("lines.jsonl", '{"n":1}\n{"n":\n[2]\n\n{"n":"\255"}\n{"n":4}\n')
    local done = place:json { "run", "ok.lua", "--input", "lines.jsonl", "--concurrency", "4" }
    assert.equal(3, done.code)
    assert.equal(3, #done.docs)
    assert.truthy(done.err:find("lines.jsonl:2:", 1, true), done.err)
    assert.truthy(done.err:find("lines.jsonl:5:", 1, true), done.err)
    for _, doc in ipairs(done.docs) do assert.equal("completed", doc.status) end
  end)
end)

describe("a bad graph", function()
  local place

  setup(function() place = outside.place("graph") end)
  teardown(function() place:remove() end)

  local function refuses(text, code, ...)
    place:write("bad.lua", text)
    local done = place:elg { "run", "bad.lua" }
    assert.equal(code, done.code, done.err)
    for _, words in ipairs { ... } do
      assert.truthy(done.err:find(words, 1, true), done.err)
    end
  end

  it("with a syntax error is refused with file and line", function()
    refuses("local x = 1\nreturn elg.graph {{\n", 3, "bad.lua:3")
  end)

  it("that crashes Debian's parser is refused with its name", function()
    refuses("for _ in (nil):foo() do end\n", 3, "bad.lua")
  end)

  it("that is bytecode is refused", function()
    refuses(string.dump(function() return 1 end), 3, "bad.lua")
  end)

  it("that is missing, a folder, or returns something else is refused", function()
    local done = place:elg { "run", "nowhere.lua" }
    assert.equal(4, done.code, done.err)
    assert.truthy(done.err:find("nowhere.lua", 1, true))
    refuses("return 1", 3, "bad.lua", "elg.graph")
    refuses("", 3, "bad.lua", "elg.graph")
  end)

  it("that loops for ever while it is loaded is refused", function()
    refuses("while true do end", 3, "bad.lua")
  end)

  it("that eats memory while it is loaded is refused", function()
    refuses("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end", 3, "bad.lua")
  end)

  it("that requires what is not there is refused with both names", function()
    refuses("local m = require 'missing.part'\nreturn m", 3, "bad.lua:1", "missing")
  end)

  it("that leaves the sandbox is refused where it does", function()
    refuses("local f = io.open('/etc/passwd')\nreturn f", 3, "bad.lua:1")
  end)

  it("with an edge to nowhere, without an entry is refused", function()
    local body = 'local elg = require "elg"\nlocal f = function() end\n'
    refuses(body .. 'return elg.graph { id = "g", version = "1", entry = "a", nodes = { a = f },'
      .. ' edges = { { from = "a", key = "k", to = "b" } } }', 3, "b")
    refuses(body .. 'return elg.graph { id = "g", version = "1", entry = "z", nodes = { a = f },'
      .. ' edges = {} }', 3, "z")
  end)
end)

describe("a node's bad value", function()
  local place

  setup(function() place = outside.place("value") end)
  teardown(function() place:remove() end)

  -- The run fails for its own reason; where says the author's line or the value's path.
  local function fails(body, code, ...)
    place:write("node.lua", outside.one_node(body))
    local done = place:json { "run", "node.lua" }
    assert.equal(1, done.code, done.err)
    local doc = done.doc
    assert.equal("failed", doc.status)
    assert.equal(code, doc.error.code)
    for _, words in ipairs { ... } do
      assert.truthy((doc.error.where .. " " .. doc.error.message):find(words, 1, true),
        doc.error.where .. " " .. doc.error.message)
    end
    assert.equal(0, place:json { "replay", doc.trace_id, "--verify" }.code)
  end

  it("in the state ends the run: NaN, infinity", function()
    fails("state.a = { b = 0/0 } return nil", "INVALID_STATE", "a.b")
    fails("state.a = -1/0 return nil", "INVALID_STATE", "a")
  end)

  it("in the state ends the run: holes, mixed keys", function()
    fails("state.list = { 1, nil, 3 } return nil", "INVALID_STATE", "list")
    fails("state.t = { 1, 2, x = 3 } return nil", "INVALID_STATE", "t")
  end)

  it("in the state ends the run: cycles, depth", function()
    fails("state.me = state return nil", "INVALID_STATE", "me")
    fails("local t = state for _ = 1, 200 do t.x = {} t = t.x end return nil", "INVALID_STATE",
      "128")
  end)

  it("in the state ends the run: functions, coroutines", function()
    fails("state.f = { g = function() end } return nil", "INVALID_STATE", "f.g")
    fails("state.c = coroutine.create(function() end) return nil", "INVALID_STATE", "c")
  end)

  it("in the state ends the run: text that is not UTF-8", function()
    fails("state.text = 'caf\\233' return nil", "INVALID_STATE", "text", "UTF-8")
  end)

  it("in the output ends the run", function()
    fails("return nil, { x = { 0/0 } }", "INVALID_OUTPUT", "x")
  end)

  it("as the edge's key ends the run", function()
    fails("return 17", "INVALID_RESULT")
    fails("return 'nowhere'", "NO_EDGE", "nowhere")
  end)
end)

describe("a node that takes too much", function()
  local place

  setup(function() place = outside.place("greedy") end)
  teardown(function() place:remove() end)

  local function run(body, ...)
    place:write("node.lua", outside.one_node(body))
    return place:json { "run", "node.lua", ... }
  end

  it("of fuel ends as failed, whatever it catches", function()
    for _, body in ipairs { "while true do end", "while true do pcall(error) end",
      "pcall(function() while true do end end) return nil",
      "local co = coroutine.wrap(function() while true do end end) pcall(co) return nil",
      "repeat xpcall(function() error() end, function() for _ = 1, 1e3 do end end) until false",
      "table.sort({ 3, 2, 1 }, function() while true do end end)",
      "string.gsub('abc', '.', function() while true do end end)" } do
      local done = run(body, "--fuel", "200000")
      assert.equal(1, done.code, done.err)
      assert.equal("FUEL", done.doc.error.code)
      assert.equal(0, place:json { "replay", done.doc.trace_id, "--verify" }.code)
    end
  end)

  it("of time ends as timeout", function()
    local done = run("while true do end", "--step-timeout-ms", "80", "--fuel", "100000000000")
    assert.equal(7, done.code, done.err)
    assert.equal("timeout", done.doc.status)
    done = run("while true do end", "--run-timeout-ms", "80", "--fuel", "100000000000")
    assert.equal(7, done.code, done.err)
    assert.equal("timeout", done.doc.status)
  end)

  it("of memory ends as failed, with the process as small as it may be", function()
    for _, body in ipairs { "local t = {} while true do t[#t + 1] = {} end",
      "local s = 'x' while true do s = s .. s end", "return nil, ('x'):rep(2 ^ 28)",
      "local t = {} while true do pcall(function() t[#t + 1] = ('y'):rep(1e5) .. #t end) end",
      "local s = {} for i = 1, 1e8 do s[i] = i end" } do
      local done = run(body, "--memory", "8M", "--fuel", "10000000000")
      assert.equal(1, done.code, done.out .. done.err)
      assert.equal("MEMORY", done.doc.error.code)
      assert.is_true(done.rss_kb < 64 * 1024, done.rss_kb)
    end
  end)

  it("of the C stack ends as failed", function()
    local done = run("local function f() return f() + 1 end return nil, f()")
    assert.equal(1, done.code, done.err)
    done = run("local s = ('('):rep(1e4) return nil, tostring(s:find(s))")
    assert.is_true(done.code == 0 or done.code == 1, done.err)
    done = run("local function f(a, b) table.sort({ 3, 2, 1 }, f) return a < b end"
      .. " table.sort({ 3, 2, 1 }, f)")
    assert.equal(1, done.code, done.err)
  end)

  it("of anything leaves the other runs alone", function()
    place:write("mixed.lua", outside.one_node([[
      if state.input.n == 2 then while true do end end
      if state.input.n == 3 then local t = {} while true do t[#t + 1] = {} end end
      if state.input.n == 4 then state.me = state end
      if state.input.n == 5 then error("no") end
      return nil, { n = state.input.n }]]))
    place:write("mixed.jsonl", '{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n{"n":5}\n{"n":6}\n')
    local done = place:json { "run", "mixed.lua", "--input", "mixed.jsonl", "--concurrency", "6",
      "--fuel", "3000000", "--memory", "4M" }
    assert.equal(1, done.code, done.err)
    local codes = {}
    for _, doc in ipairs(done.docs) do
      codes[doc.state.input and doc.state.input.n or "?"] =
        type(doc.error) == "table" and doc.error.code or doc.status
    end
    assert.same({ "completed", "FUEL", "MEMORY", "INVALID_STATE", "RAISED", "completed" }, codes)
  end)
end)
