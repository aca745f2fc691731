/* bind: the public API of elg.h as Lua modules, for the CLI and the specs.
 *
 * Provides the module elg.core (host, graph, call, JSON) and elg.sys (what a program
 * needs of its process: poll, signals, usage). Uses elg.h; of the rest of the library
 * nothing but json's reader. Compiled twice: for the elg binary against the library's own
 * engine, and as loadable modules for an ordinary LuaJIT.
 *
 * Expected failure is nil, message, code ("ELG_IO"), where; misuse raises. Every
 * userdata holds one pointer, NULL after close, and __gc calls the same close. A host
 * closes its graphs and forgets its calls when it closes.
 */
#ifndef ELG_BIND_BIND_H
#define ELG_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "bind/meter.h"
#include "elg.h"

struct bind_graph;
struct bind_call;

struct bind_host {
    struct elg_host *host; /* NULL after close */
    lua_State *L;          /* of the binding call under way; NULL between them */
    struct bind_graph *graphs;
    struct bind_call *calls;
    struct bind_meter *meter; /* of the same userdata; lives as long */
    bool step_events;         /* steps are told to on_event, not only counted */
    bool failed; /* a callback raised; its error is in the environment, "error" */
};

struct bind_graph {
    struct elg_graph *graph; /* NULL after close */
    struct bind_host *host;
    struct bind_graph *next;
};

struct bind_call {
    struct elg_call *call; /* NULL once completed, or after the host's close */
    struct bind_host *host;
    struct bind_call *next;
};

#define BIND_HOST "elg.host"
#define BIND_GRAPH "elg.graph"
#define BIND_CALL "elg.call"
#define BIND_TEXT "elg.text"

/* Module openers. */
ELG_API int luaopen_elg_core(lua_State *L);
ELG_API int luaopen_elg_sys(lua_State *L);

/* Pushes nil, message, code, where; returns 4. */
int elg__bind_fail(lua_State *L, enum elg_status status, const struct elg_error *error);
/* Pushes an empty text that is destroyed with its userdata, so that a raise cannot leak
 * it. */
struct elg_text *elg__bind_text(lua_State *L);
/* The string in the table's field, NULL if there is none; the table keeps it. */
const char *elg__bind_field_string(lua_State *L, int table, const char *name,
                                   size_t *size);
/* The fields trace_id, input and seed of a table; they stay its own. */
void elg__bind_run_options(lua_State *L, int table, struct elg_run_options *out);
/* Pushes the text as a string and destroys it; returns 1. */
int elg__bind_text_string(lua_State *L, struct elg_text *text);
/* Registers a metatable with its methods as __index and `gc` as __gc. */
void elg__bind_class(lua_State *L, const char *name, const luaL_Reg *methods,
                     lua_CFunction gc);

/* The open host, graph of argument `arg`; raises if it is closed or something else. */
struct bind_host *elg__bind_check_host(lua_State *L, int arg);
struct bind_graph *elg__bind_check_graph(lua_State *L, int arg);
/* Marks the binding call as under way, so that callbacks find their Lua state. */
void elg__bind_enter(struct bind_host *host, lua_State *L);
/* Ends it; raises what a callback raised meanwhile. */
void elg__bind_leave(struct bind_host *host, lua_State *L);
/* Pushes the table of what belongs to a host: on_event, activities, error. Allocates
 * nothing. */
void elg__bind_environment(lua_State *L, const struct bind_host *host);
/* Calls `body` with `argument` protected, with the host's Lua state, from a callback of
 * the library; an error is kept for elg__bind_leave. */
void elg__bind_protected(struct bind_host *host, lua_CFunction body, void *argument);

/* Closes a graph of a host that closes. */
void elg__bind_graph_close(struct bind_graph *graph);

/* Each adds its functions or classes. The table at the top of the stack is the module's.
 */
void elg__bind_open_host(lua_State *L);
void elg__bind_open_graph(lua_State *L);
void elg__bind_open_call(lua_State *L);
void elg__bind_open_json(lua_State *L);
void elg__bind_open_children(lua_State *L);

/* Methods of a host that live in other files. */
int elg__bind_host_graph(lua_State *L);
int elg__bind_host_stored_graph(lua_State *L);
int elg__bind_host_check(lua_State *L);
int elg__bind_host_register(lua_State *L);
int elg__bind_host_intercept(lua_State *L);
int elg__bind_run_start(lua_State *L);
int elg__bind_run_submit(lua_State *L);
int elg__bind_host_serve(lua_State *L);
int elg__bind_host_drain(lua_State *L);
int elg__bind_host_gc(lua_State *L);
int elg__bind_host_stale_writes(lua_State *L);
int elg__bind_host_schema_version(lua_State *L);
int elg__bind_run_resume(lua_State *L);
int elg__bind_run_abort(lua_State *L);
int elg__bind_run_retry(lua_State *L);
int elg__bind_run_signal(lua_State *L);
int elg__bind_run_release(lua_State *L);
int elg__bind_run_result(lua_State *L);
int elg__bind_run_show(lua_State *L);
int elg__bind_run_list(lua_State *L);
int elg__bind_run_replay(lua_State *L);

#endif
