/* job: node calls in a jailed process: a message to it, an outcome back. Provides that
 * part of client.h. A job begins with its first resume, so that a step is one question
 * and one answer. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "jail/client.h"

/* ---- questions */

/* Read by read_job of jailed/jobs.c. */
static void write_job(struct elg_buf *out, const struct elg_job *job)
{
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_RUN);
    elg_jail_wire_u32(out, (uint32_t)job->kind);
    elg_jail_wire_text(out, job->node_id);
    elg_jail_wire_bytes(out, job->state);
    elg_jail_wire_bytes(out, job->input);
    elg_jail_wire_text(out, job->trace_id);
    elg_jail_wire_u64(out, (uint64_t)job->step_index);
    elg_jail_wire_u32(out, job->attempt);
    elg_jail_wire_text(out, job->previous);
    elg_jail_wire_text(out, job->seed);
    elg_jail_wire_u64(out, (uint64_t)job->clock_ms);
    elg_jail_wire_u64(out, job->fuel_max);
    elg_jail_wire_u64(out, job->memory_bytes_max);
    elg_jail_wire_end(out, place);
}

/* A value longer than a JSON text may be is cut: it is refused there for its length. */
static void write_reply(struct elg_buf *out, const struct elg_reply *reply)
{
    struct elg_bytes value = {NULL, 0};
    if (reply != NULL)
        value = reply->value;
    if (value.size > ELG_JSON_TEXT_BYTES_MAX)
        value.size = ELG_JSON_TEXT_BYTES_MAX + 1;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_RESUME);
    elg_jail_wire_u32(out, reply != NULL);
    elg_jail_wire_u32(out, reply != NULL && reply->ok);
    elg_jail_wire_bytes(out, value);
    elg_jail_wire_end(out, place);
}

static void write_unpark(struct elg_jail_now *now, struct elg_buf *out)
{
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_UNPARK);
    elg_jail_wire_u32(out, now->slot);
    elg_jail_wire_end(out, place);
    now->parked = false;
}

static void write_question(struct elg_jail *jail, const struct elg_reply *reply)
{
    struct elg_jail_now *now = &jail->now;
    struct elg_buf *out = &now->program->child->out;
    if (!now->begun) {
        write_job(out, &now->job);
        now->begun = true;
        return;
    }
    if (now->parked)
        write_unpark(now, out);
    write_reply(out, reply);
}

/* ---- ends that are no answers */

static enum elg_status no_more(struct elg_jail *jail, enum elg_jail_end end,
                               const char *why, bool executing, struct elg_outcome *out,
                               struct elg_error *error)
{
    jail->active = false;
    if (end == ELG_JAIL_STARVED)
        return elg_base_no_memory(error);
    memset(out, 0, sizeof *out);
    out->kind = end == ELG_JAIL_KILLED ? ELG_OUTCOME_LOST : ELG_OUTCOME_CRASHED;
    out->fuel = jail->now.fuel;
    out->edge = -1;
    out->executing = executing;
    out->where = "";
    snprintf(jail->message, sizeof jail->message,
             "the jailed process that executed it is no more: %.200s", why);
    out->message = jail->message;
    return ELG_OK;
}

/* ---- resume */

static int64_t deadline_us(const struct elg_jail *jail)
{
    uint64_t most = jail->now.job.fuel_max;
    if (most > jail->slice)
        most = jail->slice;
    return elg_base_monotonic_us(jail->clock) + (int64_t)ELG_JAIL_ANSWER_MS_MAX * 1000 +
           (int64_t)most;
}

static enum elg_status ask(struct elg_jail *jail, const struct elg_reply *reply,
                           struct elg_outcome *out, struct elg_error *error)
{
    struct elg_jail_child *child = jail->now.program->child;
    enum elg_jail_message kind;
    struct elg_jail_fields fields;
    write_question(jail, reply);
    bool lives =
        elg_jail_ask(jail->now.program, NULL, false, deadline_us(jail), &kind, &fields);
    if (lives && kind == ELG_JAIL_FAILED) {
        jail->active = false;
        return elg_jail_failure_read(&fields, error);
    }
    if (lives && (kind != ELG_JAIL_OUTCOME || !elg_jail_outcome_read(jail, &fields, out)))
        elg_jail_child_blame(child, "it gave an answer that cannot be");
    if (child->fd < 0)
        return no_more(jail, child->end, child->why, true, out, error);
    jail->active = out->kind == ELG_OUTCOME_CALL || out->kind == ELG_OUTCOME_SLICE;
    return ELG_OK;
}

enum elg_status elg_jail_begin(struct elg_sandbox *box, struct elg_program *program,
                               const struct elg_job *job, struct elg_error *error)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    if (jail->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "a job is under way");
    if (job->memory_bytes_max > jail->memory_bytes_max)
        return elg_base_fail(error, ELG_LIMIT, "memory_bytes_max",
                             "more than the sandbox has: %zu", jail->memory_bytes_max);
    memset(&jail->now, 0, sizeof jail->now);
    jail->now.program = (struct elg_jail_program *)(void *)program;
    jail->now.job = *job;
    jail->place[0] = '\0';
    jail->active = true;
    return ELG_OK;
}

enum elg_status elg_jail_resume(struct elg_sandbox *box, const struct elg_reply *reply,
                                struct elg_outcome *out, struct elg_error *error)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    struct elg_jail_now *now = &jail->now;
    enum elg_jail_end end;
    if (!jail->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "no job is under way");
    jail->place[0] = '\0';
    if (now->lost)
        return no_more(jail, ELG_JAIL_KILLED, "it was parked there", false, out, error);
    if (!now->begun) {
        struct elg_error own;
        enum elg_status status = elg_jail_program_ensure(now->program, &end, &own);
        if (status == ELG_ABORTED)
            return no_more(jail, end, own.text, true, out, error);
        if (status != ELG_OK) {
            jail->active = false;
            return elg_base_fail(error, status, own.where, "%s", own.text);
        }
    }
    enum elg_status status = ask(jail, reply, out, error);
    if (status == ELG_OK && out->where != NULL && out->kind != ELG_OUTCOME_CALL)
        snprintf(jail->place, sizeof jail->place, "%s", out->where);
    return status;
}

/* ---- the rest */

/* Whether the process knows of the job. */
static bool is_there(const struct elg_jail *jail)
{
    const struct elg_jail_now *now = &jail->now;
    return jail->active && now->begun && !now->lost && now->program->child != NULL;
}

/* Of a job under way it is asked; of one that is over it came with the outcome. */
const char *elg_jail_where(struct elg_sandbox *box)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    struct elg_jail_program *program = jail->now.program;
    enum elg_jail_message kind;
    struct elg_jail_fields fields;
    if (!is_there(jail))
        return jail->place;
    struct elg_buf *out = &program->child->out;
    if (jail->now.parked)
        write_unpark(&jail->now, out);
    elg_jail_wire_end(out, elg_jail_wire_begin(out, ELG_JAIL_WHERE));
    if (!elg_jail_ask(program, NULL, false, deadline_us(jail), &kind, &fields))
        return jail->place;
    const char *place = elg_jail_text_clean(elg_jail_fields_text(&fields));
    if (kind == ELG_JAIL_PLACE && elg_jail_fields_over(&fields))
        snprintf(jail->place, sizeof jail->place, "%s", place);
    else
        elg_jail_child_blame(program->child, "it gave an answer that cannot be");
    return jail->place;
}

/* Its process is told with the next job. */
void elg_jail_discard(struct elg_sandbox *box)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    if (jail->active && jail->now.parked && !jail->now.lost)
        elg_jail_park_drop(jail->now.program, jail->now.slot);
    jail->active = false;
}
