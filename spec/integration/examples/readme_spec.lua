-- readme: the README's code is the code, its tour goes as it says, its links lead somewhere.
local program = require "program"

local SLEEP_SECONDS = 10

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function lua_blocks(text)
  local blocks = {}
  for block in text:gmatch("```lua\n(.-)```") do blocks[#blocks + 1] = block end
  return blocks
end

describe("README", function()
  local text, blocks, box

  setup(function()
    text = read "README.md"
    blocks = lua_blocks(text)
    box = program.create { ["order.lua"] = blocks[2] }
  end)
  teardown(function() box:destroy() end)

  it("shows examples/hello as it is", function()
    assert.equal(blocks[1], (read("examples/hello/graph.lua"):gsub("^%-%-[^\n]*\n", "")))
  end)

  it("begins its tour with a graph that is in order", function()
    local code, out = box:run "check order.lua"
    assert.same({ 0, "order.lua: nothing wrong\n" }, { code, out })
  end)

  it("kills, resumes, verifies and rewinds", function()
    box:sh "$ELG run order.lua --input '{\"item\":\"teapot\"}' --trace job-1 & sleep 4; kill -9 $!"
    local _, shown = box:run "show job-1"
    assert.truthy(shown:find("waiting     job-1  1 step\n", 1, true), shown)
    assert.truthy(shown:find("1  wait     1  open", 1, true), shown)
    local began = os.time()
    local _, resumed = box:run "resume"
    assert.truthy(os.time() - began < SLEEP_SECONDS)
    local cents = assert(resumed:match('output {"cents":(%d+),"receipt":"%x+"}'), resumed)
    assert.truthy(resumed:find("completed   job-1  3 steps in ", 1, true))
    local _, verified = box:run "replay job-1 --verify"
    assert.equal("verified    job-1  3 steps agree\n", verified)
    local _, rewound = box:run "replay job-1 --to 0"
    assert.equal(('running     job-1  1 step\nstate {\n  "cents": %s\n}\n'):format(cents), rewound)
  end)

  it("says which folder the receipt could not be kept in", function()
    box:write("quick.lua", (blocks[2]:gsub("10000", "10")))
    box:write("batch.lua", (blocks[3]:gsub("order\"", "quick\"")))
    for command, trace in pairs { ["quick.lua --input '{\"item\":\"cup\"}'"] = "bad",
      ["batch.lua --input '{\"orders\":[{\"item\":\"cup\"}]}'"] = "worse" } do
      box:run("run " .. command .. " --artifacts quick.lua --store sqlite:bad.db --trace " .. trace)
      local _, shown = box:run("show --store sqlite:bad.db " .. trace)
      assert.truthy(shown:find("\nIO: quick.lua/%x%x: cannot make folder: Not a directory\n"), shown)
    end
  end)

  it("finds what was tampered with", function()
    local update = assert(text:match("(sqlite3 elg.db \"UPDATE[^\n]+)\n"))
    assert.equal(0, (box:sh(update)))
    local code, out = box:run "replay job-1 --verify"
    assert.equal(5, code)
    assert.truthy(out:find("^diverged at step 2 %(ship%): step row\n  recorded %x+\n  now      %x+"),
      out)
  end)

  it("tries new code on an old run", function()
    assert.equal(0, (box:sh(assert(text:match("%$ (sed 's/100[^\n]+)\n")))))
    assert.equal(0, (box:run "run order.lua --input '{\"item\":\"cup\"}' --trace job-2 --seed 1 --quiet"))
    local code, out = box:run "replay job-2 --verify --graph dearer.lua"
    assert.equal(5, code)
    assert.truthy(text:find(out, 1, true), out)
  end)

  it("splits the work and waits for a signal", function()
    box:sh(("cat > batch.lua <<'END'\n%s\nEND"):format(blocks[3]))
    local code, out = box:sh("($ELG run batch.lua --input '{\"orders\":[{\"item\":\"jug\"},"
      .. "{\"item\":\"pan\"}]}' --trace batch-1 & while ! $ELG signal batch-1 approved '{\"by\":\"Ada\"}'; "
      .. "do sleep 0.2; done; wait) 2>/dev/null")
    assert.equal(0, code)
    assert.truthy(out:find('output {"by":"Ada","orders":2}', 1, true), out)
    local _, listed = box:run "list"
    assert.equal(2, select(2, listed:gsub("batch%-1%.%x+ +completed      3  order 1.0.0", "")), listed)
  end)

  it("draws the graph", function()
    local _, out = box:run "graph order.lua --format mermaid"
    assert.truthy(text:find(out, 1, true), out)
  end)

  for _, name in ipairs { "README.md", "ARCHITECTURE.md", "docs/authoring.md", "docs/check.md", "docs/json.md" } do
    it("and its like link to what is there: " .. name, function()
      for path in read(name):gmatch("%]%(([^)#]+)") do
        local folder = name:match("^.*/") or ""
        local file = path:match("^https?:") and true or io.open(folder .. path)
        assert.truthy(file, path)
        if io.type(file) == "file" then file:close() end
      end
    end)
  end

  it("and ARCHITECTURE name specs that are there", function()
    for path in read("ARCHITECTURE.md"):gmatch("%f[%w]([%w/_]+_spec)%f[^%w_]") do
      if path:find("/", 1, true) then
        local file = assert(io.open("spec/" .. path .. ".lua"), path)
        file:close()
      end
    end
  end)
end)
