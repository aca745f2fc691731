/* runs: the runs in hand: taken up, let go. Provides elg_run_resume, _abort, _release. */
#include <string.h>

#include "host/claimed.h"
#include "host/internal.h"
#include "host/public.h"

#define TABLE_SLOTS_MIN 64

/* ---- the table
 * --------------------------------------------------------------------------- */

static size_t slot_of(const struct elg_host *host, const char *trace_id)
{
    uint64_t hash = 14695981039346656037u;
    for (; *trace_id != '\0'; trace_id++)
        hash = (hash ^ (uint8_t)*trace_id) * 1099511628211u;
    return (size_t)hash & (host->table_size - 1);
}

struct elg_host_run *elg__run_find(struct elg_host *host, const char *trace_id)
{
    if (host->table_size == 0)
        return NULL;
    struct elg_host_run *hr = host->table[slot_of(host, trace_id)];
    while (hr != NULL && (hr->lost || strcmp(hr->run->row.trace_id, trace_id) != 0))
        hr = hr->table_next;
    return hr;
}

static bool table_grow(struct elg_host *host)
{
    size_t old_size = host->table_size;
    if (host->run_count < old_size)
        return true;
    size_t size = old_size ? old_size * 2 : TABLE_SLOTS_MIN;
    struct elg_host_run **table = elg_base_calloc(host->alloc, size * sizeof *table);
    if (table == NULL)
        return false;
    elg_base_free(host->alloc, host->table, old_size * sizeof *table);
    host->table = table;
    host->table_size = size;
    for (struct elg_host_run *hr = host->all; hr != NULL; hr = hr->all_next) {
        size_t slot = slot_of(host, hr->run->row.trace_id);
        hr->table_next = table[slot];
        table[slot] = hr;
    }
    return true;
}

static void table_add(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    size_t slot = slot_of(host, hr->run->row.trace_id);
    hr->table_next = host->table[slot];
    host->table[slot] = hr;
    hr->all_next = host->all;
    if (host->all != NULL)
        host->all->all_prev = hr;
    host->all = hr;
    host->run_count++;
}

static void table_remove(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    struct elg_host_run **link = &host->table[slot_of(host, hr->run->row.trace_id)];
    while (*link != hr)
        link = &(*link)->table_next;
    *link = hr->table_next;
    if (hr->all_prev != NULL)
        hr->all_prev->all_next = hr->all_next;
    else
        host->all = hr->all_next;
    if (hr->all_next != NULL)
        hr->all_next->all_prev = hr->all_prev;
    host->run_count--;
}

/* ---- into and out of hand
 * ----------------------------------------------------------------- */

static void run_free(struct elg_host_run *hr)
{
    const struct elg_alloc *alloc = hr->host->alloc;
    elg__call_drop(hr);
    elg_base_free(alloc, hr->waits, hr->wait_capacity * sizeof *hr->waits);
    elg_base_free(alloc, hr->answers, hr->answer_capacity * sizeof *hr->answers);
    elg__release_fini(hr->host, &hr->logs);
    elg__release_fini(hr->host, &hr->releases);
    elg_executor_destroy(hr->run);
    elg_graph_close(hr->graph);
    elg_base_free(alloc, hr, sizeof *hr);
}

/* Out of every queue of the host. */
static void run_remove(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    if (host->current == hr) {
        elg_sandbox_discard(hr->graph->boxes->box);
        host->current = NULL;
    }
    if (hr->parked != NULL) {
        host->parked_bytes -= elg_sandbox_parked_bytes(hr->parked);
        elg_sandbox_parked_destroy(hr->parked);
    }
    elg__loop_forget(hr);
    elg__commit_unwant(hr);
    table_remove(hr);
    host->ended_count -= hr->ended ? 1 : 0;
    elg__wait_idle(hr, false);
    elg__child_forget(hr);
}

void elg__run_forget(struct elg_host_run *hr)
{
    run_remove(hr);
    if (hr->lost || hr->ended)
        elg_checkpoint_release(hr->host->store, hr->run->row.trace_id);
    else
        elg_checkpoint_hand_back(hr->host->store, hr->run->row.trace_id, true);
    run_free(hr);
}

void elg__run_park(struct elg_host_run *hr)
{
    run_remove(hr);
    elg__claimed_back(hr->host, hr->run->row.trace_id);
    run_free(hr);
}

void elg__run_reap(struct elg_host *host)
{
    while (host->dead != NULL) {
        struct elg_host_run *hr = host->dead;
        host->dead = hr->dead_next;
        elg__run_forget(hr);
    }
}

struct recall {
    struct elg_host *host;
    struct elg_run *run;
    struct elg_error *error;
    enum elg_status status;
};

static bool recall_row(void *self, const struct elg_step_row *step,
                       const struct elg_activity_row *activity)
{
    struct recall *recall = self;
    struct elg_activity_row row;
    if (step == NULL) {
        row = *activity;
        elg_base_blob_ref(row.response);
        recall->status = elg__call_hydrate(recall->host, recall->run->row.trace_id, &row,
                                           recall->error);
    }
    if (recall->status == ELG_OK)
        recall->status =
            elg_executor_recall(recall->run, step, step ? NULL : &row, recall->error);
    if (step == NULL)
        elg_base_blob_unref(row.response);
    return recall->status == ELG_OK;
}

/* Only hashed: what is in artifacts may stay there. */
static bool recall_first_row(void *self, const struct elg_step_row *step,
                             const struct elg_activity_row *activity)
{
    struct recall *recall = self;
    recall->status =
        elg_executor_recall_first(recall->run, step, activity, recall->error);
    return recall->status == ELG_OK;
}

static enum elg_status recall_first(struct elg_host *host, struct elg_run *run,
                                    struct elg_error *error)
{
    struct recall recall = {host, run, error, ELG_OK};
    enum elg_status status = elg_checkpoint_journal(host->store, run->row.trace_id, 0, 0,
                                                    recall_first_row, &recall, error);
    if (status == ELG_OK)
        status = recall.status;
    return status == ELG_OK ? elg_executor_recalled_first(run, error) : status;
}

enum elg_status elg__run_recall(struct elg_host *host, struct elg_run *run,
                                struct elg_error *error)
{
    struct recall recall = {host, run, error, ELG_OK};
    if (run->row.step_count > 0) {
        enum elg_status first = recall_first(host, run, error);
        if (first != ELG_OK)
            return first;
    }
    int64_t from = (int64_t)run->row.step_count - 1;
    enum elg_status status = ELG_OK;
    if (run->row.status != ELG_RUN_PENDING) /* such a run has no record yet */
        status =
            elg_checkpoint_journal(host->store, run->row.trace_id, from < 0 ? 0 : from,
                                   -1, recall_row, &recall, error);
    if (status == ELG_OK)
        status = recall.status;
    if (status == ELG_OK)
        status = elg_executor_recalled(run, error);
    return status;
}

/* Where the run stands, from its journal. A state between checkpoints is recomputed. */
static enum elg_status recall_run(struct elg_host *host, struct elg_host_run *hr,
                                  struct elg_error *error)
{
    struct elg_run *run = hr->run;
    enum elg_status status = elg__run_recall(host, run, error);
    if (status != ELG_OK || run->state != NULL || run->phase == ELG_PHASE_INITIAL)
        return status;
    struct elg_buf state;
    elg_base_buf_init(&state, host->alloc);
    status = elg__replay_state(host, hr->graph, &run->row,
                               (int64_t)run->row.step_count - 1, &state, error);
    if (status == ELG_OK)
        status = elg_executor_adopt(run, elg_base_buf_bytes(&state), error);
    elg_base_buf_fini(&state);
    return status;
}

enum elg_status elg__run_load(struct elg_host *host, struct elg_run_row *row, bool is_new,
                              struct elg_graph *graph, struct elg_host_run **out,
                              struct elg_error *error)
{
    struct elg_host_run *hr = elg_base_calloc(host->alloc, sizeof *hr);
    if (hr == NULL || !table_grow(host)) {
        elg_base_free(host->alloc, hr, sizeof *hr);
        return elg_base_no_memory(error);
    }
    hr->host = host;
    hr->heap_index = SIZE_MAX;
    hr->abort_requested = row->abort_requested;
    hr->lapses = host->lapses_claimed;
    hr->graph = elg__graph_ref(graph);
    enum elg_status status = elg__limits_read(
        host->alloc, elg_base_blob_bytes(row->limits), &hr->limits, error);
    if (status == ELG_OK)
        status = elg_executor_create(host->alloc, host->sha, host->intern, graph->data,
                                     row, is_new, &hr->run, error);
    if (status == ELG_OK && !is_new)
        status = recall_run(host, hr, error);
    if (status != ELG_OK && status != ELG_DIVERGED) {
        run_free(hr);
        return status;
    }
    table_add(hr);
    if (status == ELG_DIVERGED)
        elg__turn_stop(hr, ELG_RUN_DIVERGED, "DIVERGED", error->text, error->where);
    else if (hr->run->phase == ELG_PHASE_RETRY)
        elg__loop_arm(hr);
    else
        elg__loop_ready(hr);
    *out = hr;
    return ELG_OK;
}

/* ---- resume, abort, release
 * ---------------------------------------------------------------- */

enum elg_status elg__run_take(struct elg_host *host, struct elg_run_row *row,
                              struct elg_error *error)
{
    struct elg_graph *graph = NULL;
    struct elg_host_run *hr;
    enum elg_status status = elg__boxes_graph(host, row, NULL, &graph, error);
    if (status == ELG_OK)
        status = elg__run_load(host, row, false, graph, &hr, error);
    elg_graph_close(graph);
    return status;
}

static enum elg_status graph_gone(const struct elg_run_row *row, struct elg_error *error)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(&row->graph_hash, hex);
    return elg_base_fail(error, ELG_CORRUPT, "cmo_graphs",
                         "the graph %s of run %s is not in the store", hex,
                         row->trace_id);
}

enum elg_status elg__run_resume(struct elg_host *host, const char *trace_id,
                                struct elg_error *error)
{
    struct elg_run_row row;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (elg__run_find(host, trace_id) != NULL)
        return ELG_OK;
    memset(&row, 0, sizeof row);
    elg__claimed_drop(host, trace_id);
    elg__claimed_back_all(host); /* it may be one of these */
    host->lapses_claimed = elg_checkpoint_lease_lapses(host->store);
    enum elg_status status = elg_checkpoint_claim(host->store, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    if (elg_checkpoint_status_ended(row.status)) {
        elg_checkpoint_run_row_fini(&row);
        return ELG_OK;
    }
    status = elg__run_take(host, &row, error);
    if (status == ELG_NOT_FOUND) /* the run is there */
        status = graph_gone(&row, error);
    if (status != ELG_OK) /* who asked for it is told: no claim that counts */
        elg_checkpoint_hand_back(host->store, trace_id, false);
    elg_checkpoint_run_row_fini(&row);
    return status;
}

enum elg_status elg__run_abort(struct elg_host *host, const char *trace_id,
                               struct elg_error *error)
{
    struct elg_host_run *hr = elg__run_find(host, trace_id);
    enum elg_status status = ELG_OK;
    if (hr == NULL) {
        status = elg_checkpoint_abort_request(host->store, trace_id, error);
        if (status != ELG_OK)
            return status;
        status = elg__run_resume(host, trace_id, error);
        hr = elg__run_find(host, trace_id);
    }
    if (status == ELG_BUSY)
        return ELG_OK; /* its owner sees the request */
    if (status == ELG_OK && hr != NULL) {
        hr->abort_requested = true;
        elg__loop_ready(hr);
    }
    return status;
}

enum elg_status elg__run_release(struct elg_host *host, const char *trace_id,
                                 struct elg_error *error)
{
    struct elg_host_run *hr = elg__run_find(host, trace_id);
    if (hr == NULL)
        return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "not in hand");
    if (elg__commit_finishing(host->committer))
        return elg_base_fail(error, ELG_USAGE, trace_id,
                             "cannot be released from on_event; do it after the tick");
    elg__commit_drain(host);
    hr = elg__run_find(host, trace_id);
    if (hr != NULL)
        elg__run_forget(hr);
    return ELG_OK;
}
