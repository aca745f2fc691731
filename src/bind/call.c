/* call: host activities as Lua functions. host:register(name, function(call, request,
 * key)) makes ctx.call(name, ...) reach it; call:complete(json) or call:fail(code,
 * message) answers, now or later. host:intercept(function(call, type, request, key))
 * stands between node code and the world. Uses elg.h. */
#include <string.h>

#include "bind/bind.h"

struct activity_call {
    struct bind_host *host;
    struct elg_call *call;
    const char *name, *request, *key;
    size_t size;
    bool taken; /* Lua has the call and answers it */
};

/* What the library is told to give back to us: the name, in a userdata that the
 * environment keeps. */
struct activity {
    struct bind_host *host;
    char name[1];
};

static void push_call(lua_State *L, struct activity_call *activity)
{
    struct bind_call *call = lua_newuserdata(L, sizeof *call);
    memset(call, 0, sizeof *call);
    luaL_getmetatable(L, BIND_CALL);
    lua_setmetatable(L, -2);
    call->call = activity->call;
    call->host = activity->host;
    call->next = activity->host->calls;
    activity->host->calls = call;
    activity->taken = true;
}

static int activity_body(lua_State *L)
{
    struct activity_call *activity = lua_touserdata(L, 1);
    elg__bind_environment(L, activity->host);
    lua_getfield(L, -1, "activities");
    lua_getfield(L, -1, activity->name); /* env activities function */
    lua_pushlstring(L, activity->request, activity->size);
    lua_pushstring(L, activity->key);
    push_call(L, activity); /* env activities function request key call */
    lua_insert(L, -3);
    lua_call(L, 3, 0);
    return 0;
}

static void on_activity(void *self, struct elg_call *call, const char *request,
                        size_t size, const char *key)
{
    struct activity *activity = self;
    struct activity_call start = {activity->host, call, activity->name, request, key,
                                  size,           false};
    elg__bind_protected(activity->host, activity_body, &start);
    if (!start.taken)
        elg_call_fail(call, "HOST", "the host's activity could not be called");
}

/* host:register(name, function) -> true | nil, message, code, where */
int elg__bind_host_register(lua_State *L)
{
    struct elg_error error = {0};
    struct bind_host *host = elg__bind_check_host(L, 1);
    size_t size = 0;
    const char *name = luaL_checklstring(L, 2, &size);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    elg__bind_environment(L, host);
    struct activity *activity = lua_newuserdata(L, sizeof *activity + size);
    activity->host = host;
    memcpy(activity->name, name, size + 1);
    luaL_ref(L, -2); /* the environment keeps it as long as the host is open */
    enum elg_status status =
        elg_host_register(host->host, name, on_activity, NULL, activity, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_getfield(L, -1, "activities");
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, name);
    lua_pushboolean(L, 1);
    return 1;
}

/* Takes the call out of its host's list; its answer is due from then on. */
static struct elg_call *settle(struct bind_call *call)
{
    struct bind_call **at = &call->host->calls;
    while (*at != NULL && *at != call)
        at = &(*at)->next;
    if (*at == call)
        *at = call->next;
    struct elg_call *open = call->call;
    call->call = NULL;
    return open;
}

/* A call that Lua did not want is forgotten; one whose function raised stays with it. */
static int intercept_body(lua_State *L)
{
    struct activity_call *activity = lua_touserdata(L, 1);
    elg__bind_environment(L, activity->host);
    push_call(L, activity);
    struct bind_call *call = lua_touserdata(L, -1);
    lua_getfield(L, -2, "intercept"); /* env call function */
    lua_pushvalue(L, -2);
    lua_pushstring(L, activity->name);
    lua_pushlstring(L, activity->request, activity->size);
    lua_pushstring(L, activity->key);
    lua_call(L, 4, 1);
    if (lua_toboolean(L, -1) || call->call == NULL)
        return 0;
    settle(call);
    activity->taken = false;
    return 0;
}

static bool on_intercept(void *self, struct elg_call *call, const char *type,
                         const char *request, size_t size, const char *key)
{
    struct activity_call start = {self, call, type, request, key, size, false};
    elg__bind_protected(self, intercept_body, &start);
    return start.taken;
}

/* host:intercept(function) -> true | nil, message, code, where. The function answers
 * true if it takes the call, which it completes then, now or later. */
int elg__bind_host_intercept(lua_State *L)
{
    struct elg_error error = {0};
    struct bind_host *host = elg__bind_check_host(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    enum elg_status status = elg_host_intercept(host->host, on_intercept, host, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    elg__bind_environment(L, host);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "intercept");
    lua_pushboolean(L, 1);
    return 1;
}

static struct bind_call *check_call(lua_State *L)
{
    struct bind_call *call = luaL_checkudata(L, 1, BIND_CALL);
    luaL_argcheck(L, call->call != NULL, 1, "the call is over");
    return call;
}

/* call:complete(json) */
static int call_complete(lua_State *L)
{
    size_t size = 0;
    struct bind_call *call = check_call(L);
    const char *json = luaL_checklstring(L, 2, &size);
    elg_call_complete(settle(call), json, size);
    return 0;
}

/* call:fail(code, message) */
static int call_fail(lua_State *L)
{
    struct bind_call *call = check_call(L);
    const char *code = luaL_checkstring(L, 2);
    const char *message = luaL_checkstring(L, 3);
    elg_call_fail(settle(call), code, message);
    return 0;
}

/* A call that nobody can answer any more fails, so that its run does not wait for ever.
 * The host is open, or it would have forgotten the call. */
static int call_gc(lua_State *L)
{
    struct bind_call *call = luaL_checkudata(L, 1, BIND_CALL);
    if (call->call != NULL)
        elg_call_fail(settle(call), "ABANDONED", "the host dropped the call");
    return 0;
}

void elg__bind_open_call(lua_State *L)
{
    static const luaL_Reg METHODS[] = {
        {"complete", call_complete},
        {"fail", call_fail},
        {NULL, NULL},
    };
    elg__bind_class(L, BIND_CALL, METHODS, call_gc);
}
