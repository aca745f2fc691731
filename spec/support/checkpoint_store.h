/* checkpoint_store: a store as a Lua value, its failures, and rows appended to a table.
 * For the files of checkpoint_c.
 */
#ifndef ELG_SPEC_CHECKPOINT_STORE_H
#define ELG_SPEC_CHECKPOINT_STORE_H

#include "checkpoint_rows.h"

#define STORE_TYPE "elg.spec.store"

static struct elg_store *store_of(lua_State *L)
{
    struct elg_store **box = luaL_checkudata(L, 1, STORE_TYPE);
    if (*box == NULL)
        luaL_error(L, "the store is closed");
    return *box;
}

static int failed(lua_State *L, enum elg_status status, const struct elg_error *error)
{
    lua_pushnil(L);
    lua_newtable(L);
    lua_pushstring(L, elg_status_name(status));
    lua_setfield(L, -2, "status");
    lua_pushstring(L, elg_status_name(error->status));
    lua_setfield(L, -2, "error_status");
    lua_pushstring(L, error->where);
    lua_setfield(L, -2, "where");
    lua_pushstring(L, error->text);
    lua_setfield(L, -2, "text");
    return 2;
}

/* ---- reading; rows are appended to the table on the top */

struct rows {
    lua_State *L;
    int left; /* rows wanted; -1: all */
};

static bool rows_wanted(struct rows *rows)
{
    lua_rawseti(rows->L, -2, (int)lua_objlen(rows->L, -2) + 1);
    if (rows->left > 0)
        rows->left--;
    return rows->left != 0;
}

#endif
