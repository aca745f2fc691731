/* memory_next: which run is to be taken up next, and when. Uses memory.h. */
#include "checkpoint/memory.h"

#include <string.h>

static bool is_owned(const struct elg_memory *memory, const struct elg_memory_run *run)
{
    return elg_checkpoint_traces_get(&memory->owned, run->row.trace_id) != NULL;
}

static bool same_graph(const struct elg_memory_run *a, const struct elg_memory_run *b)
{
    return strcmp(a->row.graph_id, b->row.graph_id) == 0;
}

/* Counts what the quota limits, over all runs of the graph. */
static bool quota_has_room(struct elg_memory *memory, const struct elg_memory_run *run)
{
    const struct elg_run_quota *quota = &run->row.quota;
    int64_t since_ms = elg_base_wall_ms(memory->env.clock) - quota->rate_ms;
    uint32_t running = 0, key_running = 0, begun = 0;
    struct elg_memory_run *other;
    size_t cursor = 0;
    if (!elg_checkpoint_has_quota(quota))
        return true;
    while ((other = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        if (!same_graph(run, other) || other->tentative)
            continue;
        begun += other->begun_ms > since_ms;
        if (!is_owned(memory, other) || elg_checkpoint_status_ended(other->row.status))
            continue;
        running++;
        key_running += strcmp(other->row.quota.key, quota->key) == 0;
    }
    return (quota->running_max == 0 || running < quota->running_max) &&
           (quota->key_running_max == 0 || key_running < quota->key_running_max) &&
           (quota->rate_count == 0 || run->begun_ms > 0 || begun < quota->rate_count);
}

static int64_t ready_ms(const struct elg_memory_run *run)
{
    return run->row.due_ms != 0 ? run->row.due_ms : run->row.created_at_ms;
}

struct wanted {
    const char *const *graph_ids; /* NULL: all */
    size_t graph_count;
    const struct elg_pass_over *passed;
};

static bool is_passed(const struct elg_pass_over *passed, const struct elg_run_row *row)
{
    bool jailed = passed != NULL && passed->jailed &&
                  elg_checkpoint_limits_jailed(elg_base_blob_bytes(row->limits));
    return jailed || elg_checkpoint_is_passed(passed, row->trace_id);
}

static bool next_takes(struct elg_memory *memory, const struct elg_memory_run *run,
                       const struct wanted *wanted)
{
    const struct elg_run_row *row = &run->row;
    bool of_these = wanted->graph_ids == NULL;
    if (run->tentative || elg_checkpoint_status_ended(row->status) ||
        is_owned(memory, run))
        return false;
    if (row->due_ms == 0 ? row->status == ELG_RUN_WAITING
                         : row->due_ms > elg_base_wall_ms(memory->env.clock))
        return false;
    for (size_t i = 0; !of_these && i < wanted->graph_count; i++)
        of_these = strcmp(wanted->graph_ids[i], row->graph_id) == 0;
    return of_these && !is_passed(wanted->passed, row) && quota_has_room(memory, run);
}

/* When a run of the same graph was last taken up. */
static uint64_t served(struct elg_memory *memory, const struct elg_memory_run *run)
{
    const struct elg_memory_run *other;
    uint64_t last = 0;
    size_t cursor = 0;
    while ((other = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        if (same_graph(run, other) && other->claimed > last)
            last = other->claimed;
    }
    return last;
}

/* True if a is to go before b. */
static bool next_before(struct elg_memory *memory, const struct elg_memory_run *a,
                        const struct elg_memory_run *b)
{
    if (a->row.quota.priority != b->row.quota.priority)
        return a->row.quota.priority > b->row.quota.priority;
    if (!same_graph(a, b) && served(memory, a) != served(memory, b))
        return served(memory, a) < served(memory, b);
    if (ready_ms(a) != ready_ms(b))
        return ready_ms(a) < ready_ms(b);
    return a->order < b->order;
}

static struct elg_memory_run *next_find(struct elg_memory *memory,
                                        const struct wanted *wanted)
{
    struct elg_memory_run *run, *next = NULL;
    size_t cursor = 0;
    while ((run = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        if (next_takes(memory, run, wanted) &&
            (next == NULL || next_before(memory, run, next)))
            next = run;
    }
    return next;
}

static void next_taken(struct elg_memory *memory, struct elg_memory_run *run)
{
    run->claimed = ++memory->claim_order;
    if (run->begun_ms == 0)
        run->begun_ms = elg_base_wall_ms(memory->env.clock);
}

int64_t elg_memory_lease_until_us(void *self)
{
    (void)self;
    return INT64_MAX;
}

int64_t elg_memory_wall_ms(void *self)
{
    struct elg_memory *memory = self;
    return elg_base_wall_ms(memory->env.clock);
}

/* One at a time: there is no disk to spare. */
enum elg_status elg_memory_claim_many(void *self, const char *const *graph_ids,
                                      size_t graph_count,
                                      const struct elg_pass_over *passed,
                                      struct elg_run_row *rows, size_t max, size_t *count,
                                      struct elg_error *error)
{
    (void)max;
    struct elg_memory *memory = self;
    const struct wanted wanted = {graph_ids, graph_count, passed};
    enum elg_status status = ELG_NOT_FOUND;
    pthread_mutex_lock(&memory->mutex);
    struct elg_memory_run *next = next_find(memory, &wanted);
    if (next != NULL)
        status = elg_memory_claim(memory, next);
    if (status == ELG_OK)
        next_taken(memory, next);
    if (status == ELG_OK)
        elg_checkpoint_run_row_copy(&next->row, &rows[0]);
    pthread_mutex_unlock(&memory->mutex);
    *count = status == ELG_OK;
    if (status == ELG_NO_MEMORY)
        elg_base_no_memory(error);
    if (status == ELG_NOT_FOUND)
        elg_base_fail(error, ELG_NOT_FOUND, "memory:", "no run waits to be taken up");
    return status;
}

void elg_memory_hand_back(void *self, const char *trace_id, bool tell)
{
    (void)tell;
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    if (run != NULL && run->row.claims > 0 &&
        elg_checkpoint_traces_get(&memory->owned, trace_id) != NULL)
        run->row.claims--;
    elg_memory_disown(memory, trace_id);
    pthread_mutex_unlock(&memory->mutex);
}

int elg_memory_work_fd(void *self)
{
    (void)self;
    return -1;
}

bool elg_memory_work_poll(void *self)
{
    (void)self; /* there is no other process */
    return false;
}

enum elg_status elg_memory_work_due(void *self, int64_t *due_ms, struct elg_error *error)
{
    (void)error;
    struct elg_memory *memory = self;
    struct elg_memory_run *run;
    size_t cursor = 0;
    int64_t now_ms = elg_base_wall_ms(memory->env.clock);
    *due_ms = INT64_MAX;
    pthread_mutex_lock(&memory->mutex);
    while ((run = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        const struct elg_run_row *row = &run->row;
        if (!run->tentative && !elg_checkpoint_status_ended(row->status) &&
            row->due_ms > now_ms && row->due_ms < *due_ms &&
            elg_checkpoint_traces_get(&memory->owned, row->trace_id) == NULL)
            *due_ms = row->due_ms;
    }
    pthread_mutex_unlock(&memory->mutex);
    return ELG_OK;
}

uint64_t elg_memory_lease_lapses(void *self)
{
    (void)self;
    return 0;
}

const char *elg_memory_name(void *self)
{
    (void)self;
    return "memory:";
}

int64_t elg_memory_schema_version(void *self)
{
    (void)self;
    return 0;
}
