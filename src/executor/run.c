/* run: a run's life in memory: made, recalled from the journal, destroyed.
 * Provides the first part of executor/executor.h. */
#include <string.h>

#include "executor/internal.h"
#include "json/json.h"

static enum elg_status read_limits(struct elg_run *run, struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status =
        elg_json_parse(run->alloc, elg_base_blob_bytes(run->row.limits), &doc, error);
    if (status == ELG_INVALID)
        return elg_base_fail(error, ELG_CORRUPT, run->row.trace_id,
                             "cmo_inputs.limits is not JSON");
    if (status != ELG_OK)
        return status;
    double interval =
        elg_json_number(elg_json_get(elg_json_root(doc), "checkpoint_interval"), 1);
    elg_json_doc_destroy(doc);
    if (!(interval >= 1 && interval <= ELG_STEPS_PER_RUN_MAX))
        return elg_base_fail(error, ELG_CORRUPT, run->row.trace_id,
                             "cmo_inputs.limits has an unusable checkpoint_interval");
    run->checkpoint_interval = (uint32_t)interval;
    return ELG_OK;
}

enum elg_status elg_executor_create(const struct elg_alloc *alloc, struct elg_sha256 *sha,
                                    struct elg_intern *intern,
                                    const struct elg_graph_data *graph,
                                    struct elg_run_row *row, bool is_new,
                                    struct elg_run **out, struct elg_error *error)
{
    struct elg_run *run = elg_base_calloc(alloc, sizeof *run);
    if (run == NULL)
        return elg_base_no_memory(error);
    run->alloc = alloc;
    run->sha = sha;
    run->intern = intern;
    run->graph = graph;
    run->row = *row;
    run->row.signals_seen = INT64_MAX;
    enum elg_status status = read_limits(run, error);
    if (status != ELG_OK) {
        elg_base_free(alloc, run, sizeof *run);
        return status;
    }
    memset(row, 0, sizeof *row);
    run->created = !is_new;
    run->create_pending = is_new;
    run->attempt = 1;
    run->step_count_taken = run->row.step_count;
    if (!is_new)
        elg_checkpoint_chain_begin(sha, &run->row, &run->chain_marked);
    if (is_new) /* until the initial state is known; what a failing `initial` leaves */
        elg_checkpoint_chain_begin(sha, &run->row, &run->row.chain);
    *out = run;
    return ELG_OK;
}

void elg__calls_clear(struct elg_run *run)
{
    for (uint32_t i = 0; i < run->call_count; i++) {
        elg_base_blob_unref(run->calls[i].row.request);
        elg_base_blob_unref(run->calls[i].row.response);
    }
    run->call_count = run->asked_count = 0;
}

void elg__step_clear(struct elg_run *run)
{
    run->digest_count = 0;
    for (size_t i = 0; i < run->outcome_count; i++)
        elg_base_blob_unref(run->outcomes[i].response);
    run->outcome_count = 0;
}

void elg_executor_destroy(struct elg_run *run)
{
    if (run == NULL)
        return;
    const struct elg_alloc *alloc = run->alloc;
    elg__calls_clear(run);
    elg__step_clear(run);
    for (size_t i = 0; i < run->record_count; i++)
        elg__record_fini(&run->records[i]);
    elg_base_free(alloc, run->calls, run->call_capacity * sizeof *run->calls);
    elg_base_free(alloc, run->digests, run->digest_capacity * sizeof *run->digests);
    elg_base_free(alloc, run->outcomes, run->outcome_capacity * sizeof *run->outcomes);
    for (size_t i = 0; i < run->child_count; i++)
        elg_checkpoint_run_row_fini(&run->children[i]);
    elg_base_free(alloc, run->children, run->child_capacity * sizeof *run->children);
    elg_base_free(alloc, run->uses, run->use_capacity * sizeof *run->uses);
    elg_base_free(alloc, run->records, run->record_capacity * sizeof *run->records);
    elg_base_blob_unref(run->state);
    elg_base_blob_unref(run->input);
    elg_base_blob_unref(run->output);
    elg_checkpoint_run_row_fini(&run->row);
    elg_base_free(alloc, run, sizeof *run);
}

void *elg__grow(const struct elg_alloc *alloc, void *items, size_t *capacity, size_t need,
                size_t item_size)
{
    if (need <= *capacity)
        return items;
    size_t grown = *capacity ? *capacity * 2 : 4;
    while (grown < need)
        grown *= 2;
    void *moved =
        elg_base_realloc(alloc, items, *capacity * item_size, grown * item_size);
    if (moved != NULL)
        *capacity = grown;
    return moved;
}

enum elg_status elg__digest_add(struct elg_run *run, const struct elg_hash *digest,
                                struct elg_error *error)
{
    void *digests = elg__grow(run->alloc, run->digests, &run->digest_capacity,
                              run->digest_count + 1, sizeof *run->digests);
    if (digests == NULL)
        return elg_base_no_memory(error);
    run->digests = digests;
    run->digests[run->digest_count++] = *digest;
    return ELG_OK;
}

enum elg_status elg__call_slot(struct elg_run *run, uint32_t seq,
                               struct elg_call_entry **out, struct elg_error *error)
{
    if (seq >= ELG_ACTIVITIES_PER_STEP_MAX)
        return elg_base_fail(error, ELG_LIMIT, run->node_id,
                             "more than %d activities in one attempt",
                             ELG_ACTIVITIES_PER_STEP_MAX);
    size_t capacity = run->call_capacity;
    void *calls =
        elg__grow(run->alloc, run->calls, &capacity, seq + 1u, sizeof *run->calls);
    if (calls == NULL)
        return elg_base_no_memory(error);
    run->calls = calls;
    run->call_capacity = (uint32_t)capacity;
    while (run->call_count <= seq)
        memset(&run->calls[run->call_count++], 0, sizeof *run->calls);
    *out = &run->calls[seq];
    return ELG_OK;
}

/* ---- recall
 * ------------------------------------------------------------------------------ */

static enum elg_status contradiction(const struct elg_run *run, int64_t step,
                                     const char *what, struct elg_error *error)
{
    char where[ELG_ERROR_WHERE_MAX];
    snprintf(where, sizeof where, "%s step %lld", run->row.trace_id, (long long)step);
    return elg_base_fail(error, ELG_CORRUPT, where, "%s", what);
}

static enum elg_status altered(const struct elg_run *run, int64_t step, const char *what,
                               struct elg_error *error)
{
    char where[ELG_ERROR_WHERE_MAX];
    snprintf(where, sizeof where, "%s step %lld", run->row.trace_id, (long long)step);
    return elg_base_fail(error, ELG_DIVERGED, where, "%s is not what was written", what);
}

static bool has_hash(struct elg_run *run, const struct elg_blob *blob,
                     const struct elg_hash *expected)
{
    struct elg_hash hash;
    elg_base_sha256(run->sha, elg_base_blob_bytes(blob), &hash);
    return elg_base_hash_equal(&hash, expected);
}

/* Nothing may depend on a row that was altered (I17). */
static enum elg_status check_finished(struct elg_run *run,
                                      const struct elg_step_row *step,
                                      struct elg_error *error)
{
    struct elg_hash digest;
    elg_checkpoint_step_digest(run->sha, step, &digest);
    if (!elg_base_hash_equal(&digest, &step->digest))
        return altered(run, step->step_index, "the step's row", error);
    if (step->state != NULL && !has_hash(run, step->state, &step->state_hash))
        return altered(run, step->step_index, "the state", error);
    if (!has_hash(run, step->output, &step->output_hash))
        return altered(run, step->step_index, "the output", error);
    run->chain_marked = step->chain;
    return ELG_OK;
}

/* An attempt that ended its run has a chain, over the attempts and calls so far; a retry
 * by hand goes on from there. */
static enum elg_status recall_mark(struct elg_run *run, struct elg_error *error)
{
    struct elg_hash chain;
    if (!run->mark_is_due)
        return ELG_OK;
    run->mark_is_due = false;
    elg_checkpoint_chain_next(run->sha, &run->chain_marked, run->digests,
                              run->digest_count, &chain);
    run->digest_count = 0;
    run->chain_marked = run->mark_due;
    if (!elg_base_hash_equal(&chain, &run->mark_due))
        return altered(run, (int64_t)run->row.step_count, "the chain", error);
    return ELG_OK;
}

static enum elg_status altered_beginning(const struct elg_run *run,
                                         struct elg_error *error)
{
    return altered(run, 0, "the run's beginning (input, seed, limits, initial state)",
                   error);
}

static enum elg_status check_call(struct elg_run *run, const struct elg_activity_row *row,
                                  struct elg_hash *digest, struct elg_error *error)
{
    struct elg_activity_row stored = elg__stored_form(row);
    elg_checkpoint_activity_digest(run->sha, &stored, digest);
    if (!elg_base_hash_equal(digest, &row->digest))
        return altered(run, row->step_index, "a call's row", error);
    return ELG_OK;
}

enum elg_status elg_executor_recall_first(struct elg_run *run,
                                          const struct elg_step_row *step,
                                          const struct elg_activity_row *activity,
                                          struct elg_error *error)
{
    struct elg_hash digest;
    enum elg_status status = ELG_OK;
    if (step == NULL) {
        status = check_call(run, activity, &digest, error);
    } else {
        status = recall_mark(run, error);
        elg_checkpoint_step_digest(run->sha, step, &digest);
        if (status == ELG_OK && !elg_base_hash_equal(&digest, &step->digest))
            status = altered(run, 0, "an attempt's row", error);
        run->mark_is_due = step->has_chain;
        run->mark_due = step->chain;
    }
    return status == ELG_OK ? elg__digest_add(run, &digest, error) : status;
}

enum elg_status elg_executor_recalled_first(struct elg_run *run, struct elg_error *error)
{
    bool marked = run->mark_is_due;
    enum elg_status status = recall_mark(run, error);
    run->digest_count = 0;
    if (status == ELG_DIVERGED || !marked || run->row.initial_state == NULL)
        return altered_beginning(run, error);
    return status;
}

static void recall_finished(struct elg_run *run, const struct elg_step_row *step)
{
    elg_base_blob_unref(run->state);
    elg_base_blob_unref(run->input);
    elg_base_blob_unref(run->output);
    run->state = elg_base_blob_ref(step->state);
    run->output = elg_base_blob_ref(step->output);
    run->input = elg_base_blob_ref(step->output);
    run->state_hash = step->state_hash;
    run->input_hash = step->output_hash;
    memcpy(run->previous, step->node_id, sizeof run->previous);
    memcpy(run->node_id, step->next_node, sizeof run->node_id);
}

static enum elg_status recall_attempt(struct elg_run *run,
                                      const struct elg_step_row *step,
                                      struct elg_error *error)
{
    enum elg_status status = recall_mark(run, error);
    if (status != ELG_OK)
        return status;
    if (step->attempt != run->attempt || run->opened)
        return contradiction(run, step->step_index, "attempts are not in sequence",
                             error);
    if (step->status == ELG_ATTEMPT_OPEN) {
        run->opened = true;
        run->clock_ms = step->clock_ms;
        run->started_at_ms = step->started_at_ms;
        return ELG_OK;
    }
    struct elg_hash digest;
    elg_checkpoint_step_digest(run->sha, step, &digest);
    run->attempt++;
    run->retry_due_ms = step->retry_due_ms;
    if (!elg_base_hash_equal(&digest, &step->digest))
        return altered(run, step->step_index, "an attempt's row", error);
    if (step->has_chain) {
        run->mark_is_due = true;
        run->mark_due = step->chain;
    }
    if (elg_executor_retried(step))
        run->attempt_base = step->attempt;
    return elg__digest_add(run, &digest, error);
}

static enum elg_status recall_step(struct elg_run *run, const struct elg_step_row *step,
                                   struct elg_error *error)
{
    if (step->clock_ms > run->now_last_ms)
        run->now_last_ms = step->clock_ms;
    int64_t count = (int64_t)run->row.step_count;
    if (step->step_index == count)
        return recall_attempt(run, step, error);
    if (step->step_index != count - 1)
        return contradiction(run, step->step_index, "a step past the run's count", error);
    if (step->status != ELG_ATTEMPT_OK)
        return ELG_OK;
    recall_finished(run, step);
    return check_finished(run, step, error);
}

/* The value of a recorded ctx.now, 0 if it is something else. */
static int64_t now_of(const struct elg_activity_row *row)
{
    if (strcmp(row->type, "now") != 0 || row->response == NULL)
        return 0;
    struct elg_bytes text = elg_base_blob_bytes(row->response);
    static const char HEAD[] = "{\"value\":";
    if (text.size < sizeof HEAD || memcmp(text.data, HEAD, sizeof HEAD - 1) != 0)
        return 0;
    int64_t value = 0;
    for (size_t i = sizeof HEAD - 1; i < text.size && i < 32; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            break;
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static enum elg_status recall_call(struct elg_run *run,
                                   const struct elg_activity_row *row,
                                   struct elg_error *error)
{
    struct elg_call_entry *entry;
    enum elg_status status = elg__call_slot(run, row->seq, &entry, error);
    if (status != ELG_OK)
        return status;
    if (entry->journaled)
        return contradiction(run, row->step_index, "a seq is recorded twice", error);
    entry->row = *row;
    entry->row.where_blob = NULL; /* the reader's own */
    entry->row.request = elg_base_blob_ref(row->request);
    entry->row.response = elg_base_blob_ref(row->response);
    entry->row.where = elg_base_intern(run->intern, row->where ? row->where : "");
    entry->journaled = true;
    return ELG_OK;
}

enum elg_status elg_executor_recall(struct elg_run *run, const struct elg_step_row *step,
                                    const struct elg_activity_row *activity,
                                    struct elg_error *error)
{
    if (step != NULL)
        return recall_step(run, step, error);
    int64_t now = now_of(activity);
    if (now > run->now_last_ms)
        run->now_last_ms = now;
    if (activity->step_index != (int64_t)run->row.step_count)
        return ELG_OK;
    struct elg_hash digest;
    enum elg_status status = check_call(run, activity, &digest, error);
    if (status == ELG_OK)
        status = elg__outcome_learn(run, activity, error);
    if (status != ELG_OK)
        return status;
    if (run->opened)
        return recall_call(run, activity, error);
    return elg__digest_add(run, &digest, error);
}

/* Step 0 begins with the initial state and the run's input. */
static void recall_beginning(struct elg_run *run)
{
    elg_base_blob_unref(run->state);
    elg_base_blob_unref(run->input);
    run->state = elg_base_blob_ref(run->row.initial_state);
    run->input = elg_base_blob_ref(run->row.input);
    elg_base_sha256(run->sha, elg_base_blob_bytes(run->state), &run->state_hash);
    elg_base_sha256(run->sha, elg_base_blob_bytes(run->input), &run->input_hash);
    snprintf(run->node_id, sizeof run->node_id, "%s", elg_graph_entry(run->graph));
}

/* The run's row says what its journal says; an end between two attempts left no mark. */
static enum elg_status check_head(const struct elg_run *run, struct elg_error *error)
{
    int64_t count = (int64_t)run->row.step_count;
    if (elg_base_hash_equal(&run->chain_marked, &run->row.chain))
        return ELG_OK;
    if (count == 0 && run->attempt_base == 0)
        return altered_beginning(run, error);
    return altered(run, count > 0 ? count - 1 : 0, "the chain", error);
}

enum elg_status elg_executor_recalled(struct elg_run *run, struct elg_error *error)
{
    int64_t count = (int64_t)run->row.step_count;
    if (run->row.step_count == 0 && run->row.initial_state != NULL)
        recall_beginning(run);
    enum elg_status status = recall_mark(run, error);
    if (status == ELG_OK && !elg_checkpoint_status_ended(run->row.status))
        status = check_head(run, error);
    if (status != ELG_OK)
        return status;
    if (elg_checkpoint_status_ended(run->row.status)) {
        run->phase = ELG_PHASE_ENDED;
        return ELG_OK;
    }
    if (run->row.initial_state == NULL) {
        run->phase = ELG_PHASE_INITIAL;
        return ELG_OK;
    }
    if (count > 0 && run->previous[0] == '\0')
        return contradiction(run, count - 1, "the last finished step is missing", error);
    if (elg_graph_node(run->graph, run->node_id) == NULL)
        return contradiction(run, count, "its node is not in the graph", error);
    bool retry = !run->opened && run->attempt > 1 && run->retry_due_ms > 0;
    run->phase = retry ? ELG_PHASE_RETRY : ELG_PHASE_READY;
    if (retry && run->row.due_ms != run->retry_due_ms) /* a signal made it due early */
        elg_executor_waiting(run, true, run->retry_due_ms, INT64_MAX);
    return ELG_OK;
}

enum elg_status elg_executor_adopt(struct elg_run *run, struct elg_bytes state,
                                   struct elg_error *error)
{
    struct elg_hash hash;
    elg_base_sha256(run->sha, state, &hash);
    if (!elg_base_hash_equal(&hash, &run->state_hash)) {
        char expected[ELG_HASH_HEX_SIZE], actual[ELG_HASH_HEX_SIZE];
        elg_base_hash_hex(&run->state_hash, expected);
        elg_base_hash_hex(&hash, actual);
        return elg_base_fail(
            error, ELG_DIVERGED, run->row.trace_id,
            "recomputing the state after step %lld gave %s, recorded is %s",
            (long long)run->row.step_count - 1, actual, expected);
    }
    struct elg_blob *blob = elg_base_blob_create(run->alloc, state);
    if (blob == NULL)
        return elg_base_no_memory(error);
    elg_base_blob_unref(run->state);
    run->state = blob;
    return ELG_OK;
}
