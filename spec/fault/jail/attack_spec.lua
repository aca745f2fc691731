-- attack: an elg-jail that somebody has taken over (mk/94-jail.mk): what it tries does not
-- succeed, what it says is not believed, and it harms nobody but its own run (I2, I15, I16).
-- ELG_LIES: how many messages are altered at random; ELG_LIE_SEED: which.
local json = require "elg.json"
local outside = require "outside"

local LIES = tonumber(os.getenv("ELG_LIES") or "") or (os.getenv("ELG_TORTURE") and 20000 or 1000)
local SEED = tonumber(os.getenv("ELG_LIE_SEED") or "") or os.time() % 1000000
local SANITIZED = os.getenv("ELG_MAKE") ~= nil
local PLANTED = { ELG_JAILER = outside.build .. "/planted/elg-jail" }

-- Names of the system calls that spec/servers/jail_planted.c tries.
local function calls()
  local text = outside.read(outside.root .. "/spec/servers/jail_planted.c")
  local names = { "mmap_exec", "mmap_shared", "mmap_file", "i386" }
  for name in text:match("CALLS%[%] = (%b{})"):gmatch('{"([%w_]+)", %w') do
    names[#names + 1] = name
  end
  return names
end

local LIE_NAMES = { "edge_far", "edge_negative", "edge_other", "edge_none", "key_long", "key_none",
  "key_bytes", "state_order", "state_space", "state_number", "state_none", "output_bytes",
  "metadata", "fuel_more", "kind", "kind_lost", "length_huge", "length_short", "field_huge",
  "field_long", "message_kind", "message_empty", "more", "no_nul", "calls", "reads", "compiles" }

local GRAPH = [[
local elg = require "elg"
local nodes, edges = {}, {}
local function node(name)
  nodes[name] = function(state) state.seen = name return "on" end
  edges[#edges + 1] = { from = "begin", key = name, to = name }
  edges[#edges + 1] = { from = name, key = "on", to = "last" }
end
edges[1] = { from = "last", key = "round", to = "last" }
nodes.begin = function(_, input) return input.node, input end
nodes.last = function(state) state.sum = 0 for i = 1, 100 do state.sum = state.sum + i end
  return nil, state.sum end
for name in ("%s"):gmatch("%%S+") do node(name) end
return elg.graph { id = "attack", version = "1", entry = "begin", nodes = nodes, edges = edges }
]]

describe("a process of the jail that was taken over", function()
  local place
  local attacks, lies = {}, {}
  for i, name in ipairs(calls()) do attacks[i] = "attack_" .. name end
  for i, name in ipairs(LIE_NAMES) do lies[i] = "lie_" .. name end
  local selves = { "attack_crash", "attack_trap", "attack_abort", "attack_exit", "attack_hang",
    "attack_memory" }

  setup(function()
    place = outside.place("attack")
    local names = { "clean", "lie_flip", "lie_odd" }
    for _, list in ipairs { attacks, lies, selves } do
      for _, name in ipairs(list) do names[#names + 1] = name end
    end
    place:write("attack.lua", GRAPH:format(table.concat(names, " ")))
    place:write("canary", "canary")
  end)
  teardown(function() place:remove() end)

  -- Runs of these nodes, an honest one behind each: the results of the others. Each of the
  -- honest ones comes to its end; with `shared` they may meet a process that is taken over.
  local function run(nodes, shared)
    local lines, count = {}, 0
    for i, node in ipairs(nodes) do
      lines[2 * i - 1] = ('{"node":%q,"n":%d,"seed":%d}'):format(node, i, SEED)
      lines[2 * i] = '{"node":"clean"}'
    end
    place:write("input.jsonl", table.concat(lines, "\n") .. "\n")
    os.remove(place:file("elg.db"))
    local done = place:start_elg({ "run", "attack.lua", "--jail", "--input", "input.jsonl", "--json",
      "--quiet", "--concurrency", "4", "--store", "memory:" }, { env = PLANTED }):wait(600000)
    assert.equal(1, done.code, done.err)
    local errors, clean = {}, 0
    for line in done.out:gmatch("[^\n]+") do
      local result = json.decode(line)
      count = count + 1
      if result.status == "completed" and result.state.seen == "clean" then
        assert.equal(5050, result.output)
        clean = clean + 1
      else
        errors[#errors + 1] = result
      end
    end
    assert.equal(2 * #nodes, count)
    assert.is_true(clean == #nodes or shared and clean > 0)
    return errors
  end

  -- That every one of the nodes ended its run as CRASHED; how, by node.
  local function all_crash(nodes)
    local how = {}
    for _, result in ipairs(run(nodes)) do
      assert.equal("failed", result.status, result.trace_id)
      assert.equal("CRASHED", result.error.code, result.error.message)
      assert.equal(1, result.steps)
      how[result.error.where] = result.error.message
    end
    for _, name in ipairs(nodes) do assert.truthy(how[name], name) end
    return how
  end

  it(("is killed for each of %d system calls"):format(#attacks), function()
    if SANITIZED then return pending("AddressSanitizer's runtime needs system calls") end
    for name, message in pairs(all_crash(attacks)) do
      assert.truthy(message:find("SIGSYS", 1, true), name .. ": " .. message)
    end
    assert.is_nil(outside.read(place:file("escaped")))
    assert.equal("canary", outside.read(place:file("canary")))
  end)

  it("may crash, leave, hang, or want memory without end", function()
    if SANITIZED then return pending("AddressSanitizer has its own words for crashes") end
    local how = all_crash(selves)
    assert.truthy(how.attack_crash:find("SIGSEGV", 1, true), how.attack_crash)
    assert.truthy(how.attack_trap:find("SIGILL", 1, true), how.attack_trap)
    assert.truthy(how.attack_exit:find("ended by itself", 1, true), how.attack_exit)
    assert.truthy(how.attack_hang:find("no answer in time", 1, true), how.attack_hang)
    assert.truthy(how.attack_memory:find("SIGILL", 1, true), how.attack_memory)
  end)

  it("is ended for saying what cannot be", function()
    for name, message in pairs(all_crash(lies)) do
      local late = name == "lie_field_long" or name == "lie_compiles"
      assert.is_nil(message:find("SIG", 1, true), name .. ": " .. message)
      assert.truthy(late or not message:find("in time", 1, true), name .. ": " .. message)
    end
  end)

  it("may ask for anything, and gets an answer or an end", function()
    local nodes, count = {}, {}
    for i = 1, LIES / 5 do nodes[i] = "lie_odd" end
    for _, result in ipairs(run(nodes, true)) do
      local what = result.status == "failed" and result.error.code or result.status
      count[what] = (count[what] or 0) + 1
    end
    local said = {}
    for what, n in pairs(count) do said[#said + 1] = ("%d %s"):format(n, what) end
    print(("\nattack: %d runs of odd requests: %s"):format(#nodes, table.concat(said, ", ")))
    assert.is_true(count.CRASHED > 0 and count.LIMIT > 0 and count.waiting > 0)
    for what in pairs(count) do
      assert.truthy(what == "CRASHED" or what == "LIMIT" or what == "waiting", what)
    end
  end)

  it("is believed in nothing that does not hold together", function()
    local nodes = {}
    for i = 1, LIES do nodes[i] = "lie_flip" end
    local count = {}
    for _, result in ipairs(run(nodes)) do
      local what = result.status == "failed" and result.error.code or result.status
      count[what] = (count[what] or 0) + 1
    end
    local said = {}
    for what, n in pairs(count) do said[#said + 1] = ("%d %s"):format(n, what) end
    print(("\nattack: %d system calls, %d lies, %d altered messages (ELG_LIE_SEED=%d): %s"):format(
      #attacks, #lies, LIES, SEED, table.concat(said, ", ")))
    assert.is_true((count.CRASHED or 0) > LIES / 2)
  end)
end)
