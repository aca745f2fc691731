/* calls: what node code asks for, against the journal (I6, I10); waits.c goes on with
 * what has to be waited for.
 *
 * A call is answered from the journal, computed at once (now, log, settle), or waited
 * for: its attempt's row (and its intent) are committed first, then the effect starts,
 * then its result is recorded, then node code goes on.
 */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"
#include "host/plan.h"
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

void elg__call_answers_clear(struct elg_host_run *hr)
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

/* What this process cannot reach may be there for another. */
static enum elg_status artifact_missing(const char *trace_id,
                                        const struct elg_activity_row *row,
                                        struct elg_error *error)
{
    static const char COLUMN[] = "cmo_activities.response_blob_ref";
    char name[ELG_ROW_NAME_SIZE];
    elg_checkpoint_row_name(name, trace_id, row->step_index, row->attempt, row->seq);
    return elg_base_fail(error, ELG_CORRUPT, COLUMN,
                         "%s, row %s: its artifact %s is missing", COLUMN, name,
                         row->response_blob_ref);
}

enum elg_status elg__call_hydrate(struct elg_host *host, const char *trace_id,
                                  struct elg_activity_row *row, struct elg_error *error)
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
    if (status == ELG_NOT_FOUND)
        status = artifact_missing(trace_id, row, error);
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
    elg__call_answers_clear(hr);
    if (status == ELG_OK && out->failed)
        status = elg_base_no_memory(error);
    return status;
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
    return elg__wait_record_now(hr, seq);
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
    if (status == ELG_OK && (parked || prepared->at_most_once) &&
        prepared->kind != ELG_ACTIVITY_RUN) /* a child's goes with its beginning */
        status =
            elg_executor_intent(hr->run, seq, due_ms == INT64_MAX ? 0 : due_ms, error);
    if (status == ELG_OK)
        status = elg__wait_add(hr, prepared, seq, due_ms);
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
                                elg_base_bytes(ELG_UNKNOWN_OUTCOME))
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
    prepared->body_bytes_max = hr->limits.body_bytes;
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

static enum elg_status add_log(struct elg_host_run *hr, const char *level,
                               struct elg_bytes text, struct elg_bytes fields)
{
    return elg__release_add(hr, &hr->logs, ELG_EVENT_LOG,
                            (int64_t)hr->run->row.step_count, hr->run->node_id, level,
                            text, fields);
}

/* A line past the limits of its attempt is counted and read no further. */
static enum elg_status keep_log(struct elg_host_run *hr, struct elg_bytes request,
                                struct elg_error *error)
{
    struct elg_json_doc *doc;
    if (hr->logs.count >= ELG_LOG_PER_STEP_MAX ||
        request.size > ELG_LOG_BYTES_PER_STEP_MAX - hr->log_bytes) {
        hr->logs_left_out++;
        return ELG_OK;
    }
    enum elg_status status = elg_json_parse(hr->host->alloc, request, &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_bytes level = elg_json_string(elg_json_get(root, "level"));
    struct elg_bytes text = elg_json_string(elg_json_get(root, "text"));
    struct elg_buf fields;
    elg_base_buf_init(&fields, hr->host->alloc);
    if (elg_json_type(elg_json_get(root, "fields")) != ELG_JSON_TYPE_NULL)
        elg_json_write_value(&fields, elg_json_get(root, "fields"));
    hr->log_bytes += request.size;
    status = add_log(hr, level.data ? (const char *)level.data : "info", text,
                     elg_base_buf_bytes(&fields));
    elg_base_buf_fini(&fields);
    elg_json_doc_destroy(doc);
    return status == ELG_OK ? ELG_OK : elg_base_no_memory(error);
}

enum elg_status elg__call_logs_end(struct elg_host_run *hr)
{
    char text[128];
    uint64_t count = hr->logs_left_out;
    if (count == 0)
        return ELG_OK;
    hr->logs_left_out = 0;
    snprintf(text, sizeof text,
             "%llu log line%s left out: an attempt has %d at most, and %u KiB of them",
             (unsigned long long)count, count == 1 ? "" : "s", ELG_LOG_PER_STEP_MAX,
             ELG_LOG_BYTES_PER_STEP_MAX >> 10);
    return add_log(hr, "warn", elg_base_bytes(text), elg_base_bytes(""));
}

void elg__call_logs_clear(struct elg_host_run *hr)
{
    elg__release_clear(&hr->logs);
    hr->log_bytes = 0;
    hr->logs_left_out = 0;
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
    hr->children_max = ELG_CHILDREN_IN_FLIGHT_MAX;
    hr->child_seen = 0;
    struct asker asker = {hr, outcome->where};
    enum elg_status status = hr->answer_is_array
                                 ? elg__plan_each(hr->host, outcome->request, ask, &asker,
                                                  &hr->children_max, &error)
                                 : ask(&asker, outcome->type, outcome->request, &error);
    if (status != ELG_OK)
        return refuse(hr, status, outcome->where, &error);
    if (hr->waits_open == 0) {
        hr->answer_due = true;
        return ELG_STEP_ANSWER;
    }
    hr->blocked = true;
    elg__child_begin(hr);
    if (!hr->blocked || hr->lost)
        return hr->lost ? ELG_STEP_OVER : ELG_STEP_BLOCK;
    elg__wait_tell(hr);
    if (elg_executor_dirty(hr->run))
        elg__commit_want(hr);
    else if (!hr->in_flight)
        elg__call_release(hr);
    return hr->lost ? ELG_STEP_OVER : ELG_STEP_BLOCK;
}
