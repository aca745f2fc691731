-- kernels: what node code costs in the sandbox, beside the same code under LuaJIT's plain
-- interpreter, in turn in one process (luajit -joff). bench/kernels/NAME.lua returns a function
-- of n. Prints a line each and the geometric mean; M.measure gives them to bench/run.lua.
--
-- Uses spec/support (boxes, process_c).
local boxes = require "boxes"
local process = require "process_c"

local M = {}

M.NAMES = { "strings", "tables", "sorting", "records", "patterns", "closures", "numbers", "objects",
  "coroutines", "reading", "walking" }
-- Nothing but pairs and next, sorted here, which is no code of anybody's: its price is shown.
M.TARGETS = { walking = 1 / 0 }
local N = 20000
local ROUNDS = os.getenv("BENCH_FAST") and 5 or 15

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function source(name)
  return read("bench/kernels/" .. name .. ".lua")
end

local function timed(f, ...)
  local began = process.monotonic_us()
  local result = f(...)
  return process.monotonic_us() - began, result
end

local function run(box, program)
  local job = { node = "n", fuel_max = 1e9, memory_bytes = 64 * 2 ^ 20 }
  local outcome = assert(boxes.run(box, program, job))
  assert(outcome.kind == "done", outcome.message)
  return outcome
end

-- { name, plain_us, sandbox_us, ratio, fuel } of one kernel: the best of ROUNDS, in turn.
local function one(box, name)
  local text = source(name)
  local plain = assert(loadstring(text, "=" .. name))()
  local program = assert(box:program("graph.lua", { [name .. ".lua"] = text,
    ["graph.lua"] = boxes.source(("return 'ok', kernel(%d)"):format(N),
      ("local kernel = require '%s'"):format(name)) }))
  local result = { name = name, plain_us = math.huge, sandbox_us = math.huge }
  for _ = 1, ROUNDS do
    collectgarbage()
    local us, value = timed(plain, N)
    result.plain_us = math.min(result.plain_us, us)
    local more, outcome = timed(run, box, program)
    result.sandbox_us = math.min(result.sandbox_us, more)
    result.fuel = outcome.fuel
    assert(outcome.output == ("%d"):format(value), name .. ": " .. outcome.output .. ", not " .. value)
  end
  result.ratio = result.sandbox_us / result.plain_us
  program:close()
  return result
end

-- measure(report): calls report(result) for each kernel; gives the geometric mean of the ratios
-- of those that have the common target.
function M.measure(report)
  jit.off()
  jit.flush()
  local box = assert(boxes.open { memory_bytes = 64 * 2 ^ 20 })
  local logs, count = 0, 0
  for _, name in ipairs(M.NAMES) do
    local result = one(box, name)
    if not M.TARGETS[name] then logs, count = logs + math.log(result.ratio), count + 1 end
    report(result)
  end
  box:close()
  return math.exp(logs / count)
end

if arg and arg[0]:match("kernels%.lua$") then
  local mean = M.measure(function(result)
    print(("%-12s plain %8.0f us  sandbox %8.0f us  ratio %.2f  %5.1f ns a unit of fuel (%d)"):format(result.name,
      result.plain_us, result.sandbox_us, result.ratio, 1000 * result.sandbox_us / result.fuel, result.fuel))
  end)
  print(("geometric mean %.2f"):format(mean))
end

return M
