-- The spec of output commit must fail over a library whose effects start before their commit
-- (see mk/92-torture.mk).
local outside = require "outside"

describe("an effect before its commit", function()
  it("is caught by the spec of output commit", function()
    local place = outside.place("planted")
    local spec = place:start({ "luajit", "/usr/bin/busted", "--helper=spec/support/helper.lua",
      "--output=json", "spec/fault/output_commit_spec.lua" }, { cwd = outside.root,
      env = { ELG_BUILD = outside.build, LUA_PATH = os.getenv("LUA_PATH"),
        LUA_CPATH = outside.build .. "/planted/?.so;" .. outside.build .. "/spec/?.so;;" } })
    local done = spec:wait()
    place:remove()
    assert.is_nil(done.signal, done.err)
    assert.is_true(done.code ~= 0 and done.code ~= 127, done.out .. done.err)
    local failures = done.out:match('"failures":(%b[])')
    assert.truthy(failures and failures:find("holds each effect until", 1, true), done.out .. done.err)
    assert.truthy(failures:find("lets no request leave", 1, true), done.out)
    local passed = done.out:match('"successes":(%b[])')
    assert.truthy(passed and passed:find("does not make pure steps wait", 1, true), done.out)
  end)
end)
