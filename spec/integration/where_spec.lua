-- What ends a node from outside names the author's line that it stood in.
local outside = require "outside"

describe("the error of a node that is ended", function()
  local place
  setup(function()
    place = outside.place("where")
    place:write("g.lua", [[
local elg = require "elg"
local function spin()
  local x = 0
  while true do x = x + 1 end
end
local function eat()
  local t = {}
  for i = 1, 1e9 do t[i] = ("x"):rep(1000) .. i end
end
return elg.graph { id = "g", version = "1", entry = "a", edges = {},
  nodes = { a = { timeout_ms = 200, run = function(_, input)
    if input.text then error(input.text .. input.bytes:gsub("n", "\255\0") .. 1, 0) end
    if input.eat then eat() else spin() end
  end } } }
]])
  end)
  teardown(function() place:remove() end)

  local function error_of(...)
    return place:json({ "run", "g.lua", ... }).doc.error
  end

  it("names the line for fuel", function()
    local err = error_of("--fuel", "100000")
    assert.same({ "FUEL", "g.lua:4" }, { err.code, err.where })
  end)

  it("names the line for memory", function()
    local err = error_of("--memory", "2M", "--input", '{"eat":true}')
    assert.same({ "MEMORY", "g.lua:8" }, { err.code, err.where })
  end)

  it("has the whole message, NULs and what follows them", function()
    for _, jail in ipairs { "--quiet", "--jail" } do
      local err = error_of(jail, "--input", '{"text":"a\\u0000b: some\\u0000","bytes":"nx"}')
      assert.same({ "RAISED", "a\0b: some\0?\0x1", "g.lua:12" }, { err.code, err.message, err.where })
    end
  end)

  it("names the line for the node's time", function()
    local err = error_of("--fuel", "100000000000")
    assert.same({ "TIMEOUT", "g.lua:4" }, { err.code, err.where })
  end)
end)
