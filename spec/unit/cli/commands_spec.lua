-- commands: the program elg as its users meet it: documents, exit codes, messages.
local core = require "elg.core"
local program = require "program"

local HELLO = [[
local elg = require "elg"
return elg.graph {
  id = "hello", version = "1.0.0", entry = "greet",
  initial = function(input) return { name = input.name or "world" } end,
  nodes = {
    greet = { run = function(state, input, ctx)
      ctx.log("info", "greeting", { who = state.name })
      return "ok", { text = "Hello, " .. state.name }
    end },
    done = { run = function(state, input) state.said = input.text return nil, input end },
  },
  edges = { { from = "greet", key = "ok", to = "done" } },
}
]]

-- Goes round input.steps times, sleeping input.sleep_ms in each, and fails at input.fail.
local COUNT = [[
local elg = require "elg"
return elg.graph {
  id = "count", version = "2", entry = "work",
  initial = function(input) return { n = 0, input = input } end,
  nodes = {
    work = { run = function(state, _, ctx)
      state.n = state.n + 1
      if state.input.sleep_ms then ctx.sleep(state.input.sleep_ms) end
      state.sum = (state.sum or 0) + ctx.rand(1000)
      if state.n == state.input.fail then error("failed as asked") end
      return state.n < state.input.steps and "again" or nil, { n = state.n }
    end },
  },
  edges = { { from = "work", key = "again", to = "work" } },
}
]]

local SPIN = [[
local elg = require "elg"
return elg.graph { id = "spin", version = "1", entry = "a",
  nodes = { a = { run = function() while true do end end } }, edges = {} }
]]

local p

local function keys(t)
  local list = {}
  for key in pairs(t) do list[#list + 1] = key end
  table.sort(list)
  return list
end

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

describe("elg", function()
  before_each(function()
    p = program.create { ["hello.lua"] = HELLO, ["count.lua"] = COUNT, ["spin.lua"] = SPIN }
  end)
  after_each(function() p:destroy() end)

  describe("run", function()
    it("ends with one document that has every field", function()
      local code, result = p:json [[run hello.lua --input '{"name":"Ada"}' --trace t1]]
      assert.equal(0, code)
      for _, field in ipairs { "trace_id", "status", "graph_hash", "steps", "state_hash", "state",
        "output", "error", "chain" } do
        assert.is_not_nil(result[field], field)
      end
      assert.same({ "t1", "completed", 2, core.null, { text = "Hello, Ada" },
        { name = "Ada", said = "Hello, Ada" } }, { result.trace_id, result.status, result.steps,
        result.error, result.output, result.state })
      assert.equal(core.hash '{"name":"Ada","said":"Hello, Ada"}', result.state_hash)
      assert.equal(64, #result.chain)
    end)

    it("says it to people in two lines, logs on stderr", function()
      local code, out, err = p:run [[run hello.lua --trace t1]]
      assert.equal(0, code)
      assert.truthy(out:find("^completed +t1  2 steps in %d+ ms\noutput {\"text\":\"Hello, world\"}\n$"),
        out)
      assert.equal('info  t1 0 greet  greeting {"who":"world"}\n', err)
    end)

    it("says nothing with --quiet", function()
      assert.same({ 0, "", "" }, { p:run "run hello.lua --quiet" })
    end)

    it("says in one line with --quiet that a run failed, and with --json in its document alone", function()
      local words = [[run count.lua --input '{"steps":5,"fail":3}' --trace t --quiet]]
      for _, command in ipairs { words, "resume t --quiet", "watch t --quiet" } do
        local code, out, err = p:run(command)
        assert.same({ 1, "" }, { code, out }, command)
        assert.truthy(err:find("^elg: t: failed: RAISED: [^\n]* %(at count.lua:10%)\n$"), err)
      end
      assert.equal("", (select(3, p:run(words .. " --json"))))
    end)

    it("says how a file of several documents is meant", function()
      p:write("in.jsonl", '{"steps":1}\n{"steps":2}\n')
      for command, flag in pairs { run = "--concurrency N", submit = "--lines" } do
        local code, _, err = p:run(command .. " count.lua --input in.jsonl")
        assert.equal(3, code)
        assert.truthy(err:find("elg: in.jsonl:2:1: ", 1, true) and err:find(flag .. " makes a run of each line", 1,
          true), err)
      end
      p:write("bad.json", "{\n1}")
      for _, command in ipairs { "run count.lua --input", "canon", "hash" } do
        local _, _, err = p:run(command .. " bad.json")
        assert.truthy(err:find("^elg: bad.json:2:1: "), err)
        assert.is_nil(err:find("each line", 1, true))
      end
    end)

    it("takes input from a file, from standard input, and from nowhere", function()
      p:write("in.json", '{"name":"file"}')
      local function name(arguments) return (select(2, p:json("run hello.lua " .. arguments))).state.name end
      assert.equal("file", name "--input in.json")
      assert.equal("world", name "")
      local _, out = p:sh [[echo '{"name":"pipe"}' | $ELG run hello.lua --input - --json]]
      assert.equal("pipe", core.decode(out).state.name)
    end)

    it("tells a file that is missing (4) from one that is wrong (3)", function()
      p:write("bad.json", "{")
      p:write("syntax.lua", "local x = = 1\n")
      p:write("edge.lua", HELLO:gsub('to = "done"', 'to = "nowhere"'))
      p:write("other.lua", "return 7\n")
      local function message(arguments, wanted_code, wanted_text)
        local code, out, err = p:run("run " .. arguments)
        assert.equal(wanted_code, code, err)
        assert.equal("", out)
        assert.truthy(err:find(wanted_text, 1, true), err)
      end
      message("missing.lua", 4, "missing.lua")
      message("syntax.lua", 3, "syntax.lua:1")
      for _, folder in ipairs { ".", "./", p.folder } do
        message(folder, 2, folder .. ": this is a folder; name the graph's file in it, such as "
          .. folder:gsub("/$", "") .. "/graph.lua\n")
      end
      message(".hidden.lua", 4, ".hidden.lua: No such file")
      p:write(".hidden.lua", HELLO)
      message(".hidden.lua", 2, ".hidden.lua: a graph's file has a name of letters,")
      message("edge.lua", 3, '"nowhere"')
      message("other.lua", 3, "other.lua")
      message("hello.lua --input missing.json", 4, "missing.json")
      message("hello.lua --input bad.json", 3, "elg: bad.json:1:2: $: ")
      message("hello.lua --input '{'", 3, "elg: input line 1 column 2, $: ")
      message("hello.lua --input Ada", 4, 'No such file or directory; nor is it JSON, where a text has quotes: "Ada"')
      message("hello.lua --store sqlite:no/such/folder/x.db", 4, "no/such/folder")
      message("hello.lua --store nonsense", 2, "nonsense")
      message("hello.lua --trace 'a b'", 2, "trace")
    end)

    it("names where a run failed, with code 1", function()
      local code, result = p:json [[run count.lua --input '{"steps":5,"fail":3}']]
      assert.equal(1, code)
      assert.same({ "failed", 2, "RAISED", "failed as asked", "count.lua:10" }, { result.status,
        result.steps, result.error.code, result.error.message:match("failed as asked"),
        result.error.where })
      local _, out = p:run [[run count.lua --input '{"steps":5,"fail":3}']]
      assert.truthy(out:find("RAISED: .*failed as asked\n  at count.lua:10\n"), out)
    end)

    it("names where a run failed as seen from the current folder; what is stored is the graph's own", function()
      p:sh "mkdir -p sub; cp count.lua sub/"
      local words = [[run sub/count.lua --input '{"steps":5,"fail":3}' --trace sub]]
      local _, out = p:run(words)
      assert.truthy(out:find("\n  at sub/count.lua:10\n  sub/count.lua:10: in function <sub/count.lua:", 1, true), out)
      assert.equal("count.lua:10", (select(2, p:json(words))).error.where)
    end)

    it("stops a run that loops for ever", function()
      local code, result = p:json "run spin.lua --fuel 100000"
      assert.same({ 1, "failed", "FUEL" }, { code, result.status, result.error.code })
      code, result = p:json "run spin.lua --fuel 1000000000000 --step-timeout-ms 100"
      assert.same({ 7, "timeout" }, { code, result.status })
      code, result = p:json [[run count.lua --input '{"steps":9,"sleep_ms":900}' --run-timeout-ms 150]]
      assert.same({ 7, "timeout" }, { code, result.status })
    end)

    it("executes a run per line with --concurrency; a wrong line harms no other", function()
      local inputs = {}
      for i = 1, 40 do inputs[i] = ('{"steps":%d}'):format(i) end
      inputs[7] = "{nonsense"
      p:write("in.jsonl", table.concat(inputs, "\n") .. "\n")
      local code, out, err = p:run "run count.lua --input in.jsonl --concurrency 8 --json"
      assert.equal(3, code)
      assert.truthy(err:find("in.jsonl:7:2: ", 1, true), err)
      local seen, total = {}, 0
      for _, line in ipairs(lines(out)) do
        local result = core.decode(line)
        assert.equal("completed", result.status)
        assert.equal(result.steps, result.state.n)
        seen[result.steps], total = true, total + 1
      end
      assert.equal(39, total)
      assert.is_nil(seen[7])
    end)

    it("attaches to a run of the same graph and input, and to no other", function()
      local _, first = p:json [[run count.lua --input '{"steps":3}' --trace t]]
      local code, again = p:json [[run count.lua --input '{ "steps" : 3.0 }' --trace t]]
      assert.equal(0, code)
      assert.same(first, again)
      local err
      code, _, err = p:run [[run count.lua --input '{"steps":4}' --trace t]]
      assert.equal(2, code)
      assert.truthy(err:find("another input", 1, true), err)
      assert.equal(2, (p:run [[run hello.lua --input '{"steps":3}' --trace t]]))
    end)

    it("computes chance from seed and trace", function()
      local function sum(seed, trace)
        return (select(2, p:json(([[run count.lua --input '{"steps":3}' --seed %s --trace %s
          --store sqlite:%s%s.db]]):gsub("\n%s*", " "):format(seed, trace, seed, trace)))).state.sum
      end
      assert.equal(sum(1, "a"), (select(2, p:json
        [[run count.lua --input '{"steps":3}' --seed 1 --trace a --store memory:]])).state.sum)
      assert.are_not.equal(sum(1, "b"), sum(2, "b"))
    end)

    it("ends when nobody reads, and when the disk under stdout is full", function()
      local code, _, err = p:sh "$ELG run hello.lua --quiet --json >/dev/full"
      assert.equal(4, code)
      assert.truthy(err:find("standard output: No space left", 1, true), err)
      for _, command in ipairs { "list", "list --json", "show one", "run hello.lua --json" } do
        code, _, err = p:sh("$ELG run hello.lua --trace one --quiet\n"
          .. "{ sleep 0.3; LOG_LEVEL=error $ELG " .. command .. "; echo $? >&2; } | true")
        assert.equal(0, code)
        assert.equal("4\n", err, command)
      end
    end)
  end)

  describe("resume", function()
    local LONG = [[count.lua --input '{"steps":40,"sleep_ms":20}' --seed 1 --trace long]]

    -- Interrupts a run half way; its exit code.
    local function interrupt(signal)
      local code = p:sh(([[$ELG run %s --quiet & pid=$!
        sleep 0.4; kill -%s $pid; wait $pid]]):format(LONG, signal))
      return code
    end

    it("finishes what was interrupted or killed, with the state of an undisturbed run", function()
      local _, undisturbed = p:json("run " .. LONG .. " --store memory:")
      assert.equal(40, undisturbed.steps)
      for signal, wanted in pairs { INT = 130, TERM = 143, KILL = 137 } do
        os.remove(p.folder .. "/elg.db")
        os.execute("rm -f " .. p.folder .. "/elg.db*")
        assert.equal(wanted, interrupt(signal))
        local _, row = p:json "list"
        assert.truthy(row.status == "running" or row.status == "waiting", row.status)
        assert.is_true(row.steps > 2 and row.steps < 40, row.steps)
        local code, result = p:json "resume"
        assert.equal(0, code)
        assert.equal(undisturbed.state_hash, result.state_hash)
        assert.same({ "completed", 40 }, { result.status, result.steps })
        assert.equal(0, (p:run "replay long --verify"))
      end
    end)

    it("prints the stored result of a run that has ended", function()
      local _, first = p:json [[run count.lua --input '{"steps":2,"fail":2}' --trace f]]
      local code, again = p:json "resume f"
      assert.equal(1, code)
      assert.same(first, again)
    end)

    it("leaves runs of a live process alone, and says who owns one that is named", function()
      local code, out, err = p:sh(([[$ELG run %s --quiet & pid=$!
        sleep 0.3; $ELG resume; echo $?; $ELG resume long; echo $?
        kill -INT $pid; wait $pid]]):format(LONG))
      assert.equal(130, code)
      assert.equal("0\n4\n", out)
      assert.truthy(err:find("left alone: .*pid %d+"), err)
    end)

    it("says that a trace is not there", function()
      p:run "run hello.lua --quiet"
      local code, _, err = p:run "resume nobody"
      assert.equal(4, code)
      assert.truthy(err:find("nobody", 1, true))
      assert.equal(0, (p:run "resume"))
    end)
  end)

  describe("abort", function()
    it("ends a run that nobody owns, and one of a live process", function()
      local code = p:sh [[$ELG run count.lua --input '{"steps":99,"sleep_ms":50}' --trace a --quiet & pid=$!
        sleep 0.3; kill -KILL $pid; wait $pid; $ELG abort a]]
      assert.equal(0, code)
      local _, result = p:json "resume a"
      assert.equal("aborted", result.status)
      local out
      code, out = p:sh [[$ELG run count.lua --input '{"steps":99,"sleep_ms":50}' --trace b --json & pid=$!
        sleep 0.3; $ELG abort b --quiet; wait $pid]]
      assert.equal(7, code)
      assert.equal("aborted", core.decode(out).status)
    end)
  end)

  describe("replay", function()
    before_each(function() p:run [[run count.lua --input '{"steps":5}' --trace r --quiet]] end)

    it("verifies, and shows the state after a step", function()
      local code, result = p:json "replay r --verify"
      assert.equal(0, code)
      assert.same({ "r", true, 5, core.null }, { result.trace_id, result.verified, result.steps,
        result.divergence })
      code, result = p:json "replay r --to 1"
      assert.equal(0, code)
      assert.same({ 2, 2 }, { result.state.n, result.steps })
      local _, out = p:run "replay r --verify"
      assert.equal("verified    r  5 steps agree\n", out)
      p:run [[run count.lua --input '{"steps":1}' --trace one --quiet]]
      assert.equal("verified    one  1 step agrees\n", (select(2, p:run "replay one --verify")))
    end)

    it("shows where other code parts from the journal, with code 5", function()
      p:write("new.lua", (COUNT:gsub("state.n = state.n %+ 1",
        "state.n = state.n + (state.n == 3 and 2 or 1)")))
      local code, result = p:json "replay r --verify --graph new.lua"
      assert.equal(5, code)
      assert.is_false(result.verified)
      assert.equal(3, result.divergence.step)
      for _, field in ipairs { "node", "seq", "what", "expected", "actual", "where" } do
        assert.is_not_nil(result.divergence[field], field)
      end
      local _, out = p:run "replay r --verify --graph new.lua"
      assert.truthy(out:find("diverged at step 3 (work)", 1, true), out)
    end)
  end)

  describe("list and show", function()
    before_each(function()
      p:run [[run count.lua --input '{"steps":2}' --trace one --quiet]]
      p:run [[run count.lua --input '{"steps":2,"fail":1}' --trace two --quiet]]
    end)

    it("lists newest first, by status", function()
      local _, _, out = p:json "list"
      local rows = lines(out)
      assert.equal(2, #rows)
      local row = core.decode(rows[1])
      for _, field in ipairs { "trace_id", "graph_id", "graph_version", "status", "steps", "updated_at" } do
        assert.is_not_nil(row[field], field)
      end
      assert.same({ "two", "failed", 0 }, { row.trace_id, row.status, row.steps })
      _, _, out = p:json "list --status completed"
      assert.same({ "one" }, { core.decode(out).trace_id })
      _, out = p:run "list"
      assert.truthy(out:find("^TRACE +STATUS +STEPS +GRAPH +UPDATED\ntwo +failed +0 +count 2 +%d"), out)
    end)

    it("shows the journal", function()
      local code, result = p:json "show one"
      assert.equal(0, code)
      assert.equal(2, #result.journal)
      assert.same({ "completed", "one", 2 }, { result.status, result.trace_id, result.steps })
      local _, out = p:run "show one"
      assert.truthy(out:find("\nSTEP +NODE +TRY +STATUS"), out)
      assert.truthy(out:find("\n +1 +work +1 +ok +%- "), out)
      _, result = p:json "show one --step 1"
      assert.same({ 1, 1 }, { #result.journal, result.journal[1].step_index })
      _, out = p:run "show one --step 1"
      assert.truthy(out:find('  output {"n":2}\n', 1, true), out)
      _, out = p:run "show two"
      assert.truthy(out:find("RAISED: ", 1, true), out)
      assert.equal(4, (p:run "show nobody"))
    end)

    it("says that there is no store, and makes none", function()
      local code, _, err = p:run "list --store sqlite:none.db"
      assert.equal(4, code)
      assert.truthy(err:find("none.db", 1, true), err)
      assert.is_nil(p:read "none.db")
    end)
  end)

  describe("check and graph", function()
    it("finds nothing, warnings (0) and errors (3)", function()
      assert.same({ 0, "hello.lua: nothing wrong\n", "" }, { p:run "check hello.lua" })
      p:write("warn.lua", (HELLO:gsub('    done = {', '    stray = { run = function() end },\n    done = {')))
      local code, out = p:run "check warn.lua"
      assert.equal(0, code)
      assert.truthy(out:find("warn.lua:10: warning: .*UNREACHABLE_NODE"), out)
      p:write("bad.lua", (HELLO:gsub('from = "greet"', 'from = "great"')))
      code, out = p:run "check bad.lua --json"
      assert.equal(3, code)
      assert.equal("UNKNOWN_NODE", core.decode(out)[1].code)
      assert.equal(4, (p:run "check missing.lua"))
    end)

    it("draws", function()
      local _, out = p:run "graph hello.lua"
      assert.equal('flowchart TD\n  n1["done"]\n  n2(["greet"])\n  n2 -->|"ok"| n1\n', out)
      _, out = p:run "graph hello.lua --format dot"
      assert.truthy(out:find('"greet" -> "done" [label="ok"];', 1, true))
      local _, description = p:json "graph hello.lua"
      assert.same({ "edges", "entry", "hash", "id", "nodes", "sources", "version" }, keys(description))
      assert.is_nil(p:read "elg.db")
    end)
  end)

  it("takes settings from .env, the environment and flags, the last winning", function()
    p:write(".env", "ELG_STORE=sqlite:dotenv.db\nLD_PRELOAD=/nonsense.so\n")
    p:run "run hello.lua --quiet"
    assert.truthy(p:read "dotenv.db")
    p:sh "ELG_STORE=sqlite:env.db $ELG run hello.lua --quiet"
    assert.truthy(p:read "env.db")
    p:sh "ELG_STORE=sqlite:env2.db $ELG run hello.lua --quiet --store sqlite:flag.db"
    assert.truthy(p:read "flag.db")
    assert.is_nil(p:read "env2.db")
    assert.is_nil(p:read "elg.db")
    local code, _, err = p:sh "ELG_FUEL=lots $ELG run hello.lua"
    assert.equal(2, code)
    assert.truthy(err:find("ELG_FUEL", 1, true), err)
  end)

  it("measures itself", function()
    local code, figures = p:json "bench --runs 8 --steps 10 --concurrency 4"
    assert.equal(0, code)
    assert.same({ "cpu_us_per_step", "rss_peak_kb", "seconds", "step_us", "steps", "steps_per_s" },
      keys(figures))
    assert.equal(80, figures.steps)
    assert.same({ "p50", "p95", "p99" }, keys(figures.step_us))
    assert.is_true(figures.step_us.p50 <= figures.step_us.p99 and figures.steps_per_s > 0)
    assert.is_nil(p:read "elg.db")
  end)

  it("has help for each command, with examples, and a version", function()
    local _, out = p:run "--help"
    for _, name in ipairs { "run", "resume", "replay", "show", "list", "abort", "check", "graph",
      "canon", "hash", "bench" } do
      assert.truthy(out:find("\n  " .. name .. " ", 1, true), name)
      local code, text = p:run(name .. " --help")
      assert.equal(0, code)
      assert.truthy(text:find("usage: elg " .. name, 1, true))
      assert.truthy(text:find("examples:\n  ", 1, true))
    end
    for _, words in ipairs { "--version", "-v", "version" } do
      assert.same({ 0, "elg 0.1.0\n", "" }, { p:run(words) }, words)
    end
    assert.same({ 2, "", 'elg: unknown command "rnu"; did you mean run?\n' }, { p:run "rnu" })
    assert.same({ 2, "", 'elg: unknown command "serve"; see elg --help\n' }, { p:run "serve" })
    assert.equal(2, (p:run ""))
  end)
end)
