-- secrets: put in at the last moment, and nowhere to be found afterwards (I14).
local A = require "activity_c"
local activity = require "activity"
local ledger = require "ledger"

local server, folder

setup(function()
  folder = activity.folder()
  server = ledger.start { log = folder .. "/log" }
end)
teardown(function()
  server:stop()
  os.execute("rm -r '" .. folder .. "'")
end)

local function call(secrets, request)
  local p = A.performer { secrets = secrets, artifacts = folder .. "/artifacts" }
  local r, maybe, text = activity.call(p, "http", request)
  assert.equal(0, (p:close()))
  return r, text, maybe
end

local function url(path) return server.url .. path end

describe("secrets", function()
  it("are sent, and their echo is replaced", function()
    local r, text = call({ TOKEN = "abc-123-xyz" },
      '{"headers":{"authorization":["Bearer ",{"$secret":"TOKEN"}]},"url":"' .. url "/echo" .. '"}')
    assert.is_nil(text:find("abc-123-xyz", 1, true))
    assert.equal("Bearer [secret TOKEN]", r.value.headers["x-echo"])
    assert.equal("Bearer [secret TOKEN]", A.decode(r.value.body).headers.authorization)
  end)

  it("are really sent: the server sees the path", function()
    call({ P = "pa-th" }, '{"url":["' .. url "/x/" .. '",{"$secret":"P"},"/y"]}')
    local log = server:log()
    assert.equal("/x/pa-th/y", log[#log].path)
  end)

  it("are found escaped, encoded and within one another", function()
    local r, text = call({ Q = 'quo"te\\d', LONG = "aaaabbbb", SHORT = "aaaa" },
      '{"headers":{"a":{"$secret":"Q"},"b":{"$secret":"LONG"},"c":{"$secret":"SHORT"}},"url":"' .. url "/echo" .. '"}')
    local got = A.decode(r.value.body).headers
    assert.equal("[secret Q]", got.a)
    assert.equal("[secret LONG]", got.b)
    assert.equal("[secret SHORT]", got.c)
    assert.is_nil(text:find("aaaa", 1, true))
    local p = '{"follow":false,"headers":{"a":{"$secret":"E"}},"url":"' .. url "/redirect?to=x%2541%252fBC" .. '"}'
    r = call({ E = "A/BC" }, p)
    assert.equal("x%41%2fBC", r.value.headers.location)
    p = '{"follow":false,"headers":{"a":{"$secret":"E"}},"url":"' .. url "/redirect?to=xA%252fBC%252dA%252FBC" .. '"}'
    r = call({ E = "A/BC" }, p)
    assert.equal("x[secret E]%2d[secret E]", r.value.headers.location)
  end)

  it("do not reach an artifact", function()
    local secret = ("s"):rep(40)
    local r = call({ S = secret }, '{"headers":{"authorization":{"$secret":"S"},"x-pad":"\195\169"},"url":"' ..
      url "/echo" .. '"}')
    assert.is_string(r.value.body)
    os.execute("mkdir -p '" .. folder .. "/artifacts'")
    local big = call({ X = "xxxxxxxx" }, '{"headers":{"a":{"$secret":"X"}},"url":"' .. url "/big?bytes=800001" .. '"}')
    assert.is_string(big.value.artifact)
    local pipe = io.popen("grep -rl xxxxxxxx '" .. folder .. "/artifacts' | wc -l")
    assert.equal(0, pipe:read("*n"))
    pipe:close()
  end)

  it("do not reach an error's text", function()
    local r, text = call({ HOST = "hidden-host-name" }, '{"url":["http://",{"$secret":"HOST"},".invalid/"]}')
    assert.equal("RESOLVE", r.error.code)
    assert.is_nil(text:find("hidden", 1, true))
    assert.matches("[secret HOST]", r.error.message, 1, true)
    r, text = call({ BAD = "line\nbreak" }, '{"headers":{"a":{"$secret":"BAD"}},"url":"' .. url "/" .. '"}')
    assert.equal("INVALID_REQUEST", r.error.code)
    assert.is_nil(text:find("break", 1, true))
    assert.matches("BAD", r.error.message)
    r, text = call({ BAD = "sp ace" }, '{"url":["' .. url "/" .. '",{"$secret":"BAD"}]}')
    assert.equal("INVALID_REQUEST", r.error.code)
    assert.is_nil(text:find("ace", 1, true))
    r, text = call({ U = "user:password@" }, '{"url":["http://",{"$secret":"U"},"127.0.0.1/"]}')
    assert.equal("INVALID_REQUEST", r.error.code)
    assert.is_nil(text:find("password@", 1, true))
  end)

  it("that do not exist are named", function()
    local r, _, maybe = call({}, '{"headers":{"a":{"$secret":"NOPE"}},"url":"' .. url "/" .. '"}')
    assert.equal("NOT_FOUND", r.error.code)
    assert.matches("NOPE", r.error.message)
    assert.is_false(maybe)
  end)

  it("come from the environment otherwise", function()
    A.setenv("ELG_SECRET_MY_KEY", "from-env")
    local p = A.performer { environment = true }
    for _, name in ipairs { "MY_KEY", "my_key", "my-key" } do
      local r = activity.call(p, "http",
        '{"headers":{"authorization":{"$secret":"' .. name .. '"}},"url":"' .. url "/echo" .. '"}')
      assert.equal("[secret " .. name .. "]", r.value.headers["x-echo"])
    end
    assert.equal("NOT_FOUND", activity.call(p, "http",
      '{"headers":{"a":{"$secret":"OTHER_KEY"}},"url":"' .. url "/echo" .. '"}').error.code)
    p:close()
  end)

  it("of a letter or three are refused: they could not be told from other text", function()
    for _, value in ipairs { "", "a", "abc" } do
      A.setenv("ELG_SECRET_SHORT", value)
      local p = A.performer { environment = true }
      local r, maybe = activity.call(p, "http",
        '{"headers":{"a":{"$secret":"SHORT"}},"url":"' .. url "/echo" .. '"}')
      assert.equal("INVALID_REQUEST", r.error.code)
      assert.matches("under 4 bytes", r.error.message)
      assert.is_false(maybe)
      p:close()
    end
  end)

  it("leave the request's hash alone", function()
    local a = A.prepare("http", '{"headers":{"a":{"$secret":"K"}},"url":"http://h/"}')
    assert.matches('{"$secret":"K"}', a.request, 1, true)
  end)
end)
