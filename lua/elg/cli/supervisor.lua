-- supervisor: several workers on one machine, each a process of its own: node code that kills
-- one takes no other with it, and every one has its arena at the same address. Uses sys.
local codes = require "elg.cli.codes"
local sys = require "elg.sys"

local M = {}

local NAME = "ELG_SUPERVISOR"
local POLL_MS, RESTART_US = 100, 1000000
local NO_DESCRIPTOR, SIGTERM = -1, 15

-- The arguments of this process, and what makes one worker of them.
local function child_arguments()
  local file = codes.check(io.open("/proc/self/cmdline", "rb"))
  local text = file:read("*a")
  file:close()
  local list = {}
  for argument in text:gmatch("([^%z]*)%z") do list[#list + 1] = argument end
  list[1] = codes.check(sys.exe())
  list[#list + 1], list[#list + 2] = "--threads", "1"
  return list
end

-- Of a child: it ends with its supervisor. Nothing for a worker that has none.
function M.join()
  local parent = tonumber(os.getenv(NAME) or "")
  if parent and not sys.end_with(parent) then
    codes.fail(codes.exit.terminated, "the process that started this one has ended")
  end
end

local supervisor = {}
supervisor.__index = supervisor

function supervisor:start()
  local pid = codes.check(sys.spawn(self.arguments))
  self.children[pid] = true
  self.count = self.count + 1
end

-- Takes notice of children that ended. One that was killed is started again a second later;
-- one that gave up, for a wrong flag or a store that is not there, ends all.
function supervisor:reap()
  local pid, code, signal = sys.reap()
  while pid do
    if self.children[pid] then
      self.children[pid] = nil
      self.count = self.count - 1
      if signal and not self.stopping then
        self.printer:error(("worker %d was killed by signal %d; another is started"):format(pid, signal))
        self.due[#self.due + 1] = sys.monotonic_us() + RESTART_US
      elseif code and code ~= 0 and not self.stopping then
        self.exit = math.max(self.exit, code)
        self:stop(SIGTERM)
      end
    end
    pid, code, signal = sys.reap()
  end
end

function supervisor:restart()
  local now_us, later = sys.monotonic_us(), {}
  for _, at_us in ipairs(self.due) do
    if at_us <= now_us then self:start() else later[#later + 1] = at_us end
  end
  self.due = later
end

function supervisor:stop(signal)
  self.stopping, self.due = true, {}
  for pid in pairs(self.children) do sys.kill(pid, signal) end
end

-- Runs `count` workers with this process's arguments until they have ended. The exit code: as of
-- one worker; a worker's own if it gave up.
function M.run(count, printer)
  local self = setmetatable({ printer = printer, children = {}, count = 0, due = {}, exit = 0,
    arguments = child_arguments() }, supervisor)
  sys.setenv(NAME, tostring(sys.pid()))
  local told = 0
  sys.stop_in_order()
  for _ = 1, count do self:start() end
  repeat
    self:reap()
    self:restart()
    if sys.signal_count() > told then -- each is handed on, by a look of its own: two are one to a process
      told = told + 1
      sys.signal_seen()
      self:stop(sys.signal())
    end
    sys.poll(NO_DESCRIPTOR, POLL_MS)
  until self.count == 0 and #self.due == 0
  if self.exit ~= 0 then return self.exit end
  return sys.signal() == SIGTERM and codes.exit.done or codes.exit.interrupted
end

return M
