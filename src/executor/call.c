/* call: one call of node code against the journal: replayed, to be performed, or
 * diverged. Provides the call events of executor/executor.h (I6, I7, I10). */
#include <string.h>

#include "executor/internal.h"
#include "json/json.h"

#define TEXT_OF_REQUEST_MAX 400

/* ---- at-most-once outcomes
 * --------------------------------------------------------------- */

static bool asks_at_most_once(const struct elg_run *run,
                              const struct elg_activity_row *row)
{
    struct elg_json_doc *doc;
    if (row->request == NULL ||
        elg_json_parse(run->alloc, elg_base_blob_bytes(row->request), &doc, NULL) !=
            ELG_OK)
        return false;
    bool asks = elg_json_bool(elg_json_get(elg_json_root(doc), "at_most_once"), false);
    elg_json_doc_destroy(doc);
    return asks;
}

const struct elg_known_outcome *elg__outcome_find(const struct elg_run *run,
                                                  const struct elg_hash *key)
{
    for (size_t i = run->outcome_count; i > 0; i--)
        if (elg_base_hash_equal(&run->outcomes[i - 1].key, key))
            return &run->outcomes[i - 1];
    return NULL;
}

static enum elg_status outcome_add(struct elg_run *run,
                                   const struct elg_activity_row *row,
                                   struct elg_error *error)
{
    void *outcomes = elg__grow(run->alloc, run->outcomes, &run->outcome_capacity,
                               run->outcome_count + 1, sizeof *run->outcomes);
    if (outcomes == NULL)
        return elg_base_no_memory(error);
    run->outcomes = outcomes;
    struct elg_known_outcome *outcome = &run->outcomes[run->outcome_count++];
    outcome->key = row->key;
    outcome->request_hash = row->request_hash;
    outcome->status = row->status;
    outcome->response = elg_base_blob_ref(row->response);
    return ELG_OK;
}

enum elg_status elg_executor_settle(struct elg_run *run,
                                    const struct elg_hash *request_hash,
                                    struct elg_bytes response, struct elg_error *error)
{
    for (size_t i = run->outcome_count; i > 0; i--) {
        struct elg_known_outcome *outcome = &run->outcomes[i - 1];
        if (!elg_base_hash_equal(&outcome->request_hash, request_hash))
            continue;
        struct elg_blob *blob = elg_base_blob_create(run->alloc, response);
        if (blob == NULL)
            return elg_base_no_memory(error);
        elg_base_blob_unref(outcome->response);
        outcome->response = blob;
        outcome->status = ELG_ACTIVITY_DONE;
        return ELG_OK;
    }
    return ELG_OK;
}

/* A recorded settle says what the unknown call of its request came to. */
static enum elg_status learn_settle(struct elg_run *run,
                                    const struct elg_activity_row *row,
                                    struct elg_error *error)
{
    struct elg_json_doc *doc;
    if (elg_json_parse(run->alloc, elg_base_blob_bytes(row->request), &doc, NULL) !=
        ELG_OK)
        return ELG_OK;
    struct elg_hash hash;
    enum elg_status status = ELG_OK;
    struct elg_bytes text =
        elg_json_string(elg_json_get(elg_json_root(doc), "request_hash"));
    if (elg_base_hash_parse(text, &hash))
        status =
            elg_executor_settle(run, &hash, elg_base_blob_bytes(row->response), error);
    elg_json_doc_destroy(doc);
    return status;
}

/* A signal was consumed; not that the wait's time was over. */
static bool has_value(const struct elg_activity_row *row)
{
    static const char HEAD[] = "{\"value\":";
    struct elg_bytes text = elg_base_blob_bytes(row->response);
    return text.size >= sizeof HEAD && memcmp(text.data, HEAD, sizeof HEAD - 1) == 0;
}

enum elg_status elg__outcome_learn(struct elg_run *run,
                                   const struct elg_activity_row *row,
                                   struct elg_error *error)
{
    if (strcmp(row->type, "settle") == 0 && row->response != NULL)
        return learn_settle(run, row, error);
    if (strcmp(row->type, "wait") == 0 && row->status == ELG_ACTIVITY_DONE &&
        has_value(row))
        return outcome_add(run, row, error);
    bool may_ask =
        strcmp(row->type, "http_request") == 0 || strcmp(row->type, "call") == 0;
    if (!may_ask || row->status == ELG_ACTIVITY_INTENT || !asks_at_most_once(run, row))
        return ELG_OK;
    return outcome_add(run, row, error);
}

/* ---- the call
 * ---------------------------------------------------------------------------- */

static void shorten(struct elg_bytes request, char out[TEXT_OF_REQUEST_MAX])
{
    snprintf(out, TEXT_OF_REQUEST_MAX, "%.*s%s",
             (int)(request.size < TEXT_OF_REQUEST_MAX - 8 ? request.size
                                                          : TEXT_OF_REQUEST_MAX - 8),
             (const char *)request.data,
             request.size < TEXT_OF_REQUEST_MAX - 8 ? "" : "...");
}

static enum elg_status diverged(const struct elg_run *run,
                                const struct elg_call_entry *entry,
                                const struct elg_prepared *prepared, const char *where,
                                uint32_t seq, struct elg_error *error)
{
    char recorded[TEXT_OF_REQUEST_MAX], asked[TEXT_OF_REQUEST_MAX];
    shorten(elg_base_blob_bytes(entry->row.request), recorded);
    shorten(elg_base_blob_bytes(prepared->request), asked);
    return elg_base_fail(
        error, ELG_DIVERGED, where,
        "step %lld node %s call %u: the journal holds %s %s, the code asks "
        "for %s %s",
        (long long)run->row.step_count, run->node_id, seq, entry->row.type, recorded,
        elg_activity_type_name(prepared->kind), asked);
}

static void fill_entry(struct elg_run *run, struct elg_call_entry *entry,
                       const struct elg_prepared *prepared, const char *where,
                       uint32_t seq, int64_t wall_ms)
{
    struct elg_activity_row *row = &entry->row;
    row->step_index = (int64_t)run->row.step_count;
    row->attempt = run->attempt;
    row->seq = seq;
    row->status = ELG_ACTIVITY_INTENT;
    snprintf(row->type, sizeof row->type, "%s", elg_activity_type_name(prepared->kind));
    row->request_hash = prepared->request_hash;
    row->key = prepared->key;
    row->request = elg_base_blob_ref(prepared->request);
    row->timestamp_ms = wall_ms;
    row->where = elg_base_intern(run->intern, where ? where : "");
}

/* What the journal, or an earlier attempt, says of a call that is asked for. */
static enum elg_call_verdict judge(struct elg_run *run, struct elg_call_entry *entry,
                                   bool was_intent)
{
    if (entry->journaled && entry->row.status != ELG_ACTIVITY_INTENT)
        return ELG_CALL_REPLAY;
    if (!entry->at_most_once && !entry->kept)
        return ELG_CALL_PERFORM;
    if (was_intent && !entry->kept)
        return ELG_CALL_UNKNOWN;
    const struct elg_known_outcome *known = elg__outcome_find(run, &entry->row.key);
    if (known == NULL)
        return ELG_CALL_PERFORM;
    if (known->status != ELG_ACTIVITY_DONE)
        return ELG_CALL_UNKNOWN;
    entry->row.response = elg_base_blob_ref(known->response);
    entry->row.status = ELG_ACTIVITY_DONE;
    return ELG_CALL_REPLAY;
}

enum elg_status elg_executor_call(struct elg_run *run,
                                  const struct elg_prepared *prepared, const char *where,
                                  int64_t wall_ms, uint32_t *seq,
                                  enum elg_call_verdict *verdict, struct elg_error *error)
{
    uint32_t at = run->asked_count;
    struct elg_call_entry *entry;
    enum elg_status status = elg__call_slot(run, at, &entry, error);
    if (status != ELG_OK)
        return status;
    bool known = entry->row.request != NULL; /* journaled, or asked before the state was
                                                dropped */
    if (known &&
        (strcmp(entry->row.type, elg_activity_type_name(prepared->kind)) != 0 ||
         !elg_base_hash_equal(&entry->row.request_hash, &prepared->request_hash)))
        return diverged(run, entry, prepared, where, at, error);
    bool was_intent = entry->journaled && entry->row.status == ELG_ACTIVITY_INTENT;
    if (!known)
        fill_entry(run, entry, prepared, where, at, wall_ms);
    entry->at_most_once = prepared->at_most_once;
    entry->kept = prepared->kind == ELG_ACTIVITY_WAIT;
    entry->asked = true;
    run->asked_count++;
    bool journaled = entry->journaled;
    *seq = at;
    *verdict = judge(run, entry, was_intent);
    if (*verdict != ELG_CALL_REPLAY || journaled)
        return ELG_OK;
    return elg__record_call(run, entry,
                            error); /* an earlier attempt's outcome, as ours */
}

enum elg_status elg_executor_intent(struct elg_run *run, uint32_t seq, int64_t due_ms,
                                    struct elg_error *error)
{
    struct elg_call_entry *entry = &run->calls[seq];
    if (entry->journaled)
        return ELG_OK;
    entry->row.due_ms = due_ms;
    return elg__record_call(run, entry, error);
}

enum elg_status elg_executor_use_signal(struct elg_run *run, uint32_t seq,
                                        int64_t signal_no, struct elg_error *error)
{
    void *uses = elg__grow(run->alloc, run->uses, &run->use_capacity, run->use_count + 1,
                           sizeof *run->uses);
    if (uses == NULL)
        return elg_base_no_memory(error);
    run->uses = uses;
    struct elg_signal_use *use = &run->uses[run->use_count++];
    use->signal_no = signal_no;
    use->step_index = (int64_t)run->row.step_count;
    use->attempt = run->attempt;
    use->seq = seq;
    return ELG_OK;
}

enum elg_status elg_executor_child(struct elg_run *run, const struct elg_run_row *row,
                                   struct elg_error *error)
{
    void *children = elg__grow(run->alloc, run->children, &run->child_capacity,
                               run->child_count + 1, sizeof *run->children);
    if (children == NULL)
        return elg_base_no_memory(error);
    run->children = children;
    elg_checkpoint_run_row_copy(row, &run->children[run->child_count++]);
    run->row.has_children = true;
    return ELG_OK;
}

enum elg_status elg_executor_result(struct elg_run *run, uint32_t seq,
                                    enum elg_activity_status status,
                                    struct elg_bytes response,
                                    const struct elg_hash *artifact, int64_t wall_ms,
                                    struct elg_error *error)
{
    struct elg_call_entry *entry = &run->calls[seq];
    struct elg_blob *blob = elg_base_blob_create(run->alloc, response);
    if (blob == NULL)
        return elg_base_no_memory(error);
    elg_base_blob_unref(entry->row.response);
    entry->row.response = blob;
    entry->row.status = status;
    entry->row.timestamp_ms = wall_ms;
    if (artifact != NULL)
        elg_base_hash_hex(artifact, entry->row.response_blob_ref);
    enum elg_status result = elg__record_call(run, entry, error);
    int64_t now = 0;
    if (strcmp(entry->row.type, "now") == 0 && response.size > 10)
        now = strtoll((const char *)elg_base_blob_bytes(blob).data + 9, NULL, 10);
    if (now > run->now_last_ms)
        run->now_last_ms = now;
    if (result == ELG_OK &&
        (entry->at_most_once || (entry->kept && has_value(&entry->row))))
        result = outcome_add(run, &entry->row, error);
    return result;
}
