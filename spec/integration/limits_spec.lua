-- limits: those that a run began with hold wherever it goes on: in another process with other
-- settings, in a worker, in a replay, jailed and not.
local ledger = require "ledger"
local outside = require "outside"

-- Holds `mb` MiB at once, after a signal; then fetches, if there is a url.
local HOLD = [[
local elg = require "elg"
local function hold(state, input, ctx)
  ctx.wait("go")
  local kept = {}
  for i = 1, input.mb or 0 do kept[i] = ("x"):rep(2 ^ 20) .. i end
  local res, err = nil, nil
  if input.url then res, err = ctx.http(input.url) end
  return nil, { kept = #kept, got = res and #res.body, failed = err and err.code }
end
return elg.graph { id = "hold", version = "1", entry = "hold", nodes = { hold = hold }, edges = {} }
]]
local FUEL = { "--fuel", "1000000000" }

describe("the limits of a run", function()
  local place, server
  setup(function() server = ledger.start() end)
  teardown(function() server:stop() end)
  before_each(function()
    place = outside.place("limits")
    place:write("hold.lua", HOLD)
  end)
  after_each(function() place:remove() end)

  local function elg(...)
    local argv = {}
    for _, part in ipairs { ... } do
      for _, word in ipairs(type(part) == "table" and part or { part }) do argv[#argv + 1] = word end
    end
    local done = place:json(argv)
    assert.equal(0, done.code, table.concat(argv, " ") .. ": " .. done.err)
    return done.doc
  end

  -- A run that waits, with the signal that it waits for.
  local function begin(trace, input, ...)
    elg("submit", "hold.lua", "--trace", trace, "--input", input, FUEL, ...)
    elg("signal", trace, "go")
  end

  for _, jail in ipairs { {}, { "--jail" } } do
    it("give it its memory everywhere" .. (jail[1] and ", in a jail" or ""), function()
      local input = '{"mb":90}'
      begin("resumed", input, "--memory", "200M", jail)
      assert.equal(90, elg("resume", "resumed").output.kept)
      begin("attached", input, "--memory", "200M", jail)
      assert.equal(90, elg("run", "hold.lua", "--trace", "attached", "--input", input).output.kept)
      for _, more in ipairs { {}, { "--jail" }, { "--fresh-states" }, { "--graph", "hold.lua" } } do
        assert.is_true(elg("replay", "resumed", "--verify", more).verified)
      end
      begin("worked", input, "--memory", "200M", jail)
      begin("small", input, "--memory", "32M", jail)
      local worker = place:start_elg({ "worker" }, { env = { ELG_MEMORY = "80M" } })
      assert.is_true(outside.eventually(function()
        return elg("show", "worked").status == "completed" and elg("show", "small").status == "failed"
      end), select(2, worker:output()))
      worker:kill(15)
      assert.equal(0, worker:wait().code)
      assert.equal("MEMORY", elg("show", "small").error.code)
    end)
  end

  it("bound the bodies that it fetches, whoever fetches them", function()
    local input = ('{"url":"%s/big?bytes=1000"}'):format(server.url)
    begin("more", input, "--max-body", "2000")
    assert.equal(1000, place:json({ "resume", "more" }, { env = { ELG_MAX_BODY = "500" } }).doc.output.got)
    begin("less", input, "--max-body", "500")
    assert.equal("BODY_TOO_LARGE", elg("resume", "less", "--max-body", "2000").output.failed)
    begin("least", input, "--max-body", "500")
    local done = elg("run", "hold.lua", "--trace", "least", "--input", input)
    assert.equal("BODY_TOO_LARGE", done.output.failed)
  end)
end)
