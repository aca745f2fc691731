-- large: what elg check finds does not depend on how much there is of it, and its work grows
-- as the text does. Work is counted in instructions of the interpreter, not timed.
local large = require "large"
local lint = require "elg.lint"
local program = require "program"

local BYTES = 12000
local EVERY = 100 -- instructions
local FINDINGS_MAX = 1000

local function check(text)
  return (lint.check("graph.lua", function(path) return path == "graph.lua" and text or nil end))
end

-- The instructions that a check of the text takes, in hundreds, and what it finds.
local function counted(text)
  local count, compiles = 0, jit.status()
  jit.off()
  jit.flush()
  collectgarbage()
  debug.sethook(function() count = count + 1 end, "", EVERY)
  local found = check(text)
  debug.sethook()
  if compiles then jit.on() end
  return count, found
end

local function codes_of(findings)
  local set, codes = {}, {}
  for _, finding in ipairs(findings) do set[finding.code] = true end
  if #findings > FINDINGS_MAX then set.CHECK_LIMIT = nil end
  for code in pairs(set) do codes[#codes + 1] = code end
  table.sort(codes)
  return table.concat(codes, " ")
end

local names = {}
for name in pairs(large.shapes) do names[#names + 1] = name end
table.sort(names)

describe("lint of large files", function()
  local worst, worst_name, seconds = 0, nil, 0
  teardown(function()
    print(("\nlint: %d shapes of %d KB and twice as much: at most %.2f times the work (%s), %.1f s")
      :format(#names, BYTES / 1000, worst, worst_name, seconds))
  end)

  for _, name in ipairs(names) do
    it("takes work in proportion, and finds the same: " .. name, function()
      local shape, began = large.shapes[name], os.clock()
      local n = 120 * math.ceil(BYTES / #shape(120))
      local few = codes_of(check(shape(4)))
      local one, found_one = counted(shape(n))
      local two, found_two = counted(shape(2 * n))
      assert.equal(few, codes_of(found_one))
      assert.equal(few, codes_of(found_two))
      local grown = two / one * 2 * #shape(n) / #shape(2 * n)
      if grown > worst then worst, worst_name = grown, name end
      seconds = seconds + os.clock() - began
      assert.is_true(grown <= 2.2, ("%.2f times the work"):format(grown))
    end)
  end

  it("says which rule did not look at all of a file", function()
    local text = large.entangled(4000)
    local found = check(text)
    assert.equal("CHECK_LIMIT", codes_of(found))
    assert.truthy(found[1].text:find("HOLES: only a part", 1, true), found[1].text)
    assert.same({}, check(large.entangled(100)))
    assert.same({}, check(text:gsub("\n", " -- elg: ignore CHECK_LIMIT\n", 1)))
  end)

  it("says once that what functions change could not be told, and checks each file", function()
    local texts = { ["large.lua"] = large.guarded(2000),
      ["other.lua"] = "local kept, M = {}, {}\nfunction M.set(x) kept.x = x end return M",
      ["graph.lua"] = [[local elg, other, large = require "elg", require "other", require "large"
        local list = {}
        local function run(state) list.x = 1 other.set(state) end
        return elg.graph { id = "x", version = "1", entry = "a", nodes = { a = run }, edges = {} }]] }
    local where = {}
    for i, finding in ipairs((lint.check("graph.lua", function(path) return texts[path] end))) do
      where[i] = finding.code .. " " .. finding.where
    end
    assert.same({ "CHECK_LIMIT graph.lua:1", "OUTER_CHANGE graph.lua:3", "OUTER_CHANGE other.lua:2" }, where)
  end)

  it("is told of by the commands, in a result or an error that says where", function()
    local p, codes = program.create(), {}
    for _, name in ipairs { "calling", "closures", "edges", "iterators", "methods", "removed", "sum",
      "tables", "unread" } do
      local shape = large.shapes[name]
      p:write("graph.lua", shape(math.floor(900 * 2000 * 1000 / #shape(2000))))
      for _, command in ipairs { "graph", "run --store memory:" } do
        local code, out, err = p:run(command .. " graph.lua")
        codes[code] = (codes[code] or 0) + 1
        assert.truthy(code == 0 or (code == 1 and out:find("failed", 1, true))
          or (code == 3 and err:find("graph%.lua:%d+")), name .. " " .. code .. ": " .. out .. err)
      end
    end
    print(("\nlint: sources of 900 KB: %d results, %d runs that failed, %d errors")
      :format(codes[0], codes[1], codes[3]))
    p:destroy()
  end)

  it("says that there are more findings than it names", function()
    local found = check(large.shapes.outer(2000))
    assert.equal(1001, #found)
    assert.equal("CHECK_LIMIT", found[1].code)
    assert.truthy(found[1].text:find("more than 1000", 1, true), found[1].text)
  end)

  it("says which file it leaves out, of more text than it looks at", function()
    local head, texts = {}, {}
    for i = 1, 10 do
      head[i] = ("require 'm%d'"):format(i)
      texts["m" .. i .. ".lua"] = "local t = {} return t" .. (" "):rep(2 ^ 20 - 100)
    end
    texts["graph.lua"] = table.concat(head, "\n")
    local found = lint.check("graph.lua", function(path) return texts[path] end)
    assert.equal("CHECK_LIMIT", codes_of(found))
    assert.same({ "m10.lua:1", "m9.lua:1" }, { found[1].where, found[2].where })
  end)
end)
