-- Attempts that something else than their own code ended (an abort, the run's time, a
-- quarantine): wherever they stood, the journal that is left verifies, and can be retried (I1, I17).
local ledger = require "ledger"
local outside = require "outside"
local process = require "process_c"

local ABORTS = tonumber(os.getenv("ELG_ABORTS")) or 8

describe("an attempt that is closed from outside", function()
  local place, server

  setup(function()
    place = outside.place("closed")
    server = ledger.start { log = place:file("ledger.log") }
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  local function count(sql)
    local ok, rows = pcall(process.sql, place:file("elg.db"), "SELECT count(*) AS n FROM " .. sql)
    return ok and tonumber(rows[1].n) or 0
  end

  local function verified(trace)
    local done = place:json { "replay", trace, "--verify" }
    assert.equal(0, done.code, done.out .. done.err)
  end

  local function start(trace, body, ...)
    place:write(trace .. ".lua", outside.one_node(body))
    return place:start_elg { "run", trace .. ".lua", "--trace", trace, "--input",
      ('{"url":"%s"}'):format(server.url), ... }
  end

  -- Killed while the first call of a ctx.all is under way and the second is recorded.
  local function gap(trace, ...)
    local owner = start(trace, [[
      local all = ctx.all { { "http", { url = state.input.url .. "/slow?ms=600" } },
        { "artifact.write", "x" } }
      return nil, { status = all[1].value.status } ]], ...)
    assert.truthy(outside.eventually(function()
      return count(("cmo_activities WHERE trace_id = '%s'"):format(trace)) == 1
    end))
    assert.equal(9, owner:stop().signal)
  end

  local function retried(trace)
    local done = place:elg { "retry", trace }
    assert.equal(0, done.code, done.err)
    done = place:json { "resume", trace }
    assert.same({ 0, 200 }, { done.code, done.doc.output and done.doc.output.status }, done.out .. done.err)
    verified(trace)
  end

  it("by an abort, with a gap among its calls", function()
    gap "aborted"
    assert.equal(0, place:elg({ "abort", "aborted" }).code)
    verified "aborted"
  end)

  it("by the run's time, with a gap among its calls", function()
    gap("late", "--run-timeout-ms", "1500")
    process.sleep_us(1500000)
    assert.equal(7, place:elg({ "resume", "late" }).code)
    verified "late"
    local journal = place:json({ "show", "late" }).doc.journal
    assert.equal("timeout", journal[1].status)
    assert.is_true(journal[1].duration_ms < 60000, tostring(journal[1].duration_ms))
    retried "late"
  end)

  it("by a quarantine, with a gap among its calls", function()
    gap "quarantined"
    process.sql(place:file("elg.db"), "UPDATE cmo_runs SET claims = 10 WHERE trace_id = 'quarantined'")
    assert.equal(1, place:elg({ "resume", "quarantined" }).code)
    verified "quarantined"
    retried "quarantined"
  end)

  it("by an abort between a call's record and its answer, or anywhere", function()
    local many = { 'for k = 1, 900 do ctx.artifact.write("x" .. k) end',
      'for k = 1, 900 do ctx.all { { "artifact.write", "y" .. k }, { "artifact.write", "z" .. k } } end',
      'for k = 1, 900 do ctx.now() ctx.uuid() for i = 1, 2000 do k = k + 0 end end ctx.sleep(60000)' }
    local cut, stops = 0, {}
    for i = 1, ABORTS do
      local trace = "cut" .. i
      local owner = start(trace, many[1 + i % #many], unpack(i % 2 == 0 and { "--durability", "sync" } or {}))
      assert.truthy(outside.eventually(function() return place:elg({ "show", trace }).code == 0 end))
      process.sleep_us((i * 37 % 120) * 1000)
      place:elg { "abort", trace }
      cut = cut + (owner:wait().code == 7 and 1 or 0)
      verified(trace)
      local rows = process.sql(place:file("elg.db"),
        ("SELECT CAST(stop AS TEXT) AS s FROM cmo_steps WHERE trace_id = '%s'"):format(trace))
      local kind = rows[1] and rows[1].s and rows[1].s:match '"kind":"(%a+)"' or "none"
      stops[kind] = (stops[kind] or 0) + 1
    end
    local kinds = {}
    for kind, n in pairs(stops) do kinds[#kinds + 1] = n .. " " .. kind end
    table.sort(kinds)
    print(("    %d aborted of %d, stopped in: %s"):format(cut, ABORTS, table.concat(kinds, ", ")))
    assert.is_true(cut > 0)
  end)

  it("while it was executed once more, before it had asked for what is recorded", function()
    local owner = start("again", [[
      ctx.artifact.write("one")
      local n = 0
      for i = 1, 5000000 do n = n + i end
      ctx.artifact.write("two")
      ctx.sleep(60000) ]])
    assert.truthy(outside.eventually(function() return count("cmo_activities WHERE trace_id = 'again'") == 3 end))
    owner:stop()
    local second = place:start_elg { "resume", "again" }
    assert.truthy(outside.eventually(function() return place:elg({ "abort", "again" }).code == 0 end))
    second:wait()
    verified "again"
  end)

  it("waits, and is told to wait, when only what is parked is left of a ctx.all", function()
    place:write("parked.lua", outside.one_node([[
      local all = ctx.all { { "wait", "go" }, { "http", { url = state.input.url .. "/orders" } } }
      return nil, { go = all[1].value, status = all[2].value.status } ]]))
    local done = place:json { "run", "parked.lua", "--trace", "parked", "--input",
      ('{"url":"%s"}'):format(server.url) }
    assert.same({ 0, "waiting" }, { done.code, done.doc.status }, done.err)
    assert.equal(0, place:elg({ "signal", "parked", "go", "7" }).code)
    done = place:json { "resume", "parked" }
    assert.same({ go = 7, status = 200 }, done.doc.output)
    verified "parked"
  end)
end)
