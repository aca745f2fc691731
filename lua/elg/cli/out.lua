-- out: what goes to stdout and stderr. Uses sys, codes. A reader of stdout that goes away
-- ends the command quietly; a full disk ends it with a message.
local codes = require "elg.cli.codes"
local json = require "elg.json"
local sys = require "elg.sys"

local M = {}

local STDOUT, STDERR = 1, 2
local LEVELS = { debug = 1, info = 2, warn = 3, error = 4 }

-- A text of someone else's for a terminal: no control characters (also those of two bytes) but
-- line feeds, after which lines are indented, so that none looks like one of ours.
function M.plain(text)
  return (text:gsub("[%z\1-\9\11-\31\127]", " "):gsub("\194[\128-\159]", " "):gsub("\n", "\n  "))
end

-- count(n, noun): "1 step", "2 steps".
function M.count(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- The printer of one command: options json and quiet.
local printer = {}
printer.__index = printer

-- Makes a printer; the level of logs comes from LOG_LEVEL (default info).
function M.create(options)
  local level = LEVELS[(os.getenv("LOG_LEVEL") or ""):lower()] or LEVELS.info
  if options.quiet then level = LEVELS.error end
  local live = sys.isatty(STDERR) and not options.quiet
  local log_json = (os.getenv("LOG_FORMAT") or ""):lower() == "json"
  return setmetatable({ log_json = log_json, json = options.json, quiet = options.quiet,
    level = level, live = live }, printer)
end

local function write_out(text)
  local ok, message, code = sys.write(STDOUT, text)
  if ok then return end
  if code == "EPIPE" then error({ exit = codes.exit.unavailable, quiet = true }, 0) end
  codes.fail(codes.exit.unavailable, message, "standard output")
end

-- A line on stdout whatever the options say: data.
function printer:data(text)
  self:clear()
  write_out(text .. "\n")
end

-- A line on stdout for people: not with --json or --quiet.
function printer:text(text)
  if self.json or self.quiet then return end
  self:clear()
  write_out(text .. "\n")
end

-- A line on stdout: `document` with --json, else `text` for people.
function printer:data_or(document, text)
  if self.json then return self:data(document) end
  self:text(text)
end

-- An event as a line of JSON on stderr.
local function write_json(event, level)
  local fields = { ("\"level\":%s,\"message\":%s"):format(json.quote(level), json.quote(event.text)) }
  if event.step_index >= 0 then
    fields[#fields + 1] = ("\"node_id\":%s,\"step_index\":%d"):format(json.quote(event.node_id),
      event.step_index)
  end
  if event.data ~= "" then fields[#fields + 1] = "\"fields\":" .. event.data end
  fields[#fields + 1] = ("\"time_ms\":%.0f,\"trace_id\":%s"):format(sys.wall_ms(),
    json.quote(event.trace_id))
  sys.write(STDERR, "{" .. table.concat(fields, ",") .. "}\n")
end

-- A line of this program's own on stderr, as text or as JSON.
function printer:line(level, text)
  self:clear()
  if self.log_json then
    write_json({ text = text, step_index = -1, data = "", trace_id = "" }, level)
  else
    sys.write(STDERR, "elg: " .. M.plain(text) .. "\n")
  end
end

-- A line on stderr, always.
function printer:error(text)
  self:line("error", text)
end

-- A line on stderr unless --quiet.
function printer:note(text)
  if not self.quiet then self:line("info", text) end
end

-- A log record or a warning of the host, as an event of elg.core; `as` (may be nil) is
-- another level than its own.
function printer:event(event, as)
  local level = as or (event.kind == "warning" and "warn" or event.level)
  if (LEVELS[level] or LEVELS.info) < self.level then return end
  local place = event.trace_id
  if event.step_index >= 0 then
    place = ("%s %d %s"):format(place, event.step_index, event.node_id)
  end
  self:clear()
  if self.log_json then return write_json(event, level) end
  local data = event.data ~= "" and event.data ~= "{}" and " " .. event.data or ""
  local line = ("%-5s %s  %s%s"):format(level, place, event.text, data)
  sys.write(STDERR, line:gsub("[%z\1-\31\127]", " ") .. "\n")
end

-- One line of progress, rewritten in place; on a terminal only.
function printer:progress(text)
  if not self.live then return end
  self.shown = true
  sys.write(STDERR, "\r\27[K" .. text:sub(1, sys.columns(STDERR) - 1))
end

-- Takes the line of progress away.
function printer:clear()
  if not self.shown then return end
  self.shown = false
  sys.write(STDERR, "\r\27[K")
end

-- Lines of a table with its columns lined up; numbers to the right.
function M.columns(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, #tostring(cell))
    end
  end
  for r, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local right = type(cell) == "number"
      cells[i] = ("%" .. (right and "" or "-") .. widths[i] .. "s"):format(tostring(cell))
    end
    lines[r] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return lines
end

-- A millisecond count for people: "850 ms", "12.3 s", "4 min 10 s".
function M.duration(ms)
  if ms < 1000 then return ("%.0f ms"):format(ms) end
  if ms < 60000 then return ("%.1f s"):format(ms / 1000) end
  return ("%d min %d s"):format(math.floor(ms / 60000), math.floor(ms / 1000) % 60)
end

return M
