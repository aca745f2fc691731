/* program: loading a graph into the arena, its image, and putting it back. Provides
 * program.h and the programs part of sandbox.h; uses module.c for files. */
#include "sandbox/program.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/job.h"
#include "sandbox/library.h"
#include "sandbox/module.h"

/* ---- on the fiber */

/* Calls the prelude's `finish` on what the entry file returned; its results go to their
 * slots and the description to the box. */
static void finish(lua_State *L, struct elg_sandbox *box)
{
    struct elg_value_rules rules = {"graph", NULL, NULL, elg_sandbox_value_progress};
    struct elg_error error;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_PRELUDE);
    lua_getfield(L, -1, "finish");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 4); /* description nodes whens initial */
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_INITIAL);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_WHENS);
    lua_rawseti(L, LUA_REGISTRYINDEX, ELG_SLOT_NODES);
    elg_base_buf_reset(&box->state);
    enum elg_status status =
        elg_value_encode(L, &box->codec, -1, &rules, &box->state, &error);
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    if (status != ELG_OK)
        luaL_error(L, "%s: %s", error.where, error.text);
}

static int load_body(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    elg_value_open(L);
    elg_sandbox_library_open(L);
    elg_sandbox_job_open(L);
    lua_settop(L, 0);
    elg_sandbox_module_run(L, 0);
    finish(L, box);
    return 0;
}

static void load_main(void *self)
{
    struct elg_sandbox *box = self;
    lua_State *L = elg_sandbox_state_new(box);
    elg_sandbox_fuel_begin(&box->head->fuel, ELG_LOAD_FUEL_MAX, UINT32_MAX);
    elg_base_buf_reset(&box->where);
    elg_base_buf_reset(&box->traceback);
    lua_pushcfunction(L, elg_sandbox_on_error);
    lua_pushcfunction(L, load_body);
    if (lua_pcall(L, 0, 0, 1) != 0) {
        elg_sandbox_describe_error(L, -1);
        elg_sandbox_leave_for_good(box, ELG_EVENT_RAISED);
    }
    lua_settop(L, 0);
    elg_sandbox_fuel_collect(L); /* it shrinks the stack: */
    lua_checkstack(L, ELG_VALUE_SLOTS);
    memset(&box->head->depth, 0, sizeof box->head->depth);
    elg_sandbox_leave_for_good(box, ELG_EVENT_FINISHED);
}

/* ---- on the host's side */

static const char *text_of(const struct elg_buf *buf)
{
    return buf->data != NULL ? (const char *)buf->data : "";
}

/* Where loading raised: an author's frame, or the call of elg.graph. */
static void where_of(const struct elg_program *program, char *out, size_t size)
{
    int line = elg_sandbox_module_graph_line(program);
    if (program->box->where.size > 0)
        snprintf(out, size, "%s", text_of(&program->box->where));
    else if (line > 0)
        snprintf(out, size, "%s:%d", program->modules[0].path, line);
    else
        snprintf(out, size, "%s", program->modules[0].path);
}

/* Where loading was ended from outside. */
static const char *left_at(const struct elg_program *program)
{
    const char *where = elg_local_where(program->box);
    return where[0] != '\0' ? where : program->modules[0].path;
}

static enum elg_status load_error(struct elg_program *program, struct elg_error *error)
{
    struct elg_sandbox *box = program->box;
    const char *entry = program->modules[0].path;
    char where[ELG_ERROR_WHERE_MAX];
    switch (box->event) {
    case ELG_EVENT_FINISHED:
        return ELG_OK;
    case ELG_EVENT_RAISED:
        where_of(program, where, sizeof where);
        return elg_base_fail(error, ELG_INVALID, where, "%s", text_of(&box->message));
    case ELG_EVENT_FUEL_OUT:
        return elg_base_fail(error, ELG_INVALID, left_at(program),
                             "loading takes more than %d instructions",
                             ELG_LOAD_FUEL_MAX);
    case ELG_EVENT_MEMORY_OUT:
        return elg_base_fail(error, ELG_INVALID, left_at(program),
                             "loading takes more than %u bytes of memory",
                             ELG_LOAD_BYTES_MAX);
    case ELG_EVENT_HOST_MEMORY_OUT:
        return elg_base_no_memory(error);
    default:
        return elg_base_fail(error, ELG_INTERNAL, entry, "Lua broke while loading (%d)",
                             (int)box->event);
    }
}

static enum elg_status load(struct elg_program *program,
                            const struct elg_program_loader *loader,
                            struct elg_error *error)
{
    struct elg_sandbox *box = program->box;
    box->loading = program;
    elg_sandbox_start(box, load_main);
    while (box->event == ELG_EVENT_MODULE || box->event == ELG_EVENT_COMPILE) {
        enum elg_status status = elg_sandbox_module_serve(program, loader, error);
        if (status != ELG_OK)
            return status;
        elg_sandbox_continue(box);
    }
    box->loading = NULL;
    return load_error(program, error);
}

static enum elg_status image_take(struct elg_program *program, struct elg_error *error)
{
    struct elg_sandbox *box = program->box;
    size_t size = box->head->heap.used;
    program->image = elg_base_realloc(program->alloc, NULL, 0, size);
    if (program->image == NULL)
        return elg_base_no_memory(error);
    program->image_bytes = size;
    memcpy(program->image, box->head, size);
    return ELG_OK;
}

enum elg_status elg_sandbox_program_restore(struct elg_program *program,
                                            struct elg_error *error)
{
    struct elg_sandbox *box = program->box;
    if (box->head->heap.peak > program->image_bytes + ELG_ARENA_KEPT_BYTES)
        elg_sandbox_arena_trim(&box->arena, program->image_bytes + ELG_ARENA_KEPT_BYTES);
    if (box->fresh_states)
        return load(program, NULL, error);
    memcpy(box->head, program->image, program->image_bytes);
    return ELG_OK;
}

/* The edges as C sees them, from the description that the prelude made. */
static enum elg_status edges_read(struct elg_program *program, struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(
        program->alloc, elg_base_buf_bytes(&program->description), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *list = elg_json_get(elg_json_root(doc), "edges");
    size_t count = elg_json_size(list);
    program->edges = elg_base_calloc(program->alloc, count * sizeof *program->edges);
    if (program->edges == NULL && count > 0)
        status = elg_base_no_memory(error);
    else
        program->edge_count = count; /* zeroed: destroy may find NULLs */
    for (size_t i = 0; status == ELG_OK && i < count; i++) {
        const struct elg_json_value *item = elg_json_at(list, i);
        struct elg_bytes from = elg_json_string(elg_json_get(item, "from"));
        struct elg_bytes key = elg_json_string(elg_json_get(item, "key"));
        struct elg_program_edge *edge = &program->edges[i];
        edge->from = elg_base_strndup(program->alloc, (const char *)from.data, from.size);
        edge->key = elg_base_strndup(program->alloc, (const char *)key.data, key.size);
        edge->when = elg_json_bool(elg_json_get(item, "when"), false);
        if (edge->from == NULL || edge->key == NULL)
            status = elg_base_no_memory(error);
    }
    elg_json_doc_destroy(doc);
    return status;
}

static enum elg_status fill(struct elg_program *program, const char *entry,
                            const struct elg_program_loader *loader,
                            struct elg_error *error)
{
    struct elg_sandbox *box = program->box;
    enum elg_status status = elg_sandbox_module_entry(program, entry, loader, error);
    if (status == ELG_OK)
        status = load(program, loader, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_append(&program->description, box->state.data, box->state.size);
    if (elg_base_buf_cstr(&program->description) == NULL)
        return elg_base_no_memory(error);
    status = edges_read(program, error);
    return status == ELG_OK ? image_take(program, error) : status;
}

enum elg_status elg_local_program_create(struct elg_sandbox *box, const char *entry,
                                         const struct elg_program_loader *loader,
                                         struct elg_program **out,
                                         struct elg_error *error)
{
    if (box->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "a job is under way");
    struct elg_program *program = elg_base_calloc(box->alloc, sizeof *program);
    if (program == NULL)
        return elg_base_no_memory(error);
    program->ops = &elg_sandbox_local;
    program->alloc = box->alloc;
    program->box = box;
    elg_base_buf_init(&program->description, box->alloc);
    enum elg_status status = fill(program, entry, loader, error);
    if (status != ELG_OK) {
        elg_local_program_destroy(program);
        return status;
    }
    *out = program;
    return ELG_OK;
}

void elg_local_program_destroy(struct elg_program *program)
{
    if (program == NULL)
        return;
    for (size_t i = 0; i < program->edge_count; i++) {
        elg_base_strfree(program->alloc, program->edges[i].from);
        elg_base_strfree(program->alloc, program->edges[i].key);
    }
    elg_base_free(program->alloc, program->edges,
                  program->edge_count * sizeof *program->edges);
    elg_base_free(program->alloc, program->image, program->image_bytes);
    elg_sandbox_module_fini(program);
    elg_base_buf_fini(&program->description);
    elg_base_free(program->alloc, program, sizeof *program);
}

struct elg_bytes elg_local_program_describe(const struct elg_program *program)
{
    return elg_base_buf_bytes(&program->description);
}

bool elg_local_program_source(const struct elg_program *program, size_t i,
                              const char **path, struct elg_bytes *source)
{
    if (i >= program->module_count)
        return false;
    *path = program->modules[i].path;
    *source = elg_base_buf_bytes(&program->modules[i].source);
    return true;
}
