-- artifacts: content under its hash, durable, verified; both back ends.
local A = require "activity_c"
local activity = require "activity"

local EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

local function path_of(folder, hash) return folder .. "/" .. hash:sub(1, 2) .. "/" .. hash:sub(3) end

local function files(folder)
  local pipe = io.popen("find '" .. folder .. "' -type f | wc -l")
  local count = pipe:read("*n")
  pipe:close()
  return count
end

local function overwrite(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

for _, backend in ipairs { "memory", "folder" } do
  describe("artifacts in " .. backend, function()
    local folder, p

    before_each(function()
      folder = activity.folder()
      p = A.performer { artifacts = backend == "folder" and folder .. "/deep/er" or nil }
    end)
    after_each(function()
      local live, wrong = p:close()
      assert.equal(0, live)
      assert.equal(0, wrong)
      os.execute("rm -r '" .. folder .. "'")
    end)

    it("gives back what was put, under its SHA-256", function()
      assert.equal(EMPTY, p:put(""))
      assert.equal("", p:get(EMPTY))
      local all = {}
      for i = 0, 255 do all[#all + 1] = string.char(i) end
      local bytes = table.concat(all):rep(1000)
      local hash = p:put(bytes)
      assert.equal(hash, p:put(bytes))
      assert.equal(bytes, p:get(hash))
    end)

    it("says what is not there", function()
      local got, status = p:get(EMPTY)
      assert.is_nil(got)
      assert.equal("ELG_NOT_FOUND", status)
    end)

    it("survives every failing allocation (I16)", function()
      for n = 1, 12 do
        p:fail_at(n)
        local hash, status = p:put("content " .. n)
        p:fail_at(0)
        if not hash then assert.equal("ELG_NO_MEMORY", status) end
        hash = p:put("content " .. n)
        p:fail_at(n)
        local got
        got, status = p:get(hash)
        p:fail_at(0)
        if not got then assert.equal("ELG_NO_MEMORY", status) end
        assert.equal("content " .. n, p:get(hash))
      end
    end)

    it("are written and read by activities", function()
      local r = activity.call(p, "artifact.write", '{"content":"héllo","name":"n","type":"text/plain"}')
      assert.equal("n", r.value.name)
      assert.equal("text/plain", r.value.type)
      assert.equal(6, r.value.size)
      local text = select(3, activity.call(p, "artifact.write", '{"content":"","name":"é"}'))
      assert.is_true(A.is_canonical(text))
      assert.equal("héllo", activity.call(p, "artifact.read", '"' .. r.value.hash .. '"').value.content)
      r = activity.call(p, "artifact.read",
        '{"encoding":"base64","hash":"' .. r.value.hash .. '"}')
      assert.equal("aMOpbGxv", r.value.content)
      assert.equal("NOT_FOUND", activity.call(p, "artifact.read", '"' .. EMPTY:reverse() .. '"').error.code)
    end)

    it("give node code what a result of 16 MiB has room for", function()
      local MAX = 16 * 1024 * 1024
      local function read(content, more)
        return activity.call(p, "artifact.read", ('{"hash":"%s"%s}'):format(assert(p:put(content)), more or ""))
      end
      assert.equal(MAX - 2, #read(("x"):rep(MAX - 2)).value.content)
      assert.equal("TOO_LARGE", read(("x"):rep(MAX - 1)).error.code)
      assert.equal(MAX / 2 - 1, #read(("\n"):rep(MAX / 2 - 1)).value.content)
      local base64 = ',"encoding":"base64"'
      assert.equal("TOO_LARGE", read(("\n"):rep(MAX / 2)).error.code)
      assert.equal(MAX - 4, #read(("\255"):rep(MAX / 4 * 3 - 3), base64).value.content)
      assert.equal("TOO_LARGE", read(("\255"):rep(MAX / 4 * 3), base64).error.code)
      assert.truthy(read(("x"):rep(MAX + 1)).error.message:find("16777217 bytes; what node code is given has at most "
        .. "16777216", 1, true))
    end)

    it("carry bytes as base64", function()
      for size, text in ipairs { "AA==", "/wA=", "/wAB", "/wABAg==" } do
        local r = activity.call(p, "artifact.write", '{"content":"' .. text .. '","encoding":"base64"}')
        assert.equal(size, r.value.size)
        local hash = '"hash":"' .. r.value.hash .. '"'
        assert.equal(text, activity.call(p, "artifact.read", '{"encoding":"base64",' .. hash .. "}").value.content)
        if size > 1 then
          assert.equal("NOT_TEXT", activity.call(p, "artifact.read", "{" .. hash .. "}").error.code)
        end
      end
      for _, bad in ipairs { "A", "AA", "AA=", "=AAA", "A===", "AB==", "AAB=", "A A=", "AA==AAAA", "é===" } do
        local r = activity.call(p, "artifact.write", '{"content":"' .. bad .. '","encoding":"base64"}')
        assert.equal("INVALID_REQUEST", r.error.code, bad)
      end
    end)
  end)
end

describe("artifacts in a folder", function()
  local folder, p

  before_each(function()
    folder = activity.folder()
    p = A.performer { artifacts = folder }
  end)
  after_each(function()
    assert.equal(0, (p:close()))
    os.execute("chmod -R u+w '" .. folder .. "'; rm -r '" .. folder .. "'")
  end)

  it("notices a changed, a cut and a grown file, and mends it with the next put", function()
    local hash = p:put("the content")
    local path = path_of(folder, hash)
    for _, text in ipairs { "the cOntent", "the conten", "the content.", "" } do
      overwrite(path, text)
      local got, status, message = p:get(hash)
      assert.is_nil(got)
      assert.equal("ELG_CORRUPT", status)
      assert.matches(hash, message, 1, true)
      assert.equal("CORRUPT", activity.call(p, "artifact.read", '"' .. hash .. '"').error.code)
      assert.equal(hash, p:put("the content"))
      assert.equal("the content", p:get(hash))
    end
  end)

  it("leaves nothing half there when a file cannot grow", function()
    assert.is_true(A.file_limit(1000))
    local hash, status = p:put(("x"):rep(5000))
    A.file_limit(nil)
    assert.is_nil(hash)
    assert.equal("ELG_FULL", status)
    assert.equal(0, files(folder))
    assert.is_true(A.file_limit(1000))
    local r = activity.call(p, "artifact.write", '{"content":"' .. ("x"):rep(5000) .. '"}')
    A.file_limit(nil)
    local shard = folder .. "/c5"
    assert.same({ code = "FULL", message = shard .. ": cannot write a file: File too large; make room and go on" },
      r.error)
    assert.is_string(p:put(("x"):rep(5000)))
    overwrite(folder .. "/e3", "no folder")
    r = activity.call(p, "artifact.write", '{"content":""}')
    assert.same({ code = "IO", message = folder .. "/e3: cannot make a file: Not a directory" }, r.error)
    r = activity.call(p, "artifact.read", '"' .. EMPTY .. '"')
    assert.equal("no artifact " .. EMPTY .. " in " .. folder, r.error.message)
  end)

  it("syncs the file before its name, and every folder that changed after it", function()
    local function put(content)
      A.files(0)
      local hash = p:put(content)
      local list = select(2, A.files(nil))
      list = list:gsub(folder, ""):gsub("%.new%-%x+", "NEW"):gsub(hash:sub(3), "NAME")
      return (list:gsub("/" .. hash:sub(1, 2), "/AB"))
    end
    local fresh = "open /AB/NEW\nwrite /AB/NEW\nfsync /AB/NEW\nrename /AB/NAME\nopen /AB\nfsync /AB\n"
    local known = "open /AB/NAME\n"
    local found = "open /AB/NAME\nfsync /AB/NAME\nopen /AB\nfsync /AB\n"
    local root = "open \nfsync \n"
    assert.equal("open /AB/NAME\nmkdir /AB\n" .. fresh .. root, put "one")
    assert.equal(known, put "one")
    p:close()
    p = A.performer { artifacts = folder }
    assert.equal(found .. root, put "one") -- whoever made it may not have come that far
    assert.equal(known, put "one")
    overwrite(path_of(folder, p:put "one"), "two")
    assert.equal("open /AB/NAME\nmkdir /AB\n" .. fresh, put "one")
    local deep = folder
    folder = deep .. "/a/b"
    p:close()
    p = A.performer { artifacts = folder }
    A.files(0)
    local hash = p:put("one")
    local list = select(2, A.files(nil))
    folder = deep
    for _, path in ipairs { "", "/a", "/a/b", "/a/b/" .. hash:sub(1, 2) } do
      assert.truthy(list:find("fsync " .. deep .. path .. "\n", 1, true), path)
    end
  end)

  it("writes what the system takes in pieces", function()
    A.files(0)
    local hash = p:put(("y"):rep(10000))
    A.files(nil)
    assert.equal(("y"):rep(10000), p:get(hash))
  end)

  it("leaves nothing behind when any system call fails (I16)", function()
    A.files(0)
    p:put(("z"):rep(7000))
    local calls = A.files(nil)
    assert.is_true(calls >= 12)
    for code, name in pairs { [5] = "ELG_IO", [28] = "ELG_FULL", [122] = "ELG_FULL", [12] = "ELG_NO_MEMORY" } do
      for n = 1, calls do
        os.execute("rm -r '" .. folder .. "'/*")
        p:close()
        p = A.performer { artifacts = folder }
        A.files(n, code)
        local hash, status = p:put(("z"):rep(7000))
        local _, list = A.files(nil)
        if n == 1 then
          assert.is_string(hash) -- it cannot look whether it is there, so it writes
        else
          assert.is_nil(hash, list)
          assert.equal(name, status, list)
        end
        hash = p:put(("z"):rep(7000))
        assert.equal(7000, #p:get(hash))
        assert.equal(1, files(folder), list)
      end
    end
    local hash = p:put("again")
    for n = 1, 6 do
      p:close()
      p = A.performer { artifacts = folder }
      A.files(n)
      local again, status = p:put("again")
      local _, list = A.files(nil)
      if n <= 2 then
        assert.equal(hash, again) -- not found, or not synced: it is written anew
        assert.truthy(list:find("rename", 1, true))
      else
        assert.equal("ELG_IO", status, list)
      end
      assert.equal("again", p:get(hash))
    end
  end)

  it("reports a folder that cannot be", function()
    overwrite(folder .. "/file", "")
    local q = A.performer { artifacts = folder .. "/file/below" }
    local hash, status = q:put("x")
    assert.is_nil(hash)
    assert.equal("ELG_IO", status)
    assert.equal("IO", activity.call(q, "artifact.write", '{"content":"x"}').error.code)
    assert.equal(0, (q:close()))
  end)

  it("is shared by performers", function()
    local q = A.performer { artifacts = folder }
    local hash = q:put("shared")
    assert.equal("shared", p:get(hash))
    assert.equal(hash, p:put("shared"))
    assert.equal(1, files(folder))
    q:close()
  end)
end)
