-- family_leaf: a child of family_child.
local elg = require "elg"

return elg.graph { id = "family_leaf", version = "1", entry = "only", edges = {}, nodes = {
  only = function(_, input, ctx)
    ctx.sleep(1 + ctx.rand(10))
    return nil, input.n * ctx.rand(100)
  end } }
