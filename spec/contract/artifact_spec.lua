-- artifact: what keeps content under its hash, over a folder and over Postgres itself.
local artifact = require "artifact_c"
local postgres = require "postgres"
local process = require "process_c"
local stores = require "stores"

local CHUNK = 512 * 1024 -- of the database's; the folder does not mind
local SIZES = { 0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 8 * CHUNK, 8 * CHUNK + 1, 20 * CHUNK + 7 }
local RACES = 60
local ABSENT = ("0"):rep(64)

-- Content of so many bytes, all of them used.
local function content(size, seed)
  local block = {}
  for i = 0, 255 do block[i + 1] = string.char((i * 7 + seed) % 256) end
  return (table.concat(block):rep(math.ceil(size / 256))):sub(1, size)
end

local function folder_path(where, hash)
  return where .. "/" .. hash:sub(1, 2) .. "/" .. hash:sub(3)
end

local backends = {
  { kind = "folder", new = function() return stores.folder() .. "/artifacts" end,
    age = function(where, hash) os.execute("touch -d '1 hour ago' " .. folder_path(where, hash)) end },
  { kind = "store", new = function() return (postgres.schema(postgres.shared())) end,
    age = function(where, hash)
      postgres.sql(where, "UPDATE cmo_artifacts SET created_at = created_at - interval '1 hour' "
        .. "WHERE artifact_hash = '" .. hash .. "'")
    end },
}

for _, backend in ipairs(backends) do
  describe("artifact, " .. backend.kind, function()
    local where, source
    before_each(function()
      where = backend.new()
      source = assert(artifact.open(backend.kind, where))
    end)
    after_each(function()
      local live, wrong = source:close()
      assert.equal(0, live or 0)
      assert.equal(0, wrong or 0)
      stores.clean()
    end)

    it("gives what was put, of any size", function()
      for i, size in ipairs(SIZES) do
        local text = content(size, i)
        local hash = assert(source:put(text))
        assert.equal(hash, assert(source:put(text)))
        assert.is_true(source:get(hash) == text, tostring(size))
      end
      local other = assert(artifact.open(backend.kind, where))
      for _, row in ipairs(source:list()) do
        assert.equal(row.size_bytes, #other:get(row.hash))
      end
      other:close()
    end)

    it("says what is not there", function()
      local text, status, why = source:get(ABSENT)
      assert.is_nil(text)
      assert.equal("ELG_NOT_FOUND", status)
      assert.truthy(why:find(ABSENT, 1, true))
      assert.is_false(source:remove(ABSENT, 0))
      assert.same({}, source:list())
    end)

    it("lists by hash, from any place, until told to stop", function()
      local hashes = {}
      for i = 1, 600 do hashes[i] = assert(source:put("content " .. i)) end
      table.sort(hashes)
      local function of(rows)
        local out = {}
        for i, row in ipairs(rows) do
          out[i] = row.hash
          assert.is_true(row.age_ms < 60000)
        end
        return out
      end
      assert.same(hashes, of(source:list()))
      assert.same({ unpack(hashes, 300) }, of(source:list(hashes[299])))
      assert.same({ unpack(hashes, 1, 5) }, of(source:list(nil, 5)))
      assert.same({}, source:list(hashes[600]))
    end)

    it("removes what is old, and nothing that is young or was put again", function()
      local first, second = assert(source:put "first"), assert(source:put "second")
      assert.is_false(source:remove(first, 120000))
      backend.age(where, first)
      backend.age(where, second)
      assert.is_true(source:list(nil, 1)[1].age_ms > 3500000)
      assert.equal(first, source:put "first")
      assert.is_false(source:remove(first, 120000))
      assert.is_true(source:remove(second, 120000))
      assert.is_false(source:remove(second, 0))
      assert.equal("first", source:get(first))
      assert.equal("ELG_NOT_FOUND", select(2, source:get(second)))
      assert.equal(1, #source:list())
      assert.equal(second, source:put "second")
      assert.equal("second", source:get(second))
      assert.is_true(source:remove(first, 0))
    end)

    it("that was put stays, whoever removes it at that moment", function()
      local folder = stores.folder()
      os.execute("chmod 755 " .. folder)
      local pipe = stores.child(([[
        local artifact = require "artifact_c"
        local process = require "process_c"
        local source = assert(artifact.open(%q, %q))
        local removed = 0
        for i = 1, %d do
          local file
          repeat file = io.open(%q .. i) until file
          local hash = file:read "*l"
          file:close()
          process.sleep_us((i * 37) %% 400)
          local gone, status, why = source:remove(hash, 120000)
          if gone == nil then error(status .. ": " .. why) end
          if gone then removed = removed + 1 end
        end
        print(removed)]]):format(backend.kind, where, RACES, folder .. "/"))
      for i = 1, RACES do
        local text = content(2000, i)
        local hash = assert(source:put(text))
        backend.age(where, hash)
        local file = assert(io.open(folder .. "/new", "w"))
        file:write(hash, "\n")
        file:close()
        os.rename(folder .. "/new", folder .. "/" .. i)
        process.sleep_us((i * 53) % 400)
        assert.equal(hash, assert(source:put(text)))
        assert.is_true(source:get(hash) == text, "round " .. i)
      end
      local removed = tonumber(pipe:read "*l")
      pipe:close()
      print(("artifact, %s: of %d put again while being removed, %d were gone in between"):format(
        backend.kind, RACES, removed))
      assert.is_true(removed > 0 and removed < RACES)
    end)
  end)
end

describe("artifact, folder", function()
  -- What a process leaves that is killed while it removes or writes.
  it("gives what was being removed, and clears up behind the dead", function()
    local where = stores.folder()
    local source = assert(artifact.open("folder", where))
    local function path(hash, prefix)
      return where .. "/" .. hash:sub(1, 2) .. "/" .. prefix .. hash:sub(3)
    end
    local function aside(hash) assert(os.rename(path(hash, ""), path(hash, ".old-"))) end
    local function there(name)
      local file = io.open(name)
      return file ~= nil and file:close()
    end
    local read, listed, twice = source:put "read", source:put "listed", source:put "twice"
    for _, hash in ipairs { read, listed, twice } do aside(hash) end
    assert.equal("read", source:get(read))
    assert.is_true(there(path(read, "")) and not there(path(read, ".old-")))
    assert.equal(twice, source:put "twice") -- both names now
    assert.equal(3, #source:list())
    for _, hash in ipairs { listed, twice } do
      assert.is_true(there(path(hash, "")) and not there(path(hash, ".old-")))
    end
    aside(listed)
    assert.is_false(source:remove(listed, 0)) -- it has no name to take away
    assert.equal(3, #source:list())
    assert.is_true(source:remove(listed, 0))
    assert.equal("ELG_NOT_FOUND", select(2, source:get(listed)))
    for _, age in ipairs { "2 days ago", "1 hour ago" } do
      os.execute(("touch -d '%s' '%s'"):format(age, path(read, ".new-" .. age:sub(1, 1))))
    end
    assert(os.rename(path(read, ""), path(read, ".old-") .. "-0123456789abcdef"))
    assert.equal("read", source:get(read))
    assert(os.rename(path(read, ""), path(read, ".old-") .. "-fedcba9876543210"))
    assert.equal(2, #source:list())
    assert.is_false(there(path(read, ".old-") .. "-fedcba9876543210"))
    assert.is_false(there(path(read, ".new-2")))
    assert.is_true(there(path(read, ".new-1")))
    source:close()
    stores.clean()
  end)
  it("finds what another reader puts back first, and says why it cannot be put back", function()
    local where = stores.folder()
    local source, other = assert(artifact.open("folder", where)), assert(artifact.open("folder", where))
    local hash = source:put "read"
    local path = folder_path(where, hash)
    local function aside() assert(os.rename(path, (path:gsub("/([^/]*)$", "/.old-%1")))) end
    aside()
    artifact.at("linkat", function() assert.equal("read", other:get(hash)) end)
    assert.equal("read", source:get(hash))
    aside()
    for errno, wanted in pairs { [5] = "ELG_IO", [13] = "ELG_IO", [28] = "ELG_FULL" } do
      artifact.at("linkat", function() return errno end)
      assert.equal(wanted, select(2, source:get(hash)))
    end
    assert.equal("read", source:get(hash))
    other:close()
    source:close()
    stores.clean()
  end)
  -- A file put aside by a process that died, two who remove (the second lists, and comes upon that
  -- file, while the first takes the name away), and one who puts in between.
  it("keeps what was put again between two who remove it (I4)", function()
    local where, said = stores.folder(), stores.folder()
    local source = assert(artifact.open("folder", where))
    local text = content(2000, 1)
    local hash = source:put(text)
    local path = folder_path(where, hash)
    backends[1].age(where, hash)
    assert(os.rename(path, (path:gsub("/([^/]*)$", "/.old-%1"))))
    source:put(text)
    backends[1].age(where, hash)
    local other = stores.child(([[
      local artifact, process = require "artifact_c", require "process_c"
      io.stdout:setvbuf "no"
      artifact.at("unlinkat", function()
        print "at it"
        local tries = 0
        repeat
          process.sleep_us(1000)
          tries = tries + 1
        until io.open(%q) or tries > 20000
      end)
      print(#artifact.open("folder", %q):list())]]):format(said .. "/go", where))
    assert.equal("at it", other:read "*l")
    local between = false
    artifact.at("rename", function()
      between = true
      assert.equal(hash, artifact.open("folder", where):put(text))
    end, function()
      io.open(said .. "/go", "w"):close()
      assert(other:read "*l") -- it may have been there or not
    end)
    assert.is_false(source:remove(hash, 120000))
    assert.is_true(between and source:get(hash) == text)
    assert.is_true(source:list()[1].age_ms < 60000)
    other:close()
    source:close()
    stores.clean()
  end)
  it("puts back what was put again no older than it was", function()
    local where = stores.folder()
    local source = assert(artifact.open("folder", where))
    local hash = source:put "young"
    local path = folder_path(where, hash)
    os.execute(("cp %s %s"):format(path, (path:gsub("/([^/]*)$", "/.old-%1-0123456789abcdef"))))
    backends[1].age(where, hash)
    assert.is_true(source:list()[1].age_ms < 60000)
    assert.is_false(source:remove(hash, 120000))
    backends[1].age(where, hash)
    assert.is_true(source:remove(hash, 120000))
    source:close()
    stores.clean()
  end)
  it("lists and removes, or fails, when an allocation fails (I16)", function()
    local where = stores.folder()
    local source = assert(artifact.open("folder", where))
    for i = 1, 100 do source:put("content " .. i) end
    local hash = source:put "content 1"
    local function each_failure(call)
      for n = 1, 1000 do
        source:fail_at(n)
        local ok, status = call()
        source:fail_at(0)
        if ok ~= nil then return n - 1 end
        assert.equal("ELG_NO_MEMORY", status)
      end
    end
    assert.is_true(each_failure(function() return source:list() end) > 256)
    assert.is_true(each_failure(function() return source:remove(hash, 0) end) > 0)
    assert.equal(0, (source:close()))
    stores.clean()
  end)
end)

describe("artifact, store", function()
  local url, source
  before_each(function()
    url = postgres.schema(postgres.shared())
    source = assert(artifact.open("store", url))
  end)
  after_each(function() source:close() end)

  it("that is not whole is said so, and mended by who puts it again", function()
    local text = content(3 * CHUNK + 5, 1)
    local hash = assert(source:put(text))
    for _, damage in ipairs { "DELETE FROM cmo_artifacts WHERE chunk_index = 1",
      "DELETE FROM cmo_artifacts WHERE chunk_index = 3",
      "UPDATE cmo_artifacts SET data = data || 'x'::bytea WHERE chunk_index = 3",
      "UPDATE cmo_artifacts SET chunk_count = 9 WHERE chunk_index = 2" } do
      postgres.sql(url, damage)
      local got, status, why = source:get(hash)
      assert.is_nil(got)
      assert.equal("ELG_CORRUPT", status, damage)
      assert.truthy(why:find(hash, 1, true), why)
      assert.equal(hash, assert(source:put(text)))
      assert.is_true(source:get(hash) == text)
    end
  end)

  it("is there whole or not at all when the server crashes", function()
    local server = postgres.start()
    local crashed = postgres.schema(server)
    local there = assert(artifact.open("store", crashed))
    local text = content(40 * CHUNK, 3)
    local pipe = stores.child(([[
      local artifact = require "artifact_c"
      local source = assert(artifact.open("store", %q))
      io.stdout:setvbuf "no"
      print "go"
      local file = assert(io.open(%q, "rb"))
      print((source:put(file:read "*a")))]]):format(crashed, (function()
        local path = stores.folder() .. "/content"
        local file = assert(io.open(path, "wb"))
        file:write(text)
        file:close()
        os.execute("chmod -R a+rX " .. path:match("^(.*)/"))
        return path
      end)()))
    assert.equal("go", pipe:read "*l")
    process.sleep_us(60000)
    postgres.crash(server)
    local hash = pipe:read "*l"
    pipe:close()
    assert.is_true(there:get(hash) == text)
    assert.equal("40", postgres.sql(crashed, "SELECT count(*) AS n FROM cmo_artifacts")[1].n)
    there:close()
    postgres.stop(server)
    stores.clean()
  end)

  it("may be read, and not changed, through a store that is open for reading", function()
    local hash = assert(source:put "text")
    local reader = assert(artifact.open("store", url, true))
    assert.equal("text", reader:get(hash))
    assert.equal(1, #reader:list())
    assert.equal("ELG_USAGE", select(2, reader:put "other"))
    assert.equal("ELG_USAGE", select(2, reader:remove(hash, 0)))
    reader:close()
  end)

  it("fails as planted", function()
    source:fault("artifact_put", 1, "ELG_FULL")
    assert.equal("ELG_FULL", select(2, source:put "text"))
    assert.is_string(source:put "text")
  end)
end)
