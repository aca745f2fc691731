/* library: the allow-list, and the making of the globals from it. Provides library.h. */
#include "sandbox/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "prelude.h"
#include "sandbox/box.h"
#include "sandbox/job.h"
#include "sandbox/module.h"

/* A name of the library. ours NULL: the engine's own function. */
struct entry {
    const char *table; /* NULL: a global */
    const char *name;
    lua_CFunction ours;
    const char *reason; /* why it may be there as it is, or why it is ours */
};

static const struct entry ENTRIES[] = {
    {NULL, "assert", NULL, "pure"},
    {NULL, "error", NULL, "pure"},
    {NULL, "getmetatable", NULL, "pure; that of strings is locked"},
    {NULL, "ipairs", NULL, "in order by itself"},
    {NULL, "load", elg_sandbox_lib_load, "text only; the parser runs in the helper"},
    {NULL, "loadstring", elg_sandbox_lib_load, "as load"},
    {NULL, "next", elg_sandbox_lib_next, "sorted: hash order depends on history"},
    {NULL, "pairs", elg_sandbox_lib_pairs, "sorted: hash order depends on history"},
    {NULL, "pcall", NULL, "cannot catch the end of fuel or memory"},
    {NULL, "rawequal", NULL, "pure"},
    {NULL, "rawget", NULL, "pure"},
    {NULL, "rawset", NULL, "pure"},
    {NULL, "require", elg_sandbox_module_require, "the graph's own files only"},
    {NULL, "select", NULL, "pure"},
    {NULL, "setmetatable", elg_sandbox_lib_setmetatable, "no finalizers, no weak tables"},
    {NULL, "tonumber", elg_sandbox_lib_tonumber, "as the engine's; size charged"},
    {NULL, "tostring", elg_sandbox_lib_tostring, "shows no addresses"},
    {NULL, "type", NULL, "pure"},
    {NULL, "unpack", elg_sandbox_lib_unpack, "charged by size"},
    {NULL, "xpcall", NULL, "its handler cannot catch the end of fuel or memory"},

    {"coroutine", "create", NULL, "memory is capped"},
    {"coroutine", "isyieldable", NULL, "pure"},
    {"coroutine", "resume", elg_sandbox_lib_resume, "depth counted: C stack"},
    {"coroutine", "running", NULL, "pure"},
    {"coroutine", "status", NULL, "pure"},
    {"coroutine", "wrap", elg_sandbox_lib_wrap, "depth counted: C stack"},
    {"coroutine", "yield", NULL, "pure"},

    {"string", "byte", NULL, "results are limited by Lua's stack"},
    {"string", "char", NULL, "arguments are limited by Lua's stack"},
    {"string", "find", elg_sandbox_lib_find, "steps charged"},
    {"string", "format", elg_sandbox_lib_format, "no %p, no addresses, size charged"},
    {"string", "gmatch", elg_sandbox_lib_gmatch, "steps charged"},
    {"string", "gsub", elg_sandbox_lib_gsub, "steps charged, depth counted"},
    {"string", "len", NULL, "pure"},
    {"string", "lower", NULL, "ASCII by the engine's tables; allocation is charged"},
    {"string", "match", elg_sandbox_lib_match, "steps charged"},
    {"string", "rep", elg_sandbox_lib_rep, "size charged before it is made"},
    {"string", "reverse", NULL, "allocation is charged"},
    {"string", "sub", NULL, "allocation is charged"},
    {"string", "upper", NULL, "as lower"},

    {"table", "concat", elg_sandbox_lib_concat, "size charged"},
    {"table", "insert", elg_sandbox_lib_insert, "position checked, moves charged"},
    {"table", "maxn", elg_sandbox_lib_maxn, "size charged"},
    {"table", "move", NULL, "in Lua: counted"},
    {"table", "remove", elg_sandbox_lib_remove, "position checked, moves charged"},
    {"table", "sort", elg_sandbox_lib_sort, "stable, bounded for any order function"},

    {"math", "abs", NULL, "exact"},
    {"math", "acos", NULL, "musl's"},
    {"math", "asin", NULL, "musl's"},
    {"math", "atan", NULL, "musl's"},
    {"math", "atan2", NULL, "musl's"},
    {"math", "ceil", NULL, "exact"},
    {"math", "cos", NULL, "musl's"},
    {"math", "cosh", NULL, "musl's"},
    {"math", "deg", NULL, "one multiplication"},
    {"math", "exp", NULL, "musl's"},
    {"math", "floor", NULL, "exact"},
    {"math", "fmod", NULL, "musl's, exact"},
    {"math", "frexp", NULL, "exact"},
    {"math", "huge", NULL, "a constant"},
    {"math", "ldexp", NULL, "exact"},
    {"math", "log", NULL, "musl's"},
    {"math", "log10", NULL, "musl's"},
    {"math", "max", NULL, "exact"},
    {"math", "min", NULL, "exact"},
    {"math", "modf", NULL, "exact"},
    {"math", "pi", NULL, "a constant"},
    {"math", "pow", NULL, "musl's"},
    {"math", "rad", NULL, "one multiplication"},
    {"math", "random", elg_sandbox_lib_random, "computed from the run's seed"},
    {"math", "randomseed", elg_sandbox_lib_randomseed, "salts the computed numbers"},
    {"math", "sin", NULL, "musl's"},
    {"math", "sinh", NULL, "musl's"},
    {"math", "sqrt", NULL, "exact by IEEE 754"},
    {"math", "tan", NULL, "musl's"},
    {"math", "tanh", NULL, "musl's"},

    {"bit", "arshift", NULL, "pure"},
    {"bit", "band", NULL, "pure"},
    {"bit", "bnot", NULL, "pure"},
    {"bit", "bor", NULL, "pure"},
    {"bit", "bswap", NULL, "pure"},
    {"bit", "bxor", NULL, "pure"},
    {"bit", "lshift", NULL, "pure"},
    {"bit", "rol", NULL, "pure"},
    {"bit", "ror", NULL, "pure"},
    {"bit", "rshift", NULL, "pure"},
    {"bit", "tobit", NULL, "pure"},
    {"bit", "tohex", NULL, "pure"},

    {"utf8", "char", elg_sandbox_lib_utf8_char, "pure; size charged"},
    {"utf8", "codepoint", elg_sandbox_lib_utf8_codepoint, "pure; size charged"},
    {"utf8", "codes", elg_sandbox_lib_utf8_codes, "pure; size charged"},
    {"utf8", "len", elg_sandbox_lib_utf8_len, "pure; size charged"},
    {"utf8", "offset", elg_sandbox_lib_utf8_offset, "pure; size charged"},

    {"os", "clock", elg_sandbox_lib_clock, "the attempt's start"},
    {"os", "date", elg_sandbox_lib_date, "the attempt's start, UTC, no locale"},
    {"os", "difftime", elg_sandbox_lib_difftime, "a subtraction"},
    {"os", "time", elg_sandbox_lib_time, "the attempt's start, UTC"},
};

/* What require finds besides the graph's files: tables of the globals, */
static const char *const MODULES[] = {"string",    "table", "math", "bit",
                                      "coroutine", "os",    "utf8"};
/* and functions of the engine's that are found by require alone. */
static const struct entry EXTENSIONS[] = {
    {NULL, "table.new", elg_sandbox_lib_table_new, "memory is capped"},
    {NULL, "table.clear", elg_sandbox_lib_table_clear, "size charged"},
};

/* C functions that the prelude builds module elg and ctx from. */
static const struct entry PRIMITIVES[] = {
    {NULL, "call", elg_sandbox_job_call, "the boundary"},
    {NULL, "rand", elg_sandbox_lib_ctx_rand, "computed"},
    {NULL, "uuid", elg_sandbox_lib_ctx_uuid, "computed"},
    {NULL, "secret", elg_sandbox_lib_secret, "a handle"},
    {NULL, "encode", elg_sandbox_lib_json_encode, "pure"},
    {NULL, "decode", elg_sandbox_lib_json_decode, "pure"},
    {NULL, "hash", elg_sandbox_lib_hash, "pure"},
    {NULL, "array", elg_sandbox_lib_array, "pure"},
    {NULL, "check", elg_sandbox_lib_check, "is it a value"},
    {NULL, "line", elg_sandbox_lib_line, "of the author's caller"},
    {NULL, "line_of", elg_sandbox_lib_line_of, "of a function"},
};

/* Those that ours call, by the names in elg_sandbox_original. */
static const char *const ORIGINALS[][2] = {
    {"string", "format"}, {"string", "rep"}, {"table", "concat"},
    {"table", "maxn"},    {"", "unpack"},    {"", "tonumber"},
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void open_engine(lua_State *L)
{
    static const struct {
        lua_CFunction open;
        const char *name;
    } PARTS[] = {{luaopen_base, ""},
                 {luaopen_table, LUA_TABLIBNAME},
                 {luaopen_string, LUA_STRLIBNAME},
                 {luaopen_math, LUA_MATHLIBNAME},
                 {luaopen_bit, LUA_BITLIBNAME}};
    for (size_t i = 0; i < COUNT(PARTS); i++) {
        lua_pushcfunction(L, PARTS[i].open);
        lua_pushstring(L, PARTS[i].name);
        lua_call(L, 1, 0);
    }
}

/* Pushes what the engine has under table.name. */
static void push_engine(lua_State *L, const char *table, const char *name)
{
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    if (table != NULL && table[0] != '\0') {
        lua_getfield(L, -1, table);
        lua_remove(L, -2);
    }
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

static void keep_originals(lua_State *L)
{
    lua_createtable(L, 0, (int)COUNT(ORIGINALS));
    for (size_t i = 0; i < COUNT(ORIGINALS); i++) {
        push_engine(L, ORIGINALS[i][0], ORIGINALS[i][1]);
        lua_setfield(L, -2, ORIGINALS[i][1]);
    }
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_ORIGINALS);
}

void elg_sandbox_original(lua_State *L, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_ORIGINALS);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* Pushes the table of that name within the table at `globals`, making it. */
static void push_table(lua_State *L, int globals, const char *name)
{
    if (name == NULL) {
        lua_pushvalue(L, globals);
        return;
    }
    lua_getfield(L, globals, name);
    if (!lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, globals, name);
}

/* Pushes the new globals. */
static void push_allowed(lua_State *L)
{
    lua_createtable(L, 0, 32);
    int globals = lua_gettop(L);
    for (size_t i = 0; i < COUNT(ENTRIES); i++) {
        const struct entry *entry = &ENTRIES[i];
        push_table(L, globals, entry->table);
        if (entry->ours != NULL)
            lua_pushcfunction(L, entry->ours);
        else
            push_engine(L, entry->table, entry->name);
        lua_setfield(L, -2, entry->name);
        lua_pop(L, 1);
    }
    push_table(L, globals, "utf8");
    elg_sandbox_push_charpattern(L);
    lua_setfield(L, -2, "charpattern");
    lua_pop(L, 1);
    lua_pushvalue(L, globals);
    lua_setfield(L, globals, "_G");
    lua_pushliteral(L, "Lua 5.1");
    lua_setfield(L, globals, "_VERSION");
}

/* Empties the table at the top and pops it. */
static void empty_table(lua_State *L)
{
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, -4); /* an existing key may be cleared while it is walked */
    }
    lua_pop(L, 1);
}

/* The globals at the top replace the engine's, of which nothing is left to find. */
static void replace_globals(lua_State *L)
{
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    empty_table(L);
    lua_newtable(L); /* keeps what code with 64-bit literals makes the engine load */
    lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_getfield(L, -3, "string");
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable"); /* getmetatable("") gives that word */
    lua_pop(L, 2);
    lua_replace(L, LUA_GLOBALSINDEX);
}

static void push_primitives(lua_State *L)
{
    lua_createtable(L, 0, (int)COUNT(PRIMITIVES) + 1);
    for (size_t i = 0; i < COUNT(PRIMITIVES); i++) {
        lua_pushcfunction(L, PRIMITIVES[i].ours);
        lua_setfield(L, -2, PRIMITIVES[i].name);
    }
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}

/* Fills the table at the top: names to modules. */
static void add_modules(lua_State *L)
{
    for (size_t i = 0; i < COUNT(MODULES); i++) {
        lua_getglobal(L, MODULES[i]);
        lua_setfield(L, -2, MODULES[i]);
    }
    for (size_t i = 0; i < COUNT(EXTENSIONS); i++) {
        lua_pushcfunction(L, EXTENSIONS[i].ours);
        lua_setfield(L, -2, EXTENSIONS[i].name);
    }
}

static void run_prelude(lua_State *L)
{
    if (luaL_loadbufferx(L, (const char *)PRELUDE, sizeof PRELUDE, "=elg", "b") != 0)
        lua_error(L);
    push_primitives(L);
    lua_call(L, 1, 1); /* prelude */
    lua_getfield(L, -1, "ctx");
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_CTX);
    lua_createtable(L, 0, (int)(COUNT(MODULES) + COUNT(EXTENSIONS)) + 8);
    add_modules(L);
    lua_getfield(L, -2, "elg"); /* prelude modules elg */
    lua_setfield(L, -2, "elg");
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_MODULES);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_PRELUDE);
}

static void make_slots(lua_State *L)
{
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "secret");
    lua_setfield(L, -2, "__metatable");
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_SECRET);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "error");
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, elg_sandbox_lib_error_text);
    lua_setfield(L, -2, "__tostring");
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_ERROR);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_NUMBERS);
    lua_pushboolean(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_NEXT);
}

void elg_sandbox_library_open(lua_State *L)
{
    open_engine(L);
    keep_originals(L);
    push_allowed(L);
    replace_globals(L);
    make_slots(L);
    lua_gc(L, LUA_GCCOLLECT, 0); /* what the engine's library has left is used again */
    lua_gc(L, LUA_GCSTOP, 0);
    run_prelude(L);
}
