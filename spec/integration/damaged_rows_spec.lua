-- Rows of runs that cannot be read: each is told by column and row, and no other run suffers.
local process = require "process_c"
local served = require "served"

local GOOD = 6
local MIN_TOLD, MAX_TOLD = 2, 8 -- of one run by a worker, at pauses that grow
local WATCH_US = 900000 -- pauses of 250 and 500 ms fit

-- What is done to the row of the run BAD-column, by store.
local DAMAGES = {
  sqlite = {
    status = "'nonsense'", chain = "'short'", step_count = "'x'", graph_hash = "x'00'", epoch = "'x'",
    claims = "-1", due_at = "'x'", created_at = "'x'", graph_id = "x'ff'", priority = "'x'",
  },
  postgres = {
    status = "'nonsense'", chain = "'short'", step_count = "-1", graph_hash = "'z'", epoch = "9223372036854775807",
    claims = "2147483647", due_at = "'-infinity'", created_at = "'infinity'",
  },
}
-- What no worker meets, as the order in which it looks has no place for it; lists tell of it.
local UNMET = { sqlite = { graph_id = true }, postgres = { created_at = true } }
-- What only claims read.
local UNLISTED = { priority = true }

local NO_INPUTS = "row bad-inputs: is NULL" -- told by whoever takes runs up

-- Constraints that keep such values out.
local BEFORE = {
  sqlite = {},
  postgres = { "ALTER TABLE cmo_runs DROP CONSTRAINT cmo_runs_graph_hash",
    "ALTER TABLE cmo_runs DROP CONSTRAINT IF EXISTS cmo_runs_status" },
}

local function names_of(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function count_of(text, words) return select(2, text:gsub(words:gsub("%p", "%%%0"), "")) end

for _, store in ipairs(served.stores) do
  describe("damaged rows of runs (" .. store.name .. ")", function()
    local world
    local damages = names_of(DAMAGES[store.name])
    before_each(function() world = served.create(store) end)
    after_each(function() world:destroy() end)

    -- One pending run for each damage, before all others.
    local function spoil()
      for _, column in ipairs(damages) do world:submit({ steps = 1 }, "--trace", "bad-" .. column) end
      for _, text in ipairs(BEFORE[store.name]) do world:sql(text) end
      for _, column in ipairs(damages) do
        world:sql(("UPDATE cmo_runs SET %s = %s WHERE trace_id = 'bad-%s'"):format(column,
          DAMAGES[store.name][column], column))
      end
      world:submit({ steps = 1 }, "--trace", "bad-inputs")
      world:sql("DELETE FROM cmo_inputs WHERE trace_id = 'bad-inputs'")
    end

    local function told(column)
      return ("cmo_runs.%s, row bad-%s: "):format(column, column)
    end

    local function assert_told(done)
      assert.equal(4, done.code, done.err)
      for _, column in ipairs(damages) do
        if not UNLISTED[column] then assert.equal(1, count_of(done.err, told(column)), column .. "\n" .. done.err) end
      end
    end

    local function submit_good()
      local good = {}
      for i = 1, GOOD do good[i] = world:submit { steps = 2 } end
      return good
    end

    local function list_tells(good)
      for _, argv in ipairs { { "list" }, { "list", "--status", "unfinished" } } do
        local done = world:json(argv)
        assert_told(done)
        local listed = {}
        for _, doc in ipairs(done.docs) do listed[doc.trace_id] = doc.status end
        for _, id in ipairs(good) do assert.equal("pending", listed[id]) end
      end
      assert.equal(0, world:elg({ "list", "--status", "failed" }).code)
    end

    it("are told by lists, a resume of all, and a worker at growing pauses, which do all others", function()
      spoil()
      local good = submit_good()
      list_tells(good)
      local resumed = world:elg { "resume" }
      assert_told(resumed)
      assert.truthy(resumed.err:find(NO_INPUTS, 1, true), resumed.err)
      for _, id in ipairs(good) do assert.equal("completed", world:show(id).status) end
      good = submit_good()
      local worker = world:worker("--concurrency", "1")
      for _, id in ipairs(good) do world:await(id, "completed") end
      process.sleep_us(WATCH_US)
      for i, id in ipairs(submit_good()) do good[GOOD + i] = id end
      for _, id in ipairs(good) do world:await(id, "completed") end
      local _, err = worker:output()
      worker:stop()
      assert.truthy(err:find(NO_INPUTS, 1, true), err)
      local counts = {}
      for _, column in ipairs(damages) do
        if not UNMET[store.name][column] and not UNLISTED[column] then
          counts[#counts + 1] = count_of(err, told(column))
          assert.is_true(counts[#counts] >= MIN_TOLD and counts[#counts] <= MAX_TOLD, column .. "\n" .. err)
        end
      end
      print(("damaged rows (%s): %d runs ended beside %d; each told %s times"):format(store.name, #good, #damages,
        table.concat(counts, ", ")))
      local claims = world:sql("SELECT max(claims) AS n FROM cmo_runs WHERE trace_id = 'bad-chain'")
      assert.equal(0, tonumber(claims[1].n)) -- nothing of it was touched
    end)
  end)
end
