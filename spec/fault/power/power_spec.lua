-- Power cuts: images of what may be left of the files at any moment, in which what was not synced is
-- missing, torn or garbage. What the store had reported must be there, whole; the one operation under
-- way may be there or not, but not half (I4).
--
-- ELG_POWER_IMAGES: how many (500). ELG_SEED: the first seed; it is printed when an image fails.
local checkpoint = require "checkpoint_c"
local vfs = require "vfs_c"
local stores = require "stores"

local IMAGES = tonumber(os.getenv "ELG_POWER_IMAGES") or 500
local SEED = tonumber(os.getenv "ELG_SEED") or os.time() % 1000000

-- Images are written to memory where there is such a folder.
local function image_folder()
  local pipe = assert(io.popen "mktemp -d -p /dev/shm 2>/dev/null || mktemp -d")
  local path = pipe:read "*l"
  pipe:close()
  return path
end

-- Everything in the store, as one text.
local function everything(store)
  local out = {}
  local rows, err = store:run_list()
  if not rows then return nil, err.text end
  for _, row in ipairs(rows) do
    local run, journal
    run, err = store:run_get(row.trace_id)
    if not run then return nil, err.text end
    journal, err = store:journal(row.trace_id)
    if not journal then return nil, err.text end
    out[#out + 1] = stores.dump(run) .. stores.dump(journal)
  end
  for _, name in ipairs { "graph1", "graph2" } do
    local graph
    graph, err = store:graph_get(stores.hash(name))
    if not graph and err.status ~= "ELG_NOT_FOUND" then return nil, err.text end
    out[#out + 1] = stores.dump(graph)
  end
  return table.concat(out, "\n")
end

-- What is done, one operation after the other; each is reported when it returns.
local function operations()
  local list, counts = {}, {}
  local function add(operation) list[#list + 1] = operation end
  local function steps(from, to)
    for i = from, to do
      local turns = {}
      for run = 1, 1 + i % 3 do
        local id, n = "run" .. run, counts[run]
        counts[run] = n + 1
        turns[#turns + 1] = stores.finish(id, n, nil, {
          stores.step(n, { state = ("s"):rep(200 + (i * 997) % 9000), activity_count = 1 }),
          stores.activity(n, 0, { response = ("r"):rep((i * 331) % 3000) }) })
      end
      add { "commit", turns }
    end
  end
  for run = 1, 3 do
    counts[run] = 0
    add { "commit", { stores.create("run" .. run) } }
  end
  add { "graph_put", { hash = stores.hash "graph1", id = "g", version = "1", definition = ("d"):rep(20000) } }
  steps(1, 12)
  add { "reopen" } -- checkpoints the WAL; the next write starts it anew
  steps(13, 24)
  add { "abort_request", "run3" }
  add { "commit", { stores.create "last", stores.stay("last", 0, nil, { stores.open_step(0) }) } }
  add { "claim", "last" }
  add { "reopen" }
  add { "graph_put", { hash = stores.hash "graph2", id = "g", version = "2", definition = "{}" } }
  steps(25, 40)
  add { "reopen" }
  steps(41, 50)
  return list
end

-- Plays the operations under the recording VFS. Gives { began, done, text } per operation: the counts
-- of file operations around it, and what the store holds after it.
local function record(path, forget_syncs)
  local url, log = "sqlite:" .. path, {}
  vfs.install()
  vfs.forget_syncs(forget_syncs)
  vfs.record(path)
  local store = assert(stores.connect(url))
  local idle = assert(checkpoint.open(url)) -- keeps the WAL's index alive over a reopening
  local opened = vfs.count()
  log[0] = { began = opened, done = opened, text = everything(store) }
  for i, operation in ipairs(operations()) do
    local began = vfs.count()
    if operation[1] == "reopen" then
      store:close()
      store = assert(checkpoint.open(url))
    else
      local out, err = store[operation[1]](store, operation[2])
      assert(out, err and err.text)
    end
    log[i] = { began = began, done = vfs.count(), text = assert(everything(store)) }
  end
  store:close()
  idle:close()
  local total = vfs.count()
  vfs.record()
  vfs.uninstall()
  return log, total
end

-- What is wrong with the image after k file operations; nil: nothing.
local function image_fault(log, k, seed, path)
  vfs.image(k, seed, path)
  os.remove(path .. "-shm")
  local store, err = checkpoint.open("sqlite:" .. path)
  if not store then return "cannot be opened: " .. err.text end
  local text, why = everything(store)
  local fault
  if not text then
    fault = "cannot be read: " .. why
  else
    local low, high = 0, 0
    for i = 1, #log do
      if log[i].done <= k then low = i end
      if log[i].began < k then high = i end
    end
    fault = "holds neither what was reported nor what was under way"
    for i = low, high do
      if text == log[i].text then fault = nil end
    end
  end
  if not fault and seed % 7 == 0 then
    assert(store:graph_put(stores.graph))
    local out = store:commit { stores.create "after" }
    if not out or out[1] ~= "ELG_OK" then fault = "cannot be written to" end
  end
  store:close()
  return fault
end

local function pick(seed, n) return (seed * 48271 + 11) % 2147483647 % n end

describe("a power cut", function()
  local folder, images
  setup(function()
    checkpoint.clock(5000)
    folder, images = image_folder(), image_folder()
  end)
  teardown(function()
    vfs.forget()
    os.execute("rm -rf " .. folder .. " " .. images)
    checkpoint.clock(0)
  end)

  it("takes nothing that was reported, and leaves nothing half done", function()
    local log, total = record(folder .. "/s.db", false)
    assert.is_true(total > 500)
    for i = 0, IMAGES - 1 do
      local seed = SEED + i
      local k = pick(seed, total + 1)
      local fault = image_fault(log, k, seed, images .. "/i.db")
      assert.is_nil(fault, ("ELG_SEED=%d, after %d of %d operations: %s"):format(seed, k, total,
        tostring(fault)))
    end
  end)

  it("is noticed here if syncs are left out", function()
    local log, total = record(folder .. "/off.db", true)
    local faults = 0
    for i = 0, math.min(IMAGES, 200) - 1 do
      if image_fault(log, pick(SEED + i, total + 1), SEED + i, images .. "/i.db") then
        faults = faults + 1
      end
    end
    assert.is_true(faults > 20, faults .. " images of a store without syncs were found wanting")
  end)
end)
