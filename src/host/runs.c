/* runs: the runs in hand: begun, taken up, let go. Provides elg_run_start, _resume,
 * _abort, _release. */
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "host/internal.h"
#include "json/json.h"

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

void elg__run_forget(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    if (host->current == hr) {
        elg_sandbox_discard(host->box);
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
    elg_checkpoint_release(host->store, hr->run->row.trace_id);
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
        recall->status = elg__call_hydrate(recall->host, &row, recall->error);
    }
    if (recall->status == ELG_OK)
        recall->status =
            elg_executor_recall(recall->run, step, step ? NULL : &row, recall->error);
    if (step == NULL)
        elg_base_blob_unref(row.response);
    return recall->status == ELG_OK;
}

/* Where the run stands, from its journal. A state between checkpoints is recomputed. */
static enum elg_status recall_run(struct elg_host *host, struct elg_host_run *hr,
                                  struct elg_error *error)
{
    struct elg_run *run = hr->run;
    struct recall recall = {host, run, error, ELG_OK};
    int64_t from = (int64_t)run->row.step_count - 1;
    enum elg_status status =
        elg_checkpoint_journal(host->store, run->row.trace_id, from < 0 ? 0 : from, -1,
                               recall_row, &recall, error);
    if (status == ELG_OK)
        status = recall.status;
    if (status == ELG_OK)
        status = elg_executor_recalled(run, error);
    if (status != ELG_OK || run->state != NULL || run->phase == ELG_PHASE_INITIAL)
        return status;
    struct elg_buf state;
    elg_base_buf_init(&state, host->alloc);
    status = elg__replay_state(host, hr->graph, &run->row, from, &state, error);
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

/* ---- start
 * -------------------------------------------------------------------------------- */

static enum elg_status check_trace(const char *trace_id, struct elg_error *error)
{
    size_t n = strlen(trace_id);
    bool good = n > 0 && n <= ELG_TRACE_BYTES_MAX;
    for (size_t i = 0; i < n && good; i++) {
        char c = trace_id[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z') || strchr("._:-", c) != NULL;
    }
    if (good)
        return ELG_OK;
    return elg_base_fail(error, ELG_USAGE, "trace",
                         "a trace id has 1 to %d characters of A-Z a-z 0-9 . _ : -",
                         ELG_TRACE_BYTES_MAX);
}

static enum elg_status choose_trace(struct elg_host *host, struct elg_run_row *row,
                                    struct elg_error *error)
{
    uint8_t bytes[10];
    if (elg_base_random_fill(host->random, bytes, sizeof bytes) != ELG_OK)
        return elg_base_fail(error, ELG_IO, "random", "the system gives no random bytes");
    elg_base_uuid_v7(elg_base_wall_ms(host->clock), bytes, row->trace_id);
    return ELG_OK;
}

static enum elg_status choose_seed(struct elg_host *host, const char *given,
                                   struct elg_run_row *row, struct elg_error *error)
{
    uint8_t bytes[16];
    if (given != NULL) {
        if (strlen(given) > ELG_NAME_BYTES_MAX ||
            elg_json_check_utf8(elg_base_bytes(given)) != strlen(given))
            return elg_base_fail(error, ELG_USAGE, "seed",
                                 "a seed is at most %d bytes of UTF-8",
                                 ELG_NAME_BYTES_MAX);
        snprintf(row->seed, sizeof row->seed, "%s", given);
        return ELG_OK;
    }
    if (elg_base_random_fill(host->random, bytes, sizeof bytes) != ELG_OK)
        return elg_base_fail(error, ELG_IO, "random", "the system gives no random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(row->seed + 2 * i, 3, "%02x", bytes[i]);
    return ELG_OK;
}

static enum elg_status read_input(struct elg_host *host,
                                  const struct elg_run_options *options,
                                  struct elg_run_row *row, struct elg_error *error)
{
    struct elg_bytes text = {(const uint8_t *)options->input, options->input_size};
    if (options->input == NULL)
        text = elg_base_bytes("{}");
    struct elg_buf canonical;
    elg_base_buf_init(&canonical, host->alloc);
    enum elg_status status = elg_json_canonicalize(host->alloc, text, &canonical, error);
    if (status == ELG_INVALID || status == ELG_LIMIT) {
        char where[ELG_ERROR_WHERE_MAX];
        snprintf(where, sizeof where, "input %.200s", error ? error->where : "");
        status = elg_base_fail(error, ELG_INVALID, where, "%s", error ? error->text : "");
    }
    if (status == ELG_OK && canonical.size > ELG_STATE_BYTES_MAX)
        status = elg_base_fail(error, ELG_INVALID, "input",
                               "larger than %u bytes; keep large data in an artifact",
                               ELG_STATE_BYTES_MAX);
    if (status == ELG_OK) {
        row->input = elg_base_blob_create(host->alloc, elg_base_buf_bytes(&canonical));
        if (row->input == NULL)
            status = elg_base_no_memory(error);
    }
    elg_base_buf_fini(&canonical);
    return status;
}

static enum elg_status fill_row(struct elg_host *host, struct elg_graph *graph,
                                const struct elg_run_options *options,
                                struct elg_run_row *row, struct elg_error *error)
{
    struct elg_limits limits;
    enum elg_status status = ELG_OK;
    memset(row, 0, sizeof *row);
    if (options->trace_id != NULL) {
        status = check_trace(options->trace_id, error);
        snprintf(row->trace_id, sizeof row->trace_id, "%s", options->trace_id);
    } else {
        status = choose_trace(host, row, error);
    }
    if (status == ELG_OK)
        status = choose_seed(host, options->seed, row, error);
    if (status == ELG_OK)
        status = read_input(host, options, row, error);
    if (status != ELG_OK)
        return status;
    snprintf(row->graph_id, sizeof row->graph_id, "%s", elg_graph_id(graph->data));
    snprintf(row->graph_version, sizeof row->graph_version, "%s",
             elg_graph_version(graph->data));
    row->graph_hash = graph->hash;
    row->status = ELG_RUN_RUNNING;
    row->epoch = 1;
    row->created_at_ms = elg_base_wall_ms(host->clock);
    elg__limits_of_options(&host->options, &limits);
    row->limits = elg__limits_write(host->alloc, &limits);
    return row->limits != NULL ? ELG_OK : elg_base_no_memory(error);
}

static enum elg_status same_run(const struct elg_run_row *have,
                                const struct elg_run_row *want, struct elg_error *error)
{
    if (elg_base_hash_equal(&have->graph_hash, &want->graph_hash) &&
        elg_base_bytes_equal(elg_base_blob_bytes(have->input),
                             elg_base_blob_bytes(want->input)))
        return ELG_OK;
    return elg_base_fail(
        error, ELG_EXISTS, want->trace_id,
        "a run of this trace exists with another %s; choose another trace",
        elg_base_hash_equal(&have->graph_hash, &want->graph_hash) ? "input" : "graph");
}

/* A run of that trace may be there already: *exists says so, if graph and input agree. */
static enum elg_status look_for(struct elg_host *host, const struct elg_run_row *want,
                                bool *exists, struct elg_error *error)
{
    struct elg_host_run *hr = elg__run_find(host, want->trace_id);
    *exists = true;
    if (hr != NULL)
        return same_run(&hr->run->row, want, error);
    struct elg_run_row have;
    memset(&have, 0, sizeof have);
    enum elg_status status =
        elg_checkpoint_run_get(host->store, want->trace_id, &have, error);
    if (status == ELG_NOT_FOUND) {
        *exists = false;
        return ELG_OK;
    }
    if (status == ELG_OK) {
        status = same_run(&have, want, error);
        elg_checkpoint_run_row_fini(&have);
    }
    return status;
}

static enum elg_status start_new(struct elg_host *host, struct elg_graph *graph,
                                 struct elg_run_row *row, bool drawn,
                                 struct elg_error *error)
{
    struct elg_host_run *hr;
    enum elg_status status = elg__graph_keep(graph, error);
    if (status == ELG_OK)
        status = (drawn ? elg_checkpoint_reserve_new
                        : elg_checkpoint_reserve)(host->store, row->trace_id, error);
    if (status != ELG_OK)
        return status;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    snprintf(trace_id, sizeof trace_id, "%s", row->trace_id);
    status = elg__run_load(host, row, true, graph, &hr, error);
    if (status != ELG_OK)
        elg_checkpoint_release(host->store, trace_id);
    return status;
}

enum elg_status elg_run_start(struct elg_host *host, struct elg_graph *graph,
                              const struct elg_run_options *options, char *trace_out,
                              size_t trace_size, bool *created, struct elg_error *error)
{
    struct elg_run_row row;
    bool exists = false;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (host->run_count >= ELG_CONCURRENCY_MAX)
        return elg_base_fail(error, ELG_LIMIT, "host", "more than %d runs in hand",
                             ELG_CONCURRENCY_MAX);
    enum elg_status status = fill_row(host, graph, options, &row, error);
    if (status == ELG_OK && trace_out != NULL)
        snprintf(trace_out, trace_size, "%s", row.trace_id);
    if (status == ELG_OK && options->trace_id != NULL)
        status = look_for(host, &row, &exists, error);
    if (status == ELG_OK && exists)
        status = elg_run_resume(host, row.trace_id, error);
    else if (status == ELG_OK)
        status = start_new(host, graph, &row, options->trace_id == NULL, error);
    elg_checkpoint_run_row_fini(&row);
    if (status == ELG_OK && created != NULL)
        *created = !exists;
    return status;
}

/* ---- resume, abort, release
 * ---------------------------------------------------------------- */

enum elg_status elg_run_resume(struct elg_host *host, const char *trace_id,
                               struct elg_error *error)
{
    struct elg_run_row row;
    struct elg_graph *graph = NULL;
    struct elg_host_run *hr;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (elg__run_find(host, trace_id) != NULL)
        return ELG_OK;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_claim(host->store, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    if (elg_checkpoint_status_ended(row.status)) {
        elg_checkpoint_run_row_fini(&row);
        return ELG_OK;
    }
    status = elg__graph_stored(host, &row.graph_hash, &graph, error);
    if (status == ELG_OK)
        status = elg__run_load(host, &row, false, graph, &hr, error);
    if (status != ELG_OK)
        elg_checkpoint_release(host->store, trace_id);
    elg_graph_close(graph);
    elg_checkpoint_run_row_fini(&row);
    return status;
}

enum elg_status elg_run_abort(struct elg_host *host, const char *trace_id,
                              struct elg_error *error)
{
    struct elg_host_run *hr = elg__run_find(host, trace_id);
    enum elg_status status = ELG_OK;
    if (hr == NULL) {
        status = elg_checkpoint_abort_request(host->store, trace_id, error);
        if (status != ELG_OK)
            return status;
        status = elg_run_resume(host, trace_id, error);
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

enum elg_status elg_run_release(struct elg_host *host, const char *trace_id,
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
