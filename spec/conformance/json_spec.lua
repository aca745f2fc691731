-- JSONTestSuite: y_ must be accepted, n_ refused; of i_, where RFC 8259 leaves the choice,
-- the table below is ours (docs/json.md says why).
local helper = require "helper"
local json = require "json_c"

local root = helper.conformance "json"

local ACCEPTED = { -- numbers round as in JavaScript; what underflows is 0
  ["i_number_double_huge_neg_exp.json"] = "[0]",
  ["i_number_real_underflow.json"] = "[0]",
  ["i_number_too_big_neg_int.json"] = "[-1.2312312312312312e+29]",
  ["i_number_too_big_pos_int.json"] = "[100000000000000000000]",
  ["i_number_very_big_negative_int.json"] = "[-2.374623746732769e+47]",
}
local TOO_DEEP = { ["i_structure_500_nested_arrays.json"] = true }

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

describe("conformance json", function()
  if not root then
    pending "the suite is not on this machine (ELG_CONFORMANCE)"
    return
  end
  local cases = { y = {}, n = {}, i = {} }
  local pipe = assert(io.popen("ls '" .. root .. "'"))
  for name in pipe:lines() do
    local kind = cases[name:match "^([yni])_.*%.json$"]
    if kind then kind[#kind + 1] = name end
  end
  pipe:close()
  print(("conformance json: %d y_, %d n_, %d i_"):format(#cases.y, #cases.n, #cases.i))

  it("finds the suite whole", function()
    assert.is_true(#cases.y >= 95 and #cases.n >= 185 and #cases.i >= 30)
  end)

  it("accepts every y_, by reader, tree and canonical form alike", function()
    for _, name in ipairs(cases.y) do
      local text = read(root .. "/" .. name)
      local form = json.canonical(text)
      assert.equal("ELG_OK", form.status, name)
      assert.equal(form.result, json.parse(text).result, name)
      assert.equal(form.result, json.canonical(form.result).result, name)
      assert.equal("ELG_OK", json.tokens(text).status, name)
    end
  end)

  it("refuses every n_ and says where", function()
    for _, name in ipairs(cases.n) do
      local text = read(root .. "/" .. name)
      for _, read_text in ipairs { json.canonical, json.parse, json.tokens, json.hash } do
        local got = read_text(text)
        assert.is_true(got.status == "ELG_INVALID" or got.status == "ELG_LIMIT", name)
        assert.truthy(got.where:find("^line %d+ column %d+, %$"), name)
        assert.is_true(#got.text > 0)
        assert.equal(0, got.live)
      end
    end
  end)

  it("treats every i_ as documented", function()
    for _, name in ipairs(cases.i) do
      local got = json.canonical(read(root .. "/" .. name))
      local wanted = TOO_DEEP[name] and "ELG_LIMIT" or ACCEPTED[name] and "ELG_OK" or "ELG_INVALID"
      assert.equal(wanted, got.status, name)
      assert.equal(ACCEPTED[name], got.result, name)
    end
  end)
end)
