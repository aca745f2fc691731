-- Payloads over 256 KiB: kept as artifacts under their hash, durable before the rows that name
-- them; runs, journals and verification see no difference.
local outside = require "outside"

local LARGE = 300 * 1024
local GRAPH = [[
local elg = require "elg"
local function first(state, input, ctx)
  state.text = ("state %d "):format(state.n):rep(state.n)
  local stored = ctx.artifact.write(("request "):rep(state.n))
  return "next", { text = ("output "):rep(state.n), size = stored.size }
end
local function second(state, input, ctx)
  ctx.sleep(input and state.sleep_ms or 0)
  return nil, { text = #state.text, output = #input.text, request = input.size, input = #state.input }
end
return elg.graph { id = "large", version = "1", entry = "first",
  initial = function(input)
    return { n = input.n, sleep_ms = input.sleep_ms, input = ("i"):rep(#input.text) }
  end,
  nodes = { first = first, second = second }, edges = { { from = "first", key = "next", to = "second" } } }
]]

describe("a large payload", function()
  local place

  before_each(function()
    place = outside.place("payload")
    place:write("large.lua", GRAPH)
  end)
  after_each(function() place:remove() end)

  local function input(sleep_ms)
    return ('{"n":50000,"sleep_ms":%d,"text":"%s"}'):format(sleep_ms, ("x"):rep(LARGE))
  end

  local function run(trace, sleep_ms)
    place:write("input.json", input(sleep_ms))
    return place:start_elg { "run", "large.lua", "--trace", trace, "--input", "input.json", "--json" }
  end

  local COLUMNS = { "cmo_inputs.input", "cmo_inputs.initial_state", "cmo_steps.state",
    "cmo_steps.output", "cmo_activities.request_data" }

  local function in_rows(column)
    local name, field = column:match("^([%w_]+)%.([%w_]+)$")
    return place:sql(("SELECT CAST(%s AS TEXT) AS value FROM %s WHERE %s IS NOT NULL"):format(
      field, name, field))
  end

  it("is an artifact, and its row holds the hash", function()
    local done = run("one", 0):wait()
    assert.equal(0, done.code, done.err)
    for _, column in ipairs(COLUMNS) do
      local references = 0
      for _, row in ipairs(in_rows(column)) do
        assert.is_true(#row.value <= 256 * 1024, column)
        local hash = row.value:match("^@sha256:(%x+)$")
        if hash then
          references = references + 1
          local text = outside.read(place:file("elg.db-artifacts/" .. hash:sub(1, 2) .. "/" .. hash:sub(3)))
          assert.is_true(text ~= nil and #text > 256 * 1024, column)
        end
      end
      assert.is_true(references > 0, column)
    end
    assert.is_true(#outside.read(place:file("elg.db")) < LARGE)
  end)

  it("shows, verifies and rewinds as any other", function()
    assert.equal(0, run("one", 0):wait().code)
    local shown = place:json { "show", "one" }
    assert.equal(0, shown.code, shown.err)
    assert.equal(("state 50000 "):rep(50000), shown.doc.state.text)
    assert.equal(50000 * #"request ", shown.doc.output.request)
    local verified = place:json { "replay", "one", "--verify" }
    assert.equal(0, verified.code, verified.out)
    assert.equal(0, place:json({ "replay", "one", "--to", "0" }).code)
  end)

  it("is there for who resumes after a kill", function()
    local child = run("two", 1500)
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place, "SELECT 1 FROM cmo_activities WHERE activity_type = 'sleep'")
      return ok and #rows == 1
    end))
    child:stop()
    local undisturbed = run("three", 0):wait()
    assert.equal(0, undisturbed.code, undisturbed.err)
    local done = place:json { "resume", "two" }
    assert.equal(0, done.code, done.err)
    assert.same(outside.documents(undisturbed.out)[1].output, done.doc.output)
    assert.equal(0, place:json({ "replay", "two", "--verify" }).code)
  end)

  it("that is gone or altered is reported with its column and hash", function()
    for _, damage in ipairs { "rm %s", "echo altered > %s" } do
      for _, column in ipairs(COLUMNS) do
        place:remove()
        place = outside.place("payload")
        place:write("large.lua", GRAPH)
        local child = run("two", 60000)
        assert.truthy(outside.eventually(function()
          local ok, rows = pcall(place.sql, place, "SELECT 1 FROM cmo_activities WHERE activity_type = 'sleep'")
          return ok and #rows == 1
        end))
        child:stop()
        local hash
        for _, row in ipairs(in_rows(column)) do hash = hash or row.value:match("^@sha256:(%x+)$") end
        os.execute("chmod -R u+w " .. place.path .. "; " .. damage:format(
          place:file("elg.db-artifacts/" .. hash:sub(1, 2) .. "/" .. hash:sub(3))))
        local verified = place:json { "replay", "two", "--verify" }
        assert.equal(5, verified.code, verified.out .. verified.err)
        assert.truthy(verified.out:find(hash, 1, true), verified.out)
        if column ~= "cmo_activities.request_data" then -- of a finished step: nobody reads it again
          local done = place:elg { "resume", "two" }
          assert.is_true(done.code == 4 or done.code == 5, done.code .. done.out .. done.err)
          assert.truthy((done.out .. done.err):find(hash, 1, true), done.out .. done.err)
        end
      end
    end
  end)

  it("that cannot be stored keeps the record that names it from being committed", function()
    os.execute("mkdir " .. place:file("elg.db-artifacts") .. "; chmod 755 " .. place.path)
    os.execute("chmod -R a+rwX " .. place.path .. "; chmod 555 " .. place:file("elg.db-artifacts"))
    place:write("input.json", input(0))
    local done = place:elg({ "run", "large.lua", "--trace", "no", "--input", "input.json" },
      { uid = 65534 })
    assert.equal(4, done.code, done.out .. done.err)
    assert.truthy(done.err:find("elg.db-artifacts", 1, true), done.err)
    assert.equal(0, #place:sql("SELECT 1 FROM cmo_steps"))
  end)
end)
