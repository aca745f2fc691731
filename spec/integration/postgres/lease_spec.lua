-- Who executes a run, over processes that are killed, stopped or busy, and over a server that
-- crashes (I4, I8).
local postgres = require "postgres"
local process = require "process_c"
local stores = require "stores"
local create, finish = stores.create, stores.finish

local LEASE_MS = 5000
local SIGKILL, SIGCONT, SIGSTOP = 9, 18, 19

local function now_ms() return process.monotonic_us() / 1000 end

-- A process with a store of its own that creates `trace_id` and says so, then runs `code`.
-- `signal(name)` waits there for a file that go(name) makes here.
local PRELUDE = [[
local checkpoint = require "checkpoint_c"
local postgres = require "postgres_c"
local process = require "process_c"
local stores = require "stores"
io.stdout:setvbuf "no"
local url, folder, trace_id = %q, %q, %q
local function signal(name)
  local until_us = process.monotonic_us() + 60e6
  while not io.open(folder .. "/" .. name) do
    process.sleep_us(5000)
    if process.monotonic_us() > until_us then os.exit(1) end
  end
end
local store = assert(checkpoint.open(url, "worker of " .. trace_id))
assert(store:reserve(trace_id))
assert(store:commit { stores.create(trace_id) }[1] == "ELG_OK")
print(postgres.pid())
]]

local server, url, folder, store

local function worker(trace_id, code)
  local pipe = stores.child(PRELUDE:format(url, folder, trace_id) .. code)
  return { pipe = pipe, pid = assert(tonumber(pipe:read "*l")) }
end
local function go(name)
  io.open(folder .. "/" .. name, "w"):close()
end
-- When the run could be claimed, in milliseconds from `since`.
local function claimed_after(trace_id, since)
  repeat
    local row, err = store:claim(trace_id)
    if row then return now_ms() - since, row end
    assert.equal("ELG_BUSY", err.status)
    process.sleep_us(50000)
  until now_ms() - since > 4 * LEASE_MS
  error(trace_id .. " was never free")
end

describe("checkpoint.postgres among workers", function()
  setup(function() server = postgres.start { "fsync=off" } end)
  teardown(function() postgres.stop(server) end)
  before_each(function()
    folder = stores.folder()
    os.execute("chmod 755 " .. folder)
    url = postgres.schema(server)
    store = assert(stores.connect(url, "this worker"))
  end)
  after_each(function()
    store:close()
    stores.clean()
  end)

  it("names the owner of a run that is held, and of one that is reserved", function()
    local other = worker("t1", [[
      assert(store:reserve "t2")
      print "reserved" signal "end" store:close() print "closed"]])
    other.pipe:read "*l"
    for _, call in ipairs { "claim", "reserve" } do
      local _, err = store[call](store, "t1")
      assert.equal("ELG_BUSY", err.status)
      assert.equal("t1", err.where)
      assert.truthy(err.text:find("worker of t1", 1, true))
    end
    local _, err = store:reserve "t2"
    assert.equal("ELG_BUSY", err.status)
    assert.truthy(err.text:find("worker of t1", 1, true))
    go "end"
    assert.equal("closed", other.pipe:read "*l")
    other.pipe:close()
    assert.equal(2, assert(store:claim "t1").epoch)
    assert.is_true(store:reserve "t2")
  end)

  it("hands a run over when it is released", function()
    local other = worker("t1", [[store:release "t1" print "released" signal "end" store:close()]])
    other.pipe:read "*l"
    assert.equal("t1", assert(store:claim_next()).trace_id)
    go "end"
    other.pipe:close()
  end)

  it("takes over after the lease and not before, and fences who comes back", function()
    local killed = worker("killed", [[signal "never"]])
    local stopped = worker("stopped", [[
      signal "late"
      local results = store:commit { stores.finish("stopped", 0, nil, { stores.step(0, { node_id = "late" }) }),
        stores.create "fresh" }
      print(table.concat(results, " "))
      assert(store:claim "fresh")
      print(store:commit { stores.finish("fresh", 0, { epoch = 2 }) }[1])
      store:close()]])
    local busy = worker("busy", [[
      local until_us = process.monotonic_us() + 7.5e6
      local n = 0
      while process.monotonic_us() < until_us do n = n + 1 end
      print(store:commit { stores.finish("busy", 0) }[1])
      signal "end"
      store:close()]])
    local since = now_ms()
    process.kill(killed.pid, SIGKILL)
    process.kill(stopped.pid, SIGSTOP)

    local after_ms, row = claimed_after("killed", since)
    assert.is_true(after_ms > LEASE_MS - 1500, after_ms)
    assert.equal(2, row.epoch)
    assert.equal(2, select(2, claimed_after("stopped", since)).epoch)

    go "late"
    process.kill(stopped.pid, SIGCONT)
    assert.equal("ELG_FENCED ELG_OK", stopped.pipe:read "*l")
    assert.equal("ELG_OK", stopped.pipe:read "*l")
    stopped.pipe:close()
    assert.equal(0, #store:journal "stopped")
    assert.same({ "ELG_OK" }, store:commit { finish("stopped", 0, { epoch = 2 }) })
    assert.equal("node", store:journal("stopped")[1].node_id)

    while now_ms() - since < LEASE_MS + 2000 do
      assert.equal("ELG_BUSY", select(2, store:claim "busy").status)
      process.sleep_us(200000)
    end
    assert.equal("ELG_OK", busy.pipe:read "*l")
    go "end"
    busy.pipe:close()
    killed.pipe:close()
  end)

  it("gives what a dead worker held to whoever asks next", function()
    local dead = worker("dead", [[signal "never"]])
    process.kill(dead.pid, SIGKILL)
    local since = now_ms()
    local row
    repeat
      process.sleep_us(100000)
      row = store:claim_next()
    until row or now_ms() - since > 3 * LEASE_MS
    assert.same({ "dead", 2 }, { assert(row).trace_id, row.epoch })
    dead.pipe:close()
  end)

  it("gives each free run to one of several that ask at once", function()
    for i = 1, 60 do
      assert(store:reserve("r" .. i))
      store:commit { create("r" .. i) }
      store:release("r" .. i)
    end
    local workers = {}
    for i = 1, 4 do
      workers[i] = worker("w" .. i, [[
        signal "all"
        local row, taken = store:claim_next(), {}
        while row do
          taken[#taken + 1] = row.trace_id
          row = store:claim_next()
        end
        print(table.concat(taken, " "))
        signal "end"]])
    end
    go "all"
    local seen, count = {}, 0
    for _, each in ipairs(workers) do
      for id in each.pipe:read("*l"):gmatch "%S+" do
        assert.is_nil(seen[id], id)
        seen[id], count = true, count + 1
      end
    end
    assert.equal(60, count)
    go "end"
    for _, each in ipairs(workers) do each.pipe:close() end
  end)

  it("tells the owner of an abort that another process asks for", function()
    local other = worker("t1", [[
      assert(#store:abort_poll() == 0)
      print "waiting"
      local since_us, rows = process.monotonic_us(), {}
      repeat
        process.sleep_us(1000)
        rows = store:abort_poll()
      until #rows > 0 or process.monotonic_us() - since_us > 5e6
      print(rows[1] and rows[1].trace_id, process.monotonic_us() - since_us)
      store:close()]])
    other.pipe:read "*l"
    process.sleep_us(300000)
    assert.is_true(store:abort_request "t1")
    local id, us = other.pipe:read("*l"):match "(%S+)%s+(%S+)"
    assert.equal("t1", id)
    assert.is_true(tonumber(us) < 800000, us)
    other.pipe:close()
  end)
end)

describe("checkpoint.postgres over a server that crashes", function()
  it("commits every turn once, and keeps its lease", function()
    local safe = postgres.start()
    local place = postgres.schema(safe)
    local crashing = assert(stores.connect(place, "this worker"))
    assert.same({ "ELG_OK" }, crashing:commit { create "t1" })
    for step = 0, 29 do
      if step % 10 == 5 then postgres.crash(safe) end
      assert.same({ "ELG_OK" }, assert(crashing:commit { finish("t1", step) }))
      assert.equal(step + 1, crashing:run_get("t1").step_count)
    end
    assert.equal(30, #crashing:journal "t1")
    process.sleep_us(2500000)
    assert.is_true(crashing:lease_left_us() > 2000000)
    crashing:close()
    postgres.stop(safe)
    stores.clean()
  end)
end)
