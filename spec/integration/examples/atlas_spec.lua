-- atlas, hello: what ships as examples does what the README says.
local helper = require "helper"
local sys = require "elg.sys"

local COUNTRIES = 48

local folder

local function sh(command)
  local pipe = io.popen("( " .. command .. " ) 2>&1; echo $?")
  local out, code = pipe:read("*a"):match("^(.-)(%d+)\n$")
  pipe:close()
  return tonumber(code), out
end

describe("examples", function()
  setup(function() folder = assert(sys.mkdtemp "/tmp/elg-examples-") end)
  teardown(function() sys.remove_tree(folder) end)

  it("the main job survives its kill in a path with a blank, and every run verifies", function()
    local code, out = sh(("luajit tools/main_job.lua %s '%s/a run' %d"):format(helper.build, folder,
      COUNTRIES))
    assert.equal(0, code, out)
    assert.truthy(out:find("SIGKILL to %d+: %d+ runs had been reported"), out)
    assert.truthy(out:find(("%d runs, all completed"):format(COUNTRIES), 1, true), out)
    assert.truthy(out:find(("replay --verify: %d runs"):format(COUNTRIES), 1, true), out)
    assert.truthy(out:find("all is well", 1, true), out)
  end)

  it("the main job leaves no server behind", function()
    local code, out = sh(("ls '%s/a run/web'"):format(folder))
    assert.equal(0, code, out)
    assert.is_nil(out:find("nginx.pid", 1, true), out)
  end)

  for _, name in ipairs { "hello", "atlas", "embed" } do
    it(name .. " has nothing that elg check finds", function()
      local code, out = sh(("%s/elg check examples/%s/graph.lua"):format(helper.build, name))
      assert.equal(0, code, out)
      assert.truthy(out:find("nothing wrong", 1, true), out)
    end)
  end

  it("hello greets", function()
    local code, out = sh(("%s/elg run examples/hello/graph.lua --input '{\"name\":\"Ada\"}' "
      .. "--store sqlite:%s/hello.db --json --quiet"):format(helper.build, folder))
    assert.equal(0, code, out)
    assert.truthy(out:find('"output":{"text":"HELLO, ADA!"}', 1, true), out)
  end)

  it("atlas gives up on what is no country, with the reason", function()
    local code, out = sh(("%s/elg run examples/atlas/graph.lua --input '{\"country\":\"germany\","
      .. "\"base\":\"http://127.0.0.1:1\"}' --store sqlite:%s/wrong.db --json --quiet"):format(
      helper.build, folder))
    assert.equal(1, code, out)
    assert.truthy(out:find('"message":"country: two capital letters, such as DE"', 1, true), out)
  end)
end)
