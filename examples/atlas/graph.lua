-- atlas: a report on a country out of the ISO lists of Debian's package iso-codes, which
-- an ordinary web server gives.
--
-- input: { country = "DE", base = "http://127.0.0.1:8080" }, output: { country, name,
-- report = artifact's hash, subdivisions, checked }. Each node keeps in the state what a
-- later one needs, not the files.
local elg = require "elg"
local page = require "page"
local records = require "records"
local rules = require "rules"
local web = require "web"

local FILES = { "iso_3166-1.json", "iso_3166-2.json", "iso_3166-3.json", "iso_4217.json",
  "iso_639-2.json", "iso_639-3.json", "iso_15924.json" }
local ASK_AGAIN = 3
local PAUSE_MS, PAUSE_SPREAD_MS = 100, 200

local function give_up(code, message)
  error { code = code, message = message, retry = false }
end

-- Checks records against their schema; what is wrong ends the run.
local function check(state, ctx, name, list)
  local count, wrong = rules.check(web.rules(state, ctx, name), name, list)
  if #wrong > 0 then give_up("BAD_DATA", name .. ": " .. table.concat(wrong, "; ")) end
  state.checked = state.checked + count
end

local nodes = {}

function nodes.start(state, input, ctx)
  if not input.country:find("^%u%u$") then
    give_up("BAD_INPUT", "country: two capital letters, such as DE")
  end
  state.report_id, state.began_ms = ctx.uuid(), ctx.now()
  return "ok"
end

-- What the server has of each file, for the comparison at the end.
function nodes.catalogue(state, _, ctx)
  local requests = {}
  for i, path in ipairs(FILES) do requests[i] = web.request(state, path, nil, "HEAD") end
  for i, response in ipairs(web.many(ctx, requests, 200)) do
    state.tags[FILES[i]] = response.headers.etag
  end
  return "ok"
end

function nodes.country(state, _, ctx)
  local list = web.list(state, ctx, "3166-1")
  state.record = records.first(list, "alpha_2", state.country)
  if not state.record then give_up("NO_COUNTRY", state.country .. " is not in ISO 3166-1") end
  ctx.log("country found", { name = state.record.name })
  return "ok"
end

function nodes.country_rules(state, _, ctx)
  check(state, ctx, "3166-1", elg.array { state.record })
  return "ok"
end

-- The country's subdivisions are the output; a few of them are picked to be asked for again.
function nodes.subdivisions(state, _, ctx)
  local list, text = web.list(state, ctx, "3166-2")
  local found = records.where(list, function(record)
    return record.code:sub(1, 3) == state.country .. "-"
  end)
  for i = 1, math.min(ASK_AGAIN, #found) do
    local record = found[ctx.rand(#found) + 1]
    local first, last = records.span(text, record.code)
    state.again[i] = { code = record.code, name = record.name, first = first, last = last }
  end
  return "ok", elg.array(found)
end

function nodes.subdivision_rules(state, found, ctx)
  check(state, ctx, "3166-2", found)
  local lost = records.orphans(found)
  if #lost > 0 then give_up("BAD_DATA", "no parent: " .. table.concat(lost, ", ")) end
  return "ok", found
end

function nodes.subdivision_table(state, found, ctx)
  state.subdivision_count = #found
  state.kinds = records.by_type(found)
  state.table_hash = ctx.artifact.write(page.subdivisions(found), { raise = true }).hash
  return "ok"
end

-- One picked record a step, by its place in the file.
function nodes.ask_again(state, _, ctx)
  local wanted = table.remove(state.again)
  local text = web.part(state, ctx, "iso_3166-2.json", wanted.first, wanted.last)
  local record = elg.json.decode(text)
  if record.code ~= wanted.code or record.name ~= wanted.name then
    give_up("BAD_DATA", ("bytes %d-%d are not %s"):format(wanted.first, wanted.last, wanted.code))
  end
  state.asked_again = state.asked_again + 1
  return "ok"
end

function nodes.currencies(state, _, ctx)
  local list = web.list(state, ctx, "4217")
  local found = records.where(list, function(record)
    return record.alpha_3:sub(1, 2) == state.country
  end)
  state.facts.currencies = page.named(found, "alpha_3")
  return "ok", elg.array(found)
end

function nodes.currency_rules(state, found, ctx)
  check(state, ctx, "4217", found)
  return "ok"
end

function nodes.languages(state, _, ctx)
  local list = web.list(state, ctx, "639-2")
  local language = records.first(list, "alpha_2", state.country:lower())
  return language and "found" or "none", language
end

-- ISO 639-3 knows more of the same language, and must agree with 639-2.
function nodes.language_details(state, short, ctx)
  local list = web.list(state, ctx, "639-3")
  local long = records.first(list, "alpha_2", short.alpha_2)
  if not long then
    state.facts.language = short.name .. " (" .. short.alpha_3 .. ")"
    return "ok", short
  end
  if long.alpha_3 ~= short.alpha_3 then
    give_up("BAD_DATA", short.alpha_2 .. " is " .. short.alpha_3 .. " and " .. long.alpha_3)
  end
  state.facts.language = page.language(long)
  return "ok", long
end

function nodes.language_rules(state, language, ctx)
  check(state, ctx, language.scope and "639-3" or "639-2", elg.array { language })
  return "ok", language
end

function nodes.no_language(state)
  state.facts.language = "none"
  return "ok", elg.null
end

function nodes.scripts(state, language, ctx)
  local list = web.list(state, ctx, "15924")
  local word = language ~= elg.null and records.first_word(language.name)
  local found = records.where(list, function(record)
    return records.first_word(record.name) == word
  end)
  state.facts.scripts = page.named(found, "alpha_4")
  return "ok"
end

-- The four letters of a former country end with its successor's two.
function nodes.former(state, _, ctx)
  local list = web.list(state, ctx, "3166-3")
  local found = records.where(list, function(record)
    return record.alpha_4:sub(3) == state.country
  end)
  state.facts.former = page.named(found, "alpha_4")
  return "ok", elg.array(found)
end

function nodes.former_rules(state, found, ctx)
  check(state, ctx, "3166-3", found)
  return "ok"
end

-- A polite pause before the server is asked again.
function nodes.pause(_, _, ctx)
  ctx.sleep(PAUSE_MS + ctx.rand(PAUSE_SPREAD_MS))
  return "ok"
end

-- All files must be what they were at the beginning: 304, not modified.
function nodes.compare(state, _, ctx)
  local requests = {}
  for i, path in ipairs(FILES) do
    requests[i] = web.request(state, path, { ["If-None-Match"] = state.tags[path] })
  end
  state.unchanged = #web.many(ctx, requests, 304)
  state.tags = nil
  return "ok"
end

function nodes.compose(state, _, ctx)
  local stored = ctx.artifact.read(state.table_hash, { raise = true })
  return "ok", { text = page.whole(state, stored.content) }
end

function nodes.publish(state, draft, ctx)
  local written = ctx.artifact.write(draft.text,
    { name = state.country .. ".md", type = "text/markdown", raise = true })
  state.report = written.hash
  return "ok", draft
end

function nodes.proofread(state, draft, ctx)
  if ctx.artifact.read(state.report, { raise = true }).content ~= draft.text then
    give_up("BAD_REPORT", "the report is not what was written")
  end
  return "ok"
end

function nodes.finish(state, _, ctx)
  state.took_ms = ctx.now() - state.began_ms
  return nil, { country = state.country, name = state.record.name, report = state.report,
    subdivisions = state.subdivision_count, checked = state.checked }
end

-- Nodes that call the server try again when it fails.
local function patient(run)
  return { run = run, timeout_ms = 20000, retry = { max_attempts = 5, backoff = "exponential",
    initial_delay_ms = 100, max_delay_ms = 2000 } }
end

for _, name in ipairs { "catalogue", "country", "country_rules", "subdivisions",
  "subdivision_rules", "ask_again", "currencies", "currency_rules", "languages",
  "language_details", "language_rules", "scripts", "former", "former_rules", "compare" } do
  nodes[name] = patient(nodes[name])
end

local function has_more(state)
  return #state.again > 0
end

local edges = {
  { from = "subdivision_table", key = "ok", to = "ask_again", when = has_more },
  { from = "ask_again", key = "ok", to = "ask_again", when = has_more },
  { from = "languages", key = "found", to = "language_details" },
  { from = "languages", key = "none", to = "no_language" },
  { from = "no_language", key = "ok", to = "scripts" },
}

local function chain(names)
  for i = 2, #names do
    edges[#edges + 1] = { from = names[i - 1], key = "ok", to = names[i] }
  end
end

chain { "start", "catalogue", "country", "country_rules", "subdivisions", "subdivision_rules",
  "subdivision_table", "currencies", "currency_rules", "languages" }
chain { "ask_again", "currencies" }
chain { "language_details", "language_rules", "scripts", "former", "former_rules", "pause",
  "compare", "compose", "publish", "proofread", "finish" }

return elg.graph {
  id = "atlas", version = "1.0.0", entry = "start",
  description = "a report on a country out of ISO lists",
  initial = function(input)
    return { base = input.base, country = input.country, again = elg.array {}, tags = {},
      facts = {}, checked = 0, asked_again = 0 }
  end,
  nodes = nodes, edges = edges,
}
