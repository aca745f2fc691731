-- luacheck: std +busted
-- The graph in the same sandbox as ever; the web answers from a list.
local testing = require "elg.testing"

local URL = "https://example.org/greeting"

describe("greeting", function()
  it("asks nobody for its own words", function()
    local result = testing.run("graph.lua", { input = { name = "Ada" } })
    assert.equal("completed", result.status)
    assert.same({ text = "Hello, Ada!" }, result.output)
    assert.same({}, result.calls)
  end)

  it("takes the service's words, and tries again when it is not there", function()
    local result = testing.run("graph.lua", { input = { name = "Ada", url = URL }, answers = {
      { url = URL, err = { code = "CONNECT", message = "no route" } },
      { url = URL, status = 200, body = "Moin" },
    } })
    assert.same({ text = "Moin, Ada!" }, result.output)
    assert.same({ "words", "greet" }, result.nodes)
  end)

  it("says so in the log when the service has none", function()
    local result = testing.run("graph.lua", { input = { url = URL }, answers = {
      { url = URL, status = 404 },
    } })
    assert.same({ text = "..." }, result.output)
    assert.equal("no greeting", result.logs[1].text)
  end)
end)
