/* memory: the store that forgets; the reference of the contract specs.
 *
 * Provides elg_checkpoint_memory_ops. Uses traces, turn. One mutex over everything. Must
 * not know files or SQL.
 */
#include "checkpoint/memory.h"
#include "checkpoint/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs and records */

struct elg_memory_run *elg_memory_find(struct elg_memory *memory, const char *trace_id)
{
    struct elg_memory_run *run = elg_checkpoint_traces_get(&memory->runs, trace_id);
    return run != NULL && !run->tentative ? run : NULL;
}

void elg_memory_record_fini(struct elg_record *record)
{
    if (record->kind == ELG_RECORD_STEP)
        elg_checkpoint_step_row_fini(&record->row.step);
    else
        elg_checkpoint_activity_row_fini(&record->row.activity);
}

void elg_memory_run_destroy(struct elg_memory *memory, struct elg_memory_run *run)
{
    for (size_t i = 0; i < run->record_count; i++)
        elg_memory_record_fini(&run->records[i]);
    elg_memory_signals_fini(memory, run);
    elg_base_free(memory->env.alloc, run->records,
                  run->record_capacity * sizeof *run->records);
    elg_checkpoint_run_row_fini(&run->row);
    elg_base_free(memory->env.alloc, run, sizeof *run);
}

struct record_key {
    int64_t step_index;
    uint32_t attempt;
    int64_t seq; /* -1: the step row itself */
};

static struct record_key key_of(const struct elg_record *record)
{
    struct record_key key;
    if (record->kind == ELG_RECORD_STEP) {
        key.step_index = record->row.step.step_index;
        key.attempt = record->row.step.attempt;
        key.seq = -1;
    } else {
        key.step_index = record->row.activity.step_index;
        key.attempt = record->row.activity.attempt;
        key.seq = record->row.activity.seq;
    }
    return key;
}

int elg_memory_record_compare(const struct elg_record *a, const struct elg_record *b)
{
    struct record_key x = key_of(a), y = key_of(b);
    if (x.step_index != y.step_index)
        return x.step_index < y.step_index ? -1 : 1;
    if (x.attempt != y.attempt)
        return x.attempt < y.attempt ? -1 : 1;
    return x.seq < y.seq ? -1 : x.seq > y.seq;
}

size_t elg_memory_record_find(const struct elg_memory_run *run,
                              const struct elg_record *key)
{
    size_t low = 0, high = run->record_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (elg_memory_record_compare(&run->records[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- open and close */

static enum elg_status memory_open(const char *location,
                                   const struct elg_checkpoint_env *env, void **out,
                                   struct elg_error *error)
{
    (void)location;
    struct elg_memory *memory = elg_base_calloc(env->alloc, sizeof *memory);
    if (memory == NULL)
        return elg_base_no_memory(error);
    memory->env = *env;
    pthread_mutex_init(&memory->mutex, NULL);
    elg_checkpoint_traces_init(&memory->runs, env->alloc);
    elg_checkpoint_traces_init(&memory->owned, env->alloc);
    *out = memory;
    return ELG_OK;
}

static void memory_close(void *self)
{
    struct elg_memory *memory = self;
    const struct elg_alloc *alloc = memory->env.alloc;
    void *value;
    size_t cursor = 0;
    while ((value = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL)
        elg_memory_run_destroy(memory, value);
    cursor = 0;
    while ((value = elg_checkpoint_traces_next(&memory->owned, &cursor)) != NULL)
        elg_base_free(alloc, value, sizeof(struct elg_memory_owned));
    for (size_t i = 0; i < memory->graph_count; i++)
        elg_checkpoint_graph_row_fini(&memory->graphs[i]);
    elg_base_free(alloc, memory->graphs, memory->graph_capacity * sizeof *memory->graphs);
    elg_checkpoint_traces_fini(&memory->runs);
    elg_checkpoint_traces_fini(&memory->owned);
    pthread_mutex_destroy(&memory->mutex);
    elg_base_free(alloc, memory, sizeof *memory);
}

/* ---- graphs */

struct elg_graph_row *elg_memory_graph_find(struct elg_memory *memory,
                                            const struct elg_hash *hash)
{
    for (size_t i = 0; i < memory->graph_count; i++) {
        if (elg_base_hash_equal(&memory->graphs[i].hash, hash))
            return &memory->graphs[i];
    }
    return NULL;
}

static enum elg_status graph_append(struct elg_memory *memory,
                                    const struct elg_graph_row *row,
                                    struct elg_error *error)
{
    if (memory->graph_count == memory->graph_capacity) {
        size_t capacity = memory->graph_capacity * 2 + 4, size = sizeof *memory->graphs;
        void *grown = elg_base_realloc(memory->env.alloc, memory->graphs,
                                       memory->graph_capacity * size, capacity * size);
        if (grown == NULL)
            return elg_base_no_memory(error);
        memory->graphs = grown;
        memory->graph_capacity = capacity;
    }
    memory->graphs[memory->graph_count++] = *row;
    elg_base_blob_ref(row->definition);
    return ELG_OK;
}

static enum elg_status memory_graph_put(void *self, const struct elg_graph_row *row,
                                        struct elg_error *error)
{
    struct elg_memory *memory = self;
    enum elg_status status = ELG_OK;
    pthread_mutex_lock(&memory->mutex);
    if (elg_memory_graph_find(memory, &row->hash) == NULL)
        status = graph_append(memory, row, error);
    pthread_mutex_unlock(&memory->mutex);
    return status;
}

static enum elg_status memory_graph_get(void *self, const struct elg_hash *hash,
                                        struct elg_graph_row *out,
                                        struct elg_error *error)
{
    struct elg_memory *memory = self;
    enum elg_status status = ELG_OK;
    pthread_mutex_lock(&memory->mutex);
    const struct elg_graph_row *row = elg_memory_graph_find(memory, hash);
    if (row != NULL) {
        *out = *row;
        elg_base_blob_ref(out->definition);
    } else {
        char hex[ELG_HASH_HEX_SIZE];
        elg_base_hash_hex(hash, hex);
        status = elg_base_fail(error, ELG_NOT_FOUND, hex, "no graph has this hash");
    }
    pthread_mutex_unlock(&memory->mutex);
    return status;
}

/* ---- owning */

static enum elg_status own(struct elg_memory *memory, const char *trace_id)
{
    struct elg_memory_owned *owned = elg_checkpoint_traces_get(&memory->owned, trace_id);
    if (owned != NULL) {
        owned->abort_reported = false;
        return ELG_OK;
    }
    owned = elg_base_calloc(memory->env.alloc, sizeof *owned);
    if (owned == NULL)
        return ELG_NO_MEMORY;
    strcpy(owned->trace_id, trace_id);
    if (elg_checkpoint_traces_put(&memory->owned, owned->trace_id, owned))
        return ELG_OK;
    elg_base_free(memory->env.alloc, owned, sizeof *owned);
    return ELG_NO_MEMORY;
}

void elg_memory_disown(struct elg_memory *memory, const char *trace_id)
{
    void *owned = elg_checkpoint_traces_remove(&memory->owned, trace_id);
    elg_base_free(memory->env.alloc, owned, sizeof(struct elg_memory_owned));
}

static enum elg_status memory_reserve(void *self, const char *trace_id,
                                      struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    enum elg_status status = own(memory, trace_id);
    pthread_mutex_unlock(&memory->mutex);
    return status == ELG_OK ? ELG_OK : elg_base_no_memory(error);
}

static void memory_release(void *self, const char *trace_id)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    elg_memory_disown(memory, trace_id);
    pthread_mutex_unlock(&memory->mutex);
}

static enum elg_status quarantine(struct elg_memory *memory, struct elg_memory_run *run)
{
    struct elg_memory_run *parent = elg_memory_find(memory, run->row.parent_trace_id);
    if (parent != NULL && elg_memory_signals_reserve(memory, parent, 1) != ELG_OK)
        return ELG_NO_MEMORY;
    char step[24];
    const char *owner = memory->env.owner != NULL ? memory->env.owner : "";
    snprintf(step, sizeof step, "%llu", (unsigned long long)run->row.step_count);
    struct elg_blob *error =
        elg_checkpoint_quarantine_error(memory->env.alloc, owner, step);
    if (error == NULL)
        return ELG_NO_MEMORY;
    elg_base_blob_unref(run->row.error);
    run->row.error = error;
    run->row.status = ELG_RUN_QUARANTINED;
    run->row.completed_at_ms = elg_base_wall_ms(memory->env.clock);
    elg_memory_child_ended(memory, &run->row, run->row.completed_at_ms);
    return ELG_OK;
}

enum elg_status elg_memory_claim(struct elg_memory *memory, struct elg_memory_run *run)
{
    enum elg_status status;
    if (elg_checkpoint_status_ended(run->row.status))
        return ELG_OK;
    if (run->row.claims >= ELG_CLAIMS_MAX) {
        status = quarantine(memory, run);
        if (status == ELG_OK)
            elg_memory_disown(memory, run->row.trace_id);
    } else {
        status = own(memory, run->row.trace_id);
    }
    if (status != ELG_OK)
        return status;
    run->row.epoch++;
    run->row.claims++;
    run->row.updated_at_ms = elg_base_wall_ms(memory->env.clock);
    return ELG_OK;
}

static enum elg_status run_missing(const char *trace_id, struct elg_error *error)
{
    return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "no such run in this store");
}

static enum elg_status memory_claim(void *self, const char *trace_id,
                                    struct elg_run_row *out, struct elg_error *error)
{
    struct elg_memory *memory = self;
    enum elg_status status = ELG_NOT_FOUND;
    pthread_mutex_lock(&memory->mutex);
    struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    if (run != NULL)
        status = elg_memory_claim(memory, run);
    if (status == ELG_OK)
        elg_checkpoint_run_row_copy(&run->row, out);
    pthread_mutex_unlock(&memory->mutex);
    if (status == ELG_NO_MEMORY)
        elg_base_no_memory(error);
    if (status == ELG_NOT_FOUND)
        run_missing(trace_id, error);
    return status;
}

static enum elg_status memory_commit(void *self, struct elg_turn *turns,
                                     size_t turn_count, struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    enum elg_status status = elg_memory_commit(memory, turns, turn_count, error);
    pthread_mutex_unlock(&memory->mutex);
    return status;
}

/* ---- reading */

static enum elg_status memory_run_get(void *self, const char *trace_id,
                                      struct elg_run_row *out, struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    if (run != NULL)
        elg_checkpoint_run_row_copy(&run->row, out);
    pthread_mutex_unlock(&memory->mutex);
    return run != NULL ? ELG_OK : run_missing(trace_id, error);
}

static int newest_first(const void *a, const void *b)
{
    const struct elg_memory_run *x = *(struct elg_memory_run *const *)a;
    const struct elg_memory_run *y = *(struct elg_memory_run *const *)b;
    if (x->row.created_at_ms != y->row.created_at_ms)
        return x->row.created_at_ms > y->row.created_at_ms ? -1 : 1;
    return x->order > y->order ? -1 : x->order < y->order;
}

static bool filter_takes(const struct elg_run_filter *filter,
                         const struct elg_run_row *row)
{
    return (filter->statuses & 1u << row->status) != 0 &&
           row->created_at_ms >= filter->since_ms &&
           row->created_at_ms < filter->until_ms &&
           (filter->graph_id == NULL || strcmp(filter->graph_id, row->graph_id) == 0);
}

/* What a list shows of a run: its payloads are left out. */
static bool summary_give(const struct elg_run_row *row, elg_run_row_fn give, void *self)
{
    struct elg_run_row summary = *row;
    summary.input = summary.initial_state = summary.limits = NULL;
    return give(self, &summary);
}

/* Where a list goes on behind that trace. */
static size_t after_of(struct elg_memory_run *const *runs, size_t count,
                       const char *after)
{
    size_t i = 0;
    while (after != NULL && i < count && strcmp(runs[i]->row.trace_id, after) != 0)
        i++;
    return after != NULL ? i + 1 : 0;
}

static enum elg_status memory_run_list(void *self, const struct elg_run_filter *filter,
                                       elg_run_row_fn row, void *row_self,
                                       struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    if (filter->after != NULL && elg_memory_find(memory, filter->after) == NULL) {
        pthread_mutex_unlock(&memory->mutex);
        return run_missing(filter->after, error);
    }
    size_t count = memory->runs.count, cursor = 0;
    struct elg_memory_run **runs =
        elg_base_realloc(memory->env.alloc, NULL, 0, count * sizeof *runs);
    if (runs != NULL) {
        for (size_t i = 0; i < count; i++)
            runs[i] = elg_checkpoint_traces_next(&memory->runs, &cursor);
        qsort(runs, count, sizeof *runs, newest_first);
        for (size_t i = after_of(runs, count, filter->after); i < count; i++) {
            if (filter_takes(filter, &runs[i]->row) &&
                !summary_give(&runs[i]->row, row, row_self))
                break;
        }
    }
    elg_base_free(memory->env.alloc, runs, count * sizeof *runs);
    pthread_mutex_unlock(&memory->mutex);
    return runs != NULL || count == 0 ? ELG_OK : elg_base_no_memory(error);
}

static void journal_read(const struct elg_memory_run *run, int64_t from, int64_t to,
                         elg_journal_row_fn row, void *row_self)
{
    struct elg_record first = {.kind = ELG_RECORD_STEP};
    first.row.step.step_index = from;
    for (size_t i = elg_memory_record_find(run, &first); i < run->record_count; i++) {
        const struct elg_record *record = &run->records[i];
        bool is_step = record->kind == ELG_RECORD_STEP;
        if (to >= 0 && key_of(record).step_index > to)
            return;
        if (!row(row_self, is_step ? &record->row.step : NULL,
                 is_step ? NULL : &record->row.activity))
            return;
    }
}

static enum elg_status memory_journal(void *self, const char *trace_id, int64_t from,
                                      int64_t to, elg_journal_row_fn row, void *row_self,
                                      struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    const struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    if (run != NULL)
        journal_read(run, from, to, row, row_self);
    pthread_mutex_unlock(&memory->mutex);
    return run != NULL ? ELG_OK : run_missing(trace_id, error);
}

/* ---- aborts */

static enum elg_status memory_abort_request(void *self, const char *trace_id,
                                            struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    if (run != NULL && !run->row.abort_requested &&
        !elg_checkpoint_status_ended(run->row.status)) {
        run->row.abort_requested = true;
        run->row.updated_at_ms = elg_base_wall_ms(memory->env.clock);
    }
    pthread_mutex_unlock(&memory->mutex);
    return run != NULL ? ELG_OK : run_missing(trace_id, error);
}

static enum elg_status memory_abort_poll(void *self, elg_run_row_fn row, void *row_self,
                                         struct elg_error *error)
{
    (void)error;
    struct elg_memory *memory = self;
    struct elg_memory_owned *owned;
    size_t cursor = 0;
    pthread_mutex_lock(&memory->mutex);
    while ((owned = elg_checkpoint_traces_next(&memory->owned, &cursor)) != NULL) {
        struct elg_memory_run *run = elg_memory_find(memory, owned->trace_id);
        if (run == NULL || !run->row.abort_requested || owned->abort_reported ||
            elg_checkpoint_status_ended(run->row.status))
            continue;
        owned->abort_reported = true;
        if (!row(row_self, &run->row))
            break;
    }
    pthread_mutex_unlock(&memory->mutex);
    return ELG_OK;
}

static const struct elg_checkpoint_ops MEMORY_OPS = {
    .version = 1,
    .scheme = "memory",
    .open = memory_open,
    .close = memory_close,
    .graph_put = memory_graph_put,
    .graph_get = memory_graph_get,
    .reserve = memory_reserve,
    .claim = memory_claim,
    .release = memory_release,
    .commit = memory_commit,
    .run_get = memory_run_get,
    .run_list = memory_run_list,
    .journal = memory_journal,
    .abort_request = memory_abort_request,
    .abort_poll = memory_abort_poll,
    .lease_until_us = elg_memory_lease_until_us,
    .wall_ms = elg_memory_wall_ms,
    .claim_many = elg_memory_claim_many,
    .hand_back = elg_memory_hand_back,
    .work_fd = elg_memory_work_fd,
    .work_poll = elg_memory_work_poll,
    .work_due = elg_memory_work_due,
    .lease_lapses = elg_memory_lease_lapses,
    .trees_remove = elg_memory_trees_remove,
    .graphs_remove = elg_memory_graphs_remove,
    .references = elg_memory_references,
    .signal_put = elg_memory_signal_put,
    .signals = elg_memory_signals,
    .signal_poll = elg_memory_signal_poll,
    .schema_version = elg_memory_schema_version,
    .children = elg_memory_children,
    .name = elg_memory_name,
    .reopen_many = elg_memory_reopen_many,
    .children_failed = elg_memory_children_failed,
};

const struct elg_checkpoint_ops *elg_checkpoint_memory_ops(void)
{
    return &MEMORY_OPS;
}
