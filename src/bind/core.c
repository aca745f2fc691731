/* core: the module elg.core and what its files share. Provides luaopen_elg_core, texts
 * that cannot leak, failures as nil, message, code, where. */
#include <string.h>

#include "bind/bind.h"

int elg__bind_fail(lua_State *L, enum elg_status status, const struct elg_error *error)
{
    const char *text = error->text[0] == '\0' ? elg_status_name(status) : error->text;
    lua_pushnil(L);
    lua_pushstring(L, text);
    lua_pushstring(L, elg_status_name(status));
    lua_pushstring(L, error->where);
    return 4;
}

const char *elg__bind_field_string(lua_State *L, int table, const char *name,
                                   size_t *size)
{
    lua_getfield(L, table, name);
    const char *value = luaL_optlstring(L, -1, NULL, size);
    lua_pop(L, 1); /* the table keeps it */
    return value;
}

struct elg_text *elg__bind_text(lua_State *L)
{
    struct elg_text *text = lua_newuserdata(L, sizeof *text);
    memset(text, 0, sizeof *text);
    luaL_getmetatable(L, BIND_TEXT);
    lua_setmetatable(L, -2);
    return text;
}

/* A destroyed text has no data, so doing it twice is fine. */
static void text_drop(struct elg_text *text)
{
    if (text->data != NULL)
        elg_text_destroy(text);
    memset(text, 0, sizeof *text);
}

static int text_gc(lua_State *L)
{
    text_drop(luaL_checkudata(L, 1, BIND_TEXT));
    return 0;
}

int elg__bind_text_string(lua_State *L, struct elg_text *text)
{
    lua_pushlstring(L, text->data == NULL ? "" : text->data, text->size);
    text_drop(text);
    return 1;
}

void elg__bind_class(lua_State *L, const char *name, const luaL_Reg *methods,
                     lua_CFunction gc)
{
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "elg");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/* version() -> "0.1.0", of the library that is linked. */
static int core_version(lua_State *L)
{
    lua_pushstring(L, elg_version());
    return 1;
}

int luaopen_elg_core(lua_State *L)
{
    static const luaL_Reg NONE[] = {{NULL, NULL}};
    elg__bind_class(L, BIND_TEXT, NONE, text_gc);
    lua_newtable(L);
    lua_pushcfunction(L, core_version);
    lua_setfield(L, -2, "version");
    elg__bind_open_json(L);
    elg__bind_open_host(L);
    elg__bind_open_graph(L);
    elg__bind_open_call(L);
    return 1;
}
