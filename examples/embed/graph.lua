-- The brain of a creature in front of a door: it looks, waits while the door is closed, and
-- walks through. `sense` and `move` are the host program's: main.c.
local elg = require "elg"

local function look(state, _, ctx)
  local door = ctx.call("sense", { what = "door" }, { raise = true })
  state.looks = state.looks + 1
  return door.open and "open" or "closed"
end

local function rest(_, _, ctx)
  ctx.sleep(50 + ctx.rand(50))
  return "rested"
end

local function walk(state, _, ctx)
  local moved = ctx.call("move", { steps = 3 }, { raise = true })
  return nil, { x = moved.x, looked_more_than_once = state.looks > 1 }
end

return elg.graph {
  id = "creature", version = "1.0.0", entry = "look",
  initial = { looks = 0 },
  nodes = { look = look, rest = rest, walk = walk },
  edges = {
    { from = "look", key = "open", to = "walk" },
    { from = "look", key = "closed", to = "rest" },
    { from = "rest", key = "rested", to = "look" },
  },
}
