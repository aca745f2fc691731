-- check: elg check. Everything that is wrong with a graph file.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "say what is wrong with a graph"
M.usage = "elg check GRAPH"
M.args = { min = 1, max = 1 }
M.flags = { flags.common }
M.examples = { { "elg check atlas.lua", "errors end with code 3, warnings with 0" } }

-- Executes the command; the exit code.
function M.run(options, args, printer)
  return settings.with_host(options, { store = "memory:" }, function(host)
    local text = codes.check(host:check(args[1]))
    local errors, findings = 0, codes.check(json.decode(text))
    if printer.json then printer:data(text) end
    for _, finding in ipairs(findings) do
      if finding.level == "error" then errors = errors + 1 end
      printer:text(("%s: %s: %s (%s)"):format(finding.where, finding.level, finding.text,
        finding.code))
    end
    if #findings == 0 then printer:text(args[1] .. ": nothing wrong") end
    return errors > 0 and codes.exit.invalid or codes.exit.done
  end)
end

return M
