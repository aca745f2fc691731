-- family_child: a child of family; some have a child of their own, some fail.
local elg = require "elg"
local leaf = require "family_leaf"

local function first(state, input, ctx)
  ctx.sleep(1 + ctx.rand(20))
  state.chance = ctx.rand(1000)
  if input.fail then error { message = "child " .. input.n .. " fails", retry = false } end
  return "ok", input
end

local function second(state, input, ctx)
  if input.deep then state.leaf = ctx.run(leaf, { n = input.n }) end
  ctx.now()
  return nil, { n = input.n, chance = state.chance, leaf = state.leaf }
end

return elg.graph { id = "family_child", version = "1", entry = "first",
  nodes = { first = first, second = second },
  edges = { { from = "first", key = "ok", to = "second" } } }
