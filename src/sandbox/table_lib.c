/* table_lib: sort, insert, remove, new, clear, concat, maxn, unpack. Provides that part
 * of library.h. All work on the raw table, as the engine's do. */
#include <lauxlib.h>
#include <math.h>

#include "sandbox/box.h"
#include "sandbox/library.h"

/* ---- sort: a merge from the bottom up between two lists; never more than n log n
 * comparisons, whatever the order function says, and equal elements keep their order. */

static void charge_comparison(lua_State *L, size_t a, size_t b)
{
    size_t size = a < b ? a : b;
    if (size >= ELG_FUEL_STRING_BYTES_MIN)
        elg_sandbox_charge(L, size >> ELG_FUEL_ALLOC_SHIFT);
}

/* Is the value at the top less than the one below it? Both stay. */
static bool top_is_less(lua_State *L)
{
    if (lua_isnil(L, 2)) {
        if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING)
            charge_comparison(L, lua_objlen(L, -1), lua_objlen(L, -2));
        return lua_lessthan(L, -1, -2);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    lua_call(L, 2, 1);
    bool less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
}

/* Merges [low, middle) and [middle, high) of the list at `from` into that at `to`. */
static void merge(lua_State *L, int from, int to, int low, int middle, int high)
{
    int left = low, right = middle;
    for (int at = low; at < high; at++) {
        bool take_right = left == middle;
        if (left < middle && right < high) {
            lua_rawgeti(L, from, left);
            lua_rawgeti(L, from, right);
            take_right = top_is_less(L);
            lua_pop(L, 2);
        }
        lua_rawgeti(L, from, take_right ? right++ : left++);
        lua_rawseti(L, to, at);
    }
    elg_sandbox_charge(L, (uint64_t)(high - low));
}

int elg_sandbox_lib_sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    int n = (int)lua_objlen(L, 1);
    if (n < 2)
        return 0;
    elg_sandbox_depth_enter(L, __builtin_frame_address(0));
    lua_createtable(L, n, 0); /* t order spare */
    int from = 1, to = 3;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t low = 1; low <= n; low += 2 * width) {
            int64_t middle = low + width, high = low + 2 * width;
            if (middle > n + 1)
                middle = n + 1;
            if (high > n + 1)
                high = n + 1;
            merge(L, from, to, (int)low, (int)middle, (int)high);
        }
        from = from == 1 ? 3 : 1;
        to = to == 1 ? 3 : 1;
    }
    for (int i = 1; from == 3 && i <= n; i++) {
        lua_rawgeti(L, 3, i);
        lua_rawseti(L, 1, i);
    }
    elg_sandbox_depth_leave(L);
    return 0;
}

/* ---- insert, remove */

int elg_sandbox_lib_insert(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int n = (int)lua_objlen(L, 1);
    int count = lua_gettop(L);
    if (count == 2) {
        lua_rawseti(L, 1, n + 1);
        return 0;
    }
    if (count != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    double at = luaL_checknumber(L, 2);
    luaL_argcheck(L, at >= 1 && at <= (double)n + 1 && at == floor(at), 2,
                  "position out of bounds");
    elg_sandbox_charge(L, (uint64_t)(n + 1 - (int)at) / 2);
    for (int i = n; i >= (int)at; i--) {
        lua_rawgeti(L, 1, i);
        lua_rawseti(L, 1, i + 1);
    }
    lua_rawseti(L, 1, (int)at);
    return 0;
}

int elg_sandbox_lib_remove(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int n = (int)lua_objlen(L, 1);
    double at = luaL_optnumber(L, 2, n);
    if (!(at >= 1 && at <= n))
        return 0;
    int i = (int)at;
    elg_sandbox_charge(L, (uint64_t)(n - i) / 2);
    lua_settop(L, 1);
    lua_rawgeti(L, 1, i);
    for (; i < n; i++) {
        lua_rawgeti(L, 1, i + 1);
        lua_rawseti(L, 1, i);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, n);
    return 1;
}

/* ---- table.new, table.clear: of the engine's extensions */

#define NEW_MAX (1 << 26) /* places; memory ends long before */

/* new(list places, other places): an empty table with room. */
int elg_sandbox_lib_table_new(lua_State *L)
{
    double list = luaL_checknumber(L, 1), others = luaL_checknumber(L, 2);
    luaL_argcheck(L, list >= 0 && list <= NEW_MAX, 1, "out of range");
    luaL_argcheck(L, others >= 0 && others <= NEW_MAX, 2, "out of range");
    lua_createtable(L, (int)list, (int)others);
    return 1;
}

/* clear(table): removes all keys, keeps their room. */
int elg_sandbox_lib_table_clear(lua_State *L)
{
    uint64_t seen = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        seen++;
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, 1); /* an existing key may be cleared while it is walked */
    }
    elg_sandbox_charge(L, seen);
    return 0;
}

/* ---- over the engine's own */

static int call_original(lua_State *L, const char *name, int results)
{
    elg_sandbox_original(L, name);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, results);
    return lua_gettop(L);
}

/* How many elements [from, to] may have at most, of a list of n. */
static uint64_t range_size(double from, double to, size_t n)
{
    double size = to - from + 1;
    if (!(size > 0))
        return 0;
    return size < (double)n + 1 ? (uint64_t)size : n + 1;
}

int elg_sandbox_lib_concat(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t n = lua_objlen(L, 1);
    double from = luaL_optnumber(L, 3, 1), to = luaL_optnumber(L, 4, (lua_Number)n);
    elg_sandbox_charge(L, range_size(from, to, n));
    return call_original(L, "concat", 1);
}

int elg_sandbox_lib_unpack(lua_State *L)
{
    size_t n = lua_istable(L, 1) ? lua_objlen(L, 1) : 0;
    double from = luaL_optnumber(L, 2, 1), to = luaL_optnumber(L, 3, (lua_Number)n);
    elg_sandbox_charge(L, range_size(from, to, 8000) / 4);
    return call_original(L, "unpack", LUA_MULTRET);
}

int elg_sandbox_lib_maxn(lua_State *L)
{
    double most = 0;
    uint64_t seen = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        seen++;
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > most)
            most = lua_tonumber(L, -1);
    }
    elg_sandbox_charge(L, seen);
    lua_pushnumber(L, most);
    return 1;
}
