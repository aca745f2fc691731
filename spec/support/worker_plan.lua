-- worker_plan: starts spec/support/worker.lua with a plan. Uses outside.
local outside = require "outside"

local M = {}

-- A value as Lua source; tables with names or lists, strings, numbers, booleans.
local function source(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for name, item in pairs(value) do
    parts[#parts + 1] = ("[%s]=%s"):format(source(name), source(item))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Starts a worker in `place` (see outside); plan as worker.lua says. more: as place:start.
function M.start(place, plan, more)
  plan.options.compiler = plan.options.compiler or outside.build .. "/elg-compile"
  place.plans = (place.plans or 0) + 1
  local path = place:write(("plan-%d.lua"):format(place.plans), "return " .. source(plan))
  local env = { LUA_CPATH = outside.build .. "/spec/?.so", ELG_BUILD = outside.build,
    LUA_PATH = outside.root .. "/lua/?.lua;" .. outside.root .. "/spec/support/?.lua" }
  for name, value in pairs(more and more.env or {}) do env[name] = value end
  local options = {}
  for name, value in pairs(more or {}) do options[name] = value end
  options.env = env
  return place:start({ "luajit", outside.root .. "/spec/support/worker.lua", path }, options)
end

return M
