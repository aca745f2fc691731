-- page: the report's Markdown.
local M = {}

local LANGUAGE_TYPES = { A = "ancient", C = "constructed", E = "extinct", H = "historical",
  L = "living", S = "special" }

local function row(...)
  return "| " .. table.concat({ ... }, " | ") .. " |"
end

-- subdivisions(list): the table of a country's subdivisions.
function M.subdivisions(list)
  local lines = { row("Code", "Name", "Type", "Part of"), row("---", "---", "---", "---") }
  for _, record in ipairs(list) do
    lines[#lines + 1] = row(record.code, record.name, record.type, record.parent or "")
  end
  return table.concat(lines, "\n")
end

-- named(list, code): "EUR Euro, ..." or "none"
function M.named(list, code)
  local names = {}
  for i, record in ipairs(list) do names[i] = record[code] .. " " .. record.name end
  return #names > 0 and table.concat(names, ", ") or "none"
end

-- language(language): a line about one language.
function M.language(language)
  return ("%s (%s, %s)"):format(language.name, language.alpha_3,
    LANGUAGE_TYPES[language.type] or "of unknown type")
end

local function summary(kinds)
  local lines = {}
  for i, kind in ipairs(kinds) do
    lines[i] = ("- %d of type %s"):format(kind.count, kind.type)
  end
  return #lines > 0 and table.concat(lines, "\n") or "none"
end

-- whole(state, rows): the report; `rows` is what M.subdivisions gave.
function M.whole(state, rows)
  local country, facts = state.record, state.facts
  return table.concat({
    "# " .. (country.official_name or country.name) .. " " .. (country.flag or ""),
    ("Report %s on %s (%s, %s), made of ISO lists at %s."):format(state.report_id, country.name,
      country.alpha_3, country.numeric, os.date("!%Y-%m-%d %H:%M:%S UTC", state.began_ms / 1000)),
    "## Codes that belong together",
    "- currencies whose code begins with " .. country.alpha_2 .. ": " .. facts.currencies,
    "- language whose code has the same letters: " .. facts.language,
    "- script named like that language: " .. facts.scripts,
    "- former countries that became part of it: " .. facts.former,
    "## Subdivisions",
    summary(state.kinds),
    rows,
    "## Checks",
    ("- %d members of records agree with their schemas"):format(state.checked),
    ("- %d records were asked for again, byte by byte, and were the same"):format(state.asked_again),
    ("- %d files had not changed when the report was complete"):format(state.unchanged),
  }, "\n\n") .. "\n"
end

return M
