-- Values of the greatest depth that is allowed: what elg prints around them nests deeper still.
local outside = require "outside"
local testing = require "elg.testing"

local DEPTH = 128

-- JSON of that depth.
local function deep(depth)
  return ('{"a":'):rep(depth - 1) .. "{}" .. ("}"):rep(depth - 1)
end

local MAKE = [[
local function deep(n)
  local value = {}
  for _ = 2, n do value = { a = value } end
  return value
end]]

-- A graph that gives its input back; for ctx.run it is a module.
local ECHO = [[
local elg = require "elg"
return elg.graph { id = "echo", version = "1", entry = "a", edges = {},
  nodes = { a = function(state, input) state.kept = input.a return nil, input end } }
]]

local FAMILY = [[
local echo = require "echo"
]] .. MAKE

describe("a value 128 deep", function()
  local place
  setup(function()
    place = outside.place("depth")
    place:write("echo.lua", ECHO)
    place:write("deep.json", deep(DEPTH))
    place:write("wait.lua", outside.one_node("return nil, (ctx.wait('go', 60000))"))
    place:write("out.lua", outside.one_node("return nil, deep(128)", MAKE))
    place:write("family.lua", outside.one_node([[
      local child = assert(ctx.run(echo, deep(127)))
      local many = assert(ctx.map(echo, { deep(124), deep(124) }))
      local refused, err = pcall(ctx.run, echo, deep(128))
      return { state = state, output = { child, many[2].value or many[2], refused, tostring(err) },
        metadata = deep(128) }
    ]], FAMILY))
    assert.equal(0, place:elg({ "run", "echo.lua", "--input", "deep.json", "--trace", "e", "--quiet" }).code)
  end)
  teardown(function() place:remove() end)

  local function fine(done, words)
    assert.equal(0, done.code, done.err)
    if words then assert.truthy(done.out:find(words, 1, true), done.out:sub(1, 200)) end
    return done
  end

  it("is printed by every command that prints runs", function()
    for _, argv in ipairs { { "run", "echo.lua", "--input", "deep.json", "--trace", "e" },
      { "show", "e" }, { "show", "e", "--step", "0" }, { "resume", "e" }, { "replay", "e" },
      { "replay", "e", "--to", "0" }, { "watch", "e" }, { "abort", "e" } } do
      fine(place:elg(argv), "e")
      local done = fine(place:json(argv))
      if argv[1] ~= "abort" then assert.equal("completed", done.doc.status) end
    end
    fine(place:elg { "replay", "e", "--verify" }, "verified")
  end)

  it("does not keep the rest of a batch from being begun", function()
    local line = deep(DEPTH) .. "\n"
    local done = fine(place:elg({ "run", "echo.lua", "--input", "-", "--concurrency", "2" },
      { stdin = line:rep(3) }))
    assert.equal(3, select(2, done.out:gsub("completed", "")))
  end)

  it("is a signal's, a child's, or a metadata", function()
    fine(place:elg { "submit", "wait.lua", "--trace", "w" })
    fine(place:elg { "signal", "w", "go", "deep.json" })
    fine(place:elg { "resume", "w" }, "completed")
    fine(place:elg { "show", "w", "--step", "0" }, "response")
    local done = fine(place:json { "run", "family.lua", "--trace", "f" })
    assert.is_false(done.doc.output[3])
    assert.truthy(done.doc.output[4]:find("request.input.a", 1, true), done.doc.output[4])
    fine(place:elg { "show", "f", "--step", "0" }, "run")
    fine(place:elg { "replay", "f", "--verify" }, "verified")
  end)

  it("does not end a worker", function()
    for i = 1, 2 do fine(place:elg { "submit", "out.lua", "--trace", "k" .. i }) end
    local worker = place:start_elg { "worker" }
    local ended = outside.eventually(function()
      return place:json({ "show", "k2" }).doc.status == "completed"
        and place:json({ "show", "k1" }).doc.status == "completed"
    end)
    worker:kill(15)
    local done = worker:wait()
    assert.truthy(ended, done.err)
    assert.equal(0, done.code, done.err)
    assert.equal(2, select(2, done.out:gsub("completed", "")))
  end)

  it("may be in a journal that answers a test, with blanks or without", function()
    local text = fine(place:elg { "show", "f", "--json" }).out
    for _, given in ipairs { text, (text:gsub(",", " ,\n\t"):gsub(":", " : ")) } do
      local journal = testing.journal(place:write("journal.json", given))
      assert.equal("f", journal.trace_id)
      assert.equal("{}", journal.input)
      assert.truthy(next(journal.recorded))
    end
    assert.has_error(function() testing.journal(place:write("journal.json", "[1]")) end)
  end)

  it("is the end of what is taken", function()
    local done = place:elg { "run", "echo.lua", "--input", deep(DEPTH + 1) }
    assert.equal(3, done.code)
    assert.truthy(done.err:find("nested deeper than 128", 1, true), done.err)
  end)
end)
