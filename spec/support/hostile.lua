-- hostile: the scripts of spec/fault/hostile/scripts and graphs made of them. A file is a
-- family; a script begins with a line "## title" and is the body of a node function, which
-- gives found(what) if it got hold of something that it must not have.
local outside = require "outside"

local M = {}

local FOLDER = outside.root .. "/spec/fault/hostile/scripts"

-- Names of the families, sorted.
function M.families()
  local pipe, names = assert(io.popen("ls '" .. FOLDER .. "'")), {}
  for line in pipe:lines() do names[#names + 1] = line:match("^(.*)%.txt$") end
  pipe:close()
  table.sort(names)
  return names
end

-- The scripts of a family: { { title, body } ... }.
function M.scripts(family, folder)
  local list = {}
  for line in io.lines((folder or FOLDER) .. "/" .. family .. ".txt") do
    local title = line:match("^## (.+)$")
    if title then
      list[#list + 1] = { title = title, body = "" }
    else
      local last = list[#list]
      last.body = last.body .. (last.body == "" and "" or "\n") .. line
    end
  end
  return list
end

local HEAD = [[
local elg = require "elg"
local nodes, edges, kept = {}, {}, {}
local rawget, tostring, type = rawget, tostring, type
local function found(what) return "ok", { ESCAPED = tostring(what) } end
-- Objects are shown by small numbers, which look like addresses and are none.
local function address(text)
  for digits in text:gmatch("%x%x%x%x%x+") do
    if tonumber(digits, 16) > 0xffff then return true end
  end
  return false
end
local function remember(what) kept.remembered = what end
local function node(name, body)
  nodes[name] = function(state, input, ctx)
    local key, output = body(state, input, ctx)
    if type(output) == "table" and rawget(output, "ESCAPED") then return nil, output end
    if key == nil then key = "ok" end
    return key, output
  end
  edges[#edges + 1] = { from = "begin", key = name, to = name }
  edges[#edges + 1] = { from = name, key = "ok", to = "after" }
end
nodes.begin = function(state, input) state.mine = input.mine return input.node, input end
node("clean", function(state) state.sum = 0 for i = 1, 100 do state.sum = state.sum + i end end)
-- All that a step before could have changed, as a hash.
nodes.after = function()
  local seen = { ("x"):upper(), ("%d"):format(5), tostring({}), math.pi, type(next(kept)),
    tostring(leaked), tostring(("x").leaked), tostring(getmetatable(_G)), type(kept.anything) }
  for name, value in pairs(_G) do
    seen[#seen + 1] = name .. " " .. type(value)
    if type(value) == "table" and value ~= _G then
      for field, of in pairs(value) do seen[#seen + 1] = name .. "." .. field .. " " .. type(of) end
    end
  end
  return nil, { after = elg.hash(seen) }
end
]]

-- The text of a graph whose node "clean" is honest and whose node "s1" ... are the scripts;
-- behind each stands "after", whose output tells whether anything was left.
function M.graph(family, scripts)
  local out = { HEAD }
  for i, script in ipairs(scripts) do
    out[#out + 1] = ("node('s%d', function(state, input, ctx)\n%s\nend)"):format(i, script.body)
  end
  out[#out + 1] = ("return elg.graph { id = %q, version = '1', entry = 'begin', nodes = nodes,"
    .. " edges = edges }"):format(family)
  return table.concat(out, "\n")
end

return M
