-- A disk that is full or fails: every write and every sync of a session fails once, in turn. The call
-- that met it reports it and wrote nothing of its turns; the store goes on; a new one finds the same.
local checkpoint = require "checkpoint_c"
local vfs = require "vfs_c"
local stores = require "stores"

local FAILURES = { { "write", "full", "ELG_FULL" }, { "write", "io", "ELG_IO" }, { "sync", "io", "ELG_IO" } }

local function everything(store)
  local out = {}
  for _, row in ipairs(assert(store:run_list())) do
    out[#out + 1] = stores.dump(store:run_get(row.trace_id)) .. stores.dump(store:journal(row.trace_id))
  end
  return table.concat(out, "\n")
end

-- Opens, writes, closes, with the n-th file operation of the kind failing. Gives whether it was met.
local function session(path, kind, how, status, n)
  local count, met = 0, false
  vfs.fail(kind, n, 1, how)
  local store, err = checkpoint.open("sqlite:" .. path)
  if not store then
    assert.equal(status, err.status)
    assert.equal(path, err.where)
    store, met = assert(checkpoint.open("sqlite:" .. path)), true
  end
  local kept, refusal = store:graph_put(stores.graph)
  if not kept then
    met = true
    assert.equal(status, refusal.status)
    assert.equal(path, refusal.where)
    assert(store:graph_put(stores.graph))
  end
  local function commit(turn)
    local before = everything(store)
    local out, why = store:commit { turn, stores.create("x" .. count) }
    if not out then
      met = true
      assert.equal(status, why.status)
      assert.equal(path, why.where)
      assert.equal(before, everything(store))
      out = assert(store:commit { turn, stores.create("x" .. count) })
    end
    assert.equal("ELG_OK ELG_OK", table.concat(out, " "))
    count = count + 1
  end
  commit(stores.create "t1")
  for step = 0, 3 do
    commit(stores.finish("t1", step, nil, { stores.step(step, { state = ("x"):rep(30000) }) }))
  end
  local text = everything(store)
  store:close()
  vfs.fail(kind, 0, 0)
  store = assert(checkpoint.open("sqlite:" .. path))
  assert.equal(text, everything(store))
  assert.equal(4, store:run_get("t1").step_count)
  store:close()
  return met
end

describe("a disk", function()
  setup(function()
    checkpoint.clock(5000)
    vfs.install()
  end)
  teardown(function()
    vfs.uninstall()
    stores.clean()
    checkpoint.clock(0)
  end)
  for _, failure in ipairs(FAILURES) do
    it(("whose %s fails (%s) at any one moment"):format(failure[1], failure[2]), function()
      local folder = stores.folder()
      local n, met = 0, 0
      local since = 0
      repeat
        since = since + 1
        if session(folder .. "/s" .. n .. ".db", failure[1], failure[2], failure[3], n) then
          met, since = met + 1, 0
        end
        os.execute("rm -f " .. folder .. "/s*")
        n = n + 1
      until since > 12
      assert.is_true(met > 5, met .. " failures were met")
    end)
  end
end)
