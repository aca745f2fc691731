-- RFC 8785's own vectors: input/X.json must become output/X.json, byte for byte.
local helper = require "helper"
local json = require "json_c"

local root = helper.conformance "jcs"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function names(folder)
  local list = {}
  local pipe = assert(io.popen("ls '" .. folder .. "'"))
  for name in pipe:lines() do list[#list + 1] = name end
  pipe:close()
  return list
end

describe("conformance jcs", function()
  if not root then
    pending "the vectors are not on this machine (ELG_CONFORMANCE)"
    return
  end
  local found = names(root .. "/input")

  it("has all six vectors", function() assert.equal(6, #found) end)

  for _, name in ipairs(found) do
    it("canonicalises " .. name, function()
      local input, output = read(root .. "/input/" .. name), read(root .. "/output/" .. name)
      local hex = read(root .. "/outhex/" .. name:gsub("json$", "txt")):gsub("%s", "")
      local form = json.canonical(input)
      assert.equal("ELG_OK", form.status)
      assert.equal(output, form.result)
      assert.equal(hex, (form.result:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
      assert.equal(output, json.parse(input).result)
      assert.is_true((json.is_canonical(output)))
    end)
  end
end)
