/* park: setting a job aside as its difference to the image, and putting it back. Provides
 * that part of sandbox.h. A parked job is bytes of the arena: it fits only the sandbox,
 * the program and the address that it came from. */
#include <string.h>

#include "sandbox/program.h"

/* What is kept, in this order behind the struct: a bit for each line of the image (set:
 * it differs), those lines, the heap behind the image, the live stack, the results. */
struct elg_parked {
    const struct elg_sandbox_ops *ops;
    const struct elg_alloc *alloc;
    struct elg_sandbox *box;
    struct elg_under_way now;
    void *fiber_sp;
    bool has_key;
    size_t lines, changed, tail_bytes, stack_bytes;
    size_t key_bytes, state_bytes, output_bytes, metadata_bytes;
    size_t bytes; /* of all */
    uint8_t data[];
};

#define LINE ((size_t)ELG_PARK_LINE_BYTES)

static size_t map_bytes(size_t lines)
{
    return (lines + 7) / 8;
}

static bool line_differs(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, LINE) != 0;
}

static size_t count_changed(const uint8_t *heap, const uint8_t *image, size_t lines)
{
    size_t changed = 0;
    for (size_t i = 0; i < lines; i++)
        changed += line_differs(heap + i * LINE, image + i * LINE);
    return changed;
}

/* The part of the heap that is compared: whole lines of the image. */
static size_t compared_lines(const struct elg_program *program)
{
    return program->image_bytes / LINE;
}

static void measure(const struct elg_sandbox *box, struct elg_parked *plan)
{
    const struct elg_program *program = box->now.program;
    const uint8_t *heap = box->arena.heap;
    uint8_t *from;
    memset(plan, 0, sizeof *plan);
    plan->lines = compared_lines(program);
    plan->changed = count_changed(heap, program->image, plan->lines);
    plan->tail_bytes = box->head->heap.used > plan->lines * LINE
                           ? box->head->heap.used - plan->lines * LINE
                           : 0;
    plan->stack_bytes = elg_sandbox_fiber_live(&box->fiber, &from);
    if (box->now.encoded) {
        plan->key_bytes = box->has_key ? box->key.size : 0;
        plan->state_bytes = box->state.size;
        plan->output_bytes = box->output.size;
        plan->metadata_bytes = box->metadata.size;
    }
    plan->bytes = sizeof *plan + map_bytes(plan->lines) + plan->changed * LINE +
                  plan->tail_bytes + plan->stack_bytes + plan->key_bytes +
                  plan->state_bytes + plan->output_bytes + plan->metadata_bytes;
}

static uint8_t *put(uint8_t *to, const void *from, size_t size)
{
    if (size > 0)
        memcpy(to, from, size);
    return to + size;
}

static void fill(const struct elg_sandbox *box, struct elg_parked *parked)
{
    const uint8_t *heap = box->arena.heap, *image = box->now.program->image;
    uint8_t *map = parked->data;
    uint8_t *to = map + map_bytes(parked->lines);
    uint8_t *stack;
    memset(map, 0, map_bytes(parked->lines));
    for (size_t i = 0; i < parked->lines; i++) {
        if (!line_differs(heap + i * LINE, image + i * LINE))
            continue;
        map[i / 8] = (uint8_t)(map[i / 8] | 1u << (i % 8));
        to = put(to, heap + i * LINE, LINE);
    }
    to = put(to, heap + parked->lines * LINE, parked->tail_bytes);
    (void)elg_sandbox_fiber_live(&box->fiber, &stack);
    to = put(to, stack, parked->stack_bytes);
    to = put(to, box->key.data, parked->key_bytes);
    to = put(to, box->state.data, parked->state_bytes);
    to = put(to, box->output.data, parked->output_bytes);
    (void)put(to, box->metadata.data, parked->metadata_bytes);
}

enum elg_status elg_local_park(struct elg_sandbox *box, struct elg_parked **out,
                               struct elg_error *error)
{
    struct elg_parked plan;
    if (!box->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "no job is under way");
    if (box->now.program->image == NULL)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "the program has no image");
    measure(box, &plan);
    struct elg_parked *parked = elg_base_realloc(box->alloc, NULL, 0, plan.bytes);
    if (parked == NULL)
        return elg_base_no_memory(error);
    *parked = plan;
    parked->ops = &elg_sandbox_local;
    parked->alloc = box->alloc;
    parked->box = box;
    parked->now = box->now;
    parked->fiber_sp = box->fiber.fiber_sp;
    parked->has_key = box->has_key;
    fill(box, parked);
    box->active = false;
    *out = parked;
    return ELG_OK;
}

static const uint8_t *take(struct elg_buf *buf, const uint8_t *from, size_t size)
{
    elg_base_buf_reset(buf);
    elg_base_buf_append(buf, from, size);
    (void)elg_base_buf_cstr(buf);
    return from + size;
}

static const uint8_t *restore_heap(const struct elg_sandbox *box,
                                   const struct elg_parked *parked)
{
    uint8_t *heap = box->arena.heap;
    const uint8_t *map = parked->data;
    const uint8_t *from = map + map_bytes(parked->lines);
    memcpy(heap, parked->now.program->image, parked->lines * LINE);
    for (size_t i = 0; i < parked->lines; i++) {
        if ((map[i / 8] >> (i % 8) & 1) == 0)
            continue;
        memcpy(heap + i * LINE, from, LINE);
        from += LINE;
    }
    memcpy(heap + parked->lines * LINE, from, parked->tail_bytes);
    return from + parked->tail_bytes;
}

enum elg_status elg_local_unpark(struct elg_sandbox *box, struct elg_parked *parked,
                                 struct elg_error *error)
{
    if (box->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "a job is under way");
    if (parked->box != box)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox",
                             "the job was parked by another sandbox");
    if (parked->now.encoded) {
        const uint8_t *results = (const uint8_t *)parked + parked->bytes -
                                 parked->metadata_bytes - parked->output_bytes -
                                 parked->state_bytes - parked->key_bytes;
        results = take(&box->key, results, parked->key_bytes);
        results = take(&box->state, results, parked->state_bytes);
        results = take(&box->output, results, parked->output_bytes);
        (void)take(&box->metadata, results, parked->metadata_bytes);
        if (box->key.failed || box->state.failed || box->output.failed ||
            box->metadata.failed)
            return elg_base_no_memory(error);
    }
    const uint8_t *stack = restore_heap(box, parked);
    box->fiber.fiber_sp = parked->fiber_sp;
    memcpy(parked->fiber_sp, stack, parked->stack_bytes);
    box->now = parked->now;
    box->has_key = parked->has_key;
    box->active = true;
    elg_local_parked_destroy(parked);
    return ELG_OK;
}

size_t elg_local_parked_bytes(const struct elg_parked *parked)
{
    return parked->bytes;
}

void elg_local_parked_destroy(struct elg_parked *parked)
{
    if (parked != NULL)
        elg_base_free(parked->alloc, parked, parked->bytes);
}
