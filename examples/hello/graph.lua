-- hello: two nodes and an edge. elg run examples/hello/graph.lua --input '{"name":"Ada"}'
local elg = require "elg"

local function greet(state, input, ctx)
  state.at = ctx.now()
  return "greeted", { text = "Hello, " .. (input.name or "world") }
end

local function shout(_, input)
  return nil, { text = input.text:upper() .. "!" }
end

return elg.graph {
  id = "hello", version = "1.0.0", entry = "greet",
  nodes = { greet = greet, shout = shout },
  edges = { { from = "greet", key = "greeted", to = "shout" } },
}
