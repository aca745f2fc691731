/* waits: the calls of a run that are waited for, from the commit of what they depend on
 * to their recorded results (I5, I6, I7): effects under way, the clock's sleeps, signals,
 * children. Uses signals, children.
 */
#include <assert.h>
#include <string.h>

#include "host/internal.h"

bool elg__wait_is_parked_kind(enum elg_activity_kind kind)
{
    return kind == ELG_ACTIVITY_SLEEP || kind == ELG_ACTIVITY_WAIT ||
           kind == ELG_ACTIVITY_RUN;
}

/* True if all open waits are parked kinds; *due_ms is the earliest of their times. */
static bool parked_due(const struct elg_host_run *hr, int64_t *due_ms)
{
    *due_ms = INT64_MAX;
    for (uint32_t i = 0; i < hr->wait_count; i++) {
        const struct elg_wait *wait = &hr->waits[i];
        if (wait->state == ELG_WAIT_DONE)
            continue;
        if (!elg__wait_is_parked_kind(wait->prepared.kind) || wait->offered)
            return false;
        if (wait->due_ms < *due_ms)
            *due_ms = wait->due_ms;
    }
    return true;
}

bool elg__wait_is_long(const struct elg_host_run *hr)
{
    int64_t due_ms;
    return hr->waits_open > 0 && hr->calls_in_flight == 0 && parked_due(hr, &due_ms) &&
           due_ms - elg_base_wall_ms(hr->host->clock) > ELG_SHORT_SLEEP_MS;
}

void elg__wait_tell(struct elg_host_run *hr)
{
    const struct elg_run_row *row = &hr->run->row;
    int64_t due_ms;
    if (!parked_due(hr, &due_ms) || due_ms <= elg_base_wall_ms(hr->host->clock))
        return; /* what is over is recorded at once, with no commit in between */
    if (hr->limits.run_timeout_ms > 0 && row->started_at_ms > 0 &&
        row->started_at_ms + hr->limits.run_timeout_ms < due_ms)
        due_ms = row->started_at_ms + hr->limits.run_timeout_ms;
    elg_executor_waiting(hr->run, true, due_ms == INT64_MAX ? 0 : due_ms,
                         hr->signals_seen);
}

void elg__wait_idle(struct elg_host_run *hr, bool idle)
{
    if (hr->idle == idle)
        return;
    hr->idle = idle;
    if (idle)
        hr->host->idle_count++;
    else
        hr->host->idle_count--;
}

/* ---- waits
 * ------------------------------------------------------------------------------- */

enum elg_status elg__wait_add(struct elg_host_run *hr, struct elg_prepared *prepared,
                              uint32_t seq, int64_t due_ms)
{
    if (hr->wait_count == hr->wait_capacity) {
        uint32_t grown = hr->wait_capacity ? hr->wait_capacity * 2 : 2;
        void *waits = elg_base_realloc(hr->host->alloc, hr->waits,
                                       hr->wait_capacity * sizeof *hr->waits,
                                       grown * sizeof *hr->waits);
        if (waits == NULL)
            return ELG_NO_MEMORY;
        hr->waits = waits;
        hr->wait_capacity = grown;
    }
    struct elg_wait *wait = &hr->waits[hr->wait_count++];
    memset(wait, 0, sizeof *wait);
    wait->owner = hr;
    wait->prepared = *prepared;
    wait->seq = seq;
    wait->due_ms = due_ms;
    if (wait->prepared.kind == ELG_ACTIVITY_RUN && !hr->run->calls[seq].journaled)
        wait->state = ELG_WAIT_QUEUED;
    memset(prepared, 0, sizeof *prepared);
    hr->waits_open++;
    return ELG_OK;
}

static void waits_clear(struct elg_host_run *hr)
{
    for (uint32_t i = 0; i < hr->wait_count; i++)
        elg_activity_prepared_fini(&hr->waits[i].prepared);
    hr->wait_count = hr->waits_open = 0;
}

void elg__call_drop(struct elg_host_run *hr)
{
    for (uint32_t i = 0; i < hr->wait_count; i++)
        if (hr->waits[i].operation != NULL)
            elg_activity_cancel(hr->host->performer, hr->waits[i].operation);
    waits_clear(hr);
    elg__call_answers_clear(hr);
    hr->calls_in_flight = 0;
    hr->blocked = hr->answer_due = false;
    elg__wait_idle(hr, false);
}

int64_t elg__call_next_due_ms(const struct elg_host_run *hr)
{
    int64_t due_ms = INT64_MAX;
    for (uint32_t i = 0; i < hr->wait_count; i++) {
        const struct elg_wait *wait = &hr->waits[i];
        if (wait->state == ELG_WAIT_STARTED &&
            elg__wait_is_parked_kind(wait->prepared.kind) && wait->due_ms < due_ms)
            due_ms = wait->due_ms;
    }
    return due_ms;
}

/* With the last one node code goes on. */
void elg__call_over(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    wait->state = ELG_WAIT_DONE;
    wait->operation = NULL;
    assert(hr->waits_open > 0);
    if (--hr->waits_open > 0) {
        if (wait->prepared.kind == ELG_ACTIVITY_RUN)
            elg__child_next(hr);
        if (hr->blocked && !hr->lost)
            elg__wait_tell(hr); /* what is left may be parked, or be due later */
        return;
    }
    waits_clear(hr);
    elg__loop_disarm(hr);
    hr->blocked = false;
    hr->answer_due = true;
    elg__loop_ready(hr);
}

bool elg__call_record(struct elg_host_run *hr, uint32_t seq,
                      enum elg_activity_status status, struct elg_bytes response)
{
    struct elg_error error;
    struct elg_hash artifact;
    int64_t wall_ms = elg_base_wall_ms(hr->host->clock);
    bool large = response.size > ELG_PAYLOAD_INLINE_BYTES_MAX;
    enum elg_status result = ELG_OK;
    if (large) /* durable before the record that names it */
        result =
            elg_activity_artifact_put(hr->host->performer, response, &artifact, &error);
    if (result == ELG_OK)
        result = elg_executor_result(hr->run, seq, status, response,
                                     large ? &artifact : NULL, wall_ms, &error);
    if (result == ELG_OK) {
        elg__commit_want(hr);
        return true;
    }
    elg__turn_lose(hr, &error);
    return false;
}

static void call_begins(struct elg_host_run *hr)
{
    if (hr->calls_in_flight++ == 0)
        hr->calls_since_us = elg_base_monotonic_us(hr->host->clock);
}

static void call_ends(struct elg_host_run *hr)
{
    if (--hr->calls_in_flight == 0)
        hr->used_us += elg_base_monotonic_us(hr->host->clock) - hr->calls_since_us;
}

static void operation_done(void *self, struct elg_bytes response, bool maybe_happened)
{
    struct elg_wait *wait = self;
    struct elg_host_run *hr = wait->owner;
    call_ends(hr);
    bool unknown = wait->prepared.at_most_once && maybe_happened;
    if (elg__call_record(hr, wait->seq,
                         unknown ? ELG_ACTIVITY_UNKNOWN : ELG_ACTIVITY_DONE,
                         unknown ? elg_base_bytes(ELG_UNKNOWN_OUTCOME) : response))
        elg__call_over(wait);
}

bool elg__wait_record_now(struct elg_host_run *hr, uint32_t seq)
{
    struct elg_buf *buf = &hr->host->scratch;
    int64_t now_ms = elg_base_wall_ms(hr->host->clock);
    if (now_ms < hr->run->now_last_ms)
        now_ms = hr->run->now_last_ms;
    elg_base_buf_reset(buf);
    elg_base_buf_printf(buf, "{\"value\":%lld}", (long long)now_ms);
    return !buf->failed &&
           elg__call_record(hr, seq, ELG_ACTIVITY_DONE, elg_base_buf_bytes(buf));
}

/* These are performed here: a sleep by its due time, a wait by what comes. */
static void start_here(struct elg_wait *wait, bool taken)
{
    wait->offered = taken;
    if (taken) {
        wait->due_ms = INT64_MAX; /* it ends when the interceptor says so */
        return;
    }
    call_ends(wait->owner);
    if (wait->prepared.kind == ELG_ACTIVITY_RUN)
        elg__child_started(wait);
    if (wait->prepared.kind == ELG_ACTIVITY_NOW &&
        elg__wait_record_now(wait->owner, wait->seq))
        elg__call_over(wait);
}

/* False: the run was lost, because it may be another's by now (I8). */
static bool lease_holds(struct elg_host_run *hr)
{
    struct elg_error error;
    struct elg_host *host = hr->host;
    int64_t until_us = elg_checkpoint_lease_until_us(host->store);
    if (until_us - elg_base_monotonic_us(host->clock) >= ELG_LEASE_MARGIN_US &&
        elg_checkpoint_lease_lapses(host->store) == hr->lapses)
        return true;
    elg_base_fail(&error, ELG_FENCED, hr->run->row.trace_id,
                  "the lease ran out before the call could start");
    elg__turn_lose(hr, &error);
    return false;
}

static void start(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    struct elg_error error;
    if (!lease_holds(hr))
        return;
    bool here = wait->prepared.kind == ELG_ACTIVITY_NOW ||
                elg__wait_is_parked_kind(wait->prepared.kind);
    bool taken;
    wait->state = ELG_WAIT_STARTED;
    wait->prepared.closed = hr->limits.jail;
    call_begins(hr);
    struct elg_operation *operation = NULL;
    enum elg_status status = ELG_OK;
    taken = false;
    if (!wait->declined)
        status = elg_activity_offer(hr->host->performer, &wait->prepared, operation_done,
                                    wait, &taken, &operation, &error);
    if (status == ELG_OK && !taken && !here)
        status = elg_activity_start(hr->host->performer, &wait->prepared,
                                    hr->run->row.trace_id, operation_done, wait,
                                    &operation, &error);
    if (status != ELG_OK) {
        elg__turn_lose(hr, &error);
        return;
    }
    if (operation != NULL)
        wait->operation = operation;
    if (here && wait->state == ELG_WAIT_STARTED)
        start_here(wait, taken);
}

void elg__call_release(struct elg_host_run *hr)
{
    for (uint32_t i = 0; i < hr->wait_count && !hr->lost; i++)
        if (hr->waits[i].state == ELG_WAIT_GATED)
            start(&hr->waits[i]);
    if (hr->lost || hr->wait_count == 0)
        return;
    elg__wait_look(hr);
    elg__call_due(hr, elg_base_wall_ms(hr->host->clock));
    if (!hr->blocked || hr->lost)
        return;
    elg__loop_arm(hr);
    elg__wait_idle(hr, hr->heap_index == SIZE_MAX && hr->calls_in_flight == 0 &&
                           !hr->ready && !elg_executor_dirty(hr->run));
}

void elg__call_due(struct elg_host_run *hr, int64_t wall_ms)
{
    for (uint32_t i = 0; i < hr->wait_count && !hr->lost; i++) {
        struct elg_wait *wait = &hr->waits[i];
        if (wait->state == ELG_WAIT_STARTED &&
            elg__wait_is_parked_kind(wait->prepared.kind) && wait->due_ms <= wall_ms)
            elg__wait_expire(wait);
    }
}
