-- mutated: sources of Lua that are hardly any more: the repository's own and the hostile
-- scripts, with bytes flipped, pieces of others put in, cut off, nested, repeated, made no
-- UTF-8, given the heads of bytecode. Deterministic, from a seed. Uses generate, hostile.
local generate = require "generate"
local hostile = require "hostile"
local outside = require "outside"

local M = {}

-- Every source there is to begin with.
function M.corpus()
  local list = {}
  local pipe = assert(io.popen("cd '" .. outside.root .. "' && find examples spec/graphs lua/elg/sandbox"
    .. " lua/elg/templates -name '*.lua' | LC_ALL=C sort"))
  for path in pipe:lines() do list[#list + 1] = outside.read(outside.root .. "/" .. path) end
  pipe:close()
  for _, family in ipairs(hostile.families()) do
    for _, script in ipairs(hostile.scripts(family)) do list[#list + 1] = script.body end
  end
  return list
end

local NESTS = { { "(", ")" }, { "{", "}" }, { "function() ", "end " }, { "if x then ", "end " },
  { "while x do ", "end " }, { "f(", ")" }, { "[", "]" }, { "not ", "" }, { "-", "" }, { "x.", "" },
  { "return function(...) ", "end " }, { "x = {[1]=", "}" }, { "do local a ", "end " },
  { "repeat ", "until x " }, { "a..", "" }, { "a^", "" } }
local WORDS = { "for _ in (nil):foo() do end ", "goto a ", "::a:: ", "local x <const> = ", "\27LJ\2\10",
  "\27Lua\81", "[==[", "]==]", "--[[", "0x", "1e99999", "0x1p9999", "\\z", "'\\u{110000}'", "\\x", "#",
  "\239\187\191", "\255\254", "\192\128", "\237\160\128", "\0", "...", "local function ", " = = ", ";;",
  "self:", "nil()", "({}){}", "''''", "end end ", "break ", "return return " }

-- How a source is spoilt: each takes the maker's random(n), the source, the whole corpus.
local WAYS = {
  function(random, source) -- bytes
    for _ = 1, random(8) + 1 do
      local at = random(#source + 1)
      source = source:sub(1, at) .. string.char(random(256)) .. source:sub(at + 2)
    end
    return source
  end,
  function(random, source, corpus) -- splices
    local other = corpus[random(#corpus) + 1]
    local from = random(#other + 1)
    local at = random(#source + 1)
    return source:sub(1, at) .. other:sub(from, from + random(200)) .. source:sub(at + random(50))
  end,
  function(random, source) return source:sub(1, random(#source + 1)) end,
  function(random, source) return source:sub(random(#source + 1) + 1) end,
  function(random, source) -- nesting
    local nest, depth = NESTS[random(#NESTS) + 1], 2 ^ random(17)
    local at = random(#source + 1)
    return source:sub(1, at) .. nest[1]:rep(depth) .. (random(2) == 0 and "1" or "")
      .. nest[2]:rep(random(2) * depth) .. source:sub(at + 1)
  end,
  function(random, source) -- repetition
    local from = random(#source + 1)
    local piece = source:sub(from, from + random(60))
    return source:sub(1, from) .. piece:rep(2 ^ random(12)) .. source:sub(from + 1)
  end,
  function(random, source) -- words
    for _ = 1, random(4) + 1 do
      local at = random(#source + 1)
      source = source:sub(1, at) .. WORDS[random(#WORDS) + 1] .. source:sub(at + random(6))
    end
    return source
  end,
  function(random, source) -- heads of bytecode
    return WORDS[5 + random(2)] .. source:sub(1, random(40)) .. string.rep("\0\1\255", random(400))
  end,
}

-- Source number n of a seed.
function M.source(corpus, seed, n)
  local random = generate.generator(seed * 1000003 + n)
  for _ = 1, 5 do random(2) end
  local source = corpus[random(#corpus) + 1]
  for _ = 1, random(2) + 1 do source = WAYS[random(#WAYS) + 1](random, source, corpus) end
  return source
end

return M
