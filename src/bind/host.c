/* host: elg.core's host_open and the methods of a host; its events as a Lua function.
 * Uses elg.h. */
#include <limits.h>
#include <string.h>

#include "bind/bind.h"

#define ALLOW_NET_MAX 256

struct bind_host *elg__bind_check_host(lua_State *L, int arg)
{
    struct bind_host *host = luaL_checkudata(L, arg, BIND_HOST);
    luaL_argcheck(L, host->host != NULL, arg, "the host is closed");
    return host;
}

void elg__bind_enter(struct bind_host *host, lua_State *L)
{
    host->L = L;
}

void elg__bind_environment(lua_State *L, const struct bind_host *host)
{
    lua_pushlightuserdata(L, (void *)host);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

void elg__bind_leave(struct bind_host *host, lua_State *L)
{
    host->L = NULL;
    if (!host->failed)
        return;
    host->failed = false;
    elg__bind_environment(L, host);
    lua_getfield(L, -1, "error");
    lua_error(L);
}

/* Appends a traceback to an error that is a string. */
static int traceback(lua_State *L)
{
    lua_getglobal(L, "debug");
    if (!lua_istable(L, -1) || !lua_isstring(L, 1)) {
        lua_settop(L, 1); /* the error as it is */
        return 1;
    }
    lua_getfield(L, -1, "traceback");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

struct protected_call {
    lua_CFunction body;
    void *argument;
    struct bind_host *host;
};

static int run_protected(lua_State *L)
{
    struct protected_call *call = lua_touserdata(L, 1);
    luaL_checkstack(L, LUA_MINSTACK, "callback");
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, call->body);
    lua_pushlightuserdata(L, call->argument);
    if (lua_pcall(L, 1, 0, -3) == 0)
        return 0;
    if (!lua_toboolean(L, -1))
        lua_pushliteral(L, "a callback raised nothing");
    elg__bind_environment(L, call->host);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "error");
    return 0;
}

/* env.error = false. The field is made when the host opens, so this allocates nothing. */
static void clear_error(lua_State *L, const struct bind_host *host)
{
    elg__bind_environment(L, host);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "error");
    lua_pop(L, 1);
}

void elg__bind_protected(struct bind_host *host, lua_CFunction body, void *argument)
{
    struct protected_call call = {body, argument, host};
    lua_State *L = host->L;
    if (L == NULL || host->failed)
        return;
    clear_error(L, host);
    bool raised = lua_cpcall(L, run_protected, &call) != 0;
    elg__bind_environment(L, host);
    if (raised) { /* the error of a want of memory is at -2 */
        lua_pushvalue(L, -2);
        lua_setfield(L, -2, "error");
        lua_remove(L, -2);
    }
    lua_getfield(L, -1, "error");
    host->failed = lua_toboolean(L, -1) != 0;
    lua_pop(L, 2);
}

struct event_call {
    const struct bind_host *host;
    const struct elg_event *event;
};

static const char *const EVENT_KINDS[] = {"", "step", "log", "end", "warning"};

static void set_string(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static int event_body(lua_State *L)
{
    const struct event_call *call = lua_touserdata(L, 1);
    const struct elg_event *event = call->event;
    elg__bind_environment(L, call->host);
    lua_getfield(L, -1, "on_event");
    if (lua_isnil(L, -1))
        return 0;
    lua_createtable(L, 0, 7);
    set_string(L, "kind", EVENT_KINDS[event->kind]);
    set_string(L, "trace_id", event->trace_id);
    lua_pushnumber(L, (lua_Number)event->step_index);
    lua_setfield(L, -2, "step_index");
    set_string(L, "node_id", event->node_id);
    set_string(L, "level", event->level == NULL ? "" : event->level);
    set_string(L, "text", event->text == NULL ? "" : event->text);
    set_string(L, "data", event->data == NULL ? "" : event->data);
    lua_call(L, 1, 0);
    return 0;
}

static void on_event(void *self, const struct elg_event *event)
{
    struct bind_host *host = self;
    struct event_call call = {self, event};
    if (event->kind == ELG_EVENT_STEP) {
        elg__meter_step(host->meter, event->trace_id);
        if (!host->step_events)
            return;
    }
    elg__bind_protected(self, event_body, &call);
}

/* ---- options: a table whose strings stay alive in it while the host opens ---- */

static uint64_t option_count(lua_State *L, int table, const char *name, lua_Number max)
{
    lua_getfield(L, table, name);
    lua_Number value = luaL_optnumber(L, -1, 0);
    if (!(value >= 0 && value <= max))
        luaL_error(L, "option %s: not in 0 to %f", name, max);
    lua_pop(L, 1);
    return (uint64_t)value;
}

static uint32_t option_u32(lua_State *L, int table, const char *name)
{
    return (uint32_t)option_count(L, table, name, UINT32_MAX);
}

static bool option_flag(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool value = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return value;
}

/* Fills `rules` from the list allow_net, NULL behind the last; false: no such list. */
static bool option_rules(lua_State *L, int table, const char **rules)
{
    lua_getfield(L, table, "allow_net");
    bool given = !lua_isnil(L, -1);
    if (given) {
        luaL_checktype(L, -1, LUA_TTABLE);
        size_t count = lua_objlen(L, -1);
        if (count > ALLOW_NET_MAX)
            luaL_error(L, "option allow_net: more than %d rules", ALLOW_NET_MAX);
        for (size_t i = 0; i < count; i++) {
            lua_rawgeti(L, -1, (int)i + 1);
            rules[i] = luaL_checkstring(L, -1);
            lua_pop(L, 1);
        }
        rules[count] = NULL;
    }
    lua_pop(L, 1);
    return given;
}

static enum elg_durability option_durability(lua_State *L, int table)
{
    static const char *const NAMES[] = {"effect", "sync", NULL};
    lua_getfield(L, table, "durability");
    int which = luaL_checkoption(L, -1, "effect", NAMES);
    lua_pop(L, 1);
    return which == 1 ? ELG_DURABILITY_SYNC : ELG_DURABILITY_EFFECT;
}

static double option_share(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    double value = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

static void read_options(lua_State *L, int table, struct elg_host_options *options)
{
    options->abi_version = ELG_ABI_VERSION;
    options->store = elg__bind_field_string(L, table, "store", NULL);
    options->artifacts = elg__bind_field_string(L, table, "artifacts", NULL);
    options->compiler = elg__bind_field_string(L, table, "compiler", NULL);
    options->durability = option_durability(L, table);
    options->checkpoint_interval = option_u32(L, table, "checkpoint_interval");
    options->fuel_max = option_count(L, table, "fuel_max", 9007199254740992.0);
    options->memory_bytes_max =
        option_count(L, table, "memory_bytes_max", 9007199254740992.0);
    options->step_timeout_ms = option_u32(L, table, "step_timeout_ms");
    options->run_timeout_ms = option_u32(L, table, "run_timeout_ms");
    options->activity_timeout_ms = option_u32(L, table, "activity_timeout_ms");
    options->body_bytes_max = option_u32(L, table, "body_bytes_max");
    options->slice_instructions = option_u32(L, table, "slice_instructions");
    options->fresh_states = option_flag(L, table, "fresh_states");
    options->read_only = option_flag(L, table, "read_only");
    options->audit_rate = option_share(L, table, "audit_rate");
    options->jail = option_flag(L, table, "jail");
    options->jailer = elg__bind_field_string(L, table, "jailer", NULL);
}

/* Keeps the host's table of callbacks under its address. Stack: options host -> same */
static void make_environment(lua_State *L, struct bind_host *host)
{
    lua_pushlightuserdata(L, host);
    lua_newtable(L);
    lua_getfield(L, 1, "on_event");
    lua_setfield(L, -2, "on_event");
    lua_newtable(L);
    lua_setfield(L, -2, "activities");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "error");
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* A host that is not open yet, and its meter behind it. */
static struct bind_host *push_host(lua_State *L)
{
    size_t size = sizeof(struct bind_host) + sizeof(struct bind_meter);
    struct bind_host *host = lua_newuserdata(L, size);
    memset(host, 0, size);
    host->meter = (struct bind_meter *)(host + 1);
    luaL_getmetatable(L, BIND_HOST);
    lua_setmetatable(L, -2);
    return host;
}

/* host_open{ store =, on_event =, ... as struct elg_host_options, durability "effect" or
 * "sync", allow_net a list } -> host | nil, message, code, where. on_event gets STEP
 * events only with step_events = true; host:steps() counts them anyway. */
static int host_open(lua_State *L)
{
    const char *rules[ALLOW_NET_MAX + 1];
    struct elg_host_options options = {0};
    struct elg_error error = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_options(L, 1, &options);
    if (option_rules(L, 1, rules))
        options.allow_net = rules;
    struct bind_host *host = push_host(L);
    host->step_events = option_flag(L, 1, "step_events");
    make_environment(L, host);
    options.on_event = on_event;
    options.self = host;
    enum elg_status status = elg_host_open(&options, &host->host, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return 1;
}

/* close(): graphs first, as elg.h asks; calls under way are forgotten. */
static int host_close(lua_State *L)
{
    struct bind_host *host = luaL_checkudata(L, 1, BIND_HOST);
    while (host->graphs != NULL)
        elg__bind_graph_close(host->graphs);
    for (; host->calls != NULL; host->calls = host->calls->next)
        host->calls->call = NULL;
    struct elg_host *open = host->host;
    host->host = NULL;
    host->L = L;
    elg_host_close(open);
    host->L = NULL;
    lua_pushlightuserdata(L, host);
    lua_pushnil(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    return 0;
}

/* tick(budget_us) -> runs active | nil, message, code, where */
static int host_tick(lua_State *L)
{
    struct bind_host *host = elg__bind_check_host(L, 1);
    int64_t budget_us = (int64_t)luaL_checknumber(L, 2);
    struct elg_error error = {0};
    size_t active = 0;
    elg__bind_enter(host, L);
    enum elg_status status = elg_host_tick(host->host, budget_us, &active, &error);
    elg__meter_flush(host->meter);
    elg__bind_leave(host, L);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushnumber(L, (lua_Number)active);
    return 1;
}

/* steps() -> steps that became durable, and the time that 50%, 95% and 99% of them did
 * not pass, in us (meter.h) */
static int host_steps(lua_State *L)
{
    struct bind_host *host = luaL_checkudata(L, 1, BIND_HOST);
    lua_pushnumber(L, (lua_Number)host->meter->step_count);
    lua_pushnumber(L, elg__meter_percentile(host->meter, 0.5));
    lua_pushnumber(L, elg__meter_percentile(host->meter, 0.95));
    lua_pushnumber(L, elg__meter_percentile(host->meter, 0.99));
    return 4;
}

/* executing() -> runs in hand that have not come to their end */
static int host_executing(lua_State *L)
{
    const struct bind_host *host = elg__bind_check_host(L, 1);
    lua_pushnumber(L, (lua_Number)elg_host_executing(host->host));
    return 1;
}

/* poll_fd() -> the descriptor that is readable when tick has something to do */
static int host_poll_fd(lua_State *L)
{
    lua_pushinteger(L, elg_host_poll_fd(elg__bind_check_host(L, 1)->host));
    return 1;
}

void elg__bind_open_host(lua_State *L)
{
    static const luaL_Reg METHODS[] = {
        {"close", host_close},
        {"tick", host_tick},
        {"steps", host_steps},
        {"executing", host_executing},
        {"poll_fd", host_poll_fd},
        {"graph", elg__bind_host_graph},
        {"stored_graph", elg__bind_host_stored_graph},
        {"check", elg__bind_host_check},
        {"register", elg__bind_host_register},
        {"intercept", elg__bind_host_intercept},
        {"start", elg__bind_run_start},
        {"submit", elg__bind_run_submit},
        {"serve", elg__bind_host_serve},
        {"drain", elg__bind_host_drain},
        {"gc", elg__bind_host_gc},
        {"stale_writes", elg__bind_host_stale_writes},
        {"schema_version", elg__bind_host_schema_version},
        {"resume", elg__bind_run_resume},
        {"abort", elg__bind_run_abort},
        {"retry", elg__bind_run_retry},
        {"signal", elg__bind_run_signal},
        {"release", elg__bind_run_release},
        {"result", elg__bind_run_result},
        {"show", elg__bind_run_show},
        {"list", elg__bind_run_list},
        {"replay", elg__bind_run_replay},
        {NULL, NULL},
    };
    elg__bind_class(L, BIND_HOST, METHODS, host_close);
    lua_pushcfunction(L, host_open);
    lua_setfield(L, -2, "host_open");
}
