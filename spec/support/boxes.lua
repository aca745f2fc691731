-- boxes: sandboxes, one-node graphs and whole jobs for specs.
local sandbox = require "sandbox_c"
local helper = require "helper"

local M = {}

-- elg-jail of the build: options.jail of a sandbox in processes.
M.jailer = helper.build .. "/elg-jail"

-- A sandbox with the build's compile helper; options as sandbox_c.create's. With
-- ELG_SANDBOX=jail in the environment all of them are jails.
function M.open(options)
  options = options or {}
  if os.getenv("ELG_SANDBOX") == "jail" and options.jail == nil then options.jail = M.jailer end
  options.compiler = options.compiler or helper.build .. "/elg-compile"
  return sandbox.create(options)
end

-- Source of a graph with the node "n" whose function's body is given; `head` goes before.
function M.source(body, head)
  return (head or "") .. [[ local elg = require "elg" return elg.graph { id = "g", version = "1", entry = "n",
nodes = { n = function(state, input, ctx) ]] .. body .. [[ end },
edges = { { from = "n", key = "ok", to = "n" } } }]]
end

-- A program of one file of that source.
function M.program(box, body, head)
  return box:program("graph.lua", { ["graph.lua"] = M.source(body, head) })
end

-- Answers of a boundary that needs no world.
function M.answer(outcome)
  if outcome.type == "now" then return "1700000000000" end
  if outcome.type == "call" or outcome.type == "http" then
    return '{"echo":' .. outcome.request .. "}"
  end
  return "null"
end

-- Resumes until the job is over; the last outcome, and how often it was resumed.
-- between(outcome), if given, is called whenever the job has left.
function M.finish(box, answer, between)
  local outcome, err = box:resume()
  local count = 1
  while outcome and (outcome.kind == "slice" or outcome.kind == "call") do
    if between then between(outcome) end
    if outcome.kind == "slice" then
      outcome, err = box:resume()
    else
      outcome, err = box:resume((answer or M.answer)(outcome))
    end
    count = count + 1
  end
  return outcome, outcome and count or err
end

-- A whole job of node "n".
function M.run(box, program, job, answer, between)
  job = job or {}
  job.node = job.node or "n"
  local ok, err = box:begin(program, job)
  if not ok then return nil, err end
  return M.finish(box, answer, between)
end

-- A whole job of a body, in a sandbox of its own.
function M.eval(body, job, options)
  local box = assert(M.open(options))
  local program, err = M.program(box, body)
  if not program then
    box:close()
    return nil, err
  end
  local outcome, problem = M.run(box, program, job)
  program:close()
  box:close()
  return outcome, problem
end

-- What is the same in every execution of the same job, as one text.
function M.digest(outcome)
  return table.concat({
    outcome.kind, tostring(outcome.fuel), outcome.state or "-", outcome.output or "-",
    outcome.metadata or "", outcome.key or "-", tostring(outcome.edge), outcome.code or "-",
    outcome.message or "-", outcome.where or "-", outcome.traceback or "-",
  }, "|")
end

return M
