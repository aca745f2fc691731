/* run: the methods of a host that start, resume, stop and show runs. Uses elg.h. */
#include "bind/bind.h"

#define TRACE_SIZE 129

void elg__bind_run_options(lua_State *L, int table, struct elg_run_options *out)
{
    out->trace_id = elg__bind_field_string(L, table, "trace_id", NULL);
    out->input = elg__bind_field_string(L, table, "input", &out->input_size);
    out->seed = elg__bind_field_string(L, table, "seed", NULL);
}

/* host:start(graph, { trace_id =, input = JSON text, seed = }) -> trace id, created
 * | nil, message, code, where */
int elg__bind_run_start(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    struct bind_graph *graph = elg__bind_check_graph(L, 2);
    struct elg_run_options options = {0};
    struct elg_error error = {0};
    char trace[TRACE_SIZE] = "";
    bool created = false;
    luaL_checktype(L, 3, LUA_TTABLE);
    elg__bind_run_options(L, 3, &options);
    elg__bind_enter(host, L);
    enum elg_status status = elg_run_start(host->host, graph->graph, &options, trace,
                                           sizeof trace, &created, &error);
    if (status == ELG_OK && created)
        elg__meter_begin(host->meter, trace);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushstring(L, trace);
    lua_pushboolean(L, created);
    return 2;
}

typedef enum elg_status (*trace_fn)(struct elg_host *host, const char *trace_id,
                                    struct elg_error *error);

static int call_trace(lua_State *L, trace_fn call)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *trace_id = luaL_checkstring(L, 2);
    struct elg_error error = {0};
    elg__bind_enter(host, L);
    enum elg_status status = call(host->host, trace_id, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

/* host:resume(trace) -> true | nil, message, code, where */
int elg__bind_run_resume(lua_State *L)
{
    return call_trace(L, elg_run_resume);
}

/* host:abort(trace) -> true | nil, message, code, where */
int elg__bind_run_abort(lua_State *L)
{
    return call_trace(L, elg_run_abort);
}

/* host:retry(trace) -> true | nil, message, code, where */
int elg__bind_run_retry(lua_State *L)
{
    return call_trace(L, elg_run_retry);
}

/* host:signal(trace, { name =, payload = JSON text, key = }) -> created
 * | nil, message, code, where */
int elg__bind_run_signal(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *trace_id = luaL_checkstring(L, 2);
    struct elg_signal signal = {0};
    struct elg_error error = {0};
    bool created = false;
    luaL_checktype(L, 3, LUA_TTABLE);
    signal.name = elg__bind_field_string(L, 3, "name", NULL);
    signal.payload = elg__bind_field_string(L, 3, "payload", &signal.payload_size);
    signal.key = elg__bind_field_string(L, 3, "key", NULL);
    luaL_argcheck(L, signal.name != NULL, 3, "no name");
    elg__bind_enter(host, L);
    enum elg_status status =
        elg_run_signal(host->host, trace_id, &signal, &created, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushboolean(L, created);
    return 1;
}

/* host:release(trace) -> true | nil, message, code, where */
int elg__bind_run_release(lua_State *L)
{
    return call_trace(L, elg_run_release);
}

/* host:result(trace) -> JSON text | nil, message, code, where */
int elg__bind_run_result(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *trace_id = luaL_checkstring(L, 2);
    struct elg_error error = {0};
    struct elg_text *text = elg__bind_text(L);
    enum elg_status status = elg_run_result(host->host, trace_id, text, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}

/* host:show(trace [, step or from, to]) -> JSON text | nil, message, code, where. One
 * number: that step alone; two: steps from..to, -1 being the last. */
int elg__bind_run_show(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *trace_id = luaL_checkstring(L, 2);
    int64_t from = (int64_t)luaL_optnumber(L, 3, -1);
    int64_t to = (int64_t)luaL_optnumber(L, 4, (lua_Number)from);
    struct elg_error error = {0};
    struct elg_text *text = elg__bind_text(L);
    enum elg_status status =
        elg_run_show_steps(host->host, trace_id, from < 0 ? 0 : from, to, text, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}

struct row_call {
    struct bind_host *host;
    const char *json;
    size_t size;
    bool more;
};

/* Calls the function that elg__bind_run_list keeps in the environment. */
static int row_body(lua_State *L)
{
    struct row_call *call = lua_touserdata(L, 1);
    elg__bind_environment(L, call->host);
    lua_getfield(L, -1, "on_row");
    lua_pushlstring(L, call->json, call->size);
    lua_call(L, 1, 1);
    call->more = lua_toboolean(L, -1) != 0;
    return 0;
}

static bool on_row(void *self, const char *json, size_t size)
{
    struct row_call call = {self, json, size, false};
    elg__bind_protected(self, row_body, &call);
    return call.more;
}

struct unread_call {
    struct bind_host *host;
    const char *trace_id;
    const struct elg_error *why;
};

static int unread_body(lua_State *L)
{
    struct unread_call *call = lua_touserdata(L, 1);
    elg__bind_environment(L, call->host);
    lua_getfield(L, -1, "on_unread");
    lua_pushstring(L, call->trace_id);
    lua_pushstring(L, call->why->text);
    lua_pushstring(L, call->why->where);
    lua_call(L, 3, 0);
    return 0;
}

static void on_unread(void *self, const char *trace_id, const struct elg_error *why)
{
    struct unread_call call = {self, trace_id, why};
    elg__bind_protected(self, unread_body, &call);
}

static int64_t field_ms(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    int64_t value = (int64_t)luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

static struct elg_list_options list_options(lua_State *L, int arg)
{
    struct elg_list_options options = {.statuses = NULL};
    if (!lua_istable(L, arg)) {
        options.statuses = luaL_optstring(L, arg, NULL);
        return options;
    }
    options.statuses = elg__bind_field_string(L, arg, "status", NULL);
    options.graph_id = elg__bind_field_string(L, arg, "graph", NULL);
    options.after = elg__bind_field_string(L, arg, "after", NULL);
    options.since_ms = field_ms(L, arg, "since_ms");
    options.until_ms = field_ms(L, arg, "until_ms");
    return options;
}

/* host:list(what, function(json) return more end [, function(trace, message, where) end])
 * -> true
 * | nil, message, code, where. What: nil, statuses with commas between, or a table {
 * status =, graph =, since_ms =, until_ms =, after = trace }. Newest first; a false from
 * the function ends it. The second is told of runs whose rows are damaged; without it,
 * the first of them is the error once all others were given. */
int elg__bind_run_list(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    struct elg_list_options options = list_options(L, 2);
    struct elg_error error = {0};
    options.row = on_row;
    options.self = host;
    luaL_checktype(L, 3, LUA_TFUNCTION);
    if (!lua_isnoneornil(L, 4)) {
        luaL_checktype(L, 4, LUA_TFUNCTION);
        options.unread = on_unread;
    }
    lua_settop(L, 4);
    elg__bind_environment(L, host);
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "on_row");
    lua_pushvalue(L, 4);
    lua_setfield(L, -2, "on_unread");
    elg__bind_enter(host, L);
    enum elg_status status = elg_run_query(host->host, &options, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

/* host:replay(trace, { to =, verify =, graph = }) -> JSON text
 * | nil, message, code, where */
int elg__bind_run_replay(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *trace_id = luaL_checkstring(L, 2);
    struct elg_replay_options options = {0};
    struct elg_error error = {0};
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_getfield(L, 3, "to");
    options.to = (int64_t)luaL_optnumber(L, -1, -1);
    lua_getfield(L, 3, "verify");
    options.verify = lua_toboolean(L, -1) != 0;
    lua_getfield(L, 3, "graph");
    if (!lua_isnil(L, -1))
        options.graph = elg__bind_check_graph(L, -1)->graph;
    struct elg_text *text = elg__bind_text(L);
    elg__bind_enter(host, L);
    enum elg_status status = elg_run_replay(host->host, trace_id, &options, text, &error);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}
