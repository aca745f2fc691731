-- run_specs: runs every spec, each file in a process of its own, so that a crash is one
-- failure and not the end. luajit tools/run_specs.lua BUILD [FILE|FOLDER ...]. What failed is
-- said again at the end. The last line, kept with that in BUILD/spec/summary, is "N passed, N
-- failed, N skipped"; fails if something failed or nothing ran.
local build, places = arg[1] or "build", { unpack(arg, 2) }
if #places == 0 then places = { "spec" } end

local FILE_SECONDS_MAX = tonumber(os.getenv("ELG_FILE_SECONDS")) or 600
local SLOW_SECONDS = 10

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function spec_files()
  local quoted = {}
  for i, place in ipairs(places) do quoted[i] = quote(place) end
  return lines_of("find " .. table.concat(quoted, " ") .. " -name '*_spec.lua' | LC_ALL=C sort")
end

local counts_path = build .. "/spec/counts"

local function command_of(file)
  return table.concat({
    "ELG_BUILD=" .. quote(build), "ELG_COUNTS=" .. quote(counts_path),
    "LUA_CPATH=" .. quote(build .. "/spec/?.so;;"),
    "LUA_PATH='lua/?.lua;lua/?/init.lua;spec/support/?.lua;;'",
    "timeout --kill-after=5", FILE_SECONDS_MAX, "luajit /usr/bin/busted",
    "--helper=spec/support/helper.lua --output=tools/busted_handler.lua --pattern=_spec",
    quote(file), "2>&1 </dev/null",
  }, " ")
end

-- passed, failed, skipped, and what became of the process if it said nothing itself.
local function read_counts()
  local file = io.open(counts_path)
  local text = file and file:read("*a") or ""
  if file then file:close() end
  local passed, failed, skipped = text:match("^(%d+) (%d+) (%d+)\n$")
  if not passed then return 0, 1, 0, "the process ended before its specs did" end
  return tonumber(passed), tonumber(failed), tonumber(skipped)
end

-- What failed, as lines: the file, its "failed:" and "error:" lines and the first lines of each.
local MESSAGE_LINES_MAX = 10
local failures = {}

local function keep_failures(file, output, died)
  failures[#failures + 1] = file .. (died and (": " .. died) or "")
  local left = 0
  for _, line in ipairs(output) do
    if line:match("^failed: ") or line:match("^error: ") then left = MESSAGE_LINES_MAX end
    if left > 0 then failures[#failures + 1] = "  " .. line end
    left = left - 1
  end
end

local function run_file(file)
  os.remove(counts_path)
  local began = os.time()
  local output = lines_of(command_of(file))
  local passed, failed, skipped, died = read_counts()
  local seconds = os.time() - began
  local slow = seconds >= SLOW_SECONDS and (" (%d s)"):format(seconds) or ""
  io.write(("%4d %s%s\n"):format(passed, file, slow))
  for _, line in ipairs(output) do io.write("       ", line, "\n") end
  if died then io.write("       failed: ", died, "\n") end
  io.flush()
  if failed > 0 then keep_failures(file, output, died) end
  return passed, failed, skipped
end

local total_passed, total_failed, total_skipped = 0, 0, 0
for _, file in ipairs(spec_files()) do
  local passed, failed, skipped = run_file(file)
  total_passed, total_failed = total_passed + passed, total_failed + failed
  total_skipped = total_skipped + skipped
end
os.remove(counts_path)
failures[#failures + 1] = ("%d passed, %d failed, %d skipped"):format(total_passed, total_failed, total_skipped)
local summary = table.concat(failures, "\n")
local file = assert(io.open(build .. "/spec/summary", "w"))
file:write(summary, "\n")
file:close()
print(summary)
os.exit(total_failed == 0 and total_passed > 0 and 0 or 1)
