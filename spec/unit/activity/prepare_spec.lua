-- prepare: what requests may say, their canonical form, hashes and keys.
local A = require "activity_c"

local HASH = ("0123456789abcdef"):rep(4)

local function refused(kind, request, pattern)
  local got, status, text = A.prepare(kind, request)
  assert.is_nil(got, request)
  assert.equal("ELG_INVALID", status)
  assert.matches(pattern, text)
end

local function sha256(text)
  local path = os.tmpname()
  local file = io.open(path, "wb")
  file:write(text)
  file:close()
  local pipe = io.popen("sha256sum " .. path)
  local hex = pipe:read("*l"):match("%x+")
  pipe:close()
  os.remove(path)
  return hex
end

describe("activity kinds", function()
  it("have the names of the journal and of node code", function()
    assert.equal("http_request", A.type_name("http"))
    assert.equal("write_artifact", A.type_name("artifact.write"))
    assert.equal("read_artifact", A.type_name("artifact.read"))
    for _, name in ipairs { "now", "sleep", "call", "settle" } do
      assert.equal(name, A.type_name(name))
    end
    assert.is_nil(A.type_name("http_request"))
    assert.is_nil(A.type_name("mcp"))
  end)
end)

describe("activity.prepare", function()
  it("hashes the canonical request with its type (I7)", function()
    local request = '{"url":"http://h/"}'
    local p = A.prepare("http", request, { trace = "t", step = 3, seq = 7 })
    assert.equal(request, p.request)
    assert.equal(sha256('{"request":' .. request .. ',"type":"http_request"}'),
      p.request_hash)
    assert.equal(sha256('{"request_hash":"' .. p.request_hash ..
      '","seq":7,"step":3,"trace":"t","type":"http_request"}'), p.key)
  end)

  it("gives another key for another place, request or kind", function()
    local seen = {}
    local function note(kind, request, place)
      local key = A.prepare(kind, request, place).key
      assert.is_nil(seen[key])
      seen[key] = true
    end
    note("call", '{"name":"a"}', { trace = "t", step = 0, seq = 0 })
    note("call", '{"name":"a"}', { trace = "t", step = 0, seq = 1 })
    note("call", '{"name":"a"}', { trace = "t", step = 1, seq = 0 })
    note("call", '{"name":"a"}', { trace = "u", step = 0, seq = 0 })
    note("call", '{"name":"b"}', { trace = "t", step = 0, seq = 0 })
    note("settle", '{"name":"a"}', { trace = "t", step = 0, seq = 0 })
  end)

  it("hashes header names in lower case", function()
    local a = A.prepare("http", '{"headers":{"ACCEPT":"b","X-a":"c"},"url":"http://h/"}')
    local b = A.prepare("http", '{"headers":{"accept":"b","x-a":"c"},"url":"http://h/"}')
    assert.equal('{"headers":{"accept":"b","x-a":"c"},"url":"http://h/"}', a.request)
    assert.equal(b.request_hash, a.request_hash)
    local c = A.prepare("http", '{"headers":{"B":"1","a":"2"},"url":"http://h/"}')
    assert.equal('{"headers":{"a":"2","b":"1"},"url":"http://h/"}', c.request)
    assert.is_true(A.is_canonical(c.request))
  end)

  it("reads settings", function()
    local p = A.prepare("http",
      '{"at_most_once":true,"timeout_ms":1500,"url":"https://h"}')
    assert.is_true(p.at_most_once)
    assert.equal(1500, p.timeout_ms)
    assert.is_false(A.prepare("http", '{"url":"http://h"}').at_most_once)
    assert.equal(5, A.prepare("sleep", "5").sleep_ms)
    assert.equal(6, A.prepare("sleep", '{"ms":5.5}').sleep_ms)
    assert.is_true(A.prepare("call", '{"at_most_once":true,"name":"x"}').at_most_once)
  end)

  it("takes secrets in the url's parts and in headers only", function()
    assert.is_table(A.prepare("http",
      '{"headers":{"a":{"$secret":"K"},"b":["x ",{"$secret":"K"}]},' ..
      '"url":["http://h/?k=",{"$secret":"K"}]}'))
    refused("http", '{"body":{"$secret":"K"},"url":"http://h/"}', "body")
    refused("http", '{"method":{"$secret":"K"},"url":"http://h/"}', "method")
    refused("http", '{"headers":{"a":{"$secret":"no/good"}},"url":"http://h/"}', "headers.a")
    refused("http", '{"headers":{"a":{"$secret":"K","x":1}},"url":"http://h/"}', "headers.a")
  end)

  it("refuses what cannot be sent, and says what", function()
    local function http(rest, pattern) refused("http", '{"url":"http://h/",' .. rest .. "}", pattern) end
    refused("http", "[]", "must be an object")
    refused("http", "{}", "url: must be a string")
    refused("http", '{"url":"ftp://h/"}', "http:// or https://")
    refused("http", '{"url":"file:///etc/passwd"}', "http:// or https://")
    refused("http", '{"url":"http://h/a b"}', "url: has a character")
    refused("http", '{"url":"http://h/\\r\\nHost: x"}', "url: has a character")
    refused("http", '{"url":"http://h/\\u0000"}', "url: has a character")
    refused("http", '{"url":"http://h/é"}', "url: has a character")
    refused("http", '{"url":[]}', "1 to 64 parts")
    refused("http", '{"url":"http://h/' .. ("a"):rep(20000) .. '"}', "longer than")
    http('"uri":1', 'unknown field "uri"')
    http('"method":"get"', "upper case")
    http('"method":"GET / HTTP/1.1"', "method")
    http('"method":"CONNECT"', "CONNECT")
    http('"headers":[]', "headers: must be an object")
    http('"headers":{"a b":"c"}', "not a token")
    http('"headers":{"":"c"}', "not a token")
    http('"headers":{"a":"b\\r\\nc: d"}', "headers.a: has a character")
    http('"headers":{"a":"b\\u0000"}', "headers.a: has a character")
    http('"headers":{"a":1}', "headers.a: must be a string")
    http('"headers":{"Accept":"1","accept":"2"}', "is there twice")
    http('"headers":{"Idempotency-Key":"mine"}', "elg sends")
    http('"headers":{"host":"other"}', "not yours to set")
    http('"headers":{"Content-Length":"1"}', "not yours to set")
    http('"headers":{"Transfer-Encoding":"chunked"}', "not yours to set")
    http('"body":1', "body: must be")
    http('"body":{"artifact":"abc"}', "body: must be")
    http('"timeout_ms":0', "timeout_ms")
    http('"timeout_ms":1.5', "timeout_ms")
    http('"timeout_ms":"1"', "timeout_ms")
    http('"max_bytes":-1', "max_bytes")
    http('"follow":1', "follow")
    http('"at_most_once":"yes"', "at_most_once")
    assert.is_table(A.prepare("http", '{"body":{"artifact":"' .. HASH .. '"},"url":"http://h/"}'))
  end)

  it("refuses the same of the other kinds", function()
    refused("sleep", '{"ms":-1}', "milliseconds")
    refused("sleep", '{"ms":1e300}', "milliseconds")
    refused("sleep", '{"s":1}', "unknown field")
    refused("sleep", "null", "must be an object")
    refused("call", '{"request":1}', "name")
    refused("call", '{"name":""}', "name")
    refused("call", '{"name":"a\\u0000b"}', "name")
    refused("artifact.write", '{"content":1}', "content must be a string")
    refused("artifact.write", '{"content":"","name":1}', "name must be a string")
    refused("artifact.write", '{"content":"","encoding":"hex"}', "encoding")
    refused("artifact.read", '{"hash":"../../etc/passwd"}', "64 lower%-case")
    refused("artifact.read", '"' .. HASH:upper() .. '"', "64 lower%-case")
    assert.is_table(A.prepare("artifact.read", '"' .. HASH .. '"'))
    assert.is_table(A.prepare("artifact.read", '{"hash":"' .. HASH .. '","name":"n","size":3}'))
  end)

  it("survives every failing allocation without a leak (I16)", function()
    for _, case in ipairs {
      { "http", '{"headers":{"A":"b"},"method":"PUT","url":["http://h/",{"$secret":"K"}]}' },
      { "call", '{"name":"n","request":[1,2,{"a":"b"}]}' },
      { "sleep", "1" },
    } do
      local _, calls, live = A.prepare(case[1], case[2])
      assert.equal(0, live)
      assert.is_true(calls > 2)
      for n = 1, calls do
        local got, status, _, left = A.prepare(case[1], case[2], nil, n)
        assert.is_nil(got)
        assert.equal("ELG_NO_MEMORY", status)
        assert.equal(0, left)
      end
    end
  end)
end)
