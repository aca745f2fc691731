-- settings: opens the library's host as a command's options say. Uses elg.core, sys.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local sys = require "elg.sys"

local M = {}

-- The compile helper: ELG_COMPILER, or beside the program, or where `make install` puts
-- it. nil leaves the search to the library.
local function compiler()
  local given = os.getenv("ELG_COMPILER")
  if given and given ~= "" then return given end
  local folder = (sys.exe() or ""):match("^(.*)/[^/]*$")
  if not folder then return nil end
  for _, path in ipairs { "/elg-compile", "/../libexec/elg/elg-compile" } do
    if sys.kind(folder .. path) == "file" then return folder .. path end
  end
end

-- open_host(options, more): a host of elg.core. `more` wins: read_only, store, on_event.
-- Ends the command when the store cannot be opened.
function M.open_host(options, more)
  more = more or {}
  return codes.check(core.host_open {
    store = more.store or options.store,
    artifacts = options.artifacts,
    compiler = compiler(),
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

-- A graph of `path`; a graph file that is missing is 4, one that is wrong 3.
function M.open_graph(host, path)
  return codes.check(host:graph(path))
end

return M
