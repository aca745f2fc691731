-- A million doubles written as JavaScript writes them, and a million texts read as it reads
-- them: node is the judge, in one child process.
local json = require "json_c"

local COUNT = tonumber(os.getenv "ELG_DOUBLES" or "") or 1000000

local function write(path, data)
  local file = assert(io.open(path, "wb"))
  file:write(data)
  file:close()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local data = file:read "*a"
  file:close()
  return data
end

local function has_node()
  local pipe = io.popen "command -v node"
  local path = pipe:read "*l"
  pipe:close()
  return path ~= nil
end

describe("conformance doubles", function()
  if not has_node() then
    pending "doubles are not compared: node is not installed (apt-get install nodejs)"
    return
  end

  local seed = tonumber(os.getenv "ELG_SEED" or "") or os.time()
  print(("doubles_spec seed %d, %d doubles (ELG_SEED, ELG_DOUBLES)"):format(seed, COUNT))
  local folder = os.tmpname()
  local verdict, texts, text_bits

  setup(function()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder) == 0)
    local bits, lines = json.doubles(seed, COUNT)
    write(folder .. "/bits", bits)
    write(folder .. "/lines", lines)
    local pipe = assert(io.popen(("cd %s && node %s/spec/support/doubles.js bits lines texts text_bits"):format(
      folder, os.getenv "PWD")))
    verdict = pipe:read "*a"
    pipe:close()
    texts, text_bits = read(folder .. "/texts"), read(folder .. "/text_bits")
  end)

  teardown(function() os.execute("rm -r " .. folder) end)

  it("are written as JavaScript writes them", function()
    assert.equal(("%d 0 \n"):format(COUNT), verdict)
  end)

  it("are read as JavaScript reads them, in every notation", function()
    local wrong, first, count = json.differing(texts, text_bits)
    assert.same({ 0, "", COUNT }, { wrong, wrong > 0 and first or "", count })
  end)
end)
