-- canonical: whole texts, and no memory at any point.
local json = require "json_c"

local function random_text(random)
  local function value(depth)
    local kind = random(depth > 6 and 4 or 7)
    if kind == 1 then return tostring(random(-1000, 1000) / 8) end
    if kind == 2 then return ({ "true", "false", "null", "1E2", "-0" })[random(5)] end
    if kind <= 4 then
      local tail = ({ "é", "\\u00e9", "😀", "" })[random(4)]
      return ('"%s\\n%s"'):format(("s"):rep(random(0, 40)), tail)
    end
    local parts = {}
    for i = 1, random(0, 6) do
      local element = value(depth + 1)
      parts[i] = kind == 5 and element or ('"%s": %s'):format(({ "a", "é", "\\ue000", "😀", "zz" })[random(5)], element)
    end
    local list = table.concat(parts, " ,\n")
    return kind == 5 and "[" .. list .. "]" or "{" .. list .. "}"
  end
  return value(1)
end

describe("json.canonical", function()
  it("sorts, drops space and duplicates, rewrites numbers and strings", function()
    assert.equal('{"":0,"a":[1,{"x":1e+21,"y":{}}],"b":"é/"}',
      json.canonical ' { "b":"\\u00e9\\/", "a":[1.0,{"y":{},"x":1e21,"x":1e21}], "":0,"b":"é/" } '.result)
  end)

  it("sorts objects inside objects that are sorted themselves", function()
    assert.equal('{"a":{"a":1,"b":{"c":1,"d":2}},"b":{"x":[{"p":1,"q":2}],"y":0}}',
      json.canonical '{"b":{"y":0,"x":[{"q":2,"p":1}]},"a":{"b":{"d":2,"c":1},"a":1}}'.result)
  end)

  it("agrees with the tree, is stable and is recognised, on random texts", function()
    local seed = os.time()
    print("canonical_spec seed " .. seed)
    math.randomseed(seed)
    for _ = 1, 3000 do
      local text = random_text(math.random)
      local form = json.canonical(text)
      assert.equal("ELG_OK", form.status, text)
      assert.equal(json.parse(text).result, form.result)
      assert.equal(form.result, json.canonical(form.result).result)
      assert.is_true((json.is_canonical(form.result)))
      assert.equal(text == form.result, (json.is_canonical(text)))
      assert.equal(json.hash(text).result, json.hash(form.result).result)
    end
  end)

  it("tells what is not canonical", function()
    for _, text in ipairs { " 1", "1 ", "1.0", "[1, 2]", '{"b":1,"a":2}', '{"a":1,"a":1}', '"\\u0061"',
      '"\\/"', "-0", "1e5", "[", "", '"\\u000A"' } do
      assert.is_false((json.is_canonical(text)), text)
    end
  end)

  it("hashes the canonical form", function()
    assert.equal("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", json.hash(" { } ").result)
  end)

  it("appends behind what the buffer holds, and nothing on an error", function()
    assert.equal('kept{"a":1}', json.append '{ "a" : 1 }')
    assert.equal("kept", json.append '{"b":[1,2,3],"a":[1,}')
  end)

  it("stays linear where objects out of order are nested deep", function()
    local core = '"' .. ("x"):rep(20000000) .. '"'
    local text = ('{"b":0,"a":'):rep(128) .. core .. ("}"):rep(128)
    local wanted = ('{"a":'):rep(128) .. core .. (',"b":0}'):rep(128)
    local started = os.clock()
    local got = json.canonical(text)
    assert.is_true(os.clock() - started < 1)
    assert.equal(wanted, got.result)
    -- The way over the tree fails as the other does.
    assert.same(json.tokens(text .. "]").text, json.canonical(text .. "]").text)
    local small = text:gsub("x+", ("x"):rep(2000))
    for n = 1, json.canonical(small).calls do
      local without = json.canonical(small, { fail_at = n })
      assert.same({ "ELG_NO_MEMORY", 0, 0 }, { without.status, without.live, without.wrong })
    end
  end)

  it("keeps the names of open objects only", function()
    local objects = ('{"%s":1},'):format(("k"):rep(100)):rep(10000)
    local got = json.canonical("[" .. objects .. "1]")
    assert.equal("ELG_OK", got.status)
    assert.is_true(got.peak < 1.6 * #got.result)
  end)

  it("sorts many members in little more than linear time", function()
    local names = {}
    for i = 1, 200000 do names[i] = ('"%d":0'):format(200000 - i) end
    local started = os.clock()
    assert.equal("ELG_OK", json.canonical("{" .. table.concat(names, ",") .. "}").status)
    assert.is_true(os.clock() - started < 5)
  end)
end)

describe("json without memory (I16)", function()
  local text = '{"b":["\\n\\u00e9' .. ("x"):rep(300) .. '",1.5,{"d":1,"c":[[],{}]}],"a":{"":null,"k":true,"k":[1]},"'
    .. ("n"):rep(5000) .. '":"' .. ("v"):rep(9000) .. '"}'

  local function every_failure(name, once)
    local whole = json[name](text)
    assert.equal("ELG_OK", whole.status)
    assert.is_true(whole.calls > 1)
    for n = 1, whole.calls do
      local got = json[name](text, { fail_at = n, once = once })
      assert.equal("ELG_NO_MEMORY", got.status, name .. " call " .. n)
      assert.is_true(got.agrees)
      assert.equal(0, got.live, name .. " leaks at call " .. n)
      assert.equal(0, got.wrong)
    end
  end

  for _, name in ipairs { "canonical", "hash", "parse", "tokens" } do
    it("ends in an error and leaks nothing wherever memory ends: " .. name, function()
      if name == "tokens" then
        local got = json.tokens(text, { fail_at = 1 })
        assert.equal("ELG_NO_MEMORY", got.status)
        assert.equal(0, got.live)
        return
      end
      every_failure(name, false)
      every_failure(name, true)
    end)
  end

  it("gives back what it took, of the size that it took", function()
    for _, name in ipairs { "canonical", "hash", "parse", "tokens" } do
      local got = json[name](text)
      assert.same({ 0, 0 }, { got.live, got.wrong })
    end
  end)
end)
