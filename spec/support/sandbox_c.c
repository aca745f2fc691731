/* sandbox_c: the sandbox for specs: boxes, programs and jobs as Lua objects.
 *
 * Uses the inside of the library. A box is made with { fresh, slice, base, memory_bytes,
 * compiler, jail (path of elg-jail: one in processes), fail_at, fail_from }; allocations
 * are counted, and the one numbered fail_at (or all from fail_from on) fail. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "jail/jail.h"

#define BOX "elg.spec.box"
#define PROGRAM "elg.spec.program"
#define PARKED "elg.spec.parked"

struct counter {
    struct elg_alloc alloc;
    long calls, fail_at, fail_from;
    long live; /* blocks */
};

struct box {
    struct counter counter;
    struct elg_compiler *compiler;
    struct elg_sandbox *box;
    int job_ref; /* table that holds the job's strings */
    char compiler_path[512], jailer_path[512];
};

static void *resize(void *self, void *p, size_t old_size, size_t new_size)
{
    struct counter *counter = self;
    (void)old_size;
    if (new_size == 0) {
        counter->live -= p != NULL;
        free(p);
        return NULL;
    }
    counter->calls++;
    if (counter->calls == counter->fail_at ||
        (counter->fail_from > 0 && counter->calls >= counter->fail_from))
        return NULL;
    void *q = realloc(p, new_size);
    counter->live += p == NULL && q != NULL;
    return q;
}

static int push_error(lua_State *L, const struct elg_error *error)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, elg_status_name(error->status));
    lua_setfield(L, -2, "status");
    lua_pushstring(L, error->where);
    lua_setfield(L, -2, "where");
    lua_pushstring(L, error->text);
    lua_setfield(L, -2, "text");
    return 2;
}

static struct box *check_box(lua_State *L, int index)
{
    return luaL_checkudata(L, index, BOX);
}

static double option(lua_State *L, int index, const char *name, double fallback)
{
    double value = fallback;
    lua_getfield(L, index, name);
    if (lua_isnumber(L, -1))
        value = lua_tonumber(L, -1);
    else if (lua_isboolean(L, -1))
        value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int create(lua_State *L)
{
    struct elg_sandbox_options options;
    struct elg_error error;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "compiler");
    const char *path = luaL_checkstring(L, -1);
    struct box *self = lua_newuserdata(L, sizeof *self);
    memset(self, 0, sizeof *self);
    self->job_ref = LUA_NOREF;
    luaL_getmetatable(L, BOX);
    lua_setmetatable(L, -2);
    strncpy(self->compiler_path, path, sizeof self->compiler_path - 1);
    lua_getfield(L, 1, "jail");
    if (lua_isstring(L, -1))
        strncpy(self->jailer_path, lua_tostring(L, -1), sizeof self->jailer_path - 1);
    lua_pop(L, 1);
    self->counter.alloc.resize = resize;
    self->counter.alloc.self = &self->counter;
    self->counter.fail_at = (long)option(L, 1, "fail_at", 0);
    self->counter.fail_from = (long)option(L, 1, "fail_from", 0);
    memset(&options, 0, sizeof options);
    options.alloc = &self->counter.alloc;
    options.fresh_states = option(L, 1, "fresh", 0) != 0;
    options.slice_instructions = (uint32_t)option(L, 1, "slice", 0);
    options.base = (uintptr_t)option(L, 1, "base", 0);
    options.memory_bytes_max = (size_t)option(L, 1, "memory_bytes", 0);
    enum elg_status status = elg_sandbox_compiler_create(
        options.alloc, self->compiler_path, &self->compiler, &error);
    options.compiler = self->compiler;
    if (status == ELG_OK && self->jailer_path[0] != '\0')
        status = elg_jail_open(&options, self->jailer_path, &self->box, &error);
    else if (status == ELG_OK)
        status = elg_sandbox_create(&options, &self->box, &error);
    return status == ELG_OK ? 1 : push_error(L, &error);
}

static int box_close(lua_State *L)
{
    struct box *self = check_box(L, 1);
    elg_sandbox_destroy(self->box);
    elg_sandbox_compiler_destroy(self->compiler);
    self->box = NULL;
    self->compiler = NULL;
    return 0;
}

static int box_counts(lua_State *L)
{
    struct box *self = check_box(L, 1);
    lua_pushnumber(L, (lua_Number)self->counter.calls);
    lua_pushnumber(L, (lua_Number)self->counter.live);
    return 2;
}

static int box_fail(lua_State *L)
{
    struct box *self = check_box(L, 1);
    long from_now = (long)luaL_checknumber(L, 2);
    self->counter.fail_at = from_now > 0 ? self->counter.calls + from_now : 0;
    self->counter.fail_from = lua_toboolean(L, 3) ? self->counter.fail_at : 0;
    return 0;
}

/* ---- programs */

struct files {
    lua_State *L;
    int index;
};

static enum elg_status read_file(void *self, const char *path, struct elg_buf *out,
                                 struct elg_error *error)
{
    struct files *files = self;
    lua_getfield(files->L, files->index, path);
    size_t size;
    const char *text = lua_tolstring(files->L, -1, &size);
    enum elg_status status = ELG_OK;
    if (text == NULL)
        status = elg_base_fail(error, ELG_NOT_FOUND, path, "no such file");
    else
        elg_base_buf_append(out, text, size);
    lua_pop(files->L, 1);
    return status;
}

/* box:program(entry, { path = source }) */
static int box_program(lua_State *L)
{
    struct box *self = check_box(L, 1);
    const char *entry = luaL_checkstring(L, 2);
    struct files files = {L, 3};
    struct elg_program_loader loader = {read_file, &files};
    struct elg_error error;
    luaL_checktype(L, 3, LUA_TTABLE);
    struct elg_program **program = lua_newuserdata(L, sizeof *program);
    *program = NULL;
    if (elg_sandbox_program_create(self->box, entry, &loader, program, &error) != ELG_OK)
        return push_error(L, &error);
    luaL_getmetatable(L, PROGRAM);
    lua_setmetatable(L, -2);
    return 1;
}

static int program_describe(lua_State *L)
{
    struct elg_program **program = luaL_checkudata(L, 1, PROGRAM);
    struct elg_bytes text = elg_sandbox_program_describe(*program);
    lua_pushlstring(L, (const char *)text.data, text.size);
    return 1;
}

static int program_sources(lua_State *L)
{
    struct elg_program **program = luaL_checkudata(L, 1, PROGRAM);
    const char *path;
    struct elg_bytes source;
    lua_newtable(L);
    for (size_t i = 0; elg_sandbox_program_source(*program, i, &path, &source); i++) {
        lua_pushstring(L, path);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int program_close(lua_State *L)
{
    struct elg_program **program = luaL_checkudata(L, 1, PROGRAM);
    elg_sandbox_program_destroy(*program);
    *program = NULL;
    return 0;
}

/* ---- jobs */

static const char *text_option(lua_State *L, int index, const char *name,
                               const char *fallback)
{
    lua_getfield(L, index, name);
    const char *text = lua_tostring(L, -1); /* held by the job's table */
    lua_pop(L, 1);
    return text != NULL ? text : fallback;
}

/* box:begin(program, { node, state, input, ... }); the table must not change while the
 * job is under way or parked. */
static int box_begin(lua_State *L)
{
    struct box *self = check_box(L, 1);
    struct elg_program **program = luaL_checkudata(L, 2, PROGRAM);
    struct elg_job job;
    struct elg_error error;
    luaL_checktype(L, 3, LUA_TTABLE);
    memset(&job, 0, sizeof job);
    job.node_id = text_option(L, 3, "node", "");
    job.kind = job.node_id[0] == '\0' ? ELG_JOB_INITIAL : ELG_JOB_NODE;
    job.state = elg_base_bytes(text_option(L, 3, "state", "{}"));
    job.input = elg_base_bytes(text_option(L, 3, "input", "{}"));
    job.trace_id = text_option(L, 3, "trace_id", "t");
    job.step_index = (int64_t)option(L, 3, "step_index", 0);
    job.attempt = (uint32_t)option(L, 3, "attempt", 1);
    job.previous = text_option(L, 3, "previous", NULL);
    job.seed = text_option(L, 3, "seed", "seed");
    job.clock_ms = (int64_t)option(L, 3, "clock_ms", 1e12);
    job.fuel_max = (uint64_t)option(L, 3, "fuel_max", 1e8);
    job.memory_bytes_max = (size_t)option(L, 3, "memory_bytes", 16 << 20);
    if (elg_sandbox_begin(self->box, *program, &job, &error) != ELG_OK)
        return push_error(L, &error);
    lua_pushboolean(L, 1);
    return 1;
}

static void set_bytes(lua_State *L, const char *name, struct elg_bytes bytes)
{
    if (bytes.data == NULL)
        return;
    lua_pushlstring(L, (const char *)bytes.data, bytes.size);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_outcome(lua_State *L, const struct elg_outcome *out)
{
    static const char *const KINDS[] = {"done", "call",   "slice", "error",
                                        "fuel", "memory", "lost",  "crashed"};
    lua_createtable(L, 0, 12);
    set_text(L, "kind", KINDS[out->kind]);
    lua_pushnumber(L, (lua_Number)out->fuel);
    lua_setfield(L, -2, "fuel");
    set_bytes(L, "state", out->state);
    set_bytes(L, "output", out->output);
    set_bytes(L, "metadata", out->metadata);
    set_bytes(L, "request", out->request);
    set_text(L, "key", out->key);
    set_text(L, "type", out->type);
    set_text(L, "where", out->where);
    set_text(L, "code", out->code);
    set_text(L, "message", out->message);
    set_text(L, "traceback", out->traceback);
    lua_pushnumber(L, out->edge);
    lua_setfield(L, -2, "edge");
    if (out->kind == ELG_OUTCOME_ERROR) {
        lua_pushboolean(L, out->retry);
        lua_setfield(L, -2, "retry");
    }
    lua_pushboolean(L, out->executing);
    lua_setfield(L, -2, "executing");
}

/* box:resume([reply value as JSON [, ok]]) */
static int box_resume(lua_State *L)
{
    struct box *self = check_box(L, 1);
    struct elg_reply reply;
    struct elg_outcome outcome;
    struct elg_error error;
    bool has_reply = !lua_isnoneornil(L, 2);
    if (has_reply)
        reply.value.data = (const uint8_t *)luaL_checklstring(L, 2, &reply.value.size);
    reply.ok = lua_isnoneornil(L, 3) || lua_toboolean(L, 3);
    if (elg_sandbox_resume(self->box, has_reply ? &reply : NULL, &outcome, &error) !=
        ELG_OK)
        return push_error(L, &error);
    push_outcome(L, &outcome);
    return 1;
}

static int box_where(lua_State *L)
{
    lua_pushstring(L, elg_sandbox_where(check_box(L, 1)->box));
    return 1;
}

static int box_discard(lua_State *L)
{
    elg_sandbox_discard(check_box(L, 1)->box);
    return 0;
}

static int box_park(lua_State *L)
{
    struct box *self = check_box(L, 1);
    struct elg_error error;
    struct elg_parked **parked = lua_newuserdata(L, sizeof *parked);
    *parked = NULL;
    luaL_getmetatable(L, PARKED);
    lua_setmetatable(L, -2);
    if (elg_sandbox_park(self->box, parked, &error) != ELG_OK)
        return push_error(L, &error);
    lua_pushnumber(L, (lua_Number)elg_sandbox_parked_bytes(*parked));
    return 2;
}

static int box_unpark(lua_State *L)
{
    struct box *self = check_box(L, 1);
    struct elg_parked **parked = luaL_checkudata(L, 2, PARKED);
    struct elg_error error;
    if (elg_sandbox_unpark(self->box, *parked, &error) != ELG_OK)
        return push_error(L, &error);
    *parked = NULL;
    lua_pushboolean(L, 1);
    return 1;
}

static int parked_close(lua_State *L)
{
    struct elg_parked **parked = luaL_checkudata(L, 1, PARKED);
    elg_sandbox_parked_destroy(*parked);
    *parked = NULL;
    return 0;
}

/* box:compile(chunk, source): bytecode. */
static int box_compile(lua_State *L)
{
    struct box *self = check_box(L, 1);
    struct elg_bytes source;
    struct elg_buf out;
    struct elg_error error;
    const char *chunk = luaL_checkstring(L, 2);
    source.data = (const uint8_t *)luaL_checklstring(L, 3, &source.size);
    elg_base_buf_init(&out, &self->counter.alloc);
    enum elg_status status =
        elg_sandbox_compile(self->compiler, chunk, source, &out, &error);
    if (status == ELG_OK)
        lua_pushlstring(L, (const char *)out.data, out.size);
    elg_base_buf_fini(&out);
    return status == ELG_OK ? 1 : push_error(L, &error);
}

static int fingerprint(lua_State *L)
{
    lua_pushstring(L, elg_sandbox_fingerprint());
    return 1;
}

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_register(L, NULL, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

__attribute__((visibility("default"))) int luaopen_sandbox_c(lua_State *L);

int luaopen_sandbox_c(lua_State *L)
{
    static const luaL_Reg BOX_METHODS[] = {{"close", box_close},
                                           {"__gc", box_close},
                                           {"counts", box_counts},
                                           {"fail", box_fail},
                                           {"program", box_program},
                                           {"begin", box_begin},
                                           {"resume", box_resume},
                                           {"discard", box_discard},
                                           {"park", box_park},
                                           {"where", box_where},
                                           {"unpark", box_unpark},
                                           {"compile", box_compile},
                                           {NULL, NULL}};
    static const luaL_Reg PROGRAM_METHODS[] = {{"describe", program_describe},
                                               {"sources", program_sources},
                                               {"close", program_close},
                                               {NULL, NULL}};
    static const luaL_Reg PARKED_METHODS[] = {{"close", parked_close}, {NULL, NULL}};
    static const luaL_Reg FUNCTIONS[] = {
        {"create", create}, {"fingerprint", fingerprint}, {NULL, NULL}};
    make_class(L, BOX, BOX_METHODS);
    make_class(L, PROGRAM, PROGRAM_METHODS);
    make_class(L, PARKED, PARKED_METHODS);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
