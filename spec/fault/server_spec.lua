-- Servers that do not behave: down, slow, endless, lying. Each an error value with a code, in
-- time, and the other runs unharmed (I15).
local ledger = require "ledger"
local outside = require "outside"

describe("a server", function()
  local place, server

  setup(function()
    place = outside.place("server")
    server = ledger.start { log = place:file("ledger.log") }
    place:write("fetch.lua", outside.one_node([[
      local res, err = ctx.http { url = state.input.url, timeout_ms = state.input.timeout_ms or 3000,
        method = state.input.method }
      if res then return nil, { status = res.status, bytes = #(res.body or "") } end
      return nil, { code = err.code, message = err.message } ]]))
  end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  local function fetch(url, ...)
    local done = place:json { "run", "fetch.lua", "--input", '{"url":"' .. url .. '"}', ... }
    assert.equal(0, done.code, done.err)
    assert.equal(0, place:json({ "replay", done.doc.trace_id, "--verify" }).code)
    return done.doc.output, done
  end

  it("that is down is an error value that says so", function()
    local output = fetch("http://127.0.0.1:1/")
    assert.equal("CONNECT", output.code)
  end)

  it("whose name does not resolve is an error value", function()
    assert.equal("RESOLVE", fetch("http://nowhere.invalid/").code)
  end)

  it("that is slow is waited for, but not for longer than the call says", function()
    assert.equal(200, fetch(server.url .. "/slow?ms=200").status)
    local output, done = fetch(server.url .. "/slow?ms=20000", "--activity-timeout-ms", "60000")
    assert.equal("TIMEOUT", output.code)
    assert.is_true(done.ms > 2900 and done.ms < 19000, done.ms)
  end)

  it("that does not end is cut at the body's limit", function()
    local output, done = fetch(server.url .. "/endless", "--max-body", "1M")
    assert.equal("BODY_TOO_LARGE", output.code)
    assert.is_true(done.rss_kb < 96 * 1024, done.rss_kb)
  end)

  it("that lies about its length is an error value", function()
    assert.equal("TRUNCATED", fetch(server.url .. "/short").code)
  end)

  it("that closes or resets is an error value", function()
    for _, path in ipairs { "/close", "/reset" } do
      local output = fetch(server.url .. path)
      assert.is_string(output.code)
    end
  end)

  it("that speaks no HTTP is an error value", function()
    for _, path in ipairs { "/rubbish", "/http09", "/bigheader", "/longline", "/badchunk", "/head",
      "/toolong", "/nocolon", "/latin1" } do
      local output = fetch(server.raw_url .. path)
      assert.truthy(output.code or output.status, path)
    end
  end)

  it("of each kind at once leaves the good runs alone, with an exit code of 0", function()
    local lines = {}
    for i, path in ipairs { "/good", "/endless", "/short", "/close", "/reset", "/slow?ms=60000",
      "/good2", "/status?code=500", "/big?bytes=100000", "/binary", "/good3" } do
      lines[i] = ('{"url":"%s%s","timeout_ms":1500}'):format(server.url, path)
    end
    lines[#lines + 1] = '{"url":"http://127.0.0.1:1/"}'
    place:write("all.jsonl", table.concat(lines, "\n"))
    local done = place:json { "run", "fetch.lua", "--input", "all.jsonl", "--concurrency", "12",
      "--max-body", "1M" }
    assert.equal(0, done.code, done.out .. done.err)
    assert.equal(#lines, #done.docs)
    local good = 0
    for _, doc in ipairs(done.docs) do
      assert.equal("completed", doc.status)
      if doc.output.status == 200 then good = good + 1 end
    end
    assert.is_true(good >= 4, good)
  end)

  it("that is not allowed is denied before anything is sent, with exit code 6", function()
    place:write("raise.lua", outside.one_node([[
      ctx.http { url = state.input.url, raise = true } return nil]]))
    outside.write(server.log_path, "")
    local done = place:json { "run", "raise.lua", "--input",
      ('{"url":"%s/x"}'):format(server.url), "--allow-net", "example.org" }
    assert.equal(6, done.code, done.out .. done.err)
    assert.same({}, server:log())
    done = place:json { "run", "raise.lua", "--input",
      ('{"url":"%s/redirect?to=http://127.0.0.2:%d/x"}'):format(server.url, server.port),
      "--allow-net", "127.0.0.1" }
    assert.equal(6, done.code, done.out .. done.err)
    assert.equal(1, #server:log())
    done = place:json { "run", "raise.lua", "--input", ('{"url":"%s/x"}'):format(server.url),
      "--allow-net", "127.0.0.1:" .. server.port }
    assert.equal(0, done.code, done.err)
  end)
end)
