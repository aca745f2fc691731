/* sqlite_work: handing runs back, and hearing of work. Uses sqlite.h.
 *
 * Whether another process wrote is told by the writer's data_version, which this
 * process's own commits do not change.
 */
#include "checkpoint/sqlite.h"

/* One number of a statement with at most one parameter; *found: there is a row, and it is
 * not NULL. With the connection's mutex held. */
static enum elg_status number_read(struct elg_sqlite_connection *connection,
                                   enum elg_sqlite_statement which, const char *text,
                                   int64_t number, int64_t *out, bool *found,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum elg_status status = elg_sqlite_statement(connection, which, &statement, error);
    if (status != ELG_OK)
        return status;
    if (text != NULL)
        sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    else if (sqlite3_bind_parameter_count(statement) > 0)
        sqlite3_bind_int64(statement, 1, number);
    status = elg_sqlite_step(connection, statement, found, error);
    if (status != ELG_OK || !*found)
        return status;
    *found = sqlite3_column_type(statement, 0) != SQLITE_NULL;
    *out = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return ELG_OK;
}

/* ---- handing back */

static enum elg_status unclaim_write(struct elg_sqlite *sqlite, const char *trace_id)
{
    sqlite3_stmt *statement = NULL;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_UNCLAIM, &statement, NULL);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    return elg_sqlite_write(&sqlite->writer, statement, &changes, NULL);
}

/* A count that cannot be taken back stays: it is the safe side (I11). Nobody is told:
 * others look once a second anyway, as a lock that goes with its process tells nobody. */
void elg_sqlite_hand_back(void *self, const char *trace_id, bool tell)
{
    (void)tell;
    struct elg_sqlite *sqlite = self;
    if (elg_sqlite_owned(sqlite, trace_id) &&
        elg_sqlite_write_begin(sqlite, NULL) == ELG_OK) {
        if (unclaim_write(sqlite, trace_id) == ELG_OK)
            elg_sqlite_write_commit(sqlite, NULL);
        else
            elg_sqlite_write_rollback(sqlite);
    }
    elg_sqlite_disown(sqlite, trace_id);
}

void elg_sqlite_hand_back_many(void *self, const char *const *trace_ids,
                               size_t trace_count)
{
    struct elg_sqlite *sqlite = self;
    enum elg_status status = elg_sqlite_write_begin(sqlite, NULL);
    if (status == ELG_OK) {
        for (size_t i = 0; status == ELG_OK && i < trace_count; i++) {
            if (elg_sqlite_owned(sqlite, trace_ids[i]))
                status = unclaim_write(sqlite, trace_ids[i]);
        }
        if (status == ELG_OK)
            elg_sqlite_write_commit(sqlite, NULL);
        else
            elg_sqlite_write_rollback(sqlite);
    }
    for (size_t i = 0; i < trace_count; i++)
        elg_sqlite_disown(sqlite, trace_ids[i]);
}

/* ---- hearing of work */

int elg_sqlite_work_fd(void *self)
{
    (void)self;
    return -1;
}

/* Does not wait for a commit that is under way: the next look comes soon. */
bool elg_sqlite_work_poll(void *self)
{
    struct elg_sqlite *sqlite = self;
    bool found = false, changed = false;
    int64_t version = 0;
    if (sqlite->lock_fd < 0 || pthread_mutex_trylock(&sqlite->write_mutex) != 0)
        return false;
    if (number_read(&sqlite->writer, ELG_SQLITE_VERSION_READ, NULL, 0, &version, &found,
                    NULL) == ELG_OK) {
        changed = version != sqlite->data_version;
        sqlite->data_version = version;
    }
    pthread_mutex_unlock(&sqlite->write_mutex);
    return changed;
}

enum elg_status elg_sqlite_work_due(void *self, int64_t *due_ms, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    bool found = false;
    int64_t now_ms = elg_base_wall_ms(sqlite->env.clock), due = 0;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = number_read(&sqlite->reader, ELG_SQLITE_DUE_READ, NULL,
                                         now_ms, &due, &found, error);
    pthread_mutex_unlock(&sqlite->read_mutex);
    if (status == ELG_OK)
        *due_ms = found ? due : INT64_MAX;
    return status;
}

uint64_t elg_sqlite_lease_lapses(void *self)
{
    (void)self; /* a lock goes with its process */
    return 0;
}

/* ---- reopening */

/* *changes 0: it has not ended so. */
static enum elg_status reopen_write(struct elg_sqlite *sqlite,
                                    const struct elg_run_row *run, int *changes,
                                    struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    int untold;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_REOPEN, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, run->trace_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)run->epoch);
    status = elg_sqlite_write(&sqlite->writer, statement, changes, error);
    if (status == ELG_OK)
        status = elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_REOPENED_UNTELL,
                                      &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, run->trace_id, -1, SQLITE_STATIC);
    return elg_sqlite_write(&sqlite->writer, statement, &untold, error);
}

static enum elg_status reopen_one(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                  struct elg_error *error)
{
    int changes = 0;
    bool again = false;
    enum elg_status status = reopen_write(sqlite, turn->run, &changes, error);
    turn->result = changes > 0 ? ELG_OK : ELG_FENCED;
    if (status == ELG_OK && turn->result == ELG_OK)
        status = elg_sqlite_turn_write(sqlite, turn, elg_base_wall_ms(sqlite->env.clock),
                                       &again, error);
    return status;
}

enum elg_status elg_sqlite_reopen_many(void *self, struct elg_turn *turns,
                                       size_t turn_count, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    enum elg_status result = ELG_OK;
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    for (size_t i = 0; i < turn_count && status == ELG_OK && result == ELG_OK; i++) {
        status = reopen_one(sqlite, &turns[i], error);
        result = turns[i].result;
    }
    for (size_t i = 0; i < turn_count; i++)
        turns[i].result = result;
    if (status == ELG_OK && result == ELG_OK)
        return elg_sqlite_write_commit(sqlite, error);
    elg_sqlite_write_rollback(sqlite);
    return status;
}
