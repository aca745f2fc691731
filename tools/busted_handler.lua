-- busted_handler: busted's output for one file of specs: what failed and what was skipped,
-- nothing of what passed. The counts go to the file that ELG_COUNTS names.
local base = require "busted.outputHandlers.base"

local function text_of(message)
  return type(message) == "string" and message or require("pl.pretty").write(message)
end

local function show(kind, entry)
  io.write(("%s: %s\n"):format(kind, entry.name))
  local trace = entry.trace
  if trace and trace.short_src then
    io.write(("  %s:%s\n"):format(trace.short_src, trace.currentline or "?"))
  end
  if entry.message then io.write("  ", (text_of(entry.message):gsub("\n", "\n  ")), "\n") end
end

return function()
  local busted = require "busted"
  local handler = base()

  local function write_counts()
    local failed = #handler.failures + #handler.errors
    local file = assert(io.open(os.getenv("ELG_COUNTS"), "w"))
    file:write(("%d %d %d\n"):format(#handler.successes, failed, #handler.pendings))
    file:close()
    for _, entry in ipairs(handler.failures) do show("failed", entry) end
    for _, entry in ipairs(handler.errors) do show("error", entry) end
    for _, entry in ipairs(handler.pendings) do show("skipped", entry) end
    return nil, true
  end

  busted.subscribe({ "exit" }, write_counts, { priority = 2 })
  return handler
end
