-- base: errors, buffers, texts, hashes, UUIDs, shared bytes, interned strings, clocks.
local base = require "base_c"

describe("base.status", function()
  it("names every status and no other", function()
    assert.equal("ELG_OK", base.status_name(0))
    assert.equal("ELG_FENCED", base.status_name(10))
    assert.equal("ELG_INTERNAL", base.status_name(17))
    assert.equal("ELG_INTERNAL", base.status_name(18))
    assert.equal("ELG_INTERNAL", base.status_name(-1))
  end)

  it("keeps where and text, also of an error that is passed on", function()
    local status, where, text, cleared = base.fail(2, "state.items[3]", "100%s wrong")
    assert.same({ 2, "state.items[3]", "100%s wrong", true }, { status, where, text, cleared })
  end)

  it("cuts long texts at a character", function()
    for extra = 0, 3 do
      local _, where, text = base.fail(2, ("w"):rep(252 + extra) .. "😀é", ("t"):rep(1020 + extra) .. "😀é")
      assert.equal(("w"):rep(252 + extra), where)
      assert.equal(("t"):rep(1020 + extra), text)
    end
    local _, where = base.fail(2, ("w"):rep(251) .. "😀é", "x")
    assert.equal(("w"):rep(251) .. "😀", where)
  end)
end)

describe("base.buf", function()
  it("grows and keeps what was appended", function()
    local bytes = base.buf("a\0b", 1000, 0)
    local wanted = {}
    for i = 0, 999 do wanted[#wanted + 1] = "a\0b|str" .. i .. "," end
    assert.equal(table.concat(wanted), bytes)
  end)

  it("fails once and for all wherever memory ends, and leaks nothing (I16)", function()
    local _, _, _, _, calls = base.buf(("x"):rep(100), 200, 0)
    assert.is_true(calls > 5)
    for n = 1, calls do
      local bytes, failed, live, wrong = base.buf(("x"):rep(100), 200, n)
      assert.same({ nil, true, 0, 0 }, { bytes, failed, live, wrong })
    end
  end)
end)

describe("base.text", function()
  it("gives exactly what it took", function()
    for _, s in ipairs { "", "x", "a\0b", ("y"):rep(100000) } do
      local text, live, wrong, calls = base.text(s, 0)
      assert.same({ s, 0, 0 }, { text, live, wrong })
      for n = 1, calls do
        text, live = base.text(s, n)
        assert.same({ nil, 0 }, { text, live })
      end
    end
  end)
end)

describe("base.sha256", function()
  it("gives FIPS 180-4's values", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", (base.sha256 ""))
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", (base.sha256 "abc"))
    assert.equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", (base.sha256(("a"):rep(1000000))))
  end)

  it("does not see where parts meet, and reads its own hex", function()
    local whole, same = base.sha256 "abc"
    assert.is_true(same)
    assert.equal(whole, (base.sha256("a", "", "bc")))
  end)

  it("reads 64 lower-case digits and nothing else", function()
    assert.is_true(base.hash_parse(("0123456789abcdef"):rep(4)))
    local zeros = ("0"):rep(63)
    for _, text in ipairs { "", zeros, zeros .. "00", zeros .. "A", zeros .. "g", zeros .. "/" } do
      assert.is_false(base.hash_parse(text))
    end
  end)
end)

describe("base.uuid", function()
  it("stamps version and variant", function()
    assert.equal("ffffffff-ffff-4fff-bfff-ffffffffffff", base.uuid_v4(("\255"):rep(16)))
    assert.equal("00000000-0000-4000-8000-000000000000", base.uuid_v4(("\0"):rep(16)))
    assert.equal("017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
      base.uuid_v7(0x017F22E279B0, "\12\195\24\196\220\12\12\7\57\143"))
  end)

  it("sorts version 7 by time", function()
    assert.is_true(base.uuid_v7(1e12, ("\255"):rep(10)) < base.uuid_v7(1e12 + 1, ("\0"):rep(10)))
  end)
end)

describe("base.blob", function()
  it("is shared by threads and freed with its last reference", function()
    local bytes, live, alone = base.blob "a\0b"
    assert.same({ "a\0b\0", 0, true }, { bytes, live, alone })
  end)
end)

describe("base.intern", function()
  it("keeps each string once and is bounded (I15)", function()
    assert.same({ 100, 0, 0, 0 }, { base.intern(100, 1000, 0) })
    assert.same({ 200, 0, 0, 0 }, { base.intern(1000, 200, 0) })
  end)

  it("answers without memory too", function()
    for n = 1, 43 do -- the 35th is that of growing
      local kept, moved, live = base.intern(40, 40, n)
      assert.same({ 0, 0 }, { moved, live })
      assert.is_true(kept < 40, n)
    end
  end)
end)

describe("base.clock", function()
  it("goes forward, agrees with the system and gives chance", function()
    local wall_ms, forward, first = base.clock()
    local _, _, second = base.clock()
    assert.is_true(math.abs(wall_ms / 1000 - os.time()) < 5)
    assert.is_true(forward)
    assert.equal(16, #first)
    assert.are_not.equal(first, second)
  end)
end)
