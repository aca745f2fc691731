-- ctx.run and ctx.map: runs that a run begins and waits for (I1, I6, I9, I15, I17).
local json = require "elg.json"
local outside = require "outside"
local postgres = require "postgres"

local CHILD = [[
local elg = require "elg"
return elg.graph { id = "child", version = "2", entry = "a", edges = {}, nodes = { a = {
  timeout_ms = 60000, run = function(state, input, ctx)
    if input.fail then error { message = "no " .. input.fail, retry = false } end
    if input.denied then local _, err = ctx.http(input.denied) error(err) end
    if input.forever then while true do end end
    if input.wait then return nil, { got = ctx.wait(input.wait) } end
    ctx.sleep(input.ms or 1)
    state.chance = ctx.rand(1000000)
    return nil, { n = input.n, twice = input.n * 2, chance = state.chance }
  end } } }
]]

local function parent(body, more)
  return outside.one_node(body, 'local child = require "child"\n' .. (more or ""))
end

for _, kind in ipairs { "memory", "sqlite", "postgres" } do
  describe("a child run (" .. kind .. ")", function()
    local place, url

    setup(function()
      place = outside.place "children"
      url = kind == "memory" and "memory:" or kind == "sqlite" and "sqlite:" .. place:file "elg.db"
        or (postgres.schema(postgres.shared()))
      place:write("child.lua", CHILD)
    end)
    teardown(function() place:remove() end)

    local function elg(...)
      return place:json({ ... }, { env = { ELG_STORE = url } })
    end

    local function run(trace, body, more, ...)
      place:write(trace .. ".lua", parent(body, more))
      return elg("run", trace .. ".lua", "--trace", trace, "--seed", "7", ...)
    end

    local function output(trace, body, more)
      local done = run(trace, body, more)
      assert.equal(0, done.code, done.out .. done.err)
      return done.doc.output
    end

    -- Every run of the family, by its own journal.
    local function verified(trace, count)
      if kind == "memory" then return end
      local found = 0
      for _, row in ipairs(elg("list").docs) do
        if row.trace_id:sub(1, #trace) == trace then
          local done = elg("replay", row.trace_id, "--verify")
          assert.equal(0, done.code, done.out .. done.err)
          found = found + 1
        end
      end
      assert.equal(count, found)
    end

    it("gives its output", function()
      local got = output("one", [[
        local one = ctx.run(child, { n = 4 })
        local two = ctx.run(child, { n = 4 })
        return nil, { one = one, two = two } ]])
      assert.same({ 4, 8, 4 }, { got.one.n, got.one.twice, got.two.n })
      assert.not_equal(got.one.chance, got.two.chance)
      verified("one", 3)
    end)

    it("gives the same with the same seed and trace, in a store of its own", function()
      local function once()
        local own = "sqlite:" .. place:file("own" .. math.random(1e9) .. ".db")
        place:write("same.lua", parent [[
          return nil, ctx.map(child, { { n = 1 }, { n = 2 }, { fail = "x" } }) ]])
        local done = place:json({ "run", "same.lua", "--trace", "same", "--seed", "1" },
          { env = { ELG_STORE = own } })
        return done.doc.state_hash, done.doc.chain and json.quote(done.out:match '"output":(.-),"state"')
      end
      local hash, text = once()
      local hash_again, text_again = once()
      assert.same({ hash, text }, { hash_again, text_again })
    end)

    it("that fails is a value, with its code, message and trace", function()
      local got = output("failing", [[
        local value, err = ctx.run(child, { fail = "luck" })
        local ok, raised = pcall(ctx.run, child, { fail = "raise" }, { raise = true })
        return nil, { value = value, err = err, ok = ok, raised = raised.message } ]])
      assert.is_nil(got.value)
      assert.equal("no luck", got.err.message)
      assert.truthy(got.err.trace_id:find("^failing%.%x+$"))
      assert.same({ false, "no raise" }, { got.ok, got.raised })
      verified("failing", 3)
    end)

    it("is mapped over inputs, in order, a bounded number at once", function()
      local got = output("mapped", [[
        local inputs = {}
        for i = 1, 20 do inputs[i] = i % 10 == 0 and { fail = tostring(i) } or { n = i, ms = 20 } end
        local results = ctx.map(child, inputs, { concurrency = 5 })
        local list = elg.array {}
        for i, r in ipairs(results) do list[i] = r.ok and r.value.n or r.err.message end
        return nil, { list = list, none = #ctx.map(child, {}) } ]])
      for i = 1, 20 do assert.equal(i % 10 == 0 and "no " .. i or i, got.list[i]) end
      assert.equal(0, got.none)
      verified("mapped", 21)
    end)

    it("goes with other calls in ctx.all", function()
      local got = output("several", [[
        local r = ctx.all { { "run", child, { n = 1 } }, { "artifact.write", "text" },
          { "run", child, { fail = "x" } }, { "wait", "never", 30 } }
        return nil, { r[1].value.twice, r[2].value.size, r[3].err.message, r[4].err.code } ]])
      assert.same({ 2, 4, "no x", "TIMEOUT" }, got)
      verified("several", 3)
    end)

    it("may have children itself; at 16 it begins no more", function()
      place:write("deep.lua", [[
        local elg = require "elg"
        local deeper = require "deeper"
        return elg.graph { id = "deep", version = "1", entry = "a", edges = {}, nodes = {
          a = function(state, input, ctx)
            local value, err = ctx.run(deeper, input)
            return nil, value or { err = err }
          end } } ]])
      place:write("deeper.lua", CHILD)
      local got = output("nested", [[
        return nil, ctx.run(require_deep, { n = 3 }) ]], 'local require_deep = require "deep"\n')
      assert.equal(6, got.twice)
      verified("nested", 3)
      local chain = { [17] = CHILD }
      for i = 0, 16 do
        chain[i] = ([[
          local elg = require "elg"
          local next_one = require "d%d"
          return elg.graph { id = "d%d", version = "1", entry = "a", edges = {}, nodes = {
            a = function(state, input, ctx)
              local value, err = ctx.run(next_one, input)
              return nil, value or { depth = err.depth or %d, code = err.code, message = err.message }
            end } } ]]):format(i + 1, i, i)
      end
      for i = 0, 17 do place:write("d" .. i .. ".lua", chain[i]) end
      local done = elg("run", "d0.lua", "--trace", "deepest", "--input", '{"n":1}')
      assert.same({ 0, "LIMIT", 16 }, { done.code, done.doc.output.code, done.doc.output.depth })
      assert.truthy(done.doc.output.message:find("16 runs are above", 1, true))
    end)

    it("needs a graph that has a file of its own", function()
      local function refused(pattern, body, more)
        local done = run("refused" .. math.random(1e9), body, more)
        assert.equal(1, done.code)
        assert.truthy(done.doc.error.message:find(pattern, 1, true), done.doc.error.message)
        assert.truthy(done.doc.error.where:find("^refused%d+.lua:%d+$"))
      end
      refused("must be what require gave", [[ ctx.run("child", {}) ]])
      refused("must be what require gave", [[ ctx.run({}, {}) ]])
      refused("has no file of its own", [[ ctx.run(own, {}) ]],
        'local own = require("elg").graph { id = "o", version = "1", entry = "a", nodes = { a = print or '
          .. 'function() end } }\n')
      refused("1001 inputs, at most 1000", [[
        local list = {} for i = 1, 1001 do list[i] = {} end ctx.map(child, list) ]])
      refused("10000 inputs, at most 1000", [[
        local list = {} for i = 1, 10000 do list[i] = {} end ctx.map(child, list) ]])
      refused("a whole number from 1 to 256", [[ ctx.map(child, {}, { concurrency = 0 }) ]])
      refused("a whole number from 1 to 256", [[ ctx.map(child, {}, { concurrency = 257 }) ]])
      refused("unknown option concurency", [[ ctx.map(child, { {} }, { concurency = 2 }) ]])
      refused("unknown option timeout", [[ ctx.run(child, {}, { timeout = 2 }) ]])
      refused("inputs must be a list, without the key a", [[ ctx.map(child, { a = 1 }) ]])
      place:write("loop_a.lua", 'require "loop_b"')
      place:write("loop_b.lua", 'require "loop_a"')
      local done = run("loops", "", 'require "loop_a"\n')
      assert.equal(3, done.code)
      assert.truthy(done.err:find("requires itself", 1, true), done.err)
    end)

    it("whose graph is wrong is refused as a value", function()
      place:write("wrong.lua", 'local elg = require "elg"\nreturn elg.graph { id = "w", version = "1", '
        .. 'entry = "nowhere", nodes = { a = function() end } }')
      local got = output("wrong_child", [[
        local _, err = ctx.run(wrong, {})
        return nil, { code = err.code, message = err.message } ]], 'local wrong = require "wrong"\n')
      assert.equal("INVALID_GRAPH", got.code)
      assert.truthy(got.message:find "nowhere")
    end)

    it("spends its own fuel; what ends it is told", function()
      local done = run("burning", [[
        local _, err = ctx.run(child, { forever = true })
        return nil, err.code ]], nil, "--fuel", "200000")
      assert.equal("FUEL", done.doc.output)
    end)

    it("whose time is over is told as TIMEOUT", function()
      place:write("slow.lua", [[
        local elg = require "elg"
        return elg.graph { id = "slow", version = "1", entry = "a", edges = {}, nodes = { a = {
          timeout_ms = 50, run = function() while true do end end } } } ]])
      assert.equal("TIMEOUT", output("slow_child", [[
        local _, err = ctx.run(slow, {})
        return nil, err.code ]], 'local slow = require "slow"\n'))
    end)

    it("asked the same by a retry is the same run", function()
      place:write("retried.lua", [[
        local elg = require "elg"
        local child = require "child"
        return elg.graph { id = "r", version = "1", entry = "a", edges = {}, nodes = { a = {
          retry = { max_attempts = 3, backoff = "constant", initial_delay_ms = 1 },
          run = function(state, input, ctx)
            local one = ctx.run(child, { n = 1 })
            local own = ctx.run(child, { n = 2, attempt = ctx.attempt })
            if ctx.attempt < 3 then error "again" end
            return nil, { one, own }
          end } } } ]])
      local done = elg("run", "retried.lua", "--trace", "retried")
      assert.equal(0, done.code, done.out .. done.err)
      verified("retried", 5)
    end)

    if kind == "memory" then return end

    it("names its parent, as show does", function()
      output("shown", [[ return nil, ctx.run(child, { n = 1 }) ]])
      for _, row in ipairs(elg("list").docs) do
        if row.trace_id:find "^shown%." then
          local doc = elg("show", row.trace_id).doc
          assert.same({ trace_id = "shown", step = 0, seq = 0 }, doc.parent)
        end
      end
      assert.is_nil(elg("show", "shown").doc.parent)
    end)

    it("waits for signals of its own; its parent is parked with it", function()
      local done = run("signalled", [[ return nil, ctx.map(child, { { wait = "a" }, { wait = "b" } }) ]])
      assert.same({ 0, "waiting" }, { done.code, done.doc.status })
      local children = {}
      for _, row in ipairs(elg("list").docs) do
        if row.trace_id:find "^signalled%." then children[#children + 1] = row.trace_id end
      end
      assert.equal(2, #children)
      for i, trace in ipairs(children) do
        for _, name in ipairs { "a", "b" } do assert.equal(0, elg("signal", trace, name, tostring(i)).code) end
      end
      done = elg("resume", "signalled")
      assert.equal("completed", done.doc.status)
      verified("signalled", 3)
    end)

    local function sql(text)
      if kind == "sqlite" then place:sql(text) else postgres.sql(url, text) end
    end

    local function statuses(prefix)
      local out = {}
      for _, row in ipairs(elg("list").docs) do
        if row.trace_id:sub(1, #prefix) == prefix then out[#out + 1] = row.status end
      end
      table.sort(out)
      return table.concat(out, " ")
    end

    it("is aborted with its parent, and its own children with it", function()
      place:write("middle.lua", [[
        local elg = require "elg"
        local child = require "child"
        return elg.graph { id = "middle", version = "1", entry = "a", edges = {}, nodes = {
          a = function(state, input, ctx)
            return nil, ctx.map(child, { { wait = "x" }, { n = 1, ms = 60000 } })
          end } } ]])
      place:write("family.lua", parent([[
        return nil, ctx.map(middle, { {}, {} }) ]], 'local middle = require "middle"\n'))
      local owner = place:start_elg({ "run", "family.lua", "--trace", "family" },
        { env = { ELG_STORE = url } })
      assert.truthy(outside.eventually(function()
        return statuses "family" == ("waiting "):rep(6) .. "waiting"
      end), statuses "family")
      assert.equal(0, elg("abort", "family").code)
      assert.equal(7, assert(owner:wait()).code)
      assert.equal(("aborted "):rep(6) .. "aborted", statuses "family")
    end)

    it("is aborted with a parent that ends after a crash, by whoever takes them up", function()
      place:write("orphans.lua", parent([[
        return nil, ctx.map(child, { { n = 1, ms = 60000 }, { wait = "x" } }) ]]))
      local owner = place:start_elg({ "run", "orphans.lua", "--trace", "orphans" },
        { env = { ELG_STORE = url } })
      assert.truthy(outside.eventually(function()
        return statuses "orphans" == "waiting waiting waiting"
      end))
      owner:stop()
      assert.truthy(outside.eventually(function() -- the lease of the dead
        return elg("abort", "orphans").code == 0 and statuses "orphans" == "aborted aborted aborted"
      end), statuses "orphans")
    end)

    it("that a crash left with its parent's end but without its own is ended by a resume", function()
      place:write("halfway.lua", [[
        local elg = require "elg"
        local child = require "child"
        return elg.graph { id = "halfway", version = "1", entry = "a", edges = {}, nodes = {
          a = function(state, input, ctx) return nil, ctx.run(child, { wait = "x" }) end } } ]])
      local done = run("cut", [[ return nil, ctx.run(halfway, {}) ]],
        'local halfway = require "halfway"\n')
      assert.equal("waiting", done.doc.status)
      assert.equal("waiting waiting waiting", statuses "cut")
      -- what the transaction of the parent's end leaves
      local now = kind == "sqlite" and "strftime('%s', 'now') * 1000" or "clock_timestamp()"
      sql(("UPDATE cmo_runs SET status = 'aborted', completed_at = %s WHERE trace_id = 'cut'"):format(now))
      sql(("UPDATE cmo_runs SET abort_requested = %s, due_at = %s WHERE parent_trace_id = 'cut'"):format(
        kind == "sqlite" and "1" or "true", now))
      done = elg("resume")
      assert.equal("aborted aborted aborted", statuses "cut", done.out .. done.err)
    end)

    it("is aborted when its parent's time is over", function()
      local done = run("late", [[ return nil, ctx.run(child, { n = 1, ms = 60000 }) ]], nil,
        "--run-timeout-ms", "300")
      assert.equal("timeout", done.doc.status)
      assert.truthy(outside.eventually(function()
        return statuses "late" == "aborted timeout" or statuses "late" == "timeout timeout"
      end))
    end)

    it("is executed by any worker; the parent by another", function()
      place:write("spread.lua", parent [[
        local list = {}
        for i = 1, 30 do list[i] = { n = i, ms = 20 } end
        local sum = 0
        for _, r in ipairs(ctx.map(child, list)) do sum = sum + r.value.n end
        return nil, sum ]])
      local workers = {}
      for i = 1, 3 do
        workers[i] = place:start_elg({ "worker", "--quiet", "--concurrency", "4" },
          { env = { ELG_STORE = url } })
      end
      for i = 1, 3 do assert.equal(0, elg("submit", "spread.lua", "--trace", "spread" .. i).code) end
      for i = 1, 3 do
        assert.truthy(outside.eventually(function()
          local doc = elg("show", "spread" .. i).doc
          return doc and doc.status == "completed" and doc.output == 465
        end), elg("show", "spread" .. i).out:sub(1, 300))
      end
      for i = 1, 3 do
        workers[i]:kill(15)
        assert(workers[i]:wait())
      end
      verified("spread2", 31)
    end)

    local function only_child(trace)
      for _, row in ipairs(elg("list").docs) do
        if row.trace_id:sub(1, #trace + 1) == trace .. "." then return row.trace_id end
      end
    end

    it("that was aborted, is diverged or quarantined is a value with that code", function()
      for _, case in ipairs { { "aborted", "ABORTED" },
        { "diverged", "DIVERGED" }, { "quarantined", "QUARANTINED" } } do
        local trace = "ended_" .. case[1]
        local done = run(trace, [[
          local value, err = ctx.run(child, { wait = "never" })
          return nil, { value = value, code = err.code, trace = err.trace_id } ]])
        assert.equal("waiting", done.doc.status)
        local name = only_child(trace)
        if case[1] == "aborted" then
          assert.equal(0, elg("abort", name).code)
        elseif case[1] == "quarantined" then -- as eleven processes that died would leave it
          sql(("UPDATE cmo_runs SET claims = 10 WHERE trace_id = '%s'"):format(name))
        else
          sql(("UPDATE cmo_activities SET request_hash = '%s' WHERE trace_id = '%s'"):format(
            ("0"):rep(64), name))
        end
        done = elg("resume", trace)
        local got = done.doc.output
        assert.equal("completed", done.doc.status)
        assert.is_nil(got.value)
        assert.equal(name, got.trace)
        assert.equal(case[2], got.code)
      end
    end)

    it("cannot be given another parent or another result unseen", function()
      output("forged", [[ return nil, ctx.run(child, { n = 1 }) ]])
      local trace
      for _, row in ipairs(elg("list").docs) do
        if row.trace_id:find "^forged%." then trace = row.trace_id end
      end
      sql(("UPDATE cmo_runs SET depth = 2 WHERE trace_id = '%s'"):format(trace))
      assert.equal(5, elg("replay", trace, "--verify").code)
      sql(("UPDATE cmo_runs SET depth = 1 WHERE trace_id = '%s'"):format(trace))
      assert.equal(0, elg("replay", trace, "--verify").code)
    end)
  end)
end
