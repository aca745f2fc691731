/* string_lib: find, match, gmatch, gsub over pattern, and format and rep over the
 * engine's own. Provides that part of library.h. */
#include <lauxlib.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"
#include "sandbox/pattern.h"

#define SPECIALS "^$*+?.([%-"

/* ---- find, match */

/* The offset from 0 that argument `arg` names: from the end if negative, 0..size. */
static size_t start_of(lua_State *L, int arg, size_t size)
{
    double at = luaL_optnumber(L, arg, 1);
    if (!(at >= -2147483648.0))
        at = -2147483648.0;
    if (at > 2147483647.0)
        at = 2147483647.0;
    int64_t i = (int64_t)at;
    if (i < 0)
        i += (int64_t)size + 1;
    if (i < 1)
        return 0;
    return (size_t)i - 1 > size ? size : (size_t)i - 1;
}

static bool has_specials(const char *pattern, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (pattern[i] != '\0' && strchr(SPECIALS, pattern[i]) != NULL)
            return true;
    return false;
}

/* What is searched plainly takes time with the text alone: memmem is linear. */
static int find_plain(lua_State *L, const char *text, size_t size, size_t start,
                      const char *what, size_t what_size)
{
    elg_sandbox_charge(L, (size - start) >> 4);
    const char *found = what_size == 0
                            ? text + start
                            : memmem(text + start, size - start, what, what_size);
    if (found == NULL)
        return lua_pushnil(L), 1;
    lua_pushnumber(L, (lua_Number)(found - text + 1));
    lua_pushnumber(L, (lua_Number)(found - text + (ptrdiff_t)what_size));
    return 2;
}

static int find_pattern(lua_State *L, bool find)
{
    size_t size, pattern_size;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *pattern = luaL_checklstring(L, 2, &pattern_size);
    size_t start = start_of(L, 3, size);
    if (find && (lua_toboolean(L, 4) || !has_specials(pattern, pattern_size)))
        return find_plain(L, text, size, start, pattern, pattern_size);
    struct elg_pattern m;
    elg_sandbox_pattern_init(&m, L, text, size);
    bool anchored = pattern_size > 0 && *pattern == '^';
    const char *s = text + start, *e;
    for (;; s++) {
        e = elg_sandbox_pattern_match(&m, s, pattern + anchored, pattern_size - anchored);
        if (e != NULL || anchored || s == m.text_end)
            break;
    }
    elg_sandbox_pattern_charge(&m);
    if (e == NULL)
        return lua_pushnil(L), 1;
    if (!find)
        return elg_sandbox_pattern_push_all(&m, s, e, true);
    lua_pushnumber(L, (lua_Number)(s - text + 1));
    lua_pushnumber(L, (lua_Number)(e - text));
    return 2 + elg_sandbox_pattern_push_all(&m, s, e, false);
}

int elg_sandbox_lib_find(lua_State *L)
{
    return find_pattern(L, true);
}

int elg_sandbox_lib_match(lua_State *L)
{
    return find_pattern(L, false);
}

/* ---- gmatch */

/* Upvalues: text, pattern, offset of the next try. */
static int gmatch_step(lua_State *L)
{
    size_t size, pattern_size;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &size);
    const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_size);
    struct elg_pattern m;
    elg_sandbox_pattern_init(&m, L, text, size);
    const char *s = text + (size_t)lua_tonumber(L, lua_upvalueindex(3));
    for (; s <= m.text_end; s++) {
        const char *e = elg_sandbox_pattern_match(&m, s, pattern, pattern_size);
        if (e == NULL)
            continue;
        size_t next = (size_t)(e - text) + (e == s ? 1 : 0);
        elg_sandbox_pattern_charge(&m);
        lua_pushnumber(L, (lua_Number)next);
        lua_replace(L, lua_upvalueindex(3));
        return elg_sandbox_pattern_push_all(&m, s, e, true);
    }
    elg_sandbox_pattern_charge(&m);
    lua_pushnumber(L, (lua_Number)(size + 1));
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

int elg_sandbox_lib_gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushnumber(L, 0);
    lua_pushcclosure(L, gmatch_step, 3);
    return 1;
}

/* ---- gsub */

static void add_template(struct elg_pattern *m, luaL_Buffer *out, const char *s,
                         const char *e)
{
    size_t size;
    const char *text = lua_tolstring(m->L, 3, &size);
    m->steps += (uint32_t)(size >> 3);
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '%') {
            luaL_addchar(out, text[i]);
            continue;
        }
        i++;
        char c = i < size ? text[i] : '\0';
        if (c < '0' || c > '9') {
            luaL_addchar(out, c);
            continue;
        }
        m->steps += 1 + (uint32_t)((e - s) >> 6);
        if (c == '0')
            lua_pushlstring(m->L, s, (size_t)(e - s));
        else
            elg_sandbox_pattern_push(m, c - '1', s, e);
        luaL_addvalue(out);
    }
}

/* Pushes what a table or function says of the match. */
static void push_replacement(struct elg_pattern *m, const char *s, const char *e)
{
    lua_State *L = m->L;
    if (lua_istable(L, 3)) {
        elg_sandbox_pattern_push(m, 0, s, e);
        elg_sandbox_depth_enter(L, __builtin_frame_address(0));
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        int count = elg_sandbox_pattern_push_all(m, s, e, true);
        elg_sandbox_depth_enter(L, __builtin_frame_address(0));
        lua_call(L, count, 1);
    }
    elg_sandbox_depth_leave(L);
}

static void add_replacement(struct elg_pattern *m, luaL_Buffer *out, const char *s,
                            const char *e)
{
    lua_State *L = m->L;
    if (lua_type(L, 3) == LUA_TSTRING || lua_type(L, 3) == LUA_TNUMBER) {
        add_template(m, out, s, e);
        return;
    }
    push_replacement(m, s, e);
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(out);
}

static void check_replacement(lua_State *L)
{
    int type = lua_type(L, 3);
    if (type == LUA_TNUMBER)
        (void)lua_tostring(L, 3); /* a text from here on */
    else if (type != LUA_TSTRING && type != LUA_TTABLE && type != LUA_TFUNCTION)
        luaL_argerror(L, 3, "string/function/table expected");
}

int elg_sandbox_lib_gsub(lua_State *L)
{
    size_t size, pattern_size;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *pattern = luaL_checklstring(L, 2, &pattern_size);
    check_replacement(L);
    double limit = luaL_optnumber(L, 4, (lua_Number)size + 1), count = 0;
    lua_settop(L, 3);
    bool anchored = pattern_size > 0 && *pattern == '^';
    struct elg_pattern m;
    luaL_Buffer out;
    elg_sandbox_pattern_init(&m, L, text, size);
    luaL_buffinit(L, &out);
    const char *s = text;
    while (count < limit) {
        const char *e =
            elg_sandbox_pattern_match(&m, s, pattern + anchored, pattern_size - anchored);
        if (e != NULL) {
            count++;
            add_replacement(&m, &out, s, e);
        }
        if (e != NULL && e > s)
            s = e;
        else if (s < m.text_end)
            luaL_addchar(&out, *s++);
        else
            break;
        if (anchored)
            break;
    }
    elg_sandbox_pattern_charge(&m);
    luaL_addlstring(&out, s, (size_t)(m.text_end - s));
    luaL_pushresult(&out);
    lua_pushnumber(L, count);
    return 2;
}

/* ---- format, rep */

/* The conversion of the directive at p (behind '%'); *p is moved behind it. */
static char conversion(const char **p, const char *end)
{
    while (*p < end && **p != '\0' && strchr("-+ #0123456789.", **p) != NULL)
        (*p)++;
    return *p < end ? *(*p)++ : '\0';
}

#define FLOAT_WORK 256 /* writing a number with a fraction: a unit for 16 */

/* What it takes to write the argument; for %s it becomes its text first. */
static size_t format_work(lua_State *L, int arg, char kind)
{
    size_t size = 0;
    if (kind == 's') {
        (void)elg_sandbox_text_of(L, arg, &size);
        lua_replace(L, arg);
        return size;
    }
    if (kind == 'q' && lua_type(L, arg) == LUA_TSTRING)
        return 8 * lua_objlen(L, arg);
    return strchr("aAeEfFgG", kind) != NULL ? FLOAT_WORK : 0;
}

int elg_sandbox_lib_format(lua_State *L)
{
    size_t size;
    const char *p = luaL_checklstring(L, 1, &size);
    const char *end = p + size;
    size_t work = size;
    int arg = 1, top = lua_gettop(L);
    while (p < end) {
        if (*p++ != '%')
            continue;
        char kind = conversion(&p, end);
        if (kind == '%' || kind == '\0')
            continue;
        if (kind == 'p')
            return luaL_error(L, "string.format: %%p is not here: it shows addresses");
        if (++arg <= top)
            work += format_work(L, arg, kind);
    }
    lua_settop(L, top);
    elg_sandbox_charge(L, work >> 4);
    elg_sandbox_original(L, "format");
    lua_insert(L, 1);
    lua_call(L, top, 1);
    return 1;
}

#define REP_BYTES_MAX 2147483392.0 /* the engine's longest string */

int elg_sandbox_lib_rep(lua_State *L)
{
    size_t size, between;
    (void)luaL_checklstring(L, 1, &size);
    double count = luaL_checknumber(L, 2);
    (void)luaL_optlstring(L, 3, "", &between);
    lua_settop(L, 3);
    if (!(count >= 1) || size + between == 0)
        return lua_pushliteral(L, ""), 1;
    if (count * (double)(size + between) > REP_BYTES_MAX)
        return luaL_error(L, "resulting string too large");
    elg_sandbox_charge(L, (uint64_t)(count * (double)(size + between + 1) / 64));
    elg_sandbox_original(L, "rep");
    lua_insert(L, 1);
    lua_call(L, 3, 1);
    return 1;
}
