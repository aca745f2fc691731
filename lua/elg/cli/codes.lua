-- codes: the one table from outcomes to exit codes. Of several outcomes the highest counts.
local M = {}

-- What each exit code means; documented in the help of elg.
M.exit = {
  done = 0, -- or parked without a timer
  failed = 1,
  usage = 2,
  invalid = 3, -- graph, input or schema
  unavailable = 4, -- store, broker or file
  diverged = 5,
  denied = 6,
  stopped = 7, -- timeout or aborted
  interrupted = 130,
  terminated = 143,
}

-- By the status names of the library.
M.by_status = {
  ELG_OK = M.exit.done,
  ELG_USAGE = M.exit.usage,
  ELG_INVALID = M.exit.invalid,
  ELG_NO_MEMORY = M.exit.unavailable,
  ELG_IO = M.exit.unavailable,
  ELG_FULL = M.exit.unavailable,
  ELG_CORRUPT = M.exit.unavailable,
  ELG_BUSY = M.exit.unavailable,
  ELG_NOT_FOUND = M.exit.unavailable,
  ELG_EXISTS = M.exit.usage,
  ELG_FENCED = M.exit.unavailable,
  ELG_DIVERGED = M.exit.diverged,
  ELG_DENIED = M.exit.denied,
  ELG_TIMEOUT = M.exit.stopped,
  ELG_ABORTED = M.exit.stopped,
  ELG_LIMIT = M.exit.invalid,
  ELG_UNSUPPORTED = M.exit.unavailable,
  ELG_INTERNAL = M.exit.unavailable,
}

-- By the status of a run that is not in hand any more.
M.by_run = {
  completed = M.exit.done,
  waiting = M.exit.done,
  failed = M.exit.failed,
  quarantined = M.exit.failed,
  timeout = M.exit.stopped,
  aborted = M.exit.stopped,
  diverged = M.exit.diverged,
  pending = M.exit.unavailable, -- the store stopped taking commits
  running = M.exit.unavailable,
}

-- By the error code of a failed run.
M.by_error = { DENIED = M.exit.denied, NET_DENIED = M.exit.denied }

-- The statuses that a run keeps.
M.ended = { completed = true, failed = true, quarantined = true, timeout = true,
  aborted = true, diverged = true }

-- The exit code of a result document (a decoded table with status and error).
function M.of_result(result)
  local denied = type(result.error) == "table" and M.by_error[result.error.code]
  if result.status == "failed" and denied then return denied end
  return M.by_run[result.status] or M.exit.failed
end

-- Ends the command with an exit code and a message: raises a table that elg.cli catches.
-- `where` (may be nil or "") names the thing.
function M.fail(code, message, where)
  if where and where ~= "" then message = where .. ": " .. message end
  error({ exit = code, message = message }, 0)
end

-- As fail for what a binding returned: nil, message, status name, where.
function M.fail_status(message, status, where)
  M.fail(M.by_status[status] or M.exit.unavailable, message, where)
end

-- value, ... of a binding, or the command ends with its error.
function M.check(value, message, status, where)
  if value == nil then M.fail_status(message, status, where) end
  return value, message, status, where
end

return M
