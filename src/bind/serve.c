/* serve: the methods of a host that submit runs and take up runs of the store. Uses
 * elg.h. */
#include "bind/bind.h"

#define TRACE_SIZE 129
#define GRAPHS_MAX 1024

/* host:submit(graph, { trace_id = or key =, input = JSON text, seed =,
 * priority = })
 * -> trace id, created | nil, message, code, where */
int elg__bind_run_submit(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    struct bind_graph *graph = elg__bind_check_graph(L, 2);
    struct elg_submit_options options = {.key = NULL};
    struct elg_error error = {0};
    char trace[TRACE_SIZE] = "";
    bool created = false;
    int32_t priority = 0;
    luaL_checktype(L, 3, LUA_TTABLE);
    elg__bind_run_options(L, 3, &options.run);
    options.key = elg__bind_field_string(L, 3, "key", NULL);
    lua_getfield(L, 3, "priority");
    if (!lua_isnil(L, -1))
        options.priority = &priority;
    priority = (int32_t)luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    elg__bind_enter(host, L);
    enum elg_status status = elg_run_submit(host->host, graph->graph, &options, trace,
                                            sizeof trace, &created, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushstring(L, trace);
    lua_pushboolean(L, created);
    return 2;
}

/* host:serve{ graphs = list of ids or nil, run_count_max = } -> true
 * | nil, message, code, where */
int elg__bind_host_serve(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *ids[GRAPHS_MAX + 1];
    struct elg_serve_options options = {.graph_ids = NULL};
    struct elg_error error = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "run_count_max");
    options.run_count_max = (size_t)luaL_optinteger(L, -1, 0);
    lua_getfield(L, 2, "graphs");
    if (!lua_isnil(L, -1)) {
        luaL_checktype(L, -1, LUA_TTABLE);
        size_t count = lua_objlen(L, -1);
        luaL_argcheck(L, count <= GRAPHS_MAX, 2, "too many graphs");
        for (size_t i = 0; i < count; i++) {
            lua_rawgeti(L, -1, (int)i + 1);
            ids[i] = luaL_checkstring(L, -1);
            lua_pop(L, 1); /* the list keeps it */
        }
        ids[count] = NULL;
        options.graph_ids = ids;
    }
    elg__bind_enter(host, L);
    enum elg_status status = elg_host_serve(host->host, &options, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

/* host:gc{ status = statuses with commas between, older_than_ms =, dry_run = }
 * -> JSON text | nil, message, code, where */
int elg__bind_host_gc(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    struct elg_gc_options options = {.statuses = NULL};
    struct elg_error error = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    options.statuses = elg__bind_field_string(L, 2, "status", NULL);
    lua_getfield(L, 2, "older_than_ms");
    options.older_than_ms = (int64_t)luaL_checknumber(L, -1);
    lua_getfield(L, 2, "dry_run");
    options.dry_run = lua_toboolean(L, -1) != 0;
    struct elg_text *text = elg__bind_text(L);
    elg__bind_enter(host, L);
    enum elg_status status = elg_host_gc(host->host, &options, text, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}

/* host:schema_version() -> number */
int elg__bind_host_schema_version(lua_State *L)
{
    const struct bind_host *host = elg__bind_check_host(L, 1);
    lua_pushnumber(L, (lua_Number)elg_host_schema_version(host->host));
    return 1;
}

/* host:stale_writes() -> number */
int elg__bind_host_stale_writes(lua_State *L)
{
    const struct bind_host *host = elg__bind_check_host(L, 1);
    lua_pushnumber(L, (lua_Number)elg_host_stale_writes(host->host));
    return 1;
}

/* host:drain() -> runs that go on */
int elg__bind_host_drain(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    elg__bind_enter(host, L);
    size_t left = elg_host_drain(host->host);
    elg__bind_leave(host, L);
    lua_pushnumber(L, (lua_Number)left);
    return 1;
}
