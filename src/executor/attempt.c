/* attempt: how attempts begin and end, and what follows: the next attempt, the next step,
 * the run's end. Provides the other events of executor/executor.h. */
#include <string.h>

#include "executor/internal.h"

#define KEYS_SHOWN_MAX 8 /* in an error's text */

static bool is_checkpoint(const struct elg_run *run, bool ends)
{
    return ends || (run->row.step_count + 1) % run->checkpoint_interval == 0;
}

static void touch(struct elg_run *run, enum elg_run_status status, int64_t due_ms)
{
    run->row.signals_seen = INT64_MAX;
    run->row.status = status;
    run->row.due_ms = due_ms;
    run->row_changed = true;
}

static void end_run(struct elg_run *run, enum elg_run_status status,
                    struct elg_blob *error, int64_t wall_ms)
{
    touch(run, status, 0);
    elg_base_blob_unref(run->row.error);
    run->row.error = error;
    run->row.completed_at_ms = wall_ms;
    run->phase = ELG_PHASE_ENDED;
}

static struct elg_blob *error_blob(const struct elg_run *run, const char *code,
                                   const char *message, const char *where,
                                   const char *traceback)
{
    struct elg_buf buf;
    elg_base_buf_init(&buf, run->alloc);
    elg_executor_write_error(&buf, code, message, where, traceback);
    struct elg_blob *blob = NULL;
    if (!buf.failed)
        blob = elg_base_blob_create(run->alloc, elg_base_buf_bytes(&buf));
    elg_base_buf_fini(&buf);
    return blob;
}

enum elg_status elg_executor_initial(struct elg_run *run, struct elg_bytes state,
                                     int64_t wall_ms, struct elg_error *error)
{
    struct elg_blob *blob = elg_base_blob_create(run->alloc, state);
    if (blob == NULL)
        return elg_base_no_memory(error);
    run->row.initial_state = blob;
    run->row.started_at_ms = wall_ms;
    elg_checkpoint_chain_begin(run->sha, &run->row, &run->row.chain);
    run->state = elg_base_blob_ref(blob);
    run->input = elg_base_blob_ref(run->row.input);
    elg_base_sha256(run->sha, state, &run->state_hash);
    elg_base_sha256(run->sha, elg_base_blob_bytes(run->input), &run->input_hash);
    snprintf(run->node_id, sizeof run->node_id, "%s", elg_graph_entry(run->graph));
    touch(run, ELG_RUN_RUNNING, 0);
    run->phase = ELG_PHASE_READY;
    return ELG_OK;
}

enum elg_status elg_executor_begin(struct elg_run *run, int64_t wall_ms,
                                   struct elg_error *error)
{
    if (run->state == NULL)
        return elg_base_fail(error, ELG_INTERNAL, run->row.trace_id,
                             "the state before step %llu is not known",
                             (unsigned long long)run->row.step_count);
    if (run->phase != ELG_PHASE_EXECUTING && !run->opened) {
        run->started_at_ms = wall_ms;
        run->clock_ms = wall_ms > run->now_last_ms ? wall_ms : run->now_last_ms;
        run->now_last_ms = run->clock_ms;
    }
    if (run->row.status != ELG_RUN_RUNNING || run->row.due_ms != 0) {
        /* Not worth a commit of its own: it goes with the next record. */
        run->row.status = ELG_RUN_RUNNING;
        run->row.due_ms = 0;
    }
    run->asked_count = 0;
    for (uint32_t i = 0; i < run->call_count; i++)
        run->calls[i].asked = false;
    run->phase = ELG_PHASE_EXECUTING;
    return ELG_OK;
}

static void begin_row(const struct elg_run *run, enum elg_attempt_status status,
                      struct elg_step_row *row)
{
    memset(row, 0, sizeof *row);
    row->step_index = (int64_t)run->row.step_count;
    row->attempt = run->attempt;
    memcpy(row->node_id, run->node_id, sizeof row->node_id);
    row->status = status;
    row->input_hash = run->input_hash;
    row->clock_ms = run->clock_ms;
    row->started_at_ms = run->started_at_ms;
    row->fingerprint = "";
}

enum elg_status elg_executor_open(struct elg_run *run, struct elg_error *error)
{
    if (run->opened)
        return ELG_OK;
    struct elg_record record;
    memset(&record, 0, sizeof record);
    record.kind = ELG_RECORD_STEP;
    begin_row(run, ELG_ATTEMPT_OPEN, &record.row.step);
    run->opened = true;
    return elg__record_add(run, &record, error);
}

/* ---- done
 * -------------------------------------------------------------------------------- */

/* The code must have asked for every call that the journal holds. */
static enum elg_status all_asked(const struct elg_run *run, struct elg_error *error)
{
    if (run->asked_count >= run->call_count)
        return ELG_OK;
    const struct elg_activity_row *row = &run->calls[run->asked_count].row;
    return elg_base_fail(
        error, ELG_DIVERGED, row->where,
        "step %lld node %s: the journal holds call %u (%s), the code ended "
        "without asking for it",
        (long long)run->row.step_count, run->node_id, run->asked_count, row->type);
}

/* Fills the row's values; false: no memory. On false the caller unrefs what is there. */
static bool fill_values(struct elg_run *run, const struct elg_attempt_result *result,
                        struct elg_blob **state, struct elg_step_row *row)
{
    *state = elg_base_blob_create(run->alloc, result->state);
    row->output = elg_base_blob_create(run->alloc, result->output);
    if (result->metadata.size > 0)
        row->metadata = elg_base_blob_create(run->alloc, result->metadata);
    elg_base_sha256(run->sha, result->state, &row->state_hash);
    elg_base_sha256(run->sha, result->output, &row->output_hash);
    row->fuel = result->fuel;
    row->fingerprint = result->fingerprint;
    row->activity_count = run->asked_count;
    row->completed_at_ms = result->wall_ms;
    row->duration_us = result->duration_us;
    if (result->key != NULL) {
        row->has_edge = true;
        snprintf(row->next_edge, sizeof row->next_edge, "%s", result->key);
    }
    return *state != NULL && row->output != NULL &&
           (result->metadata.size == 0 || row->metadata != NULL);
}

static void advance(struct elg_run *run, struct elg_blob *state,
                    const struct elg_step_row *row, struct elg_blob *output)
{
    elg_base_blob_unref(run->state);
    elg_base_blob_unref(run->input);
    elg_base_blob_unref(run->output);
    run->state = state;
    run->output = output;
    run->input = elg_base_blob_ref(output);
    run->state_hash = row->state_hash;
    run->input_hash = row->output_hash;
    memcpy(run->previous, run->node_id, sizeof run->previous);
    memcpy(run->node_id, row->next_node, sizeof run->node_id);
    run->row.step_count++;
    run->attempt = 1;
    run->attempt_base = 0;
    run->row_changed = true;
}

/* The next edge from the run's last node at or after *i; NULL: there is none. */
static const struct elg_graph_edge *edge_from(const struct elg_run *run, size_t *i)
{
    const struct elg_graph_edge *edge;
    while ((edge = elg_graph_edge(run->graph, (*i)++)) != NULL)
        if (strcmp(edge->from, run->previous) == 0)
            return edge;
    return NULL;
}

/* Appends the keys that lead from the node, each once. */
static void write_keys(const struct elg_run *run, struct elg_buf *out)
{
    const char *keys[KEYS_SHOWN_MAX];
    const struct elg_graph_edge *edge;
    size_t count = 0, i = 0;
    while ((edge = edge_from(run, &i)) != NULL) {
        bool known = false;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(keys[k], edge->key) == 0;
        if (known)
            continue;
        if (count == KEYS_SHOWN_MAX) {
            elg_base_buf_append_str(out, ", ...");
            return;
        }
        elg_base_buf_printf(out, "%s\"%s\"", count > 0 ? ", " : "", edge->key);
        keys[count++] = edge->key;
    }
}

static void write_no_edge(const struct elg_run *run, const char *key, struct elg_buf *out)
{
    const struct elg_graph_edge *edge;
    size_t i = 0;
    elg_base_buf_printf(out, "node %s returned \"%s\", and ", run->previous, key);
    while ((edge = edge_from(run, &i)) != NULL && strcmp(edge->key, key) != 0)
        ;
    size_t none = 0;
    if (edge != NULL) {
        elg_base_buf_append_str(out, "the when of no edge with that key holds");
    } else if (edge_from(run, &none) == NULL) {
        elg_base_buf_append_str(out, "no edge leads from it; the run ends where a node "
                                     "returns nil, output");
    } else {
        elg_base_buf_append_str(out, "no edge from it has that key; there are ");
        write_keys(run, out);
    }
}

static enum elg_status no_edge(struct elg_run *run,
                               const struct elg_attempt_result *result,
                               struct elg_error *error)
{
    struct elg_buf text;
    bool known = result->where != NULL && result->where[0] != '\0';
    elg_base_buf_init(&text, run->alloc);
    write_no_edge(run, result->key, &text);
    const char *message = elg_base_buf_cstr(&text);
    struct elg_blob *blob = NULL;
    if (message != NULL)
        blob = error_blob(run, "NO_EDGE", message, known ? result->where : run->previous,
                          "");
    elg_base_buf_fini(&text);
    if (blob == NULL)
        return elg_base_no_memory(error);
    end_run(run, ELG_RUN_FAILED, blob, result->wall_ms);
    return ELG_OK;
}

enum elg_status elg_executor_done(struct elg_run *run,
                                  const struct elg_attempt_result *result,
                                  struct elg_error *error)
{
    enum elg_status status = all_asked(run, error);
    if (status != ELG_OK)
        return status;
    struct elg_step_row row;
    struct elg_blob *state = NULL;
    begin_row(run, ELG_ATTEMPT_OK, &row);
    if (!fill_values(run, result, &state, &row)) {
        elg_base_blob_unref(state);
        elg_base_blob_unref(row.output);
        elg_base_blob_unref(row.metadata);
        return elg_base_no_memory(error);
    }
    const struct elg_graph_edge *edge = NULL;
    if (result->key != NULL && result->edge >= 0)
        edge = elg_graph_edge(run->graph, (size_t)result->edge);
    bool ends = edge == NULL || run->row.step_count + 1 >= ELG_STEPS_PER_RUN_MAX;
    if (edge != NULL)
        snprintf(row.next_node, sizeof row.next_node, "%s", edge->to);
    if (is_checkpoint(run, ends))
        row.state = elg_base_blob_ref(state);
    struct elg_blob *output = elg_base_blob_ref(row.output);
    status = elg__record_attempt(run, &row, true, error);
    advance(run, state, &row, output);
    if (status != ELG_OK)
        return status;
    run->phase = ELG_PHASE_READY;
    if (edge == NULL && result->key == NULL)
        end_run(run, ELG_RUN_COMPLETED, NULL, result->wall_ms);
    else if (edge == NULL)
        status = no_edge(run, result, error);
    else if (ends) {
        struct elg_attempt_failure failure = {.code = "STEPS_MAX",
                                              .message =
                                                  "the run reached its maximum of steps",
                                              .wall_ms = result->wall_ms};
        status = elg_executor_stop(run, ELG_RUN_FAILED, &failure, error);
    }
    return status;
}

/* ---- failed
 * ------------------------------------------------------------------------------ */

/* Calls under way when the attempt ends may have happened (DESIGN: effects in flight). */
static enum elg_status cancel_calls(struct elg_run *run, int64_t wall_ms,
                                    struct elg_error *error)
{
    static const char CANCELLED[] =
        "{\"error\":{\"code\":\"CANCELLED\",\"message\":\"the attempt ended first\"}}";
    for (uint32_t i = 0; i < run->call_count; i++) {
        struct elg_call_entry *entry = &run->calls[i];
        if (entry->row.request == NULL || entry->row.status != ELG_ACTIVITY_INTENT)
            continue;
        enum elg_status status = elg_executor_result(
            run, i, entry->at_most_once ? ELG_ACTIVITY_UNKNOWN : ELG_ACTIVITY_CANCELLED,
            elg_base_bytes(CANCELLED), NULL, wall_ms, error);
        if (status != ELG_OK)
            return status;
    }
    return ELG_OK;
}

/* The first call without a result of its own, or how many were asked for. */
static uint32_t stop_seq(const struct elg_run *run)
{
    for (uint32_t i = 0; i < run->asked_count; i++)
        if (run->calls[i].row.status == ELG_ACTIVITY_INTENT)
            return i;
    return run->asked_count;
}

static bool fill_failure(struct elg_run *run, const struct elg_attempt_failure *failure,
                         struct elg_step_row *row)
{
    row->error = error_blob(run, failure->code, failure->message, failure->where,
                            failure->traceback);
    row->fuel = failure->fuel;
    row->fingerprint = failure->fingerprint ? failure->fingerprint : "";
    row->activity_count = run->asked_count;
    row->completed_at_ms = failure->wall_ms;
    row->duration_us = failure->duration_us;
    if (failure->stop_kind != NULL) {
        char stop[96];
        snprintf(stop, sizeof stop, "{\"fuel\":%llu,\"kind\":\"%s\",\"seq\":%u}",
                 (unsigned long long)failure->fuel, failure->stop_kind, stop_seq(run));
        row->stop = elg_base_blob_create(run->alloc, elg_base_bytes(stop));
        if (row->stop == NULL)
            return false;
    }
    return row->error != NULL;
}

enum elg_status elg__attempt_end(struct elg_run *run,
                                 const struct elg_attempt_failure *failure,
                                 int64_t retry_due_ms, bool mark, struct elg_blob **why,
                                 struct elg_error *error)
{
    struct elg_step_row row;
    begin_row(run, failure->status, &row);
    bool filled = fill_failure(run, failure, &row);
    enum elg_status status =
        filled ? cancel_calls(run, failure->wall_ms, error) : elg_base_no_memory(error);
    if (status != ELG_OK) {
        elg_base_blob_unref(row.error);
        elg_base_blob_unref(row.stop);
        return status;
    }
    row.retry_due_ms = retry_due_ms;
    struct elg_blob *reason = elg_base_blob_ref(row.error);
    status = elg__record_attempt(run, &row, mark, error);
    if (status == ELG_OK)
        *why = reason;
    else
        elg_base_blob_unref(reason);
    return status;
}

enum elg_status elg_executor_failed(struct elg_run *run,
                                    const struct elg_attempt_failure *failure,
                                    struct elg_error *error)
{
    const struct elg_graph_node *node = elg_graph_node(run->graph, run->node_id);
    uint32_t attempt = run->attempt - run->attempt_base; /* since a retry by hand */
    bool again = failure->retry && node != NULL && attempt < node->max_attempts;
    int64_t due_ms = 0;
    if (again)
        due_ms = failure->wall_ms + elg_graph_retry_delay_ms(node, attempt);
    struct elg_blob *why;
    enum elg_status status = elg__attempt_end(run, failure, due_ms, !again, &why, error);
    if (status != ELG_OK)
        return status;
    if (!again) {
        bool timeout = failure->status == ELG_ATTEMPT_TIMEOUT;
        end_run(run, timeout ? ELG_RUN_TIMEOUT : ELG_RUN_FAILED, why, failure->wall_ms);
        return ELG_OK;
    }
    elg_base_blob_unref(why);
    run->attempt++;
    run->phase = ELG_PHASE_RETRY;
    touch(run, due_ms > failure->wall_ms ? ELG_RUN_WAITING : ELG_RUN_RUNNING, due_ms);
    return ELG_OK;
}

/* What ends while no attempt is under way is chained over the attempts so far. */
static void chain_rest(struct elg_run *run)
{
    if (run->digest_count > 0)
        elg_checkpoint_chain_next(run->sha, &run->row.chain, run->digests,
                                  run->digest_count, &run->row.chain);
    elg__step_clear(run);
}

enum elg_status elg_executor_stop(struct elg_run *run, enum elg_run_status status,
                                  const struct elg_attempt_failure *failure,
                                  struct elg_error *error)
{
    struct elg_blob *why = NULL;
    enum elg_status result = ELG_OK;
    if (run->phase == ELG_PHASE_EXECUTING || run->opened) {
        result = elg__attempt_end(run, failure, 0, true, &why, error);
    } else {
        chain_rest(run);
        why = error_blob(run, failure->code, failure->message, failure->where,
                         failure->traceback);
        if (why == NULL)
            result = elg_base_no_memory(error);
    }
    if (result == ELG_OK)
        end_run(run, status, why, failure->wall_ms);
    return result;
}

void elg_executor_waiting(struct elg_run *run, bool waiting, int64_t due_ms,
                          int64_t signals_seen)
{
    run->row.status = waiting ? ELG_RUN_WAITING : ELG_RUN_RUNNING;
    run->row.due_ms = waiting ? due_ms : 0;
    run->row.signals_seen = signals_seen;
    run->row_changed = run->row_changed || waiting;
}
