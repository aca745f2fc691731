-- program: runs the program elg of the build in a folder of its own.
local core = require "elg.core"
local helper = require "helper"
local sys = require "elg.sys"

local M = {}

local program = {}
program.__index = program

-- Makes a folder; `files` are written into it: { name = text }.
function M.create(files)
  local here = io.popen("pwd"):read("*l")
  local build = helper.build:match("^/") and helper.build or here .. "/" .. helper.build
  local self = setmetatable({ folder = assert(sys.mkdtemp "/tmp/elg-program-"),
    elg = build .. "/elg" }, program)
  for name, text in pairs(files or {}) do self:write(name, text) end
  return self
end

-- Writes a file of the folder.
function program:write(name, text)
  local file = assert(io.open(self.folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

-- The text of a file of the folder, or nil.
function program:read(name)
  local file = io.open(self.folder .. "/" .. name, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

-- Runs a shell command in the folder, where $ELG is the program; code, stdout, stderr.
function program:sh(command)
  self:write("command.sh", ("cd %s\nELG=%s\n%s\n"):format(self.folder, self.elg, command))
  local line = ("sh %s/command.sh >%s/stdout 2>%s/stderr </dev/null; echo $?"):format(self.folder,
    self.folder, self.folder)
  local pipe = io.popen(line)
  local code = tonumber(pipe:read("*a"))
  pipe:close()
  return code, self:read("stdout"), self:read("stderr")
end

-- Runs elg with arguments as a shell would read them.
function program:run(arguments)
  return self:sh("$ELG " .. arguments)
end

-- As run with --json: code, the decoded document of the last line of stdout, all of
-- stdout, stderr.
function program:json(arguments)
  local code, out, err = self:run(arguments .. " --json")
  local last = out:match("([^\n]*)\n$")
  return code, last and core.decode(last), out, err
end

-- Removes the folder.
function program:destroy()
  sys.remove_tree(self.folder)
end

return M
