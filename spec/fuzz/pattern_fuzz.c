/* pattern_fuzz: any text and any pattern through find, match, gmatch and gsub (make fuzz
 * F=pattern).
 *
 * string_lib.c and pattern.c run on Debian's LuaJIT. Checks that nothing reads or writes
 * outside, that every search ends within its allowance, and that what comes out is what
 * that LuaJIT's own functions give. abort() is libFuzzer's way to say no.
 *
 * Input: mode, start, length of the pattern, pattern, text.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"

#define UNITS_MAX 200000 /* then the search is given up: an error in place of the end */
#define TEXT_MAX 200     /* what both look at: the original is not counted */
#define PATTERN_MAX 60
#define COMPARED_UNITS_MAX 20000 /* longer ones are not asked of the original */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t units;

static void demand(bool condition)
{
    if (!condition)
        abort();
}

/* ---- what the library asks of the sandbox */

void elg_sandbox_charge(lua_State *L, uint64_t more)
{
    units += more;
    if (units > UNITS_MAX)
        luaL_error(L, "out of fuel");
}

void elg_sandbox_depth_enter(lua_State *L, const void *frame)
{
    (void)L;
    (void)frame;
}

void elg_sandbox_depth_leave(lua_State *L)
{
    (void)L;
}

void elg_sandbox_original(lua_State *L, const char *name)
{
    lua_getglobal(L, "string");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

const char *elg_sandbox_text_of(lua_State *L, int index, size_t *size)
{
    lua_pushvalue(L, index);
    return lua_tolstring(L, -1, size);
}

/* ---- one input */

struct input {
    uint8_t mode;
    int8_t start;
    struct elg_bytes pattern, text;
};

static bool read_input(struct input *in, const uint8_t *data, size_t size)
{
    if (size < 3 || data[2] > PATTERN_MAX || size - 3 < data[2] ||
        size - 3 - data[2] > TEXT_MAX)
        return false;
    in->mode = data[0];
    in->start = (int8_t)data[1];
    in->pattern = (struct elg_bytes){data + 3, data[2]};
    in->text = (struct elg_bytes){data + 3 + data[2], size - 3 - data[2]};
    return true;
}

static void push(lua_State *L, struct elg_bytes bytes)
{
    /* Blocks of their own, so that a byte read outside is seen. */
    char *copy = malloc(bytes.size + 1);
    demand(copy != NULL);
    memcpy(copy, bytes.data, bytes.size);
    lua_pushlstring(L, copy, bytes.size);
    free(copy);
}

static int echo(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

/* All that gmatch gives, at most 300 times. */
static int all_matches(lua_State *L)
{
    lua_settop(L, 3); /* function text pattern */
    lua_insert(L, 1);
    lua_insert(L, 1); /* text pattern function */
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1); /* ... step */
    lua_replace(L, 3);
    for (int i = 0; i < 300; i++) {
        int top = lua_gettop(L);
        lua_pushvalue(L, 3);
        lua_call(L, 0, LUA_MULTRET);
        if (lua_gettop(L) == top || lua_isnil(L, top + 1))
            break;
        luaL_checkstack(L, 50, "matches");
    }
    return lua_gettop(L) - 3;
}

/* Pushes the function of the mode's name and its arguments; how many. */
static int push_call(lua_State *L, const struct input *in, bool ours)
{
    static const lua_CFunction OURS[] = {elg_sandbox_lib_find, elg_sandbox_lib_match,
                                         elg_sandbox_lib_gsub, elg_sandbox_lib_gmatch};
    static const char *const NAMES[] = {"find", "match", "gsub", "gmatch"};
    int kind = in->mode & 3;
    if (kind == 3)
        lua_pushcfunction(L, all_matches);
    if (ours)
        lua_pushcfunction(L, OURS[kind]);
    else
        elg_sandbox_original(L, NAMES[kind]);
    push(L, in->text);
    push(L, in->pattern);
    if (kind == 3)
        return 3;
    if (kind < 2) {
        lua_pushinteger(L, in->start);
        return 3;
    }
    switch (in->mode >> 2 & 3) { /* what gsub puts in place */
    case 0:
        lua_pushliteral(L, "<%0>");
        break;
    case 1:
        push(L, in->pattern); /* any template */
        break;
    case 2:
        lua_newtable(L);
        push(L, in->text);
        lua_setfield(L, -2, "a");
        break;
    default:
        lua_pushcfunction(L, echo);
        break;
    }
    return 3;
}

/* Calls; the results are at the stack's end. Returns how many, -1 for an error. */
static int call(lua_State *L, const struct input *in, bool ours)
{
    int top = lua_gettop(L);
    int count = push_call(L, in, ours);
    if (lua_pcall(L, count, LUA_MULTRET, 0) != 0)
        return -1;
    return lua_gettop(L) - top;
}

static bool was_limit(lua_State *L)
{
    const char *text = lua_tostring(L, -1);
    return strstr(text, "too complex") != NULL || strstr(text, "too many") != NULL ||
           strstr(text, "out of fuel") != NULL;
}

static void check(lua_State *L, const struct input *in)
{
    int ours = call(L, in, true), first = lua_gettop(L);
    if (ours < 0 && was_limit(L))
        return;
    if (units > COMPARED_UNITS_MAX)
        return;
    if (memchr(in->pattern.data, '\0', in->pattern.size) != NULL)
        return; /* the original takes that for the pattern's end */
    int theirs = call(L, in, false);
    if (theirs < 0 && was_limit(L))
        return;
    demand((ours < 0) == (theirs < 0) && ours == theirs);
    for (int i = 0; i < ours; i++)
        demand(lua_rawequal(L, first - i, lua_gettop(L) - i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    static unsigned count;
    struct input in;
    if (!read_input(&in, data, size))
        return 0;
    if (L == NULL) {
        L = luaL_newstate();
        demand(L != NULL);
        luaL_openlibs(L);
        demand(luaL_dostring(L, "jit.off()") == 0);
    }
    units = 0;
    check(L, &in);
    lua_settop(L, 0);
    if (++count % 4096 == 0)
        lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}
