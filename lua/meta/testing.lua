---@meta elg.testing
-- luacheck: ignore 212 241
-- elg.testing: types for LuaLS. Nothing here is executed.

---@class elg.testing.Failure
---@field code elg.ErrorCode
---@field message? string

---@class elg.testing.Answer
---@field url? string a ctx.http of this URL: status, headers, body
---@field method? string
---@field status? integer default 200
---@field headers? table<string, string>
---@field body? string
---@field call? string a ctx.call of this name: value
---@field wait? string a ctx.wait for this signal: value
---@field run? string a ctx.run of the graph in this file: value
---@field input? table members that the child's input must have
---@field type? "http_request"|"call"|"now"|"sleep"|"wait"|"run"|"write_artifact"|"read_artifact" any such call: value
---@field request? any what the request must be, or members that it must have
---@field value? any
---@field err? elg.testing.Failure
---@field times? number how often it is used; default 1, math.huge: always

---@class elg.testing.Journal

---@class elg.testing.Options
---@field input? any
---@field answers? elg.testing.Answer[]|fun(type: string, request: any): any, elg.testing.Failure?
---@field journal? elg.testing.Journal
---@field now_ms? number where the clock stands
---@field seed? string|number
---@field trace_id? string
---@field timeout_ms? number default 10,000
---@field fuel_max? number
---@field memory_bytes_max? number

---@class elg.testing.Call
---@field type string
---@field request any
---@field value? any
---@field err? elg.Error

---@class elg.testing.Log
---@field level string
---@field text string
---@field fields? table

---@class elg.testing.Result
---@field status "completed"|"failed"|"timeout"|"aborted"|"diverged"|"quarantined"|"waiting"
---@field state any
---@field output any
---@field error any elg.testing.null, or { code, message, where, traceback }
---@field steps integer
---@field state_hash string
---@field graph_hash string
---@field trace_id string
---@field chain string
---@field document string the result's JSON
---@field calls elg.testing.Call[]
---@field logs elg.testing.Log[]
---@field nodes string[] ids, in the order of the steps

---@class elg.testing
---@field null userdata
local testing = {}

---Executes a graph to its end, in the sandbox, with its calls answered from a list.
---@param path string
---@param options? elg.testing.Options
---@return elg.testing.Result
function testing.run(path, options) end

---Answers out of what `elg show TRACE --json` printed.
---@param source string a path, or the text
---@return elg.testing.Journal
function testing.journal(source) end

---A table that is an array also when it is empty.
---@generic T: table
---@param list T
---@return T
function testing.array(list) end

---Raises for what JSON does not have.
---@param value any
---@return string text canonical JSON
function testing.encode(value) end

return testing
