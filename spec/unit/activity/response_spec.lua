-- response: the record of an outcome.
local A = require "activity_c"

describe("activity.read_response", function()
  it("tells a value from an error", function()
    for _, value in ipairs { "1", "null", '"a\\"}"', "[]", '{"value":{"b":[1,"}",2]}}', "{}" } do
      local ok, got = A.read_response('{"value":' .. value .. "}")
      assert.is_true(ok)
      assert.equal(value, got)
    end
    local ok, got = A.read_response(A.write_error("CODE", "text"))
    assert.is_false(ok)
    assert.equal('{"code":"CODE","message":"text"}', got)
  end)

  it("takes nothing else", function()
    for _, text in ipairs { "", "{}", "1", '{"value":}', '{"value":1', '{"value":1}}',
      '{"value":1,"x":2}', '{"value":[1,2}', '{"error":1}', '{"Value":1}', '{"value":"a}',
      '{"error":{"code":"a"},"value":1}', '{"value":[1]]}' } do
      local ok, status = A.read_response(text)
      assert.is_nil(ok, text)
      assert.equal("ELG_CORRUPT", status)
    end
  end)
end)

describe("activity.write_error", function()
  it("is canonical whatever the text", function()
    assert.equal('{"error":{"code":"A\\n","message":"b\239\191\189c\239\191\189"}}',
      A.write_error("A\n", "b\255c\128"))
    for i = 1, 255 do
      assert.is_true(A.is_canonical(A.write_error("X", string.char(i))))
    end
  end)
end)
