---@meta elg
-- luacheck: ignore 111 112 121 122 131 143 212 241
-- elg: types of module "elg" and of what a node is given, for LuaLS. Nothing here is executed.

---A JSON value: nil only where a member may be missing.
---@alias elg.Value string|number|boolean|elg.Null|table

---What elg.null is.
---@class elg.Null

---What ctx.secret gives: it stands for the value, which Lua never sees.
---@class elg.Secret

---Text, or a secret's value, or both joined.
---@alias elg.Text string|elg.Secret|(string|elg.Secret)[]

---The error of a call: `nil, err`, or what is raised with `raise = true`. tostring(err) is
---"CODE: message".
---@class elg.Error
---@field code elg.ErrorCode
---@field message string
---@field trace_id? string of ctx.run and ctx.map: the child run that failed

---What the host's own function or the child's graph says, or one of these.
---@alias elg.ErrorCode string
---| "INVALID_REQUEST"
---| "NET_DENIED"
---| "RESOLVE"
---| "CONNECT"
---| "TLS"
---| "TIMEOUT"
---| "PROTOCOL"
---| "TRUNCATED"
---| "BODY_TOO_LARGE"
---| "HEADERS_TOO_LARGE"
---| "REDIRECT"
---| "NOT_FOUND"
---| "CORRUPT"
---| "NOT_TEXT"
---| "TOO_LARGE"
---| "FULL"
---| "IO"
---| "NO_SUCH_ACTIVITY"
---| "INVALID_RESULT"
---| "HOST"
---| "ABANDONED"
---| "FAILED"
---| "UNKNOWN"
---| "UNSUPPORTED"
---| "NO_MEMORY"
---| "NO_SUCH_GRAPH"
---| "INVALID_GRAPH"
---| "LIMIT"
---| "ABORTED"
---| "DIVERGED"
---| "QUARANTINED"
---| "RAISED"
---| "FUEL"
---| "MEMORY"
---| "CRASHED"
---| "NO_EDGE"
---| "STEPS_MAX"
---| "INVALID_STATE"
---| "INVALID_OUTPUT"

---A table given to error(): with `retry = false` the node is not tried again.
---@class elg.Failure
---@field code? string
---@field message? string
---@field retry? boolean

---@class elg.HttpRequest
---@field url elg.Text
---@field method? string default "GET"
---@field headers? table<string, elg.Text>
---@field body? string|{ artifact: string }
---@field timeout_ms? integer
---@field max_bytes? integer of the response
---@field follow? boolean redirects; default true
---@field at_most_once? boolean never sent again when its outcome is unknown
---@field reconcile? fun(ctx: elg.Ctx, request: elg.HttpRequest): elg.Value what became of it
---@field raise? boolean raise errors in place of returning them

---@class elg.HttpResponse
---@field status integer every status is a response, also 500
---@field headers table<string, string> names in lower case
---@field body? string
---@field artifact? string hash of a body that is large or not UTF-8
---@field size? integer bytes of the artifact

---@class elg.ArtifactInfo
---@field hash string
---@field size integer bytes
---@field name? string
---@field type? string

---@class elg.ArtifactContent
---@field content string

---@class elg.Raise
---@field raise? boolean raise errors in place of returning them

---@class elg.WriteOptions: elg.Raise
---@field name? string
---@field type? string media type
---@field encoding? "base64" of the content: what is kept are the bytes it stands for

---@class elg.ReadOptions: elg.Raise
---@field encoding? "base64" of the content that is given

---@class elg.AllResult
---@field ok boolean
---@field value? any
---@field err? elg.Error

---@class elg.CtxArtifact
local artifact = {}

---Stores a text, or bytes given as base64 with encoding = "base64", under its hash, durably.
---@param content string
---@param options? elg.WriteOptions
---@return elg.ArtifactInfo? info
---@return elg.Error? err
function artifact.write(content, options) end

---Reads what was stored: by hash, by what write gave, or by an HTTP response.
---@param ref string|elg.ArtifactInfo|elg.HttpResponse
---@param options? elg.ReadOptions
---@return elg.ArtifactContent? content
---@return elg.Error? err
function artifact.read(ref, options) end

---What a node may do besides computing. Every call is recorded; a replay gives the same.
---@class elg.Ctx
---@field trace_id string the run
---@field step_index integer from 0
---@field node_id string
---@field attempt integer from 1
---@field previous? string the node before; nil in the first step
---@field artifact elg.CtxArtifact
local ctx = {}

---Milliseconds since 1970; never goes back within a run.
---@return integer ms
function ctx.now() end

---@param ms number milliseconds; the run survives a restart meanwhile
function ctx.sleep(ms) end

---A line of the log, told once the step is durable.
---@overload fun(text: string, fields?: table)
---@param level "debug"|"info"|"warn"|"error"
---@param text string
---@param fields? table
function ctx.log(level, text, fields) end

---ctx.http "https://example.org" is a GET of it.
---@param request string|elg.HttpRequest a URL, or more
---@return elg.HttpResponse? response
---@return elg.Error? err
function ctx.http(request) end

---@class elg.CallOptions: elg.Raise
---@field timeout_ms? integer
---@field at_most_once? boolean never performed twice: nil, { code = "UNKNOWN" } where it may have happened

---A function of the host, by its name.
---@param name string
---@param request? elg.Value
---@param options? elg.CallOptions
---@return any result
---@return elg.Error? err
function ctx.call(name, request, options) end

---Several calls at once: { "http", {...} }, { "call", "name", request },
---{ "artifact.write", {...} }, { "artifact.read", hash }, { "wait", name, timeout_ms }, { "run", graph, input };
---at most 256.
---@param calls table[]
---@return elg.AllResult[] results in the order of the calls
function ctx.all(calls) end

---Executes another graph on that input and waits for its output. If it fails: nil, err with its
---code, message and trace_id.
---@param graph elg.GraphValue what require gave for a file that returns elg.graph { ... }
---@param input? elg.Value
---@param options? elg.Raise
---@return any output
---@return elg.Error? err
function ctx.run(graph, input, options) end

---@class elg.MapOptions
---@field concurrency? integer 1 to 256 at once; default 256

---Executes another graph on each input; at most 1000.
---@param graph elg.GraphValue
---@param inputs elg.Value[]
---@param options? elg.MapOptions
---@return elg.AllResult[] results in the order of the inputs
function ctx.map(graph, inputs, options) end

---Not performed by this version: nil, { code = "UNSUPPORTED" }. ctx.call reaches the host's own functions.
---@deprecated
---@param request table
---@return nil
---@return elg.Error err
function ctx.send(request) end

---Not performed by this version: nil, { code = "UNSUPPORTED" }. ctx.call reaches the host's own functions.
---@deprecated
---@param request table
---@return nil
---@return elg.Error err
function ctx.request(request) end

---Not performed by this version: nil, { code = "UNSUPPORTED" }. ctx.call reaches the host's own functions.
---@deprecated
---@param request table
---@return nil
---@return elg.Error err
function ctx.mcp(request) end

---Not performed by this version: nil, { code = "UNSUPPORTED" }. ctx.call reaches the host's own functions.
---@deprecated
---@param request table
---@return nil
---@return elg.Error err
function ctx.sql(request) end

---@class elg.WaitRequest: elg.Raise
---@field name string
---@field timeout_ms? number without: for ever

---Waits for a signal of that name (`elg signal TRACE NAME JSON`): the first that came is the
---first that is taken. On timeout nil, { code = "TIMEOUT" }.
---@param signal string|elg.WaitRequest its name, or more
---@param timeout_ms? number milliseconds; without: for ever
---@return any payload
---@return elg.Error? err
function ctx.wait(signal, timeout_ms) end

---An integer in [0, n), computed from the run's seed.
---@param n integer
---@return integer
function ctx.rand(n) end

---A UUID, computed from the run's seed.
---@return string
function ctx.uuid() end

---A secret for http headers and URLs (the environment's ELG_SECRET_NAME).
---@param name string
---@return elg.Secret
function ctx.secret(name) end

---What a node may return in place of an edge's key and its output.
---@class elg.Result
---@field next? string the edge's key; nil ends the run
---@field output? elg.Value
---@field state? elg.Value in place of the node's own copy
---@field metadata? elg.Value kept with the step

---The state is the node's own copy, kept when it returns; the input is the output of the node
---before. Returns the key of an edge (nil ends the run) and the output.
---@alias elg.Run fun(state: any, input: any, ctx: elg.Ctx): (string|elg.Result|nil), any

---@class elg.Retry
---@field max_attempts? integer default 1
---@field backoff? "constant"|"linear"|"exponential"
---@field initial_delay_ms? number
---@field max_delay_ms? number

---@class elg.Node
---@field run elg.Run
---@field retry? elg.Retry
---@field timeout_ms? integer of an attempt: executing and calls
---@field input_schema? nil schemas are not supported by this version
---@field output_schema? nil
---@field description? string

---@class elg.Edge
---@field from string
---@field key string
---@field to string
---@field when? fun(state: any, output: any): any the edge holds if this is true, too
---@field description? string

---@class elg.Limits
---@field concurrency? integer runs of the graph at once
---@field key? string the path of a field of the input, "customer.id"
---@field key_concurrency? integer at once of those with the same value there
---@field rate? { count: integer, per_ms: integer } so many begin in any per_ms

---@class elg.Graph
---@field id string
---@field version string
---@field entry string the first node
---@field nodes table<string, elg.Run|elg.Node>
---@field edges? elg.Edge[] tried in order
---@field priority? integer higher ones are taken up first by workers
---@field limits? elg.Limits how many runs workers take up
---@field initial? elg.Value|fun(input: any): elg.Value the state before the first step; no ctx, no clock
---@field description? string

---@class elg.Json
local json = {}

---@param value elg.Value
---@return string text canonical (RFC 8785)
function json.encode(value) end

---For what is not JSON: nil and what is wrong.
---@param text string
---@param options? { big: "string" } keep integers beyond 2^53 as text
---@return any value
---@return string? problem
function json.decode(text, options) end

---@class elg.Os
os = {}

---Seconds since 1970 when the attempt began, or of a time.
---@param time? table
---@return integer
function os.time(time) end

---@param format? string
---@param time? integer default: when the attempt began
---@return string|table
function os.date(format, time) end

---@return number seconds
function os.clock() end

---@param later number
---@param earlier? number
---@return number seconds
function os.difftime(later, earlier) end

---A file of the graph's folder, or a table of the library; at the top of a file only.
---@param name string
---@return any
function require(name) end

---As Lua 5.3's, and strict: characters are what a state may hold.
---@class elg.Utf8
---@field charpattern string matches one character
utf8 = {}

---@param ... integer
---@return string
function utf8.char(...) end

---@param s string
---@param i? integer default 1
---@param j? integer default i
---@return integer ... code points of the characters that begin from i to j
function utf8.codepoint(s, i, j) end

---for position, code in utf8.codes(s) do ... end
---@param s string
---@return fun(s: string, i: integer): integer, integer
---@return string s
---@return integer i
function utf8.codes(s) end

---@param s string
---@param i? integer default 1
---@param j? integer default -1
---@return integer? count nil: not UTF-8
---@return integer? position of the first byte that is not
function utf8.len(s, i, j) end

---@param s string
---@param n integer
---@param i? integer
---@return integer? position of the n-th character from i
function utf8.offset(s, n, i) end

---@class elg
---@field json elg.Json
---@field null elg.Null
local elg = {}

---What elg.graph makes; opaque.
---@class elg.GraphValue

---What a graph's file returns.
---@param graph elg.Graph
---@return elg.GraphValue
function elg.graph(graph) end

---A table that is an array also when it is empty.
---@generic T: table
---@param list T
---@return T
function elg.array(list) end

---SHA-256 of a value's canonical JSON, 64 hex digits.
---@param value elg.Value
---@return string
function elg.hash(value) end

return elg
