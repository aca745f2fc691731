-- job: what goes into a node call, what comes out, and its calls on the way.
local boxes = require "boxes"

local function eval(body, job, options)
  return assert(boxes.eval(body, job, options))
end

describe("job", function()
  it("gives the node its state, input and ctx and takes state, output and key", function()
    local out = eval([[
      state.n = state.n + input.by
      return "ok", { id = ctx.node_id, trace = ctx.trace_id, step = ctx.step_index,
        attempt = ctx.attempt, previous = ctx.previous }]],
      { state = '{"n":40}', input = '{"by":2}', trace_id = "T", step_index = 7, attempt = 3,
        previous = "p" })
    assert.equal("done", out.kind)
    assert.equal('{"n":42}', out.state)
    assert.equal('{"attempt":3,"id":"n","previous":"p","step":7,"trace":"T"}', out.output)
    assert.equal("ok", out.key)
    assert.equal(0, out.edge)
  end)

  it("takes a table as result", function()
    local out = eval [[return { state = { a = 1 }, output = { 1, 2 }, next = "ok", metadata = { m = true } }]]
    assert.equal('{"a":1}', out.state)
    assert.equal("[1,2]", out.output)
    assert.equal('{"m":true}', out.metadata)
    assert.equal("ok", out.key)
  end)

  it("keeps the state where the table names none", function()
    assert.equal('{"k":1}', eval([[return { next = "ok" }]], { state = '{"k":1}' }).state)
  end)

  it("writes objects of any size and depth, wherever the values are kept meanwhile", function()
    local function canonical(text) return assert(require("json_c").canonical(text).result) end
    local function nested(depth, width, key_bytes)
      local text = "[]"
      for level = 1, depth do
        local members = {}
        for i = 1, width do
          local value = i == (level % width) + 1 and text or i % 3 == 0 and '"v\\""' or i
          members[i] = ('"%s%d":%s'):format(("k"):rep(key_bytes), i, value)
        end
        text = "{" .. table.concat(members, ",") .. "}"
      end
      return canonical(text)
    end
    for _, shape in ipairs { { 1, 1, 1 }, { 1, 63, 1 }, { 1, 64, 1 }, { 1, 500, 3 }, { 20, 3, 5 },
      { 120, 1, 1 }, { 120, 2, 1 }, { 120, 5, 1 }, { 40, 70, 1 }, { 3, 3, 600 }, { 2, 100, 511 } } do
      local text = nested(unpack(shape))
      local out = eval([[state.again = coroutine.wrap(function() return elg.json.encode(state.value) end)()
        return nil, state.value]], { state = '{"value":' .. text .. "}" })
      assert.equal("done", out.kind, out.message)
      assert.is_true(out.output == text, table.concat(shape, " "))
      assert.is_true(out.state == canonical('{"value":' .. text .. ',"again":"'
        .. text:gsub('[\\"]', "\\%0") .. '"}'), table.concat(shape, " "))
    end
  end)

  it("ends the run without a key", function()
    local out = eval [[return nil, "bye"]]
    assert.is_nil(out.key)
    assert.equal('"bye"', out.output)
    assert.equal(-1, out.edge)
  end)

  it("has null for no output", function()
    assert.equal("null", eval([[return "ok"]]).output)
  end)

  it("finds no edge for an unknown key", function()
    local out = eval [[return "other"]]
    assert.equal("other", out.key)
    assert.same({ -1, "graph.lua:2" }, { out.edge, out.where })
  end)

  it("refuses a key that is not a string", function()
    local out = eval [[return 5]]
    assert.equal("error", out.kind)
    assert.equal("INVALID_RESULT", out.code)
    assert.is_false(out.retry)
  end)

  it("refuses fields of a result that it does not know, and names the ones it does", function()
    local cases = {
      { "return { foo = 1 }", "unknown field foo:" },
      { "return { 1, 2, 3 }", "unknown field [1]:" },
      { 'return { next = "ok", outptu = 1 }', "unknown field outptu:" },
      { 'return { next = "ok", state = {}, output = 1, metadata = {}, zz = 1, aa = 1 }', "unknown field aa:" },
      { "return { [true] = 1 }", "unknown field (a boolean):" },
      { 'return { ["next\\0"] = "ok" }', "unknown field (a string):" },
      { 'return { ["\\255"] = "ok" }', "unknown field (a string):" },
      { "return { [function() end] = 1, [2.5] = 1 }", "unknown field [2.5]:" },
    }
    for _, case in ipairs(cases) do
      local out = eval(case[1])
      assert.equal("error", out.kind, case[1])
      assert.equal("INVALID_RESULT", out.code)
      assert.is_false(out.retry)
      assert.truthy(out.message:find(case[2], 1, true), out.message)
      assert.truthy(out.message:find("state, output, next, metadata; to give an output alone, return nil, output",
        1, true), out.message)
      assert.equal("graph.lua:2", out.where)
    end
    assert.equal("done", eval("return {}").kind)
  end)

  it("shows the error of a call as text; in a value it is a plain object", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, [[
      local _, err = ctx.call("f", 1)
      local ok, raised = pcall(ctx.call, "f", 1, { raise = true })
      local all = ctx.all { { "call", "f" }, { "call", "f" } }
      state.err = err
      state.texts = { tostring(err), tostring(raised), ("%s"):format(err), tostring(all[2].err) }
      state.meta = { getmetatable(err), tostring(pcall(setmetatable, err, nil)), getmetatable(all[1]) == nil }
      state.json = elg.json.encode(err)
      raised.code, raised.message = nil, {}
      return "ok", tostring(raised)]], "local elg = require 'elg'"))
    local error_text = '{"code":"DOWN","message":"no \\"f\\" here"}'
    local out = assert(box:begin(program, { node = "n" })) and assert(box:resume())
    while out.kind == "call" or out.kind == "slice" do
      if out.kind == "slice" then
        out = assert(box:resume())
      elseif out.type == "all" then
        out = assert(box:resume('[{"ok":true,"value":1},{"ok":false,"err":' .. error_text .. "}]"))
      else
        out = assert(box:resume(error_text, false))
      end
    end
    assert.equal("done", out.kind, out.message)
    local text = '"DOWN: no \\"f\\" here"'
    local encoded = '"' .. error_text:gsub('[\\"]', "\\%0") .. '"'
    assert.equal('{"err":' .. error_text .. ',"json":' .. encoded .. ',"meta":["error","false",true],' ..
      '"texts":[' .. (text .. ","):rep(3) .. text .. "]}", out.state)
    assert.equal('"(no code): (no message)"', out.output)
    program:close()
    box:close()
  end)

  it("says which calls ctx.all takes, and how an artifact takes bytes", function()
    for _, entry in ipairs { '{ "now" }', "{ url = 'u' }", '{ "sleep", { ms = 1 } }' } do
      local out = eval("ctx.all { " .. entry .. " }")
      assert.equal("error", out.kind)
      for _, kind in ipairs { "http", "call", "artifact.write", "artifact.read" } do
        assert.truthy(out.message:find('"' .. kind .. '"', 1, true), out.message)
      end
    end
    local out = eval([[ctx.artifact.write("\255")]])
    assert.equal("error", out.kind)
    assert.truthy(out.message:find('encoding = "base64"', 1, true), out.message)
    assert.truthy(out.message:find("ctx.artifact.write: request.content: not valid UTF-8", 1, true), out.message)
  end)

  it("names the entry of ctx.all that is wrong, and the levels of ctx.log", function()
    for call, message in pairs {
      ['ctx.all { { "http", "u" }, 17 }'] = "ctx.all[2]: must be a table, not a number",
      ['ctx.all { { "http", "u" }, { "wait" } }'] = "ctx.all[2]: must be a string, not a nil",
      ['ctx.all { { "http", "u" }, nil, { "http", "u" } }'] = "ctx.all: calls must be a list, without the key 3",
      ['ctx.all { name = { "http", "u" } }'] = "ctx.all: calls must be a list, without the key name",
      ['ctx.all { { "http", "u" }, { "call", "f", { f = type } } }'] =
        "ctx.all: request[2][2].request.f: a function is not a value",
      ['ctx.log("fatal", "x")'] = "ctx.log: unknown level fatal; there are debug, info, warn and error",
    } do
      local out = eval(call)
      assert.equal(message, out.message or "done", call)
    end
  end)

  it("tries edges in order, with copies for each condition", function()
    local box = assert(boxes.open())
    local program = assert(box:program("graph.lua", { ["graph.lua"] = [[
      local elg = require "elg"
      return elg.graph { id = "g", version = "1", entry = "n",
        nodes = { n = function(state) state.y = 5 return "ok", { 1 } end, m = function() end },
        edges = {
          { from = "m", key = "ok", to = "n" },
          { from = "n", key = "ok", to = "n", when = function(s, o) s.x = 99 o[1] = 99 return false end },
          { from = "n", key = "ok", to = "m", when = function(s, o) return s.x == 1 and s.y == 5 and o[1] == 1 end },
          { from = "n", key = "ok", to = "n" },
        } }]] }))
    local out = boxes.run(box, program, { state = '{"x":1}' })
    assert.equal(2, out.edge)
    assert.equal('{"x":1,"y":5}', out.state)
    out = boxes.run(box, program, { state = '{"x":2}' })
    assert.equal(3, out.edge)
    program:close()
    box:close()
  end)

  it("makes the initial state of nothing, a table or a function", function()
    local box = assert(boxes.open())
    local cases = {
      { "", "{}" },
      { "initial = { a = { 1, 2 } },", '{"a":[1,2]}' },
      { "initial = function(input) return { from = input } end,", '{"from":{"q":1}}' },
      { "initial = function() return nil end,", "{}" },
    }
    for _, case in ipairs(cases) do
      local program = assert(box:program("g.lua", { ["g.lua"] =
        'return require"elg".graph { id = "g", version = "1", entry = "n", ' .. case[1] ..
        " nodes = { n = function() end } }" }))
      assert(box:begin(program, { input = '{"q":1}' }))
      assert.equal(case[2], assert(box:resume()).state)
      program:close()
    end
    box:close()
  end)

  it("answers calls, from any depth of coroutines, pcall, sort, gsub and metamethods", function()
    local out = eval([[
      local function ask(x) return ctx.call("f", x).echo.request end
      local got = {}
      got.co = coroutine.wrap(function() coroutine.yield(1) return ask(1) end)
      got.co() got.co = got.co()
      got.pcall = select(2, pcall(ask, 2))
      local list = { 3, 1, 2 }
      table.sort(list, function(a, b) return ask(a) < ask(b) end)
      got.sort = list
      got.gsub = ("abc"):gsub(".", function(c) return ask(c) .. "!" end)
      got.meta = setmetatable({}, { __index = function(_, k) return ask(k) end }).deep
      got.add = setmetatable({}, { __add = function(_, b) return ask(b) end }) + 7
      got.iter = {}
      for v in function() local v = ask(#got.iter) if v < 3 then return v end end do
        got.iter[#got.iter + 1] = v
      end
      local _, handled = xpcall(function() error("e") end, function() return ask("handler") end)
      got.handled = handled
      return "ok", got]])
    assert.equal('{"add":7,"co":1,"gsub":"a!b!c!","handled":"handler","iter":[0,1,2],' ..
      '"meta":"deep","pcall":2,"sort":[1,2,3]}', out.output)
  end)

  it("says for each call what, with what and from which line", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, "\nlocal r = ctx.http(\"http://h/\")\nreturn 'ok', r"))
    assert(box:begin(program, { node = "n" }))
    local out = box:resume()
    assert.equal("call", out.kind)
    assert.equal("http", out.type)
    assert.equal('{"url":"http://h/"}', out.request)
    assert.equal("graph.lua:3", out.where)
    out = box:resume('{"body":"B","headers":{},"status":200}')
    assert.equal('{"body":"B","headers":{},"status":200}', out.output)
    program:close()
    box:close()
  end)

  it("gives activity errors as values, or raises them where asked", function()
    local function failing(outcome)
      return assert(outcome) and '{"code":"TIMEOUT","message":"late"}', false
    end
    local function run(body)
      local box = assert(boxes.open())
      local program = assert(boxes.program(box, body))
      assert(box:begin(program, { node = "n" }))
      assert.equal("call", box:resume().kind)
      local out = assert(box:resume(failing(true)))
      program:close()
      box:close()
      return out
    end
    assert.equal('["TIMEOUT","late",true]',
      run([[local v, e = ctx.http { url = "u" } return "ok", { e.code, e.message, v == nil }]]).output)
    local out = run([[ctx.http { url = "u", raise = true }]])
    assert.equal("error", out.kind)
    assert.equal("TIMEOUT", out.code)
    assert.equal("late", out.message)
    assert.is_true(out.retry)
  end)

  it("lets reconcile settle an unknown outcome", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, [[
      return "ok", ctx.http { url = "u", at_most_once = true, reconcile = function(c, request)
        return { asked = request, saw = c.call("look") } end }]]))
    assert(box:begin(program, { node = "n" }))
    assert.equal('{"at_most_once":true,"url":"u"}', box:resume().request)
    local out = box:resume('{"code":"UNKNOWN","message":"m"}', false)
    assert.equal("call", out.type)
    out = box:resume('"seen"')
    assert.equal("settle", out.type)
    assert.equal('{"key_of":{"at_most_once":true,"url":"u"},' ..
      '"result":{"asked":{"at_most_once":true,"url":"u"},"saw":"seen"}}', out.request)
    out = box:resume('"settled"')
    assert.equal('"settled"', out.output)
    program:close()
    box:close()
  end)

  it("leaves an outcome unknown where reconcile finds nothing, and settles it as null if told", function()
    local box = assert(boxes.open())
    local function result(body, settled)
      local program = assert(boxes.program(box, body))
      assert(box:begin(program, { node = "n" }))
      assert.equal("http", box:resume().type)
      local out = box:resume('{"code":"UNKNOWN","message":"m"}', false)
      if settled then
        assert.equal('{"key_of":{"url":"u"},"result":null}', out.request)
        out = box:resume(settled)
      end
      program:close()
      return out
    end
    local ask = "ctx.http { url = 'u', reconcile = function() %s end%s }"
    local keep = "local v, err = %s return 'ok', { v == nil, v == elg.null, err and err.code }"
    assert.equal('[true,false,"UNKNOWN"]', result(keep:format(ask:format("", ""))).output)
    assert.equal('[true,false,"UNKNOWN"]', result(keep:format(ask:format("return nil", ""))).output)
    assert.equal("[false,true]", result("local elg = require 'elg' " .. keep:format(ask:format("return elg.null", "")),
      "null").output)
    assert.equal("UNKNOWN", result(ask:format("", ", raise = true")).code)
    assert.equal("ctx.http: reconcile's result: a function is not a value",
      result("return 'ok', " .. ask:format("return print or function() end", "")).message)
    assert.truthy(result("return 'ok', " .. ask:format("return { a = { 1, error } }", "")).message:find(
      "^ctx.http: reconcile's result.a%[2%]: a function "))
    box:close()
  end)

  it("asks for several at once", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, [[
      local r = ctx.all { { "http", "http://a" }, { "call", "f", { x = 1 } }, { "artifact.read", "h" } }
      return "ok", { r[1].value, r[2].err.code, #r }]]))
    assert(box:begin(program, { node = "n" }))
    local out = box:resume()
    assert.equal("all", out.type)
    assert.equal('[["http",{"url":"http://a"}],["call",{"name":"f","request":{"x":1}}],' ..
      '["artifact.read",{"hash":"h"}]]', out.request)
    out = box:resume('[{"ok":true,"value":7},{"err":{"code":"X","message":"m"},"ok":false},{"ok":true,"value":1}]')
    assert.equal('[7,"X",3]', out.output)
    program:close()
    box:close()
  end)

  it("passes logs on in one form", function()
    local seen = {}
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, [[
      ctx.log("a") ctx.log("b", { x = 1 }) ctx.log("warn", "c") ctx.log("error", "d", { y = 2 })]]))
    boxes.run(box, program, {}, function(out)
      seen[#seen + 1] = out.type .. out.request
      return "null"
    end)
    assert.same({
      'log{"level":"info","text":"a"}', 'log{"fields":{"x":1},"level":"info","text":"b"}',
      'log{"level":"warn","text":"c"}', 'log{"fields":{"y":2},"level":"error","text":"d"}',
    }, seen)
    program:close()
    box:close()
  end)

  it("lets secrets into requests alone, and nobody forge one", function()
    local box = assert(boxes.open())
    local program = assert(boxes.program(box, [[
      ctx.http { url = "u", headers = { auth = ctx.secret("TOKEN") } }
      local ok, err = pcall(ctx.http, { url = { ["$secret"] = "TOKEN" } })
      state.err = err
      local s = ctx.secret("A")
      state.meta = tostring(getmetatable(s))
      if input.leak then state.leak = s end
      return "ok"]]))
    local requests = {}
    local function answer(out)
      requests[#requests + 1] = out.request
      return "null"
    end
    local out = boxes.run(box, program, {}, answer)
    assert.same({ '{"headers":{"auth":{"$secret":"TOKEN"}},"url":"u"}' }, requests)
    assert.equal('{"err":"ctx.http: request.url: the name $secret is reserved",' ..
      '"meta":"secret"}', out.state)
    out = boxes.run(box, program, { input = '{"leak":true}' }, answer)
    assert.equal("INVALID_STATE", out.code)
    program:close()
    box:close()
  end)

  it("computes chance from seed, trace, step and a counter, not from the attempt", function()
    local body = [[return "ok", { ctx.rand(1000000), ctx.uuid(), math.random(1000000), ctx.rand(7) }]]
    local base = eval(body, {}).output
    assert.equal(base, eval(body, { attempt = 5 }).output)
    assert.not_equal(base, eval(body, { seed = "other" }).output)
    assert.not_equal(base, eval(body, { trace_id = "other" }).output)
    assert.not_equal(base, eval(body, { step_index = 1 }).output)
    assert.truthy(base:match("%x+%-%x+%-4%x+%-[89ab]%x+%-%x+"))
  end)

  it("gives the attempt's start as the clock", function()
    local out = eval([[return "ok", { os.time(), os.clock(), os.date("!%Y-%m-%d %H:%M:%S") }]],
      { clock_ms = 1700000000123 })
    assert.equal('[1700000000,1700000000.123,"2023-11-14 22:13:20"]', out.output)
  end)

  local function initial(body, job)
    local box = assert(boxes.open())
    local program = assert(box:program("g.lua", { ["g.lua"] = 'return require"elg".graph { id = "g", ' ..
      'version = "1", entry = "n", nodes = { n = function() end },\ninitial = function()\n' .. body .. " end }" }))
    assert(box:begin(program, job or {}))
    local out = assert(box:resume())
    program:close()
    box:close()
    return out
  end

  it("has no clock in initial, as while the file is loaded", function()
    local box = assert(boxes.open())
    for _, call in ipairs { "os.time()", "os.clock()", "os.date()", "os.date('*t')" } do
      local out = initial("return { t = " .. call .. " }", { clock_ms = 1e12 })
      assert.equal("error", out.kind, call)
      assert.equal("g.lua:3", out.where)
      local program, err = box:program("g.lua", { ["g.lua"] = "return " .. call })
      assert.is_nil(program)
      assert.equal(err.text, out.message)
      assert.truthy(out.message:find("the clock is not here while the graph is loaded", 1, true), out.message)
    end
    box:close()
    assert.equal('{"d":"1970-01-02","t":86400}',
      initial("return { t = os.time { year = 1970, month = 1, day = 2, hour = 0 }, d = os.date('%F', 86400) }").state)
  end)

  it("has random numbers in initial, computed from the seed", function()
    local body = "return { r = math.random(1000000) }"
    assert.equal(initial(body).state, initial(body).state)
    assert.not_equal(initial(body).state, initial(body, { seed = "other" }).state)
  end)
end)
