-- load's limits: what a text or a reader gives past them is nil and a message.
local boxes = require "boxes"

describe("load", function()
  it("stops reading at 64 KiB, with nil and a message", function()
    local out = assert(boxes.eval([[
      local calls, spaces, long = 0, 0, (" "):rep(65537)
      local f, why = load(function() calls = calls + 1 return "x=1 " end)
      local whole = load(function()
        spaces = spaces + 1
        if spaces <= 65536 then return " " end
      end)
      return "ok", { calls, tostring(f), why, spaces, type(whole), tostring(load(long)) }]], { fuel_max = 1e9 }))
    local message = "load: larger than 64 KiB; put it into a module"
    assert.equal('[16385,"nil","' .. message .. '",65537,"function","nil"]', out.output)
  end)
end)
