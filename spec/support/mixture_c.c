/* mixture_c: several runs side by side in one host over the public API, turn by turn,
 * with an allocator that counts what is parked: blocks of PARKED_BYTES_MIN and more,
 * which runs that have small states get for nothing else.
 *
 * Uses elg.h and nothing else of the library.
 */
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "elg.h"

#define RUNS_MAX 16
#define TURNS_MAX 100000
#define PARKED_BYTES_MIN ((size_t)1 << 20)

int luaopen_mixture_c(lua_State *L);

struct counting {
    pthread_mutex_t mutex;
    double parks, parked_bytes;
};

struct mixture {
    struct counting counting;
    struct elg_host *host;
    struct elg_graph *graph;
    struct elg_error error;
    double turns, logs;
    char ends[RUNS_MAX][4096]; /* the result's document */
    char said[1024];           /* the last log line of level warn */
};

static void *resize(void *self, void *p, size_t old_size, size_t new_size)
{
    struct counting *counting = self;
    (void)old_size;
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    if (p == NULL && new_size >= PARKED_BYTES_MIN) {
        pthread_mutex_lock(&counting->mutex);
        counting->parks++;
        counting->parked_bytes += (double)new_size;
        pthread_mutex_unlock(&counting->mutex);
    }
    return realloc(p, new_size);
}

/* Trace ids are the inputs' numbers. */
static void take_event(void *self, const struct elg_event *event)
{
    struct mixture *mixture = self;
    int i = atoi(event->trace_id);
    if (event->kind == ELG_EVENT_END && i >= 0 && i < RUNS_MAX)
        strncpy(mixture->ends[i], event->data, sizeof mixture->ends[i] - 1);
    if (event->kind == ELG_EVENT_LOG)
        mixture->logs++;
    if (event->kind == ELG_EVENT_LOG && strcmp(event->level, "warn") == 0)
        strncpy(mixture->said, event->text, sizeof mixture->said - 1);
}

static enum elg_status start(struct mixture *mixture, lua_State *L, int inputs, int count)
{
    enum elg_status status = ELG_OK;
    for (int i = 0; i < count && status == ELG_OK; i++) {
        char trace[16] = {(char)('0' + i / 10), (char)('0' + i % 10)}, given[129];
        bool created;
        lua_rawgeti(L, inputs, i + 1);
        size_t size;
        const char *input = luaL_checklstring(L, -1, &size);
        struct elg_run_options run = {trace, input, size, "1"};
        status = elg_run_start(mixture->host, mixture->graph, &run, given, sizeof given,
                               &created, &mixture->error);
        lua_pop(L, 1);
    }
    return status;
}

/* A tick without a budget is one turn. */
static enum elg_status drive(struct mixture *mixture)
{
    size_t active = 1;
    enum elg_status status = ELG_OK;
    while (active > 0 && status == ELG_OK && mixture->turns++ < TURNS_MAX) {
        struct pollfd fd = {elg_host_poll_fd(mixture->host), POLLIN, 0};
        status = elg_host_tick(mixture->host, 0, &active, &mixture->error);
        if (active > 0)
            poll(&fd, 1, 1000);
    }
    return status;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static int give(lua_State *L, const struct mixture *mixture, int count, double took_ms)
{
    lua_newtable(L);
    set_number(L, "parks", mixture->counting.parks);
    set_number(L, "parked_bytes", mixture->counting.parked_bytes);
    set_number(L, "turns", mixture->turns);
    set_number(L, "logs", mixture->logs);
    set_number(L, "ms", took_ms);
    lua_pushstring(L, mixture->said);
    lua_setfield(L, -2, "said");
    lua_newtable(L);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, mixture->ends[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "ends");
    return 1;
}

/* run(compiler, graph, { input, ... }, step_timeout_ms)
 * -> { ends = { result document }, parks, parked_bytes, turns, ms, logs, said } */
static int l_run(lua_State *L)
{
    static struct mixture mixture;
    memset(&mixture, 0, sizeof mixture);
    pthread_mutex_init(&mixture.counting.mutex, NULL);
    struct elg_alloc alloc = {resize, &mixture.counting};
    struct elg_host_options options = {.abi_version = ELG_ABI_VERSION,
                                       .alloc = &alloc,
                                       .store = "memory:",
                                       .compiler = luaL_checkstring(L, 1),
                                       .on_event = take_event,
                                       .self = &mixture};
    const char *path = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    int count = (int)lua_objlen(L, 3);
    luaL_argcheck(L, count <= RUNS_MAX, 3, "too many");
    options.step_timeout_ms = (uint32_t)luaL_optinteger(L, 4, 0);
    enum elg_status status = elg_host_open(&options, &mixture.host, &mixture.error);
    if (status == ELG_OK)
        status = elg_graph_open(mixture.host, path, &mixture.graph, &mixture.error);
    if (status == ELG_OK)
        status = start(&mixture, L, 3, count);
    double began_ms = now_ms();
    mixture.counting.parks = mixture.counting.parked_bytes = 0;
    if (status == ELG_OK)
        status = drive(&mixture);
    double took_ms = now_ms() - began_ms;
    if (mixture.graph != NULL)
        elg_graph_close(mixture.graph);
    if (mixture.host != NULL)
        elg_host_close(mixture.host);
    if (status != ELG_OK)
        return luaL_error(L, "%s", mixture.error.text);
    return give(L, &mixture, count, took_ms);
}

static const luaL_Reg FUNCTIONS[] = {{"run", l_run}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_mixture_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
