/* park: jobs set aside in the process that executes them, known here by the slot in which
 * they lie. Provides that part of client.h. When the process is no more, so are they: a
 * resume then says LOST. */
#include <string.h>

#include "jail/client.h"

#define DROPS_BYTES_MAX 4096 /* of slots to be freed, before they are told at once */

static struct elg_jail_parked *of(const struct elg_parked *parked)
{
    return (struct elg_jail_parked *)(void *)(uintptr_t)parked;
}

static int64_t soon_us(const struct elg_jail *jail)
{
    return elg_base_monotonic_us(jail->clock) + (int64_t)ELG_JAIL_ANSWER_MS_MAX * 1000;
}

static struct elg_jail_child *living(const struct elg_jail_program *program)
{
    struct elg_jail_child *child = program->child;
    return child != NULL && child->fd >= 0 ? child : NULL;
}

/* The process's side: *bytes is what it holds there. False: it is no more. */
static bool ask(struct elg_jail *jail, struct elg_jail_parked *parked,
                enum elg_status *status, struct elg_error *error)
{
    struct elg_jail_child *child = jail->now.program->child;
    enum elg_jail_message kind;
    struct elg_jail_fields fields;
    elg_jail_wire_end(&child->out, elg_jail_wire_begin(&child->out, ELG_JAIL_PARK));
    if (!elg_jail_ask(jail->now.program, NULL, false, soon_us(jail), &kind, &fields))
        return false;
    *status = ELG_OK;
    if (kind == ELG_JAIL_FAILED) {
        *status = elg_jail_failure_read(&fields, error);
        return true;
    }
    parked->now.slot = elg_jail_fields_u32(&fields);
    uint64_t bytes = elg_jail_fields_u64(&fields);
    if (kind != ELG_JAIL_PARKED || !elg_jail_fields_over(&fields) ||
        bytes > 8 * (uint64_t)jail->memory_bytes_max + ELG_JAIL_MESSAGE_BYTES_MAX) {
        elg_jail_child_blame(child, "it gave an answer that cannot be");
        return false;
    }
    parked->bytes = (size_t)bytes;
    return true;
}

enum elg_status elg_jail_park(struct elg_sandbox *box, struct elg_parked **out,
                              struct elg_error *error)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    if (!jail->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "no job is under way");
    struct elg_jail_parked *parked = elg_base_calloc(jail->alloc, sizeof *parked);
    if (parked == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = ELG_OK;
    parked->ops = jail->ops;
    parked->generation = jail->now.program->generation;
    /* One that its process does not know of, or holds already, needs no message. */
    bool there = jail->now.begun && !jail->now.parked && !jail->now.lost;
    if (there &&
        (living(jail->now.program) == NULL || !ask(jail, parked, &status, error)))
        jail->now.lost = true;
    if (status != ELG_OK) {
        elg_base_free(jail->alloc, parked, sizeof *parked);
        return status;
    }
    uint32_t slot = there ? parked->now.slot : jail->now.slot;
    parked->now = jail->now;
    parked->now.slot = slot;
    parked->now.parked = jail->now.begun && !jail->now.lost;
    parked->now.program->references++;
    jail->active = false;
    *out = (struct elg_parked *)(void *)parked;
    return ELG_OK;
}

static void free_parked(struct elg_jail_parked *parked)
{
    struct elg_jail_program *program = parked->now.program;
    elg_base_free(program->alloc, parked, sizeof *parked);
    elg_jail_program_unref(program);
}

enum elg_status elg_jail_unpark(struct elg_sandbox *box, struct elg_parked *handle,
                                struct elg_error *error)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    struct elg_jail_parked *parked = of(handle);
    struct elg_jail_program *program = parked->now.program;
    if (jail->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "a job is under way");
    if (program->jail != jail)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox",
                             "the job was parked by another sandbox");
    jail->now = parked->now;
    jail->place[0] = '\0';
    if (jail->now.parked &&
        (living(program) == NULL || program->generation != parked->generation))
        jail->now.lost = true;
    program->used_at = ++jail->use_count;
    jail->active = true;
    free_parked(parked);
    return ELG_OK;
}

size_t elg_jail_parked_bytes(const struct elg_parked *parked)
{
    return of(parked)->bytes;
}

/* The process is told with the next message to it. */
void elg_jail_park_drop(struct elg_jail_program *program, uint32_t slot)
{
    struct elg_jail_child *child = living(program);
    if (child == NULL)
        return;
    size_t place = elg_jail_wire_begin(&child->out, ELG_JAIL_DROP);
    elg_jail_wire_u32(&child->out, slot);
    elg_jail_wire_end(&child->out, place);
    if (child->out.size > DROPS_BYTES_MAX)
        (void)elg_jail_child_send(child, soon_us(program->jail));
}

void elg_jail_parked_destroy(struct elg_parked *handle)
{
    struct elg_jail_parked *parked = of(handle);
    struct elg_jail_program *program = parked->now.program;
    if (program->jail != NULL && parked->now.parked &&
        program->generation == parked->generation)
        elg_jail_park_drop(program, parked->now.slot);
    free_parked(parked);
}
