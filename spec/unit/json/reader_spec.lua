-- reader: tokens, and what it says of texts that are not JSON.
local json = require "json_c"

local function fails(text, status, where, message)
  local got = json.tokens(text)
  assert.equal(status, got.status, text)
  assert.equal(where, got.where)
  assert.truthy(got.text:find(message, 1, true), got.text .. " has no " .. message)
  assert.is_true(got.agrees)
  assert.equal(0, got.live)
  -- Whatever reads a text gives the same answer.
  for _, read in ipairs { json.canonical, json.parse, json.hash } do
    local other = read(text)
    assert.same({ got.status, got.where, got.text }, { other.status, other.where, other.text })
  end
end

describe("json.reader", function()
  it("gives the tokens of a text in order", function()
    local got = json.tokens ' { "a\\n" : [ 1 , -2.50 , "x" , true ] , "b" : { } , "c":[null,false] } '
    assert.equal("ELG_OK", got.status)
    assert.same({
      { "{" }, { "key", "a\n" }, { "[" }, { "number", 1, "1" }, { "number", -2.5, "-2.50" },
      { "string", "x" }, { "true" }, { "]" }, { "key", "b" }, { "{" }, { "}" },
      { "key", "c" }, { "[" }, { "null" }, { "false" }, { "]" }, { "}" }, { "end" },
    }, got.tokens)
  end)

  it("takes the four kinds of space between any two tokens, and no other", function()
    local spaces = " \t\r\n"
    local spaced = table.concat({ "", "{", '"a"', ":", "[", "1", ",", "null", "]", ",", '"b"', ":", "{", "}", "}", "" },
      spaces)
    assert.equal('{"a":[1,null],"b":{}}', json.canonical(spaced).result)
    for _, other in ipairs { "\11", "\12", "\194\160", "\239\187\191", "\0" } do
      assert.equal("ELG_INVALID", json.tokens("[1" .. other .. "]").status)
    end
  end)

  it("reads every escape, NUL and surrogate pairs included", function()
    local got = json.tokens [["\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC\ud83d\uDE00é€😀"]]
    assert.equal('"\\/\b\f\n\r\t\0é€😀é€😀', got.tokens[1][2])
  end)

  it("reads strings of every length, with and without an escape", function()
    for size = 0, 70 do
      for at = 1, size do
        local plain = ("a"):rep(size)
        local mixed = plain:sub(1, at - 1) .. "\\n" .. plain:sub(at + 1)
        assert.equal(plain, json.tokens('"' .. plain .. '"').tokens[1][2])
        assert.equal((mixed:gsub("\\n", "\n")), json.tokens('"' .. mixed .. '"').tokens[1][2])
      end
    end
  end)

  it("reads numbers exactly", function()
    local cases = {
      ["0"] = 0, ["-0"] = 0, ["-0.0e5"] = 0, ["1e2"] = 100, ["1E+2"] = 100, ["25e-1"] = 2.5,
      ["0.1"] = 0.1, ["9007199254740993"] = 9007199254740992,
      ["9007199254740993.00000000000000000001"] = 9007199254740994,
      ["1e22"] = 1e22, ["1e23"] = 1e23, ["123456789012345678901234567890"] = 1.2345678901234568e29,
      ["5e-324"] = 5e-324, ["2.4703282292062327e-324"] = 0, ["2.4703282292062328e-324"] = 5e-324,
      ["2.2250738585072014e-308"] = 2.2250738585072014e-308,
      ["1.7976931348623157e308"] = 1.7976931348623157e308, ["1e-400"] = 0, ["-1e-999999999999"] = 0,
      ["0e999999999999"] = 0, ["0." .. ("0"):rep(400) .. "1e401"] = 1,
      ["1" .. ("0"):rep(400) .. "e-400"] = 1,
    }
    for text, number in pairs(cases) do
      local got = json.tokens(text)
      assert.equal("ELG_OK", got.status, text)
      assert.equal(number, got.tokens[1][2], text)
      assert.equal(1 / 0, 1 / math.abs(got.tokens[1][2] * 0), text)
    end
    assert.equal(1 / 0, 1 / json.tokens("-0").tokens[1][2])
  end)

  it("names line, column and path", function()
    fails('{\n  "items": [0, 1, 2,\n    {"name": tru}]}', "ELG_INVALID",
      "line 3 column 14, $.items[3].name", "expected a value, found 't'")
    fails('["é€😀", x]', "ELG_INVALID", "line 1 column 9, $[1]", "found 'x'")
    fails('{"a b":{"":[[],{"c":\n}]}}', "ELG_INVALID", 'line 2 column 1, $["a b"][""][1].c',
      "expected a value, found '}'")
    fails('{"a":1,"b":2 "c":3}', "ELG_INVALID", "line 1 column 14, $.b", "expected ',' or '}'")
  end)

  it("cuts a path that is too long", function()
    local text = ('{"' .. ("n"):rep(50) .. '":'):rep(20)
    local got = json.tokens(text)
    assert.equal("ELG_INVALID", got.status)
    assert.equal("line 1 column 1081, $" .. ("." .. ("n"):rep(50)):rep(4) .. "....", got.where)
  end)

  it("refuses what is not JSON and says what is wrong", function()
    local cases = {
      { "", "line 1 column 1, $", "found the end of the text" },
      { "  ", "line 1 column 3, $", "found the end of the text" },
      { "nul", "line 1 column 1, $", "expected a value" },
      { "[1,]", "line 1 column 4, $[1]", "expected a value, found ']'" },
      { "[1 2]", "line 1 column 4, $[0]", "expected ',' or ']', found '2'" },
      { '{"a":1,}', "line 1 column 8, $", "a member's name in quotes" },
      { "{a:1}", "line 1 column 2, $", "a member's name in quotes" },
      { '{"a" 1}', "line 1 column 6, $.a", "expected ':'" },
      { "[1", "line 1 column 3, $[0]", "found the end of the text" },
      { "1 2", "line 1 column 3, $", "expected the end of the text" },
      { "[01]", "line 1 column 3, $[0]", "zero in front" },
      { "[-]", "line 1 column 3, $[0]", "expected a digit" },
      { "[1.]", "line 1 column 4, $[0]", "expected a digit" },
      { "[1e+]", "line 1 column 5, $[0]", "expected a digit" },
      { "[.5]", "line 1 column 2, $[0]", "expected a value" },
      { "[+1]", "line 1 column 2, $[0]", "expected a value" },
      { "[NaN]", "line 1 column 2, $[0]", "expected a value" },
      { "[1e400]", "line 1 column 2, $[0]", "too large for a double" },
      { "[-1.8e308]", "line 1 column 2, $[0]", "too large for a double" },
      { '"abc', "line 1 column 5, $", "ends inside a string" },
      { '"a\nb"', "line 1 column 3, $", "control character" },
      { '"a\0b"', "line 1 column 3, $", "\\u0000" },
      { '"\\x"', "line 1 column 2, $", "no escape" },
      { '"\\', "line 1 column 2, $", "no escape" },
      { '"\\u12g4"', "line 1 column 2, $", "four hexadecimal digits" },
      { '"\\u12', "line 1 column 2, $", "four hexadecimal digits" },
      { '"\\ud800"', "line 1 column 2, $", "surrogate" },
      { '"\\ud800\\u0041"', "line 1 column 2, $", "surrogate" },
      { '"\\ud800\\ud800"', "line 1 column 2, $", "surrogate" },
      { '"\\udc00\\udc00"', "line 1 column 2, $", "surrogate" },
      { '"\\udc00"', "line 1 column 2, $", "surrogate" },
      { "\239\187\191{}", "line 1 column 1, $", "byte order mark" },
      { "[1]\0", "line 1 column 4, $", "found byte 0x00" },
      { "{'a':1}", "line 1 column 2, $", "a member's name in quotes" },
      { "// c\n1", "line 1 column 1, $", "found '/'" },
    }
    for _, case in ipairs(cases) do fails(case[1], "ELG_INVALID", case[2], case[3]) end
  end)

  it("refuses every kind of invalid UTF-8 and names the byte", function()
    local bad = {
      "\128", "\191", "\192\128", "\193\191", "\224\128\128", "\224\159\191", "\237\160\128",
      "\237\191\191", "\240\128\128\128", "\240\143\191\191", "\244\144\128\128",
      "\245\128\128\128", "\255", "\254", "\195", "\226\130", "\240\159\152", "\195\40",
      "\226\40\161", "\240\159\40\140", "\195\192", "\226\130\192", "\226\130\255", "\226\192\130",
      "\240\159\192\152", "\240\159\152\192", "\240\192\159\152",
    }
    for _, bytes in ipairs(bad) do
      for size = 0, 20 do
        local lead = ("x"):rep(size)
        fails('["' .. lead .. bytes .. '"]', "ELG_INVALID", "line 1 column " .. 3 + size .. ", $[0]",
          "not valid UTF-8: byte 0x" .. ("%02X"):format(bytes:byte()) .. " at offset " .. 2 + size)
      end
    end
  end)

  it("takes the first and the last code point of every length", function()
    for _, s in ipairs { "\194\128", "\223\191", "\224\160\128", "\237\159\191", "\238\128\128",
      "\239\191\191", "\240\144\128\128", "\244\143\191\191" } do
      assert.equal(s, json.tokens('"' .. s .. '"').tokens[1][2])
    end
  end)
end)

describe("json.reader limits", function()
  it("reads 128 levels and refuses 129", function()
    local function nested(open, close, depth) return open:rep(depth) .. close:rep(depth) end
    assert.equal("ELG_OK", json.tokens(nested("[", "]", 128)).status)
    assert.equal(nested("[", "]", 128), json.canonical(nested("[", "]", 128)).result)
    assert.equal(nested("[", "]", 128), json.parse(nested("[", "]", 128)).result)
    local got = json.tokens(nested("[", "]", 129))
    assert.equal("ELG_LIMIT", got.status)
    assert.truthy(got.where:find("line 1 column 129, $[0][0]", 1, true))
    assert.truthy(got.text:find("deeper than 128", 1, true))
  end)

  it("refuses depth 100,000 of arrays and of objects", function()
    for _, open in ipairs { "[", '{"a":' } do
      for _, read in ipairs { json.tokens, json.canonical, json.parse, json.hash } do
        local got = read(open:rep(100000))
        assert.equal("ELG_LIMIT", got.status)
        assert.equal(0, got.live)
      end
    end
  end)

  it("refuses 200 MB at once and says how much it reads", function()
    local text = '["' .. ("x"):rep(200 * 1000 * 1000) .. '"]'
    for _, read in ipairs { json.tokens, json.canonical, json.parse, json.hash } do
      local got = read(text)
      assert.equal("ELG_LIMIT", got.status)
      assert.equal("the text has 200000004 bytes; at most 67108864 are read", got.text)
      assert.is_true(got.peak < 100000)
    end
  end)

  it("refuses a canonical form that would be longer than what it reads", function()
    local text = "[" .. ("1e20,"):rep(4 * 1000 * 1000) .. "1]"
    local got = json.canonical(text)
    assert.equal("ELG_LIMIT", got.status)
    assert.truthy(got.text:find("canonical form", 1, true))
    assert.equal(0, got.live)
  end)
end)
