-- The SQLite store: files, processes and damage. What it shares with others is in
-- spec/contract/checkpoint_spec.lua.
local checkpoint = require "checkpoint_c"
local sqlite = require "sqlite_c"
local stores = require "stores"
local create, finish = stores.create, stores.finish

local PRELUDE = [[
local checkpoint = require "checkpoint_c"
local sqlite = require "sqlite_c"
local stores = require "stores"
local ffi = require "ffi"
ffi.cdef "int open(const char *, int, ...); int flock(int, int); unsigned sleep(unsigned);"
io.stdout:setvbuf "no"
]]

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function size_of(path)
  local file = io.open(path, "rb")
  if not file then return 0 end
  local size = file:seek "end"
  file:close()
  return size
end

-- As this user, or as nobody if this user may write everywhere.
local function unprivileged(command)
  return "setpriv --reuid=65534 --regid=65534 --clear-groups " .. command
end

-- What opening the file says to a user who may write nowhere.
local function as_nobody(file, read_only)
  local child = stores.child(PRELUDE .. ([[
    local store, err = checkpoint.open(%q, "nobody", %s)
    print(store and "opened" or table.concat({ err.status, err.where, err.text }, "\t"))
  ]]):format("sqlite:" .. file, read_only), unprivileged)
  local line = child:read "*l"
  child:close()
  return line
end

describe("checkpoint.sqlite", function()
  local folder, path, url
  before_each(function()
    checkpoint.clock(5000)
    folder = stores.folder()
    path = folder .. "/s.db"
    url = "sqlite:" .. path
  end)
  after_each(function()
    sqlite.fail(-1)
    stores.clean()
  end)

  local function opened(owner, read_only)
    local store, err = stores.connect(url, owner, read_only)
    assert(store, err and err.text)
    return store
  end
  -- A file with one run of three steps.
  local function filled()
    local store = opened()
    stores.commit(store, create "t1", finish("t1", 0, nil, { stores.step(0), stores.activity(0, 0) }),
      finish("t1", 1), finish("t1", 2))
    store:close()
  end

  describe("open", function()
    it("makes the file durable in the agreed form", function()
      opened():close()
      local row = sqlite.sql(path, "PRAGMA page_size")[1]
      assert.equal("8192", row.page_size)
      assert.equal("wal", sqlite.sql(path, "PRAGMA journal_mode")[1].journal_mode)
      local files = io.popen("ls sql/sqlite/*.sql | wc -l")
      assert.equal(files:read "*n", tonumber(sqlite.sql(path, "PRAGMA user_version")[1].user_version))
      files:close()
    end)
    it("finds what was there", function()
      filled()
      local store = opened()
      assert.equal(4, #store:journal "t1")
      store:close()
    end)
    it("takes paths with blanks, quotes, percent signs and UTF-8, and relative ones", function()
      for _, name in ipairs { "a b.db", "it's %41 ?mode=memory#x.db", "gr\xC3\xBC\xC3\x9Fe \xE2\x98\x83.db" } do
        local store = assert(stores.connect("sqlite:" .. folder .. "/" .. name))
        stores.commit(store, create "t1")
        store:close()
        assert.is_true(size_of(folder .. "/" .. name) > 0)
      end
    end)
    it("says that the folder is missing", function()
      local store, err = checkpoint.open("sqlite:" .. folder .. "/none/s.db")
      assert.is_nil(store)
      assert.equal("ELG_IO", err.status)
      assert.equal(folder .. "/none/s.db", err.where)
    end)
    it("says that a folder is no file", function()
      for _, read_only in ipairs { false, true } do
        local _, err = checkpoint.open("sqlite:" .. folder, "me", read_only)
        assert.same({ "ELG_IO", folder, "this is a folder; name a file in it" },
          { err.status, err.where, err.text })
      end
    end)
    it("refuses what is not a database", function()
      write_file(path, ("not a database at all\n"):rep(1000))
      local _, err = checkpoint.open(url)
      assert.equal("ELG_CORRUPT", err.status)
      assert.equal(path, err.where)
      assert.truthy(err.text:find "not a store of elg: no SQLite database")
    end)
    it("refuses another program's database and leaves it alone", function()
      sqlite.sql(path, "CREATE TABLE theirs (x); PRAGMA user_version = 1")
      local _, err = checkpoint.open(url)
      assert.equal("ELG_CORRUPT", err.status)
      assert.truthy(err.text:find "not a database of elg")
      assert.equal("1", sqlite.sql(path, "SELECT count(*) AS n FROM sqlite_master")[1].n)
    end)
    it("says that an empty file holds nothing yet, and completes it when it may write", function()
      write_file(path, "")
      local _, err = checkpoint.open(url, "me", true)
      assert.equal("ELG_IO", err.status)
      assert.truthy(err.text:find "nothing in it yet")
      assert(checkpoint.open(url)):close()
      assert(checkpoint.open(url, "me", true)):close()
    end)
    it("refuses a schema from the future", function()
      filled()
      sqlite.sql(path, "PRAGMA user_version = 99")
      local _, err = checkpoint.open(url)
      assert.equal("ELG_UNSUPPORTED", err.status)
      assert.truthy(err.text:find "99")
    end)
    it("refuses a file that this user cannot write, and a folder too", function()
      filled()
      os.execute(("chmod 755 %s; chmod 444 %s*; touch %s/shut; chmod 600 %s/shut"):format(folder, path,
        folder, folder))
      for name, text in pairs {
        ["s.db"] = "the file is read-only; its permissions must let this user write",
        ["new.db"] = "cannot be made in its folder: Permission denied",
        ["none/new.db"] = "cannot be made in its folder: No such file or directory",
        shut = "cannot be opened: Permission denied",
      } do
        local what = folder .. "/" .. name
        assert.equal("ELG_IO\t" .. what .. "\t" .. text, as_nobody(what, false), name)
      end
      assert.equal("ELG_IO\t" .. folder .. "/new.db\tno such store: No such file or directory",
        as_nobody(folder .. "/new.db", true))
    end)
    it("says what a journal takes that this user cannot read", function()
      local owner = opened "owner"
      stores.commit(owner, create "t1")
      os.execute(("mkdir %s/kept; cp %s %s-wal %s/kept; chmod -R a+rX %s"):format(folder, path, path,
        folder, folder))
      owner:close()
      local kept = folder .. "/kept/s.db"
      assert.equal("ELG_IO\t" .. kept .. "\tits journal (-wal) holds what the file does not, and reading "
        .. "it takes the right to write in its folder; copy the file and its -wal to a folder of this user",
        as_nobody(kept, true))
      os.execute(("mkdir -m 777 %s/own; cp %s* %s/own"):format(folder, kept, folder))
      assert.equal("opened", as_nobody(folder .. "/own/s.db", true))
    end)
    it("is done by many processes at once", function()
      local children = {}
      for i = 1, 6 do
        children[i] = stores.child(PRELUDE .. ([[
          local store, err = stores.connect(%q)
          if not store then print(err.text) os.exit(1) end
          print(store:commit({ stores.create("t%d") })[1])
        ]]):format(url, i))
      end
      for i = 1, 6 do
        assert.equal("ELG_OK", children[i]:read "*l")
        children[i]:close()
      end
      local store = opened()
      assert.equal(6, #store:run_list())
      store:close()
    end)
    it("for reading only writes nothing and changes nothing", function()
      filled()
      local store = opened("reader", true)
      assert.equal(4, #store:journal "t1")
      assert.equal(1, #store:run_list())
      for _, call in ipairs { "claim", "reserve", "abort_request" } do
        assert.equal("ELG_USAGE", select(2, store[call](store, "t1")).status)
      end
      assert.equal("ELG_USAGE", select(2, store:commit { create "t2" }).status)
      store:close()
      local none, err = checkpoint.open("sqlite:" .. folder .. "/none.db", nil, true)
      assert.is_nil(none)
      assert.equal("ELG_IO", err.status)
      assert.equal(0, size_of(folder .. "/none.db"))
    end)
  end)

  describe("ownership", function()
    it("is seen by another store of the file, and its owner is named", function()
      local a, b = opened "pid 7 on mars", opened "pid 8 on venus"
      assert(a:reserve "t1")
      assert.equal("ELG_BUSY", select(2, b:reserve "t1").status)
      stores.commit(a, create "t1")
      local _, err = b:claim "t1"
      assert.equal("ELG_BUSY", err.status)
      assert.truthy(err.text:find("pid 7 on mars", 1, true))
      a:release "t1"
      assert.equal(2, b:claim("t1").epoch)
      _, err = a:claim "t1"
      assert.truthy(err.text:find("pid 8 on venus", 1, true))
      assert.equal("ELG_FENCED", a:commit({ finish("t1", 0) })[1])
      assert.equal("ELG_OK", b:commit({ finish("t1", 0, { epoch = 2 }) })[1])
      b:close()
      assert.equal(3, a:claim("t1").epoch)
      a:close()
    end)
    it("gives an ended run even while its owner lives", function()
      local a, b = opened "a", opened "b"
      assert(a:reserve "t1")
      stores.commit(a, create "t1", finish("t1", 0, { status = "completed" }))
      assert.equal("completed", b:claim("t1").status)
      a:close()
      b:close()
    end)
    it("is not kept of what was not claimed", function()
      local a, b = opened "a", opened "b"
      stores.commit(a, create "t1", finish("t1", 0, { status = "completed" }), create "t2")
      assert(a:claim "t1")
      assert.equal("ELG_NOT_FOUND", select(2, a:claim "t3").status)
      for _ = 1, 10 do assert(a:claim "t2") end
      assert.equal("quarantined", a:claim("t2").status)
      for _, id in ipairs { "t1", "t2", "t3" } do assert(b:reserve(id)) end
      a:close()
      b:close()
    end)
    it("is the same through another link to the file", function()
      local a = opened "first"
      assert(a:reserve "t1")
      os.execute(("ln -s s.db %s/other.db"):format(folder))
      local b = assert(stores.connect("sqlite:" .. folder .. "/other.db", "second"))
      assert.equal("ELG_BUSY", select(2, b:reserve "t1").status)
      a:close()
      b:close()
    end)
    it("ends with the process, also by kill -9", function()
      opened():close()
      local child = stores.child(PRELUDE .. ([[
        local store = require("stores").connect(%q, "pid " .. sqlite.pid() .. " on test")
        assert(store:reserve "t1")
        assert(store:commit({ stores.create "t1" })[1] == "ELG_OK")
        print(sqlite.pid())
        ffi.C.sleep(60)
      ]]):format(url))
      local pid = child:read "*l"
      local store = opened()
      local row, err = store:claim "t1"
      assert.is_nil(row)
      assert.equal("ELG_BUSY", err.status)
      assert.truthy(err.text:find("pid " .. pid .. " on test", 1, true))
      stores.kill(pid)
      local deadline = checkpoint.monotonic_us() + 20000000
      repeat row = store:claim "t1" until row or checkpoint.monotonic_us() > deadline
      assert.equal(2, row and row.epoch)
      store:close()
    end)
    it("is given back run by run, in any order", function()
      local a, b = opened(), opened()
      for i = 1, 3000 do assert(a:reserve("t" .. i)) end
      for i = 1, 3000, 2 do a:release("t" .. i) end
      for i = 3000, 1, -1 do
        assert.equal(i % 2 == 1, b:reserve("t" .. i) or false)
      end
      for i = 2, 3000, 2 do a:release("t" .. i) end
      for i = 2, 3000, 2 do assert(b:reserve("t" .. i)) end
      a:close()
      b:close()
    end)
    it("holds ten thousand runs without making a commit slow", function()
      local store = opened()
      for i = 1, 10000 do assert(store:reserve("t" .. i)) end
      local before = checkpoint.monotonic_us()
      stores.commit(store, create "t1")
      assert.is_true(checkpoint.monotonic_us() - before < 10000000)
      local other = opened()
      assert.equal("ELG_BUSY", select(2, other:reserve "t9999").status)
      assert(other:reserve "t10001")
      other:close()
      store:close()
    end)
  end)

  describe("two stores of one file", function()
    it("see each other's turns and aborts", function()
      local a, b = opened "a", opened "b"
      stores.commit(a, create "t1", create "t2")
      assert(a:claim "t1")
      assert.equal(2, #b:run_list())
      assert.is_true(b:abort_request "t1")
      assert.equal(0, #b:abort_poll())
      local rows = a:abort_poll()
      assert.equal(1, #rows)
      assert.equal("t1", rows[1].trace_id)
      assert.is_true(rows[1].abort_requested)
      assert.equal(0, #a:abort_poll())
      a:close()
      b:close()
    end)
    it("write at once from several processes, and no turn is lost", function()
      opened():close()
      local children = {}
      for i = 1, 4 do
        children[i] = stores.child(PRELUDE .. ([[
          local store = require("stores").connect(%q)
          assert(store:commit({ stores.create "t%d" })[1] == "ELG_OK")
          for step = 0, 199 do
            local out, err = store:commit { stores.finish("t%d", step, nil,
              { stores.step(step, { state = ("x"):rep(8000) }) }) }
            if not out or out[1] ~= "ELG_OK" then print(err and err.text or out[1]) os.exit(1) end
          end
          store:close()
          print "done"
        ]]):format(url, i, i))
      end
      for i = 1, 4 do
        assert.equal("done", children[i]:read "*l")
        children[i]:close()
      end
      local store = opened()
      for i = 1, 4 do assert.equal(200, #store:journal("t" .. i)) end
      store:close()
      assert.equal("ok", sqlite.sql(path, "PRAGMA integrity_check")[1].integrity_check)
      assert.is_true(size_of(path .. "-wal") < 32 * 1048576)
    end)
  end)

  describe("the WAL", function()
    it("stays bounded and is in the database after close", function()
      local store = opened()
      stores.commit(store, create "t1")
      for step = 0, 59 do
        stores.commit(store, finish("t1", step, nil, { stores.step(step, { state = ("x"):rep(300000) }) }))
      end
      assert.is_true(size_of(path .. "-wal") < 6 * 1048576)
      stores.commit(store, finish("t1", 60))
      store:close()
      os.remove(path .. "-wal")
      os.remove(path .. "-shm")
      store = opened()
      assert.equal(61, store:run_get("t1").step_count)
      assert.equal(61, #store:journal "t1")
      store:close()
    end)
    it("is not checkpointed while another process may write", function()
      local store = opened()
      stores.commit(store, create "t1")
      local child = stores.child(PRELUDE .. ([[
        assert(ffi.C.flock(ffi.C.open("%s-lock", 2), 1) == 0)
        print(sqlite.pid())
        ffi.C.sleep(60)
      ]]):format(path))
      local pid = child:read "*l"
      for step = 0, 19 do
        stores.commit(store, finish("t1", step, nil, { stores.step(step, { state = ("x"):rep(300000) }) }))
      end
      assert.is_true(size_of(path) < 1048576)
      assert.is_true(size_of(path .. "-wal") > 5 * 1048576)
      stores.kill(pid)
      stores.commit(store, finish("t1", 20))
      local deadline = checkpoint.monotonic_us() + 20000000
      local step = 21
      repeat
        stores.commit(store, finish("t1", step))
        step = step + 1
      until size_of(path) > 1048576 or checkpoint.monotonic_us() > deadline
      assert.is_true(size_of(path) > 1048576)
      store:close()
    end)
  end)

  describe("a full disk", function()
    it("fails the commit, writes nothing of it, and the store goes on when there is room", function()
      -- A limit on the size of files is as good as a full disk: the same call fails the same way.
      local child = stores.child(PRELUDE .. ([[
        local store = require("stores").connect(%q)
        assert(store:commit({ stores.create "t1" })[1] == "ELG_OK")
        local step, out, err = 0
        repeat
          out, err = store:commit { stores.finish("t1", step, nil,
            { stores.step(step, { state = ("x"):rep(100000) }) }) }
          if out then step = step + 1 end
        until not out
        print(err.status, err.where)
        print(step == store:run_get("t1").step_count and step == #store:journal "t1")
        print(store:run_get("t1").status)
      ]]):format(url), function(command)
        return "sh -c 'trap \"\" XFSZ; ulimit -f 1000; exec " .. command .. "'"
      end)
      assert.equal("ELG_FULL\t" .. path, child:read "*l")
      assert.equal("true", child:read "*l")
      assert.equal("running", child:read "*l")
      child:close()
      local store = opened()
      local count = store:run_get("t1").step_count
      assert.is_true(count > 0)
      stores.commit(store, finish("t1", count))
      store:close()
    end)
  end)

  describe("SQLite without memory", function()
    local function each_failure(call, step)
      local n, failures = 0, 0
      repeat
        sqlite.fail(n)
        local out, err = call()
        sqlite.fail(-1)
        if not out then
          failures = failures + 1
          assert.equal("ELG_NO_MEMORY", err.status)
        end
        n = n + (step or 1)
        assert.is_true(n < 100000)
      until out
      return failures
    end
    it("gives an error from open, and the next open goes well", function()
      local store
      assert.is_true(each_failure(function()
        local err
        store, err = stores.connect(url)
        return store, err
      end, 61) > 10)
      stores.commit(store, create "t1")
      store:close()
    end)
    it("gives an error from each call, and nothing half done", function()
      local store = opened()
      stores.commit(store, create "t1", finish("t1", 0, nil, { stores.step(0), stores.activity(0, 0) }))
      local turns = { create "t2", finish("t1", 1, nil, { stores.step(1, { state = ("x"):rep(50000) }),
        stores.activity(1, 0) }) }
      each_failure(function() return store:run_get "t1" end)
      each_failure(function() return store:journal "t1" end)
      each_failure(function() return store:run_list() end)
      each_failure(function()
        local out, err = store:commit(turns)
        if not out then
          sqlite.fail(-1)
          assert.equal(1, #store:run_list())
          assert.equal(2, #store:journal "t1")
        end
        return out, err
      end)
      assert.equal(4, #store:journal "t1")
      each_failure(function() return store:claim "t1" end)
      assert.is_true(store:run_get("t1").claims <= 2)
      store:close()
    end)
  end)

  it("keeps a run's graph as long as the run, whoever deletes", function()
    filled()
    local deleted, message = pcall(sqlite.sql, path, "DELETE FROM cmo_graphs")
    assert.is_false(deleted)
    assert.truthy(message:find "a run carries this graph", message)
    sqlite.sql(path, "DELETE FROM cmo_runs")
    assert.same({}, (sqlite.sql(path, "DELETE FROM cmo_graphs")))
  end)
  it("comes to look at graphs, whatever runs are there", function()
    local migrations = require "migrations_c"
    filled()
    sqlite.sql(path, "DROP TRIGGER cmo_runs_graph_hash; DROP TRIGGER cmo_graphs_graph_hash; "
      .. "DROP INDEX cmo_runs_graph; DELETE FROM cmo_graphs;" .. migrations.sqlite[5])
    local store = assert(checkpoint.open(url))
    assert(store:claim "t1")
    assert.same({ "ELG_NOT_FOUND" }, store:commit { stores.create "new" })
    assert(store:graph_put(stores.graph))
    assert.same({ "ELG_OK" }, store:commit { stores.create "new" })
    store:close()
  end)

  describe("the views", function()
    it("show payloads as JSON and times as text", function()
      filled()
      local row = sqlite.sql(path, "SELECT json_extract(state, '$.s') AS s, clock FROM cmo_steps_json "
        .. "WHERE step_index = 2")[1]
      assert.equal("2", row.s)
      assert.equal("2023-11-14T22:13:20.123Z", row.clock)
      row = sqlite.sql(path, "SELECT json_extract(input, '$.n') AS n FROM cmo_runs_json")[1]
      assert.equal("1", row.n)
      row = sqlite.sql(path, "SELECT json_extract(response_data, '$.value') AS v FROM cmo_activities_json")[1]
      assert.equal("1", row.v)
      assert.equal(1, #sqlite.sql(path, "SELECT * FROM cmo_graphs_json"))
    end)
  end)
end)
