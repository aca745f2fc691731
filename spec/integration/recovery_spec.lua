-- What a crash, or a stop, leaves to the process that takes the run up (I3, I6, I7).
local ledger = require "ledger"
local outside = require "outside"

local SIGINT, SIGTERM = 2, 15

describe("a run taken up again", function()
  local place, server

  setup(function()
    place = outside.place("recovery")
    server = ledger.start { log = place:file("ledger.log") }
  end)
  before_each(function() outside.write(server.log_path, "") end)
  teardown(function()
    server:stop()
    place:remove()
  end)

  -- Requests of the ledger with that path.
  local function asked(path)
    local list = {}
    for _, entry in ipairs(server:log()) do
      if entry.path:find(path, 1, true) then list[#list + 1] = entry end
    end
    return list
  end

  local function start(trace, body, input)
    place:write(trace .. ".lua", outside.one_node(body))
    return place:start_elg { "run", trace .. ".lua", "--trace", trace, "--input",
      input or ('{"url":"%s"}'):format(server.url) }
  end

  -- Starts, and kills once `count` requests of that path have arrived.
  local function crash(trace, body, path, count)
    local owner = start(trace, body)
    assert.truthy(outside.eventually(function() return #asked(path) >= (count or 1) end))
    assert.equal(9, owner:stop().signal)
  end

  local function resume(trace)
    local done = place:json { "resume", trace }
    assert.equal(0, place:json({ "replay", trace, "--verify" }).code)
    return done
  end

  it("is audited, its recorded calls too", function()
    local owner = start("audited", "ctx.now() ctx.sleep(1000) ctx.artifact.write('x') return nil, 1")
    assert.truthy(outside.eventually(function()
      return place:elg({ "show", "audited" }).out:find("waiting", 1, true)
    end))
    owner:stop()
    local done = place:json { "resume", "audited", "--audit", "1" }
    assert.same({ 0, 1 }, { done.code, done.doc.output }, done.err)
    assert.equal(0, place:json({ "replay", "audited", "--verify" }).code)
  end)

  it("does not repeat a call that is at most once: its outcome is UNKNOWN", function()
    crash("once", [[
      local res, err = ctx.http { url = state.input.url .. "/slow?ms=300", at_most_once = true,
        method = "POST", body = "pay" }
      return nil, { status = res and res.status, code = err and err.code } ]], "/slow")
    local done = resume("once")
    assert.equal(0, done.code, done.err)
    assert.same({ code = "UNKNOWN" }, done.doc.output)
    assert.equal(1, #asked("/slow"))
  end)

  it("lets reconcile find out what happened, once, for later attempts too", function()
    place:write("retrying.lua", ([[
      local elg = require "elg"
      return elg.graph { id = "r", version = "1", entry = "a", edges = {}, nodes = { a = {
        retry = { max_attempts = 3 }, run = function(state, input, ctx)
          local res = ctx.http { url = "%s/slow?ms=400", at_most_once = true, method = "POST",
            body = "pay", reconcile = function(ctx, request)
              local found = ctx.http { url = "%s/orders" }
              return { status = 201, found = found.status, asked = request.body }
            end }
          if ctx.attempt < 2 then error("again") end
          return nil, res
        end } } }]]):format(server.url, server.url))
    local owner = place:start_elg { "run", "retrying.lua", "--trace", "retrying" }
    assert.truthy(outside.eventually(function() return #asked("/slow") == 1 end))
    owner:stop()
    local done = resume("retrying")
    assert.equal(0, done.code, done.err .. done.out)
    assert.same({ status = 201, found = 200, asked = "pay" }, done.doc.output)
    assert.equal(1, #asked("/slow"))
    assert.equal(1, #asked("/orders"))
  end)

  it("performs of ctx.all only what is missing, under the same keys", function()
    crash("all", [[
      local calls = {}
      for i = 1, 6 do
        calls[i] = { "http", { url = state.input.url .. "/part/" .. i, method = "POST", body = "p" } }
      end
      calls[7] = { "http", { url = state.input.url .. "/slow?ms=1500", method = "POST", body = "s" } }
      local results = ctx.all(calls)
      local ok = 0
      for _, r in ipairs(results) do ok = ok + (r.ok and r.value.status == 200 and 1 or 0) end
      return nil, { ok = ok }]], "/part/", 6)
    local done = resume("all")
    assert.same({ ok = 7 }, done.doc.output)
    local slow = asked("/slow")
    assert.equal(2, #slow)
    assert.equal(slow[1].key, slow[2].key)
    local stored = place:sql("SELECT count(*) AS n FROM cmo_activities WHERE trace_id = 'all'")
    assert.equal(7, stored[1].n)
  end)

  it("does not ask again what has its answer in the journal", function()
    crash("answered", [[
      local first = ctx.http { url = state.input.url .. "/first", method = "POST", body = "1" }
      local second = ctx.http { url = state.input.url .. "/slow?ms=400", method = "POST", body = "2" }
      return nil, { first = first.status, second = second.status }]], "/slow")
    local done = resume("answered")
    assert.same({ first = 200, second = 200 }, done.doc.output)
    assert.equal(1, #asked("/first"))
    local slow = asked("/slow")
    assert.equal(2, #slow)
    assert.equal(slow[1].key, slow[2].key)
    assert.equal(slow[1].sha256, slow[2].sha256)
  end)

  it("goes on after what was recorded without an effect", function()
    local owner = start("quiet", [[
      ctx.now()
      for i = 1, 3e7 do state.n = i end
      return nil, { n = state.n }]])
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place,
        "SELECT 1 FROM cmo_activities WHERE trace_id = 'quiet'")
      return ok and #rows > 0
    end))
    owner:stop()
    assert.equal(0, resume("quiet").code)
  end)

  it("keeps the due time of a sleep", function()
    local owner = start("sleep", "ctx.sleep(4000) return nil")
    local due
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(place.sql, place,
        "SELECT due_at, timestamp FROM cmo_activities WHERE trace_id = 'sleep'")
      due = ok and rows[1] and rows[1].due_at
      return due
    end))
    owner:stop()
    os.execute("sleep 3")
    local done = resume("sleep")
    assert.equal(0, done.code, done.err)
    local row = place:sql("SELECT due_at, timestamp FROM cmo_activities WHERE trace_id = 'sleep'")[1]
    assert.equal(due, row.due_at)
    assert.is_true(row.timestamp >= due and row.timestamp < due + 3000, row.timestamp - due)
  end)

  it("computes chance and the attempt's clock as before", function()
    local body = [[
      local before = { ctx.rand(1e9), ctx.uuid(), math.random(1e9), os.time(), ctx.now() }
      local res = ctx.http { url = state.input.url .. "/slow?ms=300" }
      return nil, { before = before, after = { ctx.rand(1e9), os.time() }, status = res.status }]]
    crash("chance", body, "/slow")
    local now = place:sql("SELECT CAST(response_data AS TEXT) AS v FROM cmo_activities"
      .. " WHERE trace_id = 'chance' AND activity_type = 'now'")[1].v
    local done = resume("chance")
    assert.equal(0, done.code, done.err)
    assert.equal(tonumber(now:match("%d+")), done.doc.output.before[5])
  end)

  it("is stopped by Ctrl-C with 130 and a word on what to do, and goes on", function()
    for i, signal in ipairs { SIGINT, SIGTERM } do
      local trace = "stop" .. i
      outside.write(server.log_path, "")
      local owner = start(trace, [[ctx.http(state.input.url .. "/slow?ms=700") return nil, "done"]])
      assert.truthy(outside.eventually(function() return #asked("/slow") == 1 end))
      owner:kill(signal)
      local done = owner:wait()
      assert.equal(i == 1 and 130 or 143, done.code, done.err)
      assert.truthy(done.err:find("elg resume", 1, true), done.err)
      done = resume(trace)
      assert.equal(0, done.code)
      assert.equal("done", done.doc.output)
    end
  end)

  it("is attached to by its trace, if graph and input are the same", function()
    place:write("attach.lua", outside.one_node("return nil, { n = ctx.rand(1e9) }"))
    local argv = { "run", "attach.lua", "--trace", "attach", "--input", '{"a":1,"b":2}' }
    local first = place:json(argv)
    assert.equal(0, first.code, first.err)
    argv[6] = '{"b":2, "a":1.0}'
    local second = place:json(argv)
    assert.equal(0, second.code, second.err)
    assert.same(first.doc, second.doc)
    argv[6] = '{"a":2}'
    local other = place:json(argv)
    assert.equal(2, other.code, other.err)
    argv[6] = '{"a":1,"b":2}'
    place:write("attach.lua", outside.one_node("return nil, { n = ctx.rand(1e9) + 1 }"))
    assert.equal(2, place:json(argv).code)
  end)

  it("has its own code, whatever became of the file", function()
    local owner = start("code", [[
      ctx.http(state.input.url .. "/slow?ms=500") return nil, "old"]])
    assert.truthy(outside.eventually(function() return #asked("/slow") == 1 end))
    owner:stop()
    place:write("code.lua", outside.one_node("return nil, 'new'"))
    assert.equal("old", resume("code").doc.output)
    os.remove(place:file("code.lua"))
    assert.equal(0, place:json({ "replay", "code", "--verify" }).code)
    place:write("code.lua", outside.one_node("return nil, 'new'"))
    local done = place:json { "replay", "code", "--verify", "--graph", "code.lua" }
    assert.equal(5, done.code)
    assert.equal(0, done.doc.divergence.step)
  end)

  it("is quarantined once ten claims came to nothing; other runs go on", function()
    place:write("poison.lua", outside.one_node("while true do end"))
    place:write("fine.lua", outside.one_node("return nil, 1"))
    local function claims()
      local ok, rows = pcall(place.sql, place,
        "SELECT claims, epoch FROM cmo_runs WHERE trace_id = 'poison'")
      return ok and rows[1] and rows[1].epoch or 0
    end
    -- Its first record is its beginning; from then on nothing more comes.
    local owner = place:start_elg { "run", "poison.lua", "--trace", "poison", "--fuel",
      "100000000000" }
    local epoch = 0
    for _ = 1, 12 do
      outside.eventually(function() return claims() > epoch or owner:wait(0) end)
      epoch = claims()
      owner:stop()
      owner = place:start_elg { "resume", "poison" }
    end
    local done = owner:wait()
    assert.equal(1, done.code, done.err)
    local shown = place:json { "show", "poison" }
    assert.equal("quarantined", shown.doc.status)
    assert.truthy(shown.doc.error.message:find("10", 1, true))
    assert.equal(0, place:elg({ "run", "fine.lua" }).code)
    assert.equal(0, place:elg({ "resume" }).code)
  end)
end)
