-- graph: greets someone, in the words of a web service if it is given one.
-- input: { name = "Ada", url = nil or "https://..." }, output: { text }
local elg = require "elg"

-- The greeting's words: the service's, or our own.
local function words(state, input, ctx)
  state.name = input.name or "world"
  if not input.url then return "known", { greeting = "Hello" } end
  local response, err = ctx.http { url = input.url, timeout_ms = 2000 }
  if not response then error(err) end -- tried again, see retry
  if response.status ~= 200 then return "none", { status = response.status } end
  return "known", { greeting = response.body }
end

local function greet(state, input)
  return nil, { text = ("%s, %s!"):format(input.greeting, state.name) }
end

local function excuse(_, input, ctx)
  ctx.log("warn", "no greeting", { status = input.status })
  return nil, { text = "..." }
end

return elg.graph {
  id = "greeting", version = "1.0.0", entry = "words",
  nodes = {
    words = { run = words, timeout_ms = 5000,
      retry = { max_attempts = 3, backoff = "exponential", initial_delay_ms = 50 } },
    greet = greet,
    excuse = excuse,
  },
  edges = {
    { from = "words", key = "known", to = "greet" },
    { from = "words", key = "none", to = "excuse" },
  },
}
