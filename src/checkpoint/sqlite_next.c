/* sqlite_next: taking up whatever waits to be. Uses sqlite.h.
 *
 * Candidates are read in order; the first whose lock can be had is claimed.
 */
#include "checkpoint/sqlite.h"

#include <stdio.h>
#include <string.h>

int64_t elg_sqlite_lease_until_us(void *self)
{
    (void)self; /* a lock goes with its process */
    return INT64_MAX;
}

int64_t elg_sqlite_wall_ms(void *self)
{
    struct elg_sqlite *sqlite = self;
    return elg_base_wall_ms(sqlite->env.clock);
}

struct next {
    const char *const *graph_ids;
    size_t graph_count;
    int64_t offset; /* candidates that were looked at */
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
};

static bool graph_wanted(const struct next *next, const char *graph_id)
{
    bool wanted = next->graph_ids == NULL;
    for (size_t i = 0; !wanted && graph_id != NULL && i < next->graph_count; i++)
        wanted = strcmp(next->graph_ids[i], graph_id) == 0;
    return wanted;
}

/* Steps to a candidate that is not ours already. */
static enum elg_status candidate_step(struct elg_sqlite *sqlite, sqlite3_stmt *statement,
                                      struct next *next, bool *found,
                                      struct elg_error *error)
{
    for (;;) {
        enum elg_status status =
            elg_sqlite_step(&sqlite->reader, statement, found, error);
        if (status != ELG_OK || !*found)
            return status;
        next->offset++;
        const char *trace_id = (const char *)sqlite3_column_text(statement, 0);
        const char *graph_id = (const char *)sqlite3_column_text(statement, 1);
        if (trace_id == NULL || strlen(trace_id) > ELG_TRACE_BYTES_MAX ||
            elg_sqlite_owned(sqlite, trace_id) || !graph_wanted(next, graph_id))
            continue;
        snprintf(next->trace_id, sizeof next->trace_id, "%s", trace_id);
        return ELG_OK;
    }
}

static enum elg_status candidate_read(struct elg_sqlite *sqlite, struct next *next,
                                      bool *found, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_NEXT_READ, &statement, error);
    if (status == ELG_OK) {
        elg_sqlite_bind_begin(&bind, statement);
        elg_sqlite_bind_int(&bind, elg_base_wall_ms(sqlite->env.clock));
        elg_sqlite_bind_int(&bind, next->offset);
        status = elg_sqlite_bind_end(&bind, &sqlite->reader, error);
    }
    if (status == ELG_OK)
        status = candidate_step(sqlite, statement, next, found, error);
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

enum elg_status elg_sqlite_claim_next(void *self, const char *const *graph_ids,
                                      size_t graph_count, struct elg_run_row *out,
                                      struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    struct next next = {.graph_ids = graph_ids, .graph_count = graph_count};
    for (;;) {
        bool found = false;
        enum elg_status status = candidate_read(sqlite, &next, &found, error);
        if (status != ELG_OK)
            return status;
        if (!found)
            return elg_base_fail(error, ELG_NOT_FOUND, sqlite->path,
                                 "no run waits to be taken up");
        status = elg_sqlite_claim(sqlite, next.trace_id, out, error);
        if (status != ELG_BUSY)
            return status;
    }
}
