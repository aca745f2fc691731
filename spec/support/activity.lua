-- activity: calls of the activity folder, waited for. Uses activity_c.
local activity_c = require "activity_c"

local M = {}

-- Polls until the call `id` is done (or wait_ms have passed). Gives its decoded response
-- ({ value = } or { error = }), maybe_happened, and its text; nil if it did not end.
-- Results of other calls met on the way are dropped unless `others` is a table for them.
function M.wait(p, id, wait_ms, others)
  local deadline = os.time() + math.ceil((wait_ms or 10000) / 1000)
  while true do
    local got, text, maybe = p:take()
    if got == id then return activity_c.decode(text), maybe, text end
    if got and others then others[got] = { activity_c.decode(text), maybe, text } end
    if not got then
      if os.time() > deadline then return nil end
      p:poll(200)
    end
  end
end

-- Starts and waits. A request that is refused gives nil, status, text.
function M.call(p, kind, request, place)
  local id, status, text = p:start(kind, request, place)
  if not id then return nil, status, text end
  return M.wait(p, id)
end

-- An empty folder of its own below the system's temporary folder; gives its path.
function M.folder()
  local pipe = io.popen("mktemp -d")
  local path = pipe:read("*l")
  pipe:close()
  return path
end

return M
