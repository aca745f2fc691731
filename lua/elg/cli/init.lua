-- cli: the command line of elg. Picks the command, reads flags, turns errors into exit
-- codes. A command is one file beside this one: { summary, usage, args, flags, examples,
-- run(options, args, printer) -> exit code }. Uses elg.core and elg.sys, which the program
-- provides; a client of the public API and of nothing else.
local codes = require "elg.cli.codes"
local core = require "elg.core"
local env = require "elg.cli.env"
local flags = require "elg.cli.flags"
local near = require "elg.near"
local out = require "elg.cli.out"
local sys = require "elg.sys"

local M = {}

-- The commands in the order of their help.
local COMMANDS = { "run", "submit", "worker", "resume", "abort", "retry", "signal", "list",
  "show", "watch", "replay", "check", "graph", "migrate", "gc", "canon", "hash", "bench", "init" }

local CODES = [[
exit codes, of several runs the highest:
  0 done, or parked without a timer   4 store, broker, file or stdout unavailable
  1 a run failed                      5 diverged
  2 usage                             6 denied by policy
  3 invalid graph, input or schema    7 timeout or aborted
  130 interrupted, 143 terminated: runs can be resumed]]

-- Commands whose file has another name: init is this file's.
local MODULES = { init = "elg.cli.init_project" }

local function module_of(name)
  return require(MODULES[name] or "elg.cli." .. name)
end

local function general_help()
  local lines = { "elg runs graphs whose nodes are Lua functions, durably.", "",
    "usage: elg COMMAND [ARGUMENTS] [FLAGS]", "" }
  for _, name in ipairs(COMMANDS) do
    lines[#lines + 1] = ("  %-8s %s"):format(name, module_of(name).summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "elg COMMAND --help tells more; elg --version tells the version."
  lines[#lines + 1] = "Flags win over the environment, the environment over the file .env. Switches there are"
  lines[#lines + 1] = "1, true, yes, on or 0, false, no, off. LOG_LEVEL is debug, info, warn or error, LOG_FORMAT"
  lines[#lines + 1] = "text or json: what is told on stderr, and how."
  lines[#lines + 1] = "\n" .. CODES
  return table.concat(lines, "\n")
end

local function flag_names(command)
  local names = {}
  for _, group in ipairs(command.flags) do
    for _, name in ipairs(group) do names[#names + 1] = name end
  end
  return names
end

local function command_help(command)
  local lines = { "usage: " .. command.usage, "", command.summary, "", "examples:" }
  for _, example in ipairs(command.examples) do
    lines[#lines + 1] = "  " .. example[1]
    lines[#lines + 1] = "      " .. example[2]
  end
  lines[#lines + 1] = "\nflags:\n" .. flags.describe(flag_names(command), command.own)
  return table.concat(lines, "\n")
end

local function find_command(name)
  for _, known in ipairs(COMMANDS) do
    if known == name then return module_of(name) end
  end
  codes.fail(codes.exit.usage, ("unknown command %q%s"):format(name,
    near.hint(name, COMMANDS, "; see elg --help")))
end

local function check_arguments(command, args)
  if #args < command.args.min then
    codes.fail(codes.exit.usage, "an argument is missing; usage: " .. command.usage)
  end
  if #args > command.args.max then
    codes.fail(codes.exit.usage, ("unexpected argument %q; usage: %s"):format(
      args[command.args.max + 1], command.usage))
  end
end

-- What is wrong with .env, on stderr; of workers their supervisor alone tells it.
local function tell(printer, warnings)
  for _, warning in ipairs(os.getenv("ELG_SUPERVISOR") and {} or warnings) do printer:note(warning) end
end

-- The options and arguments of a command. A setting that ends it may come from .env: what else is wrong
-- with that file is told before.
local function read_options(argv, command, warnings)
  local ok, options, args = pcall(flags.parse, { unpack(argv, 2) }, flag_names(command), command.own)
  local failure = not ok and options
  if ok and not options.help then ok, failure = pcall(flags.check_logging) end
  if not ok then
    tell(out.create {}, warnings)
    error(failure, 0)
  end
  return options, args
end

-- What is wrong with .env is told before the command begins.
local function run_command(argv)
  local command, warnings = find_command(argv[1]), env.load()
  local options, args = read_options(argv, command, warnings)
  local printer = out.create(options)
  if options.help then
    printer:data(command_help(command))
    return codes.exit.done
  end
  check_arguments(command, args)
  tell(printer, warnings)
  return command.run(options, args, printer)
end

local VERSION = { ["--version"] = true, ["-v"] = true, ["-V"] = true, version = true }

local function dispatch(argv)
  local printer = out.create {}
  local first = argv[1]
  if VERSION[first] then
    printer:data("elg " .. core.version())
  elseif first == "--help" or first == "-h" or first == "help" then
    if argv[2] then return run_command { argv[2], "--help" } end
    printer:data(general_help())
  elseif first == nil then
    codes.fail(codes.exit.usage, "a command is missing; see elg --help")
  else
    return run_command(argv)
  end
  return codes.exit.done
end

-- Keeps tables (our own errors) as they are and gives defects a traceback.
local function with_traceback(failure)
  if type(failure) == "table" then return failure end
  return debug.traceback(tostring(failure), 2)
end

-- main(arguments): the exit code.
function M.main(argv)
  sys.catch_signals()
  local ok, result = xpcall(dispatch, with_traceback, argv)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  if not result.quiet then out.create({}):error(result.message) end
  return result.exit
end

return M
