-- Secrets (I14): their values reach the server they are for, and no file, log or error.
local ledger = require "ledger"
local outside = require "outside"

local VALUE = "s3cr3t-Value-0815"

describe("a secret", function()
  local place, server

  setup(function()
    place = outside.place("secret")
    server = ledger.start { log = place:file("../secret-ledger.log") }
  end)
  teardown(function()
    server:stop()
    os.remove(place:file("../secret-ledger.log"))
    place:remove()
  end)

  local function run(body, ...)
    place:write("secret.lua", outside.one_node(body))
    return place:json({ "run", "secret.lua", "--input", ('{"url":"%s"}'):format(server.url), ... },
      { env = { ELG_SECRET_TOKEN = VALUE } })
  end

  -- No file of the folder holds the value, in whatever encoding a journal might use.
  local function nowhere(done)
    local hex = VALUE:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    local found = io.popen(("grep -rlaiF -e '%s' -e '%s' -e '%s' '%s'"):format(VALUE, hex,
      VALUE:reverse(), place.path)):read("*a")
    assert.equal("", found)
    for _, text in ipairs { done.out, done.err } do
      assert.falsy(text:find(VALUE, 1, true), text)
    end
    for _, argv in ipairs { { "show", done.doc.trace_id }, { "list" },
      { "replay", done.doc.trace_id, "--verify" } } do
      local shown = place:json(argv)
      assert.falsy((shown.out .. shown.err):find(VALUE, 1, true))
      assert.equal(0, shown.code)
    end
  end

  it("arrives in a header and is nowhere else, though the server echoes it", function()
    local done = run([[
      local res = ctx.http { url = state.input.url .. "/echo",
        headers = { authorization = { "Bearer ", ctx.secret("TOKEN") } } }
      ctx.log("answer " .. res.body)
      state.body = res.body
      return nil, res]])
    assert.equal(0, done.code, done.err)
    assert.truthy(done.doc.state.body:find("Bearer", 1, true), done.doc.state.body)
    nowhere(done)
  end)

  it("arrives in a part of the URL", function()
    local done = run([[
      local res = ctx.http { url = { state.input.url, "/path/", ctx.secret("TOKEN"), "/x" } }
      return nil, { status = res.status }]])
    assert.equal(0, done.code, done.err)
    local log = server:log()
    assert.truthy(log[#log].path:find(VALUE, 1, true), log[#log].path)
    nowhere(done)
  end)

  it("stays out of errors: down, denied, raised, in a body", function()
    local done = run([[
      local secret = ctx.secret("TOKEN")
      local _, down = ctx.http { url = { "http://127.0.0.1:1/", secret } }
      local _, body = ctx.http { url = state.input.url .. "/x", method = "POST", body = secret }
      return nil, { down = down, body = body, text = tostring(secret),
        joined = select(2, pcall(function() return "x" .. secret end)) }]])
    assert.equal(0, done.code, done.err)
    nowhere(done)
    done = run([[
      ctx.http { url = { "http://127.0.0.1:1/", ctx.secret("TOKEN") }, raise = true }
      return nil]])
    assert.equal(1, done.code)
    nowhere(done)
    done = run([[state.s = ctx.secret("TOKEN") return nil]])
    assert.equal(1, done.code)
    assert.equal("INVALID_STATE", done.doc.error.code)
    nowhere(done)
  end)

  it("that nobody gave is an error value that names it", function()
    local done = run([[
      local _, err = ctx.http { url = state.input.url .. "/x",
        headers = { authorization = ctx.secret("MISSING") } }
      return nil, err]])
    assert.equal(0, done.code, done.err)
    assert.truthy(done.doc.output.message:find("MISSING", 1, true), done.doc.output.message)
  end)
end)
