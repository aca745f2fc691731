/* api_c: the edges of elg.h, from C: pointers that must not be NULL, values that no enum
 * has, what errors say after success, a second host.
 *
 * Uses elg.h and nothing else of the library. Each call with a missing pointer is made in
 * a process of its own, which it must end.
 */
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elg.h"

int luaopen_api_c(lua_State *L);

#define TICKS_MAX 2000

static struct elg_host_options options = {.abi_version = ELG_ABI_VERSION};
static struct elg_host *host, *other;
static struct elg_graph *graph;
static struct elg_error error;
static struct elg_text text;
static char trace[129], hex[65];
static bool created;
static size_t active;

static bool take_row(void *self, const char *json, size_t size)
{
    (void)self;
    (void)json;
    (void)size;
    return true;
}

static void answer(void *self, struct elg_call *call, const char *request, size_t size,
                   const char *key)
{
    (void)self;
    (void)key;
    elg_call_complete(call, request, size);
}

static bool leave_alone(void *self, struct elg_call *call, const char *type,
                        const char *request, size_t size, const char *key)
{
    (void)self;
    (void)call;
    (void)type;
    (void)request;
    (void)size;
    (void)key;
    return false;
}

static const struct elg_run_options RUN = {.trace_id = "t", .seed = "s"};
static const struct elg_submit_options SUBMIT = {.run = {.trace_id = "u"}};
static const struct elg_signal SIGNAL = {.name = "go"}, NAMELESS = {.key = "k"};
static const struct elg_replay_options REPLAY = {.to = -1};
static const struct elg_gc_options GC = {.dry_run = true};
static const struct elg_serve_options SERVE = {.run_count_max = 1};
static const struct elg_list_options LIST = {.row = take_row}, ROWLESS = {.since_ms = 0};

/* ---- pointers that must not be NULL: every one of every function */

#define MISSING(M)                                                                       \
    M(elg_host_open(NULL, &other, &error))                                               \
    M(elg_host_open(&options, NULL, &error))                                             \
    M(elg_host_schema_version(NULL))                                                     \
    M(elg_host_tick(NULL, 1, &active, &error))                                           \
    M(elg_host_tick(host, 1, NULL, &error))                                              \
    M(elg_host_executing(NULL))                                                          \
    M(elg_host_poll_fd(NULL))                                                            \
    M(elg_host_serve(NULL, &SERVE, &error))                                              \
    M(elg_host_serve(host, NULL, &error))                                                \
    M(elg_host_drain(NULL))                                                              \
    M(elg_host_stale_writes(NULL))                                                       \
    M(elg_host_register(NULL, "x", answer, NULL, NULL, &error))                          \
    M(elg_host_register(host, NULL, answer, NULL, NULL, &error))                         \
    M(elg_host_register(host, "x", NULL, NULL, NULL, &error))                            \
    M(elg_host_intercept(NULL, leave_alone, NULL, &error))                               \
    M(elg_host_intercept(host, NULL, NULL, &error))                                      \
    M(elg_host_gc(NULL, &GC, &text, &error))                                             \
    M(elg_host_gc(host, NULL, &text, &error))                                            \
    M(elg_host_gc(host, &GC, NULL, &error))                                              \
    M((elg_call_complete(NULL, "1", 1), 0))                                              \
    M((elg_call_fail(NULL, "X", ""), 0))                                                 \
    M(elg_graph_open(NULL, "g", &graph, &error))                                         \
    M(elg_graph_open(host, NULL, &graph, &error))                                        \
    M(elg_graph_open(host, "g", NULL, &error))                                           \
    M(elg_graph_open_stored(NULL, hex, &graph, &error))                                  \
    M(elg_graph_open_stored(host, NULL, &graph, &error))                                 \
    M(elg_graph_open_stored(host, hex, NULL, &error))                                    \
    M((elg_graph_hash(NULL), 0))                                                         \
    M(elg_graph_describe(NULL, &text, &error))                                           \
    M(elg_graph_describe(graph, NULL, &error))                                           \
    M(elg_graph_check_file(NULL, "g", &text, &error))                                    \
    M(elg_graph_check_file(host, NULL, &text, &error))                                   \
    M(elg_graph_check_file(host, "g", NULL, &error))                                     \
    M(elg_run_start(NULL, graph, &RUN, trace, sizeof trace, &created, &error))           \
    M(elg_run_start(host, NULL, &RUN, trace, sizeof trace, &created, &error))            \
    M(elg_run_start(host, graph, NULL, trace, sizeof trace, &created, &error))           \
    M(elg_run_submit(NULL, graph, &SUBMIT, trace, sizeof trace, &created, &error))       \
    M(elg_run_submit(host, NULL, &SUBMIT, trace, sizeof trace, &created, &error))        \
    M(elg_run_submit(host, graph, NULL, trace, sizeof trace, &created, &error))          \
    M(elg_run_resume(NULL, "t", &error))                                                 \
    M(elg_run_resume(host, NULL, &error))                                                \
    M(elg_run_abort(NULL, "t", &error))                                                  \
    M(elg_run_abort(host, NULL, &error))                                                 \
    M(elg_run_retry(NULL, "t", &error))                                                  \
    M(elg_run_retry(host, NULL, &error))                                                 \
    M(elg_run_signal(NULL, "t", &SIGNAL, &created, &error))                              \
    M(elg_run_signal(host, NULL, &SIGNAL, &created, &error))                             \
    M(elg_run_signal(host, "t", NULL, &created, &error))                                 \
    M(elg_run_signal(host, "t", &NAMELESS, &created, &error))                            \
    M(elg_run_release(NULL, "t", &error))                                                \
    M(elg_run_release(host, NULL, &error))                                               \
    M(elg_run_result(NULL, "t", &text, &error))                                          \
    M(elg_run_result(host, NULL, &text, &error))                                         \
    M(elg_run_result(host, "t", NULL, &error))                                           \
    M(elg_run_show(NULL, "t", -1, &text, &error))                                        \
    M(elg_run_show(host, NULL, -1, &text, &error))                                       \
    M(elg_run_show(host, "t", -1, NULL, &error))                                         \
    M(elg_run_list(NULL, NULL, take_row, NULL, &error))                                  \
    M(elg_run_list(host, NULL, NULL, NULL, &error))                                      \
    M(elg_run_query(NULL, &LIST, &error))                                                \
    M(elg_run_query(host, NULL, &error))                                                 \
    M(elg_run_query(host, &ROWLESS, &error))                                             \
    M(elg_run_replay(NULL, "t", &REPLAY, &text, &error))                                 \
    M(elg_run_replay(host, NULL, &REPLAY, &text, &error))                                \
    M(elg_run_replay(host, "t", NULL, &text, &error))                                    \
    M(elg_run_replay(host, "t", &REPLAY, NULL, &error))                                  \
    M(elg_json_canonical(NULL, NULL, 1, &text, &error))                                  \
    M(elg_json_canonical(NULL, "1", 1, NULL, &error))                                    \
    M(elg_json_hash(NULL, NULL, 1, hex, &error))                                         \
    M((elg_json_hash)(NULL, "1", 1, no_room, &error))

static char *no_room; /* NULL, which the compiler shall not see */

#define CASE(call)                                                                       \
    case __COUNTER__ - FIRST:                                                            \
        (void)call;                                                                      \
        break;
#define NAME(call) #call,

static const char *const NAMES[] = {MISSING(NAME)};
#define CALLS (int)(sizeof NAMES / sizeof *NAMES)

enum { FIRST = __COUNTER__ + 1 };

static void make(int i)
{
    switch (i) {
        MISSING(CASE)
    default:
        break;
    }
}

/* How the process ends that makes call i: a signal's number, or 0. */
static int end_of(int i)
{
    const struct rlimit none = {0, 0};
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &none);
        close(STDERR_FILENO);
        make(i);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* missing() -> list of { call, signal } */
static int l_missing(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i < CALLS; i++) {
        lua_newtable(L);
        lua_pushstring(L, NAMES[i]);
        lua_rawseti(L, -2, 1);
        lua_pushinteger(L, end_of(i));
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- other arguments that are not right, and errors after success */

static void tell(lua_State *L, const char *name, enum elg_status status)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, elg_status_name(status));
    lua_setfield(L, -2, "status");
    lua_pushstring(L, error.where);
    lua_setfield(L, -2, "where");
    lua_pushstring(L, error.text);
    lua_setfield(L, -2, "text");
    lua_setfield(L, -2, name);
    memset(&error, 'x', sizeof error);
    error.where[sizeof error.where - 1] = error.text[sizeof error.text - 1] = '\0';
}

static void tell_open(lua_State *L, const char *name, struct elg_host_options *wrong)
{
    struct elg_host *opened = NULL;
    tell(L, name, elg_host_open(wrong, &opened, &error));
    elg_host_close(opened);
}

static void tell_options(lua_State *L)
{
    struct elg_host_options wrong = options;
    wrong.abi_version = 2;
    tell_open(L, "abi", &wrong);
    wrong = options;
    wrong.durability = (enum elg_durability)77;
    tell_open(L, "durability", &wrong);
    wrong = options;
    wrong.fuel_max = UINT64_MAX;
    tell_open(L, "fuel", &wrong);
    wrong = options;
    wrong.checkpoint_interval = UINT32_MAX;
    tell_open(L, "interval", &wrong);
}

static void tell_start(lua_State *L)
{
    struct elg_run_options run = RUN;
    strcpy(trace, "unchanged");
    tell(L, "cut", elg_run_start(host, graph, &run, trace, 1, &created, &error));
    lua_pushstring(L, trace);
    lua_setfield(L, -2, "trace_after");
    run.trace_id = NULL;
    tell(L, "cut uuid", elg_run_start(host, graph, &run, trace, 36, &created, &error));
    run.trace_id = "a\xff";
    tell(L, "trace", elg_run_start(host, graph, &run, NULL, 0, NULL, &error));
    run.trace_id = "t";
    run.seed = "\xff";
    tell(L, "seed", elg_run_start(host, graph, &run, NULL, 0, NULL, &error));
    run.seed = "s";
    tell(L, "foreign", elg_run_start(other, graph, &run, NULL, 0, NULL, &error));
    tell(L, "start", elg_run_start(host, graph, &run, NULL, 0, NULL, &error));
    tell(L, "early", elg_run_result(other, "t", &text, &error));
    tell(L, "again", elg_run_start(host, graph, &run, trace, 2, &created, &error));
    run.seed = "";
    tell(L, "other seed", elg_run_start(host, graph, &run, NULL, 0, NULL, &error));
}

static void tell_end(lua_State *L)
{
    struct elg_replay_options replay = {.to = -9};
    enum elg_status status = ELG_OK;
    active = 1;
    for (int i = 0; i < TICKS_MAX && active > 0 && status == ELG_OK; i++) {
        struct pollfd fd = {elg_host_poll_fd(host), POLLIN, 0};
        status = elg_host_tick(host, 1000, &active, &error);
        if (active > 0)
            poll(&fd, 1, 10);
    }
    tell(L, "tick", status);
    tell(L, "late", elg_run_result(other, "t", &text, &error));
    elg_text_destroy(&text);
    tell(L, "replay", elg_run_replay(host, "t", &replay, &text, &error));
    replay = (struct elg_replay_options){.to = -1, .graph = graph};
    tell(L, "replay foreign", elg_run_replay(other, "t", &replay, &text, &error));
    tell(L, "steps", elg_run_show_steps(host, "t", -5, -7, &text, &error));
    tell(L, "name", elg_host_register(host, "a\xff", answer, NULL, NULL, &error));
    tell(L, "register", elg_host_register(host, "b", answer, NULL, NULL, &error));
}

/* A tick from within a tick; ELG_INTERNAL: it leaves *active as it was. */
static enum elg_status inner;

static void on_event(void *self, const struct elg_event *event)
{
    (void)self;
    (void)event;
    size_t inner_active = 1;
    inner = elg_host_tick(host, 1, &inner_active, NULL);
    if (inner_active != 0)
        inner = ELG_INTERNAL;
}

static int l_close(lua_State *L)
{
    (void)L;
    elg_graph_close(graph);
    elg_host_close(host);
    elg_host_close(other);
    graph = NULL;
    host = other = NULL;
    return 0;
}

/* open(store, compiler, graph): two hosts on one store, a graph of the first. */
static int l_open(lua_State *L)
{
    options.store = luaL_checkstring(L, 1);
    options.compiler = luaL_checkstring(L, 2);
    const char *path = luaL_checkstring(L, 3);
    options.on_event = on_event;
    enum elg_status status = elg_host_open(&options, &host, &error);
    options.on_event = NULL;
    if (status == ELG_OK)
        status = elg_host_open(&options, &other, &error);
    if (status == ELG_OK)
        status = elg_graph_open(host, path, &graph, &error);
    if (status != ELG_OK)
        return luaL_error(L, "%s: %s", error.where, error.text);
    return 0;
}

/* tell() -> { name = { status, where, text } ..., trace_after, inner } */
static int l_tell(lua_State *L)
{
    lua_newtable(L);
    memset(&error, 0, sizeof error);
    tell_options(L);
    tell_start(L);
    tell_end(L);
    lua_pushstring(L, elg_status_name(inner));
    lua_setfield(L, -2, "inner");
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {{"open", l_open},
                                     {"close", l_close},
                                     {"missing", l_missing},
                                     {"tell", l_tell},
                                     {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_api_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
