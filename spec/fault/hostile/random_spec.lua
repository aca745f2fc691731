-- random: random programs come out the same, to the last unit of fuel, in one piece and in
-- slices, in states put back and states built anew, in this process and in jails, in arenas
-- at six addresses (I1).
-- ELG_PROGRAMS: how many; ELG_PROGRAM_SEED: which.
local boxes = require "boxes"
local programs = require "hostile_programs"

local COUNT = tonumber(os.getenv("ELG_PROGRAMS") or "") or 2000
local SEED = tonumber(os.getenv("ELG_PROGRAM_SEED") or "") or os.time() % 1000000
local EACH = 50 -- nodes of one graph

describe("a random program", function()
  local kinds
  setup(function()
    print(("\nrandom: %d programs, ELG_PROGRAM_SEED=%d"):format(COUNT, SEED))
    kinds = {
      { name = "whole", options = { slice = 2000000000 } },
      { name = "in slices", options = { slice = 97 } },
      { name = "built anew", options = { fresh = true, slice = 2000000000 } },
      { name = "built anew, in slices", options = { fresh = true, slice = 1009 } },
      { name = "jailed", options = { jail = boxes.jailer, base = 0x150000000000 } },
      { name = "jailed, built anew, in slices",
        options = { jail = boxes.jailer, fresh = true, slice = 1013, base = 0x160000000000 } },
    }
    for _, kind in ipairs(kinds) do kind.box = assert(boxes.open(kind.options)) end
  end)
  teardown(function()
    for _, kind in ipairs(kinds) do kind.box:close() end
  end)

  local function graph(first, last)
    local out = { "local elg = require 'elg' local nodes = {}" }
    for seed = first, last do
      out[#out + 1] = ("nodes.n%d = function(state, input, ctx)\n%s\nend"):format(seed,
        programs.body(SEED + seed))
    end
    out[#out + 1] = ("return elg.graph { id = 'r', version = '1', entry = 'n%d', nodes = nodes,"
      .. " edges = {} }"):format(first)
    return table.concat(out, "\n")
  end

  local function digests(kind, text, first, last)
    local program = assert(kind.box:program("graph.lua", { ["graph.lua"] = text }))
    local out, kinds_seen = {}, {}
    for seed = first, last do
      kind.job = { node = "n" .. seed, fuel_max = 1e6, memory_bytes = 4 * 2 ^ 20,
        trace_id = "t" .. seed } -- kept: the box borrows its texts
      local outcome = assert(boxes.run(kind.box, program, kind.job))
      out[seed], kinds_seen[seed] = boxes.digest(outcome), outcome.kind
    end
    program:close()
    return out, kinds_seen
  end

  it("comes out the same everywhere, and most of them end well", function()
    local ends = {}
    for first = 1, COUNT, EACH do
      local last = math.min(COUNT, first + EACH - 1)
      local text = graph(first, last)
      local wanted, how = digests(kinds[1], text, first, last)
      for i = 2, #kinds do
        local got = digests(kinds[i], text, first, last)
        for seed = first, last do
          if wanted[seed] ~= got[seed] then
            print(("%s, seed %d:\n%s"):format(kinds[i].name, SEED + seed, programs.body(SEED + seed)))
            assert.equal(wanted[seed], got[seed])
          end
        end
      end
      for _, kind in pairs(how) do ends[kind] = (ends[kind] or 0) + 1 end
    end
    print(("random: %d done, %d errors, %d out of fuel, %d out of memory"):format(ends.done or 0,
      ends.error or 0, ends.fuel or 0, ends.memory or 0))
    assert.is_true((ends.done or 0) > COUNT / 2)
  end)
end)
