local elg = require "elg"
return elg.graph { id = "g", version = "1", entry = "a", initial = { n = 1 },
 nodes = { a = { run = function(state, input, ctx) state.n = ctx.now() return "ok", { 1, "x" } end, retry = { max_attempts = 2, backoff = "linear" }, timeout_ms = 5 } },
 edges = { { from = "a", key = "ok", to = "a", when = function(s, o) return s.n > 1 end } } }
