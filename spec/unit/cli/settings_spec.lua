-- settings: what a command needs to be there before it begins.
local program = require "program"

local HELLO = [[
local elg = require "elg"
return elg.graph { id = "hello", version = "1", entry = "greet",
  nodes = { greet = function() return nil, 7 end }, edges = {} }
]]

describe("elg", function()
  local p

  before_each(function() p = program.create { ["hello.lua"] = HELLO } end)
  after_each(function() p:destroy() end)

  it("makes no store where runs are only looked at, taken up or ended", function()
    for _, command in ipairs { "resume", "resume one", "abort one", "list", "show one", "watch one",
      "replay one", "retry one", "signal one go 1", "gc --older-than 1d", "migrate --check" } do
      assert.same({ 4, "", "elg: typo.db: no such store: No such file or directory\n" },
        { p:run(command .. " --store sqlite:typo.db") }, command)
      assert.same({ 4, "", "elg: elg.db: no such store: No such file or directory\n" },
        { p:run(command) }, command)
      local code, out = p:sh "ls -A | grep -c db"
      assert.same({ 1, "0\n" }, { code, out }, command)
    end
    assert.same({ 4, "", "elg: hello.lua/elg.db: cannot be opened: Not a directory\n" },
      { p:run "resume --store sqlite:hello.lua/elg.db" })
    p:run "run hello.lua --trace one --quiet"
    assert.equal(0, (p:run "resume"))
    assert.equal(0, (p:run "resume one"))
    assert.equal(0, (p:run "resume --store memory:"))
  end)

  it("makes no store for what it refuses", function()
    p:write("wrong.lua", "return 7\n")
    p:write("bad.json", "{")
    for _, command in ipairs { "run", "submit" } do
      for words, wanted in pairs { ["wrong.lua"] = 3, ["hello.lua --input bad.json"] = 3, ["none.lua"] = 4,
        ["hello.lua --input '[1,]'"] = 3, ["hello.lua --trace 'a b'"] = 2, ["hello.lua --input none"] = 4 } do
        assert.equal(wanted, (p:run(command .. " " .. words)), words)
        local code, out = p:sh "ls -A | grep -c db"
        assert.same({ 1, "0\n" }, { code, out }, command .. " " .. words)
      end
    end
    assert.equal(0, (p:run "run hello.lua --trace one --quiet"))
    assert.equal(1, select(2, select(2, p:run "list"):gsub("completed", "")))
  end)

  it("says where it looked for the compile helper", function()
    p:run "run hello.lua --trace one --quiet"
    p:sh "mkdir bin && cp $ELG bin/elg"
    local wanted = ("elg: elg-compile: the compile helper is not there; looked for %s/bin/elg-compile "
      .. "or %s/bin/../libexec/elg/elg-compile; ELG_COMPILER may say where it is\n"):format(p.folder,
      p.folder)
    for _, command in ipairs { "run hello.lua", "resume", "replay one", "check hello.lua",
      "graph hello.lua", "bench --runs 1" } do
      assert.same({ 4, "", wanted }, { p:sh("unset ELG_COMPILER; bin/elg " .. command) }, command)
    end
    assert.equal(0, (p:sh "unset ELG_COMPILER; bin/elg list && bin/elg show one"))
    local code, _, err = p:sh "ELG_COMPILER=/no/such bin/elg run hello.lua"
    assert.equal(4, code)
    assert.equal("elg: /no/such: the compile helper cannot be started: No such file or directory\n", err)
  end)
end)
