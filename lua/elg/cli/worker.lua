-- worker: elg worker. Takes up runs of the store and executes them until it is told to
-- stop. Uses loop's printing of results, served.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local report = require "elg.cli.report"
local served = require "elg.cli.served"
local settings = require "elg.cli.settings"
local supervisor = require "elg.cli.supervisor"
local sys = require "elg.sys"

local M = {}

local TICK_US = 20000
local WAIT_MS = 1000
local SIGTERM = 15
local STOP_AT_ONCE = 2 -- signals

M.summary = "execute runs of the store as they come, until told to stop"
M.usage = "elg worker [--graphs DIR ...] [--concurrency N] [--threads N]"
M.args = { min = 0, max = 0 }
M.own = {
  concurrency = { kind = "count", env = "ELG_CONCURRENCY", min = 1, max = 100000, value = "N",
    default = 64, help = "runs in hand at once, of each process" },
  threads = { kind = "count", env = "ELG_THREADS", min = 1, max = 256, value = "N", default = 1,
    help = "workers on this machine at once, each a process (default 1)" },
}
M.flags = { flags.common, flags.stored, { "graphs", "concurrency", "threads", "drain-ms" },
  flags.executing }
M.examples = {
  { "elg worker --store postgres://db/elg", "any graph; as many workers as you like, anywhere" },
  { "elg worker --graphs graphs --concurrency 16", "runs of the graphs in that folder" },
}

local worker = {}
worker.__index = worker

-- Prints a run that ended; its status is the event's text.
function worker:finish(event)
  self.count = self.count + 1
  if self.printer.json then return self.printer:data(event.data) end
  if self.printer.quiet and event.text == "completed" then return end
  report.tell(self.printer, event.data, codes.check(json.decode(event.data)))
end

-- An event of the host.
function worker:take_event(event)
  if event.kind == "end" then
    self:finish(event)
  else
    self.printer:event(event)
  end
end

-- One tick. A store that takes no commits for a while is reported, and tried again.
function worker:turn()
  local active, message, _, where = self.host:tick(TICK_US)
  if active then return active end
  self.printer:error(("%s: %s"):format(where, message))
  sys.poll(-1, WAIT_MS)
  return self.host:executing()
end

function worker:serve()
  while not sys.signal() do
    self:turn()
    sys.poll(self.host:poll_fd(), WAIT_MS)
  end
end

-- Goes on with what is in hand until it ends, waits, the time is over or a second signal comes.
-- What is left is handed back when the host is closed.
function worker:drain(drain_ms)
  local until_us = sys.monotonic_us() + drain_ms * 1000
  local left = self.host:drain()
  sys.signal_seen()
  self.printer:note(("stopping; %d in hand have %d ms to end"):format(left, drain_ms))
  while left > 0 and sys.signal_count() < STOP_AT_ONCE do
    local left_ms = math.floor((until_us - sys.monotonic_us()) / 1000)
    if left_ms <= 0 then break end
    left = self:turn()
    if left > 0 then sys.poll(self.host:poll_fd(), math.min(WAIT_MS, left_ms)) end
  end
  self.printer:note(("stopped; %d run%s ended here, %d handed back, %d stale writes refused"):format(
    self.count, self.count == 1 and "" or "s", left, self.host:stale_writes()))
end

-- Executes the command; the exit code.
function M.run(options, _, printer)
  if options.threads > 1 then return supervisor.run(options.threads, printer) end
  supervisor.join()
  sys.stop_in_order()
  local self = setmetatable({ printer = printer, count = 0 }, worker)
  local more = { on_event = function(event) self:take_event(event) end }
  return settings.with_host(options, more, function(host)
    self.host = host
    local ids = served.graph_ids(host, options.graphs)
    codes.check(host:serve { graphs = ids, run_count_max = options.concurrency })
    printer:note(("serving %s, %d at once"):format(ids and table.concat(ids, ", ")
      or "all graphs", options.concurrency))
    self:serve()
    self:drain(options["drain-ms"])
    return sys.signal() == SIGTERM and codes.exit.done or codes.exit.interrupted
  end)
end

return M
