-- prelude: the Lua part of the sandbox's library: module "elg", ctx, and the reading of what
-- elg.graph is given. It runs once when a graph is loaded; `prim` holds C primitives. Its
-- frames are not the author's: errors name the author's line.
local prim = ...
local type, pairs, ipairs, error, tostring = type, pairs, ipairs, error, tostring
local GRAPHS = {} -- what elg.graph returned -> the graph, which authors' code cannot reach

local function fail(text)
  error(text, 0)
end

local function expect(value, wanted, what)
  if type(value) ~= wanted then
    fail(what .. ": must be a " .. wanted .. ", not a " .. type(value))
  end
  return value
end

local function expect_or_nil(value, wanted, what)
  if value ~= nil then expect(value, wanted, what) end
  return value
end

local function check_fields(given, known, what)
  for name in pairs(given) do
    if not known[name] then fail(what .. ": unknown field " .. tostring(name)) end
  end
end

-- ---- elg.graph

local GRAPH_FIELDS = {
  id = true, version = true, entry = true, initial = true, nodes = true, edges = true,
  description = true, limits = true, priority = true,
}
local LIMITS_FIELDS = { concurrency = true, key = true, key_concurrency = true, rate = true }
local RATE_FIELDS = { count = true, per_ms = true }
local NODE_FIELDS = {
  run = true, retry = true, timeout_ms = true, description = true,
  input_schema = true, output_schema = true,
}
local RETRY_FIELDS = {
  max_attempts = true, backoff = true, initial_delay_ms = true, max_delay_ms = true,
}
local EDGE_FIELDS = { from = true, key = true, to = true, when = true, description = true }

local function read_retry(retry, what)
  if retry == nil then return prim.null end
  expect(retry, "table", what)
  check_fields(retry, RETRY_FIELDS, what)
  return {
    max_attempts = expect_or_nil(retry.max_attempts, "number", what .. ".max_attempts"),
    backoff = expect_or_nil(retry.backoff, "string", what .. ".backoff"),
    initial_delay_ms = expect_or_nil(retry.initial_delay_ms, "number", what .. ".initial_delay_ms"),
    max_delay_ms = expect_or_nil(retry.max_delay_ms, "number", what .. ".max_delay_ms"),
  }
end

-- How many runs of the graph workers execute at once, and begin in a time.
local function read_limits(limits)
  if limits == nil then return nil end
  check_fields(expect(limits, "table", "limits"), LIMITS_FIELDS, "limits")
  local rate = expect_or_nil(limits.rate, "table", "limits.rate")
  if rate then check_fields(rate, RATE_FIELDS, "limits.rate") end
  return {
    concurrency = expect_or_nil(limits.concurrency, "number", "limits.concurrency"),
    key = expect_or_nil(limits.key, "string", "limits.key"),
    key_concurrency = expect_or_nil(limits.key_concurrency, "number", "limits.key_concurrency"),
    rate = rate and {
      count = expect(rate.count, "number", "limits.rate.count"),
      per_ms = expect(rate.per_ms, "number", "limits.rate.per_ms"),
    },
  }
end

local function read_node(node, what)
  if type(node) == "function" then
    return node, { line = prim.line_of(node), retry = prim.null, timeout_ms = prim.null }
  end
  if type(node) ~= "table" then
    fail(what .. ": must be a function or a table with run, not a " .. type(node))
  end
  check_fields(node, NODE_FIELDS, what)
  for _, name in ipairs { "input_schema", "output_schema" } do
    if node[name] ~= nil then
      fail(what .. "." .. name .. ": schemas are not supported by this version; check the value in run")
    end
  end
  expect(node.run, "function", what .. ".run")
  local timeout_ms = expect_or_nil(node.timeout_ms, "number", what .. ".timeout_ms")
  return node.run, {
    line = prim.line_of(node.run),
    retry = read_retry(node.retry, what .. ".retry"),
    timeout_ms = timeout_ms == nil and prim.null or timeout_ms,
  }
end

local function read_nodes(nodes)
  local runs, described = {}, {}
  for name, node in pairs(expect(nodes, "table", "nodes")) do
    if type(name) ~= "string" then fail("nodes: names must be strings, not a " .. type(name)) end
    runs[name], described[name] = read_node(node, "nodes." .. name)
  end
  return runs, described
end

local function read_edges(edges, line)
  local whens, described = {}, prim.array {}
  for i, edge in pairs(expect_or_nil(edges, "table", "edges") or {}) do
    if i ~= #described + 1 then fail("edges: must be a list, without holes") end
    local what = "edges[" .. i .. "]"
    expect(edge, "table", what)
    check_fields(edge, EDGE_FIELDS, what)
    local when = expect_or_nil(edge.when, "function", what .. ".when")
    whens[i] = when or false
    described[i] = {
      from = expect(edge.from, "string", what .. ".from"),
      key = expect(edge.key, "string", what .. ".key"),
      to = expect(edge.to, "string", what .. ".to"),
      when = when ~= nil,
      line = when and prim.line_of(when) or line,
    }
  end
  return whens, described
end

local function read_initial(initial)
  local kind = type(initial)
  if kind == "nil" then return "none" end
  if kind ~= "table" and kind ~= "function" then
    fail("initial: must be a table or a function, not a " .. kind)
  end
  if kind == "table" then
    local _, problem = prim.check(initial, "initial")
    if problem then fail(problem) end
  end
  return kind
end

local function graph(given)
  expect(given, "table", "elg.graph")
  check_fields(given, GRAPH_FIELDS, "elg.graph")
  local runs, nodes = read_nodes(given.nodes)
  local line = prim.line()
  local whens, edges = read_edges(given.edges, line)
  local initial = given.initial
  local described = {
    id = expect(given.id, "string", "id"),
    version = expect(given.version, "string", "version"),
    entry = expect(given.entry, "string", "entry"),
    initial = read_initial(initial),
    nodes = nodes,
    edges = edges,
    limits = read_limits(given.limits),
    priority = expect_or_nil(given.priority, "number", "priority"),
    line = line,
  }
  local handle = {}
  GRAPHS[handle] = { runs, whens, described, initial }
  return handle
end

local PATH = 5 -- of a graph that a file returned: where, for ctx.run

local function note_path(loaded, path)
  local graph = GRAPHS[loaded]
  if graph and not graph[PATH] then graph[PATH] = path end
end

-- What the entry file returned: its description, functions by node and edge, initial.
local function finish(loaded)
  local graph = loaded ~= nil and GRAPHS[loaded]
  if not graph then
    fail("the graph's file must return elg.graph { ... }, not a " .. type(loaded))
  end
  return graph[3], graph[1], graph[2], graph[4]
end

-- ---- ctx

local function copy_without(request, what, ...)
  local copy = {}
  for name, value in pairs(expect(request, "table", what)) do copy[name] = value end
  for _, name in ipairs { ... } do copy[name] = nil end
  return copy
end

-- Performs a call. With raise, an activity error is raised as error { code, message }.
local function perform(kind, request, raise)
  local value, err = prim.call(kind, request)
  if err ~= nil and raise then error(err, 0) end
  return value, err
end

local ctx = {}

function ctx.now()
  return perform("now", {}, true)
end

function ctx.sleep(ms)
  expect(ms, "number", "ctx.sleep")
  return perform("sleep", { ms = ms }, true)
end

local LEVELS = { debug = true, info = true, warn = true, error = true }

-- log(text), log(text, fields), log(level, text), log(level, text, fields)
function ctx.log(level, text, fields)
  if type(text) ~= "string" then level, text, fields = "info", level, text end
  expect(text, "string", "ctx.log")
  if not LEVELS[level] then
    fail("ctx.log: unknown level " .. tostring(level) .. "; there are debug, info, warn and error")
  end
  perform("log", { level = level, text = text, fields = fields }, false)
end

local function http_request(request)
  if type(request) == "string" then return { url = request } end
  return copy_without(request, "ctx.http", "reconcile", "raise")
end

-- Without a value, err: raised if that is asked for.
local function failed(err, raise)
  if raise then error(err, 0) end
  return nil, err
end

-- The outcome of an at-most-once call is unknown: the author's function finds it out, and
-- what it finds is recorded as the call's result. Nothing found: it stays unknown.
local function settle(given, request, err)
  local result = given.reconcile(ctx, copy_without(request, "ctx.http"))
  if result == nil then return failed(err, given.raise) end
  return perform("settle", { key_of = request, result = result }, given.raise)
end

function ctx.http(given)
  local request = http_request(given)
  if type(given) == "string" then return perform("http", request, false) end
  expect_or_nil(given.reconcile, "function", "ctx.http: reconcile")
  local value, err = prim.call("http", request)
  if err ~= nil and err.code == "UNKNOWN" and given.reconcile then return settle(given, request, err) end
  if err ~= nil then return failed(err, given.raise) end
  return value
end

local function generic(kind)
  return function(given)
    local request = copy_without(given, "ctx." .. kind, "raise")
    return perform(kind, request, given.raise)
  end
end

ctx.send, ctx.request, ctx.mcp = generic "send", generic "request", generic "mcp"
ctx.sql = generic "sql"

-- The request of ctx.wait(name, timeout_ms) or ctx.wait { name =, timeout_ms = }.
local function wait_request(given, timeout_ms, what)
  if type(given) == "table" then return copy_without(given, what, "raise") end
  return { name = expect(given, "string", what),
    timeout_ms = expect_or_nil(timeout_ms, "number", what .. ": timeout") }
end

function ctx.wait(given, timeout_ms)
  return perform("wait", wait_request(given, timeout_ms, "ctx.wait"),
    type(given) == "table" and given.raise)
end

-- The request of ctx.run(graph, input): the graph's file, which the run's own graph has.
local function run_request(child, input, what)
  local graph = child ~= nil and GRAPHS[child]
  if not graph then
    fail(what .. ": the graph must be what require gave for a file that returns elg.graph { ... }, not a "
      .. type(child))
  end
  if not graph[PATH] then
    fail(what .. ": this graph has no file of its own; put it into one, and require that")
  end
  if input == nil then input = {} end
  return { graph = graph[PATH], input = input }
end

local RUN_OPTIONS, MAP_OPTIONS = { raise = true }, { concurrency = true }

local function check_options(options, known, what)
  for name in pairs(expect_or_nil(options, "table", what .. ": options") or {}) do
    if not known[name] then fail(what .. ": unknown option " .. tostring(name)) end
  end
end

function ctx.run(child, input, options)
  check_options(options, RUN_OPTIONS, "ctx.run")
  return perform("run", run_request(child, input, "ctx.run"), options and options.raise)
end

local MAP_MAX, AT_ONCE_MAX = 1000, 256

local function expect_list(given, what)
  for key in pairs(given) do
    if type(key) ~= "number" or key < 1 or key > #given or key % 1 ~= 0 then
      fail(what .. " must be a list, without the key " .. tostring(key))
    end
  end
end

-- A run of the graph for each input; at most options.concurrency of them at once.
function ctx.map(child, inputs, options)
  expect(inputs, "table", "ctx.map: inputs")
  check_options(options, MAP_OPTIONS, "ctx.map")
  local at_once = expect_or_nil(options and options.concurrency, "number", "ctx.map: concurrency")
    or AT_ONCE_MAX
  if at_once < 1 or at_once > AT_ONCE_MAX or at_once % 1 ~= 0 then
    fail("ctx.map: concurrency must be a whole number from 1 to " .. AT_ONCE_MAX)
  end
  if #inputs > MAP_MAX then
    fail("ctx.map: " .. #inputs .. " inputs, at most " .. MAP_MAX .. " are allowed; map parts of "
      .. "the list in steps of their own")
  end
  expect_list(inputs, "ctx.map: inputs")
  local calls = prim.array {}
  for i = 1, #inputs do
    calls[i] = prim.array { "run", run_request(child, inputs[i], "ctx.map[" .. i .. "]") }
  end
  if #calls == 0 then return {} end
  return perform("all", { at_once = at_once, calls = calls }, true)
end

local CALL_OPTIONS = { timeout_ms = true, at_most_once = true, raise = true }

local function call_request(name, request, options, what)
  check_options(options, CALL_OPTIONS, what)
  if request == nil then request = prim.null end
  return { name = expect(name, "string", what), request = request,
    timeout_ms = options and options.timeout_ms, at_most_once = options and options.at_most_once }
end

function ctx.call(name, request, options)
  return perform("call", call_request(name, request, options, "ctx.call"), options and options.raise)
end

ctx.artifact = {
  write = function(content, options)
    local request = options == nil and {} or copy_without(options, "ctx.artifact.write", "raise")
    request.content = expect(content, "string", "ctx.artifact.write")
    return perform("artifact.write", request, options and options.raise)
  end,
  -- ref: the hash, or what artifact.write or http gave
  read = function(ref, options)
    local request = options == nil and {} or copy_without(options, "ctx.artifact.read", "raise")
    if type(ref) == "table" then ref = ref.hash or ref.artifact end
    request.hash = expect(ref, "string", "ctx.artifact.read")
    return perform("artifact.read", request, options and options.raise)
  end,
}

local ALL_MAX = 256
local ALL_KINDS = { http = true, call = true, wait = true, run = true, ["artifact.write"] = true,
  ["artifact.read"] = true }
local ALL_NAMES = '{ "http", ... }, { "call", ... }, { "wait", ... }, { "run", ... }, ' ..
  '{ "artifact.write", ... }, { "artifact.read", ... }'

local function all_entry(entry, i)
  local what = "ctx.all[" .. i .. "]"
  expect(entry, "table", what)
  local kind = entry[1]
  if not ALL_KINDS[kind] then
    fail(what .. ": cannot do " .. tostring(kind) .. " here, only " .. ALL_NAMES)
  end
  local given = kind == "call" and entry[4] or entry[2]
  if type(given) == "table" and given.raise then
    fail(what .. ": raise is for single calls; the outcome of each is in the list")
  end
  if kind == "call" then
    return prim.array { "call", call_request(entry[2], entry[3], entry[4], what) }
  end
  local request = entry[2]
  if kind == "wait" then
    request = wait_request(request, entry[3], what)
  elseif kind == "run" then
    request = run_request(request, entry[3], what)
  elseif kind == "http" then
    if type(request) == "table" and request.reconcile ~= nil then
      fail(what .. ": reconcile is for ctx.http alone")
    end
    request = http_request(request)
  elseif type(request) == "string" then
    request = { [kind == "artifact.write" and "content" or "hash"] = request }
  end
  return prim.array { kind, expect(request, "table", what) }
end

function ctx.all(list)
  expect(list, "table", "ctx.all")
  if #list > ALL_MAX then fail("ctx.all: more than " .. ALL_MAX .. " calls") end
  expect_list(list, "ctx.all: calls")
  local request = prim.array {}
  for i = 1, #list do request[i] = all_entry(list[i], i) end
  if #request == 0 then return {} end
  return perform("all", request, true)
end

ctx.rand, ctx.uuid, ctx.secret = prim.rand, prim.uuid, prim.secret

-- ---- module "elg"

local elg = {
  graph = graph,
  array = prim.array,
  null = prim.null,
  hash = prim.hash,
  json = { encode = prim.encode, decode = prim.decode },
}

return { elg = elg, ctx = ctx, finish = finish, note_path = note_path }
