-- work: a rule that is stopped for having looked at too much leaves nothing half-known behind: what
-- the rules after it find is what they find in any case.
local index = require "elg.lint.index"
local large = require "large"
local lint = require "elg.lint"

local new_work = index.new_work
local POINTS = 12 -- where each rule of a large shape is stopped

-- Findings as a set, with the work of each rule; rule: the place of one that is stopped past so much.
local function check(texts, described, rule, max)
  local begun, done, last = 0, {}, nil
  index.new_work = function()
    local work = new_work()
    local begin = work.begin
    function work.begin(self, usual)
      if begun > 0 then done[begun] = self.done end
      begun, last = begun + 1, self
      begin(self, begun == rule and max or usual)
    end
    return work
  end
  local found = lint.check("graph.lua", function(path) return texts[path] end, described)
  if last then done[begun] = last.done end
  local set, is_stopped = {}, false
  for _, finding in ipairs(found) do
    if finding.code == "CHECK_LIMIT" then
      is_stopped = true
    else
      set[finding.where .. " " .. finding.code .. " " .. finding.text] = true
    end
  end
  return set, done, is_stopped
end

-- Stops each rule at so many points of its work, or at each; how often.
local function check_stopped(texts, described, points)
  local all, work = check(texts, described)
  local count = 0
  for rule, done in ipairs(work) do
    for max = 0, done - 1, math.max(1, math.ceil(done / points)) do
      local found, _, is_stopped = check(texts, described, rule, max)
      assert.is_true(is_stopped)
      for finding in pairs(found) do
        assert.is_true(all[finding], ("rule %d stopped at %d of %d: %s"):format(rule, max, done, finding))
      end
      count = count + 1
    end
  end
  return count
end

describe("lint of which a rule is stopped", function()
  local count = 0
  after_each(function() index.new_work = new_work end)
  teardown(function() print(("\nlint: rules stopped %d times"):format(count)) end)

  it("takes no edge for unused", function()
    count = count + check_stopped({ ["graph.lua"] = [[
local elg = require "elg"
local function run(state, input, ctx)
  state.x = 1
  if state.a then return "a" end
  if state.b then return "b" end
  return "c"
end
return elg.graph { id = "x", version = "1", entry = "n", nodes = { n = run }, edges = {
  { from = "n", key = "a", to = "n" }, { from = "n", key = "b", to = "n" }, { from = "n", key = "c", to = "n" } } }
]] }, { nodes = { { id = "n", line = 2 } }, edges = { { from = "n", key = "a", to = "n" },
      { from = "n", key = "b", to = "n" }, { from = "n", key = "c", to = "n" } } }, math.huge)
  end)

  it("takes no list for kept that is replaced", function()
    count = count + check_stopped({ ["graph.lua"] = [[
local elg = require "elg"
local function keys(t) local list = {} for k in pairs(t) do list[#list + 1] = k end return list end
local function run(state, input, ctx)
  for k in pairs(input) do state.other[#state.other + 1] = k end
  state.list = keys(input)
  state.other = {}
  state.list = {}
end
return elg.graph { id = "x", version = "1", entry = "n", nodes = { n = run }, edges = {} }
]] }, nil, math.huge)
  end)

  it("takes no global for unknown that a load may make", function()
    count = count + check_stopped({ ["graph.lua"] = [[
local elg = require "elg"
require "m"
local function run(state, input, ctx)
  load(input.text)()
  return nil, { made }
end
return elg.graph { id = "x", version = "1", entry = "n", nodes = { n = run }, edges = {} }
]], ["m.lua"] = "local function get(x) return { x, made_too } end return get" }, nil, math.huge)
  end)

  it("warns of nothing else: large sources of many shapes", function()
    local names = {}
    for name in pairs(large.shapes) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      count = count + check_stopped({ ["graph.lua"] = large.shapes[name](4) }, nil, POINTS)
    end
  end)
end)
