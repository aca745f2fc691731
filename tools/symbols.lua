-- symbols: nothing above the ops tables reaches the clock, chance, the network or another
-- process by itself. Arguments: object files. Prints each wrong symbol and fails.

-- Symbol -> why it is not for everyone.
local FORBIDDEN = {
  ["time"] = "the clock", ["gettimeofday"] = "the clock", ["clock_gettime"] = "the clock",
  ["clock"] = "the clock", ["ftime"] = "the clock", ["localtime"] = "the local time zone",
  ["localtime_r"] = "the local time zone", ["getrandom"] = "chance", ["getentropy"] = "chance",
  ["rand"] = "chance", ["random"] = "chance", ["srand"] = "chance", ["drand48"] = "chance",
  ["arc4random"] = "chance", ["RAND_bytes"] = "chance", ["socket"] = "the network",
  ["connect"] = "the network", ["getaddrinfo"] = "the network", ["bind"] = "the network",
  ["nanosleep"] = "waiting", ["usleep"] = "waiting", ["sleep"] = "waiting",
  ["fork"] = "never in a host's process", ["vfork"] = "never in a host's process",
  ["system"] = "another process", ["popen"] = "another process",
  ["exit"] = "a library does not end its host", ["_exit"] = "a library does not end its host",
  ["abort"] = "a library does not end its host", ["setlocale"] = "the host's locale",
  ["strtod"] = "depends on the locale", ["setenv"] = "the host's environment",
}

-- "folder/file" and symbol -> why it may.
local EXCEPTIONS = {
  ["base/clock.c clock_gettime"] = "the clock's ops table",
  ["base/clock.c getrandom"] = "the random source's ops table",
  ["activity/http_hop.c socket"] = "curl's opensocket callback, which checks the address first",
  ["checkpoint/store.c nanosleep"] = "the wrapper's planted delay, for specs of a slow store",
}

local wrong = 0

local function check_object(path)
  local file = path:match("/obj/(.*)%.o$")
  if not file or file == "luajit" then return end
  local pipe = assert(io.popen("nm --undefined-only --format=posix '" .. path .. "'"))
  for line in pipe:lines() do
    local symbol = line:match("^(%S+)")
    local reason = FORBIDDEN[symbol]
    if reason and not EXCEPTIONS[file .. " " .. symbol] then
      wrong = wrong + 1
      io.stderr:write(("src/%s uses %s (%s): go through an ops table, or give the reason in "
        .. "tools/symbols.lua\n"):format(file, symbol, reason))
    end
  end
  pipe:close()
end

for _, path in ipairs(arg) do check_object(path) end
os.exit(wrong == 0 and 0 or 1)
