/* activity_c: the activity folder for specs, as a Lua module of the system's LuaJIT.
 *
 * A performer here uses a counting allocator of its own that can be told to fail.
 * Functions that can fail give nil, status name, text.
 */
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "activity/activity.h"
#include "activity/internal.h"
#include "activity_prepare.h"
#include "fault_files.h"

#define PERFORMER "elg.spec.performer"
#define RULES_MAX 2048
#define CALLS_MAX 4096

ELG_API int luaopen_activity_c(lua_State *L);

struct result {
    struct result *next;
    int id;
    bool maybe;
    size_t size;
    char data[];
};

struct started {
    struct started *next;
    struct spec_performer *owner;
    struct elg_operation *operation;
    int id;
    bool done;
};

struct spec_performer {
    struct fault_alloc fault;
    struct elg_performer *performer;
    struct elg_sha256 *sha;
    struct started *started;
    struct result *results, **results_end;
    int last_id, cancel_on_done;
    struct {
        char name[32], value[128];
    } secrets[8];
    /* host activities */
    char inside[256]; /* "later": completed by the spec; else completed inside fn */
    struct elg_call *calls[CALLS_MAX];
    size_t call_count, told_cancelled;
    char request[1024], key[65];
};

/* ---- performer */

static struct spec_performer *check(lua_State *L)
{
    struct spec_performer **box = luaL_checkudata(L, 1, PERFORMER);
    if (*box == NULL)
        luaL_error(L, "performer is closed");
    return *box;
}

static const char *find_secret(void *self, const char *name)
{
    struct spec_performer *p = self;
    for (int i = 0; i < 8; i++) {
        if (p->secrets[i].name[0] != '\0' && strcmp(p->secrets[i].name, name) == 0)
            return p->secrets[i].value;
    }
    return NULL;
}

static void read_secrets(lua_State *L, int arg, struct spec_performer *p)
{
    lua_getfield(L, arg, "secrets");
    if (lua_istable(L, -1)) {
        int i = 0;
        lua_pushnil(L);
        while (lua_next(L, -2) != 0 && i < 8) {
            snprintf(p->secrets[i].name, sizeof p->secrets[i].name, "%s",
                     lua_tostring(L, -2));
            snprintf(p->secrets[i].value, sizeof p->secrets[i].value, "%s",
                     lua_tostring(L, -1));
            lua_pop(L, 1);
            i++;
        }
    }
    lua_pop(L, 1);
}

/* The strings stay on the Lua stack while the performer is made. */
static const char *const *read_rules(lua_State *L, int arg, const char **rules)
{
    lua_getfield(L, arg, "allow_net");
    if (!lua_istable(L, -1))
        return NULL;
    int count = (int)lua_objlen(L, -1);
    for (int i = 0; i < count && i < RULES_MAX - 1; i++) {
        lua_rawgeti(L, -1, i + 1);
        rules[i] = lua_tostring(L, -1);
        rules[i + 1] = NULL;
        lua_pop(L, 1);
    }
    if (count == 0)
        rules[0] = NULL;
    return rules;
}

static void spec_performer_free(struct spec_performer *p)
{
    while (p->started != NULL) {
        struct started *s = p->started;
        p->started = s->next;
        free(s);
    }
    while (p->results != NULL) {
        struct result *r = p->results;
        p->results = r->next;
        free(r);
    }
    elg_base_sha256_destroy(p->sha);
    free(p);
}

/* performer{ artifacts, allow_net, timeout_ms, body_bytes_max, secrets, fail_at } */
static int l_performer(lua_State *L)
{
    static const char *rules[RULES_MAX];
    struct elg_error error;
    luaL_checktype(L, 1, LUA_TTABLE);
    struct spec_performer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return luaL_error(L, "no memory");
    lua_getfield(L, 1, "fail_at");
    fault_alloc_init(&p->fault, (uint64_t)lua_tonumber(L, -1));
    p->results_end = &p->results;
    p->sha = elg_base_sha256_create(elg_base_alloc_default());
    read_secrets(L, 1, p);
    struct elg_performer_options options;
    memset(&options, 0, sizeof options);
    options.alloc = &p->fault.alloc;
    options.clock = elg_base_clock_system();
    options.random = elg_base_random_system();
    lua_getfield(L, 1, "artifacts");
    options.artifacts = lua_tostring(L, -1);
    lua_getfield(L, 1, "timeout_ms");
    options.timeout_ms = (uint32_t)lua_tonumber(L, -1);
    lua_getfield(L, 1, "body_bytes_max");
    options.body_bytes_max = (uint32_t)lua_tonumber(L, -1);
    lua_getfield(L, 1, "environment");
    options.secret = lua_toboolean(L, -1) ? NULL : find_secret;
    options.secret_self = p;
    options.allow_net = read_rules(L, 1, rules);
    elg_base_error_clear(&error);
    enum elg_status status =
        elg_activity_performer_create(&options, &p->performer, &error);
    if (status != ELG_OK) {
        int count = push_failure(L, status, &error);
        lua_pushnumber(L, (lua_Number)p->fault.live_bytes);
        spec_performer_free(p);
        return count + 1;
    }
    struct spec_performer **box = lua_newuserdata(L, sizeof *box);
    *box = p;
    luaL_getmetatable(L, PERFORMER);
    lua_setmetatable(L, -2);
    return 1;
}

/* Gives the bytes that were not given back, and wrong sizes. */
static int l_close(lua_State *L)
{
    struct spec_performer **box = luaL_checkudata(L, 1, PERFORMER);
    struct spec_performer *p = *box;
    if (p == NULL)
        return 0;
    *box = NULL;
    elg_activity_performer_destroy(p->performer);
    for (size_t i = 0; i < p->call_count; i++) { /* orphans: complete is still due */
        if (p->calls[i] != NULL)
            elg_call_complete(p->calls[i], "1", 1);
    }
    lua_pushnumber(L, (lua_Number)p->fault.live_bytes);
    lua_pushnumber(L, (lua_Number)p->fault.wrong_sizes);
    lua_pushnumber(L, (lua_Number)p->told_cancelled);
    spec_performer_free(p);
    return 3;
}

static void on_done(void *self, struct elg_bytes response, bool maybe)
{
    struct started *s = self;
    struct spec_performer *p = s->owner;
    struct result *r = malloc(sizeof *r + response.size);
    s->done = true;
    s->operation = NULL;
    if (r == NULL)
        abort();
    r->next = NULL;
    r->id = s->id;
    r->maybe = maybe;
    r->size = response.size;
    memcpy(r->data, response.data, response.size);
    *p->results_end = r;
    p->results_end = &r->next;
    for (struct started *o = p->started; o != NULL && p->cancel_on_done > 0;
         o = o->next) {
        if (o->id == p->cancel_on_done && o->operation != NULL) {
            elg_activity_cancel(p->performer, o->operation);
            o->operation = NULL;
            p->cancel_on_done = 0;
        }
    }
}

/* start(kind, request, place): id, at_once | nil, status, text */
static int l_start(lua_State *L)
{
    struct spec_performer *p = check(L);
    struct elg_error error;
    struct elg_prepared prepared;
    struct elg_activity_place place = read_place(L, 4);
    elg_base_error_clear(&error);
    enum elg_status status =
        elg_activity_prepare(elg_base_alloc_default(), p->sha, check_kind(L, 2),
                             check_bytes(L, 3), &place, &prepared, &error);
    if (status != ELG_OK)
        return push_failure(L, status, &error);
    struct started *s = calloc(1, sizeof *s);
    s->owner = p;
    s->id = ++p->last_id;
    s->next = p->started;
    p->started = s;
    struct elg_operation *operation = NULL;
    status = elg_activity_start(p->performer, &prepared, place.trace_id, on_done, s,
                                &operation, &error);
    elg_activity_prepared_fini(&prepared);
    if (status != ELG_OK)
        return push_failure(L, status, &error);
    s->operation = operation;
    lua_pushinteger(L, s->id);
    lua_pushboolean(L, operation == NULL);
    return 2;
}

/* poll(wait_ms): waits for the descriptor, polls, gives whether it was readable. */
static int l_poll(lua_State *L)
{
    struct spec_performer *p = check(L);
    struct pollfd fd = {elg_activity_poll_fd(p->performer), POLLIN, 0};
    int ready = poll(&fd, 1, (int)luaL_optinteger(L, 2, 1000));
    elg_activity_poll(p->performer);
    lua_pushboolean(L, ready > 0);
    return 1;
}

/* take(): the next result: id, response, maybe_happened | nothing */
static int l_take(lua_State *L)
{
    struct spec_performer *p = check(L);
    struct result *r = p->results;
    if (r == NULL)
        return 0;
    p->results = r->next;
    if (p->results == NULL)
        p->results_end = &p->results;
    lua_pushinteger(L, r->id);
    lua_pushlstring(L, r->data, r->size);
    lua_pushboolean(L, r->maybe);
    free(r);
    return 3;
}

static int l_cancel(lua_State *L)
{
    struct spec_performer *p = check(L);
    for (struct started *s = p->started; s != NULL; s = s->next) {
        if (s->id == luaL_checkinteger(L, 2) && s->operation != NULL) {
            elg_activity_cancel(p->performer, s->operation);
            s->operation = NULL;
        }
    }
    return 0;
}

/* cancel_on_done(id): the next `done` of any call cancels that one. */
static int l_cancel_on_done(lua_State *L)
{
    check(L)->cancel_on_done = (int)luaL_checkinteger(L, 2);
    return 0;
}

static int l_under_way(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)elg_activity_under_way(check(L)->performer));
    return 1;
}

/* fail_at(n): the n-th allocation from now fails (and, once = false, all behind). */
static int l_fail_at(lua_State *L)
{
    struct spec_performer *p = check(L);
    double n = luaL_checknumber(L, 2);
    p->fault.fail_at = n > 0 ? p->fault.calls + (uint64_t)n : 0;
    p->fault.fail_once = lua_toboolean(L, 3);
    lua_pushnumber(L, (lua_Number)p->fault.calls);
    lua_pushnumber(L, (lua_Number)p->fault.live_bytes);
    return 2;
}

/* ---- artifacts */

static int l_put(lua_State *L)
{
    struct spec_performer *p = check(L);
    struct elg_hash hash;
    struct elg_error error;
    enum elg_status status =
        elg_activity_artifact_put(p->performer, check_bytes(L, 2), &hash, &error);
    if (status != ELG_OK)
        return push_failure(L, status, &error);
    push_hash(L, &hash);
    return 1;
}

static int l_get(lua_State *L)
{
    struct spec_performer *p = check(L);
    struct elg_hash hash;
    struct elg_error error;
    struct elg_buf out;
    if (!elg_base_hash_parse(check_bytes(L, 2), &hash))
        return luaL_error(L, "no hash");
    elg_base_buf_init(&out, &p->fault.alloc);
    enum elg_status status = elg_activity_artifact_get(p->performer, &hash, &out, &error);
    int count = 1;
    if (status != ELG_OK)
        count = push_failure(L, status, &error);
    else
        lua_pushlstring(L, (const char *)out.data, out.size);
    elg_base_buf_fini(&out);
    return count;
}

/* file_limit(bytes): no file of this process may grow past it; nil: no limit. */
static int l_file_limit(lua_State *L)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = lua_isnoneornil(L, 1) ? limit.rlim_max : (rlim_t)lua_tonumber(L, 1);
    signal(SIGXFSZ, SIG_IGN);
    lua_pushboolean(L, setrlimit(RLIMIT_FSIZE, &limit) == 0);
    return 1;
}

/* files(fail_at, errno): watches from here on; files(nil): gives calls, their list, and
 * ends watching. */
static int l_files(lua_State *L)
{
    int calls = fault_files.calls;
    bool starts = !lua_isnoneornil(L, 1);
    lua_pushinteger(L, calls);
    lua_pushlstring(L, fault_files.list, fault_files.size);
    fault_files.on = starts;
    fault_files.calls = 0;
    fault_files.size = 0;
    fault_files.fail_at = (int)luaL_optinteger(L, 1, 0);
    fault_files.code = (int)luaL_optinteger(L, 2, EIO);
    return starts ? 0 : 2;
}

/* ---- host activities */

static void on_call(void *self, struct elg_call *call, const char *request, size_t size,
                    const char *key)
{
    struct spec_performer *p = self;
    snprintf(p->request, sizeof p->request, "%.*s", (int)size, request);
    snprintf(p->key, sizeof p->key, "%s", key);
    if (strcmp(p->inside, "later") == 0)
        p->calls[p->call_count++] = call;
    else if (strcmp(p->inside, "fail") == 0)
        elg_call_fail(call, "MINE", "did not \xff work");
    else
        elg_call_complete(call, p->inside, strlen(p->inside));
}

static void on_cancel(void *self, struct elg_call *call)
{
    struct spec_performer *p = self;
    (void)call;
    p->told_cancelled++;
}

/* register(name, how): how is "later", "fail" or the JSON that is given at once. */
static int l_register(lua_State *L)
{
    struct spec_performer *p = check(L);
    struct elg_error error;
    snprintf(p->inside, sizeof p->inside, "%s", luaL_checkstring(L, 3));
    enum elg_status status = elg_activity_register(p->performer, luaL_checkstring(L, 2),
                                                   on_call, on_cancel, p, &error);
    if (status != ELG_OK)
        return push_failure(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* complete(i, json), or fail(i, code, message): the i-th call that waits, from 1. */
static int l_complete(lua_State *L)
{
    struct spec_performer *p = check(L);
    size_t i = (size_t)luaL_checkinteger(L, 2) - 1;
    struct elg_bytes json = check_bytes(L, 3);
    elg_call_complete(p->calls[i], (const char *)json.data, json.size);
    p->calls[i] = NULL;
    return 0;
}

static int l_fail(lua_State *L)
{
    struct spec_performer *p = check(L);
    size_t i = (size_t)luaL_checkinteger(L, 2) - 1;
    elg_call_fail(p->calls[i], luaL_optstring(L, 3, NULL), luaL_optstring(L, 4, NULL));
    p->calls[i] = NULL;
    return 0;
}

/* calls(): how many came, how many were told that they are cancelled, the last request
 * and key. */
static int l_calls(lua_State *L)
{
    struct spec_performer *p = check(L);
    lua_pushinteger(L, (lua_Integer)p->call_count);
    lua_pushinteger(L, (lua_Integer)p->told_cancelled);
    lua_pushstring(L, p->request);
    lua_pushstring(L, p->key);
    return 4;
}

int luaopen_activity_c(lua_State *L)
{
    static const luaL_Reg METHODS[] = {{"close", l_close},
                                       {"__gc", l_close},
                                       {"start", l_start},
                                       {"poll", l_poll},
                                       {"take", l_take},
                                       {"cancel", l_cancel},
                                       {"under_way", l_under_way},
                                       {"fail_at", l_fail_at},
                                       {"put", l_put},
                                       {"get", l_get},
                                       {"register", l_register},
                                       {"complete", l_complete},
                                       {"fail", l_fail},
                                       {"calls", l_calls},
                                       {"cancel_on_done", l_cancel_on_done},
                                       {NULL, NULL}};
    static const luaL_Reg FUNCTIONS[] = {{"prepare", l_prepare},
                                         {"read_response", l_read_response},
                                         {"write_error", l_write_error},
                                         {"type_name", l_type_name},
                                         {"performer", l_performer},
                                         {"file_limit", l_file_limit},
                                         {"files", l_files},
                                         {"decode", l_decode},
                                         {"is_canonical", l_is_canonical},
                                         {"setenv", l_setenv},
                                         {NULL, NULL}};
    luaL_newmetatable(L, PERFORMER);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, METHODS);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
