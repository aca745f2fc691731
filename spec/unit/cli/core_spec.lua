-- core: the bindings that need no store; sys: the process.
local core = require "elg.core"
local sys = require "elg.sys"

describe("core JSON", function()
  it("canonicalises and hashes", function()
    assert.equal('{"a":1,"b":[true,null]}', core.canonical '{ "b":[true , null],"a":1.0 }')
    -- sha256 of {}
    assert.equal("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", core.hash " {} ")
  end)

  it("answers nil, message, code, where", function()
    for _, f in ipairs { core.canonical, core.hash, core.decode } do
      local value, message, code, where = f '{"a":[1,}'
      assert.is_nil(value)
      assert.equal("ELG_INVALID", code)
      assert.truthy(where:find("line 1 column 9", 1, true), where)
      assert.is_true(#message > 0)
    end
  end)

  it("decodes into plain tables", function()
    assert.same({ a = { 1, 2.5, { b = "x\0y" }, {} }, c = core.null, d = false, e = {} },
      core.decode '{"a":[1,2.5,{"b":"x\\u0000y"},[]],"c":null,"d":false,"e":{}}')
    assert.same({ {}, { {} }, { a = { { b = {} } } } }, core.decode '[[],[[]],{"a":[{"b":[]}]}]')
    assert.equal("x", core.decode '"x"')
    assert.equal(core.null, core.decode "null")
  end)

  it("decodes up to the depth of the reader, and says so beyond", function()
    local deep = core.decode(("["):rep(128) .. ("]"):rep(128))
    local depth = 0
    while deep do depth, deep = depth + 1, deep[1] end
    assert.equal(128, depth)
    assert.equal("ELG_LIMIT", (select(3, core.decode(("["):rep(129) .. ("]"):rep(129)))))
  end)

  it("raises for what is not a text", function()
    for _, f in ipairs { core.canonical, core.hash, core.decode } do
      assert.has_error(function() f(nil) end)
      assert.has_error(function() f({}) end)
    end
  end)
end)

describe("sys", function()
  it("writes whole texts and says why it cannot", function()
    local ok, message, code = sys.write(-1, "x")
    assert.same({ nil, "Bad file descriptor", "ERRNO" }, { ok, message, code })
    assert.is_true(sys.write(1, ""))
  end)

  it("makes and removes folders with all that is in them", function()
    local folder = assert(sys.mkdtemp "/tmp/elg-spec-")
    assert.equal("folder", sys.kind(folder))
    os.execute(("mkdir -p %s/a/b && touch %s/a/b/c"):format(folder, folder))
    assert.equal("file", sys.kind(folder .. "/a/b/c"))
    assert.is_true(sys.remove_tree(folder))
    assert.is_nil(sys.kind(folder))
    assert.is_nil((sys.remove_tree(folder)))
  end)

  it("tells time, usage and its own path", function()
    local before = sys.monotonic_us()
    local cpu_us, rss_kb = sys.usage()
    assert.is_true(cpu_us > 0 and rss_kb > 1000)
    assert.is_true(sys.monotonic_us() >= before)
    assert.is_true(math.abs(sys.wall_ms() / 1000 - os.time()) < 2)
    assert.truthy(sys.exe():find("luajit", 1, true))
  end)

  it("waits no longer than it is told", function()
    local before = sys.monotonic_us()
    assert.equal("timeout", sys.poll(-1, 30))
    local took_us = sys.monotonic_us() - before
    assert.is_true(took_us >= 29000 and took_us < 2000000)
  end)
end)
