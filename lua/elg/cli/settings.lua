-- settings: opens the library's host as a command's options say. Uses elg.core, sys.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local sys = require "elg.sys"

local M = {}

-- Where elg-jail is, if not where the library looks for it.
local function jailer()
  local given = os.getenv("ELG_JAILER")
  return given ~= "" and given or nil
end

-- Where the compile helper may be, seen from the program's folder: beside it, or where
-- `make install` puts it.
local HELPERS = { "/elg-compile", "/../libexec/elg/elg-compile" }

-- The compile helper: ELG_COMPILER, or the first of HELPERS that is there. Else nil and
-- where it was looked for.
local function compiler()
  local given = os.getenv("ELG_COMPILER")
  if given and given ~= "" then return given end
  local folder, looked = (sys.exe() or ""):match("^(.*)/[^/]*$") or "", {}
  for i, path in ipairs(HELPERS) do
    if sys.kind(folder .. path) == "file" then return folder .. path end
    looked[i] = folder .. path
  end
  return nil, table.concat(looked, " or ")
end

-- As compiler, but of what cannot do without it: ends the command.
local function needed_compiler()
  local path, looked = compiler()
  if path then return path end
  codes.fail(codes.exit.unavailable, ("the compile helper is not there; looked for %s; "
    .. "ELG_COMPILER may say where it is"):format(looked), "elg-compile")
end

-- A store that is a file is there already, or the command ends: a mistyped name must not
-- make a new store. What is wrong, the store says itself when it is only to be read.
local function check_there(store)
  local path = store:match("^sqlite:(.+)$")
  if not path or sys.kind(path) then return end
  codes.check(core.host_open { store = store, read_only = true }):close()
end

-- open_host(options, more): a host of elg.core. `more` wins: read_only, store, on_event;
-- there = true: the store must exist; executes = false: no graph is compiled. Ends the
-- command when the store cannot be opened.
function M.open_host(options, more)
  more = more or {}
  if more.there then check_there(more.store or options.store) end
  local find_compiler = more.executes == false and compiler or needed_compiler
  return codes.check(core.host_open {
    store = more.store or options.store,
    artifacts = options.artifacts,
    compiler = (find_compiler()),
    durability = options.durability,
    checkpoint_interval = options["checkpoint-interval"],
    fuel_max = options.fuel,
    memory_bytes_max = options.memory,
    step_timeout_ms = options["step-timeout-ms"],
    run_timeout_ms = options["run-timeout-ms"],
    activity_timeout_ms = options["activity-timeout-ms"],
    body_bytes_max = options["max-body"],
    fresh_states = options["fresh-states"],
    audit_rate = options.audit,
    jail = options.jail,
    jailer = jailer(),
    allow_net = options["allow-net"],
    read_only = more.read_only,
    on_event = more.on_event,
  })
end

-- with_host(options, more, body): body(host), with the host closed whatever happens.
function M.with_host(options, more, body)
  local host = M.open_host(options, more)
  local ok, result = pcall(body, host)
  host:close()
  if not ok then error(result, 0) end
  return result
end

-- rehearse(options, body): body(host) over a store in memory, if opening the store would make a file: what
-- ends the command here leaves no empty store behind.
function M.rehearse(options, body)
  local path = options.store:match("^sqlite:(.+)$")
  if not path or sys.kind(path) then return end
  local plain = {}
  for name, value in pairs(options) do
    if name ~= "artifacts" then plain[name] = value end
  end
  M.with_host(plain, { store = "memory:" }, body)
end

-- The folder of a graph's files as the user wrote it: "" or "x/y/".
function M.folder(path)
  return path:match("^(.*/)") or ""
end

-- A place in a graph's files ("a.lua:3: nodes") as seen from the current folder, so that an editor finds it;
-- what is no file of that folder is left as it is.
function M.seen(folder, where)
  local file = where:match("^(.-%.lua):") or where
  if folder == "" or file == "" or sys.kind(folder .. file) ~= "file" then return where end
  return folder .. where
end

-- A graph of `path`; a graph file that is missing is 4, one that is wrong 3.
function M.open_graph(host, path)
  local graph, message, status, where = host:graph(path)
  if not graph then codes.fail_status(message, status, M.seen(M.folder(path), where)) end
  return graph
end

return M
