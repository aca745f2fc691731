-- elg check: what the library refuses and what the lint warns of, as one list. And the
-- lint's list of the sandbox's names against the sandbox itself.
local core = require "elg.core"
local library = require "elg.lint.library"
local program = require "program"

local p

-- A graph whose nodes and edges are given as text.
local function graph(nodes, edges, head)
  return ([[local elg = require "elg" %s
return elg.graph { id = "x", version = "1", entry = "a",
nodes = { %s
}, edges = { %s
} }
]]):format(head or "", nodes, edges or "")
end

local function findings(text, flags)
  p:write("graph.lua", text)
  local code, out, err = p:run("check graph.lua --json " .. (flags or ""))
  local found = assert(core.decode(out), err)
  local short = {}
  for i, finding in ipairs(found) do
    short[i] = ("%s %s %s"):format(finding.level, finding.code, finding.where)
  end
  return short, code, found
end

describe("elg check", function()
  before_each(function() p = program.create() end)
  after_each(function() p:destroy() end)

  it("ends with 0 for warnings, with 3 for errors, and for warnings too if it is strict", function()
    local warned = graph "a = function() x = 1 end"
    local short, code, found = findings(warned)
    assert.same({ { "warning GLOBAL_ASSIGN graph.lua:3" }, 0 }, { short, code })
    assert.truthy(found[1].text:find("keep it in the state", 1, true))
    assert.equal(3, (select(2, findings(warned, "--strict"))))
    assert.equal(0, (select(2, findings(graph "a = function() end", "--strict"))))
    short, code = findings(graph("a = function() x = 1 end", '{ from = "a", key = "k", to = "z" }'))
    assert.equal(3, code)
    assert.equal("error UNKNOWN_NODE graph.lua:2", short[1])
    assert.equal("warning GLOBAL_ASSIGN graph.lua:3", short[2])
  end)

  it("prints a line each", function()
    p:write("graph.lua", graph "a = function() x = 1 end")
    local _, out = p:run "check graph.lua"
    assert.truthy(out:find("^graph%.lua:3: warning: .*%(GLOBAL_ASSIGN%)\n$"), out)
    p:write("graph.lua", graph "a = function() end")
    assert.equal("graph.lua: nothing wrong\n", (select(2, p:run "check graph.lua")))
  end)

  it("names files as they are found from the current folder, relative to the graph's in --json", function()
    assert.equal(0, (p:sh "mkdir -p sub/lib"))
    p:write("sub/lib/m.lua", "local function set() x = 1 end\nreturn { set = set }\n")
    p:write("sub/graph.lua", graph("a = function() m.set() end", nil, 'local m = require "lib.m"'))
    local code, out = p:run "check sub/graph.lua"
    assert.equal(0, code)
    assert.truthy(out:find("^sub/lib/m%.lua:1: warning: [^\n]*%(GLOBAL_ASSIGN%)\n$"), out)
    assert.truthy((select(2, p:run "check sub/graph.lua --json")):find('"where":"lib/m.lua:1"', 1, true))
    p:write("sub/graph.lua", "local m = require 'lib.none'\n")
    for _, command in ipairs { "check", "run", "graph" } do
      local _, text, err = p:run(command .. " sub/graph.lua")
      assert.truthy((text .. err):find("sub/graph.lua:1: ", 1, true), command)
      assert.truthy((text .. err):find("no lib/none.lua and no lib/none/init.lua", 1, true), command)
    end
  end)

  it("gives errors of a node's fields, of an edge and of the graph their line", function()
    local function first(nodes, edges, more)
      local text = graph(nodes, edges):gsub('entry = "a"', more or "%0")
      local _, code, found = findings(text)
      local _, _, err = p:run "run graph.lua --store memory:"
      assert.truthy(err:find(found[1].where .. ": " .. found[1].text, 1, true), err)
      return { found[1].where, found[1].text, code }
    end
    assert.same({ "graph.lua:4", "nodes.a.retry.max_attempts: must be an integer from 1 to 1000", 3 },
      first "\na = { run = function() end,\nretry = { max_attempts = 0 } }")
    assert.same({ "graph.lua:5", "edges[2].key: must not be empty", 3 }, first("a = function() end",
      '{ from = "a", key = "k", to = "a" },\n{ from = "a", key = "", to = "a", when = function() end }'))
    assert.same({ "graph.lua:2", 'the entry "b" is not a node; name one of nodes', 3 },
      first("a = function() end", nil, 'entry = "b"'))
    assert.same({ "graph.lua:2", "limits.concurrency: must be an integer from 1 to 100000", 3 },
      first("a = function() end", nil, '%0, limits = { concurrency = 0 }'))
  end)

  it("says with --quiet what makes it fail, on stderr alone", function()
    p:write("graph.lua", graph("a = function() x = 1 end", '{ from = "a", key = "k", to = "z" }'))
    local code, out, err = p:run "check graph.lua --quiet"
    assert.same({ 3, "" }, { code, out })
    assert.truthy(err:find("UNKNOWN_NODE", 1, true) and not err:find("GLOBAL_ASSIGN", 1, true), err)
    p:write("graph.lua", graph "a = function() x = 1 end")
    assert.same({ 0, "", "" }, { p:run "check graph.lua --quiet" })
    code, out, err = p:run "check graph.lua --quiet --strict"
    assert.same({ 3, "" }, { code, out })
    assert.truthy(err:find("GLOBAL_ASSIGN", 1, true), err)
  end)

  it("reports a file that does not compile once, as an error", function()
    local short, code = findings "local x =\n=\n"
    assert.equal(3, code)
    assert.equal(1, #short, table.concat(short, "; "))
    assert.truthy(short[1]:find("^error"))
  end)

  it("reads a file that begins with a byte order mark, as elg run does", function()
    local mark = "\239\187\191"
    assert.same({ "warning GLOBAL_ASSIGN graph.lua:3" }, (findings(mark .. graph "a = function() x = 1 end")))
    assert.same({ "warning GLOBAL_ASSIGN graph.lua:4" },
      (findings(mark .. "#!/usr/bin/elg\n" .. graph "a = function() x = 1 end")))
    assert.equal(0, (p:run "run graph.lua --store memory:"))
    assert.equal(3, select(2, findings(mark .. mark .. graph "a = function() end")))
  end)

  it("names edges that are never taken and keys that no edge has", function()
    assert.same({ "warning NO_EDGE graph.lua:3", "warning UNUSED_EDGE graph.lua:6" },
      (findings(graph([[a = function(state) if state.x then return "lost" end return state.y and "ok" or nil end,
        b = { run = function() return end }]],
        '{ from = "a", key = "ok", to = "b" },\n{ from = "a", key = "never", to = "b" }'))))
  end)

  it("follows keys through variables, helpers and wrappers", function()
    local text = graph([[a = wrap(function(state)
        local key = "one"
        if state.x then key = "two" end
        return key
      end),
      b = function(s) return pick(s) end, c = function() return { next = "five" } end,
      d = function(s) return s.open end]], [[
      { from = "a", key = "one", to = "b" }, { from = "a", key = "two", to = "b" },
      { from = "b", key = "three", to = "c" }, { from = "b", key = "four", to = "c" },
      { from = "c", key = "five", to = "d" }, { from = "d", key = "any", to = "a" },]] .. "%s", [[
      local function wrap(run) return { run = run } end
      local function pick(s) if s.x then return "three" end return "four" end]])
    assert.same({}, (findings(text:format "")))
    assert.same({ "warning UNUSED_EDGE graph.lua:14" }, (findings(text:format
      '\n{ from = "a", key = "three", to = "b" }')))
    assert.same({ "warning UNUSED_EDGE graph.lua:14" }, (findings(text:format
      '\n{ from = "b", key = "one", to = "b" }')))
    assert.same({ "warning UNUSED_EDGE graph.lua:14" }, (findings(text:format
      '\n{ from = "c", key = "one", to = "b" }')))
  end)

  it("knows that a run can end where a node may return nil", function()
    local function ring(returned)
      return findings(graph("a = function(s) " .. returned .. " end",
        '{ from = "a", key = "k", to = "a" }'))
    end
    assert.same({ "warning CANNOT_END graph.lua:3" }, (ring 'return "k"'))
    assert.same({}, (ring 'return s.x and "k" or nil'))
    assert.same({}, (ring 'if s.x then return "k" end'))
    assert.same({}, (ring "return s.k"))
    assert.same({ "warning CANNOT_END graph.lua:3" }, (ring 'if s.x then return "k" else error("x") end'))
  end)

  it("leaves out a warning of the library, too, where a comment asks for it", function()
    local text = graph("a = function() end,\nb = function() end")
    assert.same({ "warning UNREACHABLE_NODE graph.lua:4" }, (findings(text)))
    assert.same({}, (findings((text:gsub("b = function%(%) end", "%0 -- elg: ignore UNREACHABLE_NODE")))))
  end)

  it("knows exactly the names that the sandbox has", function()
    p:write("names.lua", graph [[a = function()
      local names = {}
      for name, value in pairs(_G) do
        if type(value) == "table" and name ~= "_G" then
          for field in pairs(value) do names[#names + 1] = name .. "." .. field end
        else
          names[#names + 1] = name
        end
      end
      return nil, names
    end]])
    local code, result = p:json "run names.lua --store memory:"
    assert.equal(0, code)
    local known = {}
    for name in pairs(library.globals) do known[#known + 1] = name end
    for name, fields in pairs(library.tables) do
      for field in pairs(fields) do known[#known + 1] = name .. "." .. field end
    end
    table.sort(known)
    table.sort(result.output)
    assert.same(result.output, known, "lua/elg/lint/library.lua")
  end)

  it("knows exactly what ctx has", function()
    p:write("ctx.lua", graph [[a = function(_, _, ctx)
      local names = {}
      for name, value in pairs(ctx) do names[name] = type(value) == "function" or "value" end
      for name in pairs(ctx.artifact) do names["artifact." .. name] = true end
      return nil, names
    end]])
    local _, result = p:json "run ctx.lua --store memory:"
    local known = { previous = "value", artifact = "value" } -- there is none before the first node
    for name in pairs(library.ctx_values) do known[name] = "value" end
    for name, range in pairs(library.ctx) do known[name] = range[1] and true or known[name] end
    for name in pairs(library.ctx.artifact) do known["artifact." .. name] = true end
    result.output.previous = "value"
    assert.same(result.output, known, "lua/elg/lint/library.lua")
  end)

  -- Names that the sources have in a list of known ones, for any call.
  local function names_in_sources()
    local names, listed = {}, {}
    for _, path in ipairs { "src/activity/prepare.c", "src/activity/prepare_http.c", "src/activity/prepare_wait.c",
      "src/activity/artifact_call.c", "lua/elg/sandbox/prelude.lua" } do
      local text = assert(io.open(path)):read "*a"
      for list in text:gmatch "KNOWN%[%] = (%b{})" do
        for name in list:gmatch '"([%w_]+)"' do names[name] = true end
      end
      for list in text:gmatch "_OPTIONS[^=\n]* = (%b{}[^\n]*)" do
        for name in list:gmatch "([%w_]+) = true" do names[name] = true end
      end
    end
    for _, options in pairs(library.options) do
      for name in pairs(options[2]) do names[name] = true end
    end
    for name in pairs(names) do listed[#listed + 1] = ("%q:1"):format(name) end
    return listed
  end

  it("knows exactly the options that ctx's functions take", function()
    p:write("child.lua", graph "a = function() end")
    p:write("options.lua", graph([[a = function(_, input, ctx)
      local calls = {
        http = function(o) o.url = o.url or "http://127.0.0.1:1/" return ctx.http(o) end,
        wait = function(o) o.name = o.name or "$" return ctx.wait(o) end,
        call = function(o) return ctx.call("none", {}, o) end, run = function(o) return ctx.run(child, {}, o) end,
        map = function(o) return ctx.map(child, {}, o) end,
        ["artifact.write"] = function(o) return ctx.artifact.write("x", o) end,
        ["artifact.read"] = function(o) return ctx.artifact.read(("0"):rep(64), o) end }
      local taken = {}
      for call, perform in pairs(calls) do
        taken[call] = {}
        for name in pairs(input) do
          local ok, value, err = pcall(perform, { [name] = {} })
          local text = tostring(ok and err or value)
          if not (text:find("unknown field", 1, true) or text:find("unknown option", 1, true)) then
            taken[call][name] = true
          end
        end
      end
      return nil, taken
    end]], nil, 'local child = require "child"'))
    p:write("input.json", ("{%s}"):format(table.concat(names_in_sources(), ",")))
    local _, result = p:json "run options.lua --store memory: --input input.json"
    local known = {}
    for name, options in pairs(library.options) do known[name] = options[2] end
    assert.same(result.output, known, "lua/elg/lint/library.lua")
  end)
end)
