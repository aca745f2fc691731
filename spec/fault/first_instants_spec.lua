-- SIGTERM and SIGINT in a process's first instants: it ends as documented, and nothing that it
-- had taken is lost. Only before its first own instruction may the signal simply kill it.
local outside = require "outside"
local process = require "process_c"
local served = require "served"

local SEED = tonumber(os.getenv("ELG_SEED")) or 5
local INSTANTS, ON_POSTGRES, LAST_US = 51, 9, 40000
local RUNS = 6

-- Waits until the process is elg, and no more this one's copy, which has handlers of its own.
local function await_exec(pid)
  assert(outside.eventually(function()
    return outside.read("/proc/" .. pid .. "/comm") ~= outside.read("/proc/self/comm")
  end))
end

local function argv_of(kind, url, i)
  local argv = { kind, "--store", url, "--json" }
  if kind == "run" then
    argv[#argv + 1], argv[#argv + 2], argv[#argv + 3] = "count.lua", "--trace", "own-" .. i
    argv[#argv + 1], argv[#argv + 2] = "--input", '{"steps":3,"sleep_ms":30}'
  end
  return argv
end

local CODES = {
  run = { [served.SIGTERM] = 143, [served.SIGINT] = 130 },
  resume = { [served.SIGTERM] = 143, [served.SIGINT] = 130 },
  worker = { [served.SIGTERM] = 0, [served.SIGINT] = 130 },
}

for _, store in ipairs(served.stores) do
  describe("a signal in the first instants (" .. store.name .. ")", function()
    it("ends the process as documented, and loses nothing", function()
      math.randomseed(SEED)
      local world = served.create(store)
      local kinds = { "run", "resume", "worker" }
      local raw, count = 0, store.name == "postgres" and ON_POSTGRES or INSTANTS
      local traces = {}
      for i = 1, RUNS do traces[i] = world:submit { steps = 3, sleep_ms = 30 } end
      for i = 1, count do
        local kind = kinds[i % #kinds + 1]
        local signal = math.random(2) == 1 and served.SIGTERM or served.SIGINT
        local begun = world.place:file("begun")
        local child = world.place:start_elg(argv_of(kind, world.url, i), { env = {
          ASAN_OPTIONS = "verify_asan_link_order=0", ELG_SPEC_BEGUN = begun,
          LD_PRELOAD = outside.build .. "/spec/interpose.so" } })
        await_exec(child.pid)
        process.sleep_us(math.random(0, LAST_US))
        local own = outside.read(("%s.%d"):format(begun, child.pid)) ~= nil
        child:kill(signal)
        local done = assert(child:wait(), kind .. " does not end")
        if done.signal then
          assert.is_false(own, ("%s had begun and was killed by %d"):format(kind, done.signal))
          assert.equal("", done.out .. done.err)
          raw = raw + 1
        elseif done.code ~= 0 then -- it may have been through already
          assert.equal(CODES[kind][signal], done.code, kind .. ": " .. done.err)
        end
        for _, doc in ipairs(outside.documents(done.out)) do
          if kind == "run" then traces[#traces + 1] = doc.trace_id end
        end
      end
      local worker = world:worker()
      for _, trace_id in ipairs(traces) do
        assert.equal(3, world:await(trace_id, "completed").steps)
      end
      worker:kill(served.SIGTERM)
      assert.equal(0, worker:wait().code)
      for _, doc in ipairs(world:json({ "list" }).docs) do assert.equal("completed", doc.status) end
      for _, trace_id in ipairs(traces) do
        assert.is_true(world:json({ "replay", trace_id, "--verify" }).doc.verified)
      end
      print(("first instants (%s): %d signals within %d ms of the start, %d came before its first own instruction; %d "
        .. "runs completed (ELG_SEED %d)"):format(store.name, count, LAST_US / 1000, raw, #traces, SEED))
      world:destroy()
    end)
  end)
end

describe("a signal without descriptors to catch it with", function()
  it("has its ordinary effect", function()
    local place = outside.place("instants")
    local fifo = place:file("fifo")
    os.execute("mkfifo " .. fifo)
    local child = place:start_elg({ "canon", fifo }, { files = 4 }) -- one free: waits in open
    await_exec(child.pid)
    process.sleep_us(300000) -- past its first instants
    child:kill(served.SIGTERM)
    local done = assert(child:wait(), "SIGTERM has no effect")
    assert.equal(served.SIGTERM, done.signal, done.err)
    place:remove()
  end)
end)
