-- Log lines of an attempt are bounded in number and bytes, and what is left out is told once:
-- here, in the jail, and not again by a replay or an audit.
local mixture = require "mixture_c"
local outside = require "outside"

local GRAPH = [[
local elg = require "elg"
local function talk(_, input, ctx)
  for i = 1, input.lines do ctx.log("info", ("x"):rep(input.bytes), { i = i }) end
  if input.fail then error("no") end
  return nil, input.lines
end
return elg.graph { id = "logs", version = "1", entry = "talk", edges = {}, nodes = { talk = talk } }
]]

describe("log lines", function()
  local place, path

  setup(function()
    place = outside.place("logs")
    path = place:write("logs.lua", GRAPH)
  end)
  teardown(function() place:remove() end)

  local function told(input)
    local done = mixture.run(outside.build .. "/elg-compile", path, { input })
    return done.logs, done.said
  end

  it("are kept up to 1,000 an attempt", function()
    local count, said = told '{"lines":1000,"bytes":10}'
    assert.equal(1000, count)
    assert.equal("", said)
    count, said = told '{"lines":1001,"bytes":10}'
    assert.equal(1001, count)
    assert.truthy(said:find("^1 log line left out: "))
  end)

  it("are kept up to 1 MiB an attempt, fields included", function()
    local count, said = told '{"lines":100,"bytes":100000}'
    assert.equal(11, count)
    assert.truthy(said:find("^90 log lines left out: "))
  end)

  it("are told of an attempt that failed, too", function()
    local count, said = told '{"lines":1500,"bytes":1,"fail":true}'
    assert.equal(1001, count)
    assert.truthy(said:find("^500 log lines left out: "))
  end)

  it("are left out the same in the jail, and told once, audited or replayed", function()
    for _, jail in ipairs { false, true } do
      local arguments = { "run", "logs.lua", "--audit", "1", "--input", '{"lines":1200,"bytes":5}' }
      if jail then arguments[#arguments + 1] = "--jail" end
      local done = place:json(arguments)
      assert.equal(0, done.code)
      local _, lines = done.err:gsub(" xxxxx ", "")
      local _, notes = done.err:gsub("200 log lines left out", "")
      assert.same({ 1000, 1 }, { lines, notes })
      local again = place:json { "replay", done.doc.trace_id, "--verify" }
      assert.equal(0, again.code)
      assert.falsy(again.err:find("left out", 1, true))
    end
  end)
end)
