/* memory_next: which run is to be taken up next. Uses memory.h. */
#include "checkpoint/memory.h"

#include <string.h>

static bool next_takes(struct elg_memory *memory, const struct elg_memory_run *run,
                       const char *const *graph_ids, size_t graph_count)
{
    const struct elg_run_row *row = &run->row;
    bool wanted = graph_ids == NULL;
    if (run->tentative || elg_checkpoint_status_ended(row->status) ||
        elg_checkpoint_traces_get(&memory->owned, row->trace_id) != NULL)
        return false;
    if (row->due_ms == 0 ? row->status == ELG_RUN_WAITING
                         : row->due_ms > elg_base_wall_ms(memory->env.clock))
        return false;
    for (size_t i = 0; !wanted && i < graph_count; i++)
        wanted = strcmp(graph_ids[i], row->graph_id) == 0;
    return wanted;
}

/* True if a is to go before b: those with a time by it, then those without by age. */
static bool next_before(const struct elg_memory_run *a, const struct elg_memory_run *b)
{
    if ((a->row.due_ms == 0) != (b->row.due_ms == 0))
        return a->row.due_ms != 0;
    if (a->row.due_ms != b->row.due_ms)
        return a->row.due_ms < b->row.due_ms;
    if (a->row.created_at_ms != b->row.created_at_ms)
        return a->row.created_at_ms < b->row.created_at_ms;
    return a->order < b->order;
}

struct elg_memory_run *elg_memory_next(struct elg_memory *memory,
                                       const char *const *graph_ids, size_t graph_count)
{
    struct elg_memory_run *run, *next = NULL;
    size_t cursor = 0;
    while ((run = elg_checkpoint_traces_next(&memory->runs, &cursor)) != NULL) {
        if (next_takes(memory, run, graph_ids, graph_count) &&
            (next == NULL || next_before(run, next)))
            next = run;
    }
    return next;
}
