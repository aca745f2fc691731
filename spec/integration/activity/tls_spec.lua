-- tls: the server's certificate is checked, always.
local A = require "activity_c"
local activity = require "activity"
local ledger = require "ledger"

local server, folder

setup(function()
  folder = activity.folder()
  assert(0 == os.execute("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout '" .. folder .. "/key' -out '" ..
    folder .. "/cert' -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>'" .. folder .. "/openssl.log'"))
  server = ledger.start { log = folder .. "/log", tls = { key = folder .. "/key", cert = folder .. "/cert" } }
end)
teardown(function()
  A.setenv("SSL_CERT_FILE", nil)
  server:stop()
  os.execute("rm -r '" .. folder .. "'")
end)

local function get(host)
  local p = A.performer {}
  local r, maybe = activity.call(p, "http",
    '{"timeout_ms":5000,"url":"https://' .. host .. ":" .. server.port .. '/x"}')
  assert.equal(0, (p:close()))
  return r, maybe
end

describe("activity.http over TLS", function()
  it("refuses a certificate that nobody trusts, before anything is sent", function()
    A.setenv("SSL_CERT_FILE", nil)
    local r, maybe = get "localhost"
    assert.equal("TLS", r.error.code)
    assert.is_false(maybe)
    assert.equal(0, #server:log())
  end)

  it("accepts one of SSL_CERT_FILE", function()
    A.setenv("SSL_CERT_FILE", folder .. "/cert")
    assert.equal(200, get("localhost").value.status)
  end)

  it("refuses it for another host", function()
    A.setenv("SSL_CERT_FILE", folder .. "/cert")
    local before = #server:log()
    local r, maybe = get "127.0.0.1"
    assert.equal("TLS", r.error.code)
    assert.is_false(maybe)
    assert.equal(before, #server:log())
  end)

  it("refuses what is no TLS", function()
    local plain = ledger.start {}
    local p = A.performer {}
    local r = activity.call(p, "http", '{"url":"https://127.0.0.1:' .. plain.port .. '/"}')
    assert.equal("TLS", r.error.code)
    p:close()
    plain:stop()
  end)
end)
