-- check: elg check. Everything that is wrong with a graph: what the library refuses, and
-- what elg.lint warns of in the files.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local lint = require "elg.lint"
local settings = require "elg.cli.settings"

local M = {}

local FILE_BYTES_MAX = 1024 * 1024 -- as the library's limit of one file

M.summary = "say what is wrong with a graph"
M.usage = "elg check GRAPH [--strict]"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, { "strict", "jail" } }
M.own = { strict = { kind = "switch", help = "warnings end with code 3 as well" } }
M.examples = {
  { "elg check atlas.lua", "errors end with code 3, warnings with 0" },
  { "elg check atlas.lua --strict", "for a commit hook" },
}

-- Gives the texts of the files in a folder ("" or "x/"); nil for what is not there.
local function reader(folder)
  return function(path)
    local file = io.open(folder .. path, "rb")
    local text = file and file:read(FILE_BYTES_MAX + 1)
    if file then file:close() end
    return text and #text <= FILE_BYTES_MAX and text or nil
  end
end

-- The loaded graph's document, or nil.
local function describe(host, path)
  local graph = host:graph(path)
  local text = graph and graph:describe()
  return text and json.decode(text)
end

-- Errors first, then by file and line.
local function in_order(a, b)
  if a.level ~= b.level then return a.level == "error" end
  if a.path ~= b.path then return a.path < b.path end
  if a.line ~= b.line then return a.line < b.line end
  return a.code < b.code
end

-- What the library found and what the lint found, without what is to be left out.
local function all_findings(host, path)
  local found, kept = codes.check(json.decode(codes.check(host:check(path)))), {}
  local folder, entry = settings.folder(path), path:match("[^/]*$")
  local document = describe(host, path)
  local warnings, ignored = lint.check(entry, reader(folder), document)
  for _, finding in ipairs(found) do
    if not finding.where:find(".lua", 1, true) then
      finding.where = entry .. ": " .. finding.where
    end
    local file, line = finding.where:match("^(.*):(%d+)$")
    finding.path, finding.line = file or finding.where, tonumber(line) or 0
    if finding.level == "error" or not ignored(finding.path, finding.line, finding.code) then
      kept[#kept + 1] = finding
    end
  end
  for _, finding in ipairs(warnings) do
    -- A file that does not compile has its error.
    if finding.code ~= "UNREADABLE" or document then kept[#kept + 1] = finding end
  end
  table.sort(kept, in_order)
  return kept
end

local function as_json(findings)
  local texts = {}
  for i, finding in ipairs(findings) do
    texts[i] = json.object { "code", finding.code, "level", finding.level, "text", finding.text,
      "where", finding.where }
  end
  return "[" .. table.concat(texts, ",") .. "]"
end

-- A finding on stdout; with --quiet, what makes the command fail on stderr.
local function print_finding(printer, folder, finding, is_wrong)
  local line = ("%s: %s: %s (%s)"):format(settings.seen(folder, finding.where), finding.level, finding.text,
    finding.code)
  if not printer.quiet then
    printer:text(line)
  elseif is_wrong and not printer.json then
    printer:error(line)
  end
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  return settings.with_host(options, { store = "memory:" }, function(host)
    local wrong, findings, folder = 0, all_findings(host, args[1]), settings.folder(args[1])
    if printer.json then printer:data(as_json(findings)) end
    for _, finding in ipairs(findings) do
      local is_wrong = finding.level == "error" or options.strict
      if is_wrong then wrong = wrong + 1 end
      print_finding(printer, folder, finding, is_wrong)
    end
    if #findings == 0 then printer:text(args[1] .. ": nothing wrong") end
    return wrong > 0 and codes.exit.invalid or codes.exit.done
  end)
end

return M
