/* graph_c: the inside of src/graph for its specs. Every function takes as its last
 * argument the number of the allocation that shall fail (none: nil) and gives as its last
 * result how many bytes were left allocated. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "graph/graph.h"
#include "json/json.h"

ELG_API int luaopen_graph_c(lua_State *L);

struct faulty {
    struct elg_alloc alloc;
    lua_Integer fail_at, calls, live;
};

static void *faulty_resize(void *self, void *p, size_t old_size, size_t new_size)
{
    struct faulty *faulty = self;
    if (new_size > 0 && ++faulty->calls == faulty->fail_at)
        return NULL;
    faulty->live += (lua_Integer)new_size - (lua_Integer)(p == NULL ? 0 : old_size);
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, new_size);
}

static const struct elg_alloc *faulty_init(struct faulty *faulty, lua_State *L, int arg)
{
    *faulty = (struct faulty){.alloc = {faulty_resize, faulty}};
    faulty->fail_at = luaL_optinteger(L, arg, 0);
    return &faulty->alloc;
}

static struct elg_bytes check_bytes(lua_State *L, int arg)
{
    struct elg_bytes bytes;
    bytes.data = (const uint8_t *)luaL_checklstring(L, arg, &bytes.size);
    return bytes;
}

static void push_bytes(lua_State *L, struct elg_bytes bytes)
{
    lua_pushlstring(L, bytes.data == NULL ? "" : (const char *)bytes.data, bytes.size);
}

static int push_failure(lua_State *L, const struct elg_error *error,
                        const struct faulty *faulty)
{
    lua_pushnil(L);
    lua_pushstring(L, elg_status_name(error->status));
    lua_pushstring(L, error->where);
    lua_pushstring(L, error->text);
    lua_pushinteger(L, faulty->live);
    return 5;
}

static void push_node(lua_State *L, const struct elg_graph_node *node)
{
    lua_createtable(L, 0, 7);
    lua_pushstring(L, node->id);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, node->line);
    lua_setfield(L, -2, "line");
    lua_pushinteger(L, node->max_attempts);
    lua_setfield(L, -2, "max_attempts");
    lua_pushinteger(L, (lua_Integer)node->backoff);
    lua_setfield(L, -2, "backoff");
    lua_pushnumber(L, (double)node->initial_delay_ms);
    lua_setfield(L, -2, "initial_delay_ms");
    lua_pushnumber(L, (double)node->max_delay_ms);
    lua_setfield(L, -2, "max_delay_ms");
    lua_pushinteger(L, node->timeout_ms);
    lua_setfield(L, -2, "timeout_ms");
}

static void push_edge(lua_State *L, const struct elg_graph_edge *edge)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, edge->from);
    lua_setfield(L, -2, "from");
    lua_pushstring(L, edge->key);
    lua_setfield(L, -2, "key");
    lua_pushstring(L, edge->to);
    lua_setfield(L, -2, "to");
    lua_pushboolean(L, edge->when);
    lua_setfield(L, -2, "when");
    lua_pushinteger(L, edge->line);
    lua_setfield(L, -2, "line");
}

static void push_graph(lua_State *L, const struct elg_graph_data *graph)
{
    lua_newtable(L);
    lua_pushstring(L, elg_graph_id(graph));
    lua_setfield(L, -2, "id");
    lua_pushstring(L, elg_graph_version(graph));
    lua_setfield(L, -2, "version");
    lua_pushstring(L, elg_graph_entry(graph));
    lua_setfield(L, -2, "entry");
    lua_newtable(L);
    for (size_t i = 0; i < elg_graph_node_count(graph); i++) {
        push_node(L, elg_graph_node_at(graph, i));
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "nodes");
    lua_newtable(L);
    for (size_t i = 0; elg_graph_edge(graph, i) != NULL; i++) {
        push_edge(L, elg_graph_edge(graph, i));
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "edges");
}

/* parse(description [, fail_at]) -> { id, version, entry, nodes, edges }, live
 * or nil, status, where, text, live */
static int spec_parse(lua_State *L)
{
    struct faulty faulty;
    const struct elg_alloc *alloc = faulty_init(&faulty, L, 2);
    struct elg_error error;
    struct elg_graph_data *graph = NULL;
    if (elg_graph_parse(alloc, check_bytes(L, 1), &graph, NULL, &error) != ELG_OK)
        return push_failure(L, &error, &faulty);
    push_graph(L, graph);
    elg_graph_data_destroy(graph);
    lua_pushinteger(L, faulty.live);
    return 2;
}

/* check(description, file [, fail_at]) -> findings, error count, live
 * or nil, status, where, text, live */
static int spec_check(lua_State *L)
{
    struct faulty faulty;
    struct elg_error error = {0};
    struct elg_graph_data *graph = NULL;
    const char *file = luaL_checkstring(L, 2);
    if (elg_graph_parse(faulty_init(&faulty, L, 3), check_bytes(L, 1), &graph, NULL,
                        &error))
        return push_failure(L, &error, &faulty);
    struct elg_buf out;
    size_t count = 0;
    elg_base_buf_init(&out, &faulty.alloc);
    error.status = elg_graph_check(&faulty.alloc, graph, file, &out, &count);
    elg_graph_data_destroy(graph);
    if (error.status == ELG_OK)
        push_bytes(L, elg_base_buf_bytes(&out));
    elg_base_buf_fini(&out);
    if (error.status != ELG_OK)
        return push_failure(L, &error, &faulty);
    lua_pushinteger(L, (lua_Integer)count);
    lua_pushinteger(L, faulty.live);
    return 3;
}

/* find(description, id) -> node or nil */
static int spec_find(lua_State *L)
{
    struct elg_graph_data *graph = NULL;
    struct elg_error error;
    const char *id = luaL_checkstring(L, 2);
    if (elg_graph_parse(elg_base_alloc_default(), check_bytes(L, 1), &graph, NULL,
                        &error))
        return luaL_error(L, "%s: %s", error.where, error.text);
    const struct elg_graph_node *node = elg_graph_node(graph, id);
    if (node == NULL)
        lua_pushnil(L);
    else
        push_node(L, node);
    elg_graph_data_destroy(graph);
    return 1;
}

/* delay(backoff, initial_delay_ms, max_delay_ms, ended_attempt) -> ms */
static int spec_delay(lua_State *L)
{
    struct elg_graph_node node = {0};
    node.backoff = (enum elg_backoff)luaL_checkinteger(L, 1);
    node.initial_delay_ms = (int64_t)luaL_checknumber(L, 2);
    node.max_delay_ms = (int64_t)luaL_checknumber(L, 3);
    uint32_t ended_attempt = (uint32_t)luaL_checknumber(L, 4);
    lua_pushnumber(L, (double)elg_graph_retry_delay_ms(&node, ended_attempt));
    return 1;
}

static size_t check_sources(lua_State *L, int arg, struct elg_graph_source *sources)
{
    size_t count = lua_objlen(L, arg);
    if (count > ELG_GRAPH_SOURCES_MAX + 1)
        luaL_argerror(L, arg, "too many for the spec");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, arg, (int)i + 1); /* source */
        lua_rawgeti(L, -1, 1);           /* source path */
        sources[i].path = lua_tostring(L, -1);
        lua_rawgeti(L, -2, 2); /* source path text */
        sources[i].text.data =
            (const uint8_t *)lua_tolstring(L, -1, &sources[i].text.size);
        lua_pop(L, 3); /* the table keeps the strings alive */
    }
    return count;
}

/* version(entry, { { path, text }, ... } [, fail_at]) -> hex, live
 * or nil, status, "", "", live */
static int spec_version(lua_State *L)
{
    struct elg_graph_source sources[ELG_GRAPH_SOURCES_MAX + 1];
    struct faulty faulty;
    struct elg_hash hash;
    char hex[ELG_HASH_HEX_SIZE];
    const char *entry = luaL_checkstring(L, 1);
    size_t count = check_sources(L, 2, sources);
    faulty_init(&faulty, L, 3);
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    struct elg_error error = {.status = ELG_NO_MEMORY};
    if (sha != NULL)
        error.status =
            elg_graph_version_hash(&faulty.alloc, sha, entry, sources, count, &hash);
    elg_base_sha256_destroy(sha);
    if (error.status != ELG_OK)
        return push_failure(L, &error, &faulty);
    elg_base_hash_hex(&hash, hex);
    lua_pushstring(L, hex);
    lua_pushinteger(L, faulty.live);
    return 2;
}

int luaopen_graph_c(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"parse", spec_parse}, {"check", spec_check},     {"find", spec_find},
        {"delay", spec_delay}, {"version", spec_version}, {NULL, NULL},
    };
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
