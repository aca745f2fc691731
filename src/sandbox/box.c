/* box: creating and destroying a sandbox, entering and leaving its fiber, and what every
 * file here needs of both. Provides box.h and the sandbox part of sandbox.h. */
#include "sandbox/box.h"

#include <lauxlib.h>
#include <string.h>

#include "sandbox/engine.h"

/* Set while this thread is on a fiber. */
static _Thread_local struct elg_head *current;

struct elg_head *elg_sandbox_current(void)
{
    return current;
}

struct elg_head *elg_sandbox_head(lua_State *L)
{
    void *head;
    (void)lua_getallocf(L, &head);
    return head;
}

void elg_sandbox_leave(struct elg_sandbox *box, enum elg_box_event event)
{
    box->event = event;
    elg_sandbox_fiber_leave(&box->fiber);
}

void elg_sandbox_leave_for_good(struct elg_sandbox *box, enum elg_box_event event)
{
    for (;;)
        elg_sandbox_leave(box, event);
}

void elg_sandbox_need(struct elg_sandbox *box, const struct elg_buf *buf)
{
    if (buf->failed)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
}

void elg_sandbox_set(struct elg_sandbox *box, struct elg_buf *buf, const char *text,
                     size_t size)
{
    elg_base_buf_reset(buf);
    elg_base_buf_append(buf, text, size);
    (void)elg_base_buf_cstr(buf);
    elg_sandbox_need(box, buf);
}

/* LuaJIT's allocator. Never fails visibly: without memory the fiber is left for good, so
 * that no pcall sees it (I1). */
static void *lua_memory(void *self, void *p, size_t old_size, size_t new_size)
{
    struct elg_head *head = self;
    void *q = elg_sandbox_heap_resize(&head->heap, p, old_size, new_size);
    if (new_size == 0)
        return NULL;
    if (q == NULL)
        elg_sandbox_leave_for_good(head->box, ELG_EVENT_MEMORY_OUT);
    if (p == NULL)
        old_size = 0;
    if (head->heap.merged > 0) {
        elg_sandbox_fuel_owe(&head->fuel, head->heap.merged);
        head->heap.merged = 0;
    }
    if (new_size > old_size)
        elg_sandbox_fuel_allocated(&head->fuel, new_size - old_size, head->heap.live);
    return q;
}

struct elg_head *elg_sandbox_head_of_ours(lua_State *L)
{
    void *head;
    return lua_getallocf(L, &head) == lua_memory ? head : NULL;
}

/* An error outside every protected call. */
static int on_panic(lua_State *L)
{
    elg_sandbox_leave_for_good(elg_sandbox_head(L)->box, ELG_EVENT_BROKEN);
}

size_t elg_sandbox_room(size_t live_bytes_max)
{
    return ELG_HEAP_FACTOR * live_bytes_max + ELG_HEAP_MORE_BYTES;
}

lua_State *elg_sandbox_state_new(struct elg_sandbox *box)
{
    struct elg_head *head = box->head;
    memset(head, 0, sizeof *head);
    elg_sandbox_heap_init(&head->heap, sizeof *head, ELG_LOAD_HEAP_BYTES_MAX,
                          box->arena.heap_bytes);
    head->heap.live_max = ELG_LOAD_BYTES_MAX;
    head->box = box;
    head->fuel.collect_at = SIZE_MAX;
    lua_State *L = lua_newstate(lua_memory, head);
    if (L == NULL)
        elg_sandbox_leave_for_good(box, ELG_EVENT_BROKEN);
    head->L = head->running = L;
    lua_atpanic(L, on_panic);
    lua_gc(L, LUA_GCSTOP, 0);
    if (!elg_sandbox_fuel_install(L, &head->fuel))
        elg_sandbox_leave_for_good(box, ELG_EVENT_BROKEN);
    return L;
}

void elg_sandbox_start(struct elg_sandbox *box, void (*entry)(void *box))
{
    elg_sandbox_fiber_init(&box->fiber, entry, box);
    elg_sandbox_continue(box);
}

void elg_sandbox_continue(struct elg_sandbox *box)
{
    box->event = ELG_EVENT_NONE;
    current = box->head;
    elg_sandbox_fiber_enter(&box->fiber);
    current = NULL;
}

void elg_sandbox_depth_enter(lua_State *L, const void *frame)
{
    struct elg_depth *depth = &elg_sandbox_head(L)->depth;
    while (depth->count > 0 && depth->frames[depth->count - 1] <= frame)
        depth->count--;
    if (depth->count == ELG_CALLBACK_DEPTH_MAX)
        luaL_error(L, "callbacks within callbacks deeper than %d",
                   ELG_CALLBACK_DEPTH_MAX);
    depth->frames[depth->count++] = frame;
}

void elg_sandbox_depth_leave(lua_State *L)
{
    struct elg_depth *depth = &elg_sandbox_head(L)->depth;
    if (depth->count > 0)
        depth->count--;
}

static void buffers_init(struct elg_sandbox *box)
{
    struct elg_buf *all[] = {&box->state,     &box->output, &box->metadata,
                             &box->request,   &box->key,    &box->type,
                             &box->where,     &box->code,   &box->message,
                             &box->traceback, &box->module, &box->source};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        elg_base_buf_init(all[i], box->alloc);
    elg_value_codec_init(&box->codec, box->alloc);
}

static void buffers_fini(struct elg_sandbox *box)
{
    struct elg_buf *all[] = {&box->state,     &box->output, &box->metadata,
                             &box->request,   &box->key,    &box->type,
                             &box->where,     &box->code,   &box->message,
                             &box->traceback, &box->module, &box->source};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        elg_base_buf_fini(all[i]);
    elg_value_codec_fini(&box->codec);
}

enum elg_status elg_sandbox_create(const struct elg_sandbox_options *options,
                                   struct elg_sandbox **out, struct elg_error *error)
{
    const struct elg_alloc *alloc =
        options->alloc != NULL ? options->alloc : elg_base_alloc_default();
    struct elg_sandbox *box = elg_base_calloc(alloc, sizeof *box);
    if (box == NULL)
        return elg_base_no_memory(error);
    box->ops = &elg_sandbox_local;
    box->alloc = alloc;
    box->compiler = options->compiler;
    box->fresh_states = options->fresh_states;
    box->slice = options->slice_instructions != 0 ? options->slice_instructions
                                                  : ELG_SLICE_INSTRUCTIONS;
    box->clock = elg_base_clock_system();
    box->memory_bytes_max = options->memory_bytes_max != 0 ? options->memory_bytes_max
                                                           : ELG_MEMORY_BYTES_DEFAULT;
    buffers_init(box);
    enum elg_status status = elg_sandbox_arena_open(
        &box->arena, options->base,
        ELG_LOAD_HEAP_BYTES_MAX + elg_sandbox_room(box->memory_bytes_max), error);
    if (status == ELG_OK && (box->sha = elg_base_sha256_create(alloc)) == NULL)
        status = elg_base_no_memory(error);
    if (status != ELG_OK) {
        elg_local_destroy(box);
        return status;
    }
    box->head = (struct elg_head *)(void *)box->arena.heap;
    box->fiber.stack = box->arena.stack;
    box->fiber.stack_bytes = ELG_ARENA_STACK_BYTES;
    *out = box;
    return ELG_OK;
}

void elg_local_destroy(struct elg_sandbox *box)
{
    if (box == NULL)
        return;
    elg_base_sha256_destroy(box->sha);
    elg_sandbox_arena_close(&box->arena);
    buffers_fini(box);
    elg_base_free(box->alloc, box, sizeof *box);
}

const char *elg_sandbox_fingerprint(void)
{
    return elg_sandbox_engine_name();
}
