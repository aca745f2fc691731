-- list: elg list. The runs of a store, newest first.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local out = require "elg.cli.out"
local settings = require "elg.cli.settings"

local M = {}

-- Rows that are lined up and printed together.
local PAGE_ROWS = 500

M.summary = "the runs of the store, newest first"
M.usage = "elg list [--status STATUS ...] [--graph ID] [--since TIME] [--limit N] [--after TRACE]"
M.args = { min = 0, max = 0 }
M.own = { graph = { kind = "text", value = "ID", help = "only runs of this graph" } }
M.flags = { flags.common, flags.stored, { "status", "graph", "since", "until", "limit", "after" } }
M.examples = {
  { "elg list --status failed", "what went wrong" },
  { "elg list --since 24h --graph order --limit 100", "a page; --after its last trace: the next" },
  { "elg list --json | jq -r .trace_id", "a document per line" },
}

local HEAD = { "TRACE", "STATUS", "STEPS", "GRAPH", "UPDATED" }

local function when(value)
  if type(value) ~= "number" then return tostring(value) end
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(value / 1000))
end

local function row_of(text)
  local run = codes.check(json.decode(text))
  return { run.trace_id, run.status, run.steps, run.graph_id .. " " .. run.graph_version,
    when(run.updated_at) }
end

local function print_page(printer, rows)
  for _, line in ipairs(out.columns(rows)) do printer:text(line) end
end

-- Executes the command; the exit code.
function M.run(options, _, printer)
  local what = { status = options.status and table.concat(options.status, ","),
    graph = options.graph, since_ms = options.since, until_ms = options["until"],
    after = options.after }
  local left = options.limit or math.huge
  local exit = codes.exit.done
  return settings.with_host(options, { read_only = true, executes = false }, function(host)
    local rows = { HEAD }
    codes.check(host:list(what, function(text)
      left = left - 1
      if options.json then
        printer:data(text)
      else
        rows[#rows + 1] = row_of(text)
        if #rows > PAGE_ROWS then
          print_page(printer, rows)
          rows = {}
        end
      end
      return left > 0
    end, function(_, message, where)
      exit = codes.exit.unavailable
      printer:error(where .. ": " .. message)
    end))
    print_page(printer, rows)
    return exit
  end)
end

return M
