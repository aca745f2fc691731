-- http: calls to real servers; every error code; what leaves and what is recorded.
local A = require "activity_c"
local activity = require "activity"
local ledger = require "ledger"

local server, log_path, folder

local function http(p, request) return activity.call(p, "http", request) end
local function get(p, path, rest)
  return http(p, '{"url":"' .. server.url .. path .. '"' .. (rest or "") .. "}")
end
local function raw(p, path, rest)
  return http(p, '{"url":"' .. server.raw_url .. path .. '"' .. (rest or "") .. "}")
end

setup(function()
  folder = activity.folder()
  log_path = folder .. "/log"
  server = ledger.start { log = log_path }
end)
teardown(function()
  server:stop()
  os.execute("rm -r '" .. folder .. "'")
end)

describe("activity.http", function()
  local p

  before_each(function() p = A.performer { artifacts = folder .. "/artifacts" } end)
  after_each(function()
    if not p then return end
    local live, wrong = p:close()
    assert.equal(0, live)
    assert.equal(0, wrong)
  end)

  it("sends method, headers, body and the key, and records the answer", function()
    local request = '{"body":"hé","headers":{"Content-Type":"text/x","x-a":"b"},"method":"PUT","url":"' ..
      server.url .. '/echo"}'
    local r, maybe, text = http(p, request)
    assert.is_true(A.is_canonical(text))
    assert.is_false(maybe)
    assert.equal(200, r.value.status)
    assert.equal("application/json", r.value.headers["content-type"])
    local got = A.decode(r.value.body)
    assert.equal("PUT", got.method)
    assert.equal("hé", got.body)
    assert.equal("text/x", got.headers["content-type"])
    assert.equal("b", got.headers["x-a"])
    assert.equal(A.prepare("http", request).key, got.headers["Idempotency-Key"])
    assert.equal("elg/0.1.0", got.headers["User-Agent"])
    assert.is_nil(got.headers["Expect"])
    assert.is_nil(got.headers["Accept-Encoding"])
  end)

  it("repeats under the same key, and the answer is the same", function()
    local request = '{"body":"b","method":"POST","url":"' .. server.url .. '/same"}'
    local first, again = http(p, request), http(p, request)
    assert.equal(first.value.body, again.value.body)
    local log = server:log()
    assert.equal(log[#log].key, log[#log - 1].key)
    assert.equal(log[#log].sha256, log[#log - 1].sha256)
  end)

  it("keeps connections, but not for at_most_once", function()
    get(p, "/a")
    get(p, "/b")
    get(p, "/c", ',"at_most_once":true')
    get(p, "/d")
    local log = server:log()
    local n = #log
    assert.equal(log[n - 3].remote, log[n - 2].remote)
    assert.are_not.equal(log[n - 2].remote, log[n - 1].remote)
    assert.equal(log[n - 2].remote, log[n].remote)
  end)

  it("sends POST without a body, empty headers, HEAD and odd methods", function()
    local got = A.decode(get(p, "/echo", ',"headers":{"x-empty":""},"method":"POST"').value.body)
    assert.equal("0", got.headers["Content-Length"])
    assert.equal("", got.headers["x-empty"])
    assert.is_nil(got.headers["Content-Type"])
    local r = get(p, "/echo", ',"method":"HEAD"')
    assert.equal(200, r.value.status)
    assert.equal("", r.value.body)
    assert.equal("DELETE", A.decode(get(p, "/echo", ',"method":"DELETE"').value.body).method)
  end)

  it("gives every status as a value", function()
    for _, code in ipairs { 204, 304, 400, 404, 429, 500, 503 } do
      local r, maybe = get(p, "/status?code=" .. code)
      assert.equal(code, r.value.status)
      assert.is_false(maybe)
    end
  end)

  it("stores what is no text, or large, as an artifact", function()
    local r = get(p, "/binary")
    assert.is_nil(r.value.body)
    assert.equal(256, r.value.size)
    assert.equal(256, #p:get(r.value.artifact))
    r = get(p, "/big?bytes=262144")
    assert.equal(262144, #r.value.body)
    local text = select(3, get(p, "/big?bytes=262145"))
    r = A.decode(text)
    assert.is_true(A.is_canonical(text))
    assert.equal(262145, r.value.size)
    assert.equal(("x"):rep(262145), p:get(r.value.artifact))
    local sent = get(p, "/upload", ',"body":{"artifact":"' .. r.value.artifact .. '"},"method":"PUT"')
    assert.equal(r.value.artifact, A.decode(sent.value.body).echo)
    assert.equal("NOT_FOUND", get(p, "/x", ',"body":{"artifact":"' .. ("0"):rep(64) .. '"}').error.code)
  end)

  it("refuses bodies past the limit", function()
    local r, maybe = get(p, "/big?bytes=1001", ',"max_bytes":1000')
    assert.equal("BODY_TOO_LARGE", r.error.code)
    assert.is_true(maybe)
    assert.equal(1000, #get(p, "/big?bytes=1000", ',"max_bytes":1000').value.body)
    assert.equal("BODY_TOO_LARGE", get(p, "/endless", ',"max_bytes":100000').error.code)
    local q = A.performer { body_bytes_max = 500 }
    assert.equal("BODY_TOO_LARGE", get(q, "/big?bytes=501", ',"max_bytes":1000').error.code)
    assert.equal("BODY_TOO_LARGE", get(q, "/endless").error.code)
    assert.equal(0, (q:close()))
  end)

  it("gives up after its time", function()
    for _, path in ipairs { "/slow?ms=2000", "/endless" } do
      local r, maybe = get(p, path, ',"timeout_ms":100')
      if path == "/endless" then
        assert.is_true(r.error.code == "TIMEOUT" or r.error.code == "BODY_TOO_LARGE")
      else
        assert.same({ code = "TIMEOUT", message = "GET " .. server.url .. ": no response within 100 ms" }, r.error)
      end
      assert.is_true(maybe)
    end
    local r = raw(p, "/stall", ',"timeout_ms":100')
    assert.equal("TIMEOUT", r.error.code)
    local q = A.performer { timeout_ms = 50 }
    assert.equal("TIMEOUT", get(q, "/slow?ms=1000").error.code)
    q:close()
  end)

  it("says that nobody listens, and that nothing was sent", function()
    local r, maybe = http(p, '{"url":"http://127.0.0.1:1/x"}')
    assert.same({ code = "CONNECT", message = "GET http://127.0.0.1:1: cannot connect: Connection refused" }, r.error)
    assert.is_false(maybe)
  end)

  it("says that a name does not resolve", function()
    local r, maybe = http(p, '{"url":"http://no-such-host.invalid/"}')
    assert.equal("RESOLVE", r.error.code)
    assert.is_false(maybe)
  end)

  it("says that an answer broke off", function()
    for _, path in ipairs { "/short", "/close", "/reset" } do
      local r, maybe = get(p, path)
      assert.equal("TRUNCATED", r.error.code, path)
      assert.is_true(maybe)
    end
    assert.equal("TRUNCATED", raw(p, "/head").error.code)
    assert.equal("TRUNCATED", raw(p, "/halfchunk").error.code)
  end)

  it("says that an answer is not HTTP", function()
    for _, path in ipairs { "/rubbish", "/http09", "/nocolon", "/lengths", "/both", "/badchunk",
      "/bigchunk" } do
      local r, maybe = raw(p, path)
      assert.equal("PROTOCOL", r.error.code, path)
      assert.is_true(maybe)
    end
    assert.matches("chunked%-encoding$", raw(p, "/badchunk").error.message)
  end)

  it("refuses headers past the limit", function()
    assert.equal("HEADERS_TOO_LARGE", raw(p, "/bigheader").error.code)
    local code = raw(p, "/longline").error.code
    assert.is_true(code == "HEADERS_TOO_LARGE" or code == "NO_MEMORY", code)
  end)

  it("reads unusual heads", function()
    local v = raw(p, "/continue").value
    assert.equal("1", v.headers["x-final"])
    assert.is_nil(v.headers["x-early"])
    assert.is_nil(v.headers["x-hint"])
    v = raw(p, "/twice").value
    assert.equal("a=1\nb=2", v.headers["set-cookie"])
    assert.equal("p, q", v.headers["x-list"])
    assert.equal("café", raw(p, "/latin1").value.headers["x-name"])
    assert.matches("^a +b$", raw(p, "/folded").value.headers["x-long"])
    v = raw(p, "/trailer").value
    assert.equal("ok", v.body)
    assert.is_nil(v.headers["x-trailer"])
    assert.equal("ok", raw(p, "/toolong").value.body)
    assert.equal("ok", raw(p, "/samelength").value.body)
  end)

  it("goes on when a kept connection has died", function()
    for _ = 1, 3 do assert.equal("ok", raw(p, "/drop").value.body) end
  end)

  it("ignores proxies and credentials of its surroundings", function()
    A.setenv("http_proxy", "http://127.0.0.1:1")
    A.setenv("all_proxy", "http://127.0.0.1:1")
    A.setenv("HOME", folder)
    local netrc = io.open(folder .. "/.netrc", "w")
    netrc:write("machine 127.0.0.1 login me password no\n")
    netrc:close()
    local r = get(p, "/echo")
    A.setenv("http_proxy", nil)
    A.setenv("all_proxy", nil)
    assert.is_nil(A.decode(r.value.body).headers["Authorization"])
  end)

  it("refuses urls with credentials and other surprises", function()
    for _, url in ipairs { "http://me:no@127.0.0.1/", "http://127.0.0.1:99999/", "http:///x", "http://[::1/",
      "http://h%00/", "http://" } do
      local r, maybe = http(p, '{"url":"' .. url .. '"}')
      local code = r.error and r.error.code
      assert.is_true(code == "INVALID_REQUEST" or code == "RESOLVE", url .. " " .. tostring(code))
      assert.is_false(maybe)
      if url:find "me" then assert.equal("INVALID_REQUEST", code) end
    end
  end)

  it("cancels without a word", function()
    local id = p:start("http", '{"url":"' .. server.url .. '/slow?ms=300"}')
    p:poll(50)
    p:cancel(id)
    assert.equal(0, p:under_way())
    local second = p:start("http", '{"url":"' .. server.url .. '/slow?ms=100"}')
    local third = p:start("http", '{"url":"' .. server.url .. '/after"}')
    p:cancel_on_done(second)
    assert.equal(200, activity.wait(p, third).value.status)
    for _ = 1, 5 do p:poll(100) end
    assert.is_nil(p:take())
  end)

  it("cancels what is under way when the performer goes", function()
    for _ = 1, 20 do p:start("http", '{"url":"' .. server.url .. '/slow?ms=3000"}') end
    p:poll(100)
    assert.equal(20, p:under_way())
    assert.equal(0, (p:close()))
    p = nil
  end)

  it("does a hundred and more at once", function()
    local count = 600
    for i = 1, count do
      assert.is_number(p:start("http", '{"url":"' .. server.url .. "/slow?ms=100&i=" .. i .. '"}'))
    end
    assert.equal(count, p:under_way())
    local done, deadline = 0, os.time() + 30
    while done < count and os.time() < deadline do
      p:poll(100)
      for _, text in function() return p:take() end do
        assert.equal(200, A.decode(text).value.status)
        done = done + 1
      end
    end
    assert.equal(count, done)
  end)

  it("queues what is past its limit, in order, and counts its time", function()
    local slow = '"url":"' .. server.url .. '/slow?ms=300"}'
    for _ = 1, 1024 do assert.is_number(p:start("http", "{" .. slow)) end
    local cancelled = p:start("http", "{" .. slow)
    local late = p:start("http", '{"timeout_ms":50,' .. slow)
    local queued = {}
    for i = 1, 50 do queued[i] = p:start("http", '{"url":"' .. server.url .. "/queued/" .. i .. '"}') end
    assert.equal(1076, p:under_way())
    p:cancel(cancelled)
    local r, maybe = activity.wait(p, late)
    assert.equal("TIMEOUT", r.error.code)
    assert.is_false(maybe)
    assert.equal(200, activity.wait(p, queued[50], 20000).value.status)
    local deadline = os.time() + 20
    while p:under_way() > 0 and os.time() < deadline do p:poll(100) end
    local paths = {}
    for _, entry in ipairs(server:log()) do
      if entry.path:find "^/queued/" then paths[entry.path] = (paths[entry.path] or 0) + 1 end
    end
    for i = 1, 50 do assert.equal(1, paths["/queued/" .. i]) end
  end)

  it("begins a queued call when another is cancelled", function()
    local ids = {}
    for i = 1, 1024 do ids[i] = p:start("http", '{"url":"' .. server.url .. '/slow?ms=20000"}') end
    local late = p:start("http", '{"timeout_ms":50,"url":"http://127.0.0.1:1/"}')
    local queued = p:start("http", '{"url":"http://127.0.0.1:1/"}')
    assert.equal("TIMEOUT", activity.wait(p, late, 5000).error.code) -- none has ended yet
    for i = 1, 1023 do p:cancel(ids[i]) end
    assert.is_true(p:poll(1000))
    assert.equal("CONNECT", activity.wait(p, queued).error.code)
    p:close()
    p = nil
  end)

  it("tells of at_most_once whether it may have happened", function()
    local function maybe(url)
      return (select(2, http(p, '{"at_most_once":true,"timeout_ms":300,"url":"' .. url .. '"}')))
    end
    assert.is_false(maybe "http://127.0.0.1:1/")
    assert.is_false(maybe "http://no-such-host.invalid/")
    assert.is_false(maybe(server.url .. "/x"))
    assert.is_true(maybe(server.url .. "/slow?ms=1000"))
    assert.is_true(maybe(server.url .. "/reset"))
    local before = #server:log()
    maybe(server.url .. "/reset")
    assert.equal(before + 1, #server:log()) -- not tried again
  end)

  it("has a quiet descriptor when nothing is under way", function()
    local own = ledger.start {}
    local function quiet() -- poll tells whether the descriptor was readable before it
      assert.equal(0, p:under_way())
      assert.is_false(p:poll(150))
    end
    local url = '{"url":"' .. own.url
    assert.equal(200, http(p, url .. '/x"}').value.status)
    quiet()
    for _, ms in ipairs { 0, 20, 200 } do
      local ids = {}
      for i = 1, 5 do ids[i] = p:start("http", url .. '/slow?ms=100"}') end
      if ms > 0 then p:poll(ms) end
      for i = 1, 5 do p:cancel(ids[i]) end
      quiet()
    end
    p:cancel((p:start("http", '{"url":"http://no-such-host.invalid/"}')))
    quiet()
    assert.equal("TIMEOUT", http(p, '{"timeout_ms":20,"url":"' .. own.url .. '/slow?ms=400"}').error.code)
    quiet()
    http(p, url .. '/x"}')
    own:stop() -- closes the kept connection
    quiet()
  end)

  it("survives every failing allocation (I16)", function()
    local request = '{"body":"b","headers":{"a":{"$secret":"K"}},"method":"POST","url":["' .. server.url ..
      '/echo?",{"$secret":"K"}]}'
    local q = A.performer { secrets = { K = "topsecret" } }
    local fine = 0
    for n = 1, 120 do
      q:fail_at(n, true)
      local r, status = http(q, request)
      q:fail_at(0)
      if r == nil then
        assert.equal("ELG_NO_MEMORY", status)
      elseif r.error then
        assert.equal("NO_MEMORY", r.error.code)
      else
        fine = fine + 1
      end
    end
    assert.is_true(fine > 0)
    assert.equal(0, q:under_way())
    local live, wrong = q:close()
    assert.equal(0, live)
    assert.equal(0, wrong)
  end)
end)
