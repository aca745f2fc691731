-- parse: descriptions become graphs, or errors that name the path.
local graph_c = require "graph_c"

local CONSTANT, LINEAR, EXPONENTIAL = 0, 1, 2
local DAY_30_MS = 2592000000

local FULL = [[{"id":"triage","version":"1.2.0","entry":"fetch","initial":"function",
  "nodes":{"fetch":{"line":4,"retry":{"max_attempts":3,"backoff":"exponential",
    "initial_delay_ms":100,"max_delay_ms":5000},"timeout_ms":5000},
    "done":{"line":9,"retry":null,"timeout_ms":null}, "\u00e9":{}},
  "edges":[{"from":"fetch","key":"ok","to":"done","when":false,"line":12},
    {"from":"fetch","key":"ok","to":"fetch","when":true,"line":13}]}]]

local function limited(limits)
  return '{"id":"g","version":"1","entry":"a","nodes":{"a":{}},"edges":[],"limits":' .. limits .. "}"
end

local function with(nodes, edges)
  return string.format('{"id":"g","version":"1","entry":"a","nodes":%s,"edges":%s}',
    nodes or '{"a":{}}', edges or "[]")
end

describe("graph.parse", function()
  it("reads ids, nodes in order, edges in the author's order", function()
    local g, live = graph_c.parse(FULL)
    assert.equal(0, live)
    assert.same({ "triage", "1.2.0", "fetch" }, { g.id, g.version, g.entry })
    assert.same({ id = "fetch", line = 4, max_attempts = 3, backoff = EXPONENTIAL,
      initial_delay_ms = 100, max_delay_ms = 5000, timeout_ms = 5000 }, g.nodes[2])
    assert.same({ id = "done", line = 9, max_attempts = 1, backoff = CONSTANT,
      initial_delay_ms = 0, max_delay_ms = DAY_30_MS, timeout_ms = 0 }, g.nodes[1])
    assert.equal("\195\169", g.nodes[3].id)
    assert.same({ from = "fetch", key = "ok", to = "fetch", when = true, line = 13 },
      g.edges[2])
  end)

  it("takes an empty Lua table, which is an object, for no edges", function()
    assert.same({}, graph_c.parse(with(nil, "{}")).edges)
  end)

  it("finds every node by its id and no other", function()
    for _, id in ipairs { "fetch", "done", "\195\169" } do
      assert.equal(id, graph_c.find(FULL, id).id)
    end
    for _, id in ipairs { "", "fetc", "fetchh", "zzz", "\240\144\128\128" } do
      assert.is_nil(graph_c.find(FULL, id))
    end
  end)

  local long = string.rep("x", 129)
  local wrong = {
    { "[]", "graph", "must be a table" },
    { '{"version":"1","entry":"a","nodes":{}}', "id", "must be a string" },
    { '{"id":"","version":"1","entry":"a","nodes":{}}', "id", "must not be empty" },
    { '{"id":"' .. long .. '","version":"1","entry":"a"}', "id", "129 bytes" },
    { '{"id":"a\\u0000b","version":"1","entry":"a"}', "id", "control characters %(byte 1%)" },
    { '{"id":"g","version":1,"entry":"a"}', "version", "must be a string" },
    { '{"id":"g","version":"1","entry":null}', "entry", "must be a string" },
    { with("[1]"), "nodes", "must be a table of nodes" },
    { with('{"a":7}'), "nodes.a", "must be a table" },
    { with('{"":{}}'), "nodes", "must not be empty" },
    { with('{"a":{"retry":7}}'), "nodes.a.retry", "must be a table" },
    { with('{"a":{"retry":{"max_attempts":0}}}'), "nodes.a.retry.max_attempts", "1 to 1000" },
    { with('{"a":{"retry":{"max_attempts":1.5}}}'), "nodes.a.retry.max_attempts", "integer" },
    { with('{"a":{"retry":{"max_attempts":"3"}}}'), "nodes.a.retry.max_attempts", "integer" },
    { with('{"a":{"retry":{"initial_delay_ms":-1}}}'), "nodes.a.retry.initial_delay_ms", "0 to" },
    { with('{"a":{"retry":{"max_delay_ms":1e300}}}'), "nodes.a.retry.max_delay_ms", "0 to" },
    { with('{"a":{"retry":{"backoff":"cubic"}}}'), "nodes.a.retry.backoff", "exponential" },
    { with('{"a":{"retry":{"backoff":1}}}'), "nodes.a.retry.backoff", "exponential" },
    { with('{"a":{"timeout_ms":0}}'), "nodes.a.timeout_ms", "1 to 4294967295" },
    { with(nil, '{"a":1}'), "edges", "must be a table of edges" },
    { with(nil, '"x"'), "edges", "must be a table of edges" },
    { with(nil, "[3]"), "edges[1]", "must be a table" },
    { with(nil, '[{"from":"a","key":"k","to":"a"},{"from":"a","to":"a"}]'), "edges[2].key",
      "must be a string" },
    { with(nil, '[{"from":"a","key":"k","to":"' .. long .. '"}]'), "edges[1].to", "129 bytes" },
    { limited '{"concurrency":0}', "limits.concurrency", "1 to" },
    { limited '{"concurrency":1.5}', "limits.concurrency", "integer" },
    { limited '{"key_concurrency":1}', "limits.key_concurrency", "needs limits.key" },
    { limited '{"key":"","key_concurrency":1}', "limits.key", "must not be empty" },
    { limited '{"rate":{"count":20000,"per_ms":1}}', "limits.rate.count", "1 to 10000" },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[2] .. ": " .. case[3], function()
      local g, status, where, text, live = graph_c.parse(case[1])
      assert.is_nil(g)
      assert.same({ "ELG_INVALID", case[2], 0 }, { status, where, live })
      assert.truthy(text:find(case[3]), text)
    end)
  end

  it("refuses more nodes or edges than their maximum", function()
    local nodes, edges = {}, {}
    for i = 1, 4097 do nodes[i] = ('"n%d":{}'):format(i) end
    for i = 1, 16385 do edges[i] = '{"from":"a","key":"k","to":"a"}' end
    local _, _, where, text = graph_c.parse(with("{" .. table.concat(nodes, ",") .. "}"))
    assert.same({ "nodes", "has 4097 entries; at most 4096" }, { where, text })
    _, _, where = graph_c.parse(with(nil, "[" .. table.concat(edges, ",") .. "]"))
    assert.equal("edges", where)
  end)

  it("answers no memory, and leaks nothing, at every allocation", function()
    local fail_at, g, status, live, _ = 0
    repeat
      fail_at = fail_at + 1
      g, status, _, _, live = graph_c.parse(FULL, fail_at)
      if not g then assert.same({ "ELG_NO_MEMORY", 0 }, { status, live }) end
    until g or fail_at > 1000
    assert.is_true(fail_at > 4 and fail_at < 1000)
    assert.equal(0, status)
  end)
end)

describe("graph.retry_delay_ms", function()
  it("is min(max, d), min(max, d*n), min(max, d*2^(n-1))", function()
    local function series(backoff)
      local out = {}
      for n = 1, 7 do out[n] = graph_c.delay(backoff, 100, 1000, n) end
      return out
    end
    assert.same({ 100, 100, 100, 100, 100, 100, 100 }, series(CONSTANT))
    assert.same({ 100, 200, 300, 400, 500, 600, 700 }, series(LINEAR))
    assert.same({ 100, 200, 400, 800, 1000, 1000, 1000 }, series(EXPONENTIAL))
    assert.equal(50, graph_c.delay(CONSTANT, 100, 50, 1))
  end)

  it("never overflows and never goes below zero", function()
    for _, backoff in ipairs { CONSTANT, LINEAR, EXPONENTIAL } do
      for _, n in ipairs { 0, 1, 2, 63, 64, 65, 1000, 4294967295 } do
        local d = graph_c.delay(backoff, DAY_30_MS, DAY_30_MS, n)
        assert.equal(DAY_30_MS, d)
        assert.equal(0, graph_c.delay(backoff, 0, DAY_30_MS, n))
      end
    end
    assert.equal(7, graph_c.delay(EXPONENTIAL, 1, 7, 4294967295))
  end)
end)
