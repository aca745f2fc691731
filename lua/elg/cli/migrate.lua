-- migrate: elg migrate. Brings the store's schema to this build's, as every command that
-- writes does by itself.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "bring the store's schema up to date, or look whether it is"
M.usage = "elg migrate [--check]"
M.args = { min = 0, max = 0 }
M.own = { check = { kind = "switch", help = "change nothing; code 4 if it is not up to date" } }
M.flags = { flags.common, flags.stored, { "check" } }
M.examples = {
  { "elg migrate --store postgres://db/elg", "before the new workers start; old ones go on" },
  { "elg migrate --check", "says which version it is and which this build needs" },
}

-- Executes the command; the exit code.
function M.run(options, _, printer)
  local more = { executes = false, read_only = options.check, there = options.check }
  return settings.with_host(options, more, function(host)
    local version = host:schema_version()
    printer:data_or(("{\"schema_version\":%d}"):format(version),
      ("schema version %d: up to date"):format(version))
    return codes.exit.done
  end)
end

return M
