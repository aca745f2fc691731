-- luacheck: no max line length
local boxes = require "boxes"

describe("compile helper", function()
  local box
  setup(function() box = assert(boxes.open()) end)
  teardown(function() box:close() end)

  it("gives the same bytecode for the same source", function()
    local one = assert(box:compile("a.lua", "local x = { a = 1, b = 2, c = { 3 } } return x.a"))
    local other = assert(boxes.open())
    assert.equal(one, (assert(other:compile("a.lua", "local x = { a = 1, b = 2, c = { 3 } } return x.a"))))
    other:close()
  end)

  it("names file and line of what is wrong", function()
    local _, err = box:compile("dir/a.lua", "local x = 1\nlocal y = = 2")
    assert.equal("ELG_INVALID", err.status)
    assert.equal("dir/a.lua:2", err.where)
    assert.truthy(err.text:match("unexpected symbol"))
  end)

  it("says of bytecode that it is refused, and what to give", function()
    local _, err = box:compile("dir/a.lua", string.dump(function() end))
    assert.equal("dir/a.lua:1", err.where)
    assert.equal("bytecode is refused; give Lua source", err.text)
  end)

  local SOURCES = {
    { "a source that crashes the parser", "for _ in (nil):foo() do end" },
    { "deep nesting", ("("):rep(100000) .. "1" .. (")"):rep(100000) },
    { "deep tables", "return " .. ("{"):rep(50000) .. ("}"):rep(50000) },
    { "deep functions", ("return function() "):rep(5000) .. ("end "):rep(5000) },
    { "too many locals", ("local a "):rep(300) },
    { "too many constants in a jump", "while true do " .. ("x = x + 1 "):rep(60000) .. " end" },
    { "bytecode", "\27LJ\2\8\0" },
    { "binary", ("\0\255"):rep(1000) },
    { "an endless string", "return [==[" .. ("x"):rep(100000) },
    { "a source too large", ("-- x\n"):rep(300000) },
  }
  for _, case in ipairs(SOURCES) do
    it("survives " .. case[1], function()
      local code, err = box:compile("bad.lua", case[2])
      if code == nil then
        assert.equal("ELG_INVALID", err.status)
        assert.truthy(err.where:match("^bad%.lua"), err.where)
      end
      assert.truthy(box:compile("good.lua", "return 1"))
    end)
  end

  it("accepts an empty source", function()
    assert.truthy(box:compile("e.lua", ""))
  end)

  it("outlives 300 mutated sources", function()
    local file = assert(io.open("lua/elg/sandbox/prelude.lua"))
    local text = file:read "*a"
    file:close()
    local x = 99
    local function random(n) x = (x * 16807) % 2147483647 return x % n + 1 end
    local words = { "for _ in (nil):foo() do end ", "(", ")", "end ", "function() ", "{", "}", "local ", "..", "and ", "return ", "=", "0x", "'", "goto a " }
    local wrong = 0
    for _ = 1, 300 do
      local source = text
      for _ = 1, random(4) do
        local at = random(#source)
        source = source:sub(1, at) .. words[random(#words)] .. source:sub(at + random(6))
      end
      local code, err = box:compile("m.lua", source)
      if not code then
        wrong = wrong + 1
        local died = err.text:find("the compiler died", 1, true)
        assert.equal(died and "ELG_LIMIT" or "ELG_INVALID", err.status)
      end
    end
    assert.truthy(wrong > 200)
    assert.truthy(box:compile("good.lua", "return 1"))
  end)

  it("that is missing is named", function()
    local other = assert(boxes.open { compiler = "/nonexistent/elg-compile" })
    local _, err = other:compile("a.lua", "return 1")
    assert.equal("ELG_IO", err.status)
    assert.equal("/nonexistent/elg-compile", err.where)
    other:close()
  end)

  it("that never answers is given up on", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("#!/bin/sh\nexec sleep 60\n")
    file:close()
    os.execute("chmod +x " .. path)
    local other = assert(boxes.open { compiler = path })
    local _, err = other:compile("a.lua", "return 1")
    assert.equal("ELG_LIMIT", err.status)
    assert.truthy(err.text:match("more than 5000 ms"))
    other:close()
    os.remove(path)
  end)
end)

describe("program", function()
  local box
  setup(function() box = assert(boxes.open()) end)
  teardown(function() box:close() end)

  local function refused(files, where, text, entry)
    if type(files) == "string" then files = { ["graph.lua"] = files } end
    local program, err = box:program(entry or "graph.lua", files)
    assert.is_nil(program)
    assert.equal("ELG_INVALID", err.status, err.text)
    assert.equal(where, err.where)
    assert.truthy(err.text:find(text, 1, true), err.text)
  end

  it("describes the graph as data", function()
    local program = assert(box:program("graph.lua", { ["graph.lua"] = [[
local elg = require "elg"
return elg.graph {
  id = "triage", version = "1.0.0", entry = "fetch",
  initial = function(input) return input end,
  nodes = {
    fetch = {
      run = function() end,
      retry = { max_attempts = 3, backoff = "linear", initial_delay_ms = 100, max_delay_ms = 5000 },
      timeout_ms = 5000,
    },
    done = function() end,
  },
  edges = {
    { from = "fetch", key = "ok", to = "done" },
    { from = "fetch", key = "ok", to = "fetch",
      when = function() return true end },
  },
}]] }))
    assert.equal('{"edges":[{"from":"fetch","key":"ok","line":2,"to":"done","when":false},' ..
      '{"from":"fetch","key":"ok","line":16,"to":"fetch","when":true}],"entry":"fetch","id":"triage",' ..
      '"initial":"function","line":2,"nodes":{"done":{"line":11,"retry":null,"timeout_ms":null},' ..
      '"fetch":{"line":7,"retry":{"backoff":"linear","initial_delay_ms":100,"max_attempts":3,' ..
      '"max_delay_ms":5000},"timeout_ms":5000}},"version":"1.0.0"}', program:describe())
    program:close()
  end)

  it("finds modules by name, once each, in the order of use", function()
    local program = assert(box:program("sub/graph.lua", {
      ["sub/graph.lua"] = boxes.source("return 'ok', { a.n, b.n, a == require 'a.x' }", "local a, b = require 'a.x', require 'b' require 'a.x' "),
      ["a/x.lua"] = "local b = require 'b' return { n = 1 }", ["b/init.lua"] = "loads = (loads or 0) + 1 return { n = loads }" }))
    assert.same({ "sub/graph.lua", "a/x.lua", "b/init.lua" }, program:sources())
    assert.equal("[1,1,true]", boxes.run(box, program).output)
    program:close()
  end)

  it("refuses what is not a graph, with file and line", function()
    refused("return 5", "graph.lua", "must return elg.graph")
    refused("local x = 1\nerror('boom')", "graph.lua:2", "boom")
    refused("local t = nil\n\nreturn t.x", "graph.lua:3", "attempt to index")
    refused("x = = 1", "graph.lua:1", "unexpected symbol")
    refused("\n\nreturn require 'elg'.graph { id = 5, version = '1', entry = 'a', nodes = {} }", "graph.lua:3", "id: must be a string")
    refused("return require 'elg'.graph { id = 'a', version = '1', entry = 'a', nodes = { a = 5 } }", "graph.lua:1", "nodes.a: must be a function")
    refused("return require 'elg'.graph { id = 'a', version = '1', entry = 'a', nodes = {}, edges = { { from = 'a', to = 'b' } } }", "graph.lua:1", "edges[1].key: must be a string")
    refused("return require 'elg'.graph { id = 'a', version = '1', entry = 'a', nodes = {}, nodez = {} }", "graph.lua:1", "unknown field nodez")
    refused("return require 'elg'.graph { id = 'a', version = '1', entry = 'a', initial = { f = function() end }, nodes = {} }", "graph.lua:1", "initial.f: a function is not a value")
    for _, name in ipairs { "input_schema", "output_schema" } do
      refused("return require 'elg'.graph { id = 'a', version = '1', entry = 'a', nodes = { a = { run = function() end, " ..
        name .. " = {} } } }", "graph.lua:1", "nodes.a." .. name .. ": schemas are not supported by this version")
    end
    refused("require 'no.pe'", "graph.lua:1", 'module "no.pe" is none of the graph\'s files: its folder has no no/pe.lua and no no/pe/init.lua')
    refused({ ["graph.lua"] = "require 'a'", ["a.lua"] = "\nrequire 'b'", ["b.lua"] = "require 'a'" }, "b.lua:1", "requires itself")
    refused({ ["graph.lua"] = "require 'a'", ["a.lua"] = "x = (" }, "a.lua:1", "unexpected symbol")
    refused("\nwhile true do end", "graph.lua:2", "more than 10000000 instructions")
    refused("local t = {}\nwhile true do\nt[#t + 1] = {} end", "graph.lua:3", "bytes of memory")
    refused("require '../etc/passwd'", "graph.lua:1", "none of the graph's files")
    refused("local c = os.time()", "graph.lua:1", "not here while the graph is loaded")
    refused("local c = math.random()", "graph.lua:1", "not here while the graph is loaded")
  end)

  it("refuses an entry outside its folder", function()
    for _, entry in ipairs { "/etc/passwd", "../x.lua", "a/../b.lua", "", "a//b.lua", "a/./b.lua" } do
      local program, err = box:program(entry, { [entry] = "return 1" })
      assert.is_nil(program)
      assert.equal("ELG_USAGE", err.status)
    end
  end)

  it("reports a missing entry as the loader does", function()
    local program, err = box:program("none.lua", {})
    assert.is_nil(program)
    assert.equal("ELG_NOT_FOUND", err.status)
  end)

  it("refuses require of something new within a node", function()
    local out = boxes.eval("require 'lib'")
    assert.equal("error", out.kind)
    assert.truthy(out.message:find("require it at the top of the file", 1, true), out.message)
  end)
end)

describe("errors", function()
  local function fail(body)
    return assert(boxes.eval(body))
  end

  it("have file, line, message and the author's frames", function()
    local out = fail("\nlocal function inner() error('boom') end\nlocal function outer() inner() end\nouter()")
    assert.equal("error", out.kind)
    assert.equal("RAISED", out.code)
    assert.equal("graph.lua:3", out.where)
    assert.equal("boom", out.message)
    assert.is_true(out.retry)
    assert.equal("graph.lua:3: in upvalue 'inner'\ngraph.lua:4: in local 'outer'\n" ..
      "graph.lua:5: in function <graph.lua:2>", out.traceback)
  end)

  it("of tables have their code, message and wish to be retried", function()
    local out = fail("error { code = 'MINE', message = 'text', retry = false }")
    assert.same({ "MINE", "text", false }, { out.code, out.message, out.retry })
    out = fail("error { x = 1 }")
    assert.same({ "RAISED", '{"x":1}', true }, { out.code, out.message, out.retry })
  end)

  it("of anything else say what it is", function()
    assert.truthy(fail("error()").message:match("a nil was raised"))
    assert.truthy(fail("error(function() end)").message:match("a function was raised"))
    assert.equal("5", fail("error(5)").message)
    assert.truthy(fail("error({ f = function() end })").message:match("no JSON value"))
    assert.equal("a?b??", fail("error('a\\255b\\200\\201', 0)").message)
  end)

  it("of the engine have their place", function()
    local out = fail("\nlocal t = nil\nreturn t.x")
    assert.equal("graph.lua:4", out.where)
    assert.truthy(out.message:match("^attempt to index"))
    out = fail("\nlocal function r() return 1 + r() end\nr()")
    assert.truthy(out.message:match("stack overflow"))
    assert.equal("graph.lua:2", out.where) -- the node: a full stack shows no frames
  end)

  it("in an edge's condition end the step", function()
    local box = assert(boxes.open())
    local program = assert(box:program("g.lua", { ["g.lua"] = [[
      return require "elg".graph { id = "g", version = "1", entry = "n", nodes = { n = function() return "ok" end },
        edges = { { from = "n", key = "ok", to = "n", when = function(s) return s.a.b end } } }]] }))
    local out = boxes.run(box, program)
    assert.equal("error", out.kind)
    assert.equal("g.lua:2", out.where)
    program:close()
    box:close()
  end)
end)
