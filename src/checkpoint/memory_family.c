/* memory_family: parents and children in memory. Uses memory.h, turn.h. */
#include "checkpoint/memory.h"
#include "checkpoint/turn.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- getting ready: all that may fail */

enum elg_status elg_memory_family_prepare(struct elg_memory *memory,
                                          const struct elg_turn *turn, size_t turn_count)
{
    for (size_t i = 0; i < turn->child_count; i++) {
        const char *trace_id = turn->children[i].trace_id;
        if (elg_checkpoint_traces_get(&memory->runs, trace_id) == NULL &&
            elg_memory_run_tentative(memory, trace_id) == NULL)
            return ELG_NO_MEMORY;
    }
    if (turn->run->parent_trace_id[0] == '\0' ||
        !elg_checkpoint_status_ended(turn->run->status))
        return ELG_OK;
    struct elg_memory_run *parent = elg_memory_find(memory, turn->run->parent_trace_id);
    return parent != NULL ? elg_memory_signals_reserve(memory, parent, turn_count)
                          : ELG_OK;
}

void elg_memory_family_settle(struct elg_memory *memory, const struct elg_turn *turn)
{
    for (size_t i = 0; i < turn->child_count; i++) {
        struct elg_memory_run *run =
            elg_checkpoint_traces_get(&memory->runs, turn->children[i].trace_id);
        if (run == NULL || !run->tentative)
            continue;
        elg_checkpoint_traces_remove(&memory->runs, run->row.trace_id);
        elg_memory_run_destroy(memory, run);
    }
}

bool elg_memory_family_graphs(struct elg_memory *memory, const struct elg_turn *turn)
{
    bool all = true;
    for (size_t i = 0; all && i < turn->child_count; i++)
        all = elg_memory_find(memory, turn->children[i].trace_id) != NULL ||
              elg_memory_graph_find(memory, &turn->children[i].graph_hash) != NULL;
    return all;
}

/* ---- writing; there is room */

void elg_memory_child_ended(struct elg_memory *memory, const struct elg_run_row *run,
                            int64_t now_ms)
{
    char key[ELG_NAME_BYTES_MAX + 1];
    struct elg_memory_run *parent =
        run->parent_trace_id[0] ? elg_memory_find(memory, run->parent_trace_id) : NULL;
    if (parent == NULL)
        return;
    snprintf(key, sizeof key, "$%.127s", run->trace_id);
    for (size_t i = 0; i < parent->signal_count; i++) {
        if (strcmp(parent->signals[i].row.key, key) == 0)
            return; /* it ended before, and was retried */
    }
    assert(parent->signal_count < parent->signal_capacity);
    struct elg_memory_signal *signal = &parent->signals[parent->signal_count++];
    memset(signal, 0, sizeof *signal);
    signal->row.signal_no = ++memory->signal_no;
    strcpy(signal->row.name, ELG_SIGNAL_CHILD);
    strcpy(signal->row.key, key);
    elg_memory_make_due(&parent->row, now_ms);
}

static void children_abort(struct elg_memory *memory, const char *trace_id,
                           int64_t now_ms)
{
    struct elg_memory_run *run;
    size_t cursor = 0;
    while ((run = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        if (run->tentative || strcmp(run->row.parent_trace_id, trace_id) != 0 ||
            elg_checkpoint_status_ended(run->row.status))
            continue;
        run->row.abort_requested = true;
        elg_memory_make_due(&run->row, now_ms);
    }
}

void elg_memory_family_write(struct elg_memory *memory, struct elg_memory_run *run,
                             const struct elg_turn *turn, int64_t now_ms)
{
    for (size_t i = 0; i < turn->child_count; i++) {
        struct elg_turn create = {.create = true, .run = &turn->children[i]};
        struct elg_memory_run *child =
            elg_checkpoint_traces_get(&memory->runs, turn->children[i].trace_id);
        if (child->tentative) /* else an earlier attempt began it */
            elg_memory_run_create(memory, child, &create, now_ms);
        run->row.has_children = true;
    }
    if (!elg_checkpoint_status_ended(turn->run->status))
        return;
    elg_memory_child_ended(memory, &run->row, now_ms);
    if (run->row.has_children && elg_checkpoint_turn_ends_children(turn))
        children_abort(memory, run->row.trace_id, now_ms);
}

/* A run that this step began and that failed; step < 0: one that has not ended. */
static bool is_meant(const struct elg_run_row *row, int64_t step)
{
    bool ended = elg_checkpoint_status_ended(row->status);
    if (step < 0)
        return !ended;
    return ended && row->parent_step == step && row->status != ELG_RUN_COMPLETED;
}

static enum elg_status children_walk(struct elg_memory *memory, const char *trace_id,
                                     int64_t step,
                                     void (*child)(void *self, const char *trace_id),
                                     void *child_self)
{
    const struct elg_memory_run *run;
    size_t cursor = 0;
    pthread_mutex_lock(&memory->mutex);
    while ((run = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        if (!run->tentative && strcmp(run->row.parent_trace_id, trace_id) == 0 &&
            is_meant(&run->row, step))
            child(child_self, run->row.trace_id);
    }
    pthread_mutex_unlock(&memory->mutex);
    return ELG_OK;
}

enum elg_status elg_memory_children_failed(void *self, const char *trace_id, int64_t step,
                                           void (*child)(void *self,
                                                         const char *trace_id),
                                           void *child_self, struct elg_error *error)
{
    (void)error;
    return children_walk(self, trace_id, step, child, child_self);
}

enum elg_status elg_memory_children(void *self, const char *trace_id,
                                    void (*child)(void *self, const char *trace_id),
                                    void *child_self, struct elg_error *error)
{
    (void)error;
    return children_walk(self, trace_id, -1, child, child_self);
}
