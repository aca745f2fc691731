/* lua_fields: arguments and fields of tables as C values, for spec modules. Uses
 * checkpoint_rows.h. */
#ifndef ELG_SPEC_LUA_FIELDS_H
#define ELG_SPEC_LUA_FIELDS_H

#include "checkpoint_rows.h"

static struct elg_bytes bytes_arg(lua_State *L, int arg)
{
    luaL_checkstring(L, arg);
    return string_at(L, arg);
}

static int64_t time_arg(lua_State *L, int arg)
{
    return (int64_t)luaL_checknumber(L, arg);
}

/* Fields of the table at `index`; the strings live as long as it. */
static const char *text_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

static double number_field(lua_State *L, int index, const char *name, double fallback)
{
    lua_getfield(L, index, name);
    double number = luaL_optnumber(L, -1, fallback);
    lua_pop(L, 1);
    return number;
}

static bool bool_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static struct elg_bytes bytes_field(lua_State *L, int index, const char *name,
                                    const char *fallback)
{
    const char *text = text_field(L, index, name);
    return elg_base_bytes(text != NULL ? text : fallback);
}

#endif
