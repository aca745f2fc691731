-- host activities: registered functions that complete now, later or never.
local A = require "activity_c"
local activity = require "activity"

describe("activity.call", function()
  local p

  local function register(how, options)
    p = A.performer(options or {})
    assert.is_true(p:register("act", how))
  end
  after_each(function()
    local live, wrong = p:close()
    assert.equal(0, live)
    assert.equal(0, wrong)
  end)

  it("gives a result that came inside the call, canonical", function()
    register ' { "b" : 1.0, "a" : [ ] } '
    local id, at_once = p:start("call", '{"name":"act","request":{"x":1}}')
    assert.is_true(at_once)
    local _, maybe, text = activity.wait(p, id)
    assert.equal('{"value":{"a":[],"b":1}}', text)
    assert.is_false(maybe)
    local count, _, request, key = p:calls()
    assert.equal(0, count)
    assert.equal('{"x":1}', request)
    assert.equal(A.prepare("call", '{"name":"act","request":{"x":1}}').key, key)
  end)

  it("gives null where there is no request", function()
    register "1"
    activity.call(p, "call", '{"name":"act"}')
    assert.equal("null", (select(3, p:calls())))
  end)

  it("waits for a result that comes later", function()
    register "later"
    local id, at_once = p:start("call", '{"name":"act"}')
    assert.is_false(at_once)
    assert.equal(1, p:under_way())
    assert.is_false(p:poll(0))
    p:complete(1, "[1]")
    assert.is_true(p:poll(1000)) -- the descriptor told
    assert.equal("[1]", (select(3, activity.wait(p, id))):match("%[.*%]"))
    assert.equal(0, p:under_way())
  end)

  it("passes the host's error on", function()
    register "fail"
    local r, maybe = activity.call(p, "call", '{"name":"act"}')
    assert.same({ code = "MINE", message = "did not \239\191\189 work" }, r.error)
    assert.is_false(maybe)
  end)

  it("reports a name that nobody has", function()
    register "1"
    local r, maybe = activity.call(p, "call", '{"name":"other"}')
    assert.equal("NO_SUCH_ACTIVITY", r.error.code)
    assert.is_false(maybe)
  end)

  it("reports a result that is no JSON", function()
    register "{oops"
    local r, maybe = activity.call(p, "call", '{"name":"act"}')
    assert.equal("INVALID_RESULT", r.error.code)
    assert.is_true(maybe)
  end)

  it("times out, tells the host, and survives a late result", function()
    register "later"
    local r, maybe = activity.call(p, "call", '{"name":"act","timeout_ms":30}')
    assert.equal("TIMEOUT", r.error.code)
    assert.is_true(maybe)
    assert.equal(1, (select(2, p:calls())))
    p:complete(1, "1")
    p:poll(0)
    assert.is_nil(p:take())
  end)

  it("uses the performer's time where a call names none", function()
    register("later", { timeout_ms = 20 })
    assert.equal("TIMEOUT", activity.call(p, "call", '{"name":"act"}').error.code)
  end)

  it("is silent after a cancel, before and after completion", function()
    register "later"
    local first = p:start("call", '{"name":"act"}')
    local second = p:start("call", '{"name":"act"}')
    p:cancel(first)
    p:complete(1, "1")
    p:complete(2, "2")
    p:cancel(second)
    p:poll(10)
    assert.is_nil(p:take())
    assert.equal(0, p:under_way())
    assert.equal(1, (select(2, p:calls())))
  end)

  it("can be cancelled by another one's result", function()
    register "later"
    local first = p:start("call", '{"name":"act"}')
    local second = p:start("call", '{"name":"act"}')
    p:complete(1, "1")
    p:complete(2, "2")
    p:cancel_on_done(second)
    p:poll(10)
    assert.equal(first, (p:take()))
    assert.is_nil(p:take())
  end)

  it("times out the others when one's end cancels the next", function()
    register "later"
    local ids = {}
    for i = 1, 4 do ids[i] = p:start("call", '{"name":"act","timeout_ms":30}') end
    p:cancel_on_done(ids[3]) -- the newest is looked at first
    os.execute "sleep 0.1"
    p:poll(0)
    local ended = {}
    for id, text in function() return p:take() end do
      ended[id] = A.decode(text).error.code
    end
    assert.same({ [ids[1]] = "TIMEOUT", [ids[2]] = "TIMEOUT", [ids[4]] = "TIMEOUT" }, ended)
  end)

  it("leaves calls to the host when the performer goes", function()
    register "later"
    for _ = 1, 10 do p:start("call", '{"name":"act"}') end
    local live, _, told = p:close() -- completes the orphans afterwards
    assert.equal(0, live)
    assert.equal(10, told)
    register "1"
  end)

  it("keeps the order and the deadlines of many", function()
    register "later"
    local ids = {}
    for i = 1, 1000 do
      ids[i] = p:start("call", ('{"name":"act","timeout_ms":%d}'):format(i % 2 == 0 and 40 or 60000))
    end
    for i = 1, 1000, 2 do p:complete(i, tostring(i)) end
    local others = {}
    local last = activity.wait(p, ids[999], 5000, others)
    assert.equal(999, last.value)
    for i = 1, 997, 2 do assert.equal(i, others[ids[i]][1].value) end
    local deadline = os.time() + 5
    while p:under_way() > 0 and os.time() < deadline do p:poll(10) end
    local late = 0
    for id, text in function() return p:take() end do
      assert.is_number(id)
      assert.equal("TIMEOUT", A.decode(text).error.code)
      late = late + 1
    end
    for _, r in pairs(others) do
      if r[1].error then late = late + 1 end
    end
    assert.equal(500, late)
    assert.equal(0, p:under_way())
  end)

  it("registers a name once", function()
    register "1"
    local ok, status = p:register("act", "1")
    assert.is_nil(ok)
    assert.equal("ELG_EXISTS", status)
    ok, status = p:register("", "1")
    assert.is_nil(ok)
    assert.equal("ELG_USAGE", status)
  end)

  it("survives every failing allocation (I16)", function()
    register "later"
    for n = 1, 40 do
      p:fail_at(n)
      local id, status = p:start("call", '{"name":"act","request":[1,{"a":"b"}]}')
      if id then
        local count = p:calls()
        p:complete(count, '{"x":[1,2,3]}')
      else
        assert.equal("ELG_NO_MEMORY", status)
      end
      p:fail_at(0)
      if id then
        local r = activity.wait(p, id)
        assert.is_true(r.value ~= nil or r.error.code == "NO_MEMORY")
      end
    end
    assert.equal(0, p:under_way())
  end)
end)

describe("activity.performer", function()
  it("survives every failing allocation (I16)", function()
    local made
    for n = 1, 30 do
      local p, status, _, live = A.performer { artifacts = "/tmp/x", allow_net = { "a", "1.2.3.4:5" }, fail_at = n }
      if p then
        made = n
        assert.equal(0, (p:close()))
        break
      end
      assert.equal("ELG_NO_MEMORY", status)
      assert.equal(0, live)
    end
    assert.is_true(made > 3)
  end)
end)
