-- Odd surroundings and words: what elg makes of them, from outside.
local outside = require "outside"

describe("elg", function()
  local place

  before_each(function()
    place = outside.place("odd")
    place:write("ok.lua", outside.one_node("return nil, { n = 1 }"))
  end)
  after_each(function() place:remove() end)

  it("prints what others wrote without their control characters, and indents their lines", function()
    place:write("esc.lua", outside.one_node([[error("\27[31mred\194\155m\nelg: fake")]]))
    local done = place:elg { "run", "esc.lua" }
    assert.equal(1, done.code)
    assert.is_nil((done.out .. done.err):find("\27", 1, true))
    assert.is_nil((done.out .. done.err):find("\194\155", 1, true))
    assert.is_nil(("\n" .. done.out .. done.err):find("\nelg: fake", 1, true))
    assert.truthy(done.out:find("\n  elg: fake", 1, true), done.out)
  end)

  it("takes a path that begins with file: for a path", function()
    local done = place:elg { "run", "ok.lua", "--store", "sqlite:file:x.db?mode=memory", "--quiet" }
    assert.equal(0, done.code, done.err)
    assert.truthy(outside.read(place:file("file:x.db?mode=memory")))
    assert.equal("wal", place.sql({ file = function() return place:file("file:x.db?mode=memory") end },
      "PRAGMA journal_mode")[1].journal_mode)
  end)

  it("does not mind a folder named .env", function()
    os.execute("mkdir " .. place:file(".env"))
    assert.equal(0, place:elg({ "run", "ok.lua", "--quiet" }).code)
  end)

  it("begins nothing if .env is there and cannot be read", function()
    os.execute("ln -s .env " .. place:file(".env")) -- a link to itself: root can read all else
    local done = place:elg { "run", "ok.lua" }
    assert.equal(4, done.code)
    assert.truthy(done.err:find("elg: .env: ", 1, true) and done.err:find("symbolic links", 1, true), done.err)
    assert.equal(0, place:elg({ "--version" }).code)
    os.execute("rm " .. place:file(".env") .. "; ln -s nowhere " .. place:file(".env"))
    assert.equal(0, place:elg({ "run", "ok.lua", "--quiet" }).code)
  end)

  it("tells of a worker's runs that ended badly with --quiet, a line each", function()
    place:write("bad.lua", outside.one_node("return nil, input.a.b"))
    for i, name in ipairs { "ok.lua", "bad.lua" } do
      assert.equal(0, place:elg({ "submit", name, "--trace", "t" .. i }).code)
    end
    local worker = place:start_elg { "worker", "--quiet" }
    assert.truthy(outside.eventually(function() return (select(2, worker:output())):find("\n", 1, true) end))
    worker:kill(15)
    local done = worker:wait()
    assert.same({ 0, "" }, { done.code, done.out })
    assert.truthy(done.err:find "^elg: t2: failed: RAISED: attempt to index field 'a' [^\n]*bad.lua:%d+%)\n$", done.err)
  end)

  it("tells all that is wrong with .env at once", function()
    place:write(".env", "ELG_FULE=1\nELG_FUEL=x\nbroken\nELG_MEMORY=y\n")
    local done = place:elg { "run", "ok.lua" }
    assert.same({ 2, "" }, { done.code, done.out })
    assert.equal("elg: .env, line 1: ELG_FULE is no setting of elg\nelg: .env, line 3: not NAME=VALUE; ignored\n",
      done.err:match "^.-ignored\n")
    assert.truthy(done.err:find('\nelg: ELG_FUEL: [^\n]*"x"[^\n]*; ELG_MEMORY: [^\n]*"y"[^\n]*\n$'), done.err)
    place:write(".env", "ELG_FULE=1\nLOG_FORMAT=xml\n")
    done = place:elg { "run", "ok.lua" }
    assert.equal(2, done.code)
    assert.truthy(done.err:find "^elg: .env, line 1: ELG_FULE[^\n]*\nelg: LOG_FORMAT: [^\n]*\n$", done.err)
    os.remove(place:file ".env")
  end)

  it("takes yes and no for switches of the environment, and nothing that is neither", function()
    local function run(env) return place:elg({ "run", "ok.lua", "--quiet" }, { env = env }) end
    for _, env in ipairs { { ELG_JAIL = "maybe" }, { ELG_FRESH_STATES = "2" }, { LOG_FORMAT = "xml" },
      { LOG_LEVEL = "loud" } } do
      local name, value = next(env)
      local done = run(env)
      assert.equal(2, done.code, name)
      assert.truthy(done.err:find(('elg: %s: "%s" is '):format(name, value), 1, true), done.err)
    end
    for _, text in ipairs { "0", "no", "off", "False", "1", "YES", "on", "true", "" } do
      assert.equal(0, run({ ELG_FRESH_STATES = text, LOG_LEVEL = "WARN", LOG_FORMAT = "" }).code, text)
    end
  end)

  it("refuses limits that the library does not take", function()
    for _, words in ipairs { { "--fuel", "9007199254740992" }, { "--memory", "8388608G" } } do
      local done = place:elg { "run", "ok.lua", unpack(words) }
      assert.equal(2, done.code, done.err)
      assert.truthy(done.err:find(words[1], 1, true), done.err)
    end
    assert.equal(0, place:elg({ "run", "ok.lua", "--quiet", "--fuel", "9000000000000000" }).code)
  end)

  it("does not try again what --allow-net denies", function()
    place:write("deny.lua", [[
local elg = require "elg"
return elg.graph { id = "deny", version = "1", entry = "a", nodes = { a = {
  run = function(_, _, ctx)
    local res, err = ctx.http { url = "http://127.0.0.1:1/" }
    if not res then error(err) end
  end,
  retry = { max_attempts = 3, backoff = "constant", initial_delay_ms = 60000 } } }, edges = {} }
]])
    local done = place:json { "run", "deny.lua", "--allow-net", "example.org", "--trace", "t" }
    assert.equal(6, done.code, done.out .. done.err)
    assert.equal("NET_DENIED", done.doc.error.code)
    assert.equal(0, place:json({ "replay", "t", "--verify" }).code)
  end)

  it("reads no module through a link that leads out of the graph's folder", function()
    os.execute(("mkdir '%s/g' '%s/g/lib'"):format(place.path, place.path))
    place:write("secret.lua", "return { word = 'x' }")
    place:write("g/lib/near.lua", "return { word = 'near' }")
    os.execute(("ln -s ../secret.lua '%s/g/far.lua'; ln -s lib/near.lua '%s/g/by.lua'"):format(place.path,
      place.path))
    for name, code in pairs { far = 3, by = 0 } do
      place:write("g/graph.lua", outside.one_node("return nil, m.word", "local m = require '" .. name .. "'"))
      local done = place:elg { "run", "g/graph.lua" }
      assert.equal(code, done.code, done.err)
      if code == 3 then assert.truthy(done.err:find("far.lua", 1, true), done.err) end
    end
  end)

  it("names the file of what is wrong with a graph as a whole", function()
    place:write("id.lua", (outside.one_node("return nil"):gsub('id = "one"', 'id = "a\\1b"')))
    local done = place:elg { "check", "id.lua" }
    assert.equal(3, done.code)
    assert.truthy(done.out:find("^id.lua:%d+: error: id: "), done.out)
  end)

  it("tells what it cannot use of .env, once, and not with --quiet", function()
    place:write(".env", "ELG_FULE=5\nhello there: hush\nLOG_LEVEL=info\nOTHER=1\n")
    local done = place:elg { "run", "ok.lua" }
    assert.equal(0, done.code)
    assert.equal("elg: .env, line 1: ELG_FULE is no setting of elg\n"
      .. "elg: .env, line 2: not NAME=VALUE; ignored\n", done.err)
    assert.equal("", place:elg({ "run", "ok.lua", "--quiet" }).err)
  end)

  it("takes numbers and words for inputs, and says so of a byte order mark", function()
    place:write("echo.lua", outside.one_node("return nil, { got = input }"))
    place:write("bom.json", "\239\187\191{}")
    for _, text in ipairs { "1", "-2.5e3", "true", "null" } do
      local done = place:elg { "run", "echo.lua", "--input", text, "--json" }
      assert.equal(0, done.code, done.err)
      assert.truthy(done.out:find('"output":{"got":' .. (text == "-2.5e3" and "-2500" or text) .. "}", 1,
        true), done.out)
    end
    assert.equal("5\n", place:elg({ "canon", "5" }).out)
    for _, source in ipairs { "bom.json", "\239\187\191{}" } do
      local done = place:elg { "run", "echo.lua", "--input", source }
      assert.equal(3, done.code)
      assert.truthy(done.err:find("a byte order mark before the text; remove it", 1, true), done.err)
    end
  end)

  it("attaches to a run only with its seed, if one is given", function()
    local function run(...) return place:elg { "run", "ok.lua", "--trace", "t", "--quiet", ... } end
    assert.equal(0, run("--seed", "one").code)
    assert.equal(0, run().code)
    assert.equal(0, run("--seed", "one").code)
    local done = run("--seed", "two")
    assert.equal(2, done.code)
    assert.truthy(done.err:find("another seed", 1, true), done.err)
    assert.equal(2, place:elg({ "submit", "ok.lua", "--trace", "t", "--seed", "two" }).code)
    done = place:json { "run", "ok.lua", "--seed", "", "--trace", "empty" }
    assert.equal(0, done.code, done.err)
    assert.equal("", place:json({ "show", "empty" }).doc.seed)
  end)

  it("counts neither a sleep, nor a signal that is waited for, as time of the node", function()
    for name, body in pairs { sleep = "ctx.sleep(600)", wait = "ctx.wait('never', 600)",
      all = "ctx.all { { 'wait', 'never', 600 } }" } do
      place:write("t.lua", (outside.one_node(body .. " return nil, ctx.attempt")
        :gsub("only = node", "only = { run = node, timeout_ms = 300 }")))
      local done = place:json { "run", "t.lua" }
      assert.equal(0, done.code, name .. ": " .. done.out .. done.err)
      assert.equal(1, done.doc.output)
    end
  end)
end)
