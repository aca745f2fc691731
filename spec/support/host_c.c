/* host_c: a whole run over the public API with an allocator that fails: open, load,
 * start, tick to the end, show, replay, close. Tells what came of it and what was not
 * given back.
 *
 * Uses elg.h and nothing else of the library.
 */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elg.h"

#define TICKS_MAX 2000

int luaopen_host_c(lua_State *L);

/* ---- the allocator: called from the host's threads too */

struct failing {
    pthread_mutex_t mutex;
    long calls, fail_at, fail_count; /* the fail_at-th call on, fail_count of them */
    long blocks;                     /* not given back */
    size_t bytes, bytes_max;
    int poll_fd; /* of the host that is being closed; 0: nothing to look at */
    bool early;  /* it was gone while the store, whose thread looks at it, was open */
};

static bool store_is_open(void)
{
    for (int fd = 0; fd < 256; fd++) {
        char name[64], path[4096];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(name, path, sizeof path - 1);
        if (size > 5 && memcmp(path + size - 5, "-lock", 5) == 0)
            return true;
    }
    return false;
}

static void look_at_order(struct failing *failing)
{
    if (failing->poll_fd == 0 || fcntl(failing->poll_fd, F_GETFD) >= 0)
        return;
    failing->early = store_is_open();
    failing->poll_fd = 0;
}

static bool refuses(struct failing *failing)
{
    failing->calls++;
    return failing->fail_at > 0 && failing->calls >= failing->fail_at &&
           failing->calls < failing->fail_at + failing->fail_count;
}

static void *resize(void *self, void *p, size_t old_size, size_t new_size)
{
    struct failing *failing = self;
    void *result = NULL;
    pthread_mutex_lock(&failing->mutex);
    if (new_size == 0) {
        failing->blocks -= p != NULL;
        failing->bytes -= p != NULL ? old_size : 0;
        free(p);
        look_at_order(failing);
    } else if (!refuses(failing) && (result = realloc(p, new_size)) != NULL) {
        failing->blocks += p == NULL;
        failing->bytes += new_size - (p != NULL ? old_size : 0);
        if (failing->bytes > failing->bytes_max)
            failing->bytes_max = failing->bytes;
    }
    pthread_mutex_unlock(&failing->mutex);
    return result;
}

/* ---- the run */

struct journey {
    const char *stage; /* the one that failed, or "done" */
    struct elg_host *host;
    struct elg_graph *graph;
    enum elg_status status;
    struct elg_error error;
    char trace[129];
};

static bool went(struct journey *journey, const char *stage, enum elg_status status)
{
    journey->stage = stage;
    journey->status = status;
    return status == ELG_OK;
}

static void answer(void *self, struct elg_call *call, const char *request, size_t size,
                   const char *key)
{
    (void)self;
    (void)key;
    elg_call_complete(call, request, size);
}

static bool drive(struct journey *journey)
{
    size_t active = 1;
    for (int i = 0; i < TICKS_MAX && active > 0; i++) {
        struct pollfd fd = {elg_host_poll_fd(journey->host), POLLIN, 0};
        if (!went(journey, "tick",
                  elg_host_tick(journey->host, 20000, &active, &journey->error)))
            return false;
        if (active > 0)
            poll(&fd, 1, 1000);
    }
    return went(journey, "end", active == 0 ? ELG_OK : ELG_TIMEOUT);
}

static bool look(struct journey *journey)
{
    struct elg_text text = {0};
    struct elg_replay_options options = {-1, true, NULL};
    if (!went(journey, "show",
              elg_run_show(journey->host, journey->trace, -1, &text, &journey->error)))
        return false;
    elg_text_destroy(&text);
    if (!went(journey, "replay",
              elg_run_replay(journey->host, journey->trace, &options, &text,
                             &journey->error)))
        return false;
    bool verified = strstr(text.data, "\"verified\":true") != NULL;
    strncpy(journey->error.text, text.data, sizeof journey->error.text - 1);
    elg_text_destroy(&text);
    return went(journey, "verify", verified ? ELG_OK : ELG_DIVERGED);
}

static bool travel(struct journey *journey, const struct elg_host_options *options,
                   const char *path, const char *input)
{
    bool created;
    struct elg_run_options run = {"t", input, strlen(input), "1"};
    struct elg_error *error = &journey->error;
    return went(journey, "open", elg_host_open(options, &journey->host, error)) &&
           went(journey, "register",
                elg_host_register(journey->host, "echo", answer, NULL, NULL, error)) &&
           went(journey, "graph",
                elg_graph_open(journey->host, path, &journey->graph, error)) &&
           went(journey, "start",
                elg_run_start(journey->host, journey->graph, &run, journey->trace,
                              sizeof journey->trace, &created, error)) &&
           drive(journey) && look(journey) && went(journey, "done", ELG_OK);
}

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

/* travel{ store =, compiler =, graph =, input =, fail_at =, fail_count =, audit_rate = }
 * -> { stage, status, text, calls, blocks, bytes_max, early } */
static int l_travel(lua_State *L)
{
    static const char *const NAMES[] = {"store", "compiler", "graph", "input"};
    const char *texts[4];
    struct failing failing = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fail_count = 1};
    for (int i = 0; i < 4; i++) {
        lua_getfield(L, 1, NAMES[i]);
        texts[i] = luaL_checkstring(L, -1);
    }
    lua_getfield(L, 1, "fail_at");
    failing.fail_at = (long)luaL_optnumber(L, -1, 0);
    lua_getfield(L, 1, "fail_count");
    failing.fail_count = (long)luaL_optnumber(L, -1, 1);
    struct elg_alloc alloc = {resize, &failing};
    struct elg_host_options options = {.abi_version = ELG_ABI_VERSION,
                                       .alloc = &alloc,
                                       .store = texts[0],
                                       .compiler = texts[1]};
    lua_getfield(L, 1, "audit_rate");
    options.audit_rate = luaL_optnumber(L, -1, 0);
    struct journey journey;
    memset(&journey, 0, sizeof journey);
    (void)travel(&journey, &options, texts[2], texts[3]);
    if (journey.graph != NULL)
        elg_graph_close(journey.graph);
    failing.poll_fd = journey.host != NULL ? elg_host_poll_fd(journey.host) : 0;
    elg_host_close(journey.host);
    lua_newtable(L);
    lua_pushboolean(L, failing.early);
    lua_setfield(L, -2, "early");
    lua_pushstring(L, journey.stage);
    lua_setfield(L, -2, "stage");
    lua_pushstring(L, elg_status_name(journey.status));
    lua_setfield(L, -2, "status");
    lua_pushstring(L, journey.error.text);
    lua_setfield(L, -2, "text");
    set_number(L, "calls", (double)failing.calls);
    set_number(L, "blocks", (double)failing.blocks);
    set_number(L, "bytes_max", (double)failing.bytes_max);
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {{"travel", l_travel}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_host_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
