-- flags: what may stand on the command line, and how it is read. Flags win over the
-- environment, the environment over defaults. Uses codes, near; knows no command.
local codes = require "elg.cli.codes"
local near = require "elg.near"
local sys = require "elg.sys"

local M = {}

local U32_MAX = 4294967295
local EXACT_MAX = 9000000000000000 -- as the library has it
local MEMORY_MAX = 68719476736

-- kind: switch (yes or no in the environment), text, list (repeatable; commas in the environment), count (an integer in
-- min..max), integer (that may be negative), bytes (a count with K, M or G), share (0 to 1),
-- enum (one of `values`), enums (repeatable), time (milliseconds since 1970), age
-- (milliseconds).
M.all = {
  store = { kind = "text", env = "ELG_STORE", default = "sqlite:elg.db", value = "URL",
    help = "sqlite:PATH, postgres://... or memory:" },
  artifacts = { kind = "text", env = "ELG_ARTIFACTS", value = "FOLDER",
    help = "folder of artifacts (default: beside the store)" },
  json = { kind = "switch", help = "JSON on stdout, a document or a document per line" },
  quiet = { kind = "switch", help = "no text on stdout; on stderr only what went wrong, failed runs too" },
  help = { kind = "switch", help = "this text" },
  input = { kind = "text", value = "JSON|FILE|-",
    help = "the run's input; with --concurrency (run) or --lines (submit) JSON Lines, a run a line" },
  trace = { kind = "text", value = "ID", help = "the run's name (default: a new UUID)" },
  seed = { kind = "text", env = "ELG_SEED", value = "TEXT", empty = true,
    help = "any text: the same seed, trace and results, the same run (default: random)" },
  durability = { kind = "enum", env = "ELG_DURABILITY", values = { "effect", "sync" },
    help = "effect: effects wait for the disk; sync: every step does" },
  concurrency = { kind = "count", min = 1, max = 100000, value = "N",
    help = "runs in hand at once" },
  ["allow-net"] = { kind = "list", env = "ELG_ALLOW_NET", value = "HOST[:PORT]",
    help = "reach only this host; may be repeated (default: every host)" },
  ["checkpoint-interval"] = { kind = "count", env = "ELG_CHECKPOINT_INTERVAL", min = 1,
    max = 1000000, value = "N", help = "keep the state every N steps (default 1)" },
  fuel = { kind = "count", env = "ELG_FUEL", min = 1, max = EXACT_MAX, value = "N",
    help = "VM instructions of one attempt" },
  memory = { kind = "bytes", env = "ELG_MEMORY", min = 65536, max = MEMORY_MAX, value = "BYTES",
    help = "Lua memory of one attempt; K, M, G allowed" },
  ["step-timeout-ms"] = { kind = "count", env = "ELG_MAX_STEP_DURATION_MS", min = 1,
    max = U32_MAX, value = "MS", help = "of a step whose node names none" },
  ["run-timeout-ms"] = { kind = "count", env = "ELG_RUN_TIMEOUT_MS", min = 1, max = U32_MAX,
    value = "MS", help = "of a whole run (default: none)" },
  ["activity-timeout-ms"] = { kind = "count", env = "ELG_ACTIVITY_TIMEOUT_MS", min = 1,
    max = U32_MAX, value = "MS", help = "of a call that names none" },
  ["max-body"] = { kind = "bytes", env = "ELG_MAX_BODY", min = 1, max = U32_MAX, value = "BYTES",
    help = "of an HTTP response; K, M, G allowed" },
  ["fresh-states"] = { kind = "switch", env = "ELG_FRESH_STATES",
    help = "build each step's Lua state anew (slower, same results)" },
  audit = { kind = "share", env = "ELG_AUDIT", value = "RATE",
    help = "execute this share of the steps twice, 0 to 1, and compare" },
  key = { kind = "text", value = "KEY",
    help = "any text that names the run: the same key again is the same run" },
  priority = { kind = "integer", min = -1000000, max = 1000000, value = "N",
    help = "higher ones are taken up first (default: the graph's, or 0)" },
  lines = { kind = "switch", help = "the input is JSON Lines, a run a line" },
  graphs = { kind = "list", env = "ELG_GRAPHS", value = "DIR|FILE",
    help = "only runs of these graphs (default: of every graph); may be repeated" },
  ["drain-ms"] = { kind = "count", env = "ELG_DRAIN_MS", min = 0, max = 86400000, value = "MS",
    default = 10000, help = "what is in hand at a stop has so long to end (default 10000)" },
  jail = { kind = "switch", env = "ELG_JAIL",
    help = "node code in processes of its own that reach nothing; no host unless --allow-net" },
  to = { kind = "count", min = 0, max = EXACT_MAX, value = "N", help = "up to and with step N" },
  verify = { kind = "switch", help = "compare everything with the journal" },
  graph = { kind = "text", value = "FILE", help = "execute this code instead of the run's own" },
  step = { kind = "count", min = 0, max = EXACT_MAX, value = "N", help = "this step alone" },
  status = { kind = "enums", help = "only runs of this status; may be repeated",
    values = { "pending", "running", "waiting", "completed", "failed", "timeout", "aborted",
      "diverged", "quarantined", "unfinished" } },
  from = { kind = "count", min = 0, max = EXACT_MAX, value = "N", help = "from step N on" },
  limit = { kind = "count", min = 1, max = EXACT_MAX, value = "N", help = "at most so many" },
  after = { kind = "text", value = "TRACE", help = "what follows this run: the next page" },
  since = { kind = "time", value = "TIME",
    help = "made then or later: 2026-11-23, 2026-11-23T10:00:00Z, or 90m, 24h, 30d ago" },
  ["until"] = { kind = "time", value = "TIME", help = "made before; as --since" },
  format = { kind = "enum", values = { "mermaid", "dot", "json" }, default = "mermaid",
    help = "of the drawing" },
  runs = { kind = "count", min = 1, max = 10000000, value = "R", default = 200,
    help = "how many runs" },
  steps = { kind = "count", min = 1, max = 1000000, value = "S", default = 20,
    help = "steps of a run" },
}

-- Names of flags that belong together.
M.common = { "json", "quiet", "help" }
M.stored = { "store", "artifacts" }
-- Kept with a run: what executes it keeps to them.
M.limiting = { "checkpoint-interval", "fuel", "memory", "step-timeout-ms", "run-timeout-ms",
  "activity-timeout-ms", "max-body", "jail" }
M.executing = { "durability", "allow-net", "checkpoint-interval", "fuel", "memory",
  "step-timeout-ms", "run-timeout-ms", "activity-timeout-ms", "max-body", "fresh-states",
  "audit", "jail" }

local SCALES = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

local function usage(message)
  codes.fail(codes.exit.usage, message)
end

local function read_number(label, flag, text)
  local digits, suffix = text:match("^(%d+)([KMG]?)$")
  if flag.kind == "count" and suffix ~= "" then digits = nil end
  local number = digits and #digits <= 16 and tonumber(digits) * SCALES[suffix]
  if not number or number < flag.min or number > flag.max then
    usage(("%s: %q is not a number from %.0f to %.0f"):format(label, text, flag.min, flag.max))
  end
  return number
end

local function read_integer(label, flag, text)
  local number = text:match("^%-?%d%d?%d?%d?%d?%d?%d?$") and tonumber(text)
  if number and number >= flag.min and number <= flag.max then return number end
  usage(("%s: %q is not an integer from %d to %d"):format(label, text, flag.min, flag.max))
end

local function read_share(label, text)
  local number = text:match("^[%d.]+$") and tonumber(text)
  if not number or number > 1 then
    usage(("%s: %q is not a number from 0 to 1"):format(label, text))
  end
  return number
end

local function read_enum(label, flag, text)
  for _, value in ipairs(flag.values) do
    if value == text then return value end
  end
  usage(("%s: %q is not one of %s"):format(label, text, table.concat(flag.values, ", ")))
end

local AGES_MS = { s = 1000, m = 60000, h = 3600000, d = 86400000 }

-- A count of days since 1970 of a date of the Gregorian calendar; nil if there is none.
local function days_of(year, month, day)
  local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  if leap then lengths[2] = 29 end
  if year < 1970 or not lengths[month] or day < 1 or day > lengths[month] then return nil end
  local before = year - 1
  local days = before * 365 + math.floor(before / 4) - math.floor(before / 100)
    + math.floor(before / 400) - 719162 + day - 1
  for i = 1, month - 1 do days = days + lengths[i] end
  return days
end

-- Milliseconds since 1970 of "2026-11-23" or "2026-11-23T10:00[:00]Z"; nil: it is neither.
local function date_ms(text)
  local year, month, day, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  local days = year and days_of(tonumber(year), tonumber(month), tonumber(day))
  if not days then return nil end
  if rest == "" then return days * AGES_MS.d end
  local hour, minute, second = rest:match("^T(%d%d):(%d%d):?(%d?%d?)Z?$")
  if not hour or tonumber(hour) > 23 or tonumber(minute) > 59 then return nil end
  return days * AGES_MS.d + hour * AGES_MS.h + minute * AGES_MS.m
    + (tonumber(second) or 0) * AGES_MS.s
end

-- Milliseconds of an age such as "90m"; nil: it is none.
local function age_ms(text)
  local digits, unit = text:match("^(%d+)([smhd])$")
  return digits and #digits <= 9 and tonumber(digits) * AGES_MS[unit] or nil
end

local function read_time(label, text)
  local age = age_ms(text)
  local ms = age and sys.wall_ms() - age or date_ms(text)
  if ms then return math.max(ms, 0) end
  usage(("%s: %q is neither a time such as 2026-11-23 or 2026-11-23T10:00:00Z (UTC) nor an age "
    .. "such as 90m, 24h or 30d"):format(label, text))
end

local function read_age(label, text)
  return age_ms(text) or usage(("%s: %q is not an age such as 90m, 24h or 30d"):format(label, text))
end

local SWITCHES = { ["1"] = true, ["true"] = true, yes = true, on = true,
  ["0"] = false, ["false"] = false, no = false, off = false }

local function read_switch(label, text)
  local value = SWITCHES[text:lower()]
  if value ~= nil then return value end
  usage(("%s: %q is neither 1, true, yes, on nor 0, false, no, off"):format(label, text))
end

-- The value of a text that is not a list's; `label` is "--fuel" or "ELG_FUEL".
local function read_value(label, flag, text)
  if flag.kind == "count" or flag.kind == "bytes" then return read_number(label, flag, text) end
  if flag.kind == "integer" then return read_integer(label, flag, text) end
  if flag.kind == "share" then return read_share(label, text) end
  if flag.kind == "enum" or flag.kind == "enums" then return read_enum(label, flag, text) end
  if flag.kind == "time" then return read_time(label, text) end
  if flag.kind == "age" then return read_age(label, text) end
  if text == "" and not flag.empty then usage(label .. ": must not be empty") end
  return text
end

local function from_environment(flag)
  local text = flag.env and os.getenv(flag.env)
  if not text or text == "" then return flag.default end
  if flag.kind == "switch" then return read_switch(flag.env, text) end
  if flag.kind ~= "list" then return read_value(flag.env, flag, text) end
  local list = {}
  for item in text:gmatch("[^,%s]+") do list[#list + 1] = item end
  return list
end

-- Fills in what argv does not say. Ends the command with all values that are wrong, by name.
local function fill_in(options, allowed)
  local names, wrong = {}, {}
  for name in pairs(allowed) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if options[name] == nil then
      local ok, value = pcall(from_environment, allowed[name])
      if not ok and type(value) ~= "table" then error(value, 0) end
      if ok then options[name] = value else wrong[#wrong + 1] = value.message end
    end
  end
  if wrong[1] then usage(table.concat(wrong, "; ")) end
end

-- What the log on stderr looks like; variables that have no flag.
local LOGGING = { LOG_LEVEL = { values = { "debug", "info", "warn", "error" } },
  LOG_FORMAT = { values = { "text", "json" } } }

-- Ends the command with code 2 if LOG_LEVEL or LOG_FORMAT is set, and none that there is.
function M.check_logging()
  for name, flag in pairs(LOGGING) do
    local text = os.getenv(name)
    if text and text ~= "" then read_enum(name, flag, text:lower()) end
  end
end

local function set_flag(options, name, flag, text)
  if flag.kind == "list" or flag.kind == "enums" then
    options[name] = options[name] or {}
    table.insert(options[name], read_value("--" .. name, flag, text))
  else
    options[name] = read_value("--" .. name, flag, text)
  end
end

-- Takes the flag at argv[i]; the index of the last argument it used.
local function take_flag(options, allowed, argv, i)
  local name, text = argv[i]:match("^%-%-([^=]+)=(.*)$")
  name = name or argv[i]:sub(3)
  if argv[i] == "-h" then name = "help" end
  local flag = allowed[name]
  if not flag then
    local names = {}
    for known in pairs(allowed) do names[#names + 1] = "--" .. known end
    usage(("unknown flag %s%s"):format(argv[i], near.hint("--" .. name, names, "; see --help")))
  end
  if flag.kind == "switch" then
    if text then usage(("--%s takes no value"):format(name)) end
    options[name] = true
    return i
  end
  if not text then
    i = i + 1
    text = argv[i]
    if not text then usage(("--%s needs a value"):format(name)) end
  end
  set_flag(options, name, flag, text)
  return i
end

local function is_flag(text)
  return text:sub(1, 2) == "--" or text == "-h"
end

-- parse(argv, names, own): options by flag name (environment and defaults filled in) and
-- the list of other arguments. `own` (may be nil) has a command's own meaning of a name.
-- `--` ends the flags. Ends the command with code 2, naming the flag, for what is not
-- allowed.
function M.parse(argv, names, own)
  local allowed, options, rest = {}, {}, {}
  for _, name in ipairs(names) do allowed[name] = own and own[name] or M.all[name] end
  local i, flags_over = 1, false
  while i <= #argv do
    if not flags_over and argv[i] == "--" then
      flags_over = true
    elseif not flags_over and is_flag(argv[i]) then
      i = take_flag(options, allowed, argv, i)
    else
      rest[#rest + 1] = argv[i]
    end
    i = i + 1
  end
  if not options.help then fill_in(options, allowed) end
  return options, rest
end

-- Help, a line per flag; `own` as for parse.
function M.describe(names, own)
  local lines = {}
  for _, name in ipairs(names) do
    local flag = own and own[name] or M.all[name]
    local value = flag.value or (flag.values and table.concat(flag.values, "|"))
    if name == "status" then value = "STATUS" end
    local left = "--" .. name .. (value and flag.kind ~= "switch" and " " .. value or "")
    local env = flag.env and (" [" .. flag.env .. "]") or ""
    local pad = #left > 28 and "\n" .. (" "):rep(32) or (" "):rep(30 - #left)
    lines[#lines + 1] = "  " .. left .. pad .. flag.help .. env
  end
  return table.concat(lines, "\n")
end

return M
