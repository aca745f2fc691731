/* checkpoint_signals: the store's calls about signals, for checkpoint_c. */
#ifndef ELG_SPEC_CHECKPOINT_SIGNALS_H
#define ELG_SPEC_CHECKPOINT_SIGNALS_H

#include "checkpoint_store.h"

/* store:signal_put(trace_id, { name, key, payload, payload_hash }) -> created */
static int l_signal_put(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    const char *trace_id = luaL_checkstring(L, 2);
    struct elg_signal_row row;
    bool created = false;
    memset(&row, 0, sizeof row);
    row_read(L, 3, SIGNAL_FIELDS, &row);
    enum elg_status status =
        elg_checkpoint_signal_put(store, trace_id, &row, &created, &error);
    elg_checkpoint_signal_row_fini(&row);
    if (status != ELG_OK)
        return failed(L, status, &error);
    lua_pushboolean(L, created);
    return 1;
}

static bool signal_append(void *self, const struct elg_signal_row *row)
{
    row_push(((struct rows *)self)->L, SIGNAL_FIELDS, row);
    return rows_wanted(self);
}

/* store:signals(trace_id, name, after, rows_max) -> rows, last */
static int l_signals(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    const char *trace_id = luaL_checkstring(L, 2), *name = luaL_checkstring(L, 3);
    int64_t after = luaL_optint(L, 4, 0), last = -1;
    struct rows rows = {L, luaL_optint(L, 5, -1)};
    lua_newtable(L);
    enum elg_status status = elg_checkpoint_signals(store, trace_id, name, after,
                                                    signal_append, &rows, &last, &error);
    if (status != ELG_OK)
        return failed(L, status, &error);
    lua_pushnumber(L, (lua_Number)last);
    return 2;
}

static void woken_append(void *self, const char *trace_id)
{
    struct rows *rows = self;
    lua_pushstring(rows->L, trace_id);
    rows_wanted(rows);
}

/* store:children(trace_id) -> trace ids */
static int l_children(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    const char *trace_id = luaL_checkstring(L, 2);
    struct rows rows = {L, -1};
    lua_newtable(L);
    enum elg_status status =
        elg_checkpoint_children(store, trace_id, woken_append, &rows, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

/* store:children_failed(trace, step) -> trace ids */
static int l_children_failed(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    const char *trace_id = luaL_checkstring(L, 2);
    struct rows rows = {L, -1};
    int64_t step = (int64_t)luaL_checknumber(L, 3);
    lua_newtable(L);
    enum elg_status status = elg_checkpoint_children_failed(store_of(L), trace_id, step,
                                                            woken_append, &rows, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

/* store:signal_poll() -> trace ids */
static int l_signal_poll(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct rows rows = {L, -1};
    lua_newtable(L);
    enum elg_status status =
        elg_checkpoint_signal_poll(store, woken_append, &rows, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

#endif
