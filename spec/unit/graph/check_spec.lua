-- check: findings over a graph that parses; hash: the version by content.
local graph_c = require "graph_c"

-- describe_graph("a", { a = 1, b = 2 }, { "a k b", "a k a when" }): nodes with lines.
local function graph(entry, nodes, edges)
  local parts, list = {}, {}
  for id, line in pairs(nodes) do
    parts[#parts + 1] = ('"%s":{"line":%d}'):format(id, line)
  end
  for i, edge in ipairs(edges) do
    local from, key, to, when = edge:match("^(%S+) (%S+) (%S+)%s*(%S*)$")
    list[i] = ('{"from":"%s","key":"%s","to":"%s","when":%s,"line":%d}'):format(from, key, to,
      tostring(when == "when"), 100 + i)
  end
  return ('{"id":"g","version":"1","entry":"%s","nodes":{%s},"edges":[%s]}'):format(entry,
    table.concat(parts, ","), table.concat(list, ","))
end

-- "level CODE where" of each finding.
local function findings(description)
  local text, errors, live = graph_c.check(description, "g.lua")
  assert.equal(0, live)
  local out = {}
  for code, level, where in
    text:gmatch('{"code":"([%u_]+)","level":"(%l+)","text":".-","where":"(.-)"}')
  do
    out[#out + 1] = level .. " " .. code .. " " .. where
  end
  return out, errors, text
end

describe("graph.check", function()
  it("finds nothing in a sound graph", function()
    local out, errors, text = findings(graph("a", { a = 1, b = 2, c = 3 },
      { "a ok b", "a no c", "b again a", "b ok c" }))
    assert.same({ {}, 0, "[]" }, { out, errors, text })
  end)

  it("says that the entry is missing, and then calls no node unreachable", function()
    local out, errors, text = findings(graph("x", { a = 1 }, {}))
    assert.same({ "error MISSING_ENTRY g.lua" }, out)
    assert.equal(1, errors)
    assert.truthy(text:find('entry \\"x\\" is not a node', 1, true))
  end)

  it("says it of a graph without nodes", function()
    assert.same({ "error MISSING_ENTRY g.lua" }, (findings(graph("x", {}, {}))))
  end)

  it("names edges from and to nodes that are not there", function()
    local out, errors, text = findings(graph("a", { a = 1 }, { "a ok b", "c ok a", "x y z" }))
    assert.same({ "error UNKNOWN_NODE g.lua:101", "error UNKNOWN_NODE g.lua:102",
      "error UNKNOWN_NODE g.lua:103", "error UNKNOWN_NODE g.lua:103",
      "warning CANNOT_END g.lua:1" }, out)
    assert.equal(4, errors)
    assert.truthy(text:find('goes from \\"c\\"', 1, true))
  end)

  it("names an edge that an earlier one without `when` takes everything from", function()
    local nodes = { a = 1, b = 2 }
    assert.same({ "error DUPLICATE_EDGE g.lua:102" },
      (findings(graph("a", nodes, { "a k b", "a k a when" }))))
    assert.same({}, (findings(graph("a", nodes, { "a k a when", "a k b" }))))
    assert.same({ "error DUPLICATE_EDGE g.lua:103" },
      (findings(graph("a", nodes, { "a k a when", "a k b", "a k b" }))))
    local other = { "a k b", "b k a when", "a l b when", "a l b" } -- of other nodes or keys
    assert.same({ "warning CANNOT_END g.lua:1", "warning CANNOT_END g.lua:2" },
      (findings(graph("a", nodes, other))))
  end)

  it("warns of nodes that no path leads to, by their lines", function()
    local out, errors = findings(graph("a", { a = 1, b = 2, c = 3, d = 4 },
      { "a k b", "c k d", "d k b" }))
    assert.same({ "warning UNREACHABLE_NODE g.lua:3", "warning UNREACHABLE_NODE g.lua:4" }, out)
    assert.equal(0, errors)
  end)

  it("warns of nodes whose every path goes round for ever", function()
    local out, errors = findings(graph("a", { a = 1, b = 2, c = 3, d = 4 },
      { "a k b", "a l d", "b k c", "c k b" }))
    assert.same({ "warning CANNOT_END g.lua:2", "warning CANNOT_END g.lua:3" }, out)
    assert.equal(0, errors)
  end)

  it("checks the largest graph in linear time", function()
    local nodes, edges = {}, {}
    for i = 1, 4096 do
      nodes["n" .. i] = i
      edges[i] = i == 4096 and "n4096 k n4096" or ("n%d k n%d"):format(i, i + 1)
    end
    local begun = os.clock()
    local out = findings(graph("n1", nodes, edges))
    assert.equal(4096, #out)
    assert.is_true(os.clock() - begun < 1)
  end)

  it("answers no memory, and leaks nothing, at every allocation", function()
    local description = graph("a", { a = 1, b = 2 }, { "a k c", "a k a" })
    local fail_at, out, status, live, _ = 0
    repeat
      fail_at = fail_at + 1
      out, status, _, _, live = graph_c.check(description, "g.lua", fail_at)
      if not out then assert.same({ "ELG_NO_MEMORY", 0 }, { status, live }) end
    until out or fail_at > 1000
    assert.is_true(fail_at > 5 and fail_at < 1000)
  end)
end)

describe("graph.version_hash", function()
  it("is the SHA-256 of the canonical manifest", function()
    -- sha256 of {"entry":"g.lua","sources":{"g.lua":sha256("a"),"lib/x.lua":sha256("")}}
    local hex, live = graph_c.version("g.lua", { { "lib/x.lua", "" }, { "g.lua", "a" } })
    assert.equal(0, live)
    assert.equal("bf855e0e349604dd3bf71643bb8d2854fdb71c071b3641f682731a004f8e7fd9", hex)
  end)

  it("does not depend on the order of the sources, but on all else", function()
    local sources = { { "g.lua", "a" }, { "b.lua", "b" }, { "c.lua", "c" } }
    local same = { { "c.lua", "c" }, { "g.lua", "a" }, { "b.lua", "b" } }
    local hex = graph_c.version("g.lua", sources)
    assert.equal(hex, (graph_c.version("g.lua", same)))
    local seen = { [hex] = true }
    for _, other in ipairs {
      { "b.lua", sources },
      { "g.lua", { { "g.lua", "a" }, { "b.lua", "b" } } },
      { "g.lua", { { "g.lua", "a" }, { "b.lua", "B" }, { "c.lua", "c" } } },
      { "g.lua", { { "g.lua", "a" }, { "b.lua", "b" }, { "d.lua", "c" } } },
    } do
      local other_hex = graph_c.version(other[1], other[2])
      assert.is_nil(seen[other_hex])
      seen[other_hex] = true
    end
  end)

  it("refuses a path that is there twice, one that is not UTF-8, and too many", function()
    local function status(sources) return select(2, graph_c.version("g.lua", sources)) end
    assert.equal("ELG_INVALID", status { { "g.lua", "a" }, { "b", "" }, { "g.lua", "b" } })
    assert.equal("ELG_INVALID", status { { "\255", "a" } })
    local many = {}
    for i = 1, 257 do many[i] = { "m" .. i, "" } end
    assert.equal("ELG_LIMIT", status(many))
    many[257] = nil
    assert.equal(64, #graph_c.version("g.lua", many))
  end)

  it("answers no memory without a leak", function()
    local hex, status, _, _, live = graph_c.version("g.lua", { { "g.lua", "a" } }, 1)
    assert.same({ "nil", "ELG_NO_MEMORY", 0 }, { tostring(hex), status, live })
  end)
end)
