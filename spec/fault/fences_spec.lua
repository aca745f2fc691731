-- Each fence of a write on Postgres alone (I8, P3, P5): a proxy takes the others out of the statements
-- of a stale owner as it prepares them, and shows by which of them its writes are refused. What no
-- fence is left for goes through: that is how each case is known to need those that it names.
local checkpoint = require "checkpoint_c"
local postgres = require "postgres"
local proxy = require "postgres_proxy_c"
local stores = require "stores"
local create, finish, stay = stores.create, stores.finish, stores.stay

-- What the fences are in the statements that write a run's row: of one run, and of many.
local FENCES = {
  epoch = { "epoch = $2::int8 AND", "r.epoch = t.epoch AND" },
  count = { "step_count = $3::int8 AND", "r.step_count = t.step_count_before AND" },
  flush = { " flush <= $14::bigint AND", "r.flush <= $14::bigint AND" },
  ended = { "coalesce(completed_at, '-infinity') = '-infinity'",
    "coalesce(r.completed_at, '-infinity') = '-infinity'" },
}

local server, port, direct, url

-- Takes all fences but these out of what is prepared from now on: how many texts that are. Patterns
-- are of the same length.
local function only(kept)
  local count = 0
  proxy.edit()
  for name, texts in pairs(FENCES) do
    if not kept:find(name, 1, true) then
      for _, text in ipairs(texts) do
        local rest = text:match " AND$" or ""
        local body = text:sub(1, #text - #rest)
        local param = body:match "%$[23]::int8" -- its type has to be told
        local always = param and param .. ">=0" or "true"
        proxy.edit(text, (" "):rep(#body - #always) .. always .. rest)
        count = count + 1
      end
    end
  end
  return count
end

-- What the new owner did since it took the run over, and which fences each suffice then. `flush` does
-- as its worker began after the stale one: a token says whose it is, then which of that worker's.
local CASES = {
  { name = "has claimed", fences = "epoch", done = function() end },
  { name = "has written no step", fences = "epoch flush",
    done = function(store, id) stores.commit(store, stay(id, 0, { epoch = 2 })) end },
  { name = "has finished a step", fences = "epoch count flush",
    done = function(store, id) stores.commit(store, finish(id, 0, { epoch = 2 })) end },
  { name = "has ended the run", fences = "epoch flush ended",
    done = function(store, id) stores.commit(store, stay(id, 0, { epoch = 2, status = "completed" })) end },
  { name = "has finished a step and ended the run", fences = "epoch count flush ended",
    done = function(store, id)
      stores.commit(store, finish(id, 0, { epoch = 2, status = "completed" }))
    end },
}
local ALL = { "epoch", "count", "flush", "ended" }
-- The stale owner's writes: of the run alone, and of several runs in one statement.
local WRITES = {
  function(store, id) return store:commit { stay(id, 0, { due_ms = 77 }) } end,
  function(store, id) return store:commit { stay(id, 0, { due_ms = 77 }), stay("other", 0) } end,
}

describe("a fence alone", function()
  setup(function()
    server = postgres.start { "fsync=off" }
    port = proxy.start(("%s/.s.PGSQL.%d"):format(server.folder, server.port))
  end)
  teardown(function() postgres.stop(server) end)
  before_each(function()
    local name
    direct, name = postgres.schema(server)
    url = postgres.tcp(server, { port = port, schema = name })
    assert(checkpoint.open(direct)):close() -- migrations are not edited
  end)
  after_each(function()
    proxy.edit()
    stores.clean()
  end)

  -- A store whose statements have only those fences, which holds a run `other`, and a new one.
  local function pair(kept)
    local count = only(kept)
    local stale = assert(stores.connect(url, "the stale one"))
    local new = assert(stores.connect(direct, "the new one"))
    postgres.sql(direct, "DELETE FROM cmo_runs")
    stores.commit(stale, create "other")
    return stale, new, count
  end
  local function taken_over(stale, new, id)
    stores.commit(stale, create(id))
    postgres.sql(direct, ("UPDATE cmo_runs SET worker = NULL WHERE trace_id = '%s'"):format(id))
    assert.equal(2, assert(new:claim(id)).epoch)
  end

  it("refuses a stale owner, each where it is needed", function()
    local refused = {}
    for _, kept in ipairs { "epoch", "count", "flush", "ended", "none", table.concat(ALL, " ") } do
      local stale, new, count = pair(kept)
      for n, case in ipairs(CASES) do
        for k, write in ipairs(WRITES) do
          local id = ("run-%d-%d"):format(n, k)
          taken_over(stale, new, id)
          case.done(new, id)
          local said = assert(write(stale, id))[1]
          assert.equal(said == "ELG_OK", new:run_get(id).due_ms == 77, kept .. ": " .. id)
          refused[kept .. id] = said ~= "ELG_OK"
          if kept:find "epoch" then assert.equal("ELG_FENCED", said) end
        end
      end
      assert.equal(count, proxy.counts().edits, "a fence is written otherwise: only " .. kept)
      stale:close()
      new:close()
    end
    for n, case in ipairs(CASES) do
      for k in ipairs(WRITES) do
        local id, suffices = ("run-%d-%d"):format(n, k), {}
        for _, fence in ipairs(ALL) do
          if refused[fence .. id] then suffices[#suffices + 1] = fence end
        end
        assert.equal(case.fences, table.concat(suffices, " "), case.name)
        assert.is_false(refused["none" .. id], "something else refuses it: " .. case.name)
      end
      print(("fences: the new owner %s; each alone suffices: %s"):format(case.name, case.fences))
    end
  end)

  it("keeps a record from being written twice, whoever has the run", function()
    local stale, new = pair "none"
    taken_over(stale, new, "t1")
    stores.commit(new, finish("t1", 0, { epoch = 2 }))
    -- As the owner of before would, at the step that it knows; then at the one that is next.
    assert.equal("CORRUPT", stores.results(stale, finish("t1", 0, nil, { stores.step(0, { node_id = "late" }) })))
    assert.equal("node", new:journal("t1")[1].node_id)
    stale:close()
    new:close()
  end)

  it("keeps what another holds from being let go, handed back, claimed or opened again", function()
    local stale, new = pair(table.concat(ALL, " "))
    taken_over(stale, new, "t1")
    local function owner()
      return postgres.sql(direct, [[SELECT w.owner FROM cmo_runs r JOIN cmo_workers w USING (worker)
        WHERE trace_id = 't1']])[1].owner
    end
    stale:hand_back_many { "t1", "other" }
    assert.same({ "the new one", 1 }, { owner(), new:run_get("t1").claims })
    stale:release "t1"
    stale:hand_back("t1", true)
    assert.same({ "the new one", 1 }, { owner(), new:run_get("t1").claims })
    assert.equal("ELG_BUSY", select(2, stale:claim "t1").status)
    assert.equal("ELG_NOT_FOUND", select(2, stale:claim_named { "t1" }).status)
    assert.equal("the new one", owner())
    stores.commit(new, stay("t1", 0, { epoch = 2, status = "failed" }))
    assert.same({ "ELG_FENCED" }, stale:reopen { stay("t1", 0, { epoch = 2 }) })
    assert.equal("failed", new:run_get("t1").status)
    stale:close()
    new:close()
  end)

  it("is the database's clock where a lease is looked at", function()
    local stale, new = pair(table.concat(ALL, " "))
    taken_over(stale, new, "t1")
    checkpoint.clock(4102444800000) -- this process thinks it is 2100
    assert.equal("ELG_BUSY", select(2, stale:claim "t1").status)
    checkpoint.clock(1000)
    assert.equal("ELG_BUSY", select(2, stale:claim "t1").status)
    checkpoint.clock(0)
    stale:close()
    new:close()
  end)
end)
