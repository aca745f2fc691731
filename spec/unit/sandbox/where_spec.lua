-- where: the author's line at which a job is ended or paused from outside.
local boxes = require "boxes"

-- The outcome of a body and where it is; each body is the third line and those after it.
local function ended(body, job, options)
  local box = assert(boxes.open(options))
  local program = assert(boxes.program(box, "\n" .. body .. "\nreturn 'ok'"))
  local out = assert(boxes.run(box, program, job))
  local where = box:where()
  program:close()
  box:close()
  return out, where
end

local LOOPS = {
  { "while true do end", 3 },
  { "local s = 0\nfor i = 1, 1e9 do\ns = s + i\nend", { 4, 5 } },
  { "local function f()\nwhile true do end end\npcall(f)", 4 },
  { "coroutine.wrap(function()\ncoroutine.wrap(function()\nwhile true do end end)() end)()", 5 },
  { "local co = coroutine.wrap(function()\ncoroutine.yield(1)\nend)\nco()\nco()\nwhile true do end", 8 },
  { "pcall(coroutine.wrap(function()\nerror('e') end))\nwhile true do end", 5 },
  { "local t = {}\nfor i = 1, 1000 do t[i] = i % 7 end\ntable.sort(t, function(a, b)\n" ..
    "while true do end end)", 6 },
  { "('x'):gsub('.', function()\nwhile true do end end)", 4 },
  { "local s = ('a'):rep(1e4)\ns:find(('a*'):rep(20) .. 'b')", 4 },
  { "local m = setmetatable({}, { __index = function()\nwhile true do end end })\nlocal x = m.x", 4 },
}

local EATERS = {
  { "local t = {}\nfor i = 1, 1e9 do\nt[i] = { i }\nend", 5 },
  { "local s = 'x'\nwhile true do\ns = s .. s\nend", 5 },
  { "local s = 'x'\n\n\nfor i = 1, 60 do s = s:rep(2) end", 6 },
  { "local t = {}\ncoroutine.wrap(function()\nwhile true do\nt[#t + 1] = coroutine.create(next) end end)()", 6 },
  { "local t = {}\nwhile true do\nt[#t + 1] = function() return t end end", 5 },
  { "local function f(n)\nreturn (f(n + 1, n, n, n)) end\nf(1)", 4, error = true },
  { "\nelg = { (' '):rep(3e6):byte(1, 7000) } local t = {} while true do t[#t + 1] = { unpack(elg) } end", 4 },
}

local function line_fits(where, wanted)
  for _, line in ipairs(type(wanted) == "table" and wanted or { wanted }) do
    if where == "graph.lua:" .. line then return true end
  end
  return false
end

describe("where", function()
  for i, case in ipairs(LOOPS) do
    it("names the line at which the fuel ended: " .. i, function()
      local out, where = ended(case[1], { fuel_max = 50000 })
      assert.equal("fuel", out.kind)
      assert.truthy(line_fits(out.where, case[2]), out.where)
      assert.equal(out.where, where)
      assert.equal(out.where, ended(case[1], { fuel_max = 50000 }, { slice = 77, fresh = true }).where)
    end)
  end

  for i, case in ipairs(EATERS) do
    it("names the line at which the memory ended: " .. i, function()
      local out, where = ended(case[1], { memory_bytes = 4 * 2 ^ 20 })
      assert.equal(case.error and "error" or "memory", out.kind, out.message)
      assert.truthy(line_fits(out.where, case[2]), out.where)
      if not case.error then assert.equal(out.where, where) end
      assert.equal(out.where, ended(case[1], { memory_bytes = 4 * 2 ^ 20 }, { slice = 777 }).where)
    end)
  end

  it("names the line of a slice's end, in every frame, and when it is asked alone", function()
    local box = assert(boxes.open { slice = 1 })
    local program = assert(boxes.program(box, "\nlocal s = 0\nlocal co = coroutine.wrap(function()\n" ..
      "for i = 1, 20 do\ns = s + i\nend\nend)\nco()\nreturn 'ok', s"))
    local seen = {}
    local out = assert(boxes.run(box, program, {}, nil, function() seen[box:where()] = true end))
    assert.equal("210", out.output)
    for line = 3, 10 do
      assert.equal(line ~= 7 or nil, seen["graph.lua:" .. line], "line " .. line)
    end
    program:close()
    box:close()
  end)

  it("is the same after a job was set aside and put back", function()
    local box = assert(boxes.open { slice = 5000 })
    local program = assert(boxes.program(box, "coroutine.wrap(function()\nwhile true do end end)()"))
    assert(box:begin(program, { node = "n" }))
    assert.equal("slice", box:resume().kind)
    local parked = assert(box:park())
    assert.equal("done", boxes.run(box, assert(boxes.program(box, "return 'ok'"))).kind)
    assert(box:unpark(parked))
    assert.equal("graph.lua:3", box:where())
    assert.equal("slice", box:resume().kind)
    assert.equal("graph.lua:3", box:where())
    box:discard()
    program:close()
    box:close()
  end)

  it("is nothing where no author's code is", function()
    local box = assert(boxes.open())
    assert.equal("", box:where())
    local program = assert(boxes.program(box, "return 'ok'"))
    local state = '{"a":[' .. ("[[]],"):rep(90000) .. "1]}"
    local out = assert(boxes.run(box, program, { state = state, memory_bytes = 1 * 2 ^ 20 }))
    assert.equal("memory", out.kind)
    assert.equal("", out.where)
    program:close()
    box:close()
  end)
end)
