-- stream: JSON Lines on standard input start runs as they come; what is stopped says which
-- runs it leaves.
local core = require "elg.core"
local program = require "program"

local NAP = [[
local elg = require "elg"
return elg.graph { id = "nap", version = "1", entry = "a",
  initial = function(input) return { ms = input.ms or 0, n = input.n or 0 } end,
  nodes = {
    a = function(state) return "nap", { n = state.n } end,
    b = function(state, _, ctx) ctx.sleep(state.ms) return nil, { n = state.n } end,
    c = function() while true do end end,
  },
  edges = { { from = "a", key = "nap", to = "b", when = function(state) return state.ms >= 0 end },
    { from = "a", key = "nap", to = "c" } } }
]]

describe("elg run", function()
  local p

  before_each(function() p = program.create { ["nap.lua"] = NAP } end)
  after_each(function() p:destroy() end)

  -- The documents of stdout by the n of their state.
  local function documents(out)
    local list, by_n = {}, {}
    for line in out:gmatch("[^\n]+") do
      list[#list + 1] = core.decode(line)
      by_n[list[#list].state.n] = list[#list]
    end
    return by_n, #list
  end

  it("starts a run as its line comes, and works while it waits for the next", function()
    local code, out, err = p:sh [[
      mkfifo in; : >out; $ELG run nap.lua --input - --concurrency 4 --json <in >out & pid=$!
      exec 3>in
      printf '{"n":1}\n\n{"n":2,"ms":150}\n{"n":' >&3
      i=0; while [ $(wc -l <out) -lt 2 ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i+1)); done
      cp out first; printf '3}\n{x}\n{"n":4}' >&3; exec 3>&-
      wait $pid; echo $?; cat first; echo; cat out]]
    local exit, first, all = out:match("^(%d+)\n(.-)\n\n(.*)$")
    assert.same({ 0, "3" }, { code, exit })
    local by_n, count = documents(first)
    assert.equal(2, count)
    assert.same({ "completed", "completed" }, { by_n[1].status, by_n[2].status })
    by_n, count = documents(all)
    assert.same({ 4, "completed", "completed" }, { count, by_n[3].status, by_n[4].status })
    assert.equal("elg: input line 5 column 2, $: expected a member's name in quotes, found 'x'\n", err)
  end)

  it("takes a file, a closed and an empty standard input", function()
    p:write("in.jsonl", ('{"n":1}\n'):rep(30))
    local _, out = p:sh "$ELG run nap.lua --input - --concurrency 4 --json <in.jsonl"
    assert.equal(30, select(2, documents(out)))
    assert.same({ 0, "", "" }, { p:sh "$ELG run nap.lua --input - --concurrency 4 </dev/null" })
    local code, _, err = p:sh "$ELG run nap.lua --input - --concurrency 4 <&-"
    assert.equal(4, code)
    assert.truthy(err:find("^elg: standard input: "), err)
  end)

  it("stops while it waits for a line", function()
    local code = p:sh [[mkfifo in; $ELG run nap.lua --input - --concurrency 4 <in & pid=$!
      exec 3>in; sleep 0.3; kill -INT $pid
      i=0; while kill -0 $pid && [ $i -lt 200 ]; do sleep 0.02; i=$((i+1)); done 2>/dev/null
      kill -KILL $pid 2>/dev/null; wait $pid]]
    assert.equal(130, code)
  end)

  it("names line and column of what is wrong in JSON Lines", function()
    p:write("in.jsonl", '{"n":1}\n\n{"n" x}\n')
    local code, _, err = p:run "run nap.lua --input in.jsonl --concurrency 2 --json"
    assert.equal(3, code)
    assert.equal("elg: in.jsonl:3:6: $.n: expected ':', found 'x'\n", err)
    _, _, err = p:run [[run nap.lua --input '{"n" x}']]
    assert.equal("elg: input line 1 column 6, $.n: expected ':', found 'x'\n", err)
  end)

  it("says of which line a run is that ended badly", function()
    p:write("in.jsonl", '{"n":1}\n\n{"n":2,"ms":"x"}\n')
    local words = "run nap.lua --input in.jsonl --concurrency 2 "
    local code, out, err = p:run(words)
    assert.same({ 1, "" }, { code, err })
    assert.truthy(out:find("\n  from in.jsonl:3\n", 1, true), out)
    assert.truthy(select(3, p:run(words .. "--json")):find("^elg: in.jsonl:3: failed [%w-]+\n$"))
    assert.truthy(select(3, p:run(words .. "--quiet")):find("^elg: in.jsonl:3: [%w-]+: failed: RAISED: [^\n]+\n$"))
    assert.equal("", (select(3, p:run(words .. "--quiet --json"))))
  end)

  it("prints the runs that a signal leaves, as they are durable", function()
    p:write("in.jsonl", '{"n":1,"ms":60000}\n{"n":2,"ms":-1}\n{"n":3,"ms":60000}\n')
    for signal, wanted in pairs { INT = 130, TERM = 143 } do
      os.execute("rm -f " .. p.folder .. "/elg.db*")
      local code, out, err = p:sh(([[$ELG run nap.lua --input in.jsonl --concurrency 3 --json --fuel \
        9000000000000 & pid=$!; sleep 0.6; kill -%s $pid; wait $pid]]):format(signal))
      assert.equal(wanted, code)
      assert.truthy(err:find("stopped; 3 runs can be taken up again", 1, true), err)
      local by_n, count = documents(out)
      assert.equal(3, count)
      assert.same({ "waiting", "running", "waiting" }, { by_n[1].status, by_n[2].status, by_n[3].status })
      for n = 1, 3 do
        local result = by_n[n]
        assert.same({ 1, n }, { result.steps, result.state.n })
        local _, stored = p:json("show " .. result.trace_id)
        assert.same({ result.status, result.chain }, { stored.status, stored.chain })
      end
    end
  end)

  it("says which signal a run waits for, and how to send it", function()
    p:write("wait.lua", (NAP:gsub("ctx.sleep%(state.ms%)", "ctx.wait('go on', state.ms > 0 and state.ms or nil)")))
    local sent = "elg: t waits for the signal \"go on\": elg signal t 'go on' JSON"
    for words, wanted in pairs { [""] = sent .. ", then elg resume t\n", ["--json"] = "", ["--quiet"] = "" } do
      local code, _, err = p:run("run wait.lua --trace t " .. words)
      assert.same({ 0, wanted }, { code, err }, words)
    end
    local code, _, err = p:sh [[$ELG run wait.lua --trace t2 --input '{"ms":60000}' 2>err & pid=$!
      i=0; while ! [ -s err ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i+1)); done
      $ELG signal t2 'go on' 5 --quiet; wait $pid; echo $? >&2; cat err >&2]]
    assert.same({ 0, "0\n" .. sent:gsub("t ", "t2 ") .. "\n" }, { code, (err) })
  end)

  it("says it to people too, of resume as of run", function()
    local code, out = p:sh [[$ELG run nap.lua --input '{"ms":60000}' --trace t & pid=$!
      sleep 0.4; kill -INT $pid; wait $pid]]
    assert.equal(130, code)
    assert.truthy(out:find("^waiting +t  1 step in "), out)
    code, out = p:sh "$ELG resume --json & pid=$!; sleep 0.4; kill -TERM $pid; wait $pid"
    assert.equal(143, code)
    assert.same({ "t", "waiting" }, { core.decode(out).trace_id, core.decode(out).status })
  end)
end)
