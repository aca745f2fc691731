-- input: what --input means. json: looking into JSON texts without changing them.
local codes = require "elg.cli.codes"
local input = require "elg.cli.input"
local json = require "elg.json"
local graph = require "elg.cli.graph"

local PATH = os.tmpname()

local function with_file(text)
  local file = assert(io.open(PATH, "wb"))
  file:write(text)
  file:close()
  return PATH
end

local function all_lines(source)
  local list = {}
  for text, number in input.lines(source) do list[#list + 1] = number .. ":" .. text end
  return list
end

local function refusal(f, ...)
  local ok, failure = pcall(f, ...)
  assert.is_false(ok)
  return failure.exit, failure.message
end

describe("cli.input", function()
  teardown(function() os.remove(PATH) end)

  it("takes what begins with { [ or a quote, numbers and words for JSON, all else for a file", function()
    for _, text in ipairs { "{}", "[1]", '"x"', '  {"a":1}', "5", "-1.5", "1e9", "2.5E-3", " true ",
      "false", "null", "\239\187\191{}", "01" } do
      assert.equal(text, input.read_whole(text))
    end
    for _, text in ipairs { "./5", "1-2", "5.json", "2026-11", "truest", "nan", "0x1", "1.", "-" .. "-1" } do
      local exit, message = refusal(input.read_whole, text)
      assert.equal(codes.exit.unavailable, exit)
      assert.truthy(message:find(text .. ": No such file", 1, true), message)
    end
    assert.equal("7", input.read_whole(with_file "7"))
    assert.equal("", input.read_whole(with_file ""))
  end)

  it("says which file is missing, or a folder, with code 4", function()
    local exit, message = refusal(input.read_whole, "/no/such")
    assert.equal(codes.exit.unavailable, exit)
    assert.truthy(message:find("^/no/such: No such file"))
    exit, message = refusal(input.read_whole, "/tmp")
    assert.equal(codes.exit.unavailable, exit)
    assert.truthy(message:find("/tmp: is a folder", 1, true))
  end)

  it("refuses a text over 64 MiB with code 3, without reading all of it", function()
    with_file ""
    os.execute("truncate -s 200M " .. PATH)
    local exit, message = refusal(input.read_whole, PATH)
    assert.equal(codes.exit.invalid, exit)
    assert.truthy(message:find("more than 67108864 bytes", 1, true))
    exit, message = refusal(all_lines, PATH)
    assert.equal(codes.exit.invalid, exit)
    assert.truthy(message:find("line 1", 1, true))
  end)

  it("gives lines with their numbers, passing over blank ones", function()
    local expected = { '1:{"a":1}', "3:2", "5:[3]" }
    assert.same(expected, all_lines(with_file '{"a":1}\n\n2\n  \n[3]'))
    assert.same({ '1:{"a":1}', "3:[3]" }, all_lines('{"a":1}\n\n[3]\n'))
    assert.same({}, all_lines(with_file ""))
  end)

  it("gives every line of a file that is longer than its buffer", function()
    local parts = {}
    for i = 1, 3000 do parts[i] = ('{"i":%d,"pad":"%s"}'):format(i, ("x"):rep(i % 300)) end
    parts[1500] = '{"long":"' .. ("y"):rep(300000) .. '"}'
    local got = all_lines(with_file(table.concat(parts, "\n")))
    assert.equal(3000, #got)
    for i = 1, 3000 do assert.equal(i .. ":" .. parts[i], got[i]) end
  end)
end)

describe("json", function()
  local TEXT = '{"a":[1,{"b":"]}"},"\\"},{"],"e":-1.50,"n":null,"s":"x\\\\","t":{"u":{}},"z":"\\""}'

  it("gives the text of a member as it stands", function()
    assert.equal('[1,{"b":"]}"},"\\"},{"]', json.member(TEXT, "a"))
    assert.equal("-1.50", json.member(TEXT, "e"))
    assert.equal("null", json.member(TEXT, "n"))
    assert.equal('"x\\\\"', json.member(TEXT, "s"))
    assert.equal('{"u":{}}', json.member(TEXT, "t"))
    assert.equal('"\\""', json.member(TEXT, "z"))
    assert.is_nil(json.member(TEXT, "b"))
    assert.is_nil(json.member("{}", "a"))
  end)

  it("gives the texts of an array's elements", function()
    assert.same({ "1", '{"b":"]}"}', '"\\"},{"' }, json.items(json.member(TEXT, "a")))
    assert.same({}, json.items "[]")
    assert.same({ "[]", "[[1],2]", "true" }, json.items "[[],[[1],2],true]")
  end)

  it("indents a text without changing its values", function()
    local pretty = json.pretty(TEXT)
    assert.equal('{\n  "a": [\n    1,\n    {\n', pretty:sub(1, 24))
    assert.truthy(pretty:find('"u": {}', 1, true))
    local core = require "elg.core"
    assert.equal(core.canonical(TEXT), core.canonical(pretty))
  end)

  it("writes objects in the order given, and texts that are not UTF-8", function()
    assert.equal('{"z":1,"a":"\195\169","n":null,"r":[]}',
      json.object { "z", 1, "a", "\195\169", "n", json.null, "r", { raw = "[]" } })
    assert.equal('"a\239\191\189b"', json.quote "a\255b")
    assert.equal('"\\"\\\\\\n\\u0000"', json.quote '"\\\n\0')
    assert.has_error(function() json.object { "x", 0 / 0 } end)
  end)
end)

describe("cli.graph", function()
  local GRAPH = { id = 'a"b', entry = "in", nodes = { { id = "in" }, { id = 'x"<y>' } },
    edges = { { from = "in", key = "ok", to = 'x"<y>', ["when"] = false },
      { from = 'x"<y>', key = "re|do", to = "in", ["when"] = true } } }

  it("draws Mermaid with any name", function()
    assert.equal(table.concat({ "flowchart TD", '  n1(["in"])', '  n2["x#34;#60;y#62;"]',
      '  n1 -->|"ok"| n2', '  n2 -->|"re#124;do ?"| n1' }, "\n"), graph.mermaid(GRAPH))
  end)

  it("draws DOT with any name", function()
    local text = graph.dot(GRAPH)
    assert.truthy(text:find('digraph "a\\"b" {', 1, true))
    assert.truthy(text:find('"in" [style=rounded];', 1, true))
    assert.truthy(text:find('"x\\"<y>" -> "in" [label="re|do", style=dashed];', 1, true))
  end)
end)
