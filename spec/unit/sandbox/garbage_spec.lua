-- luacheck: no max line length
-- garbage: what an attempt has let go of can be taken again, whatever sizes it had and will
-- have; the bound counts what lives, and is met at the same place every time (I1, I15).
local boxes = require "boxes"

local MB = 2 ^ 20

-- Each allocates `input.total` bytes and more in garbage, in values of at most input.most bytes.
local CHAINS = {
  ["one small string, then a large one"] = [[
    local bytes, size = 0, math.floor(input.most / 4)
    while bytes < input.total do bytes = bytes + 2 * #(("x"):rep(size) .. "y" .. bytes) end
    return nil, bytes]],
  ["strings that grow, size after size"] = [[
    local bytes, size = 0, 10
    while size <= input.most do
      local until_bytes = bytes + input.total / 17
      while bytes < until_bytes do bytes = bytes + 2 * size + #(("x"):rep(size) .. bytes % 9973) - size end
      size = math.floor(size * 1.7)
    end
    return nil, bytes]],
  ["much of one size that lives, then much of the next"] = [[
    local bytes = 0
    while bytes < input.total do
      local size = 16
      while size <= input.most do
        local kept, lives = {}, 0
        while lives < 3 * input.most do
          kept[#kept + 1] = ("x"):rep(size) .. lives
          lives = lives + size + 40
        end
        bytes = bytes + lives
        size = math.floor(size * 1.35)
      end
    end
    return nil, bytes]],
  ["tables that grow"] = [[
    local bytes = 0
    while bytes < input.total do
      local t, h = {}, {}
      for i = 1, input.most / 100 do t[i] = i end
      for i = 1, input.most / 400 do h["k" .. i % 500 * 7] = i h[i + 0.5] = i end
      bytes = bytes + 16 * #t + 40 * #t
    end
    return nil, bytes]],
  ["buffers that grow"] = [[
    local bytes, n = 0, 1
    while bytes < input.total do
      local parts = {}
      for i = 1, n do parts[i] = ("b"):rep(i % 50) .. i end
      bytes = bytes + 2 * #table.concat(parts, ",") + 16 * n
      n = n * 3
      if n > input.most / 120 then n = 1 end
    end
    return nil, bytes]],
  ["small objects, then large ones, among some that stay"] = [[
    local bytes, round, kept = 0, 0, {}
    while bytes < input.total do
      round = round + 1
      for i = 1, 3000 do
        local t = { i, { i } }
        if i % 500 == 0 then kept[(round * 6 + i / 500) % 200 + 1] = t end
        bytes = bytes + 150
      end
      local size = 64 * 2 ^ (round % 20)
      if size > input.most / 2 then size = input.most / 2 end
      for i = 1, 20 do bytes = bytes + 2 * #(("l"):rep(size) .. round .. i) end
    end
    return nil, bytes]],
}

local KINDS = {
  { slice = 99991 }, { fresh = true }, { base = 0x310000000000 }, { memory_bytes = 128 * MB }, { jail = boxes.jailer },
}

local function run(options, body, cap, input)
  local box = assert(boxes.open(options))
  local program = assert(boxes.program(box, body))
  local out = assert(boxes.run(box, program, { input = input, memory_bytes = cap, fuel_max = 4e9 }))
  local digest = boxes.digest(out)
  program:close()
  box:close()
  return out, digest
end

describe("garbage", function()
  for name, body in pairs(CHAINS) do
    for _, cap in ipairs { 1 * MB, 8 * MB } do
      it(("of a hundred times %d MB ends well: %s"):format(cap / MB, name), function()
        local most = math.min(5e6, cap / 8)
        local input = ('{"total":%d,"most":%d}'):format(100 * cap, most)
        local out = run({}, body, cap, input)
        assert.equal("done", out.kind, out.where)
        print(("garbage: %d MB under %d MB, %d units: %s"):format(tonumber(out.output) / MB, cap / MB, out.fuel, name))
        assert.truthy(tonumber(out.output) >= 100 * cap * 0.9, out.output)
      end)
    end
    it("comes to the same fuel in every kind of sandbox: " .. name, function()
      local input = ('{"total":%d,"most":%d}'):format(30 * MB, MB / 8)
      local _, expected = run({}, body, MB, input)
      for _, options in ipairs(KINDS) do assert.equal(expected, select(2, run(options, body, MB, input))) end
    end)
  end

  it("of large strings ends well under the default", function()
    local out = run({}, CHAINS["strings that grow, size after size"], 64 * MB, ('{"total":%d,"most":5000000}'):format(1000 * MB))
    assert.equal("done", out.kind, out.where)
  end)

  it("among what lives close to the bound ends at the same unit every time", function()
    local BODY = [[
      local kept, i = {}, 0
      while true do
        i = i + 1
        kept[i % 7 == 0 and i or 1] = ("k"):rep(i % 300 * 10) .. i
        local _ = { ("g"):rep(i % 1000 * 20) .. i }
      end]]
    for _, cap in ipairs { 1 * MB, 6 * MB } do
      local out, expected = run({}, BODY, cap)
      assert.equal("memory", out.kind)
      print(("garbage: %d MB of living ones met after %d units"):format(cap / MB, out.fuel))
      for _, options in ipairs(KINDS) do assert.equal(expected, select(2, run(options, BODY, cap))) end
    end
  end)
end)
