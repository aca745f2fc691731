/* sqlite_write: the frame of every writing transaction, and the WAL's checkpoints.
 *
 * Uses sqlite.h. Upholds S1, S2.
 */
#include "checkpoint/sqlite.h"

#include <string.h>

#define WAL_WAIT_MS 1000 /* past the hard limit, per transaction */
#define WAL_FRAME_BYTES (ELG_SQLITE_PAGE_BYTES + 24)
#define WAL_AHEAD_BYTES (64 << 10)
#define WAL_ROOM_BYTES_MAX (ELG_SQLITE_WAL_BYTES_SOFT + (256 << 10))

/* Writes zeros from `size` to `wanted`, which no reader of a WAL takes for frames. */
static bool zeros_write(sqlite3_file *wal, sqlite3_int64 size, sqlite3_int64 wanted)
{
    static const uint8_t ZEROS[WAL_AHEAD_BYTES];
    while (size < wanted) {
        sqlite3_int64 left = wanted - size;
        int piece = left < (int)sizeof ZEROS ? (int)left : (int)sizeof ZEROS;
        if (wal->pMethods->xWrite(wal, ZEROS, piece, size) != SQLITE_OK)
            return false;
        size += piece;
    }
    return true;
}

/* Makes the WAL's file longer than its frames, in ever larger pieces: a sync that finds
 * the file's size unchanged takes a third of the time of one that must write the new size
 * to the file system's journal. Under the write lock, so the file's end is nobody
 * else's. Failing is fine: the frames grow the file then, or say that they cannot. */
static void wal_make_room(struct elg_sqlite *sqlite)
{
    sqlite3_int64 size, used = (sqlite3_int64)sqlite->wal_pages * WAL_FRAME_BYTES;
    sqlite3_file *wal = NULL;
    if (used + WAL_AHEAD_BYTES <= sqlite->wal_room_bytes || used > WAL_ROOM_BYTES_MAX)
        return;
    if (sqlite3_file_control(sqlite->writer.db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
                             &wal) != SQLITE_OK ||
        wal == NULL || wal->pMethods == NULL ||
        wal->pMethods->xFileSize(wal, &size) != SQLITE_OK)
        return;
    sqlite3_int64 wanted = 2 * used + WAL_AHEAD_BYTES;
    if (wanted > WAL_ROOM_BYTES_MAX)
        wanted = WAL_ROOM_BYTES_MAX;
    if (size >= wanted || zeros_write(wal, size, wanted))
        sqlite->wal_room_bytes = size > wanted ? size : wanted;
}

enum elg_status elg_sqlite_write_begin(struct elg_sqlite *sqlite, struct elg_error *error)
{
    pthread_mutex_lock(&sqlite->write_mutex);
    enum elg_status status = elg_sqlite_guard_shared(sqlite, error);
    if (status == ELG_OK) {
        status = elg_sqlite_run(&sqlite->writer, ELG_SQLITE_BEGIN_WRITE, error);
        if (status == ELG_OK) {
            wal_make_room(sqlite);
            return ELG_OK;
        }
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
static void checkpoint(struct elg_sqlite *sqlite, int mode, int wait_ms)
{
    if (elg_sqlite_guard_exclusive(sqlite, wait_ms, NULL) != ELG_OK)
        return;
    if (sqlite3_wal_checkpoint_v2(sqlite->writer.db, "main", mode, NULL, NULL) ==
        SQLITE_OK)
        sqlite->wal_pages = 0;
    elg_sqlite_guard_end(sqlite);
}

void elg_sqlite_wal_checkpoint(struct elg_sqlite *sqlite, int wait_ms)
{
    checkpoint(sqlite, SQLITE_CHECKPOINT_PASSIVE, wait_ms);
}

void elg_sqlite_wal_empty(struct elg_sqlite *sqlite)
{
    sqlite3_busy_handler(sqlite->writer.db, NULL, NULL);
    checkpoint(sqlite, SQLITE_CHECKPOINT_TRUNCATE, 0);
}
