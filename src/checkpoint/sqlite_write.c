/* sqlite_write: the frame of every writing transaction, and the WAL's checkpoints.
 *
 * Uses sqlite.h. Upholds S1, S2.
 */
#include "checkpoint/sqlite.h"

#define WAL_WAIT_MS 1000 /* past the hard limit, per transaction */

enum elg_status elg_sqlite_write_begin(struct elg_sqlite *sqlite, struct elg_error *error)
{
    pthread_mutex_lock(&sqlite->write_mutex);
    enum elg_status status = elg_sqlite_guard_shared(sqlite, error);
    if (status == ELG_OK) {
        status = elg_sqlite_run(&sqlite->writer, ELG_SQLITE_BEGIN_WRITE, error);
        if (status == ELG_OK)
            return ELG_OK;
        elg_sqlite_guard_end(sqlite);
    }
    pthread_mutex_unlock(&sqlite->write_mutex);
    return status;
}

static void wal_checkpoint_if_due(struct elg_sqlite *sqlite)
{
    int64_t bytes = (int64_t)sqlite->wal_pages * ELG_SQLITE_PAGE_BYTES;
    if (bytes >= ELG_SQLITE_WAL_BYTES_SOFT)
        elg_sqlite_wal_checkpoint(sqlite,
                                  bytes >= ELG_SQLITE_WAL_BYTES_HARD ? WAL_WAIT_MS : 0);
}

enum elg_status elg_sqlite_write_commit(struct elg_sqlite *sqlite,
                                        struct elg_error *error)
{
    enum elg_status status = elg_sqlite_run(&sqlite->writer, ELG_SQLITE_COMMIT, error);
    if (status != ELG_OK)
        elg_sqlite_rollback(&sqlite->writer);
    elg_sqlite_guard_end(sqlite);
    if (status == ELG_OK)
        wal_checkpoint_if_due(sqlite);
    pthread_mutex_unlock(&sqlite->write_mutex);
    return status;
}

void elg_sqlite_write_rollback(struct elg_sqlite *sqlite)
{
    elg_sqlite_rollback(&sqlite->writer);
    elg_sqlite_guard_end(sqlite);
    pthread_mutex_unlock(&sqlite->write_mutex);
}

/* A checkpoint that fails loses nothing: the WAL is whole, and the next one tries again.
 */
void elg_sqlite_wal_checkpoint(struct elg_sqlite *sqlite, int wait_ms)
{
    if (elg_sqlite_guard_exclusive(sqlite, wait_ms, NULL) != ELG_OK)
        return;
    if (sqlite3_wal_checkpoint_v2(sqlite->writer.db, "main", SQLITE_CHECKPOINT_PASSIVE,
                                  NULL, NULL) == SQLITE_OK)
        sqlite->wal_pages = 0;
    elg_sqlite_guard_end(sqlite);
}
