/* calls: what node code asks for, against the journal and the world (I5, I6, I7, I10).
 *
 * A call is answered from the journal, computed at once (now, log, settle), or waited
 * for: its attempt's row (and its intent) are committed first, then the effect starts,
 * then its result is recorded, then node code goes on.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "host/internal.h"
#include "json/json.h"

/* ---- answers
 * ----------------------------------------------------------------------------- */

static enum elg_status answer_add(struct elg_host_run *hr, bool is_seq, uint32_t seq,
                                  struct elg_blob *response)
{
    if (hr->answer_count == hr->answer_capacity) {
        uint32_t grown = hr->answer_capacity ? hr->answer_capacity * 2 : 4;
        void *answers = elg_base_realloc(hr->host->alloc, hr->answers,
                                         hr->answer_capacity * sizeof *hr->answers,
                                         grown * sizeof *hr->answers);
        if (answers == NULL) {
            elg_base_blob_unref(response);
            return ELG_NO_MEMORY;
        }
        hr->answers = answers;
        hr->answer_capacity = grown;
    }
    hr->answers[hr->answer_count].is_seq = is_seq;
    hr->answers[hr->answer_count].seq = seq;
    hr->answers[hr->answer_count++].response = response;
    return ELG_OK;
}

/* An answer that is not recorded, since it follows from the request alone. */
static enum elg_status answer_text(struct elg_host_run *hr, struct elg_bytes response)
{
    struct elg_blob *blob = elg_base_blob_create(hr->host->alloc, response);
    if (blob == NULL)
        return ELG_NO_MEMORY;
    return answer_add(hr, false, 0, blob);
}

static void answers_clear(struct elg_host_run *hr)
{
    for (uint32_t i = 0; i < hr->answer_count; i++)
        elg_base_blob_unref(hr->answers[i].response);
    hr->answer_count = 0;
}

static struct elg_bytes answer_bytes(const struct elg_host_run *hr, uint32_t i)
{
    if (!hr->answers[i].is_seq)
        return elg_base_blob_bytes(hr->answers[i].response);
    return elg_base_blob_bytes(hr->run->calls[hr->answers[i].seq].row.response);
}

enum elg_status elg__call_hydrate(struct elg_host *host, struct elg_activity_row *row,
                                  struct elg_error *error)
{
    struct elg_hash hash;
    if (row->response_blob_ref[0] == '\0' || row->response != NULL)
        return ELG_OK;
    if (!elg_base_hash_parse(elg_base_bytes(row->response_blob_ref), &hash))
        return elg_base_fail(error, ELG_CORRUPT, "cmo_activities.response_blob_ref",
                             "not a hash");
    struct elg_buf content;
    elg_base_buf_init(&content, host->alloc);
    enum elg_status status =
        elg_activity_artifact_get(host->performer, &hash, &content, error);
    if (status == ELG_OK) {
        row->response = elg_base_blob_create(host->alloc, elg_base_buf_bytes(&content));
        if (row->response == NULL)
            status = elg_base_no_memory(error);
    }
    elg_base_buf_fini(&content);
    return status;
}

enum elg_status elg__call_answer(struct elg_host_run *hr, struct elg_buf *out, bool *ok,
                                 struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    elg_base_buf_reset(out);
    *ok = true;
    if (hr->answer_is_array) {
        elg_base_buf_append_byte(out, '[');
        for (uint32_t i = 0; i < hr->answer_count && status == ELG_OK; i++)
            status = elg__plan_answer_item(out, i == 0, answer_bytes(hr, i), error);
        elg_base_buf_append_byte(out, ']');
    } else {
        struct elg_bytes value;
        status = elg_activity_read_response(answer_bytes(hr, 0), ok, &value, error);
        if (status == ELG_OK)
            elg_base_buf_append(out, value.data, value.size);
    }
    answers_clear(hr);
    if (status == ELG_OK && out->failed)
        status = elg_base_no_memory(error);
    return status;
}

/* ---- waits
 * ------------------------------------------------------------------------------- */

static enum elg_status wait_add(struct elg_host_run *hr, struct elg_prepared *prepared,
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
    answers_clear(hr);
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
    if (--hr->waits_open > 0)
        return;
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

static const char UNKNOWN_OUTCOME[] = "{\"error\":{\"code\":\"UNKNOWN\",\"message\":"
                                      "\"the call may or may not have happened; "
                                      "at_most_once forbids to repeat it\"}}";

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
                         unknown ? elg_base_bytes(UNKNOWN_OUTCOME) : response))
        elg__call_over(wait);
}

static bool record_now(struct elg_host_run *hr, uint32_t seq)
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
    if (wait->prepared.kind == ELG_ACTIVITY_NOW && record_now(wait->owner, wait->seq))
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
    call_begins(hr);
    struct elg_operation *operation = NULL;
    enum elg_status status =
        elg_activity_offer(hr->host->performer, &wait->prepared, operation_done, wait,
                           &taken, &operation, &error);
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
                           !elg_executor_dirty(hr->run));
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

/* ---- asking
 * ------------------------------------------------------------------------------ */

/* What needs no world: now, and a settle, whose result is what it settled the call to. */
static bool compute(struct elg_host_run *hr, const struct elg_call_plan *plan,
                    uint32_t seq)
{
    if (plan->prepared.kind == ELG_ACTIVITY_SETTLE)
        return elg__call_record(hr, seq, ELG_ACTIVITY_DONE,
                                elg_base_buf_bytes(&plan->answer));
    return record_now(hr, seq);
}

static int64_t due_of(struct elg_host_run *hr, const struct elg_prepared *prepared,
                      const struct elg_activity_row *row)
{
    if (row->due_ms != 0)
        return row->due_ms;
    if (!elg__wait_is_parked_kind(prepared->kind) || prepared->sleep_ms < 0)
        return INT64_MAX;
    return elg_base_wall_ms(hr->host->clock) + prepared->sleep_ms;
}

static enum elg_status wait_for(struct elg_host_run *hr, struct elg_prepared *prepared,
                                uint32_t seq, struct elg_error *error)
{
    bool parked = elg__wait_is_parked_kind(prepared->kind), taken = false;
    int64_t due_ms = due_of(hr, prepared, &hr->run->calls[seq].row);
    enum elg_status status = elg__wait_take_early(hr, prepared, seq, &taken, error);
    if (status != ELG_OK || taken)
        return status;
    if (prepared->kind != ELG_ACTIVITY_ARTIFACT_READ)
        status = elg_executor_open(hr->run, error);
    if (status == ELG_OK && (parked || prepared->at_most_once))
        status =
            elg_executor_intent(hr->run, seq, due_ms == INT64_MAX ? 0 : due_ms, error);
    if (status == ELG_OK)
        status = wait_add(hr, prepared, seq, due_ms);
    return status;
}

static enum elg_status follow_verdict(struct elg_host_run *hr, struct elg_call_plan *plan,
                                      uint32_t seq, enum elg_call_verdict verdict,
                                      struct elg_error *error)
{
    struct elg_prepared *prepared = &plan->prepared;
    enum elg_status status = answer_add(hr, true, seq, NULL);
    if (status != ELG_OK || verdict == ELG_CALL_REPLAY)
        return status;
    if (verdict == ELG_CALL_UNKNOWN)
        return elg__call_record(hr, seq, ELG_ACTIVITY_UNKNOWN,
                                elg_base_bytes(UNKNOWN_OUTCOME))
                   ? ELG_OK
                   : ELG_FENCED;
    bool computed = prepared->kind == ELG_ACTIVITY_SETTLE ||
                    (prepared->kind == ELG_ACTIVITY_NOW &&
                     !elg_activity_is_intercepted(hr->host->performer));
    if (computed)
        return compute(hr, plan, seq) ? ELG_OK : ELG_FENCED;
    return wait_for(hr, prepared, seq, error);
}

/* A settle call names the request it settles; recorded is that request's hash. */
static enum elg_status ask_call(struct elg_host_run *hr, struct elg_call_plan *plan,
                                const char *where, struct elg_error *error)
{
    struct elg_prepared *prepared = &plan->prepared;
    if (prepared->timeout_ms == 0)
        prepared->timeout_ms = hr->limits.activity_timeout_ms;
    uint32_t seq;
    enum elg_call_verdict verdict;
    enum elg_status status =
        elg_executor_call(hr->run, prepared, where, elg_base_wall_ms(hr->host->clock),
                          &seq, &verdict, error);
    if (status == ELG_OK)
        status = follow_verdict(hr, plan, seq, verdict, error);
    if (status == ELG_OK && plan->settles)
        status = elg_executor_settle(hr->run, &plan->settled,
                                     elg_base_buf_bytes(&plan->answer), error);
    return status;
}

static enum elg_status keep_log(struct elg_host_run *hr, struct elg_bytes request,
                                struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(hr->host->alloc, request, &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_bytes level = elg_json_string(elg_json_get(root, "level"));
    struct elg_bytes text = elg_json_string(elg_json_get(root, "text"));
    struct elg_buf data;
    elg_base_buf_init(&data, hr->host->alloc);
    if (elg_json_type(elg_json_get(root, "fields")) != ELG_JSON_TYPE_NULL)
        elg_json_write_value(&data, elg_json_get(root, "fields"));
    if (hr->logs.count < ELG_LOG_PER_STEP_MAX)
        status = elg__release_add(hr, &hr->logs, ELG_EVENT_LOG,
                                  (int64_t)hr->run->row.step_count, hr->run->node_id,
                                  level.data ? (const char *)level.data : "info", text,
                                  elg_base_buf_bytes(&data));
    elg_base_buf_fini(&data);
    elg_json_doc_destroy(doc);
    return status == ELG_OK ? ELG_OK : elg_base_no_memory(error);
}

struct asker {
    struct elg_host_run *hr;
    const char *where;
};

static enum elg_status ask(void *self, const char *name, struct elg_bytes request,
                           struct elg_error *error)
{
    const struct asker *asker = self;
    struct elg_host_run *hr = asker->hr;
    struct elg_activity_place place = {
        hr->run->row.trace_id, (int64_t)hr->run->row.step_count, hr->run->asked_count};
    struct elg_call_plan plan;
    enum elg_status status = elg__plan(hr->host, &place, name, request, &plan, error);
    if (status == ELG_OK && plan.kind == ELG_PLAN_CALL)
        status = ask_call(hr, &plan, asker->where, error);
    else if (status == ELG_OK && plan.kind == ELG_PLAN_LOG)
        status = keep_log(hr, request, error);
    if (status == ELG_OK && plan.kind != ELG_PLAN_CALL)
        status = answer_text(hr, elg_base_buf_bytes(&plan.answer));
    elg__plan_fini(&plan);
    return status;
}

/* Diverged and over-the-limit end the run; anything else is not the run's own fault. */
static enum elg__call_step refuse(struct elg_host_run *hr, enum elg_status status,
                                  const char *where, struct elg_error *error)
{
    if (hr->lost)
        return ELG_STEP_OVER;
    if (status == ELG_DIVERGED)
        elg__turn_stop(hr, ELG_RUN_DIVERGED, "DIVERGED", error->text, error->where);
    else if (status == ELG_LIMIT)
        elg__turn_stop(hr, ELG_RUN_FAILED, "LIMIT", error->text, where);
    else
        elg__turn_lose(hr, error);
    return ELG_STEP_OVER;
}

enum elg__call_step elg__call_asked(struct elg_host_run *hr,
                                    const struct elg_outcome *outcome)
{
    struct elg_error error;
    elg_base_no_memory(&error);
    hr->answer_is_array = strcmp(outcome->type, "all") == 0;
    hr->signals_seen = INT64_MAX;
    struct asker asker = {hr, outcome->where};
    enum elg_status status =
        hr->answer_is_array
            ? elg__plan_each(hr->host, outcome->request, ask, &asker, &error)
            : ask(&asker, outcome->type, outcome->request, &error);
    if (status != ELG_OK)
        return refuse(hr, status, outcome->where, &error);
    if (hr->waits_open == 0) {
        hr->answer_due = true;
        return ELG_STEP_ANSWER;
    }
    hr->blocked = true;
    elg__wait_tell(hr);
    if (elg_executor_dirty(hr->run))
        elg__commit_want(hr);
    else if (!hr->in_flight)
        elg__call_release(hr);
    return hr->lost ? ELG_STEP_OVER : ELG_STEP_BLOCK;
}
