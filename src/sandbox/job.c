/* job: one node call on the fiber: decode, call, encode, choose the edge. Provides job.h;
 * uses value and program. Everything runs below one lua_pcall, so any Lua error, in
 * author's code or in ours, ends here. */
#include "sandbox/job.h"

#include <lauxlib.h>
#include <string.h>

#include "sandbox/library.h"
#include "sandbox/order.h"
#include "sandbox/program.h"

/* Ends the job with an error of the given code; message and where are in the box. */
static void fail_now(struct elg_sandbox *box, const char *code, bool retry)
{
    elg_sandbox_set(box, &box->code, code, strlen(code));
    box->retry = retry;
    elg_sandbox_leave_for_good(box, ELG_EVENT_RAISED);
}

/* Where the node's function is defined: for what is wrong after it returned. */
static void where_node(lua_State *L, struct elg_sandbox *box)
{
    lua_Debug ar;
    elg_base_buf_reset(&box->where);
    elg_base_buf_reset(&box->traceback);
    (void)elg_base_buf_cstr(&box->traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_NODES);
    lua_getfield(L, -1, box->now.job.node_id);
    if (box->now.job.kind == ELG_JOB_INITIAL)
        lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_INITIAL);
    if (lua_isfunction(L, -1) && lua_getinfo(L, ">S", &ar) && ar.source[0] == '@')
        elg_base_buf_printf(&box->where, "%s:%d", ar.source + 1, ar.linedefined);
    (void)elg_base_buf_cstr(&box->where);
    elg_sandbox_need(box, &box->where);
}

static void encode_result(lua_State *L, int index, const char *root, const char *code,
                          struct elg_buf *out)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    struct elg_value_rules rules = {root, NULL, NULL, elg_sandbox_value_progress};
    struct elg_error error;
    elg_base_buf_reset(out);
    enum elg_status status = elg_value_encode(L, &box->codec, index, &rules, out, &error);
    if (status == ELG_OK) {
        (void)elg_base_buf_cstr(out);
        elg_sandbox_need(box, out);
        return;
    }
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    elg_base_buf_reset(&box->message);
    elg_base_buf_printf(&box->message, "%s: %s", error.where, error.text);
    (void)elg_base_buf_cstr(&box->message);
    elg_sandbox_need(box, &box->message);
    where_node(L, box);
    fail_now(box, code, false);
}

static void decode_or_leave(lua_State *L, struct elg_bytes text, const char *name)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    struct elg_error error;
    enum elg_status status =
        elg_value_decode(L, &box->codec, text, ELG_VALUE_BIG_DOUBLE, &error);
    if (status == ELG_OK)
        return;
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    if (status == ELG_LIMIT)
        luaL_error(L, "stack overflow (no room for a value)");
    elg_base_buf_reset(&box->message);
    elg_base_buf_printf(&box->message, "the given %s: %s", name, error.text);
    (void)elg_base_buf_cstr(&box->message);
    elg_sandbox_need(box, &box->message);
    elg_sandbox_set(box, &box->where, error.where, strlen(error.where));
    fail_now(box, "INTERNAL", false);
}

/* ---- the boundary */

/* A request that is no value: no position, it would be the prelude's. What reconcile gave
 * is asked about as ctx.settle, which authors do not have. */
static int refuse_request(lua_State *L, const char *type, const struct elg_error *error)
{
    static const char RESULT[] = "request.result";
    const char *where = error->where;
    if (strcmp(type, "settle") != 0)
        lua_pushfstring(L, "ctx.%s: %s: %s", type, where, error->text);
    else
        lua_pushfstring(L, "ctx.http: reconcile's result%s: %s",
                        strncmp(where, RESULT, sizeof RESULT - 1) == 0
                            ? where + sizeof RESULT - 1
                            : "",
                        error->text);
    return lua_error(L);
}

static void take_request(lua_State *L, struct elg_sandbox *box)
{
    size_t size;
    const char *type = luaL_checklstring(L, 1, &size);
    elg_sandbox_set(box, &box->type, type, size);
    struct elg_value_rules rules = {"request", elg_sandbox_secret_write, "$secret",
                                    elg_sandbox_value_progress};
    struct elg_error error;
    elg_base_buf_reset(&box->request);
    enum elg_status status =
        elg_value_encode(L, &box->codec, 2, &rules, &box->request, &error);
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    if (status != ELG_OK)
        refuse_request(L, type, &error);
    (void)elg_base_buf_cstr(&box->request);
    elg_sandbox_need(box, &box->request);
    elg_sandbox_write_where(L, &box->where);
}

/* Stack: type, request, then the reply. Marks what of it are errors: the value of a reply
 * that is not ok, `err` in each entry of ctx.all's. */
static void mark_errors(lua_State *L, bool ok)
{
    if (!ok)
        elg_sandbox_mark_error(L);
    if (!ok || strcmp(lua_tostring(L, 1), "all") != 0 || !lua_istable(L, 3))
        return;
    for (int i = 1; i <= (int)lua_objlen(L, 3); i++) {
        lua_rawgeti(L, 3, i);
        if (lua_istable(L, -1)) {
            lua_getfield(L, -1, "err");
            elg_sandbox_mark_error(L);
        }
        lua_settop(L, 3);
    }
}

int elg_sandbox_job_call(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    if (elg_sandbox_head(L)->phase != ELG_PHASE_RUNNING)
        return luaL_error(L, "ctx is not here while the graph is loaded");
    lua_settop(L, 2);
    take_request(L, box);
    size_t request_bytes = box->request.size;
    elg_sandbox_leave(box, ELG_EVENT_CALLED);
    if (!box->reply->ok)
        lua_pushnil(L);
    decode_or_leave(L, box->reply->value, "reply");
    mark_errors(L, lua_gettop(L) == 3);
    /* Charging may end a slice, and then request and reply are other jobs'. */
    elg_sandbox_charge(L, ELG_FUEL_CALL + (request_bytes >> ELG_FUEL_ALLOC_SHIFT));
    return lua_gettop(L) - 2;
}

/* ---- results */

#define RESULT_FIELDS "state, output, next, metadata"
#define KEY_SHOWN_BYTES_MAX 64

/* Is the key at `index` one of RESULT_FIELDS? */
static bool is_result_field(lua_State *L, int index)
{
    static const char *const FIELDS[] = {"state", "output", "next", "metadata"};
    if (lua_type(L, index) != LUA_TSTRING)
        return false;
    const char *name = lua_tostring(L, index);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        if (strcmp(name, FIELDS[i]) == 0)
            return strlen(name) == lua_objlen(L, index);
    return false;
}

/* Appends how the key at the top is shown. */
static void show_key(lua_State *L, struct elg_buf *out)
{
    size_t size;
    bool number = lua_type(L, -1) == LUA_TNUMBER;
    lua_pushvalue(L, -1); /* lua_tolstring changes a number in place */
    const char *text = lua_tolstring(L, -1, &size);
    if (text == NULL || size > KEY_SHOWN_BYTES_MAX || strlen(text) != size ||
        elg_json_check_utf8(elg_base_bytes(text)) != size)
        elg_base_buf_printf(out, "(a %s)", luaL_typename(L, -1));
    else
        elg_base_buf_printf(out, number ? "[%s]" : "%s", text);
    lua_pop(L, 1);
}

/* Ends the job; of the unknown fields of the table at `index` it names the first in the
 * order of pairs. */
static void refuse_fields(lua_State *L, struct elg_sandbox *box, int index)
{
    size_t rest;
    bool list = elg_sandbox_order_keys(L, index, &rest) > 0;
    int keys = lua_gettop(L);
    lua_pushnumber(L, 1);
    for (int i = 1; !list && (i == 1 || is_result_field(L, -1)); i++) {
        lua_settop(L, keys);
        lua_rawgeti(L, keys, i);
    }
    elg_base_buf_reset(&box->message);
    elg_base_buf_append_str(&box->message, "the node's result has an unknown field ");
    show_key(L, &box->message);
    elg_base_buf_append_str(&box->message,
                            ": a table that a node returns first has the "
                            "fields " RESULT_FIELDS
                            "; to give an output alone, return nil, output");
    (void)elg_base_buf_cstr(&box->message);
    elg_sandbox_need(box, &box->message);
    where_node(L, box);
    fail_now(box, "INVALID_RESULT", false);
}

/* The table at `index` has no other fields. At most five are looked at. */
static void check_fields(lua_State *L, int index)
{
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        if (!is_result_field(L, -1))
            refuse_fields(L, elg_sandbox_head(L)->box, index);
    }
}

/* Stack: state, then what the node returned. Leaves: state output metadata key. */
static void arrange_results(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TTABLE) {
        lua_settop(L, 3); /* state key output */
        lua_pushvalue(L, 3);
        lua_pushnil(L);
        lua_pushvalue(L, 2); /* state key output output nil key */
        lua_remove(L, 2);
        lua_remove(L, 2);
        return;
    }
    lua_settop(L, 2); /* state result */
    check_fields(L, 2);
    lua_getfield(L, 2, "state");
    if (!lua_isnil(L, 3)) {
        lua_replace(L, 1);
        lua_pushnil(L);
    }
    lua_settop(L, 2);
    lua_getfield(L, 2, "output");
    lua_getfield(L, 2, "metadata");
    lua_getfield(L, 2, "next");
    lua_remove(L, 2);
}

static void take_key(lua_State *L, struct elg_sandbox *box)
{
    int type = lua_type(L, 4);
    box->has_key = type == LUA_TSTRING;
    if (type == LUA_TSTRING) {
        size_t size;
        const char *key = lua_tolstring(L, 4, &size);
        elg_sandbox_set(box, &box->key, key, size);
        if (size > 0 && size <= ELG_NAME_BYTES_MAX && strlen(key) == size &&
            elg_json_check_utf8(elg_base_bytes(key)) == size)
            return;
        elg_sandbox_set(box, &box->message, "the edge key is empty, too long or no text",
                        42);
    } else {
        if (type == LUA_TNIL)
            return;
        elg_base_buf_reset(&box->message);
        elg_base_buf_printf(&box->message,
                            "a node returns an edge key (a string or nil) and its "
                            "output, or a table; this one returned a %s first",
                            lua_typename(L, type));
        (void)elg_base_buf_cstr(&box->message);
        elg_sandbox_need(box, &box->message);
    }
    where_node(L, box);
    fail_now(box, "INVALID_RESULT", false);
}

/* Calls function when(state, output) of edge i on fresh copies. */
static bool edge_holds(lua_State *L, struct elg_sandbox *box, size_t i)
{
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_WHENS);
    lua_rawgeti(L, 1, (int)i + 1);
    decode_or_leave(L, elg_base_buf_bytes(&box->state), "state");
    decode_or_leave(L, elg_base_buf_bytes(&box->output), "output");
    lua_call(L, 2, 1);
    return lua_toboolean(L, -1);
}

static void choose_edge(lua_State *L, struct elg_sandbox *box)
{
    const struct elg_program *program = box->now.program;
    const char *node = box->now.job.node_id;
    box->edge = -1;
    for (size_t i = 0; box->has_key && i < program->edge_count; i++) {
        const struct elg_program_edge *edge = &program->edges[i];
        if (strcmp(edge->from, node) != 0 ||
            strcmp(edge->key, (const char *)box->key.data) != 0)
            continue;
        if (edge->when && !edge_holds(L, box, i))
            continue;
        box->edge = (int32_t)i;
        return;
    }
    if (box->has_key)
        where_node(L, box);
}

/* ---- the job's body, below lua_pcall */

static void set_ctx(lua_State *L, const struct elg_job *job)
{
    lua_pushstring(L, job->trace_id);
    lua_setfield(L, -2, "trace_id");
    lua_pushnumber(L, (lua_Number)job->step_index);
    lua_setfield(L, -2, "step_index");
    lua_pushstring(L, job->node_id);
    lua_setfield(L, -2, "node_id");
    lua_pushnumber(L, job->attempt);
    lua_setfield(L, -2, "attempt");
    lua_pushstring(L, job->previous);
    lua_setfield(L, -2, "previous");
}

static void run_node(lua_State *L, struct elg_sandbox *box)
{
    const struct elg_job *job = &box->now.job;
    decode_or_leave(L, job->state, "state");
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_NODES);
    lua_getfield(L, -1, job->node_id);
    lua_remove(L, -2);
    lua_pushvalue(L, 1);
    decode_or_leave(L, job->input, "input");
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_CTX);
    set_ctx(L, job);
    lua_call(L, 3, LUA_MULTRET); /* state results... */
    arrange_results(L);
    encode_result(L, 1, "state", "INVALID_STATE", &box->state);
    encode_result(L, 2, "output", "INVALID_OUTPUT", &box->output);
    elg_base_buf_reset(&box->metadata);
    if (!lua_isnil(L, 3))
        encode_result(L, 3, "metadata", "INVALID_OUTPUT", &box->metadata);
    take_key(L, box);
    box->now.encoded = true;
    choose_edge(L, box);
}

static void run_initial(lua_State *L, struct elg_sandbox *box)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_INITIAL);
    if (lua_isfunction(L, 1)) {
        decode_or_leave(L, box->now.job.input, "input");
        lua_call(L, 1, 1);
    }
    if (lua_isnil(L, 1))
        lua_newtable(L);
    encode_result(L, -1, "initial", "INVALID_STATE", &box->state);
    elg_base_buf_reset(&box->output);
    elg_base_buf_reset(&box->metadata);
    box->has_key = false;
    box->edge = -1;
}

static int job_body(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    if (box->now.job.kind == ELG_JOB_INITIAL)
        run_initial(L, box);
    else
        run_node(L, box);
    return 0;
}

void elg_sandbox_job_open(lua_State *L)
{
    lua_pushcfunction(L, job_body);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_JOB);
    lua_pushcfunction(L, elg_sandbox_on_error);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_TRACEBACK);
}

/* A full Lua stack has no room for the handler: what the buffers hold is of another job,
 * which had the box while this one was parked. */
static void forget_place(struct elg_sandbox *box)
{
    elg_base_buf_reset(&box->where);
    elg_base_buf_reset(&box->traceback);
    (void)elg_base_buf_cstr(&box->traceback);
    elg_sandbox_need(box, &box->traceback);
}

void elg_sandbox_job_main(void *self)
{
    struct elg_sandbox *box = self;
    lua_State *L = box->head->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_TRACEBACK);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_JOB);
    box->head->traced = false;
    if (lua_pcall(L, 0, 0, 1) != 0) {
        if (!box->head->traced)
            forget_place(box);
        elg_sandbox_describe_error(L, -1);
        if (box->where.size == 0)
            where_node(L, box); /* a full stack shows no frames */
        elg_sandbox_leave_for_good(box, ELG_EVENT_RAISED);
    }
    elg_sandbox_charge(L, 0); /* what was charged last may have been the rest */
    elg_sandbox_leave_for_good(box, ELG_EVENT_FINISHED);
}
