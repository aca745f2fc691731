/* sqlite: the ops table of the SQLite back end. Provides elg_checkpoint_sqlite_ops; the
 * parts and the invariants are in sqlite.h.
 */
#include "checkpoint/sqlite.h"

static const struct elg_checkpoint_ops SQLITE_OPS = {
    .version = 1,
    .scheme = "sqlite",
    .open = elg_sqlite_open,
    .close = elg_sqlite_close,
    .graph_put = elg_sqlite_graph_put,
    .graph_get = elg_sqlite_graph_get,
    .reserve = elg_sqlite_reserve,
    .claim = elg_sqlite_claim,
    .release = elg_sqlite_release,
    .commit = elg_sqlite_commit,
    .run_get = elg_sqlite_run_get,
    .run_list = elg_sqlite_run_list,
    .journal = elg_sqlite_journal,
    .abort_request = elg_sqlite_abort_request,
    .abort_poll = elg_sqlite_abort_poll,
    .lease_until_us = elg_sqlite_lease_until_us,
    .wall_ms = elg_sqlite_wall_ms,
    .hand_back = elg_sqlite_hand_back,
    .work_fd = elg_sqlite_work_fd,
    .work_poll = elg_sqlite_work_poll,
    .work_due = elg_sqlite_work_due,
    .lease_lapses = elg_sqlite_lease_lapses,
    .trees_remove = elg_sqlite_trees_remove,
    .graphs_remove = elg_sqlite_graphs_remove,
    .references = elg_sqlite_references,
    .signal_put = elg_sqlite_signal_put,
    .signals = elg_sqlite_signals,
    .signal_poll = elg_sqlite_signal_poll,
    .schema_version = elg_sqlite_schema_version,
    .children = elg_sqlite_children,
    .claim_many = elg_sqlite_claim_many,
    .claim_named = elg_sqlite_claim_named,
    .hand_back_many = elg_sqlite_hand_back_many,
    .name = elg_sqlite_name,
    .reopen_many = elg_sqlite_reopen_many,
    .children_failed = elg_sqlite_children_failed,
};

const struct elg_checkpoint_ops *elg_checkpoint_sqlite_ops(void)
{
    return &SQLITE_OPS;
}
