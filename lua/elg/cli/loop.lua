-- loop: many runs in one process, a bounded number in hand at once. Uses codes, report,
-- elg.sys. The host's loop is here: tick, then wait on its descriptor.
local codes = require "elg.cli.codes"
local json = require "elg.json"
local out = require "elg.cli.out"
local report = require "elg.cli.report"
local sys = require "elg.sys"
local waits = require "elg.cli.waits"

local M = {}

local TICK_US = 20000
local WAIT_MS = 1000
local PROGRESS_US = 100000
local STILL_US = 1000000 -- then a run may wait for somebody
local SIGTERM = 15
local ENDING = 3 -- runs in hand, as a multiple of the concurrency
local NO_DESCRIPTOR = -1

-- What `start` gives (see feed) when it has no run yet, but may have one later.
M.LATER = {}

local loop = {}
loop.__index = loop

-- create(printer, concurrency): `on_event` of what it gives is the host's; `run` drives.
-- A function set as its field on_end(trace_id, status) takes the place of the report; the
-- status is nil of a run that is only parked. The field folder is where the graph's files lie, for
-- the places of errors. With the field tells_waits, it is told what a run waits for. The field
-- source_fd is the descriptor that is readable when a `start` that gave LATER may have more.
function M.create(printer, concurrency)
  local self = setmetatable({ printer = printer, concurrency = concurrency, begun = {}, places = {},
    lost = {}, ended = {}, in_hand = 0, active = 0, executing = 0, exit = codes.exit.done, done_count = 0,
    still_us = STILL_US, still_since_us = sys.monotonic_us(), source_fd = NO_DESCRIPTOR,
    shown_us = 0, begun_us = sys.monotonic_us() }, loop)
  self.on_event = function(event) self:take_event(event) end
  return self
end

-- An event of the host: results are read after the tick, not inside it.
function loop:take_event(event)
  if event.kind == "end" then
    self.ended[#self.ended + 1] = event
  else
    -- A warning that names a run means that this process has lost it.
    local lost = event.kind == "warning" and event.trace_id ~= ""
    if lost then
      self:worse(codes.exit.unavailable)
      self.lost[event.trace_id] = self.begun[event.trace_id] and true
    end
    self.printer:event(event, lost and "error" or nil)
  end
end

-- The highest exit code so far.
function loop:worse(exit)
  self.exit = math.max(self.exit, exit)
end

-- The run's result document as the store has it. Nil of a run that was lost before anything
-- of it was durable: why has been told.
function loop:result(trace_id)
  local text, message, status, where = self.host:result(trace_id)
  if text then return text end
  if not self.lost[trace_id] then codes.fail_status(message, status, where) end
  self.printer:error(status == "ELG_NOT_FOUND" and trace_id .. ": nothing of it is durable"
    or ("%s: %s: %s"):format(trace_id, where, message))
end

-- Prints the run's result and lets the run go. `status` and `text`, its result document, as
-- its end was told; both nil: as the store has them.
function loop:finish(trace_id, status, text)
  local begun_us, place = self.begun[trace_id], self.places[trace_id]
  if not begun_us then return end
  self.begun[trace_id], self.places[trace_id] = nil, nil
  self.in_hand = self.in_hand - 1
  self.done_count = self.done_count + 1
  if self.on_end then return self.on_end(trace_id, status) end
  text = text or self:result(trace_id)
  if not text then return end
  if status == "completed" and self.printer.json then return self.printer:data(text) end
  local result = codes.check(json.decode(text))
  self:worse(codes.of_result(result))
  report.tell(self.printer, text, result, (sys.monotonic_us() - begun_us) / 1000, place, self.folder)
end

-- The run is in hand. One that had ended before gets no event and counts until the next
-- tick only; its result comes with those of the parked ones. `place` is where its input stands.
function loop:begin(trace_id, place)
  if self.begun[trace_id] then return end
  self.places[trace_id] = place
  self.begun[trace_id] = sys.monotonic_us()
  self.in_hand, self.active, self.executing = self.in_hand + 1, self.active + 1, self.executing + 1
end

-- Runs that only wait for the disk to end make room, up to a point.
function loop:has_room()
  return self.executing < self.concurrency and self.active < ENDING * self.concurrency
end

-- Begins runs as long as there is room. `start` returns a trace id, and where its
-- input stands if that is one of many; false to be called
-- again (it has reported an error); LATER; nil when there are no more.
function loop:feed(start)
  self.starved = false
  while start and self:has_room() do
    local trace_id, place = start()
    if trace_id == nil then return nil end
    if trace_id == M.LATER then
      self.starved = true
      break
    end
    if trace_id then self:begin(trace_id, place) end
  end
  return start
end

-- One tick, and the results of the runs that ended in it.
function loop:turn()
  self.active = codes.check(self.host:tick(TICK_US))
  self.executing = self.host:executing()
  for _, event in ipairs(self.ended) do
    self:finish(event.trace_id, event.text, event.data)
  end
  self.ended = {}
end

-- Shows how far it is, on a terminal, ten times a second.
function loop:show_progress()
  local now_us = sys.monotonic_us()
  if not self.printer.live or now_us - self.shown_us < PROGRESS_US then return end
  self.shown_us = now_us
  local seconds, steps = (now_us - self.begun_us) / 1e6, self.host:steps()
  self.printer:progress(("%d ended, %d in hand, %s, %.0f steps/s, %s"):format(
    self.done_count, self.in_hand, out.count(steps, "step"), steps / seconds, out.duration(seconds * 1000)))
end

-- The runs that are begun and not finished, sorted.
function loop:unfinished()
  local traces = {}
  for trace_id in pairs(self.begun) do traces[#traces + 1] = trace_id end
  table.sort(traces)
  return traces
end

-- Says on stderr which signal a run waits for, if it does; not with --json.
function loop:tell_wait(trace_id, is_parked)
  if not self.tells_waits or self.printer.json or self.printer.quiet then return end
  local text = waits.sentence(self.host, trace_id, is_parked)
  if text and text ~= self.told_wait then self.printer:note(text) end
  self.told_wait = text
end

-- Looks what the runs in hand wait for when no step has ended for a second, and again after twice as long.
function loop:watch_waits()
  if not self.tells_waits then return end
  local now_us, steps = sys.monotonic_us(), self.host:steps()
  if steps ~= self.still_steps then
    self.still_steps, self.still_since_us, self.still_us = steps, now_us, STILL_US
  elseif now_us - self.still_since_us >= self.still_us then
    self.still_us = 2 * self.still_us
    for _, trace_id in ipairs(self:unfinished()) do self:tell_wait(trace_id) end
  end
end

-- What is left when nothing moves any more is parked; it stays in the store.
function loop:finish_parked()
  for _, trace_id in ipairs(self:unfinished()) do
    self:finish(trace_id)
    if not self.lost[trace_id] then self:tell_wait(trace_id, true) end
  end
end

-- Lets the runs in hand go and prints them as they are durable, so that their traces are
-- known. The commits under way end with the first release.
function loop:finish_stopped()
  local traces = self:unfinished()
  for _, trace_id in ipairs(traces) do self.host:release(trace_id) end
  if self.on_end then return end
  for _, trace_id in ipairs(traces) do
    local text, message = self.host:result(trace_id)
    if text then
      self:finish(trace_id, nil, text)
    else
      self.printer:error(("%s: nothing of it is durable: %s"):format(trace_id, message))
    end
  end
end

function loop:interrupted(signal)
  self:worse(signal == SIGTERM and codes.exit.terminated or codes.exit.interrupted)
  self.printer:note(("stopped; %d run%s can be taken up again: elg resume"):format(self.in_hand,
    self.in_hand == 1 and "" or "s"))
  self:finish_stopped()
end

-- Waits until there is something to do.
function loop:wait(start)
  if self.starved then
    sys.poll(self.host:poll_fd(), WAIT_MS, self.source_fd)
  elseif not (start and self:has_room()) then
    sys.poll(self.host:poll_fd(), WAIT_MS)
  end
end

-- run(host, start): begins what `start` gives (see feed) until it gives nil and every run
-- has ended or is parked. The exit code, of several runs the highest. A signal ends it in good
-- order: what is in hand is handed back.
function loop:run(host, start)
  self.host = host
  sys.stop_in_order()
  while not sys.signal() do
    start = self:feed(start)
    self:turn()
    self:show_progress()
    self:watch_waits()
    if self.active == 0 and not start then
      self:finish_parked()
      break
    end
    self:wait(start)
  end
  self.printer:clear()
  if sys.signal() then self:interrupted(sys.signal()) end
  return self.exit
end

return M
