-- index: where in a file's text things stand, found without going through all of it, and
-- how much of it a rule has looked at. Knows nothing of rules.
--
-- Lists of nodes here are in the order of the text: by node.index.
local M = {}

local NONE = {}

-- ---- work

local work = {}
work.__index = work

-- new_work(): a count of nodes looked at, shared by the files of one check; no maximum yet.
function M.new_work()
  return setmetatable({ done = 0, max = math.huge }, work)
end

-- begin(max): counts anew, up to so many.
function work:begin(max)
  self.done, self.max = 0, max
end

-- What spend raises past the maximum.
M.TOO_MUCH = setmetatable({}, { __tostring = function() return "more work than elg check does" end })

-- spend(count): nodes that are looked at now. Raises TOO_MUCH.
function work:spend(count)
  self.done = self.done + count
  if self.done > self.max then error(M.TOO_MUCH, 0) end
end

-- ---- lists

-- first(list, index): the place in the list of the first node at `index` or behind it.
function M.first(list, index)
  local low, high = 1, #list + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if list[middle].index < index then low = middle + 1 else high = middle end
  end
  return low
end

-- between(list, first, last): the list's first node from index `first` to `last`, or nil.
function M.between(list, first, last)
  local node = list and list[M.first(list, first)]
  return node and node.index <= last and node or nil
end

-- other_between(list, first, last, but): the same, but another one than `but`.
function M.other_between(list, first, last, but)
  local node = M.between(list, first, last)
  if node ~= but or not node then return node end
  return M.other_between(list, but.index + 1, last, nil)
end

-- nodes(work, list, first, last): iterates over the list's nodes from index to index.
function M.nodes(spent, list, first, last)
  list = list or NONE
  local i = M.first(list, first) - 1
  return function()
    i = i + 1
    local node = list[i]
    if not node or node.index > last then return nil end
    spent:spend(1)
    return node
  end
end

-- add(lists, key, node): puts it at the end of the list of that key; twice in a row is once.
function M.add(lists, key, node)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  if list[#list] ~= node then list[#list + 1] = node end
end

local function add_assign(file, assign)
  for i, target in ipairs(assign.targets) do
    target.place, target.is_target = i, true
    local var = target.tag == "Index" and target.object.var
    if target.var then M.add(file.assigns, target.var, assign) end
    if var then
      M.add(file.writes, var, assign)
      local value = assign.values[i]
      if not (value and value.tag == "Nil") then M.add(file.settings, var, assign) end
    end
  end
end

-- build(file): adds to a file that is laid out flat
--   tags      = { tag = nodes },
--   names     = { var = Names }, bare = { var = Names that are not within an Index },
--   arguments = { var = Calls with it among their arguments },
--   assigns   = { var = Assigns to it }, writes = { var = Assigns to its fields },
--   settings  = { var = those of anything but nil };
-- and to targets of Assigns is_target and place.
function M.build(file)
  file.tags, file.names, file.bare, file.arguments = {}, {}, {}, {}
  file.assigns, file.writes, file.settings = {}, {}, {}
  for _, node in ipairs(file.nodes) do
    M.add(file.tags, node.tag, node)
    if node.tag == "Assign" then
      add_assign(file, node)
    elseif node.tag == "Call" then
      for _, arg in ipairs(node.args) do
        if arg.var then M.add(file.arguments, arg.var, node) end
      end
    elseif node.tag == "Name" and node.var then
      M.add(file.names, node.var, node)
      if node.parent.tag ~= "Index" then M.add(file.bare, node.var, node) end
    end
  end
end

return M
