-- output: stdout that nobody reads, that is full or closed, and files that may not grow:
-- code 4 and a clean message, or none where the reader went away, of every command.
local program = require "program"

local COUNT = [[
local elg = require "elg"
return elg.graph {
  id = "count", version = "1", entry = "work",
  initial = function(input) return { n = 0, pad = input.pad or 0 } end,
  nodes = { work = function(state, _, ctx)
    state.n = state.n + 1
    ctx.log("step", { n = state.n })
    return state.n < 3 and "again" or nil, { n = state.n, pad = ("x"):rep(state.pad) }
  end },
  edges = { { from = "work", key = "again", to = "work" } },
}
]]

-- Every command that has something to print, in a folder with a run `one`.
local COMMANDS = { "--help", "--version", "list --help", "run count.lua", "resume one", "list",
  "show one", "show one --step 1", "replay one", "replay one --to 1", "replay one --verify",
  "replay one --graph other.lua", "check count.lua", "check bad.lua", "graph count.lua",
  "graph count.lua --format dot", "canon in.json", "hash in.json",
  "bench --runs 2 --steps 2", "init fresh" }
-- These take no flags.
local PLAIN = { ["--help"] = true, ["--version"] = true }

describe("output", function()
  local p

  before_each(function()
    p = program.create { ["count.lua"] = COUNT, ["in.json"] = '{"b":1,"a":2}',
      ["other.lua"] = (COUNT:gsub("n = state.n, pad", "m = state.n, pad")),
      ["bad.lua"] = (COUNT:gsub('to = "work"', 'to = "nowhere"')) }
    assert.equal(0, (p:run "run count.lua --trace one --quiet"))
  end)
  after_each(function() p:destroy() end)

  -- Runs each command, as text and as JSON, with stdout put where `place` says.
  local function each(place, check)
    for _, command in ipairs(COMMANDS) do
      for _, json in ipairs { "", " --json" } do
        if not (json ~= "" and PLAIN[command]) then
          local line = place:format("LOG_LEVEL=error $ELG " .. command .. json)
          local _, out, err = p:sh("rm -rf fresh\n" .. line)
          check(command .. json, out, err)
        end
      end
    end
  end

  it("ends with a message when the disk under stdout is full", function()
    each("%s >/dev/full; echo $?", function(command, out, err)
      assert.same({ "4\n", "elg: standard output: No space left on device\n" }, { out, err }, command)
    end)
  end)

  it("ends with a message when stdout is closed", function()
    for _, place in ipairs { "%s >&-; echo $?", "%s <&- >&-; echo $?" } do
      each(place, function(command, out, err)
        assert.same({ "4\n", "elg: standard output: Bad file descriptor\n" }, { out, err }, command)
      end)
    end
  end)

  it("ends quietly when nobody reads", function()
    each("mkfifo p; : <p & exec 3>p; wait $!; %s >&3; echo $?; rm p", function(command, out, err)
      assert.same({ "4\n", "" }, { out, err }, command)
    end)
  end)

  it("ends quietly when the reader has read enough", function()
    local rows = {}
    for i = 1, 300 do rows[i] = ('{"pad":%d}'):format(500 + i) end
    p:write("in.jsonl", table.concat(rows, "\n"))
    local code, out, err = p:sh [[{ LOG_LEVEL=error $ELG run count.lua --input in.jsonl \
      --concurrency 8 --json; echo $? >&2; } | head -1]]
    assert.same({ 0, "4\n" }, { code, err })
    assert.equal('{"chain":"', out:sub(1, 10))
  end)

  it("ends with a message when a file may not grow", function()
    for _, limit in ipairs { 1, 64, 360 } do -- in blocks of 512 bytes
      local code, out, err = p:sh(([[( ulimit -f %d; LOG_LEVEL=error $ELG run count.lua --json \
        --store sqlite:small.db --input '{"pad":200000}' >/dev/null ); echo $?; rm -f small.db*]])
        :format(limit))
      assert.same({ 0, "4\n" }, { code, out }, limit)
      assert.truthy(err:find("^elg: small.db: .*%(File too large%); make room and go on\n$"), err)
    end
    p:write("long.json", '["' .. ("x"):rep(2000) .. '"]')
    local code, out, err = p:sh "( ulimit -f 1; $ELG canon long.json >file ); echo $?"
    assert.same({ 0, "4\n", "elg: standard output: File too large\n" }, { code, out, err })
  end)
end)
