/* replay_attempt: one recorded attempt executed again, every call answered from the
 * journal and every result compared (I1, I10, I17). No effect can happen here. */
#include <stdio.h>
#include <string.h>

#include "host/plan.h"
#include "host/replay.h"
#include "json/json.h"

struct asker {
    struct elg_replay *replay;
    const char *where;
    uint32_t asked;
    bool array;
    struct elg_buf answer; /* responses: one, or ctx.all's list */
    uint32_t answer_count;
    bool stops; /* the attempt was stopped in this call */
    bool lost;  /* its jailed process was killed: once more */
};

/* ---- calls
 * -------------------------------------------------------------------------------------
 */

static enum elg_status call_differs(struct asker *asker,
                                    const struct elg_activity_row *row,
                                    const struct elg_prepared *prepared,
                                    struct elg_error *error)
{
    struct elg_buf expected, actual;
    const char *type = elg_activity_type_name(prepared->kind);
    struct elg_bytes asked = elg_base_blob_bytes(prepared->request);
    elg_base_buf_init(&expected, asker->replay->host->alloc);
    elg_base_buf_init(&actual, asker->replay->host->alloc);
    elg_base_buf_printf(&actual, "%s ", type);
    elg_base_buf_append(&actual, asked.data, asked.size);
    if (row != NULL) {
        struct elg_bytes recorded = elg_base_blob_bytes(row->request);
        elg_base_buf_printf(&expected, "%s ", row->type);
        elg_base_buf_append(&expected, recorded.data, recorded.size);
    } else {
        elg_base_buf_append_str(&expected, "no call");
    }
    enum elg_status status =
        expected.failed || actual.failed
            ? elg_base_no_memory(error)
            : elg__replay_differs(asker->replay, asker->asked, "request",
                                  elg_base_buf_bytes(&expected),
                                  elg_base_buf_bytes(&actual), asker->where);
    elg_base_buf_fini(&expected);
    elg_base_buf_fini(&actual);
    return status;
}

static enum elg_status answer(struct asker *asker, struct elg_bytes response,
                              struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    if (asker->array)
        status = elg__plan_answer_item(&asker->answer, asker->answer_count == 0, response,
                                       error);
    else
        elg_base_buf_append(&asker->answer, response.data, response.size);
    asker->answer_count++;
    if (status == ELG_OK && asker->answer.failed)
        status = elg_base_no_memory(error);
    return status;
}

/* Compares a call with the journal's row of its seq and answers with what that holds. */
static enum elg_status match(struct asker *asker, const struct elg_prepared *prepared,
                             struct elg_error *error)
{
    struct elg_replay *replay = asker->replay;
    struct elg_replay_stop stop = elg__replay_stop(replay);
    struct elg_activity_row *row = NULL;
    for (size_t i = 0; i < replay->call_count; i++)
        if (replay->calls[i].seq == asker->asked)
            row = &replay->calls[i];
    if (row == NULL && stop.in_call && asker->asked >= stop.seq) {
        asker->stops = true; /* it was stopped before this call left a record */
        asker->asked++;
        return ELG_OK;
    }
    if (row == NULL || strcmp(row->type, elg_activity_type_name(prepared->kind)) != 0 ||
        !elg_base_hash_equal(&row->request_hash, &prepared->request_hash))
        return call_differs(asker, row, prepared, error);
    if (!replay->other_code && !elg_base_hash_equal(&row->key, &prepared->key)) {
        char expected[ELG_HASH_HEX_SIZE], actual[ELG_HASH_HEX_SIZE];
        elg_base_hash_hex(&row->key, expected);
        elg_base_hash_hex(&prepared->key, actual);
        return elg__replay_differs(replay, asker->asked, "idempotency_key",
                                   elg_base_bytes(expected), elg_base_bytes(actual),
                                   asker->where);
    }
    if (stop.in_call && asker->asked >= stop.seq && row->status != ELG_ACTIVITY_DONE)
        asker->stops = true;
    struct elg_error why;
    enum elg_status status =
        elg__call_hydrate(replay->host, replay->row->trace_id, row, &why);
    if (status == ELG_CORRUPT && replay->verify)
        return elg__replay_differs(replay, asker->asked, "artifact",
                                   elg_base_bytes(row->response_blob_ref),
                                   elg_base_bytes(why.text), asker->where);
    asker->asked++;
    if (status != ELG_OK) {
        if (error != NULL)
            *error = why;
        return status;
    }
    return answer(asker, elg_base_blob_bytes(row->response), error);
}

static enum elg_status ask(void *self, const char *name, struct elg_bytes request,
                           struct elg_error *error)
{
    struct asker *asker = self;
    struct elg_replay *replay = asker->replay;
    struct elg_activity_place place = {replay->row->trace_id, replay->step, asker->asked};
    struct elg_call_plan plan;
    enum elg_status status = elg__plan(replay->host, &place, name, request, &plan, error);
    if (status == ELG_OK && plan.kind == ELG_PLAN_CALL)
        status = match(asker, &plan.prepared, error);
    else if (status == ELG_OK)
        status = answer(asker, elg_base_buf_bytes(&plan.answer), error);
    elg__plan_fini(&plan);
    return status;
}

/* Answers one CALL outcome into *reply. */
static enum elg_status ask_outcome(struct asker *asker, const struct elg_outcome *outcome,
                                   struct elg_reply *reply, struct elg_error *error)
{
    enum elg_status status;
    asker->where = outcome->where;
    asker->array = strcmp(outcome->type, "all") == 0;
    asker->answer_count = 0;
    elg_base_buf_reset(&asker->answer);
    if (!asker->array) {
        status = ask(asker, outcome->type, outcome->request, error);
        if (status != ELG_OK || asker->stops)
            return status;
        return elg_activity_read_response(elg_base_buf_bytes(&asker->answer), &reply->ok,
                                          &reply->value, error);
    }
    elg_base_buf_append_byte(&asker->answer, '[');
    status =
        elg__plan_each(asker->replay->host, outcome->request, ask, asker, NULL, error);
    elg_base_buf_append_byte(&asker->answer, ']');
    reply->ok = true;
    reply->value = elg_base_buf_bytes(&asker->answer);
    return status;
}

/* ---- the attempt
 * -------------------------------------------------------------------------------- */

static enum elg_status begin(struct elg_replay *replay, struct elg_error *error)
{
    struct elg_replay_stop stop = elg__replay_stop(replay);
    struct elg_job job = {
        .kind = ELG_JOB_NODE,
        .node_id = replay->node_id,
        .state = elg_base_buf_bytes(&replay->state),
        .input = elg_base_buf_bytes(&replay->input),
        .trace_id = replay->row->trace_id,
        .step_index = replay->step,
        .attempt = replay->attempt,
        .previous = replay->previous[0] ? replay->previous : NULL,
        .seed = replay->row->seed,
        .clock_ms = replay->attempt_row.clock_ms,
        .fuel_max = stop.in_code && !replay->other_code ? stop.fuel : replay->limits.fuel,
        .memory_bytes_max = replay->limits.memory_bytes,
    };
    return elg_sandbox_begin(replay->box, replay->program, &job, error);
}

static bool set_buf(struct elg_buf *buf, struct elg_bytes bytes)
{
    elg_base_buf_reset(buf);
    elg_base_buf_append(buf, bytes.data, bytes.size);
    return !buf->failed;
}

static enum elg_status step_over(struct elg_replay *replay,
                                 const struct elg_outcome *outcome,
                                 struct elg_error *error)
{
    snprintf(replay->previous, sizeof replay->previous, "%s", replay->node_id);
    snprintf(replay->node_id, sizeof replay->node_id, "%s",
             elg__replay_next_of(replay, outcome));
    replay->step++;
    replay->attempt = 1;
    replay->attempt_base = 0;
    replay->finished = replay->node_id[0] == '\0';
    replay->completed = outcome->key == NULL;
    if (!set_buf(&replay->state, outcome->state) ||
        !set_buf(&replay->input, outcome->output))
        return elg_base_no_memory(error);
    return ELG_OK;
}

/* Runs the job to its end or to its recorded stop; *asked counts its calls. */
static enum elg_status execute(struct asker *asker, struct elg_outcome *outcome,
                               struct elg_error *error)
{
    struct elg_sandbox *box = asker->replay->box;
    struct elg_replay_stop stop = elg__replay_stop(asker->replay);
    struct elg_reply reply, *next = NULL;
    for (;;) {
        enum elg_status status = elg_sandbox_resume(box, next, outcome, error);
        next = NULL;
        if (status != ELG_OK)
            return status;
        if (outcome->kind == ELG_OUTCOME_SLICE)
            continue;
        if (outcome->kind == ELG_OUTCOME_LOST) {
            asker->lost = true;
            return elg_base_fail(error, ELG_ABORTED, "jail", "%s", outcome->message);
        }
        if (outcome->kind != ELG_OUTCOME_CALL)
            return ELG_OK;
        status = ask_outcome(asker, outcome, &reply, error);
        if (stop.in_answer && asker->asked >= stop.seq)
            asker->stops = true;
        if (status != ELG_OK || asker->stops)
            return status;
        next = &reply;
    }
}

/* Stopped before any of its code ran, or for a reason that is no code's: nothing to
 * repeat. */
static bool nothing_to_repeat(struct elg_replay *replay)
{
    struct elg_replay_stop stop = elg__replay_stop(replay);
    return replay->attempt_row.status == ELG_ATTEMPT_DIVERGED || stop.in_crash ||
           (stop.in_code && stop.fuel == 0);
}

static enum elg_status run_attempt(struct elg_replay *replay, struct asker *asker,
                                   struct elg_error *error)
{
    struct elg_outcome outcome;
    enum elg_status status = begin(replay, error);
    if (status == ELG_OK)
        status = execute(asker, &outcome, error);
    if (status == ELG_OK && asker->stops)
        status = elg__replay_compare_fuel(replay, outcome.fuel);
    else if (status == ELG_OK && outcome.kind == ELG_OUTCOME_DONE)
        status = elg__replay_compare_done(replay, &outcome, asker->asked);
    else if (status == ELG_OK)
        status = elg__replay_compare_failed(replay, &outcome, asker->asked, error);
    if (status == ELG_OK && !asker->stops && outcome.kind == ELG_OUTCOME_DONE)
        return step_over(replay, &outcome, error);
    replay->attempt += asker->lost ? 0 : 1;
    return status;
}

/* A box of runs may have a job in it. */
static void vacate(struct elg_replay *replay)
{
    if (replay->box == replay->graph->boxes->box)
        elg__place_vacate(replay->host);
}

enum elg_status elg__replay_attempt(struct elg_replay *replay, struct elg_error *error)
{
    enum elg_status status = ELG_ABORTED;
    bool lost = true;
    if (nothing_to_repeat(replay)) {
        replay->attempt++;
        return ELG_OK;
    }
    vacate(replay);
    for (int i = 0; i <= ELG_JAIL_LOST_MAX && lost; i++) {
        struct asker asker = {.replay = replay};
        elg_base_buf_init(&asker.answer, replay->host->alloc);
        status = run_attempt(replay, &asker, error);
        elg_sandbox_discard(replay->box);
        elg_base_buf_fini(&asker.answer);
        lost = asker.lost;
    }
    return status;
}

/* A value where the run has one; else the error that the run has. */
static enum elg_status finish_initial(struct elg_replay *replay, bool recorded,
                                      const struct elg_outcome *outcome,
                                      struct elg_error *error)
{
    bool value = outcome->kind == ELG_OUTCOME_DONE;
    if (value != recorded)
        return elg__replay_differs(replay, -1, "initial_state",
                                   elg_base_bytes(recorded ? "a value" : "an error"),
                                   elg_base_bytes(value ? "a value" : "an error"),
                                   "initial");
    if (value)
        return set_buf(&replay->state, outcome->state) ? ELG_OK
                                                       : elg_base_no_memory(error);
    if (outcome->kind != ELG_OUTCOME_ERROR)
        return ELG_OK;
    struct elg_buf text;
    elg_base_buf_init(&text, replay->host->alloc);
    elg_executor_write_error(&text, outcome->code, outcome->message, outcome->where,
                             outcome->traceback);
    replay->last_error =
        text.failed ? NULL : elg_base_blob_create(text.alloc, elg_base_buf_bytes(&text));
    elg_base_buf_fini(&text);
    return replay->last_error != NULL ? ELG_OK : elg_base_no_memory(error);
}

enum elg_status elg__replay_initial(struct elg_replay *replay, bool recorded,
                                    struct elg_error *error)
{
    struct elg_job job = {
        .kind = ELG_JOB_INITIAL,
        .node_id = "",
        .input = elg_base_blob_bytes(replay->row->input),
        .trace_id = replay->row->trace_id,
        .attempt = 1,
        .seed = replay->row->seed,
        .fuel_max = replay->limits.fuel,
        .memory_bytes_max = replay->limits.memory_bytes,
    };
    struct elg_outcome outcome;
    enum elg_status status = ELG_ABORTED;
    bool lost = true;
    vacate(replay);
    for (int i = 0; i <= ELG_JAIL_LOST_MAX && lost; i++) {
        struct asker asker = {.replay = replay};
        elg_base_buf_init(&asker.answer, replay->host->alloc);
        status = elg_sandbox_begin(replay->box, replay->program, &job, error);
        if (status == ELG_OK)
            status = execute(&asker, &outcome, error);
        elg_base_buf_fini(&asker.answer);
        lost = asker.lost;
    }
    if (status == ELG_OK)
        status = finish_initial(replay, recorded, &outcome, error);
    elg_sandbox_discard(replay->box);
    return status;
}
