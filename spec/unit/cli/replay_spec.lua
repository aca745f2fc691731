-- replay: a divergence is loud in every mode of elg replay (I10), and so is a step that is
-- not there.
local core = require "elg.core"
local program = require "program"

local COUNT = [[
local elg = require "elg"
return elg.graph {
  id = "count", version = "1", entry = "work",
  initial = { n = 0 },
  nodes = { work = function(state, input)
    state.n = state.n + 1
    return state.n < 3 and "again" or nil, { n = state.n }
  end },
  edges = { { from = "work", key = "again", to = "work" } },
}
]]

local MODES = { "", " --to 2", " --verify", " --verify --to 2" }

describe("elg replay", function()
  local p

  before_each(function()
    p = program.create { ["count.lua"] = COUNT,
      ["other.lua"] = (COUNT:gsub("n = state.n }", "n = state.n, m = state.n == 2 }")) }
    assert.equal(0, (p:run "run count.lua --trace r --quiet"))
  end)
  after_each(function() p:destroy() end)

  -- Code 5, the divergence for people and in the document, whatever the mode.
  local function is_loud(arguments, step)
    local code, out, err = p:run(arguments)
    assert.same({ 5, "" }, { code, err }, arguments)
    assert.equal(("diverged at step %d (work): "):format(step), out:match("^.-: "), arguments)
    assert.truthy(out:find("\n  recorded .+\n  now      .+\n  at work\n$"), out)
    assert.equal(out:gsub("\n(.)", "\n  %1"), (select(3, p:run(arguments .. " --quiet")):gsub("^elg: ", "")))
    local document
    code, document = p:json(arguments)
    assert.same({ 5, false, step }, { code, document.verified, document.divergence.step }, arguments)
  end

  it("shows where other code parts from the journal", function()
    for _, mode in ipairs(MODES) do is_loud("replay r --graph other.lua" .. mode, 0) end
  end)

  it("shows where the journal was tampered with", function()
    p:sh [[sqlite3 elg.db "UPDATE cmo_steps SET output = CAST('{\"n\":7}' AS BLOB) WHERE step_index = 1"]]
    for _, mode in ipairs(MODES) do is_loud("replay r" .. mode, 1) end
    assert.equal(0, (p:run "replay r --to 0"))
  end)

  it("says so of a step that the run has not", function()
    for _, arguments in ipairs { "replay r --to 3", "replay r --to 99 --verify", "show r --step 3",
      "show r --step 99" } do
      for _, json in ipairs { "", " --json" } do
        assert.same({ 2, "", ("elg: r: has no step %s; its last is step 2\n"):format(
          arguments:match("%d+")) }, { p:run(arguments .. json) })
      end
    end
  end)

  it("goes up to a step that failed, and to none of a run without steps", function()
    p:write("fail.lua", (COUNT:gsub("return state", "if state.n == 2 then error 'no' end return state")))
    p:run "run fail.lua --trace f --quiet"
    local code, result = p:json "replay f --to 1"
    assert.same({ 0, "failed", 1 }, { code, result.status, result.steps })
    assert.equal(0, (p:run "show f --step 1"))
    local _, _, err = p:run "replay f --to 2"
    assert.equal("elg: f: has no step 2; its last is step 1\n", err)
    p:write("never.lua", (COUNT:gsub("{ n = 0 }", "function() error 'no' end")))
    p:run "run never.lua --trace n --quiet"
    assert.same({ 2, "", "elg: n: has no step 0; it has no steps\n" }, { p:run "show n --step 0" })
    assert.same({ 2, "", "elg: n: has no step 0; it has no steps\n" }, { p:run "replay n --to 0" })
  end)

  it("gives one document that says what was asked", function()
    local _, out = p:run "replay r --to 1 --json"
    assert.equal(2, core.decode(out).state.n)
  end)
end)
