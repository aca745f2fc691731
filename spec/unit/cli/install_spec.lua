-- install: what `make install` puts in place is enough to build a host and to run graphs.
local core = require "elg.core"
local helper = require "helper"
local sys = require "elg.sys"

local HOST = [[
#include <elg.h>
#include <stdio.h>
int main(void)
{
    struct elg_text text;
    struct elg_error error;
    struct elg_host_options options = {.abi_version = ELG_ABI_VERSION, .store = "memory:"};
    struct elg_host *host;
    if (elg_json_canonical(NULL, "{ }", 3, &text, &error) != ELG_OK)
        return 1;
    printf("%s %s\n", text.data, elg_version());
    elg_text_destroy(&text);
    if (elg_host_open(&options, &host, &error) != ELG_OK)
        return 2;
    elg_host_close(host);
    return 0;
}
]]

local folder

-- A build with sanitizers needs them in its hosts too.
local SANITIZE = os.getenv("ELG_MAKE") and "-fsanitize=address,undefined" or ""

local function sh(command)
  command = "SANITIZE=" .. SANITIZE .. "; " .. command
  local pipe = io.popen(("cd %s && { %s; } 2>&1; echo $?"):format(folder, command))
  local said = pipe:read("*a")
  pipe:close()
  local text, code = said:match("^(.-)(%d+)\n$")
  return tonumber(code), text
end

local function make(target)
  local here = io.popen("pwd"):read("*l")
  local code, said = sh(("make -s -C %s B=%s %s PREFIX=%s/usr %s"):format(here, helper.build,
    os.getenv("ELG_MAKE") or "", folder, target))
  assert.equal(0, code, said)
end

describe("make install", function()
  setup(function()
    folder = assert(sys.mkdtemp "/tmp/elg-install-")
    make "install"
    local file = assert(io.open(folder .. "/host.c", "w"))
    file:write(HOST)
    file:close()
  end)
  teardown(function() sys.remove_tree(folder) end)

  it("lets a host link the shared library by pkg-config", function()
    local code, said = sh [[export PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig
      gcc $SANITIZE -Wall -Werror host.c -o host \
        $(pkg-config --cflags --libs elg) && env -u LD_LIBRARY_PATH ./host]]
    assert.same({ 0, "{} " .. core.version() .. "\n" }, { code, said })
  end)

  it("lets a host link the static library by pkg-config", function()
    local code, said = sh [[export PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig; mkdir -p static
      cp usr/lib/libelg.a static; set -- $(pkg-config --static --cflags --libs elg)
      gcc $SANITIZE -Wall -Werror host.c -o host-static -Lstatic $* && rm -rf static
      ldd host-static | grep -c libelg; :]]
    assert.equal(0, code)
    assert.equal("0\n", said)
    assert.same({ 0, "{} " .. core.version() .. "\n" }, { sh "./host-static" })
  end)

  it("exports the public names and no others", function()
    local public = {}
    for line in io.lines "src/elg.h" do
      local name = line:match("^ELG_API .-(elg_[%w_]+)%(")
      if name then public[name] = true end
    end
    local _, said = sh "nm -D --defined-only usr/lib/libelg.so; nm -g --defined-only usr/lib/libelg.a"
    local seen = 0
    for name in said:gmatch("%x+ %u ([%w_.]+)") do
      assert.is_true(public[name], name)
      seen = seen + 1
    end
    local wanted = 0
    for _ in pairs(public) do wanted = wanted + 2 end
    assert.equal(wanted, seen)
  end)

  it("puts the program where it finds its helper", function()
    local file = assert(io.open(folder .. "/g.lua", "w"))
    file:write [[local elg = require "elg"
      return elg.graph { id = "g", version = "1", entry = "a",
        nodes = { a = { run = function() return nil, 7 end } }, edges = {} }]]
    file:close()
    local code, said = sh "env -i usr/bin/elg run g.lua --store memory: --json"
    assert.equal(0, code, said)
    assert.equal(7, core.decode(said).output)
  end)

  it("takes everything away again", function()
    make "uninstall"
    assert.same({ 0, "" }, { sh "find usr -type f -o -type l" })
  end)
end)
