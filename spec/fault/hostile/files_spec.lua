-- files: whole graphs that mean harm, at the file's top, in what it returns, in `initial`: each is
-- checked and run by the program, and loaded in a sandbox between honest jobs. None gets hold of
-- anything, takes a process down or changes what others do; each ends (I2, I3, I15, I16).
local boxes = require "boxes"
local hostile = require "hostile"
local outside = require "outside"

local FOLDER = "spec/fault/hostile/files"
local FUEL, MEMORY = 1000000, 8 * 2 ^ 20
local SECRETS = { "canary-of-a-file", "canary-of-the-environment", "canary-of-a-secret", "root:x:" }
local ENV = { ELG_CANARY = "canary-of-the-environment", ELG_SECRET_CANARY = "canary-of-a-secret" }

local HEAD = [[
local elg = require "elg"
local CANARY, DROP, KEPT = %q, %q, nil
]]
local TAIL = {
  top = [[return elg.graph { id = "g", version = "1", entry = "a", nodes = { a = function() end } }]],
  returned = "",
  initial = [[return elg.graph { id = "g", version = "1", entry = "a", initial = initial,
    nodes = { a = function(state, _, ctx) KEPT = ctx return nil, state end } }]],
}

-- The body of a script as a whole file. A return in the middle of a chunk needs a block.
local function whole(kind, body, canary, drop)
  local head = HEAD:format(canary, drop)
  if kind == "top" then return ("%s do %s\nend\n%s\n"):format(head, body, TAIL.top) end
  if kind == "returned" then return head .. body .. "\n" end
  return ("%slocal function initial(input)\n%s\nend\n%s\n"):format(head, body, TAIL.initial)
end

local HONEST = [[
  state.sum = 0 for i = 1, 100 do state.sum = state.sum + i end
  state.seen = { ("x"):upper(), type(LEFT), type(pairs), next({ b = 1, a = 2 }), tostring({}), math.random(100) }
  return nil, elg.hash(state)]]

describe("a hostile file", function()
  local place, canary, drop, count, slowest

  setup(function()
    place = outside.place("files")
    canary = place:write("canary.lua", "return 'canary-of-a-file'\n")
    drop = place:file("drop")
    assert(os.execute("mkdir '" .. drop .. "'") == 0)
    count, slowest = 0, { ms = 0 }
  end)
  teardown(function()
    print(("\nfiles: %d; the longest took %.0f ms (%s)"):format(count, slowest.ms, slowest.name or "-"))
    place:remove()
  end)

  local function check_world(done, what, codes)
    assert.is_nil(done.signal, what)
    assert.is_true(codes[done.code] or false, ("%s: %s %s"):format(what, done.code, done.err:sub(1, 500)))
    for _, secret in ipairs(SECRETS) do
      assert.is_nil((done.out .. done.err):find(secret, 1, true), what .. ": " .. secret)
    end
    assert.equal("return 'canary-of-a-file'\n", outside.read(canary), what)
    local pipe = io.popen("ls -A '" .. drop .. "'")
    assert.equal("", pipe:read("*a"), what)
    pipe:close()
    if done.ms > slowest.ms then slowest = { ms = done.ms, name = what } end
  end

  local function by_program(name, what)
    local function elg(...) return place:start_elg({ ... }, { env = ENV }):wait() end
    check_world(elg("check", name, "--json"), what .. ": check", { [0] = true, [3] = true })
    local done = elg("run", name, "--json", "--quiet", "--store", "sqlite:files.db", "--fuel", ("%d"):format(FUEL),
      "--memory", ("%d"):format(MEMORY), "--input", '{"n":1}')
    check_world(done, what .. ": run", { [0] = true, [1] = true, [3] = true })
    return done.code
  end

  local function honest_digest(box, honest)
    return boxes.digest(assert(boxes.run(box, honest, { fuel_max = FUEL })))
  end

  -- Loads it, makes its initial state twice and runs its node, in the box; what came of it.
  local function by_box(box, text)
    local program, err = box:program("graph.lua", { ["graph.lua"] = text })
    if not program then return err.status .. " " .. err.where .. " " .. err.text end
    local seen = {}
    for _, node in ipairs { "", "", "a" } do
      local job = { node = node, fuel_max = FUEL, memory_bytes = MEMORY, input = '{"n":1}' }
      local ok, problem = box:begin(program, job)
      local outcome
      if ok then outcome, problem = boxes.finish(box) end
      assert(outcome or problem.status ~= "ELG_INTERNAL", not outcome and problem.text)
      if outcome then outcome.output = outcome.output or "" end
      seen[#seen + 1] = outcome and boxes.digest(outcome) or problem.text
    end
    assert.equal(seen[1], seen[2])
    program:close()
    return table.concat(seen, "\n")
  end

  for _, kind in ipairs { "top", "returned", "initial" } do
    it("gets nowhere: " .. kind, function()
      local box = assert(boxes.open())
      local other = assert(boxes.open { fresh = true, slice = 997 })
      local honest = assert(boxes.program(box, HONEST, "local elg = require 'elg' "))
      local expected = honest_digest(box, honest)
      local ends = {}
      for i, script in ipairs(hostile.scripts(kind, FOLDER)) do
        local what = ("%s %d: %s"):format(kind, i, script.title)
        local name = ("%s%d.lua"):format(kind, i)
        local text = whole(kind, script.body, canary, drop)
        place:write(name, text)
        local code = by_program(name, what)
        ends[code] = (ends[code] or 0) + 1
        local first = by_box(box, text)
        assert.equal(expected, honest_digest(box, honest), what)
        assert.equal(first, by_box(other, text), what)
        for _, secret in ipairs(SECRETS) do assert.is_nil(first:find(secret, 1, true), what) end
        count = count + 1
      end
      assert.is_true((ends[1] or 0) + (ends[3] or 0) > 10)
      honest:close()
      box:close()
      other:close()
    end)
  end

  it("is one of a hundred and more, and the runs beside them are in the store", function()
    assert.is_true(count >= 100, count)
    place:write("honest.lua", outside.one_node("return nil, 7"))
    local done = place:json { "run", "honest.lua", "--store", "sqlite:files.db" }
    assert.equal(7, done.doc.output)
  end)
end)
