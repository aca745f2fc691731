/* sqlite_claim: who executes a run: reserve, claim, release, aborts. Uses sqlite.h.
 */
#include "checkpoint/sqlite.h"
#include "checkpoint/turn.h"

#include <stdio.h>

#define OWNER_BYTES_MAX 256

/* ---- the owner's name, for the message */

static bool owner_read(struct elg_sqlite_connection *connection, const char *trace_id,
                       char *out, size_t out_size)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    if (elg_sqlite_statement(connection, ELG_SQLITE_OWNER_READ, &statement, NULL) !=
        ELG_OK)
        return false;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    if (elg_sqlite_step(connection, statement, &found, NULL) != ELG_OK || !found)
        return false;
    const unsigned char *owner = sqlite3_column_text(statement, 0);
    if (owner != NULL)
        snprintf(out, out_size, "%s", (const char *)owner);
    sqlite3_reset(statement);
    return owner != NULL && out[0] != '\0';
}

static enum elg_status busy_fail(struct elg_sqlite *sqlite, const char *trace_id,
                                 struct elg_error *error)
{
    char owner[OWNER_BYTES_MAX] = "another live process";
    pthread_mutex_lock(&sqlite->read_mutex);
    owner_read(&sqlite->reader, trace_id, owner, sizeof owner);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return elg_base_fail(error, ELG_BUSY, trace_id,
                         "this run is owned by %s; wait for it or end that process",
                         owner);
}

/* ---- claims */

enum elg_status elg_sqlite_reserve(void *self, const char *trace_id,
                                   struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    bool before;
    enum elg_status status = elg_sqlite_own(sqlite, trace_id, &before, error);
    return status == ELG_BUSY ? busy_fail(sqlite, trace_id, error) : status;
}

void elg_sqlite_release(void *self, const char *trace_id)
{
    struct elg_sqlite *sqlite = self;
    elg_sqlite_disown(sqlite, trace_id);
    sqlite->sweep_due = true;
}

static enum elg_status claim_write(struct elg_sqlite *sqlite,
                                   const struct elg_run_row *row, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    bool quarantined = row->status == ELG_RUN_QUARANTINED;
    enum elg_status status = elg_sqlite_statement(
        &sqlite->writer, quarantined ? ELG_SQLITE_QUARANTINE : ELG_SQLITE_CLAIM,
        &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, (int64_t)row->epoch);
    elg_sqlite_bind_int(&bind, row->claims);
    if (!quarantined)
        elg_sqlite_bind_text(&bind, sqlite->owner);
    elg_sqlite_bind_int(&bind, row->updated_at_ms);
    if (quarantined) {
        elg_sqlite_bind_blob(&bind, row->error);
        elg_sqlite_bind_time(&bind, row->completed_at_ms);
    }
    elg_sqlite_bind_text(&bind, row->trace_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

/* The row as it shall be after the claim. */
static enum elg_status claim_count(struct elg_sqlite *sqlite, struct elg_run_row *row,
                                   struct elg_error *error)
{
    row->epoch++;
    row->updated_at_ms = elg_base_wall_ms(sqlite->env.clock);
    if (row->claims++ < ELG_CLAIMS_MAX)
        return ELG_OK;
    char owner[OWNER_BYTES_MAX] = "", step[24];
    owner_read(&sqlite->writer, row->trace_id, owner, sizeof owner);
    snprintf(step, sizeof step, "%llu", (unsigned long long)row->step_count);
    struct elg_blob *reason =
        elg_checkpoint_quarantine_error(sqlite->env.alloc, owner, step);
    if (reason == NULL)
        return elg_base_no_memory(error);
    elg_base_blob_unref(row->error);
    row->error = reason;
    row->status = ELG_RUN_QUARANTINED;
    row->completed_at_ms = row->updated_at_ms;
    return ELG_OK;
}

static enum elg_status rate_check(struct elg_sqlite *sqlite, const char *trace_id,
                                  struct elg_sqlite_taking *taking,
                                  struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    int64_t now_ms = elg_base_wall_ms(sqlite->env.clock);
    if (taking->rate_count == 0)
        return ELG_OK;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_RATE_COUNT, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, now_ms - taking->rate_ms);
    status = elg_sqlite_step(&sqlite->writer, statement, &found, error);
    if (status == ELG_OK && found) {
        taking->refused = sqlite3_column_int64(statement, 0) >= taking->rate_count;
        sqlite3_reset(statement);
    }
    return status;
}

static enum elg_status taken_write(struct elg_sqlite *sqlite, const char *trace_id,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_NEXT_TAKEN, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_int64(statement, 1, elg_base_wall_ms(sqlite->env.clock));
    sqlite3_bind_text(statement, 2, trace_id, -1, SQLITE_STATIC);
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

enum elg_status elg_sqlite_claim_row(struct elg_sqlite *sqlite, struct elg_run_row *row,
                                     const struct elg_sqlite_taking *taking,
                                     struct elg_error *error)
{
    enum elg_status status = claim_count(sqlite, row, error);
    if (status == ELG_OK)
        status = claim_write(sqlite, row, error);
    if (status == ELG_OK && elg_checkpoint_status_ended(row->status))
        status = elg_sqlite_child_ended(sqlite, row, row->updated_at_ms, error);
    if (status == ELG_OK && taking != NULL)
        status = taken_write(sqlite, row->trace_id, error);
    return status;
}

/* Reads the run and counts the claim, in one transaction. *ours: it may be executed. */
static enum elg_status claim(struct elg_sqlite *sqlite, const char *trace_id,
                             struct elg_sqlite_taking *taking, bool *ours,
                             struct elg_run_row *out, struct elg_error *error)
{
    struct elg_run_row row = {.status = ELG_RUN_PENDING};
    *ours = false;
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    status =
        elg_sqlite_run_read(sqlite->env.alloc, &sqlite->writer, trace_id, &row, error);
    if (taking != NULL)
        taking->unread = status == ELG_CORRUPT;
    if (status == ELG_OK && taking != NULL)
        status = rate_check(sqlite, trace_id, taking, error);
    bool refused = taking != NULL && taking->refused;
    if (status != ELG_OK || refused || elg_checkpoint_status_ended(row.status)) {
        elg_sqlite_write_rollback(sqlite);
    } else {
        status = elg_sqlite_claim_row(sqlite, &row, taking, error);
        if (status == ELG_OK)
            status = elg_sqlite_write_commit(sqlite, error);
        else
            elg_sqlite_write_rollback(sqlite);
        *ours = !elg_checkpoint_status_ended(row.status);
    }
    if (status == ELG_OK && !refused)
        *out = row;
    else
        elg_checkpoint_run_row_fini(&row);
    return status;
}

/* An ended run is given even if a live process still holds it: no one executes it. */
static enum elg_status claim_held(struct elg_sqlite *sqlite, const char *trace_id,
                                  struct elg_run_row *out, struct elg_error *error)
{
    struct elg_run_row row;
    enum elg_status status = elg_sqlite_run_get(sqlite, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    if (elg_checkpoint_status_ended(row.status)) {
        *out = row;
        return ELG_OK;
    }
    elg_checkpoint_run_row_fini(&row);
    return busy_fail(sqlite, trace_id, error);
}

enum elg_status elg_sqlite_claim(void *self, const char *trace_id,
                                 struct elg_run_row *out, struct elg_error *error)
{
    return elg_sqlite_claim_as(self, trace_id, NULL, out, error);
}

enum elg_status elg_sqlite_claim_as(struct elg_sqlite *sqlite, const char *trace_id,
                                    struct elg_sqlite_taking *taking,
                                    struct elg_run_row *out, struct elg_error *error)
{
    bool before, ours;
    enum elg_status status = elg_sqlite_own(sqlite, trace_id, &before, error);
    if (status == ELG_BUSY && taking != NULL)
        return ELG_BUSY; /* another took it up first */
    if (status == ELG_BUSY)
        return claim_held(sqlite, trace_id, out, error);
    if (status != ELG_OK)
        return status;
    status = claim(sqlite, trace_id, taking, &ours, out, error);
    if ((status != ELG_OK && !before) || (status == ELG_OK && !ours))
        elg_sqlite_disown(sqlite, trace_id);
    return status;
}

/* ---- aborts */

static enum elg_status abort_write(struct elg_sqlite *sqlite, const char *trace_id,
                                   int *changes, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_ABORT, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, elg_base_wall_ms(sqlite->env.clock));
    elg_sqlite_bind_text(&bind, trace_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, statement, changes, error);
}

enum elg_status elg_sqlite_abort_request(void *self, const char *trace_id,
                                         struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    int changes = 0;
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    status = abort_write(sqlite, trace_id, &changes, error);
    if (status == ELG_OK && changes > 0)
        return elg_sqlite_write_commit(sqlite, error);
    elg_sqlite_write_rollback(sqlite);
    if (status != ELG_OK)
        return status;
    struct elg_run_row row; /* set before, or no such run */
    status = elg_sqlite_run_get(sqlite, trace_id, &row, error);
    if (status == ELG_OK)
        elg_checkpoint_run_row_fini(&row);
    return status;
}

static enum elg_status abort_give(struct elg_sqlite *sqlite, const char *trace_id,
                                  elg_run_row_fn give, void *give_self, bool *more,
                                  struct elg_error *error)
{
    struct elg_run_row row;
    enum elg_status status =
        elg_sqlite_run_read(sqlite->env.alloc, &sqlite->reader, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    *more = give(give_self, &row);
    elg_checkpoint_run_row_fini(&row);
    return ELG_OK;
}

static enum elg_status aborts_read(struct elg_sqlite *sqlite, elg_run_row_fn give,
                                   void *give_self, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool more = true;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_ABORTS_READ, &statement, error);
    while (status == ELG_OK && more) {
        bool found;
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            return status;
        const char *trace_id = (const char *)sqlite3_column_text(statement, 0);
        if (trace_id != NULL && elg_sqlite_own_abort(sqlite, trace_id))
            status = abort_give(sqlite, trace_id, give, give_self, &more, error);
    }
    sqlite3_reset(statement);
    return status;
}

enum elg_status elg_sqlite_abort_poll(void *self, elg_run_row_fn row, void *row_self,
                                      struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = aborts_read(sqlite, row, row_self, error);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}
