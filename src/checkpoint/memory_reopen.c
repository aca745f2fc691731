/* memory_reopen: runs that ended go on. Uses memory.h. */
#include "checkpoint/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A run under way, as a turn that follows its end wants it. */
static void open_again(struct elg_run_row *row)
{
    row->status = ELG_RUN_RUNNING;
    row->epoch++;
    row->claims = 0;
    row->completed_at_ms = 0;
    row->abort_requested = false;
}

static bool may_reopen(const struct elg_memory *memory, const struct elg_run_row *next)
{
    const struct elg_memory_run *run =
        elg_checkpoint_traces_get(&memory->runs, next->trace_id);
    return run != NULL && !run->tentative && run->row.status != ELG_RUN_COMPLETED &&
           elg_checkpoint_status_ended(run->row.status) &&
           run->row.epoch + 1 == next->epoch;
}

/* The parent shall hear of the next end too. */
static void end_untell(struct elg_memory *memory, const struct elg_run_row *row)
{
    char key[ELG_NAME_BYTES_MAX + 1];
    struct elg_memory_run *parent =
        row->parent_trace_id[0] ? elg_memory_find(memory, row->parent_trace_id) : NULL;
    snprintf(key, sizeof key, "$%.127s", row->trace_id);
    for (size_t i = 0; parent != NULL && i < parent->signal_count; i++) {
        if (strcmp(parent->signals[i].row.key, key) != 0)
            continue;
        elg_checkpoint_signal_row_fini(&parent->signals[i].row);
        memmove(&parent->signals[i], &parent->signals[i + 1],
                (parent->signal_count - i - 1) * sizeof *parent->signals);
        parent->signal_count--;
        return;
    }
}

/* What is refused leaves all as they were: of turns that may reopen, commit refuses one
 * only for a gap, which is the caller's defect. */
static enum elg_status reopen_all(struct elg_memory *memory, struct elg_turn *turns,
                                  size_t turn_count, struct elg_run_row *before,
                                  struct elg_error *error)
{
    enum elg_status result = ELG_OK;
    for (size_t i = 0; i < turn_count; i++) {
        struct elg_run_row *row = &elg_memory_find(memory, turns[i].run->trace_id)->row;
        before[i] = *row;
        open_again(row);
    }
    enum elg_status status = elg_memory_commit(memory, turns, turn_count, error);
    for (size_t i = 0; i < turn_count && status == ELG_OK && result == ELG_OK; i++)
        result = turns[i].result;
    for (size_t i = 0; i < turn_count; i++) {
        struct elg_run_row *row = &elg_memory_find(memory, turns[i].run->trace_id)->row;
        if (status != ELG_OK || turns[i].result != ELG_OK)
            *row = before[i]; /* nothing was written: its references are as they were */
        else
            end_untell(memory, row);
        turns[i].result = result;
    }
    return status;
}

enum elg_status elg_memory_reopen_many(void *self, struct elg_turn *turns,
                                       size_t turn_count, struct elg_error *error)
{
    struct elg_memory *memory = self;
    enum elg_status status = ELG_OK;
    bool may = true;
    struct elg_run_row *before =
        elg_base_calloc(memory->env.alloc, turn_count * sizeof *before);
    if (before == NULL)
        return elg_base_no_memory(error);
    pthread_mutex_lock(&memory->mutex);
    for (size_t i = 0; i < turn_count; i++) {
        may = may && may_reopen(memory, turns[i].run);
        turns[i].result = ELG_FENCED;
    }
    if (may)
        status = reopen_all(memory, turns, turn_count, before, error);
    pthread_mutex_unlock(&memory->mutex);
    elg_base_free(memory->env.alloc, before, turn_count * sizeof *before);
    return status;
}
