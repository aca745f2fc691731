-- A database file with damaged pages: whatever is read of it, the answer is an exit code that
-- says so and a message that names the file, never a crash, a hang, or words about JSON.
local ledger = require "ledger"
local outside = require "outside"

local TORTURE = os.getenv("ELG_TORTURE") ~= nil
local CASES = tonumber(os.getenv("ELG_DAMAGE_CASES") or "") or (TORTURE and 500 or 64)
local SEED = tonumber(os.getenv("ELG_DAMAGE_SEED") or "") or os.time() % 1000000
local PAGE = 4096
local FAULTS_SHOWN = tonumber(os.getenv("ELG_DAMAGE_SHOWN") or "") or 5

-- What is done of a damaged copy; of the short form only some of it for each damage.
local COMMANDS = {
  { "show", "varied" }, { "show", "varied", "--step", "2", "--json" }, { "list" },
  { "list", "--status", "failed", "--json" }, { "resume", "parked" }, { "resume" },
  { "replay", "varied", "--verify" }, { "replay", "varied", "--to", "3" },
  { "replay", "parked" }, { "abort", "parked" }, { "abort", "varied" },
  { "gc", "--older-than", "0s" }, { "gc", "--older-than", "0s", "--dry-run" },
  { "watch", "varied" }, { "run", "one.lua" }, { "run", "one.lua", "--trace", "kept", "--quiet" },
  { "retry", "failed" }, { "signal", "parked", "go", "1" }, { "submit", "one.lua" },
  { "show", "failed" }, { "show", "parked", "--json" },
}
local AT_ONCE = TORTURE and #COMMANDS or 3

-- Damages of a file's text: each gives the new text.
local function patch(text, at, bytes)
  return text:sub(1, at) .. bytes .. text:sub(at + #bytes + 1)
end

local function random_bytes(random, count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(random(256)) end
  return table.concat(bytes)
end

local DAMAGES = {
  zero = function(text, page) return patch(text, page * PAGE, ("\0"):rep(PAGE)) end,
  noise = function(text, page, random)
    return patch(text, page * PAGE, random_bytes(random, PAGE))
  end,
  header = function(text, page, random)
    return patch(text, page * PAGE + random(12), random_bytes(random, 1 + random(4)))
  end,
  cells = function(text, page, random)
    return patch(text, page * PAGE + 8 + 2 * random(20), random_bytes(random, 2))
  end,
  bytes = function(text, page, random)
    for _ = 1, 1 + random(20) do
      text = patch(text, page * PAGE + random(PAGE), random_bytes(random, 1))
    end
    return text
  end,
  run = function(text, page, random)
    return patch(text, page * PAGE + random(PAGE - 80), random_bytes(random, 80))
  end,
  other = function(text, page, random)
    local from = random(#text / PAGE) * PAGE
    return patch(text, page * PAGE, text:sub(from + 1, from + PAGE))
  end,
  cut = function(text, page) return text:sub(1, page * PAGE + 100) end,
}
local NAMES = { "zero", "noise", "header", "cells", "bytes", "run", "other", "cut" }

local FINE = { [0] = true, [1] = true, [4] = true, [5] = true, [7] = true }

describe("a damaged database", function()
  local place, server, base, random, codes, faults

  setup(function()
    place = outside.place("damage")
    server = ledger.start {}
    random = require("generate").generator(SEED)
    codes, faults = {}, {}
    local url = ('{"url":"%s","last":3}'):format(server.url)
    place:write("one.lua", outside.one_node("return nil, { n = 1 }"))
    place:write("failed.lua", outside.one_node("state.pad = ('p'):rep(9000) error('no') "))
    place:write("parked.lua", outside.one_node(
      "local v = ctx.wait('never', 40) state.pad = ('p'):rep(9000) return nil, { v = v }"))
    local done = place:elg { "run", outside.root .. "/spec/graphs/varied.lua", "--trace", "varied",
      "--seed", "1", "--input", url }
    assert(done.code == 0, done.err .. done.out)
    assert(place:elg({ "run", "failed.lua", "--trace", "failed", "--quiet" }).code == 1)
    assert(place:elg({ "submit", "parked.lua", "--trace", "parked" }).code == 0)
    assert(place:elg({ "signal", "parked", "kept", '{"a":1}' }).code == 0)
    assert(place:elg({ "run", "one.lua", "--trace", "kept", "--quiet" }).code == 0)
    for _ = 1, 20 do assert(place:elg({ "run", "one.lua", "--quiet" }).code == 0) end
    place:sql("PRAGMA wal_checkpoint(TRUNCATE)")
    base = outside.read(place:file("elg.db"))
    os.execute(("cd '%s' && rm -rf base && cp -r elg.db-artifacts base"):format(place.path))
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  local function put(text)
    os.execute(("cd '%s' && rm -rf elg.db-wal elg.db-shm elg.db-artifacts && cp -r base elg.db-artifacts")
      :format(place.path))
    place:write("elg.db", text)
  end

  -- What is wrong with an end; nil: nothing.
  local function wrong(done)
    if not done.code then return "signal " .. done.signal end
    if not FINE[done.code] then return "exit code " .. done.code end
    if done.err:find("stack traceback", 1, true) then return "an error of Lua" end
    if done.code == 4 and not done.err:find("elg.db", 1, true) then return "the file is not named" end
  end

  -- One command on a copy with that damage.
  local function try(text, argv, what)
    put(text)
    local done = place:elg(argv)
    codes[done.code or "signal"] = (codes[done.code or "signal"] or 0) + 1
    local fault = wrong(done)
    if fault then
      faults[#faults + 1] = ("%s: elg %s: %s\n%s%s"):format(what, table.concat(argv, " "), fault,
        done.out:sub(1, 300), done.err)
    end
  end

  it("is told by exit code and file, whatever reads it", function()
    for i = 1, CASES do
      local name = NAMES[(i - 1) % #NAMES + 1]
      local page = random(#base / PAGE)
      local text = DAMAGES[name](base, page, random)
      for k = 1, AT_ONCE do
        local argv = COMMANDS[(i * AT_ONCE + k - 1) % #COMMANDS + 1]
        try(text, argv, ("case %d: %s of page %d"):format(i, name, page + 1))
      end
    end
    print(("\ndamage: ELG_DAMAGE_SEED=%d, %d cases of %d pages: %d exits of 0, %d of 1, %d of 4, %d of 5")
      :format(SEED, CASES, #base / PAGE, codes[0] or 0, codes[1] or 0, codes[4] or 0, codes[5] or 0))
    assert.equal(0, #faults, table.concat(faults, "\n", 1, math.min(#faults, FAULTS_SHOWN)))
  end)

  -- A value that the database gives without complaint is told by column and row.
  it("is told by column and row where a payload is no JSON any more", function()
    local cases = {
      { "UPDATE cmo_steps SET state = x'7b22610a' WHERE step_index = 2", "cmo_steps.state, row varied step 2" },
      { "UPDATE cmo_steps SET output = x'' WHERE step_index = 1", "cmo_steps.output, row varied step 1" },
      { "UPDATE cmo_activities SET response_data = x'7b7d7d' WHERE step_index = 0 AND seq = 0",
        "cmo_activities.response_data, row varied step 0 attempt 1 seq 0" },
      { "UPDATE cmo_inputs SET input = x'ff' WHERE trace_id = 'varied'", "cmo_inputs.input, row varied" },
      { "UPDATE cmo_steps SET node_id = CAST(x'ff61' AS TEXT) WHERE step_index = 3",
        "cmo_steps.node_id, row varied step 3" },
    }
    for _, case in ipairs(cases) do
      for _, argv in ipairs { { "show", "varied" }, { "show", "varied", "--json" }, { "watch", "varied" } } do
        put(base)
        place:sql(case[1])
        local done = place:elg(argv)
        local what = table.concat(argv, " ") .. " after " .. case[1] .. ": " .. done.err
        assert.equal(4, done.code, what)
        for _, words in ipairs { "elg.db", case[2], "restore it from a copy" } do
          assert.truthy(done.err:find(words, 1, true), what)
        end
      end
    end
  end)

  it("is told with its place named once when a run is taken up", function()
    local cases = {
      { "UPDATE cmo_inputs SET limits = x'7b' WHERE trace_id = 'parked'", "cmo_inputs.limits: not JSON" },
      { "UPDATE cmo_inputs SET limits = x'7b7d' WHERE trace_id = 'parked'",
        "cmo_inputs.limits: a limit is missing or unusable" },
      { "UPDATE cmo_inputs SET input = x'40' WHERE trace_id = 'parked'",
        "cmo_inputs.input, row parked: neither JSON nor @sha256:" },
    }
    for _, case in ipairs(cases) do
      put(base)
      place:sql(case[1])
      local done = place:elg { "resume", "parked" }
      assert.equal(4, done.code, done.err)
      assert.truthy(done.err:find(case[2], 1, true), done.err)
      assert.equal(1, select(2, done.err:gsub("cmo_[%w_.]+", "")), done.err)
    end
  end)

  -- The root page of a table whose pages are read by nothing but its writing.
  local function root_of(name)
    put(base)
    return tonumber(place:sql(("SELECT rootpage FROM sqlite_master WHERE name = '%s'"):format(name))[1].rootpage)
  end

  it("is told as the reason why a run of many is not recorded, and the others are reported too", function()
    local text = DAMAGES.noise(base, root_of("cmo_steps") - 1, random)
    for _, quiet in ipairs { "--quiet", "--json" } do
      put(text)
      local done = place:elg({ "run", "one.lua", "--concurrency", "2", "--input", "-", quiet },
        { stdin = "{}\n{}\n{}\n" })
      assert.equal(4, done.code, done.err)
      assert.is_nil(done.err:find("no such run", 1, true), done.err)
      local count = select(2, done.err:gsub("elg.db: writing: database disk image is malformed", ""))
      assert.equal(3, count, done.err)
    end
  end)
end)
