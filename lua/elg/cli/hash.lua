-- hash: elg hash. SHA-256 of the canonical form of a JSON text.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local flags = require "elg.cli.flags"
local input = require "elg.cli.input"
local json = require "elg.json"

local M = {}

M.summary = "SHA-256 of the canonical form of a JSON text"
M.usage = "elg hash [JSON|FILE]"
M.args = { min = 0, max = 1 }
M.flags = { flags.common }
M.examples = { { "elg hash state.json", "64 hex digits, as in state_hash" } }

-- Executes the command; the exit code.
function M.run(options, args, printer)
  local source = args[1] or "-"
  local text = input.read_whole(source)
  local hash = input.check(source, text, core.hash(text))
  printer:data(options.json and json.object { "hash", hash } or hash)
  return codes.exit.done
end

return M
