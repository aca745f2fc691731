-- signal: elg signal. Sends a signal to a run, which ctx.wait takes.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local input = require "elg.cli.input"
local json = require "elg.json"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "send a signal to a run; ctx.wait(NAME) takes it"
M.usage = "elg signal TRACE NAME [JSON|FILE|-]"
M.args = { min = 2, max = 3 }
M.own = { key = { kind = "text", value = "KEY",
  help = "sent again with the same key, it is not kept twice" } }
M.flags = { flags.common, flags.stored, { "key" } }
M.examples = {
  { "elg signal job-7 approved '{\"by\":\"Ada\"}'", "payload null without JSON" },
  { "elg signal job-7 approved '{}' --key mail-31", "repeated: kept once" },
}

-- Executes the command; the exit code: 0 when the signal is kept, or its key was there.
function M.run(options, args, printer)
  local source = args[3] or "null"
  local payload = input.read_whole(source)
  return settings.with_host(options, { there = true }, function(host)
    local created = input.check(source, payload, host:signal(args[1],
      { name = args[2], payload = payload, key = options.key }))
    if printer.json then
      printer:data(json.object { "trace_id", args[1], "name", args[2], "created", created })
    end
    printer:text(("%s  %s  %s"):format(created and "kept       " or "known by its key", args[1],
      args[2]))
    return codes.exit.done
  end)
end

return M
