-- outside: elg as someone outside drives it: the program started with arguments, its output,
-- its exit code, its end by a signal; folders of its own, graphs as text. Uses process_c,
-- helper and elg.json.
local helper = require "helper"
local json = require "elg.json"
local process = require "process_c"

local M = {}

-- How many times slower than usual everything is: under AddressSanitizer.
M.slow = tonumber(os.getenv("ELG_SLOW") or "") or 1

local WAIT_MS = 120000 * M.slow

-- The absolute path of the build under test, whatever folder a process is started in.
local function absolute(path)
  if path:sub(1, 1) == "/" then return path end
  local pipe = io.popen("pwd")
  local here = pipe:read("*l")
  pipe:close()
  return here .. "/" .. path
end

M.build = absolute(helper.build)
M.program = M.build .. "/elg"
M.root = absolute(".")

-- The whole content of a file; nil if there is none.
function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

-- Writes a file anew; gives its path.
function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

-- The letter of a process's state, as "T" of one that is stopped; nil if there is none.
function M.state(pid)
  return (M.read("/proc/" .. pid .. "/stat") or ""):match("%) (%u)")
end

-- The pids of what a process's first thread has started and what lives; name: of that program alone.
function M.children(pid, name)
  local list = {}
  local text = M.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
  for found in text:gmatch("%d+") do
    local child_name = M.read("/proc/" .. found .. "/comm")
    local state = M.state(found)
    if state and state ~= "Z" and (not name or child_name == name .. "\n") then list[#list + 1] = tonumber(found) end
  end
  return list
end

-- ---- a folder of a spec's own

local place = {}
place.__index = place

-- A new folder; `name` shows up in its path. Ends with place:remove().
function M.place(name)
  local pipe = assert(io.popen("mktemp -d /tmp/elg-" .. (name or "spec") .. "-XXXXXX"))
  local path = pipe:read("*l")
  pipe:close()
  return setmetatable({ path = path, count = 0, running = {} }, place)
end

function place:file(name)
  return self.path .. "/" .. name
end

-- Writes a file of the folder; gives its path.
function place:write(name, text)
  return M.write(self:file(name), text)
end

-- Ends what still runs, removes the folder.
function place:remove()
  for child in pairs(self.running) do child:stop() end
  os.execute("chmod -R u+rwX '" .. self.path .. "' 2>/dev/null; rm -rf '" .. self.path .. "'")
end

-- Rows of the folder's database (or of options.db), by a statement of one's own.
function place:sql(text, ...)
  return process.sql(self:file("elg.db"), text, ...)
end

-- ---- processes

local child = {}
child.__index = child

local function environment(more)
  local env = { PATH = os.getenv("PATH"), HOME = os.getenv("HOME"),
    ASAN_OPTIONS = os.getenv("ASAN_OPTIONS") }
  for name, value in pairs(more or {}) do env[name] = value end
  local list = {}
  for name, value in pairs(env) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

-- Starts argv in the folder. options: env (a table, added to PATH and HOME), stdin (a text),
-- and the limits of process_c.spawn. The child's output goes to files of its own.
function place:start(argv, options)
  options = options or {}
  self.count = self.count + 1
  local base = self:file(("process-%d"):format(self.count))
  local input
  if options.stdin then input = M.write(base .. ".in", options.stdin) end
  local self_child = setmetatable({ place = self, out_path = base .. ".out",
    err_path = base .. ".err", began_us = process.monotonic_us() }, child)
  self_child.pid = process.spawn { argv = argv, env = environment(options.env),
    cwd = options.cwd or self.path, stdin = input, stdout = self_child.out_path,
    stderr = self_child.err_path, file_bytes = options.file_bytes,
    memory_bytes = options.memory_bytes, files = options.files, uid = options.uid }
  self.running[self_child] = true
  return self_child
end

-- The same, of the program elg.
function place:start_elg(argv, options)
  return self:start({ M.program, unpack(argv) }, options)
end

-- Waits; gives the child's end, { code or signal, out, err, cpu_us, rss_kb, ms }; nil if it
-- goes on.
function child:wait(timeout_ms)
  if self.done then return self.done end
  local done = process.wait(self.pid, timeout_ms or WAIT_MS)
  if not done then return nil end
  self.done = done
  self.place.running[self] = nil
  done.ms = (process.monotonic_us() - self.began_us) / 1000
  done.out, done.err = M.read(self.out_path) or "", M.read(self.err_path) or ""
  os.remove(self.out_path)
  os.remove(self.err_path)
  return done
end

-- Sends a signal; by default SIGKILL.
function child:kill(signal)
  return process.kill(self.pid, signal or 9)
end

-- Ends it at once, whatever it does; gives its end.
function child:stop()
  if not self.done then self:kill() end
  return self:wait()
end

-- What it has written so far.
function child:output()
  return M.read(self.out_path) or "", M.read(self.err_path) or ""
end

-- Waits until test() holds; false past the time limit.
function M.eventually(test, timeout_ms)
  local until_us = process.monotonic_us() + (timeout_ms or 60000) * 1000
  repeat
    local value = test()
    if value then return value end
    process.sleep_us(2000)
  until process.monotonic_us() > until_us
  return false
end

-- Runs elg to its end; raises if it does not end.
function place:elg(argv, options)
  local started = self:start_elg(argv, options)
  local done = started:wait(options and options.wait_ms)
  if done then return done end
  started:stop()
  error("elg does not end: " .. table.concat(argv, " "), 2)
end

-- The lines of a text that are JSON, decoded.
function M.documents(text)
  local out = {}
  for line in text:gmatch("[^\n]+") do
    if line:sub(1, 1) == "{" then out[#out + 1] = assert(json.decode(line)) end
  end
  return out
end

-- elg with --json: its end with `docs`, the documents of stdout, and `doc`, the last one.
function place:json(argv, options)
  local with = { unpack(argv) }
  with[#with + 1] = "--json"
  local done = self:elg(with, options)
  done.docs = M.documents(done.out)
  done.doc = done.docs[#done.docs]
  return done
end

-- A graph of one node, for bad input and the like: `body` is the node's function body with
-- state, input, ctx. more: text put before `return elg.graph`.
function M.one_node(body, more)
  return ([[
local elg = require "elg"
%s
local function node(state, input, ctx)
%s
end
return elg.graph { id = "one", version = "1", entry = "only",
  initial = function(input) return { input = input } end,
  nodes = { only = node }, edges = {} }
]]):format(more or "", body)
end

return M
