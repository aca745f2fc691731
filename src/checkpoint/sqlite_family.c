/* sqlite_family: parents and children. Uses sqlite.h, turn.h.
 *
 * What a turn does to other runs goes with it: it begins children, tells the parent of
 * the end of a child, and asks the children of a run that ends to abort.
 */
#include "checkpoint/sqlite.h"
#include "checkpoint/turn.h"

/* A statement of the writer: the time first, if it wants one, then the trace. */
static enum elg_status run_of(struct elg_sqlite *sqlite, enum elg_sqlite_statement which,
                              int64_t now_ms, const char *trace_id,
                              struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, which, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    if (now_ms != 0)
        elg_sqlite_bind_int(&bind, now_ms);
    elg_sqlite_bind_text(&bind, trace_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    return status == ELG_OK
               ? elg_sqlite_write(&sqlite->writer, statement, &changes, error)
               : status;
}

enum elg_status elg_sqlite_children_begin(struct elg_sqlite *sqlite,
                                          struct elg_turn *turn, int64_t now_ms,
                                          struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    for (size_t i = 0; status == ELG_OK && i < turn->child_count; i++) {
        struct elg_turn child = {.create = true, .run = &turn->children[i]};
        status = elg_sqlite_run_create(sqlite, &child, now_ms, error);
        if (child.result == ELG_NOT_FOUND) /* EXISTS: an earlier attempt began it */
            turn->result = ELG_NOT_FOUND;
    }
    if (status == ELG_OK && turn->child_count > 0)
        status = run_of(sqlite, ELG_SQLITE_CHILDREN_MARK, 0, turn->run->trace_id, error);
    return status;
}

enum elg_status elg_sqlite_child_ended(struct elg_sqlite *sqlite,
                                       const struct elg_run_row *run, int64_t now_ms,
                                       struct elg_error *error)
{
    if (run->parent_trace_id[0] == '\0')
        return ELG_OK;
    enum elg_status status =
        run_of(sqlite, ELG_SQLITE_CHILD_TELL, now_ms, run->trace_id, error);
    return status == ELG_OK ? run_of(sqlite, ELG_SQLITE_SIGNAL_WAKE, now_ms,
                                     run->parent_trace_id, error)
                            : status;
}

enum elg_status elg_sqlite_family_write(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                        int64_t now_ms, struct elg_error *error)
{
    enum elg_status status = elg_sqlite_children_begin(sqlite, turn, now_ms, error);
    if (status != ELG_OK || !elg_checkpoint_status_ended(turn->run->status))
        return status;
    status = elg_sqlite_child_ended(sqlite, turn->run, now_ms, error);
    if (status == ELG_OK && elg_checkpoint_turn_ends_children(turn))
        status =
            run_of(sqlite, ELG_SQLITE_CHILDREN_ABORT, now_ms, turn->run->trace_id, error);
    return status;
}

/* Gives the traces that the reader's statement says; step < 0: it has none. */
static enum elg_status children_read(struct elg_sqlite *sqlite,
                                     enum elg_sqlite_statement which,
                                     const char *trace_id, int64_t step,
                                     void (*child)(void *self, const char *trace_id),
                                     void *child_self, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found = true;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, which, &statement, error);
    if (status == ELG_OK)
        sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    if (status == ELG_OK && step >= 0)
        sqlite3_bind_int64(statement, 2, step);
    while (status == ELG_OK && found) {
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status == ELG_OK && found && sqlite3_column_text(statement, 0) != NULL)
            child(child_self, (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

enum elg_status elg_sqlite_children(void *self, const char *trace_id,
                                    void (*child)(void *self, const char *trace_id),
                                    void *child_self, struct elg_error *error)
{
    return children_read(self, ELG_SQLITE_CHILDREN_READ, trace_id, -1, child, child_self,
                         error);
}

enum elg_status elg_sqlite_children_failed(void *self, const char *trace_id, int64_t step,
                                           void (*child)(void *self,
                                                         const char *trace_id),
                                           void *child_self, struct elg_error *error)
{
    return children_read(self, ELG_SQLITE_CHILDREN_FAILED, trace_id, step, child,
                         child_self, error);
}
