-- mutated: sources that mean to break the compiler, through the compile helper: each is
-- bytecode or an ordinary error that names the file, none hangs, none outlives its helper
-- (I15, I16). ELG_SOURCES: how many; ELG_SOURCE_SEED: which.
local boxes = require "boxes"
local helper = require "helper"
local mutated = require "mutated"
local outside = require "outside"
local process = require "process_c"

local COUNT = tonumber(os.getenv("ELG_SOURCES") or "") or 10000
local SEED = tonumber(os.getenv("ELG_SOURCE_SEED") or "") or os.time() % 1000000
local SAME = 500 -- compiled also by a helper that is not confined
local MS_MAX = 5000 -- ELG_COMPILE_MS_MAX

local M = {}

-- What became of sources 1..count: a line each of "code SIZE", "error WHERE TEXT" or "died".
function M.outcomes(seed, count, each)
  local box, corpus, lines = assert(boxes.open { jail = false }), mutated.corpus(), {}
  for n = 1, count do
    local source = mutated.source(corpus, seed, n)
    local began_us = process.monotonic_us()
    local code, err = box:compile("m.lua", source)
    local died = not code and err.text:find("the compiler died", 1, true)
    lines[n] = code and "code " .. #code or died and "died" or "error " .. err.where .. " " .. err.text
    if each then each(code, err, died, (process.monotonic_us() - began_us) / 1000) end
  end
  box:close()
  return lines
end

if not describe then
  io.write(table.concat(M.outcomes(tonumber(arg[1]), tonumber(arg[2])), "\n"))
  return M
end

describe("a mutated source", function()
  it("is bytecode or an ordinary error, in time", function()
    local good, wrong, deaths, slowest = 0, 0, 0, 0
    M.outcomes(SEED, COUNT, function(code, err, died, ms)
      slowest = math.max(slowest, ms)
      if code then
        good = good + 1
        return
      end
      assert.equal(died and "ELG_LIMIT" or "ELG_INVALID", err.status)
      assert.truthy(err.where == "m.lua" or err.where:match("^m%.lua:%d+$"), err.where)
      assert.truthy(#err.text > 0)
      wrong, deaths = wrong + 1, deaths + (died and 1 or 0)
    end)
    print(("\nmutated: %d sources (ELG_SOURCE_SEED=%d): %d bytecode, %d errors, the helper died %d times;"
      .. " the slowest took %.0f ms"):format(COUNT, SEED, good, wrong, deaths, slowest))
    assert.is_true(good > COUNT / 40 and wrong > COUNT / 3)
    assert.is_true(slowest < MS_MAX + 1000)
  end)

  it("does the same in a helper that is not confined", function()
    if os.getenv("ELG_MAKE") then return pending("AddressSanitizer leaves layers out anyway") end
    local place = outside.place("mutated")
    local done = place:start({ outside.build .. "/spec/without", "317,444", "/usr/bin/luajit",
      "spec/fault/mutated_spec.lua", tostring(SEED), tostring(SAME) }, { cwd = outside.root,
      env = { ELG_BUILD = helper.build, LUA_CPATH = outside.build .. "/spec/?.so",
        LUA_PATH = "spec/support/?.lua;lua/?.lua" } }):wait()
    assert.equal(0, done.code, done.err)
    local confined = M.outcomes(SEED, SAME)
    local n = 0
    for line in done.out:gmatch("[^\n]+") do n = line:match("^%l+") and n + 1 or n end
    assert.is_true(n >= SAME)
    assert.equal(table.concat(confined, "\n"), done.out)
    place:remove()
  end)
end)
