/* retry: a run that ended badly goes on, for whoever takes it up. Provides elg_run_retry.
 */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"
#include "host/public.h"

/* The end recorded and the run's row as it shall be: one turn, which opens it again. */
static enum elg_status reopen(struct elg_host *host, struct elg_run *run,
                              struct elg_error *error)
{
    struct elg_turn turn;
    struct elg_run_row row;
    enum elg_status status = elg_executor_retry(run, elg_base_wall_ms(host->clock),
                                                elg_sandbox_fingerprint(), error);
    if (status == ELG_OK)
        status = elg_executor_take(run, &turn, &row, error);
    if (status != ELG_OK)
        return status;
    row.epoch++;
    elg__commit_wait(host);
    status = elg_checkpoint_reopen(host->store, &turn, error);
    if (status == ELG_OK && turn.result != ELG_OK)
        status = elg_base_fail(error, turn.result, row.trace_id,
                               "somebody else has retried it meanwhile, or its journal "
                               "does not fit (%s)",
                               elg_status_name(turn.result));
    elg_executor_turn_fini(host->alloc, &turn, &row);
    return status;
}

/* What its end aborted is not opened again: a call that asks the same is told ABORTED. */
static void tell_children(struct elg_host *host, const struct elg_run_row *row)
{
    if (row->has_children &&
        (row->status == ELG_RUN_FAILED || row->status == ELG_RUN_TIMEOUT))
        elg__warn(host, row->trace_id, "retry",
                  "children that had not ended when it did were aborted and stay so: the "
                  "calls of the new attempt that ask for the same children are told "
                  "ABORTED; with ctx.attempt in the input it is another child");
}

static enum elg_status retry_row(struct elg_host *host, struct elg_run_row *row,
                                 struct elg_error *error)
{
    struct elg_graph *graph = NULL;
    struct elg_run *run = NULL;
    enum elg_status status = elg__boxes_graph(host, row, &graph, error);
    if (status != ELG_OK)
        return status;
    status = elg_executor_create(host->alloc, host->sha, host->intern, graph->data, row,
                                 false, &run, error);
    if (status == ELG_OK)
        status = elg__run_recall(host, run, error);
    if (status == ELG_OK)
        status = reopen(host, run, error);
    elg_executor_destroy(run);
    elg_graph_close(graph);
    return status;
}

enum elg_status elg__run_retry(struct elg_host *host, const char *trace_id,
                               struct elg_error *error)
{
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (elg__run_find(host, trace_id) != NULL)
        return elg_base_fail(error, ELG_USAGE, trace_id, "has not ended");
    enum elg_status status = elg_checkpoint_run_get(host->store, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    struct elg_run_row ended = row; /* of names only */
    if (elg_checkpoint_status_ended(row.status))
        status = retry_row(host, &row, error);
    else
        status = elg_base_fail(error, ELG_USAGE, trace_id, "has not ended: it is %s",
                               elg_checkpoint_status_name(row.status));
    if (status == ELG_OK)
        tell_children(host, &ended);
    elg_checkpoint_run_row_fini(&row);
    host->serving.look_us = 0;
    return status;
}
