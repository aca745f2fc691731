/* base_lib: the global functions that are ours. Provides that part of library.h. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"
#include "sandbox/order.h"

/* ---- pairs, next */

/* Iterator of pairs. Upvalues: table, list of the keys behind 1..n or nil, n, position,
 * how many there are in all. */
static int pairs_step(lua_State *L)
{
    int table = lua_upvalueindex(1), keys = lua_upvalueindex(2);
    size_t n = (size_t)lua_tonumber(L, lua_upvalueindex(3));
    size_t at = (size_t)lua_tonumber(L, lua_upvalueindex(4));
    size_t count = (size_t)lua_tonumber(L, lua_upvalueindex(5));
    lua_settop(L, 0);
    while (at++ < count) {
        if (at <= n) {
            lua_pushnumber(L, (lua_Number)at);
            lua_rawgeti(L, table, (int)at);
        } else {
            lua_rawgeti(L, keys, (int)(at - n));
            lua_pushvalue(L, 1);
            lua_rawget(L, table);
        }
        if (!lua_isnil(L, 2)) {
            lua_pushnumber(L, (lua_Number)at);
            lua_replace(L, lua_upvalueindex(4));
            return 2;
        }
        lua_settop(L, 0); /* it was cleared on the way */
    }
    return 0;
}

int elg_sandbox_lib_pairs(lua_State *L)
{
    size_t rest;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    size_t n = elg_sandbox_order_keys(L, 1, &rest); /* t t keys */
    lua_pushnumber(L, (lua_Number)n);
    lua_pushnumber(L, 0);
    lua_pushnumber(L, (lua_Number)(n + rest));
    lua_pushcclosure(L, pairs_step, 5);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Makes slot NEXT a list of all keys of the table at 1, its element 0 the table, so that
 * the address in the head cannot become another's. */
static void next_gather(lua_State *L, struct elg_head *head)
{
    size_t rest, n = elg_sandbox_order_keys(L, 1, &rest);
    lua_createtable(L, (int)(n + rest) + 1, 0); /* ... keys all */
    for (size_t i = 1; i <= n; i++) {
        lua_pushnumber(L, (lua_Number)i);
        lua_rawseti(L, -2, (int)i);
    }
    for (size_t i = 1; i <= rest; i++) {
        lua_rawgeti(L, -2, (int)i);
        lua_rawseti(L, -2, (int)(n + i));
    }
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_NEXT);
    lua_pop(L, 1);
    elg_sandbox_charge(L, n + rest);
    head->next_table = lua_topointer(L, 1);
    head->next_index = 0;
}

/* Sets next_index to the position of the key at 2, in the list at the top. */
static void next_find(lua_State *L, struct elg_head *head)
{
    size_t count = lua_objlen(L, -1);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        bool same = lua_rawequal(L, -1, 2);
        lua_pop(L, 1);
        if (same) {
            elg_sandbox_charge(L, i);
            head->next_index = (uint32_t)i;
            return;
        }
    }
    luaL_error(L, "invalid key to 'next'");
}

/* Pushes the list of keys, positioned at the key at 2. */
static void next_position(lua_State *L, struct elg_head *head)
{
    bool known = head->next_table == lua_topointer(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_NEXT);
    if (known && head->next_index > 0) {
        lua_rawgeti(L, -1, (int)head->next_index);
        known = lua_rawequal(L, -1, 2);
        lua_pop(L, 1);
        if (known)
            return;
    }
    lua_pop(L, 1);
    next_gather(L, head);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_NEXT);
    next_find(L, head);
}

int elg_sandbox_lib_next(lua_State *L)
{
    struct elg_head *head = elg_sandbox_head(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        head->next_index = 0; /* what is listed may be old */
        if (!elg_sandbox_order_first(L, 1))
            return lua_pushnil(L), 1;
        lua_pushvalue(L, -1);
        lua_rawget(L, 1);
        return 2;
    }
    next_position(L, head);
    for (;;) { /* t key list */
        lua_settop(L, 3);
        lua_rawgeti(L, 3, (int)++head->next_index);
        if (lua_isnil(L, 4))
            return 1;
        lua_pushvalue(L, 4);
        lua_rawget(L, 1);
        if (!lua_isnil(L, 5))
            return 2;
    }
}

/* ---- tostring */

/* Where an object lies in the heap. */
static double place_of(lua_State *L, int index)
{
    const uint8_t *heap = (const uint8_t *)elg_sandbox_head(L);
    return (double)((const uint8_t *)lua_topointer(L, index) - heap);
}

/* Pushes "table: 0x00000007": places are numbered when what lies there is first shown;
 * what comes to lie there later has the number of the one that is gone. The objects
 * themselves as keys would be hashed by address: when their table grows, and what that
 * costs, would depend on where the arena lies. */
static void push_name(lua_State *L, int index)
{
    char text[64];
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_NUMBERS);
    lua_pushnumber(L, place_of(L, index));
    lua_rawget(L, -2); /* numbers number */
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushnumber(L, place_of(L, index));
        lua_pushnumber(L, ++elg_sandbox_head(L)->shown);
        lua_rawset(L, -3);
        lua_pushnumber(L, elg_sandbox_head(L)->shown);
    }
    snprintf(text, sizeof text, "%s: 0x%08x", luaL_typename(L, index),
             (unsigned)lua_tonumber(L, -1));
    lua_pop(L, 2);
    lua_pushstring(L, text);
}

/* An error that leaves many of these calls is slow: the unwinder reads a table for each
 * frame. Its work is charged before, where the frames are made. */
#define TOSTRING_UNITS 64

static bool call_tostring(lua_State *L, int index)
{
    if (!luaL_getmetafield(L, index, "__tostring"))
        return false;
    elg_sandbox_charge(L, TOSTRING_UNITS);
    elg_sandbox_depth_enter(L, __builtin_frame_address(0));
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    elg_sandbox_depth_leave(L);
    return true;
}

const char *elg_sandbox_text_of(lua_State *L, int index, size_t *size)
{
    if (call_tostring(L, index)) {
        if (!lua_isstring(L, -1))
            luaL_error(L, "'__tostring' must return a string");
        return lua_tolstring(L, -1, size);
    }
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_pushvalue(L, index);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        break;
    case LUA_TLIGHTUSERDATA:
        lua_pushliteral(L, "null");
        break;
    default:
        push_name(L, index);
        break;
    }
    return lua_tolstring(L, -1, size);
}

int elg_sandbox_lib_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    (void)elg_sandbox_text_of(L, 1, NULL);
    return 1;
}

int elg_sandbox_lib_tonumber(lua_State *L)
{
    int count = lua_gettop(L);
    if (count == 1 && lua_type(L, 1) == LUA_TNUMBER)
        return 1;
    if (lua_type(L, 1) == LUA_TSTRING)
        elg_sandbox_charge(L, lua_objlen(L, 1) >> 4);
    elg_sandbox_original(L, "tonumber");
    lua_insert(L, 1);
    lua_call(L, count, 1);
    return 1;
}

/* ---- setmetatable */

static void refuse_field(lua_State *L, const char *name, const char *why)
{
    lua_pushstring(L, name);
    lua_rawget(L, 2);
    if (!lua_isnil(L, -1))
        luaL_error(L, "setmetatable: %s is not here: %s", name, why);
    lua_pop(L, 1);
}

int elg_sandbox_lib_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argcheck(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
    if (luaL_getmetafield(L, 1, "__metatable"))
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        refuse_field(L, "__gc", "nothing outlives a step");
        refuse_field(L, "__mode", "what it keeps would depend on the collector");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* ---- load */

#define LOAD_UNITS 10000 /* a question to the helper and its answer */
/* The host waits for the helper, and the engine's parser takes quadratic time over chains
 * of `and`: 0.1 s for so many bytes. */
#define LOAD_BYTES_MAX (64u << 10)

/* Replaces the function at 1 by the concatenation of what it returns. False: that is too
 * long; the function is not called again. */
static bool read_pieces(lua_State *L)
{
    size_t bytes = 0;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    elg_sandbox_depth_enter(L, __builtin_frame_address(0));
    while (bytes <= LOAD_BYTES_MAX) {
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1) || (lua_isstring(L, -1) && lua_objlen(L, -1) == 0))
            break;
        if (!lua_isstring(L, -1))
            luaL_error(L, "reader function must return a string");
        bytes += lua_objlen(L, -1);
        if (bytes <= LOAD_BYTES_MAX)
            luaL_addvalue(&buffer);
    }
    elg_sandbox_depth_leave(L);
    if (bytes > LOAD_BYTES_MAX)
        return false;
    lua_pop(L, 1);
    luaL_pushresult(&buffer);
    lua_replace(L, 1);
    return true;
}

static int load_failed(lua_State *L, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

static int load_too_long(lua_State *L)
{
    return load_failed(L, "load: larger than 64 KiB; put it into a module");
}

/* Has the host compile the text at 1; true: its bytecode is in box->source. */
static bool compile(lua_State *L, struct elg_sandbox *box, const char *chunk)
{
    size_t size;
    const char *text = lua_tolstring(L, 1, &size);
    if (chunk[0] == '=' || chunk[0] == '@')
        chunk++;
    elg_sandbox_charge(L, LOAD_UNITS + size + size * size / 1024);
    elg_sandbox_set(box, &box->module, chunk, strnlen(chunk, 60));
    elg_sandbox_set(box, &box->source, text, size);
    elg_sandbox_leave(box, ELG_EVENT_COMPILE);
    elg_sandbox_need(box, &box->source);
    return box->found;
}

int elg_sandbox_lib_load(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    bool has_env = lua_gettop(L) >= 4;
    lua_settop(L, 4);
    const char *chunk = luaL_optstring(L, 2, "load");
    const char *mode = luaL_optstring(L, 3, "t");
    if (!lua_isfunction(L, 1))
        luaL_checktype(L, 1, LUA_TSTRING);
    else if (!read_pieces(L))
        return load_too_long(L);
    if (strchr(mode, 't') == NULL || lua_tostring(L, 1)[0] == LUA_SIGNATURE[0])
        return load_failed(L, "attempt to load a binary chunk: only text is loaded here");
    if (lua_objlen(L, 1) > LOAD_BYTES_MAX)
        return load_too_long(L);
    if (!compile(L, box, chunk)) {
        const char *why = elg_base_buf_cstr(&box->source);
        elg_sandbox_need(box, &box->source);
        return load_failed(L, why);
    }
    if (luaL_loadbufferx(L, (const char *)box->source.data, box->source.size, "load",
                         "b") != 0)
        return lua_error(L);
    if (has_env) {
        luaL_checktype(L, 4, LUA_TTABLE);
        lua_pushvalue(L, 4);
        lua_setfenv(L, -2);
    }
    return 1;
}
