-- show: elg show. A run with its journal.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local journal = require "elg.cli.journal"
local json = require "elg.json"
local out = require "elg.cli.out"
local report = require "elg.cli.report"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "a run with its journal: steps, attempts, activities"
M.usage = "elg show TRACE [--step N | --from N --limit N]"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, flags.stored, { "step", "from", "limit", "jail" } }
M.examples = {
  { "elg show job-7", "a table of steps" },
  { "elg show job-7 --step 3", "one step with its requests and responses" },
  { "elg show job-7 --from 100 --limit 50", "fifty steps of a long run" },
  { "elg show job-7 --json | jq .journal", "everything" },
}

local HEAD = { "STEP", "NODE", "TRY", "STATUS", "EDGE", "MS", "FUEL", "CALLS" }
local CUT_BYTES = 300

local function text_of(value, fallback)
  if value == nil or value == json.null then return fallback or "" end
  return tostring(value)
end

-- "http_request 2, now": kinds of an attempt's activities with how many.
local function call_summary(activities)
  local count, order = {}, {}
  for _, activity in ipairs(activities or {}) do
    local kind = activity.activity_type
    if not count[kind] then order[#order + 1] = kind end
    count[kind] = (count[kind] or 0) + 1
  end
  for i, kind in ipairs(order) do
    if count[kind] > 1 then order[i] = ("%s %d"):format(kind, count[kind]) end
  end
  return table.concat(order, ", ")
end

local function row_of(step)
  local status = report.attempt_status(step)
  local ran = status ~= "retried"
  return { step.step_index, step.node_id, step.attempt, status,
    text_of(step.next_edge, "-"), ran and ("%.1f"):format(step.duration_ms or 0) or "-",
    ran and step.fuel or "-", call_summary(step.activities) }
end

local function cut(text)
  text = text or "null"
  if #text <= CUT_BYTES then return text end
  return text:sub(1, CUT_BYTES) .. (" ... %d bytes"):format(#text)
end

-- The calls of an attempt, with what was asked and answered. `text` is the attempt's JSON.
local function print_activities(printer, step, text)
  for i, activity_text in ipairs(json.items(json.member(text, "activities"))) do
    local activity = step.activities[i]
    printer:text(("  call %d %s %s  %s"):format(activity.seq, activity.activity_type,
      activity.status, text_of(activity.where)))
    printer:text("    request  " .. cut(json.member(activity_text, "request_data")))
    printer:text("    response " .. cut(json.member(activity_text, "response_data")))
  end
end

-- The values of one step, which the table has no room for.
local function print_detail(printer, step, text)
  printer:text("  output " .. cut(json.member(text, "output")))
  printer:text("  state  " .. cut(json.member(text, "state")))
  print_activities(printer, step, text)
end

local function print_steps(printer, steps, texts, in_detail)
  local rows = { HEAD }
  for i, step in ipairs(steps) do rows[i + 1] = row_of(step) end
  for i, line in ipairs(out.columns(rows)) do
    printer:text(line)
    local step = steps[i - 1]
    if step then
      for _, error_line in ipairs(report.error_lines(step.error)) do
        printer:text("  " .. error_line)
      end
      if in_detail then print_detail(printer, step, texts[i - 1]) end
    end
  end
end

-- The document of what the options ask for.
local function read(host, trace_id, options)
  if options.step then return journal.step(host, trace_id, options.step) end
  local from = options.from or 0
  local last = options.limit and from + options.limit - 1 or -1
  return codes.check(host:show(trace_id, from, last))
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  if options.step and (options.from or options.limit) then
    codes.fail(codes.exit.usage, "--step names one step; it does not go with --from or --limit")
  end
  return settings.with_host(options, { read_only = true, executes = false }, function(host)
    local text = read(host, args[1], options)
    if printer.json then
      printer:data(text)
      return codes.exit.done
    end
    local result = codes.check(json.decode(text))
    printer:text(report.result(text, result))
    printer:text("graph " .. result.graph_hash .. "\nchain " .. text_of(result.chain, "-"))
    if #result.journal > 0 then
      print_steps(printer, result.journal, json.items(json.member(text, "journal")),
        options.step ~= nil)
    end
    return codes.exit.done
  end)
end

return M
