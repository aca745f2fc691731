/* sqlite_sweep: free runs that no search for the next one meets: those that a dead
 * process held become free, those that wait for what is no time are told of. Uses
 * sqlite.h.
 */
#include "checkpoint/sqlite.h"

#include <string.h>

#define ORPHANS_MAX 256
#define SWEEP_US 1000000

struct orphan {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    int64_t epoch;
};

static enum elg_status orphans_read(struct elg_sqlite *sqlite, struct orphan *orphans,
                                    size_t *count, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found = true;
    *count = 0;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_ORPHANS_READ, &statement, error);
    while (status == ELG_OK && *count < ORPHANS_MAX) {
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            break;
        const char *trace_id = (const char *)sqlite3_column_text(statement, 0);
        if (trace_id == NULL || strlen(trace_id) > ELG_TRACE_BYTES_MAX ||
            !elg_sqlite_is_orphan(sqlite, trace_id))
            continue;
        strcpy(orphans[*count].trace_id, trace_id);
        orphans[(*count)++].epoch = sqlite3_column_int64(statement, 1);
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

static enum elg_status orphan_free(struct elg_sqlite *sqlite, const struct orphan *orphan,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_ORPHAN_FREE, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, orphan->trace_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, orphan->epoch);
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

static enum elg_status orphans_free(struct elg_sqlite *sqlite,
                                    const struct orphan *orphans, size_t count,
                                    struct elg_error *error)
{
    if (count == 0)
        return ELG_OK;
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    for (size_t i = 0; status == ELG_OK && i < count; i++)
        status = orphan_free(sqlite, &orphans[i], error);
    if (status == ELG_OK)
        return elg_sqlite_write_commit(sqlite, error);
    elg_sqlite_write_rollback(sqlite);
    return status;
}

void elg_sqlite_unread_tell(const struct elg_pass_over *passed, const char *trace_id,
                            const struct elg_error *why)
{
    if (passed != NULL && passed->unread != NULL)
        passed->unread(passed->unread_self, trace_id, why);
}

/* Runs that wait for a time that is none: no search by time meets them. */
static enum elg_status strays_tell(struct elg_sqlite *sqlite,
                                   const struct elg_pass_over *passed,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found = true;
    if (passed == NULL || passed->unread == NULL)
        return ELG_OK;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_NEXT_STRAYS, &statement, error);
    if (status == ELG_OK)
        sqlite3_bind_int64(statement, 1, ELG_TIME_MS_MAX);
    while (status == ELG_OK) {
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            break;
        elg_sqlite_stray_tell(&sqlite->reader, statement, passed->unread,
                              passed->unread_self);
    }
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

enum elg_status elg_sqlite_sweep(struct elg_sqlite *sqlite,
                                 const struct elg_pass_over *passed,
                                 struct elg_error *error)
{
    int64_t now_us = elg_base_monotonic_us(sqlite->env.clock);
    size_t count;
    if (sqlite->swept && !sqlite->sweep_due && now_us - sqlite->sweep_us < SWEEP_US)
        return ELG_OK;
    struct orphan *orphans =
        elg_base_calloc(sqlite->env.alloc, ORPHANS_MAX * sizeof *orphans);
    if (orphans == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = orphans_read(sqlite, orphans, &count, error);
    if (status == ELG_OK)
        status = orphans_free(sqlite, orphans, count, error);
    if (status == ELG_OK)
        status = strays_tell(sqlite, passed, error);
    elg_base_free(sqlite->env.alloc, orphans, ORPHANS_MAX * sizeof *orphans);
    if (status != ELG_OK)
        return status;
    sqlite->swept = true;
    sqlite->sweep_due = count == ORPHANS_MAX;
    sqlite->sweep_us = now_us;
    return ELG_OK;
}
