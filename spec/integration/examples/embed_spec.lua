-- embed: a host program of its own links what `make install` put in place, by pkg-config,
-- shared and static, and drives a graph from its loop.
local helper = require "helper"
local sys = require "elg.sys"

local FLAGS = "-std=gnu11 -O1 -Wall -Wextra -Werror"

-- Shows what a program says, and kills it once its first step is durable.
local KILL_AT_FIRST_STEP = [[sh -c 'echo $$; exec %s' | { read -r pid; while read -r line; do
  echo "$line"; case $line in *"is durable") kill -9 "$pid"; cat; break ;; esac; done; }]]

local folder, prefix

local function sh(command)
  local pipe = io.popen("exec 2>/dev/null; ( " .. command .. " ) 2>&1; echo $?")
  local out, code = pipe:read("*a"):match("^(.-)(%d+)\n$")
  pipe:close()
  return tonumber(code), out
end

local function must(command)
  local code, out = sh(command)
  assert.equal(0, code, command .. "\n" .. out)
  return out
end

local function pkg_config(arguments)
  return ("$(PKG_CONFIG_PATH=%s/lib/pkgconfig pkg-config %s elg)"):format(prefix, arguments)
end

-- A build under a sanitizer needs hosts built with it.
local function sanitizer()
  local code = sh(("nm -D %s/lib/libelg.so | grep -q __asan_init"):format(prefix))
  return code == 0 and "-fsanitize=address,undefined" or ""
end

local function compile(name, libraries)
  local program = folder .. "/" .. name
  must(table.concat({ "cc", FLAGS, sanitizer(), "examples/embed/main.c",
    pkg_config "--cflags", libraries, "-o", program }, " "))
  return program
end

local function command_of(program, store)
  return ("%s examples/embed/graph.lua sqlite:%s/%s.db"):format(program, folder, store)
end

local function result_of(out)
  return assert(out:match("\nresult: ([^\n]+)\n"), out)
end

describe("examples.embed", function()
  setup(function()
    folder = assert(sys.mkdtemp "/tmp/elg-embed-")
    prefix = folder .. "/installed"
    must(("make -s --no-print-directory B=%s PREFIX=%s DESTDIR= %s install"):format(helper.build, prefix,
      os.getenv("ELG_MAKE") or ""))
  end)

  teardown(function()
    sys.remove_tree(folder)
  end)

  it("runs with the shared library", function()
    local program = compile("shared", pkg_config "--libs")
    assert.truthy(must("ldd " .. program):find(prefix .. "/lib/libelg.so.0", 1, true))
    local out = must(command_of(program, "shared"))
    assert.truthy(out:find("the creature is born", 1, true))
    assert.truthy(out:find("frame  15: the door opens", 1, true))
    local result = result_of(out)
    assert.truthy(result:find('"output":{"looked_more_than_once":true,"x":3}', 1, true))
    assert.truthy(result:find('"status":"completed"', 1, true))
  end)

  it("runs with the static library alone", function()
    local program = compile("static", ("-L%s/lib -Wl,-Bstatic -lelg -Wl,-Bdynamic "):format(prefix)
      .. "$(echo " .. pkg_config "--static --libs-only-l" .. " | sed 's/-lelg//')"
      .. ' -DCOMPILER="\\"' .. pkg_config "--variable=compiler" .. '\\""')
    local out = must(command_of(program, "static"))
    assert.truthy(result_of(out):find('"status":"completed"', 1, true))
    assert.is_nil(must("ldd " .. program):find("libelg", 1, true))
  end)

  it("goes on where it was after a kill", function()
    local program = compile("killed", pkg_config "--libs")
    local command = command_of(program, "killed")
    local _, before = sh(KILL_AT_FIRST_STEP:format(command))
    assert.truthy(before:find("step 0 (look) is durable", 1, true), before)
    assert.is_nil(before:find("result: ", 1, true))
    local after = must(command)
    assert.truthy(after:find("the creature goes on where it was", 1, true), after)
    assert.is_nil(after:find("step 0 (look) is durable", 1, true))
    assert.truthy(result_of(after):find('"x":3', 1, true))
  end)

  it("exports the public names and nothing else", function()
    local names = must(("nm -D --defined-only %s/lib/libelg.so | awk '{print $3}'"):format(prefix))
    local count = 0
    for name in names:gmatch("%S+") do
      assert.truthy(name:match("^elg_%l"), name)
      count = count + 1
    end
    assert.truthy(count > 20)
  end)
end)
