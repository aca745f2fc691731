-- value: the tree, and what it answers.
local json = require "json_c"

local NULL, BOOL, NUMBER, STRING, ARRAY, OBJECT = 0, 1, 2, 3, 4, 5

describe("json.value", function()
  local text = '{"z":[1,{"k":"v\\u0000w"},true],"a":{"b":null,"c":-2.5},"😀":1,"\239\172\179":2}'

  it("finds members and elements", function()
    local function look(...) return (json.look(text, ...)) end
    assert.equal(OBJECT, look())
    assert.equal(ARRAY, look "z")
    assert.equal(STRING, look("z", 1, "k"))
    assert.equal(BOOL, look("z", 2))
    assert.equal(NUMBER, look("a", "c"))
    local _, size, string, number, bool, key = json.look(text, "z", 1)
    assert.same({ 1, nil, -1, false, "k" }, { size, string, number, bool, key })
    assert.equal(-2.5, (select(4, json.look(text, "a", "c"))))
    assert.is_true((select(5, json.look(text, "z", 2))))
    assert.equal(1, (select(4, json.look(text, "😀"))))
    assert.equal(2, (select(4, json.look(text, "\239\172\179"))))
  end)

  it("gives strings with a NUL behind them", function()
    assert.equal("v\0w\0", (select(3, json.look(text, "z", 1, "k"))))
  end)

  it("answers null for what is not there", function()
    assert.equal(NULL, (json.look(text, "nothing", "at", 7, "all")))
    assert.equal(NULL, (json.look(text, "z", 3)))
    assert.equal(NULL, (json.look(text, "z", "k")))
    assert.equal(0, (select(2, json.look(text, "nothing"))))
    assert.is_nil((select(3, json.look(text, "nothing"))))
  end)

  it("keeps members in canonical order whatever the text's", function()
    local names = {}
    for i = 1, 1000 do names[i] = ('"%d":%d'):format(i * 7919 % 1009, i) end
    local shuffled = "{" .. table.concat(names, ",") .. "}"
    for i = 1, 1000 do
      assert.equal(i, (select(4, json.look(shuffled, tostring(i * 7919 % 1009)))))
    end
  end)

  it("keeps the last of duplicate names", function()
    assert.equal('{"a":3,"b":5}', json.parse('{"b":1,"a":2,"b":4,"a":3,"b":5}').result)
    assert.equal('{"a":2}', json.parse('{"a":[{"x":1}],"a":2}').result)
    assert.equal('{"a":2}', json.parse('{"a":1,"\\u0061":2}').result)
  end)

  it("writes the same as canonicalize does", function()
    for _, t in ipairs { text, "[]", "{}", "[[],{}]", "null", '"x"', "[1,[2,[3,[]]],{}]",
      '{"b":{"d":1,"c":[{}]},"a":[]}' } do
      local tree, stream = json.parse(t), json.canonical(t)
      assert.equal("ELG_OK", tree.status)
      assert.equal(stream.result, tree.result)
      assert.equal(0, tree.live)
    end
  end)
end)
