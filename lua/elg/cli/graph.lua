-- graph: elg graph. A graph drawn as Mermaid or DOT, or described as JSON.
local codes = require "elg.cli.codes"
local flags = require "elg.cli.flags"
local json = require "elg.json"
local settings = require "elg.cli.settings"

local M = {}

M.summary = "draw a graph"
M.usage = "elg graph GRAPH [--format mermaid|dot|json]"
M.args = { min = 1, max = 1 }
M.flags = { flags.common, { "format", "jail" } }
M.examples = {
  { "elg graph atlas.lua", "Mermaid, for a Markdown file" },
  { "elg graph atlas.lua --format dot | dot -Tsvg >atlas.svg", "with Graphviz" },
}

-- Node ids by number, for drawings whose names may not hold every character.
local function numbers(graph)
  local of = {}
  for i, node in ipairs(graph.nodes) do of[node.id] = i end
  return of
end

local function mermaid_text(s)
  return (s:gsub('[#"<>&|]', function(c) return ("#%d;"):format(c:byte()) end))
end

-- The graph, a decoded description, as a Mermaid flowchart.
function M.mermaid(graph)
  local of, lines = numbers(graph), { "flowchart TD" }
  for i, node in ipairs(graph.nodes) do
    local shape = node.id == graph.entry and '(["%s"])' or '["%s"]'
    lines[#lines + 1] = ("  n%d"):format(i) .. shape:format(mermaid_text(node.id))
  end
  for _, edge in ipairs(graph.edges) do
    local label = mermaid_text(edge.key) .. (edge.when and " ?" or "")
    lines[#lines + 1] = ('  n%d -->|"%s"| n%d'):format(of[edge.from], label, of[edge.to])
  end
  return table.concat(lines, "\n")
end

local function dot_text(s)
  return '"' .. s:gsub('[\\"]', "\\%0") .. '"'
end

-- The graph as DOT. Edges with `when` are dashed.
function M.dot(graph)
  local lines = { ("digraph %s {"):format(dot_text(graph.id)), "  node [shape=box];" }
  for _, node in ipairs(graph.nodes) do
    local entry = node.id == graph.entry and " [style=rounded]" or ""
    lines[#lines + 1] = "  " .. dot_text(node.id) .. entry .. ";"
  end
  for _, edge in ipairs(graph.edges) do
    lines[#lines + 1] = ("  %s -> %s [label=%s%s];"):format(dot_text(edge.from),
      dot_text(edge.to), dot_text(edge.key), edge.when and ", style=dashed" or "")
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end

-- Executes the command; the exit code.
function M.run(options, args, printer)
  return settings.with_host(options, { store = "memory:" }, function(host)
    local graph = settings.open_graph(host, args[1])
    local text = codes.check(graph:describe())
    local draws = { mermaid = M.mermaid, dot = M.dot }
    local draw = not options.json and draws[options.format]
    printer:data(draw and draw(codes.check(json.decode(text))) or text)
    return codes.exit.done
  end)
end

return M
