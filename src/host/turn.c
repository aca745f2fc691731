/* turn: one round of the loop for one run: load -> execute -> perform or replay -> commit
 * -> release.
 *
 * The whole flow of elg is in elg__turn, top to bottom; the rest of the file is its
 * words.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "host/internal.h"

/* ---- load: the run's job into the arena
 * --------------------------------------------------- */

static uint32_t node_timeout_ms(const struct elg_host_run *hr)
{
    const struct elg_graph_node *node = elg_graph_node(hr->graph->data, hr->run->node_id);
    if (node != NULL && node->timeout_ms > 0)
        return node->timeout_ms;
    return hr->limits.step_timeout_ms;
}

static enum elg_status begin_job(struct elg_host_run *hr, struct elg_error *error)
{
    struct elg_run *run = hr->run;
    struct elg_job job = {
        .kind = run->phase == ELG_PHASE_INITIAL ? ELG_JOB_INITIAL : ELG_JOB_NODE,
        .node_id = run->node_id,
        .state = elg_base_blob_bytes(run->state),
        .input = elg_base_blob_bytes(run->input ? run->input : run->row.input),
        .trace_id = run->row.trace_id,
        .step_index = (int64_t)run->row.step_count,
        .attempt = run->attempt,
        .previous = run->previous[0] ? run->previous : NULL,
        .seed = run->row.seed,
        .clock_ms = run->clock_ms,
        .fuel_max = hr->limits.fuel,
        .memory_bytes_max = hr->limits.memory_bytes,
    };
    return elg_sandbox_begin(hr->graph->boxes->box, hr->graph->program, &job, error);
}

/* A fresh attempt, or one whose Lua state is gone. */
static enum elg_status load_fresh(struct elg_host_run *hr, struct elg_error *error)
{
    struct elg_host *host = hr->host;
    enum elg_status status = ELG_OK;
    elg__call_drop(hr);
    if (hr->lua == ELG_LUA_NONE) {
        hr->lost_count = 0;
        hr->timeout_ms = node_timeout_ms(hr);
        hr->used_us = 0;
        hr->attempt_began_us = elg_base_monotonic_us(host->clock);
    }
    elg__call_logs_clear(hr);
    if (hr->run->phase != ELG_PHASE_INITIAL)
        status = elg_executor_begin(hr->run, elg_base_wall_ms(host->clock), error);
    if (status == ELG_OK)
        status = begin_job(hr, error);
    if (status == ELG_OK)
        elg__place_fresh(hr);
    return status;
}

static enum elg_status load(struct elg_host_run *hr, struct elg_error *error)
{
    if (hr->lua == ELG_LUA_CURRENT)
        return ELG_OK;
    elg__place_vacate(hr->host);
    return hr->lua == ELG_LUA_PARKED ? elg__place_back(hr, error) : load_fresh(hr, error);
}

/* ---- execute
 * ------------------------------------------------------------------------------ */

static enum elg_status execute(struct elg_host_run *hr, struct elg_outcome *outcome,
                               struct elg_error *error)
{
    struct elg_host *host = hr->host;
    struct elg_reply reply, *answer = NULL;
    if (hr->answer_due) {
        enum elg_status status = elg__call_answer(hr, &host->scratch, &reply.ok, error);
        if (status != ELG_OK)
            return status;
        reply.value = elg_base_buf_bytes(&host->scratch);
        answer = &reply;
        hr->answer_due = false;
    }
    int64_t began_us = elg_base_monotonic_us(host->clock);
    enum elg_status status =
        elg_sandbox_resume(hr->graph->boxes->box, answer, outcome, error);
    elg__place_executed(hr, elg_base_monotonic_us(host->clock) - began_us);
    if (status == ELG_OK)
        hr->fuel = outcome->fuel;
    return status;
}

/* ---- commit: what became of the attempt
 * ---------------------------------------------------- */

/* The end is told with the result, so that nobody has to read it back. */
static void tell_end(struct elg_host_run *hr)
{
    struct elg_run *run = hr->run;
    struct elg_host *host = hr->host;
    if (run->phase != ELG_PHASE_ENDED)
        return;
    hr->ended = true;
    host->ended_count++;
    if (host->options.on_event == NULL)
        return;
    struct elg_buf *buf = &host->scratch;
    elg_base_buf_reset(buf);
    elg__document_result(buf, &run->row, run->state ? &run->state_hash : NULL,
                         elg_base_blob_bytes(run->state),
                         elg_base_blob_bytes(run->output));
    elg_base_buf_append_byte(buf, '}');
    const char *name = elg_checkpoint_status_name(run->row.status);
    if (buf->failed ||
        elg__release_add(hr, &hr->releases, ELG_EVENT_END, -1, "", "",
                         elg_base_bytes(name), elg_base_buf_bytes(buf)) != ELG_OK)
        elg__warn(host, run->row.trace_id, "", "out of memory: its end is not told");
}

/* After an attempt: its records go with the next batch; the run goes on unless it must
 * wait. */
static void attempt_over(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    elg__place_forget(hr, ELG_LUA_NONE);
    hr->attempt_began_us = 0;
    if (elg__call_logs_end(hr) != ELG_OK)
        elg__warn(hr->host, hr->run->row.trace_id, "", "out of memory: log lines lost");
    elg__release_move(hr, &hr->logs, &hr->releases);
    tell_end(hr);
    elg__commit_want(hr);
    host->steps_unsubmitted++;
    if (hr->run->phase == ELG_PHASE_ENDED)
        return; /* forgotten once that is durable */
    if (host->options.durability == ELG_DURABILITY_SYNC ||
        hr->run->record_bytes + hr->releases.bytes > ELG_HOST_RUN_AHEAD_BYTES)
        hr->gated = true;
    else if (hr->run->phase == ELG_PHASE_RETRY)
        elg__loop_arm(hr);
    else
        elg__loop_ready(hr);
}

/* 0: it was not executed here. */
static int64_t attempt_us(const struct elg_host_run *hr)
{
    if (hr->attempt_began_us == 0)
        return 0;
    return elg_base_monotonic_us(hr->host->clock) - hr->attempt_began_us;
}

static void fail(struct elg_host_run *hr, struct elg_attempt_failure *failure)
{
    struct elg_error error;
    failure->fuel = hr->fuel;
    failure->fingerprint = elg_sandbox_fingerprint();
    failure->wall_ms = elg_base_wall_ms(hr->host->clock);
    failure->duration_us = attempt_us(hr);
    elg__call_drop(hr);
    enum elg_status status =
        hr->run->phase == ELG_PHASE_INITIAL
            ? elg_executor_stop(hr->run, ELG_RUN_FAILED, failure, &error)
            : elg_executor_failed(hr->run, failure, &error);
    if (status != ELG_OK)
        elg__turn_lose(hr, &error);
    else
        attempt_over(hr);
}

static void fail_with_outcome(struct elg_host_run *hr, const struct elg_outcome *outcome)
{
    struct elg_attempt_failure failure = {.status = ELG_ATTEMPT_ERROR, .where = ""};
    if (outcome->kind == ELG_OUTCOME_ERROR) {
        failure.code = outcome->code;
        failure.message = outcome->message;
        failure.where = outcome->where;
        failure.traceback = outcome->traceback;
        failure.retry = outcome->retry && strcmp(outcome->code, "NET_DENIED") != 0;
    } else if (outcome->kind == ELG_OUTCOME_FUEL) {
        failure.where = elg_sandbox_where(hr->graph->boxes->box);
        failure.code = "FUEL";
        failure.message =
            "the attempt spent all its fuel (VM instructions); a loop without "
            "end? --fuel raises the limit of new runs";
    } else {
        failure.where = elg_sandbox_where(hr->graph->boxes->box);
        failure.status = ELG_ATTEMPT_MEMORY;
        failure.code = "MEMORY";
        failure.message =
            "the attempt reached its memory limit; --memory raises it for new "
            "runs";
        failure.retry = true;
    }
    fail(hr, &failure);
}

static enum elg_status finish_node(struct elg_host_run *hr,
                                   const struct elg_outcome *outcome,
                                   struct elg_error *error)
{
    struct elg_attempt_result result = {
        .state = outcome->state,
        .output = outcome->output,
        .metadata = outcome->metadata,
        .key = outcome->key,
        .edge = outcome->edge,
        .where = outcome->where,
        .fuel = outcome->fuel,
        .fingerprint = elg_sandbox_fingerprint(),
        .wall_ms = elg_base_wall_ms(hr->host->clock),
        .duration_us = attempt_us(hr),
    };
    int64_t step = (int64_t)hr->run->row.step_count;
    enum elg_status status = elg__call_logs_end(hr);
    if (status == ELG_OK)
        status = elg__release_add(hr, &hr->logs, ELG_EVENT_STEP, step, hr->run->node_id,
                                  "", elg_base_bytes(outcome->key ? outcome->key : ""),
                                  elg_base_bytes(""));
    if (status != ELG_OK)
        return elg_base_no_memory(error);
    return elg_executor_done(hr->run, &result, error);
}

static void finish(struct elg_host_run *hr, const struct elg_outcome *outcome)
{
    struct elg_error error;
    enum elg_status status;
    bool begins = hr->run->phase == ELG_PHASE_INITIAL;
    if (begins)
        status = elg_executor_initial(hr->run, outcome->state,
                                      elg_base_wall_ms(hr->host->clock), &error);
    else
        status = finish_node(hr, outcome, &error);
    if (status == ELG_DIVERGED) {
        elg__call_logs_clear(hr);
        elg__turn_stop(hr, ELG_RUN_DIVERGED, "DIVERGED", error.text, error.where);
    } else if (status != ELG_OK) {
        elg__turn_lose(hr, &error);
    } else {
        attempt_over(hr);
        if (begins && hr->gated) { /* the beginning goes with the first step */
            hr->gated = false;
            elg__loop_ready(hr);
        }
    }
}

static void fail_timeout(struct elg_host_run *hr, const char *stop_kind,
                         const char *where)
{
    char text[96];
    snprintf(text, sizeof text, "the node's time of %u ms was over", hr->timeout_ms);
    struct elg_attempt_failure failure = {.status = ELG_ATTEMPT_TIMEOUT,
                                          .code = "TIMEOUT",
                                          .message = text,
                                          .where = where[0] ? where : hr->run->node_id,
                                          .retry = true,
                                          .stop_kind = stop_kind};
    fail(hr, &failure);
}

void elg__turn_call_timeout(struct elg_host_run *hr)
{
    const struct elg_run *run = hr->run;
    uint32_t seq = 0;
    while (seq + 1 < run->asked_count &&
           run->calls[seq].row.status != ELG_ACTIVITY_INTENT)
        seq++;
    fail_timeout(hr, "call", seq < run->call_count ? run->calls[seq].row.where : "");
}

/* ---- a jailed process that is no more
 * ---------------------------------------------------------- */

static void crashed(struct elg_host_run *hr, const struct elg_outcome *outcome)
{
    struct elg_attempt_failure failure = {.status = ELG_ATTEMPT_ERROR,
                                          .code = "CRASHED",
                                          .message = outcome->message,
                                          .where = hr->run->node_id,
                                          .retry = true,
                                          .stop_kind = "crash"};
    fail(hr, &failure);
}

/* Killed from outside: executed again from its records, as after a crash of this process,
 * which is no attempt; but not for ever (I11). */
static void lost_process(struct elg_host_run *hr, const struct elg_outcome *outcome)
{
    hr->lost_count += outcome->executing ? 1 : 0;
    if (hr->lost_count > ELG_JAIL_LOST_MAX) {
        crashed(hr, outcome);
        return;
    }
    elg__place_forget(hr, ELG_LUA_DROPPED);
    elg__loop_ready(hr);
}

/* ---- between slices
 * ------------------------------------------------------------------------ */

static bool run_time_over(const struct elg_host_run *hr)
{
    int64_t started_ms = hr->run->row.started_at_ms;
    return hr->limits.run_timeout_ms > 0 && started_ms > 0 &&
           elg_base_wall_ms(hr->host->clock) >= started_ms + hr->limits.run_timeout_ms;
}

/* A slice is over: true if the run goes on right here. */
static bool slice_over(struct elg_host_run *hr)
{
    if (hr->used_us > (int64_t)hr->timeout_ms * 1000) {
        fail_timeout(hr, "fuel", elg_sandbox_where(hr->graph->boxes->box));
        return false;
    }
    if (run_time_over(hr)) {
        elg__turn_stop(hr, ELG_RUN_TIMEOUT, "RUN_TIMEOUT", "the run's time was over",
                       NULL);
        return false;
    }
    if (elg__place_keeps(hr)) /* the world and the caller's budget come first, */
        elg__loop_ready_first(hr);
    else /* and others */
        elg__loop_ready(hr);
    return false;
}

/* ---- ends from outside
 * --------------------------------------------------------------------- */

/* Where node code stood: in a call, in one whose answer it did not get, or in itself. */
static const char *stop_kind(const struct elg_host_run *hr)
{
    return hr->blocked ? "call" : hr->answer_due ? "answer" : "fuel";
}

void elg__turn_stop(struct elg_host_run *hr, enum elg_run_status status, const char *code,
                    const char *message, const char *where)
{
    struct elg_error error;
    struct elg_attempt_failure failure = {
        .status = status == ELG_RUN_ABORTED    ? ELG_ATTEMPT_ABORTED
                  : status == ELG_RUN_DIVERGED ? ELG_ATTEMPT_DIVERGED
                  : status == ELG_RUN_TIMEOUT  ? ELG_ATTEMPT_TIMEOUT
                                               : ELG_ATTEMPT_ERROR,
        .code = code,
        .message = message,
        .where = where ? where : hr->run->node_id,
        .stop_kind = stop_kind(hr),
        .fuel = hr->fuel,
        .fingerprint = elg_sandbox_fingerprint(),
        .wall_ms = elg_base_wall_ms(hr->host->clock),
        .duration_us = attempt_us(hr),
    };
    if (hr->run->phase == ELG_PHASE_ENDED)
        return;
    elg__call_drop(hr);
    elg__loop_forget(hr);
    hr->gated = false;
    if (elg_executor_stop(hr->run, status, &failure, &error) != ELG_OK)
        elg__turn_lose(hr, &error);
    else
        attempt_over(hr);
}

void elg__turn_lose(struct elg_host_run *hr, const struct elg_error *error)
{
    if (hr->lost)
        return;
    hr->lost = true;
    elg__warn(hr->host, hr->run->row.trace_id, error->where, error->text);
    if (error->status == ELG_IO || error->status == ELG_FULL ||
        error->status == ELG_NO_MEMORY)
        hr->host->commit_error = *error;
    elg__call_drop(hr);
    elg__loop_forget(hr);
    elg__place_forget(hr, ELG_LUA_NONE);
    elg__commit_unwant(hr);
    if (hr->in_flight)
        return; /* the committer has its turn: forgotten when it comes back */
    hr->dead_next = hr->host->dead;
    hr->host->dead = hr;
}

/* ---- the turn
 * ------------------------------------------------------------------------------ */

/* Waiting without the arena: long waits cost no Lua state (DESIGN: parking). */
static void wait_aside(struct elg_host_run *hr)
{
    if (elg__wait_is_long(hr))
        elg__place_forget(hr, ELG_LUA_DROPPED);
}

void elg__turn(struct elg_host_run *hr)
{
    struct elg_error error;
    struct elg_outcome outcome;
    if (hr->run->phase == ELG_PHASE_ENDED)
        return;
    if (hr->abort_requested) {
        elg__turn_stop(hr, ELG_RUN_ABORTED, "ABORTED", "the run was aborted", NULL);
        return;
    }
    if (hr->run->phase == ELG_PHASE_READY && run_time_over(hr)) {
        elg__turn_stop(hr, ELG_RUN_TIMEOUT, "RUN_TIMEOUT", "the run's time was over",
                       NULL);
        return;
    }
    enum elg_status status = load(hr, &error);
    while (status == ELG_OK) {
        status = execute(hr, &outcome, &error);
        if (status != ELG_OK)
            break;
        switch (outcome.kind) {
        case ELG_OUTCOME_CALL:
            switch (elg__call_asked(hr, &outcome)) {
            case ELG_STEP_ANSWER:
                continue;
            case ELG_STEP_BLOCK:
                wait_aside(hr);
                return;
            case ELG_STEP_OVER:
                return;
            }
            return;
        case ELG_OUTCOME_SLICE:
            if (!slice_over(hr))
                return;
            continue;
        case ELG_OUTCOME_DONE:
            if (elg__audit(hr, &outcome))
                finish(hr, &outcome);
            return;
        case ELG_OUTCOME_ERROR:
        case ELG_OUTCOME_FUEL:
        case ELG_OUTCOME_MEMORY:
            if (elg__audit(hr, &outcome))
                fail_with_outcome(hr, &outcome);
            return;
        case ELG_OUTCOME_LOST:
            lost_process(hr, &outcome);
            return;
        case ELG_OUTCOME_CRASHED:
            crashed(hr, &outcome);
            return;
        }
    }
    elg__turn_lose(hr, &error);
}
