-- executor: drives a run of executor_c as a host would: initial state, attempts, calls, a
-- commit after each of them. A crash can be planted after any commit. Uses executor_c.
local executor_c = require "executor_c"

local M = {}

M.TRACE = "trace-1"
M.INPUT = '{"n":1}'

local UNKNOWN = '{"error":{"code":"UNKNOWN","message":"may have happened"}}'
local CRASH = {}

-- graph(nodes, edges): a description; nodes: { id = retry JSON or "null" }, edges: { from,
-- key, to } each. The entry is node "a".
function M.graph(nodes, edges)
  local node_texts, edge_texts = {}, {}
  for id, retry in pairs(nodes) do
    node_texts[#node_texts + 1] = ('"%s":{"line":1,"retry":%s,"timeout_ms":null}'):format(id, retry)
  end
  for i, edge in ipairs(edges or {}) do
    edge_texts[i] = ('{"from":"%s","key":"%s","to":"%s","when":false}'):format(unpack(edge))
  end
  return ('{"id":"g","version":"1","entry":"a","nodes":{%s},"edges":[%s]}'):format(
    table.concat(node_texts, ","), table.concat(edge_texts, ","))
end

-- begin(description, limits): a world with a new run.
function M.begin(description, limits)
  local world = executor_c.create(description)
  assert(world:start(M.new_row(limits)))
  return world
end

-- The row of a new run.
function M.new_row(limits)
  return { trace_id = M.TRACE, graph_id = "g", graph_version = "1",
    graph_hash = ("ab"):rep(32), status = "running", input = M.INPUT,
    limits = limits or "{}", seed = "7", created_at_ms = 1 }
end

local driver = {}
driver.__index = driver

-- drive(world, script, options): a driver. script[node](d, attempt) asks for calls with
-- d:call and returns the table for done, or nil and the table for failed. options:
-- crash_after = n-th commit; effects = a list to which each performed call's key is added.
function M.drive(world, script, options)
  options = options or {}
  return setmetatable({ world = world, script = script, commits = 0,
    crash_after = options.crash_after, effects = options.effects or {} }, driver)
end

-- The time is a function of where the run stands, so that journals can be compared.
function driver:now()
  local row = self.world:row()
  return 1000000 + 1000 * row.step_count + 100 * self.world:look().attempt
end

local function check(ok, status, where, text)
  if not ok then error({ status = status, where = where, text = text }, 0) end
  return ok, status, where
end

-- Writes what there is to write.
function driver:commit()
  if not self.world:look().dirty then return end
  check(self.world:commit())
  self.commits = self.commits + 1
  if self.commits == self.crash_after then error(CRASH, 0) end
end

-- A call of node code: its response.
function driver:call(kind, request)
  local world, now = self.world, self:now()
  local seq, verdict, response = check(world:call(kind, request, now))
  if verdict == "replay" then return response end
  if verdict == "unknown" then
    check(world:result(seq, "unknown", UNKNOWN, now))
    return UNKNOWN
  end
  check(world:open())
  if kind == "sleep" or request:find('"at_most_once":true', 1, true) then
    check(world:intent(seq, kind == "sleep" and now + 5 or 0))
  end
  self:commit()
  local effect = kind .. " " .. request
  self.effects[#self.effects + 1] = effect
  response = ('{"value":%q}'):format("did " .. #effect)
  check(world:result(seq, "done", response, now))
  self:commit()
  return response
end

function driver:attempt()
  local world, look = self.world, self.world:look()
  check(world:begin(self:now()))
  local result, failure = self.script[look.node_id](self, look.attempt)
  local ending = result or failure
  ending.wall_ms = self:now() + 50
  check(world[result and "done" or "failed"](world, ending))
  self:commit()
end

-- Until the run has ended. Raises M.CRASH where it is planted.
function driver:finish()
  while self.world:look().phase ~= "ended" do
    if self.world:look().phase == "initial" then
      check(self.world:initial("{}", self:now()))
      self:commit()
    else
      self:attempt()
    end
  end
end

-- finish_or_crash(): "ended", "crashed", or nil and the failure.
function driver:finish_or_crash()
  local ok, problem = pcall(self.finish, self)
  if ok then return "ended" end
  if problem == CRASH then return "crashed" end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, problem
end

return M
