-- jail: processes for graphs: how many there are, what becomes of jobs when one is no more,
-- and of a host without memory. What jobs come to is shown by spec/fault/jail/suite_spec.lua.
local boxes = require "boxes"
local outside = require "outside"
local process = require "process_c"

local PROCESSES_MAX = 64 -- ELG_JAIL_PROCESSES_MAX

local own = tonumber(outside.read("/proc/self/stat"):match("^%d+"))

-- This process's children of the jail.
local function jailed() return outside.children(own, "elg-jail") end

describe("a jail", function()
  local BODY = "local a = ctx.call('f', { input.n }) state.n = input.n + a.echo.request[1] return 'ok', state.n"
  local box
  before_each(function() box = assert(boxes.open { jail = boxes.jailer }) end)
  after_each(function()
    box:close()
    collectgarbage()
    assert.same({}, jailed())
  end)

  local function job(n)
    return { node = "n", input = ('{"n":%d}'):format(n) }
  end

  local function finish(n)
    local out = assert(box:resume('{"echo":{"request":[5]}}'))
    assert.equal("done", out.kind, out.message)
    assert.equal(("%d"):format(n + 5), out.output)
  end

  it("has a process for each graph, the first as soon as it is opened", function()
    assert.equal(1, #jailed())
    local one = assert(boxes.program(box, BODY))
    assert.equal(1, #jailed())
    local two = assert(boxes.program(box, "return nil, 2"))
    assert.equal(2, #jailed())
    assert.equal("2", boxes.run(box, two).output)
    one:close()
    assert.equal(1, #jailed())
    two:close()
  end)

  it("keeps parked jobs apart, and forgets those that are dropped", function()
    local program = assert(boxes.program(box, BODY))
    local parked, jobs = {}, {}
    for n = 1, 300 do
      jobs[n] = job(n)
      assert(box:begin(program, jobs[n]))
      assert.equal("call", box:resume().kind)
      parked[n] = assert(box:park())
    end
    for n = 300, 1, -1 do
      if n % 3 == 0 then
        parked[n]:close()
      else
        assert(box:unpark(parked[n]))
        if n % 3 == 1 then finish(n) else box:discard() end
      end
    end
    assert.equal("done", boxes.run(box, program, job(1), function() return '{"echo":{"request":[1]}}' end).kind)
    program:close()
  end)

  it("says LOST of a job whose process was killed, and whether it was executing", function()
    local program = assert(boxes.program(box, BODY))
    local first, second = job(1), job(2)
    assert(box:begin(program, first))
    assert.equal("call", box:resume().kind)
    local parked = assert(box:park())
    assert(box:begin(program, second))
    assert.equal("call", box:resume().kind)
    process.kill(jailed()[1], 9)
    local out = assert(box:resume("1"))
    assert.equal("lost", out.kind)
    assert.is_true(out.executing)
    assert.truthy(out.message:find("SIGKILL", 1, true))
    assert(box:unpark(parked))
    out = assert(box:resume("1"))
    assert.equal("lost", out.kind)
    assert.is_false(out.executing)
    assert(box:begin(program, first))
    assert.equal("call", box:resume().kind)
    finish(1)
    program:close()
  end)

  it("says CRASHED of one that ended by another signal, and starts a new one", function()
    local program = assert(boxes.program(box, BODY))
    local first = job(1)
    assert(box:begin(program, first))
    assert.equal("call", box:resume().kind)
    process.kill(jailed()[1], 15)
    local out = assert(box:resume("1"))
    assert.equal("crashed", out.kind)
    assert.truthy(out.message:find("SIGTERM", 1, true), out.message)
    assert(box:begin(program, first))
    assert.equal("call", box:resume().kind)
    finish(1)
    program:close()
  end)

  it("ends the process that was used least lately when there are too many", function()
    local programs, first = {}, job(1)
    programs[1] = assert(boxes.program(box, BODY))
    assert(box:begin(programs[1], first))
    assert.equal("call", box:resume().kind)
    local parked = assert(box:park())
    for i = 2, PROCESSES_MAX + 3 do
      programs[i] = assert(boxes.program(box, "return nil, " .. i))
    end
    assert.equal(PROCESSES_MAX, #jailed())
    for i = PROCESSES_MAX + 3, 2, -1 do
      assert.equal(tostring(i), boxes.run(box, programs[i]).output)
    end
    assert.equal(PROCESSES_MAX, #jailed())
    assert(box:unpark(parked))
    local out = assert(box:resume("1"))
    assert.equal("lost", out.kind)
    assert.is_false(out.executing)
    for _, program in ipairs(programs) do program:close() end
  end)

  -- A graph loaded, a job of it parked and brought to its end: its last outcome, or nil and the
  -- error.
  local function whole(n)
    local program, err = boxes.program(box, BODY)
    if not program then return nil, err end
    local kept = job(n)
    local good
    good, err = box:begin(program, kept)
    if good then good, err = box:resume() end
    if good then good, err = box:park() end
    if good then good, err = box:unpark(good) end
    if good then good, err = box:resume('{"echo":{"request":[5]}}') end
    box:discard()
    program:close()
    return good, err
  end

  it("has an error for every allocation that fails, and goes on", function()
    local failed, at, calls = 0, 0
    repeat
      at = at + 1
      local before = box:counts()
      box:fail(at)
      local outcome, err = whole(at)
      calls = box:counts() - before
      box:fail(0)
      if not outcome then
        failed = failed + 1
        assert.equal("ELG_NO_MEMORY", err.status, "allocation " .. at)
      end
      assert.equal("done", assert(whole(at)).kind)
    until calls < at
    print(("\njail: %d of %d allocations failed a graph or its job"):format(failed, at - 1))
    assert.is_true(failed > 15)
  end)
end)
