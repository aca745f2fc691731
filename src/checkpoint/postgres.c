/* postgres: the ops table of the Postgres back end. Provides elg_checkpoint_postgres_ops;
 * the parts and the invariants are in postgres.h.
 */
#include "checkpoint/postgres_signal.h"

static const struct elg_checkpoint_ops POSTGRES_OPS = {
    .version = 1,
    .scheme = "postgres",
    .open = elg_postgres_open,
    .close = elg_postgres_close,
    .graph_put = elg_postgres_graph_put,
    .graph_get = elg_postgres_graph_get,
    .reserve = elg_postgres_reserve,
    .claim = elg_postgres_claim,
    .release = elg_postgres_release,
    .commit = elg_postgres_commit,
    .run_get = elg_postgres_run_get,
    .run_list = elg_postgres_run_list,
    .journal = elg_postgres_journal,
    .abort_request = elg_postgres_abort_request,
    .abort_poll = elg_postgres_abort_poll,
    .lease_until_us = elg_postgres_lease_until_us,
    .wall_ms = elg_postgres_wall_ms,
    .reserve_new = elg_postgres_reserve_new,
    .hand_back = elg_postgres_hand_back,
    .work_fd = elg_postgres_work_fd,
    .work_poll = elg_postgres_work_poll,
    .artifact_put = elg_postgres_artifact_put,
    .artifact_get = elg_postgres_artifact_get,
    .artifact_list = elg_postgres_artifact_list,
    .artifact_remove = elg_postgres_artifact_remove,
    .work_due = elg_postgres_work_due,
    .lease_lapses = elg_postgres_lease_lapses,
    .trees_remove = elg_postgres_trees_remove,
    .graphs_remove = elg_postgres_graphs_remove,
    .references = elg_postgres_references,
    .signal_put = elg_postgres_signal_put,
    .signals = elg_postgres_signals,
    .signal_poll = elg_postgres_signal_poll,
    .schema_version = elg_postgres_schema_version,
    .children = elg_postgres_children,
    .claim_many = elg_postgres_claim_many,
    .claim_named = elg_postgres_claim_named,
    .hand_back_many = elg_postgres_hand_back_many,
    .name = elg_postgres_name,
    .reopen_many = elg_postgres_reopen_many,
    .children_failed = elg_postgres_children_failed,
};

const struct elg_checkpoint_ops *elg_checkpoint_postgres_ops(void)
{
    return &POSTGRES_OPS;
}
