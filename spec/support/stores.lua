-- stores: rows and stores for specs of the checkpoint folder.
-- Uses the modules checkpoint_c, sqlite_c and postgres. Every folder it makes is below one of its own.
local checkpoint = require "checkpoint_c"

local M = {}

-- A new folder, removed by M.clean.
local folders = {}
function M.folder()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("*l")
  pipe:close()
  folders[#folders + 1] = path
  return path
end

function M.clean()
  for _, path in ipairs(folders) do os.execute("rm -rf '" .. path .. "'") end
  folders = {}
end

-- The back ends under contract: name, url() of a store that is new, and whether another
-- process can see it.
M.backends = {
  { name = "memory", shared = false, url = function() return "memory:" end },
  { name = "sqlite", shared = true, url = function() return "sqlite:" .. M.folder() .. "/s.db" end },
  { name = "postgres", shared = true, url = function()
    local postgres = require "postgres"
    return (postgres.schema(postgres.shared()))
  end },
}

function M.hash(text)
  return (("%02x"):rep(32)):format(unpack((function()
    local bytes, seed = {}, 5381
    for i = 1, 32 do
      for k = 1, #text do seed = (seed * 33 + text:byte(k) + i) % 4294967291 end
      bytes[i] = seed % 256
    end
    return bytes
  end)()))
end

local function merged(defaults, over)
  local row = {}
  for k, v in pairs(defaults) do row[k] = v end
  for k, v in pairs(over or {}) do row[k] = v end
  return row
end

function M.run(trace_id, over)
  return merged({
    trace_id = trace_id, graph_id = "g", graph_version = "1", graph_hash = M.hash("graph"),
    status = "running", input = '{"n":1}', initial_state = '{"s":0}', limits = "{}", seed = "42",
    step_count = 0, chain = M.hash("begin" .. trace_id), epoch = 1, claims = 0, due_ms = 0,
    started_at_ms = 1000, created_at_ms = 1000,
  }, over)
end

function M.step(step_index, over)
  return merged({
    step_index = step_index, attempt = 1, node_id = "node", status = "ok",
    input_hash = M.hash("in" .. step_index), state_hash = M.hash("st" .. step_index),
    output_hash = M.hash("out" .. step_index), has_edge = true, next_edge = "ok", next_node = "node",
    state = '{"s":' .. step_index .. "}", output = "null", fuel = 100 + step_index,
    activity_count = 0, clock_ms = 1700000000123, started_at_ms = 5, completed_at_ms = 7,
    duration_us = 2001, fingerprint = "luajit 2.1", digest = M.hash("digest" .. step_index),
    has_chain = true, chain = M.hash("chain" .. step_index),
  }, over)
end

function M.open_step(step_index, over)
  return merged({
    step_index = step_index, attempt = 1, node_id = "node", status = "open",
    input_hash = M.hash("in" .. step_index), next_node = "", fuel = 0, activity_count = 1,
    clock_ms = 1700000000123, started_at_ms = 5, duration_us = 0, fingerprint = "luajit 2.1",
    has_edge = false, has_chain = false,
  }, over)
end

function M.activity(step_index, seq, over)
  return merged({
    step_index = step_index, attempt = 1, seq = seq, status = "done", type = "http_request",
    request_hash = M.hash("rq" .. seq), key = M.hash("key" .. seq), request = '{"url":"x"}',
    response = '{"value":1}', due_ms = 0, timestamp_ms = 9, where = "g.lua:3",
    digest = M.hash("da" .. seq),
  }, over)
end

-- A turn that creates `trace_id`.
function M.create(trace_id, over)
  return { create = true, before = 0, run = M.run(trace_id, over) }
end

-- A turn that finishes step `step_index` of the run.
function M.finish(trace_id, step_index, over, records)
  return {
    before = step_index,
    run = M.run(trace_id, merged({ step_count = step_index + 1, chain = M.hash("c" .. step_index) },
      over)),
    records = records or { M.step(step_index) },
  }
end

-- A turn that leaves the count where it is.
function M.stay(trace_id, count, over, records)
  return { before = count, run = M.run(trace_id, merged({ step_count = count }, over)),
    records = records or {} }
end

-- The graph that M.run names.
M.graph = { hash = M.hash "graph", id = "g", version = "1", definition = "{}" }

-- As checkpoint.open, with the graph that M.run names.
function M.connect(url, owner, read_only)
  local store, err = checkpoint.open(url, owner, read_only)
  if store and not read_only then
    assert(store:graph_put(M.graph))
  end
  return store, err
end

-- A store of `backend` with its url; the clock stands still unless told otherwise.
function M.open(backend, owner)
  local url = backend.url()
  return assert(M.connect(url, owner or "pid 1 on here")), url
end


-- Everything that the store says about the run, as one text that can be compared.
function M.dump(value, indent)
  indent = indent or ""
  if type(value) ~= "table" then return tostring(value) end
  local keys, lines = {}, {}
  for k in pairs(value) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do
    lines[#lines + 1] = indent .. tostring(k) .. ": " .. M.dump(value[k], indent .. "  ")
  end
  return "\n" .. table.concat(lines, "\n")
end

-- Starts Lua `code` in another process; gives what to read its lines from. `around` may put
-- something around the command.
local scripts = 0
function M.child(code, around)
  local folder = M.folder()
  os.execute("chmod 755 " .. folder)
  scripts = scripts + 1
  local path = folder .. "/child" .. scripts .. ".lua"
  local file = assert(io.open(path, "w"))
  file:write("package.cpath = ", ("%q"):format(package.cpath), "\npackage.path = ",
    ("%q"):format(package.path), "\n", code)
  file:close()
  local command = "luajit " .. path
  return assert(io.popen("exec " .. (around and around(command) or command), "r"))
end

function M.kill(pid)
  os.execute("kill -9 " .. pid)
end

-- What each of the turns of one commit came to, in a line: "OK FENCED ...".
function M.results(store, ...)
  return (table.concat(assert(store:commit { ... }), " "):gsub("ELG_", ""))
end

-- Commits turns that must all go well.
function M.commit(store, ...)
  local said, wanted = M.results(store, ...), ("OK "):rep(select("#", ...)):sub(1, -2)
  if said ~= wanted then error("committed: " .. said, 2) end
end

return M
