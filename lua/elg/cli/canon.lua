-- canon: elg canon. The canonical form (RFC 8785) of a JSON text.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local flags = require "elg.cli.flags"
local input = require "elg.cli.input"

local M = {}

M.summary = "the canonical form (RFC 8785) of a JSON text"
M.usage = "elg canon [JSON|FILE]"
M.args = { min = 0, max = 1 }
M.flags = { flags.common }
M.examples = { { "echo '{\"b\":1e2,\"a\":\"\\u00e9\"}' | elg canon", "one line, no blanks" } }

-- Executes the command; the exit code.
function M.run(_, args, printer)
  local source = args[1] or "-"
  local text = input.read_whole(source)
  printer:data(input.check(source, text, core.canonical(text)))
  return codes.exit.done
end

return M
