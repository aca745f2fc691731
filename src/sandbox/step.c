/* step: the host's side of a job: begin, resume, discard. Provides the jobs part of
 * sandbox.h but parking (park.c); uses job, program, compiler. */
#include <string.h>

#include "sandbox/job.h"
#include "sandbox/module.h"
#include "sandbox/program.h"

/* Short, until it is known how long one takes. */
static uint32_t first_slice(const struct elg_sandbox *box)
{
    uint32_t slice = box->slice / 8;
    return slice > ELG_SLICE_INSTRUCTIONS_MIN ? slice : box->slice;
}

enum elg_status elg_local_begin(struct elg_sandbox *box, struct elg_program *program,
                                const struct elg_job *job, struct elg_error *error)
{
    if (box->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "a job is under way");
    if (job->memory_bytes_max > box->memory_bytes_max)
        return elg_base_fail(error, ELG_LIMIT, "memory_bytes_max",
                             "more than the sandbox has: %zu", box->memory_bytes_max);
    enum elg_status status = elg_sandbox_program_restore(program, error);
    if (status != ELG_OK)
        return status;
    struct elg_head *head = box->head;
    memset(&box->now, 0, sizeof box->now);
    box->now.program = program;
    box->now.job = *job;
    head->phase = ELG_PHASE_RUNNING;
    head->heap.live_max = job->memory_bytes_max;
    /* By the job's own bound, whatever the arena has: when free blocks are merged, and
     * what that costs, is the same everywhere (I1). */
    head->heap.bytes_max = head->heap.used + elg_sandbox_room(job->memory_bytes_max);
    elg_sandbox_fuel_mark(head);
    elg_sandbox_fuel_begin(&head->fuel, job->fuel_max, first_slice(box));
    elg_sandbox_fiber_init(&box->fiber, elg_sandbox_job_main, box);
    box->active = true;
    return ELG_OK;
}

static const char *text_of(const struct elg_buf *buf)
{
    return buf->data != NULL ? (const char *)buf->data : "";
}

static void fill_done(const struct elg_sandbox *box, struct elg_outcome *out)
{
    out->state = elg_base_buf_bytes(&box->state);
    out->output = elg_base_buf_bytes(&box->output);
    out->metadata = elg_base_buf_bytes(&box->metadata);
    out->key = box->has_key ? text_of(&box->key) : NULL;
    out->edge = box->edge;
    out->where = box->has_key && box->edge < 0 ? text_of(&box->where) : "";
}

static void fill_call(const struct elg_sandbox *box, struct elg_outcome *out)
{
    out->type = text_of(&box->type);
    out->request = elg_base_buf_bytes(&box->request);
    out->where = text_of(&box->where);
}

static void fill_error(const struct elg_sandbox *box, struct elg_outcome *out)
{
    out->where = text_of(&box->where);
    out->code = text_of(&box->code);
    out->message = text_of(&box->message);
    out->traceback = text_of(&box->traceback);
    out->retry = box->retry;
}

/* What the fiber's leaving means to the host. */
static enum elg_status outcome_of(struct elg_sandbox *box, struct elg_outcome *out,
                                  struct elg_error *error)
{
    memset(out, 0, sizeof *out);
    out->fuel = elg_sandbox_fuel_used(&box->head->fuel);
    out->edge = -1;
    box->active = false;
    switch (box->event) {
    case ELG_EVENT_FINISHED:
        out->kind = ELG_OUTCOME_DONE;
        fill_done(box, out);
        return ELG_OK;
    case ELG_EVENT_RAISED:
        out->kind = ELG_OUTCOME_ERROR;
        fill_error(box, out);
        return ELG_OK;
    case ELG_EVENT_CALLED:
        out->kind = ELG_OUTCOME_CALL;
        fill_call(box, out);
        box->active = true;
        return ELG_OK;
    case ELG_EVENT_SLICE_OVER:
        out->kind = ELG_OUTCOME_SLICE;
        box->active = true;
        return ELG_OK;
    case ELG_EVENT_FUEL_OUT:
        out->kind = ELG_OUTCOME_FUEL;
        out->where = elg_local_where(box);
        return ELG_OK;
    case ELG_EVENT_MEMORY_OUT:
        out->kind = ELG_OUTCOME_MEMORY;
        out->where = elg_local_where(box);
        return ELG_OK;
    case ELG_EVENT_HOST_MEMORY_OUT:
        return elg_base_no_memory(error);
    default:
        return elg_base_fail(error, ELG_INTERNAL, "sandbox",
                             "Lua left in a way that it cannot (event %d)",
                             (int)box->event);
    }
}

/* A slice is so many units, which are not all of one price: the next one is shorter where
 * this one took long, so that whoever waits for its end gets to look at the clock.
 * Nothing depends on where slices end. */
static void pace(struct elg_sandbox *box, int64_t began_us)
{
    struct elg_fuel *fuel = &box->head->fuel;
    int64_t took_us = elg_base_monotonic_us(box->clock) - began_us;
    uint64_t slice = fuel->slice;
    if (took_us > ELG_SLICE_US_MAX) {
        slice = slice * (ELG_SLICE_US_MAX / 2) / (uint64_t)took_us;
        if (slice < ELG_SLICE_INSTRUCTIONS_MIN)
            slice = ELG_SLICE_INSTRUCTIONS_MIN;
    } else if (took_us < ELG_SLICE_US_MAX / 4) {
        slice *= 2;
    }
    fuel->slice = slice < box->slice ? (uint32_t)slice : box->slice;
    fuel->slice_left = fuel->slice;
}

/* What became of the compile helper is no business of node code: an attempt that needs it
 * and cannot have it ends (I1). */
static enum elg_status compiler_lost(struct elg_sandbox *box, enum elg_status status,
                                     const struct elg_error *why, struct elg_outcome *out)
{
    box->active = false;
    if (status == ELG_NO_MEMORY)
        return status;
    memset(out, 0, sizeof *out);
    out->kind = ELG_OUTCOME_CRASHED;
    out->fuel = elg_sandbox_fuel_used(&box->head->fuel);
    out->edge = -1;
    out->where = "";
    elg_base_buf_reset(&box->message);
    elg_base_buf_printf(&box->message, "%s: %s", why->where, why->text);
    out->message = text_of(&box->message);
    return ELG_OK;
}

enum elg_status elg_local_resume(struct elg_sandbox *box, const struct elg_reply *reply,
                                 struct elg_outcome *out, struct elg_error *error)
{
    static const struct elg_reply NOTHING = {true, {(const uint8_t *)"null", 4}};
    if (!box->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "no job is under way");
    box->reply = reply != NULL ? reply : &NOTHING;
    int64_t began_us = elg_base_monotonic_us(box->clock);
    elg_sandbox_continue(box);
    while (box->event == ELG_EVENT_COMPILE) {
        struct elg_error why;
        enum elg_status status = elg_sandbox_module_compile(box, &why);
        if (status == ELG_NO_MEMORY)
            elg_base_no_memory(error);
        if (status != ELG_OK)
            return compiler_lost(box, status, &why, out);
        elg_sandbox_continue(box);
    }
    if (box->event == ELG_EVENT_SLICE_OVER)
        pace(box, began_us);
    return outcome_of(box, out, error);
}

void elg_local_discard(struct elg_sandbox *box)
{
    box->active = false;
}
