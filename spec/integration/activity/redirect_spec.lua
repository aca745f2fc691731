-- redirects: followed by our own code, each judged, secrets staying with their origin.
local A = require "activity_c"
local activity = require "activity"
local ledger = require "ledger"

local here, there, folder

setup(function()
  folder = activity.folder()
  here = ledger.start { log = folder .. "/here" }
  there = ledger.start { log = folder .. "/there" }
end)
teardown(function()
  here:stop()
  there:stop()
  os.execute("rm -r '" .. folder .. "'")
end)

local function escape(url) return (url:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)) end

local function redirect(to, code) return here.url .. "/redirect?code=" .. (code or 302) .. "&to=" .. escape(to) end

describe("redirects", function()
  local p

  before_each(function() p = A.performer { secrets = { K = "s3cret-value" } } end)
  after_each(function() assert.equal(0, (p:close())) end)

  local function http(url, rest) return activity.call(p, "http", '{"url":"' .. url .. '"' .. (rest or "") .. "}") end
  local function echo(...)
    local r = http(...)
    assert.is_table(r.value, r.error and r.error.message)
    return A.decode(r.value.body)
  end

  it("change the method as browsers do", function()
    local post = ',"body":"b","headers":{"content-type":"text/x"},"method":"POST"'
    for code, method in pairs { [301] = "GET", [302] = "GET", [303] = "GET", [307] = "POST", [308] = "POST" } do
      local got = echo(redirect("/echo", code), post)
      assert.equal(method, got.method, code)
      assert.equal(method == "POST" and "b" or "", got.body)
      assert.equal(method == "POST" and "text/x" or nil, got.headers["content-type"])
    end
    local put = ',"body":"b","method":"PUT"'
    for code, method in pairs { [301] = "PUT", [302] = "PUT", [303] = "GET", [307] = "PUT" } do
      assert.equal(method, echo(redirect("/echo", code), put).method, code)
    end
  end)

  it("keep the key", function()
    local key = A.prepare("http", '{"url":"' .. redirect("/echo") .. '"}').key
    assert.equal(key, echo(redirect("/echo")).headers["Idempotency-Key"])
    assert.equal(key, here:log()[#here:log() - 1].key)
  end)

  it("resolve relative places", function()
    assert.equal("/echo", echo(redirect("echo")).path)
    assert.equal("/echo", echo(redirect("./x/../echo?y#z")).path)
    assert.equal("/echo", echo(redirect("//127.0.0.1:" .. there.port .. "/echo")).path)
  end)

  it("keep secrets within the origin", function()
    local headers = ',"headers":{"authorization":"Bearer x","cookie":"c","x-plain":"p","x-secret":{"$secret":"K"}}'
    local same = echo(redirect("/echo"), headers)
    assert.equal("Bearer x", same.headers.authorization)
    assert.equal("[secret K]", same.headers["x-secret"])
    local other = echo(redirect(there.url .. "/echo"), headers)
    assert.is_nil(other.headers.authorization)
    assert.is_nil(other.headers.cookie)
    assert.is_nil(other.headers["x-secret"])
    assert.equal("p", other.headers["x-plain"])
    local name = echo(redirect("http://localhost:" .. here.port .. "/echo"), headers)
    assert.is_nil(name.headers.authorization)
    -- Once dropped, they do not come back on the way home.
    local back = there.url .. "/redirect?to=" .. escape(here.url .. "/echo")
    assert.is_nil(echo(redirect(back), headers).headers.authorization)
  end)

  it("are not followed if not wanted, or without a place", function()
    local r = http(redirect("/echo"), ',"follow":false')
    assert.equal(302, r.value.status)
    assert.equal("/echo", r.value.headers.location)
    assert.equal(302, http(here.url .. "/status?code=302").value.status)
    assert.equal(304, http(here.url .. "/status?code=304").value.status)
  end)

  it("go only to http urls without credentials", function()
    for _, to in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://me:no@127.0.0.1/",
      "javascript:alert(1)", "http://[bad/" } do
      local r, maybe = http(redirect(to))
      if r.value then
        assert.equal(404, r.value.status, to) -- taken as a relative place
      else
        assert.equal("REDIRECT", r.error.code, to)
        assert.is_true(maybe)
      end
    end
    assert.equal("REDIRECT", http(redirect "file:///etc/passwd").error.code)
    assert.equal("REDIRECT", http(redirect "http://me:no@127.0.0.1/").error.code)
  end)

  it("end after ten", function()
    local function chain(count)
      local to = "/echo"
      for _ = 1, count - 1 do to = "/redirect?to=" .. escape(to) end
      return redirect(to)
    end
    assert.equal(200, http(chain(6)).value.status)
    local before = #there:log()
    local r = http(there.url .. "/loop")
    assert.equal("REDIRECT", r.error.code)
    assert.equal(before + 11, #there:log())
  end)

  it("are judged by allow-net", function()
    local q = A.performer { allow_net = { "127.0.0.1:" .. here.port } }
    local before = #there:log()
    local r, maybe = activity.call(q, "http", '{"url":"' .. redirect(there.url .. "/echo") .. '"}')
    assert.equal("NET_DENIED", r.error.code)
    assert.is_true(maybe)
    assert.equal(before, #there:log())
    assert.equal(200, activity.call(q, "http", '{"url":"' .. redirect("/echo") .. '"}').value.status)
    assert.equal(0, (q:close()))
  end)

  it("share the call's time", function()
    local r = http(redirect("/slow?ms=1000"), ',"timeout_ms":200')
    assert.equal("TIMEOUT", r.error.code)
  end)
end)
