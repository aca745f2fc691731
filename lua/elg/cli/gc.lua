-- gc: elg gc. Removes what ended long ago, and what nothing refers to.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local out = require "elg.cli.out"
local settings = require "elg.cli.settings"

local M = {}

local DAYS_30_MS = 30 * 86400000
local ENDED = { "completed", "failed", "timeout", "aborted", "diverged", "quarantined" }

M.summary = "remove runs that ended long ago, and what nothing refers to any more (artifacts an hour old)"
M.usage = "elg gc [--older-than AGE] [--status STATUS ...] [--dry-run]"
M.args = { min = 0, max = 0 }
M.own = {
  ["older-than"] = { kind = "age", env = "ELG_GC_OLDER_THAN", value = "AGE", default = DAYS_30_MS,
    help = "since it ended: 90m, 24h, 30d (default 30d)" },
  status = { kind = "enums", values = ENDED, help = "only runs of this status; may be repeated" },
  ["dry-run"] = { kind = "switch", help = "only say what would go" },
}
M.flags = { flags.common, flags.stored, { "older-than", "status", "dry-run" } }
M.examples = {
  { "elg gc --dry-run", "counts what ended more than 30 days ago" },
  { "elg gc --older-than 7d --status completed", "of good ends a week is kept" },
}

-- Executes the command; the exit code.
function M.run(options, _, printer)
  local more = { executes = false, there = true, read_only = options["dry-run"] }
  return settings.with_host(options, more, function(host)
    local text = codes.check(host:gc { older_than_ms = options["older-than"],
      status = options.status and table.concat(options.status, ","), dry_run = options["dry-run"] })
    local counts = codes.check(json.decode(text))
    printer:data_or(text, ("%s%s, %s, %s (%s)"):format(
      counts.dry_run and "would remove " or "removed ", out.count(counts.runs, "run"),
      out.count(counts.graphs, "graph"), out.count(counts.artifacts, "artifact"),
      out.count(counts.artifact_bytes, "byte")))
    return codes.exit.done
  end)
end

return M
