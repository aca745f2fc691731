-- flags, env, codes: how the command line is read and what becomes of it.
local codes = require "elg.cli.codes"
local env = require "elg.cli.env"
local flags = require "elg.cli.flags"

local NAMES = { "store", "json", "fuel", "memory", "allow-net", "durability", "input" }

local function refusal(argv)
  local ok, failure = pcall(flags.parse, argv, NAMES)
  assert.is_false(ok)
  assert.equal(codes.exit.usage, failure.exit)
  return failure.message
end

describe("cli.flags.parse", function()
  it("takes values behind a blank or an equals sign, and switches", function()
    local options, rest = flags.parse({ "a", "--fuel", "7", "--store=sqlite:x=y", "--json", "b" },
      NAMES)
    assert.same({ 7, "sqlite:x=y", true }, { options.fuel, options.store, options.json })
    assert.same({ "a", "b" }, rest)
  end)

  it("ends flags at --", function()
    local options, rest = flags.parse({ "--", "--json", "--", "-h" }, NAMES)
    assert.is_nil(options.json)
    assert.same({ "--json", "--", "-h" }, rest)
  end)

  it("takes a negative-looking or flag-like value as it is", function()
    assert.equal("-", flags.parse({ "--input", "-" }, NAMES).input)
    assert.equal("--json", flags.parse({ "--input", "--json" }, NAMES).input)
  end)

  it("collects a flag that may be repeated", function()
    local options = flags.parse({ "--allow-net", "a:1", "--allow-net=b" }, NAMES)
    assert.same({ "a:1", "b" }, options["allow-net"])
  end)

  it("scales bytes by K, M and G", function()
    local function memory(text) return flags.parse({ "--memory", text }, NAMES).memory end
    assert.same({ 65536, 64 * 1024, 3 * 1024 ^ 2, 1024 ^ 3 },
      { memory "65536", memory "64K", memory "3M", memory "1G" })
  end)

  it("refuses what is not allowed, naming the flag", function()
    assert.truthy(refusal({ "--nope" }):find("--nope", 1, true))
    assert.equal("unknown flag --duarbility=sync; did you mean --durability?",
      refusal({ "--duarbility=sync" }))
    assert.equal("unknown flag --jsn; did you mean --json?", refusal({ "--jsn" }))
    assert.equal("unknown flag --x; see --help", refusal({ "--x" }))
    assert.truthy(refusal({ "--verify" }):find("--verify", 1, true)) -- of another command
    assert.truthy(refusal({ "--fuel" }):find("--fuel needs a value", 1, true))
    assert.truthy(refusal({ "--json=1" }):find("--json takes no value", 1, true))
    assert.truthy(refusal({ "--store", "" }):find("--store: must not be empty", 1, true))
    assert.truthy(refusal({ "--durability", "none" }):find("effect, sync", 1, true))
    for _, text in ipairs { "x", "-1", "1.5", "0", "1e3", "1K", "99999999999999999999", "0x10" } do
      assert.truthy(refusal({ "--fuel", text }):find("--fuel: ", 1, true), text)
    end
    for _, text in ipairs { "64k", "1T", "K", "63K" } do
      assert.truthy(refusal({ "--memory", text }):find("--memory: ", 1, true), text)
    end
  end)

  it("fills in defaults where nothing else speaks", function()
    assert.equal("sqlite:elg.db", flags.parse({}, NAMES).store)
    assert.is_nil(flags.parse({}, NAMES).fuel)
    local own = { store = { kind = "text" } }
    assert.is_nil(flags.parse({}, NAMES, own).store)
  end)

  it("reads switches of the environment", function()
    local sys, own = require "elg.sys", { jail = { kind = "switch", env = "ELG_SPEC_SWITCH" } }
    local function value(text)
      sys.setenv("ELG_SPEC_SWITCH_" .. text, text)
      own.jail.env = "ELG_SPEC_SWITCH_" .. text
      return flags.parse({}, { "jail" }, own).jail
    end
    assert.same({ false, false, false, false, true, true, true, true }, { value "0", value "no", value "off",
      value "false", value "1", value "yes", value "On", value "true" })
  end)

  it("describes every flag that it knows", function()
    for name, flag in pairs(flags.all) do
      assert.truthy(flag.help, name)
      assert.truthy(flags.describe({ name }):find("--" .. name, 1, true))
    end
  end)
end)

describe("cli.env.parse_line", function()
  it("reads names, quotes, export and comments", function()
    local function parse(line) return { env.parse_line(line) } end
    assert.same({ "ELG_STORE", "sqlite:a.db" }, parse "ELG_STORE=sqlite:a.db")
    assert.same({ "A", "b c # d" }, parse ' A = "b c # d" ')
    assert.same({ "A", "x=y" }, parse "export A='x=y'")
    assert.same({ "A", "v" }, parse "A=v   # why")
    assert.same({ "A", "" }, parse "A=")
    for _, line in ipairs { "", "# A=b", "=x", "A", "1A=b", "A B=c" } do
      assert.same({}, parse(line))
    end
  end)
end)

describe("cli.env.load", function()
  it("sets what elg knows and nothing else", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("ELG_SPEC_GIVEN=yes\nSSL_CERT_FILE=/tmp/mine.pem\nELG_COMPILER=/tmp/mine\nHOME=/tmp\n"
      .. "# a comment\n\nwhat is this\nELG_SECRET_SPEC=word\nand this: secret\nELG_FUEL=\nELG_JAILER=x\n")
    file:close()
    local before = { os.getenv "SSL_CERT_FILE", os.getenv "ELG_COMPILER", os.getenv "HOME",
      os.getenv "ELG_JAILER" }
    assert.same({ path .. ", line 1: ELG_SPEC_GIVEN is no setting of elg",
      path .. ", line 3: ELG_COMPILER is not taken from a file",
      path .. ", line 7, 9: not NAME=VALUE; ignored",
      path .. ", line 11: ELG_JAILER is not taken from a file" }, env.load(path))
    os.remove(path)
    assert.equal("yes", os.getenv "ELG_SPEC_GIVEN")
    assert.same(before, { os.getenv "SSL_CERT_FILE", os.getenv "ELG_COMPILER", os.getenv "HOME",
      os.getenv "ELG_JAILER" })
    assert.same({}, env.load "/no/such/file")
  end)

  it("knows the settings of every command", function()
    local count = 0
    local pipe = io.popen("ls lua/elg/cli/*.lua")
    for path in pipe:lines() do
      local command = require("elg.cli." .. path:match("([^/]+)%.lua$"))
      for _, flag in pairs(type(command) == "table" and command.own or {}) do
        if flag.env then
          count = count + 1
          assert.is_true(env.is_setting(flag.env), flag.env)
        end
      end
    end
    pipe:close()
    assert.is_true(count >= 3)
    assert.is_false(env.is_setting "ELG_SECRET_")
  end)
end)

describe("cli.codes", function()
  it("has an exit code for every status of the library", function()
    local header, inside = io.open("src/elg.h"), false
    for line in header:lines() do
      if line:match("^enum elg_status") then inside = true end
      if line:match("^};") then inside = false end
      local name = inside and line:match("^%s+(ELG_[%u_]+)")
      if name then assert.is_number(codes.by_status[name], name) end
    end
    header:close()
  end)

  it("maps results to codes", function()
    local function of(status, code)
      return codes.of_result { status = status, error = code and { code = code } }
    end
    assert.same({ 0, 0, 1, 1, 7, 7, 5 }, { of "completed", of "waiting", of "failed",
      of "quarantined", of "timeout", of "aborted", of "diverged" })
    assert.equal(6, of("failed", "NET_DENIED"))
    assert.equal(1, of("failed", "RAISED"))
    assert.equal(5, of("diverged", "NET_DENIED"))
  end)
end)
