-- replay: elg replay. Executes a run again from its journal, without any effect.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local journal = require "elg.cli.journal"
local json = require "elg.json"
local out = require "elg.cli.out"
local report = require "elg.cli.report"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "execute a run again from its journal, without effects"
M.usage = "elg replay TRACE [--to N] [--verify] [--graph FILE]"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, flags.stored, { "to", "verify", "graph", "fresh-states",
  "jail" } }
M.examples = {
  { "elg replay job-7 --verify", "does every hash, output, edge and fuel figure agree?" },
  { "elg replay job-7 --to 4", "the run as it was after step 4" },
  { "elg replay job-7 --verify --graph new.lua", "where would new code part from it?" },
}

local function show(value)
  if value == nil or value == json.null then return "nothing" end
  return type(value) == "table" and "a table" or tostring(value)
end

-- Lines about where a replay parted from the journal.
local function divergence_lines(divergence)
  local node = divergence.node ~= "" and (" (%s)"):format(show(divergence.node)) or ""
  local call = type(divergence.seq) == "number" and (", call %d"):format(divergence.seq) or ""
  local lines = { ("diverged at step %s%s%s: %s"):format(show(divergence.step), node, call,
    show(divergence.what)) }
  lines[#lines + 1] = "  recorded " .. show(divergence.expected)
  lines[#lines + 1] = "  now      " .. show(divergence.actual)
  if type(divergence.where) == "string" and divergence.where ~= "" then
    lines[#lines + 1] = "  at " .. divergence.where
  end
  return table.concat(lines, "\n")
end

local function verdict(printer, result)
  local skipped = tonumber(result.fuel_not_compared) or 0
  printer:text(("verified    %s  %s agree%s%s"):format(result.trace_id, out.count(result.steps, "step"),
    result.steps == 1 and "s" or "",
    skipped > 0 and (" (fuel not compared in %d: another engine)"):format(skipped) or ""))
end

local function state(printer, result, text)
  printer:text(report.result(text, result))
  printer:text("state " .. json.pretty(json.member(text, "state") or "null"))
end

-- Whatever was asked for, the library answers with a divergence if it found one.
local function answer(options, printer, result, text)
  if printer.json then printer:data(text) end
  if type(result.divergence) == "table" then
    if printer.quiet and not printer.json then printer:error(divergence_lines(result.divergence)) end
    printer:text(divergence_lines(result.divergence))
    return codes.exit.diverged
  end
  local print_answer = options.verify and verdict or state
  print_answer(printer, result, text)
  return codes.exit.done
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  return settings.with_host(options, { read_only = true }, function(host)
    local graph = options.graph and settings.open_graph(host, options.graph)
    local text = codes.check(host:replay(args[1], { to = options.to, verify = options.verify,
      graph = graph }))
    local result = codes.check(json.decode(text))
    local parted = type(result.divergence) == "table"
    if options.to and result.steps <= options.to and not parted then
      journal.step(host, args[1], options.to)
    end
    return answer(options, printer, result, text)
  end)
end

return M
