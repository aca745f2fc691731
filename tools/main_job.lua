-- main_job: what `make run` does after the build. Starts a web server over the ISO lists of
-- iso-codes, runs examples/atlas for every country, kills it with SIGKILL in the middle,
-- resumes, verifies every run and prints what happened. Fails if anything is not as it must
-- be. luajit tools/main_job.lua BUILD [FOLDER] [COUNTRIES]: FOLDER (BUILD/run) keeps the store
-- and the logs; the first COUNTRIES countries instead of all.
local build = arg[1] or "build"
local folder = arg[2] or build .. "/run"
local countries_max = tonumber(arg[3]) or math.huge
package.cpath = build .. "/spec/?.so;" .. package.cpath
package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
local core = require "elg.core"
local sys = require "elg.sys"

local DATA = "/usr/share/iso-codes/json"
local CONCURRENCY = 16
local KILL_AT = 0.4 -- of the runs have ended
local STEPS_MIN = 20
local PORT_TRIES = 50
local WAIT_SECONDS_MAX = 100

local function fail(text, ...)
  error(text:format(...), 0)
end

-- A word of a shell command.
local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local elg = quote(build .. "/elg")
local store = "--store " .. quote("sqlite:" .. folder .. "/atlas.db")

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a") or ""
  if file then file:close() end
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Runs a shell command: its exit code and stdout.
local function sh(command)
  local pipe = assert(io.popen(command .. "; printf '\\n%d' $?"))
  local text = pipe:read("*a")
  pipe:close()
  local out, code = text:match("^(.*)\n(%d+)$")
  return tonumber(code), out
end

-- The lines of a text, each decoded; half a line at the end is left out.
local function json_lines(text)
  local list = {}
  for line in text:gmatch("([^\n]+)\n") do
    list[#list + 1] = assert(core.decode(line), line)
    list[#list].text = line
  end
  return list
end

local function sleep_ms(ms)
  sys.poll(-1, ms)
end

-- Starts a program in the background; its process id.
local function spawn(command)
  local _, out = sh(("( exec %s ) & echo $!"):format(command))
  return assert(tonumber(out), command)
end

local function is_alive(pid)
  return sh("kill -0 " .. pid .. " 2>/dev/null") == 0
end

local function wait_until(what, test)
  local deadline = os.time() + WAIT_SECONDS_MAX
  while not test() do
    if os.time() > deadline then fail("waited %d s until %s", WAIT_SECONDS_MAX, what) end
    sleep_ms(20)
  end
end

local begun_us = sys.monotonic_us()

local function say(text, ...)
  print(("%5.1f s  " .. text):format((sys.monotonic_us() - begun_us) / 1e6, ...))
end

-- ---- the web server

local function nginx_path()
  local _, path = sh("PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx")
  if path == "" or path == "\n" then fail("nginx is missing: make deps") end
  return (path:gsub("%s+$", ""))
end

local function answers(port)
  return sh(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d' 2>/dev/null"):format(port)) == 0
end

-- Tries ports until the server has one of its own.
local function start_server()
  local template, here = read("tools/nginx.conf.in"), folder .. "/web"
  local nginx = nginx_path()
  local absolute = select(2, sh("cd -- " .. quote(folder) .. " && pwd")):gsub("\n$", "") .. "/web"
  math.randomseed(sys.wall_ms() % 2147483647)
  for _ = 1, PORT_TRIES do
    local port = math.random(20000, 32000)
    sh("mkdir -p -- " .. quote(here))
    local values = { PORT = tostring(port), DATA = DATA }
    write(here .. "/nginx.conf", (template:gsub("@(%u+)@", values)))
    local pid = spawn(("%s -e error.log -p %s -c nginx.conf >%s 2>&1"):format(quote(nginx),
      quote(absolute), quote(here .. "/out")))
    for _ = 1, 100 do
      if not is_alive(pid) or read(here .. "/nginx.pid") ~= "" then break end
      sleep_ms(20)
    end
    if is_alive(pid) and answers(port) then return pid, port end
  end
  fail("no web server: %s", read(here .. "/out") .. read(here .. "/error.log"))
end

-- ---- the runs

local function countries()
  local list = assert(core.decode(read(DATA .. "/iso_3166-1.json")), "iso-codes: make deps")
  local codes = {}
  for i, record in ipairs(list["3166-1"]) do
    if i <= countries_max then codes[i] = record.alpha_2 end
  end
  return codes
end

local function write_inputs(name, codes, port)
  local lines = {}
  for i, code in ipairs(codes) do
    lines[i] = ('{"base":"http://127.0.0.1:%d","country":"%s"}\n'):format(port, code)
  end
  write(folder .. "/" .. name, table.concat(lines))
end

local function run_command(inputs)
  return ("%s run examples/atlas/graph.lua %s --input %s --concurrency %d --json --quiet "
    .. "--allow-net 127.0.0.1"):format(elg, store, quote(folder .. "/" .. inputs), CONCURRENCY)
end

-- Runs of the store, and how many there are of each status.
local function list_runs()
  local code, out = sh(elg .. " list --json " .. store)
  if code ~= 0 then fail("elg list ended with %d", code) end
  local runs, counts = json_lines(out .. "\n"), {}
  for _, run in ipairs(runs) do counts[run.status] = (counts[run.status] or 0) + 1 end
  return runs, counts
end

local function counts_text(counts)
  local parts = {}
  for status, count in pairs(counts) do parts[#parts + 1] = count .. " " .. status end
  table.sort(parts)
  return table.concat(parts, ", ")
end

-- Starts all runs and kills the process in the middle. The results that it had reported.
local function run_and_kill(codes, port)
  write_inputs("inputs.jsonl", codes, port)
  local results = folder .. "/killed.jsonl"
  local pid = spawn(run_command("inputs.jsonl") .. " >" .. quote(results) .. " 2>"
    .. quote(folder .. "/killed.err"))
  say("process %d runs the graph for %d countries, %d at once", pid, #codes, CONCURRENCY)
  local function reported() return #json_lines(read(results)) end
  wait_until("part of the runs had ended", function()
    return reported() >= #codes * KILL_AT or not is_alive(pid)
  end)
  sh("kill -9 " .. pid)
  wait_until("the process was gone", function() return not is_alive(pid) end)
  local _, counts = list_runs()
  say("SIGKILL to %d: %d runs had been reported; the store has %s", pid, reported(),
    counts_text(counts))
  if reported() >= #codes then fail("the kill came too late: no run was unfinished") end
  local unfinished = (counts.running or 0) + (counts.pending or 0) + (counts.waiting or 0)
  if unfinished == 0 then fail("the kill hit no run in the middle") end
  return json_lines(read(results))
end

local function resume()
  local code, out = sh(("%s resume %s --concurrency %d --json --quiet --allow-net 127.0.0.1"):format(
    elg, store, CONCURRENCY))
  local resumed = json_lines(out .. "\n")
  say("elg resume: %d runs taken up and ended, exit code %d", #resumed, code)
  if code ~= 0 then fail("elg resume ended with %d", code) end
  return resumed
end

-- The stored results of runs that have ended.
local function results_of(runs)
  local traces = {}
  for i, run in ipairs(runs) do traces[i] = run.trace_id end
  local code, out = sh(elg .. " resume --json --quiet " .. store .. " " .. table.concat(traces, " "))
  if code ~= 0 then fail("reading results ended with %d", code) end
  return json_lines(out .. "\n")
end

-- Countries whose run had not begun when the process was killed. (One may have ended and not
-- been reported any more: what has begun is what the store has.)
local function run_rest(codes, port)
  local seen, rest = {}, {}
  for _, result in ipairs(results_of((list_runs()))) do seen[result.output.country] = true end
  for _, code in ipairs(codes) do
    if not seen[code] then rest[#rest + 1] = code end
  end
  if #rest == 0 then return end
  write_inputs("rest.jsonl", rest, port)
  local code, out = sh(run_command("rest.jsonl"))
  if code ~= 0 then fail("elg run ended with %d", code) end
  say("elg run: the %d countries that had not begun: %d runs", #rest, #json_lines(out .. "\n"))
end

-- ---- what must hold

-- What the killed process had reported is in the store, to the letter (I4).
local function check_reported(reported)
  if #reported == 0 then return end
  local expected = {}
  for _, result in ipairs(reported) do expected[result.trace_id] = result.text end
  for _, result in ipairs(results_of(reported)) do
    if expected[result.trace_id] ~= result.text then
      fail("%s: the store has another result than was reported", result.trace_id)
    end
    expected[result.trace_id] = nil
  end
  if next(expected) then fail("%s was reported and is not in the store", (next(expected))) end
  say("all %d results reported before the kill are in the store, byte for byte", #reported)
end

local function check_complete(codes)
  local runs, counts = list_runs()
  local steps = 0
  for _, run in ipairs(runs) do
    steps = steps + run.steps
    if run.steps < STEPS_MIN then fail("%s has only %d steps", run.trace_id, run.steps) end
  end
  if #runs ~= #codes or counts.completed ~= #codes then
    fail("%d countries, but runs: %s", #codes, counts_text(counts))
  end
  say("%d runs, all completed, %d steps", #runs, steps)
  return runs
end

-- Each run in a process of its own, two at a time.
local function verify(runs)
  local traces = {}
  for i, run in ipairs(runs) do traces[i] = run.trace_id end
  write(folder .. "/traces", table.concat(traces, "\n") .. "\n")
  local code, out = sh(("xargs -P 2 -n 1 %s replay --verify --json %s <%s"):format(elg, store,
    quote(folder .. "/traces")))
  local verdicts, steps = json_lines(out .. "\n"), 0
  for _, verdict in ipairs(verdicts) do
    if not verdict.verified then fail("not verified: %s", verdict.text) end
    steps = steps + verdict.steps
  end
  if code ~= 0 or #verdicts ~= #runs then
    fail("%d of %d runs verified, exit code %d", #verdicts, #runs, code)
  end
  say("elg replay --verify: %d runs, %d steps, every hash, edge and fuel figure agrees",
    #verdicts, steps)
end

-- Each effect has one key; what was asked twice was asked under the same key.
local function check_requests()
  local asked, count, keys, repeated = {}, 0, 0, 0
  for status, what, key in read(folder .. "/web/access.log"):gmatch("(%d+) (%u+ %S+) (%S+)\n") do
    count = count + 1
    if key == "-" then fail("a request without a key: %s", what) end
    local cut = status == "499" -- the process that asked was killed
    if tonumber(status) >= 400 and not cut then fail("the server answered %s to %s", status, what) end
    if asked[key] and asked[key] ~= what then fail("key %s: %s and %s", key, asked[key], what) end
    if asked[key] then repeated = repeated + 1 else keys = keys + 1 end
    asked[key] = what
  end
  say("the server saw %d requests: %d effects, %d asked again under the same key", count, keys,
    repeated)
end

-- The report of a run that was killed and resumed, one that fits a screen.
local function print_report(resumed)
  table.sort(resumed, function(a, b) return a.output.country < b.output.country end)
  for _, result in ipairs(resumed) do
    local hash, subdivisions = result.output.report, result.output.subdivisions
    if subdivisions >= 5 and subdivisions <= 12 then
      print(("\nThe report of %s, one of those killed and resumed:\n"):format(result.trace_id))
      print((read(("%s/atlas.db-artifacts/%s/%s"):format(folder, hash:sub(1, 2), hash:sub(3)))
        :gsub("\n\n", "\n")))
      return
    end
  end
end

local function job(port)
  local codes = countries()
  local reported = run_and_kill(codes, port)
  local resumed = resume()
  run_rest(codes, port)
  check_reported(reported)
  local runs = check_complete(codes)
  verify(runs)
  check_requests()
  print_report(resumed)
end

local function main()
  sys.remove_tree(folder)
  sh("mkdir -p -- " .. quote(folder))
  local server, port = start_server()
  say("nginx (process %d) serves %s on port %d", server, DATA, port)
  local ok, problem = pcall(job, port)
  sh("kill " .. server)
  wait_until("the web server ended", function() return not is_alive(server) end)
  if not ok then fail("%s", problem) end
  say("all is well; %s/atlas.db keeps the runs", folder)
end

local ok, problem = pcall(main)
if not ok then
  io.stderr:write("the main job failed: ", tostring(problem), "\n")
  os.exit(1)
end
