-- Artifacts and large payloads on Postgres are in the database, so that any host can take any
-- run over: what one process began in one folder, another ends in another.
local outside = require "outside"
local postgres = require "postgres"

local GRAPH = [[
local elg = require "elg"
local function first(state, input, ctx)
  state.text = ("state "):rep(60000)
  state.stored = ctx.artifact.write(("artifact "):rep(100000), { name = "big" })
  return "next", { text = ("output "):rep(60000) }
end
local function second(state, input, ctx)
  ctx.sleep(state.sleep_ms)
  local read = ctx.artifact.read(state.stored)
  return nil, { read = #read.content, size = state.stored.size, state = #state.text, input = #input.text }
end
return elg.graph { id = "large", version = "1", entry = "first",
  initial = function(input) return { sleep_ms = input.sleep_ms } end,
  nodes = { first = first, second = second }, edges = { { from = "first", key = "next", to = "second" } } }
]]

describe("artifacts on Postgres", function()
  local here, there, url
  before_each(function()
    url = postgres.schema(postgres.shared())
    here, there = outside.place("pg-here"), outside.place("pg-there")
    here:write("large.lua", GRAPH)
  end)
  after_each(function()
    here:remove()
    there:remove()
  end)

  local function sql(text) return postgres.sql(url, text) end

  it("are there for whoever takes the run over, on another host", function()
    local child = here:start_elg { "run", "large.lua", "--store", url, "--trace", "t", "--input",
      '{"sleep_ms":1500}', "--json" }
    assert.truthy(outside.eventually(function()
      local ok, rows = pcall(sql, "SELECT 1 FROM cmo_activities WHERE activity_type = 'sleep'")
      return ok and #rows == 1
    end))
    child:stop()
    here:remove()
    local done = outside.eventually(function() -- the lease of the dead process has to end
      local tried = there:json { "resume", "t", "--store", url }
      return tried.code ~= 4 and tried
    end)
    assert.equal(0, done.code, done.err)
    assert.same({ read = 900000, size = 900000, state = 360000, input = 420000 }, done.doc.output)
    assert.equal(0, there:json({ "replay", "t", "--verify", "--store", url }).code)
    assert.equal(("state "):rep(60000), there:json({ "show", "t", "--store", url }).doc.state.text)
    assert.equal("2", sql("SELECT count(*) AS n FROM cmo_artifacts WHERE artifact_hash IN "
      .. "(SELECT substr(convert_from(state, 'UTF8'), 9) FROM cmo_steps)"
      .. " OR artifact_hash IN (SELECT substr(convert_from(output, 'UTF8'), 9) FROM cmo_steps)")[1].n)
    -- The views show them as any other.
    assert.equal("360000", sql([[SELECT length(state ->> 'text') AS n FROM cmo_steps_json
      WHERE step_index = 0]])[1].n)
    assert.equal("420000", sql([[SELECT length(output ->> 'text') AS n FROM cmo_steps_json
      WHERE step_index = 0]])[1].n)
    assert.equal("900000", sql([[SELECT length(request_data ->> 'content') AS n FROM cmo_activities_json
      WHERE activity_type = 'write_artifact']])[1].n)
    assert.equal("900000", sql([[SELECT length(response_data -> 'value' ->> 'content') AS n
      FROM cmo_activities_json WHERE activity_type = 'read_artifact']])[1].n)
    for _, file in ipairs { there.path, here.path } do
      local pipe = io.popen("ls -a " .. file .. " 2>/dev/null | grep -c artifacts")
      assert.equal("0", (pipe:read "*l"))
      pipe:close()
    end
  end)

  it("lie in a folder if one is named", function()
    local done = here:json { "run", "large.lua", "--store", url, "--artifacts", here:file("kept"),
      "--input", '{"sleep_ms":0}' }
    assert.equal(0, done.code, done.err)
    assert.equal("0", sql("SELECT count(*) AS n FROM cmo_artifacts")[1].n)
    assert.truthy(sql("SELECT state #>> '{}' AS t FROM cmo_steps_json WHERE step_index = 0")[1].t:find
      "^@sha256:%x+$")
    local pipe = io.popen("find " .. here:file("kept") .. " -type f | wc -l")
    assert.is_true(pipe:read "*n" >= 4)
    pipe:close()
  end)

  it("that are gone or altered are reported", function()
    local done = here:json { "run", "large.lua", "--store", url, "--trace", "t", "--input",
      '{"sleep_ms":0}' }
    assert.equal(0, done.code, done.err)
    for _, damage in ipairs { "UPDATE cmo_artifacts SET data = 'x' || substr(data, 2) WHERE chunk_index = 0",
      "DELETE FROM cmo_artifacts" } do
      sql(damage)
      local verified = there:json { "replay", "t", "--verify", "--store", url }
      assert.equal(5, verified.code, verified.out .. verified.err)
      assert.truthy(verified.out:find("artifact", 1, true), verified.out)
    end
  end)
end)
