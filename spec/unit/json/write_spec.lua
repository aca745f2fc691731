-- write: canonical strings and numbers, and the order of names.
local json = require "json_c"

describe("json.write_string", function()
  it("escapes what must be and nothing else", function()
    assert.equal([["\"\\/\b\t\n\f\r\u0000\u0001\u001f]] .. '\127é€😀"',
      json.write_string '"\\/\b\t\n\f\r\0\1\31\127é€😀')
    assert.equal('""', json.write_string "")
  end)

  it("reads back as it was, at every length", function()
    for size = 0, 300 do
      local bytes = {}
      for i = 1, size do bytes[i] = string.char((i * 7 + size) % 128) end
      local s = table.concat(bytes)
      assert.equal(s, json.tokens(json.write_string(s)).tokens[1][2])
    end
  end)

  it("escapes every byte that must be, wherever it stands; the reader refuses it there", function()
    local short = {
      ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r",
      ['"'] = '\\"', ["\\"] = "\\\\",
    }
    for code = 0, 127 do
      local byte = string.char(code)
      local escaped = short[byte] or code < 32 and ("\\u%04x"):format(code) or byte
      for before = 0, 17 do
        for after = 0, 17 do
          local head, tail = ("h"):rep(before), ("t"):rep(after)
          assert.equal('"' .. head .. escaped .. tail .. '"', json.write_string(head .. byte .. tail))
        end
        if code < 32 then
          for _, after in ipairs { 0, 3, 7, 30 } do
            local got = json.tokens('"' .. ("h"):rep(before) .. byte .. ("t"):rep(after) .. '"')
            assert.equal("ELG_INVALID", got.status)
            assert.equal(("line 1 column %d, $"):format(before + 2), got.where)
          end
        end
      end
    end
  end)

  it("appends nothing for invalid UTF-8 and names the byte", function()
    for size = 0, 40 do
      local ok, bad_at, kept = json.write_string(("\n"):rep(size) .. "\255z", "kept")
      assert.is_nil(ok)
      assert.equal(size, bad_at)
      assert.equal("kept", kept)
    end
  end)
end)

describe("json.write_number", function()
  it("writes as JavaScript does", function()
    local cases = {
      [0] = "0", [1] = "1", [-1] = "-1", [10] = "10", [-123456789] = "-123456789", [0.5] = "0.5",
      [9007199254740991] = "9007199254740991", [9007199254740992] = "9007199254740992",
      [-9007199254740992] = "-9007199254740992", [9007199254740994] = "9007199254740994",
      [1e20] = "100000000000000000000", [1e21] = "1e+21", [123e-20] = "1.23e-18",
      [1e-6] = "0.000001", [1e-7] = "1e-7", [5e-324] = "5e-324", [333333333.33333329] = "333333333.3333333",
      [1.7976931348623157e308] = "1.7976931348623157e+308", [-1.5e300] = "-1.5e+300",
      [4.35] = "4.35", [2 ^ 63] = "9223372036854776000", [-2 ^ 63] = "-9223372036854776000",
    }
    for number, text in pairs(cases) do assert.equal(text, json.write_number(number)) end
    assert.equal("0", json.write_number(-0.0))
  end)

  it("refuses NaN and the infinities", function()
    assert.is_nil(json.write_number(0 / 0))
    assert.is_nil(json.write_number(1 / 0))
    assert.is_nil(json.write_number(-1 / 0))
  end)
end)

describe("json.compare_keys", function()
  it("orders by UTF-16 code units", function()
    local sorted = { "", "\0", "\r", "1", "a", "aa", "ab", "b", "\194\128", "ö", "€",
      "\237\159\191", "😀", "\244\143\191\191", "\238\128\128", "\239\172\179", "\239\191\191" }
    for i, a in ipairs(sorted) do
      for k, b in ipairs(sorted) do
        local order = json.compare_keys("same" .. a, "same" .. b)
        assert.equal(i < k and -1 or i > k and 1 or 0, order, a .. " and " .. b)
      end
    end
  end)
end)

describe("json.check_utf8", function()
  it("finds the first bad byte at every length and offset", function()
    assert.equal(0, json.utf8_disagreements(1, 200000))
    assert.equal(9, json.check_utf8("aé€😀\237\160\128") - 1)
    assert.equal(0, json.check_utf8 "")
    -- Sequences that the end cuts: the check must not look behind it.
    for _, cut in ipairs { "\195", "\226", "\226\130", "\240", "\240\159", "\240\159\152" } do
      assert.equal(3, json.check_utf8("abc" .. cut))
      assert.equal("ELG_INVALID", json.tokens('"' .. cut).status)
    end
  end)
end)
