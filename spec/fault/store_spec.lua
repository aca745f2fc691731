-- Stores that do not work: read-only, full, damaged, in other hands. Each a clear error and
-- exit code 4, and what was recorded is still there afterwards (I4, I16).
local outside = require "outside"

local SLOW = "ctx.sleep(20000) return nil"
local STEPS = [[
local elg = require "elg"
local function work(state, _, ctx)
  state.n = state.n + 1
  state.text = ("x"):rep(2000) .. state.n
  if state.n % 10 == 0 then ctx.now() end
  return state.n < state.max and "again" or nil, { n = state.n }
end
return elg.graph { id = "steps", version = "1", entry = "work",
  initial = function(input) return { n = 0, max = input.max } end,
  nodes = { work = work }, edges = { { from = "work", key = "again", to = "work" } } }
]]
local NOBODY = 65534

describe("a store", function()
  local place

  before_each(function()
    place = outside.place("store")
    place:write("ok.lua", outside.one_node("return nil, { n = 1 }"))
    place:write("slow.lua", outside.one_node(SLOW))
    place:write("steps.lua", STEPS)
  end)
  after_each(function() place:remove() end)

  local function fails(done, ...)
    assert.equal(4, done.code, done.out .. done.err)
    for _, words in ipairs { ... } do assert.truthy(done.err:find(words, 1, true), done.err) end
  end

  it("in a folder that is read-only is refused by name", function()
    os.execute("chmod 755 " .. place.path .. "; mkdir " .. place:file("ro") .. "; chmod 555 "
      .. place:file("ro"))
    local out = place:file("out")
    os.execute("mkdir -m 777 " .. out)
    local done = place:elg({ "run", "ok.lua", "--store", "sqlite:" .. place:file("ro/elg.db") },
      { uid = NOBODY })
    fails(done, "ro/elg.db: cannot be made in its folder: Permission denied")
  end)

  it("that is itself read-only shows its runs and takes no new ones", function()
    local done = place:json { "run", "ok.lua", "--trace", "kept" }
    assert.equal(0, done.code, done.err)
    os.execute("chmod 755 " .. place.path .. "; chmod 444 " .. place.path .. "/elg.db*; chmod 555 "
      .. place.path)
    done = place:elg({ "run", "ok.lua" }, { uid = NOBODY })
    fails(done, "elg.db")
  end)

  it("in a folder that is missing is refused by name", function()
    fails(place:elg { "run", "ok.lua", "--store", "sqlite:nowhere/elg.db" }, "nowhere/elg.db")
  end)

  it("that is not SQLite, or cut, or scribbled over is CORRUPT, not a crash", function()
    place:write("elg.db", ("this is not a database\n"):rep(1000))
    fails(place:elg { "run", "ok.lua" }, "elg.db: not a store of elg")
    fails(place:elg { "list" }, "elg.db: not a store of elg")
    os.remove(place:file("elg.db"))
    assert.equal(0, place:elg({ "run", "steps.lua", "--input", '{"max":200}' }).code)
    local text = outside.read(place:file("elg.db"))
    for _, at in ipairs { 0, 0.1, 0.3, 0.5, 0.7, 0.9 } do
      local from = math.max(100, math.floor(#text * at))
      place:write("elg.db", text:sub(1, from) .. ("\170"):rep(8192) .. text:sub(from + 8193))
      os.remove(place:file("elg.db-wal"))
      for _, argv in ipairs { { "list", "--json" }, { "resume" }, { "run", "ok.lua" } } do
        local done = place:elg(argv)
        assert.truthy(done.code == 0 or done.code == 4, done.err .. tostring(done.signal))
      end
    end
    place:write("elg.db", text:sub(1, math.floor(#text / 2)))
    local done = place:elg { "list" }
    assert.truthy(done.code == 0 or done.code == 4, done.err)
  end)

  it("from a later version is refused", function()
    assert.equal(0, place:elg({ "run", "ok.lua" }).code)
    place:sql("PRAGMA user_version = 9999")
    fails(place:elg { "run", "ok.lua" }, "elg.db")
  end)

  it("on a full disk fails the command, and what it had reported is there", function()
    local done = place:json({ "run", "steps.lua", "--input", '{"max":2000}', "--trace", "full" },
      { file_bytes = 1024 * 1024 })
    fails(done, "elg.db")
    local before = place:json { "show", "full" }
    assert.equal(0, before.code, before.err)
    assert.is_true(#before.doc.journal > 0 and #before.doc.journal < 2000)
    done = place:json { "resume", "full" }
    assert.equal(0, done.code, done.err)
    assert.equal("completed", done.doc.status)
    assert.equal(2000, done.doc.steps)
    assert.equal(0, place:json({ "replay", "full", "--verify" }).code)
  end)

  it("on a file system that is full fails the command, and goes on when there is room", function()
    local disk = place:file("disk")
    os.execute("mkdir " .. disk)
    if os.execute("mount -t tmpfs -o size=2m none " .. disk .. " 2>/dev/null") ~= 0 then
      return pending("mount is not permitted here")
    end
    local store = "sqlite:" .. disk .. "/elg.db"
    local done = place:json { "run", "steps.lua", "--input", '{"max":3000}', "--trace", "full",
      "--store", store }
    os.execute("mount -o remount,size=64m " .. disk)
    local again = place:json { "resume", "full", "--store", store }
    local verified = place:json { "replay", "full", "--verify", "--store", store }
    os.execute("umount " .. disk)
    fails(done, "elg.db", "full")
    assert.equal(0, again.code, again.err)
    assert.equal(3000, again.doc.steps)
    assert.equal(0, verified.code, verified.out)
  end)

  it("whose run is in the hands of a live process names it, and other runs go on", function()
    local owner = place:start_elg { "run", "slow.lua", "--trace", "held" }
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place, "SELECT 1 FROM cmo_activities")
      return ok and #rows > 0
    end))
    fails(place:elg { "resume", "held" }, "held", tostring(owner.pid))
    local done = place:elg { "run", "slow.lua", "--trace", "held" }
    fails(done, "held")
    assert.equal(0, place:elg({ "resume" }).code)
    assert.equal(0, place:elg({ "run", "ok.lua" }).code)
    assert.equal(0, place:json({ "show", "held" }).code)
    owner:stop()
    local listed = place:json { "list", "--status", "waiting" }
    assert.equal("held", listed.doc.trace_id)
  end)

  -- Another program takes the database for itself until it ends.
  local function hold(seconds)
    assert.equal(0, place:elg({ "run", "ok.lua" }).code)
    local holder = place:start({ "sqlite3", place:file("elg.db") },
      { stdin = ("BEGIN EXCLUSIVE;\n.shell touch held; sleep %d\n"):format(seconds) })
    assert.truthy(outside.eventually(function() return outside.read(place:file("held")) end))
    return holder
  end

  it("that another program holds locked is waited for", function()
    hold(2)
    local done = place:elg { "run", "ok.lua" }
    assert.equal(0, done.code, done.err)
    assert.is_true(done.ms > 500, done.ms)
  end)

  if os.getenv("ELG_TORTURE") then
    it("that another program holds locked for ever is an error that says so", function()
      local holder = hold(60)
      local done = place:elg { "run", "ok.lua" }
      holder:stop()
      fails(done, "elg.db", "locked")
    end)
  end

  it("is asked for by name: an unknown scheme is a usage error", function()
    assert.equal(2, place:elg({ "list", "--store", "mysql://x" }).code)
  end)

  it("with too few descriptors or too little memory fails, and does not crash", function()
    local limits_list = { { files = 4 }, { files = 6 }, { files = 8 }, { files = 10 } }
    -- AddressSanitizer reserves more address space than any limit would leave.
    for _, bytes in ipairs(os.getenv("ASAN_OPTIONS") and {} or { 24e6, 40e6, 80e6, 160e6 }) do
      limits_list[#limits_list + 1] = { memory_bytes = bytes }
    end
    for _, limits in ipairs(limits_list) do
      local done = place:elg({ "run", "ok.lua" }, limits)
      assert.truthy(done.code == 0 or done.code == 4 or done.code == 127 or done.code == 3,
        ("%s %s %s"):format(tostring(done.code), tostring(done.signal), done.err))
    end
  end)
end)
