-- resume: elg resume. Takes up unfinished runs of the store and executes them to their end.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local loop = require "elg.cli.loop"
local settings = require "elg.cli.settings"

local M = {}

local CONCURRENCY = 64

M.summary = "take up runs that have not ended"
M.usage = "elg resume [TRACE ...]"
M.args = { min = 0, max = math.huge }
M.flags = { flags.common, flags.stored, { "concurrency" }, flags.executing }
M.examples = {
  { "elg resume", "every unfinished run, those of live processes left alone" },
  { "elg resume job-7", "this one; an ended run prints its stored result" },
}

-- The runs that can be taken up, oldest first. Those whose rows are damaged are told of.
local function unfinished(host, work, printer)
  local traces = {}
  codes.check(host:list("unfinished", function(text)
    traces[#traces + 1] = codes.check(json.decode(text)).trace_id
    return true
  end, function(_, message, where)
    printer:error(where .. ": " .. message)
    work:worse(codes.exit.unavailable)
  end))
  local first, last = 1, #traces
  while first < last do
    traces[first], traces[last] = traces[last], traces[first]
    first, last = first + 1, last - 1
  end
  return traces
end

-- A run that cannot be taken up: an error if it was named, else only busy ones are fine.
local function refused(work, printer, trace_id, named, message, status, where)
  if status == "ELG_BUSY" and not named then
    printer:note(("%s: left alone: %s"):format(trace_id, message))
    return
  end
  local place = where == "" or where == trace_id
  printer:error(("%s: %s%s"):format(trace_id, place and "" or where .. ": ", message))
  work:worse(codes.by_status[status] or codes.exit.unavailable)
end

local function starter(host, traces, named, work, printer)
  local i = 0
  return function()
    i = i + 1
    local trace_id = traces[i]
    if not trace_id then return nil end
    local ok, message, status, where = host:resume(trace_id)
    if ok then return trace_id end
    refused(work, printer, trace_id, named, message, status, where)
    return false
  end
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  local work = loop.create(printer, options.concurrency or CONCURRENCY)
  return settings.with_host(options, { on_event = work.on_event, there = true }, function(host)
    local named = #args > 0
    local traces = named and args or unfinished(host, work, printer)
    work.tells_waits = #traces == 1
    if #traces == 0 and work.exit == codes.exit.done then printer:note("nothing to resume") end
    return work:run(host, starter(host, traces, named, work, printer))
  end)
end

return M
