-- helper: loaded by busted before every suite. Names the folders that specs need.
local M = {}

-- Folder of other people's conformance cases; nil if it is not on this machine.
function M.conformance(name)
  local root = os.getenv("ELG_CONFORMANCE") or "../shared/conformance"
  local probe = io.open(root .. "/README.md")
  if not probe then return nil end
  probe:close()
  return root .. "/" .. name
end

-- Folder of the build under test.
M.build = os.getenv("ELG_BUILD") or "build"

package.loaded["helper"] = M
return M
