-- allow-net: what may be reached, by name and by address.
local A = require "activity_c"
local activity = require "activity"
local ledger = require "ledger"

local server, port

setup(function()
  server = ledger.start {}
  port = server.port
end)
teardown(function() server:stop() end)

local function try(rules, url)
  local p = assert(A.performer { allow_net = rules })
  local r, maybe = activity.call(p, "http", '{"timeout_ms":3000,"url":"' .. url .. '"}')
  assert.equal(0, (p:close()))
  if r.error then return r.error.code, maybe end
  return r.value.status, maybe
end

describe("allow-net", function()
  it("allows a name, with its port or with all", function()
    local url = "http://localhost:" .. port .. "/x"
    assert.equal(200, try({ "localhost:" .. port }, url))
    assert.equal(200, try({ "localhost" }, url))
    assert.equal(200, try({ "LOCALHOST." }, url))
    assert.equal(200, try({ "other:1", "localhost" }, "http://LocalHost:" .. port .. "/x"))
    assert.equal("NET_DENIED", (try({ "localhost:" .. port + 1 }, url)))
    assert.equal("NET_DENIED", (try({ "ocalhost" }, url)))
    assert.equal("NET_DENIED", (try({ "xlocalhost", "localhostx", "localhost.x" }, url)))
  end)

  it("allows an address, also by a name that resolves to it", function()
    for _, rule in ipairs { "127.0.0.1", "127.0.0.1:" .. port, "[::ffff:127.0.0.1]:" .. port } do
      assert.equal(200, try({ rule }, "http://127.0.0.1:" .. port .. "/x"))
      assert.equal(200, try({ rule }, "http://localhost:" .. port .. "/x"))
      assert.equal(200, try({ rule }, "http://2130706433:" .. port .. "/x")) -- the same address
    end
    for _, rule in ipairs { "127.0.0.2", "127.0.0.1:" .. port + 1, "[::1]", "[::1]:" .. port, "::1" } do
      local code, maybe = try({ rule }, "http://127.0.0.1:" .. port .. "/x")
      assert.equal("NET_DENIED", code)
      assert.is_false(maybe)
    end
    -- Not even a connection is tried: nobody listens on port 1.
    assert.equal("NET_DENIED", (try({ "127.0.0.2" }, "http://localhost:1/")))
    assert.equal("CONNECT", (try({ "127.0.0.1" }, "http://localhost:1/")))
    local code, maybe = try({ "127.0.0.2" }, "http://localhost:" .. port .. "/x")
    assert.equal("NET_DENIED", code)
    assert.is_false(maybe)
  end)

  it("knows IPv6 addresses, however they are written", function()
    for _, rule in ipairs { "[::1]", "[::1]:1", "::1", "[0:0:0:0:0:0:0:1]:1" } do
      local code = try({ rule }, "http://[::1]:1/")
      assert.equal("CONNECT", code) -- allowed; nobody listens
    end
    for _, rule in ipairs { "[::2]", "[::1]:2", "localhost" } do
      assert.equal("NET_DENIED", (try({ rule }, "http://[::1]:1/")))
    end
  end)

  it("does not take a name for an address", function()
    assert.equal("NET_DENIED", (try({ "localhost" }, "http://127.0.0.1:" .. port .. "/x")))
  end)

  it("denies everything if there is no rule", function()
    assert.equal("NET_DENIED", (try({}, "http://127.0.0.1:" .. port .. "/x")))
    assert.equal("NET_DENIED", (try({}, "http://localhost/")))
  end)

  it("allows everything if it is not given", function()
    assert.equal(200, try(nil, "http://localhost:" .. port .. "/x"))
  end)

  it("judges kept connections by the request's own rules", function()
    local p = A.performer { allow_net = { "localhost:" .. port } }
    assert.equal(200, activity.call(p, "http", '{"url":"http://localhost:' .. port .. '/"}').value.status)
    assert.equal("NET_DENIED",
      activity.call(p, "http", '{"url":"http://127.0.0.1:' .. port .. '/"}').error.code)
    p:close()
  end)

  it("refuses rules that are none", function()
    for _, rule in ipairs { "", ":80", "http://x", "x/y", "x:0", "x:65536", "x:y", "x:", "[::1", "*.x", "a b",
      "x:1:2y" } do
      local p, status, text = A.performer { allow_net = { rule } }
      assert.is_nil(p, rule)
      assert.equal("ELG_USAGE", status)
      assert.matches("HOST", text)
    end
  end)
end)
