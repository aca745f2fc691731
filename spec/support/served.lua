-- served: workers and submitted runs, for specs, on each store that several processes can share.
-- Uses outside, postgres.
local outside = require "outside"

local M = {}

M.SIGINT, M.SIGTERM = 2, 15

-- Counts to input.steps; input.sleep_ms each time; input.spin burns so many rounds; input.fail
-- fails at that count.
M.COUNT = [[
local elg = require "elg"
return elg.graph {
  id = "count", version = "1", entry = "work",
  initial = function(input) return { n = 0, input = input } end,
  nodes = {
    work = { run = function(state, _, ctx)
      state.n = state.n + 1
      if state.input.sleep_ms then ctx.sleep(state.input.sleep_ms) end
      for _ = 1, state.input.spin or 0 do state.x = state.n end
      if state.n == state.input.fail then error("failed as asked") end
      return state.n < (state.input.steps or 1) and "again" or nil, { n = state.n }
    end },
  },
  edges = { { from = "work", key = "again", to = "work" } },
}
]]

-- Both stores: name, and open(place) that gives a new one's URL.
M.stores = {
  { name = "sqlite", open = function(place) return "sqlite:" .. place:file("elg.db") end },
  { name = "postgres", open = function()
    local postgres = require "postgres"
    return (postgres.schema(postgres.shared()))
  end },
}

-- An input whose values are numbers and strings.
local function encode(input)
  local parts = {}
  for name, value in pairs(input or {}) do
    parts[#parts + 1] = ("%q:%s"):format(name, type(value) == "string" and ("%q"):format(value)
      or value)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local world = {}
world.__index = world

-- A folder with count.lua in it, and a new store of that kind.
function M.create(store)
  local place = outside.place("served")
  place:write("count.lua", M.COUNT)
  return setmetatable({ place = place, url = store.open(place), workers = {} }, world)
end

function world:destroy()
  self.place:remove()
end

-- A statement on the store's tables.
function world:sql(text)
  if self.url:find("^sqlite") then return self.place:sql(text) end
  return require("postgres").sql(self.url, text)
end

-- Spoils the graph that the run carries, so that it cannot be loaded; what puts it right again.
function world:spoil(trace_id)
  local postgres = not self.url:find("^sqlite")
  local where = (" WHERE graph_hash = '%s'"):format(self:show(trace_id).graph_hash)
  local function put(hex)
    local blob = (postgres and "decode('%s', 'hex')" or "x'%s'"):format(hex)
    self:sql("UPDATE cmo_graphs SET definition = " .. blob .. where)
  end
  local kept = self:sql(("SELECT %s AS d FROM cmo_graphs"):format(
    postgres and "encode(definition, 'hex')" or "hex(definition)") .. where)[1].d
  put("7b7d")
  return function() put(kept) end
end

-- elg to its end, on the store.
function world:elg(argv, options)
  local with = { unpack(argv) }
  with[#with + 1] = "--store"
  with[#with + 1] = self.url
  return self.place:elg(with, options)
end

-- As that with --json: its end with docs and doc.
function world:json(argv, options)
  local with = { unpack(argv) }
  with[#with + 1] = "--json"
  local done = self:elg(with, options)
  done.docs = outside.documents(done.out)
  done.doc = done.docs[#done.docs]
  return done
end

-- Starts elg on the store.
function world:start(argv, options)
  return self.place:start_elg({ argv[1], "--store", self.url, unpack(argv, 2) }, options)
end

-- Submits a run of count.lua (or options.graph) on that input, a table; its trace.
function world:submit(input, ...)
  local done = self:json { "submit", "count.lua", "--input", encode(input), ... }
  assert(done.code == 0, done.err)
  return done.doc.trace_id
end

-- Starts a worker; once it is ready.
function world:worker(...)
  local child = self:start { "worker", "--json", ... }
  assert(outside.eventually(function()
    local _, err = child:output()
    return err:find("serving", 1, true)
  end), "the worker does not start: " .. select(2, child:output()))
  return child
end

-- What the store says of a run.
function world:show(trace_id)
  return assert(self:json({ "show", trace_id }).doc, "no such run")
end

-- Waits until the run has that status; its document.
function world:await(trace_id, status)
  local doc
  local ok = outside.eventually(function()
    doc = self:show(trace_id)
    return doc.status == status
  end)
  return ok and doc or error(("%s is %s, not %s"):format(trace_id, doc.status, status), 2)
end

return M
