/* utf8_lib: utf8.char, codepoint, codes, len and offset, as Lua 5.3's but strict: what
 * they take for a character is what a state may hold (no surrogates, nothing above
 * U+10FFFF, shortest forms). Each is charged for the bytes it looks at. Provides that
 * part of library.h; uses json's UTF-8. */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"

#define CODE_MAX 0x10FFFF
#define CHARACTER_BYTES_MAX 4
#define BYTES_SHIFT 4 /* a unit for so many bytes looked at */

struct text {
    const uint8_t *data;
    int64_t size;
};

static struct text check_text(lua_State *L)
{
    size_t size;
    struct text text;
    text.data = (const uint8_t *)luaL_checklstring(L, 1, &size);
    text.size = (int64_t)size;
    return text;
}

static void charge(lua_State *L, int64_t bytes)
{
    elg_sandbox_charge(L, (uint64_t)bytes >> BYTES_SHIFT);
}

/* A whole number; those beyond any text come out as two ends. */
static int64_t check_integer(lua_State *L, int arg)
{
    double value = luaL_checknumber(L, arg);
    luaL_argcheck(L, value == floor(value), arg, "number has no integer representation");
    if (value > 1e15)
        return (int64_t)1e15;
    return value < -1e15 ? (int64_t)-1e15 : (int64_t)value;
}

/* A position from 1; negative ones count from the end, 0 is in front of the text. */
static int64_t opt_position(lua_State *L, int arg, int64_t fallback, int64_t size)
{
    int64_t at = lua_isnoneornil(L, arg) ? fallback : check_integer(L, arg);
    if (at >= 0)
        return at;
    return -at > size ? 0 : size + at + 1;
}

static bool is_continuation(struct text text, int64_t at)
{
    return at < text.size && (text.data[at] & 0xC0) == 0x80;
}

/* The size of the character at `at` < size, its number in *code; 0: there is none. */
static int decode(struct text text, int64_t at, uint32_t *code)
{
    const uint8_t *s = text.data + at;
    int size = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : CHARACTER_BYTES_MAX;
    struct elg_bytes character = {s, (size_t)size};
    if (text.size - at < size || elg_json_check_utf8(character) != character.size)
        return 0;
    uint32_t value = size == 1 ? s[0] : s[0] & (0x7Fu >> size);
    for (int i = 1; i < size; i++)
        value = value << 6 | (s[i] & 0x3Fu);
    *code = value;
    return size;
}

/* ---- char */

static size_t encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)((0xF00u >> size & 0xFF) | code);
    return size;
}

int elg_sandbox_lib_utf8_char(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer out;
    char character[CHARACTER_BYTES_MAX];
    elg_sandbox_charge(L, (uint64_t)count);
    luaL_buffinit(L, &out);
    for (int i = 1; i <= count; i++) {
        int64_t code = check_integer(L, i);
        luaL_argcheck(L, code >= 0 && code <= CODE_MAX && code >> 11 != 0xD800 >> 11, i,
                      "value out of range");
        luaL_addlstring(&out, character, encode((uint32_t)code, character));
    }
    luaL_pushresult(&out);
    return 1;
}

/* ---- codepoint, len, offset */

int elg_sandbox_lib_utf8_codepoint(lua_State *L)
{
    struct text text = check_text(L);
    int64_t from = opt_position(L, 2, 1, text.size);
    int64_t to = opt_position(L, 3, from, text.size);
    luaL_argcheck(L, from >= 1, 2, "out of range");
    luaL_argcheck(L, to <= text.size, 3, "out of range");
    if (from > to)
        return 0;
    int count = 0;
    luaL_argcheck(L, to - from < INT32_MAX, 3, "string slice too long");
    for (int64_t at = from - 1; at < to; count++) {
        uint32_t code;
        int size = decode(text, at, &code);
        if (size == 0)
            return luaL_error(L, "invalid UTF-8 code");
        luaL_checkstack(L, 1, "string slice too long");
        lua_pushnumber(L, code);
        at += size;
    }
    elg_sandbox_charge(L, (uint64_t)count);
    return count;
}

int elg_sandbox_lib_utf8_len(lua_State *L)
{
    struct text text = check_text(L);
    int64_t at = opt_position(L, 2, 1, text.size) - 1;
    int64_t last = opt_position(L, 3, -1, text.size) - 1;
    luaL_argcheck(L, at >= 0 && at <= text.size, 2, "initial position out of string");
    luaL_argcheck(L, last < text.size, 3, "final position out of string");
    int64_t from = at, count = 0;
    while (at <= last) {
        uint32_t code;
        int size = decode(text, at, &code);
        if (size == 0) {
            charge(L, at - from);
            lua_pushnil(L);
            lua_pushnumber(L, (lua_Number)at + 1);
            return 2;
        }
        at += size;
        count++;
    }
    charge(L, at - from);
    lua_pushnumber(L, (lua_Number)count);
    return 1;
}

/* Moves `at` by n characters, back if n is negative; -1: there are not so many. */
static int64_t move(struct text text, int64_t at, int64_t n)
{
    for (; n < 0 && at > 0; n++) {
        do
            at--;
        while (at > 0 && is_continuation(text, at));
    }
    for (; n > 0 && at < text.size; n--) {
        do
            at++;
        while (is_continuation(text, at));
    }
    return n == 0 ? at : -1;
}

int elg_sandbox_lib_utf8_offset(lua_State *L)
{
    struct text text = check_text(L);
    int64_t n = check_integer(L, 2);
    int64_t at = opt_position(L, 3, n >= 0 ? 1 : text.size + 1, text.size) - 1;
    int64_t from = at;
    luaL_argcheck(L, at >= 0 && at <= text.size, 3, "position out of range");
    if (n == 0) {
        while (at > 0 && is_continuation(text, at))
            at--;
    } else if (is_continuation(text, at)) {
        return luaL_error(L, "initial position is a continuation byte");
    } else {
        at = move(text, at, n > 0 ? n - 1 : n);
    }
    charge(L, at < 0 ? text.size : at > from ? at - from : from - at);
    if (at < 0)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)at + 1);
    return 1;
}

/* ---- codes */

/* iterate(text, position of the character before, from 1): position, code */
static int codes_step(lua_State *L)
{
    struct text text = check_text(L);
    int64_t at = check_integer(L, 2);
    uint32_t code;
    if (at < 0 || at > text.size)
        at = at < 0 ? 0 : text.size;
    int64_t from = at;
    while (at > 0 && is_continuation(text, at))
        at++;
    charge(L, at - from);
    if (at >= text.size)
        return 0;
    int size = decode(text, at, &code);
    if (size == 0 || is_continuation(text, at + size))
        return luaL_error(L, "invalid UTF-8 code");
    lua_pushnumber(L, (lua_Number)at + 1);
    lua_pushnumber(L, code);
    return 2;
}

int elg_sandbox_lib_utf8_codes(lua_State *L)
{
    (void)check_text(L);
    lua_pushcfunction(L, codes_step);
    lua_pushvalue(L, 1);
    lua_pushnumber(L, 0);
    return 3;
}

void elg_sandbox_push_charpattern(lua_State *L)
{
    static const char PATTERN[] = "[\0-\x7F\xC2-\xF4][\x80-\xBF]*";
    lua_pushlstring(L, PATTERN, sizeof PATTERN - 1);
}
