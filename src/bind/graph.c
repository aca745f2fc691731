/* graph: elg.core's graphs: opened by a host, described, checked. Uses elg.h. */
#include <string.h>

#include "bind/bind.h"

struct bind_graph *elg__bind_check_graph(lua_State *L, int arg)
{
    struct bind_graph *graph = luaL_checkudata(L, arg, BIND_GRAPH);
    luaL_argcheck(L, graph->graph != NULL, arg, "the graph is closed");
    return graph;
}

/* An empty graph that keeps its host (argument 1) alive. */
static struct bind_graph *push_graph(lua_State *L)
{
    struct bind_graph *graph = lua_newuserdata(L, sizeof *graph);
    memset(graph, 0, sizeof *graph);
    luaL_getmetatable(L, BIND_GRAPH);
    lua_setmetatable(L, -2);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    return graph;
}

typedef enum elg_status (*open_fn)(struct elg_host *host, const char *name,
                                   struct elg_graph **out, struct elg_error *error);

static int open_graph(lua_State *L, open_fn open)
{
    struct elg_error error = {0};
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *name = luaL_checkstring(L, 2);
    struct bind_graph *graph = push_graph(L);
    elg__bind_enter(host, L);
    enum elg_status status = open(host->host, name, &graph->graph, &error);
    if (status == ELG_OK) {
        graph->host = host;
        graph->next = host->graphs;
        host->graphs = graph;
    }
    elg__bind_leave(host, L);
    return status == ELG_OK ? 1 : elg__bind_fail(L, status, &error);
}

/* host:graph(path) -> graph | nil, message, code, where */
int elg__bind_host_graph(lua_State *L)
{
    return open_graph(L, elg_graph_open);
}

/* host:stored_graph(hash) -> graph | nil, message, code, where */
int elg__bind_host_stored_graph(lua_State *L)
{
    return open_graph(L, elg_graph_open_stored);
}

/* host:check(path) -> findings as JSON text | nil, message, code, where */
int elg__bind_host_check(lua_State *L)
{
    struct elg_error error = {0};
    struct bind_host *host = elg__bind_check_host(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct elg_text *text = elg__bind_text(L);
    enum elg_status status = elg_graph_check_file(host->host, path, text, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}

void elg__bind_graph_close(struct bind_graph *graph)
{
    struct bind_graph **at = &graph->host->graphs;
    while (*at != graph)
        at = &(*at)->next;
    *at = graph->next;
    elg_graph_close(graph->graph);
    graph->graph = NULL;
}

/* graph:close() */
static int graph_close(lua_State *L)
{
    struct bind_graph *graph = luaL_checkudata(L, 1, BIND_GRAPH);
    if (graph->graph != NULL)
        elg__bind_graph_close(graph);
    return 0;
}

/* graph:hash() -> 64 hex digits */
static int graph_hash(lua_State *L)
{
    lua_pushstring(L, elg_graph_hash(elg__bind_check_graph(L, 1)->graph));
    return 1;
}

/* graph:describe() -> JSON text | nil, message, code, where */
static int graph_describe(lua_State *L)
{
    struct elg_error error = {0};
    struct bind_graph *graph = elg__bind_check_graph(L, 1);
    struct elg_text *text = elg__bind_text(L);
    enum elg_status status = elg_graph_describe(graph->graph, text, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}

void elg__bind_open_graph(lua_State *L)
{
    static const luaL_Reg METHODS[] = {
        {"close", graph_close},
        {"hash", graph_hash},
        {"describe", graph_describe},
        {NULL, NULL},
    };
    elg__bind_class(L, BIND_GRAPH, METHODS, graph_close);
}
