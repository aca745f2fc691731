-- same: the same Lua text in the sandbox and outside of it, and a generator of numbers that can
-- be repeated.
local boxes = require "boxes"

local M = {}

-- generator(seed): random(n) in 1..n.
function M.generator(seed)
  local x = seed
  return function(n)
    x = (x * 16807) % 2147483647
    return x % n + 1
  end
end

-- Turns results into text: show(...) and msg(pcall(...)), without quotes, escapes or addresses.
M.SHOW = [[
local function show(...)
  local out = {}
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if type(v) == "number" then v = v == math.floor(v) and ("%.0f"):format(v) or ("%.17g"):format(v) end
    out[i] = (tostring(v):gsub("[^%w .,:;_<>()%-]", function(c) return "<" .. c:byte() .. ">" end))
  end
  return table.concat(out, ",")
end
local function msg(ok, ...)
  if ok then return show(ok, ...) end
  return "error"
end
]]

-- What a function body returns in the sandbox; it must end well.
function M.inside(body)
  local out = assert(boxes.eval(body, { fuel_max = 1e9, memory_bytes = 64 * 2 ^ 20 }))
  if out.kind ~= "done" then error(out.kind .. ": " .. tostring(out.message) .. " " .. tostring(out.where)) end
  return out.output
end

-- calls: expressions whose results are compared. outside(text): the original's answer, a line for
-- each; this process's own Lua by default. Errors name the first that differs.
function M.compare(calls, outside)
  local lines = { M.SHOW, "local out = {}" }
  for _, call in ipairs(calls) do
    lines[#lines + 1] = ("out[#out + 1] = msg(pcall(function() return %s end))"):format(call)
  end
  local text = table.concat(lines, "\n") .. "\n"
  local ours = M.inside(("local function f() %s return table.concat(out, ';') end return 'ok', f()"):format(text))
  local theirs = (outside or function(code) return assert(loadstring(code))() end)(text
    .. "return table.concat(out, ';')")
  local a, b, i = theirs:gmatch("[^;]*;?"), ours:sub(2, -2):gmatch("[^;]*;?"), 0
  for part in a do
    i = i + 1
    local other = b()
    if part ~= other then
      error(("%s: %s, not as the original %s"):format(calls[i], tostring(other), part), 0)
    end
  end
  return #calls
end

return M
