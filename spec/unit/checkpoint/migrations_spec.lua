-- What the build makes of sql/: the library carries each migration as the file has it.
local migrations = require "migrations_c"
local outside = require "outside"

local function files(folder)
  local out, pipe = {}, assert(io.popen("ls " .. folder .. "/[0-9]*.sql"))
  for path in pipe:lines() do out[#out + 1] = path end
  pipe:close()
  return out
end

describe("migrations", function()
  for _, kind in ipairs { "sqlite", "postgres" } do
    it(("are embedded byte for byte (%s)"):format(kind), function()
      local paths = files("sql/" .. kind)
      assert.equal(#paths, #migrations[kind])
      for i, path in ipairs(paths) do
        assert.is_true(outside.read(path) == migrations[kind][i], path .. " is not what is embedded")
      end
    end)
  end

  -- The generator itself, with what C and awk could make something else of.
  it("may hold what a C string escapes", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder) == 0)
    finally(function() os.execute("rm -rf " .. folder) end)
    local function write(name, text)
      local file = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
      file:close()
    end
    local odd = "-- it's \\d+ \\\\n\\'\n\nSELECT '\\', "
      .. "\"a\"\"b\", '\\n', E'\\u0041', '??/', '%s%%', 'é' & 1;\n\t-- tab\n"
    write("0001.sql", odd)
    write("0002.sql", "SELECT 2;\n")
    write("mk", "include mk/39-sql-text.mk\nall:\n\t@$(call sql_text,"
      .. folder .. "/0001.sql " .. folder .. "/0002.sql)\n")
    write("main.c", '#include <stdio.h>\nstatic const char *const T[] = {\n#include "t.h"\n};\n'
      .. 'int main(void) { return fputs(T[0], stdout) < 0 || sizeof T / sizeof T[0] != 2; }\n')
    assert.equal(0, os.execute(("F=%s; make -s -f $F/mk >$F/t.h && gcc -std=c11 -o $F/main $F/main.c "
      .. "&& $F/main >$F/out"):format(folder)))
    assert.equal(odd, outside.read(folder .. "/out"))
  end)
end)
