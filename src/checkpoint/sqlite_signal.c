/* sqlite_signal: signals in SQLite. Uses sqlite.h, turn.h.
 *
 * A signal is kept in one transaction with the look at its run, so that none is kept for
 * a run that has ended. What consumes one goes with its turn (sqlite_commit.c).
 */
#include "checkpoint/sqlite.h"
#include "checkpoint/turn.h"

#include <stdio.h>
#include <string.h>

/* ---- what turns do with signals */

enum elg_status elg_sqlite_use_write(struct elg_sqlite *sqlite, const char *trace_id,
                                     const struct elg_signal_use *use, bool *written,
                                     struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes = 0;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_SIGNAL_USE, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, use->step_index);
    elg_sqlite_bind_int(&bind, use->attempt);
    elg_sqlite_bind_int(&bind, use->seq);
    elg_sqlite_bind_int(&bind, use->signal_no);
    elg_sqlite_bind_text(&bind, trace_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status == ELG_OK)
        status = elg_sqlite_write(&sqlite->writer, statement, &changes, error);
    *written = changes > 0;
    return status;
}

enum elg_status elg_sqlite_due_if_signalled(struct elg_sqlite *sqlite,
                                            const struct elg_turn *turn, int64_t now_ms,
                                            struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    if (turn->run->status != ELG_RUN_WAITING || turn->run->signals_seen == INT64_MAX)
        return ELG_OK;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_SIGNAL_DUE, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, now_ms);
    elg_sqlite_bind_text(&bind, turn->run->trace_id);
    elg_sqlite_bind_int(&bind, turn->run->signals_seen);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

/* ---- putting one */

struct put {
    struct elg_sqlite *sqlite;
    const char *trace_id;
    const struct elg_signal_row *signal;
    struct elg_checkpoint_signal_facts facts;
    char key_name[ELG_NAME_BYTES_MAX + 1];
    bool known;
};

/* A statement of the writer with the trace bound first, and `second` (may be NULL). */
static enum elg_status begin(struct put *put, enum elg_sqlite_statement which,
                             const char *second, sqlite3_stmt **out,
                             struct elg_error *error)
{
    struct elg_sqlite_bind bind;
    enum elg_status status =
        elg_sqlite_statement(&put->sqlite->writer, which, out, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, *out);
    elg_sqlite_bind_text(&bind, put->trace_id);
    if (second != NULL)
        elg_sqlite_bind_text(&bind, second);
    return elg_sqlite_bind_end(&bind, &put->sqlite->writer, error);
}

static enum elg_status facts_read(struct put *put, struct elg_error *error)
{
    struct elg_sqlite_connection *writer = &put->sqlite->writer;
    sqlite3_stmt *statement = NULL;
    bool found = false;
    enum elg_status status = begin(put, ELG_SQLITE_SIGNAL_FACTS, NULL, &statement, error);
    if (status == ELG_OK)
        status = elg_sqlite_step(writer, statement, &found, error);
    if (status != ELG_OK)
        return status;
    if (!found)
        return elg_base_fail(error, ELG_NOT_FOUND, put->trace_id, "no such run in %s",
                             put->sqlite->path);
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    bool good = name != NULL &&
                elg_checkpoint_status_parse(elg_base_bytes(name), &put->facts.status);
    put->facts.waiting_count = sqlite3_column_int64(statement, 1);
    put->facts.waiting_bytes = sqlite3_column_int64(statement, 2);
    sqlite3_reset(statement);
    if (good)
        return ELG_OK;
    return elg_base_fail(error, ELG_CORRUPT, put->sqlite->path,
                         "cmo_runs.status, row %s: not a status of a run", put->trace_id);
}

static enum elg_status key_read(struct put *put, struct elg_error *error)
{
    struct elg_sqlite_connection *writer = &put->sqlite->writer;
    sqlite3_stmt *statement = NULL;
    bool found = false;
    if (put->signal->key[0] == '\0')
        return ELG_OK;
    enum elg_status status =
        begin(put, ELG_SQLITE_SIGNAL_KEY, put->signal->key, &statement, error);
    if (status == ELG_OK)
        status = elg_sqlite_step(writer, statement, &found, error);
    if (status != ELG_OK || !found)
        return status;
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    const char *hash = (const char *)sqlite3_column_text(statement, 1);
    snprintf(put->key_name, sizeof put->key_name, "%s", name ? name : "");
    put->facts.key_name = put->key_name;
    if (hash != NULL)
        (void)elg_base_hash_parse(elg_base_bytes(hash), &put->facts.key_hash);
    sqlite3_reset(statement);
    return ELG_OK;
}

static enum elg_status row_insert(struct put *put, int64_t now_ms,
                                  struct elg_error *error)
{
    struct elg_sqlite_connection *writer = &put->sqlite->writer;
    const struct elg_signal_row *signal = put->signal;
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(writer, ELG_SQLITE_SIGNAL_INSERT, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_text(&bind, put->trace_id);
    elg_sqlite_bind_text(&bind, signal->name);
    elg_sqlite_bind_text(&bind, signal->key[0] != '\0' ? signal->key : NULL);
    elg_sqlite_bind_int(&bind, now_ms);
    elg_sqlite_bind_hash(&bind, &signal->payload_hash);
    elg_sqlite_bind_int(&bind, (int64_t)elg_base_blob_bytes(signal->payload).size);
    elg_sqlite_bind_blob(&bind, signal->payload);
    status = elg_sqlite_bind_end(&bind, writer, error);
    if (status == ELG_OK)
        status = elg_sqlite_write(writer, statement, &changes, error);
    return status;
}

static enum elg_status run_wake(struct put *put, int64_t now_ms, struct elg_error *error)
{
    struct elg_sqlite_connection *writer = &put->sqlite->writer;
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(writer, ELG_SQLITE_SIGNAL_WAKE, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, now_ms);
    elg_sqlite_bind_text(&bind, put->trace_id);
    status = elg_sqlite_bind_end(&bind, writer, error);
    return status == ELG_OK ? elg_sqlite_write(writer, statement, &changes, error)
                            : status;
}

static enum elg_status put_write(struct put *put, struct elg_error *error)
{
    int64_t now_ms = elg_base_wall_ms(put->sqlite->env.clock);
    enum elg_status status = facts_read(put, error);
    if (status == ELG_OK)
        status = key_read(put, error);
    if (status == ELG_OK)
        status = elg_checkpoint_signal_judge(put->trace_id, put->signal, &put->facts,
                                             &put->known, error);
    if (status != ELG_OK || put->known)
        return status;
    status = row_insert(put, now_ms, error);
    return status == ELG_OK ? run_wake(put, now_ms, error) : status;
}

enum elg_status elg_sqlite_signal_put(void *self, const char *trace_id,
                                      const struct elg_signal_row *signal, bool *created,
                                      struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    struct put put = {.sqlite = sqlite, .trace_id = trace_id, .signal = signal};
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    status = put_write(&put, error);
    if (status == ELG_OK && !put.known)
        status = elg_sqlite_write_commit(sqlite, error);
    else
        elg_sqlite_write_rollback(sqlite);
    if (status == ELG_OK)
        *created = !put.known;
    return status;
}

/* ---- reading */

static enum elg_status row_read(struct elg_sqlite *sqlite, sqlite3_stmt *statement,
                                const char *trace_id, struct elg_signal_row *out,
                                struct elg_error *error)
{
    struct elg_sqlite_columns columns = {.alloc = sqlite->env.alloc,
                                         .connection = &sqlite->reader,
                                         .statement = statement,
                                         .table = "cmo_signals",
                                         .row = trace_id,
                                         .error = error};
    struct elg_signal_row row;
    memset(&row, 0, sizeof row);
    row.signal_no = elg_sqlite_column_int(&columns, 1, INT64_MAX);
    elg_sqlite_column_text(&columns, row.name, sizeof row.name, false);
    elg_sqlite_column_text(&columns, row.key, sizeof row.key, true);
    elg_sqlite_column_hash(&columns, &row.payload_hash, true);
    row.payload = elg_sqlite_column_blob(&columns, true);
    if (columns.status != ELG_OK)
        elg_checkpoint_signal_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

static enum elg_status rows_give(struct elg_sqlite *sqlite, sqlite3_stmt *statement,
                                 const char *trace_id, elg_signal_row_fn give,
                                 void *give_self, struct elg_error *error)
{
    for (;;) {
        struct elg_signal_row row;
        bool found;
        enum elg_status status =
            elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            return status;
        status = row_read(sqlite, statement, trace_id, &row, error);
        if (status != ELG_OK)
            return status;
        bool more = give(give_self, &row);
        elg_checkpoint_signal_row_fini(&row);
        if (!more)
            return ELG_OK;
    }
}

static enum elg_status last_read(struct elg_sqlite *sqlite, const char *trace_id,
                                 int64_t *out, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    enum elg_status status = elg_sqlite_statement(
        &sqlite->reader, ELG_SQLITE_SIGNALS_LAST_OF, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
    if (found)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return status;
}

enum elg_status elg_sqlite_signals(void *self, const char *trace_id, const char *name,
                                   int64_t after, elg_signal_row_fn row, void *row_self,
                                   int64_t *last, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = last_read(sqlite, trace_id, last, error);
    if (status == ELG_OK)
        status = elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_SIGNALS_READ,
                                      &statement, error);
    if (status == ELG_OK) {
        elg_sqlite_bind_begin(&bind, statement);
        elg_sqlite_bind_text(&bind, trace_id);
        elg_sqlite_bind_text(&bind, name);
        elg_sqlite_bind_int(&bind, after);
        status = elg_sqlite_bind_end(&bind, &sqlite->reader, error);
    }
    if (status == ELG_OK)
        status = rows_give(sqlite, statement, trace_id, row, row_self, error);
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

enum elg_status elg_sqlite_signals_begin(struct elg_sqlite *sqlite,
                                         struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_SIGNALS_LAST, &statement, error);
    if (status == ELG_OK)
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
    if (found)
        sqlite->signals_polled = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return status;
}

enum elg_status elg_sqlite_signal_poll(void *self,
                                       void (*woken)(void *self, const char *trace_id),
                                       void *woken_self, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    sqlite3_stmt *statement = NULL;
    bool found = true;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_SIGNALS_NEW, &statement, error);
    if (status == ELG_OK)
        sqlite3_bind_int64(statement, 1, sqlite->signals_polled);
    while (status == ELG_OK && found) {
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            break;
        sqlite->signals_polled = sqlite3_column_int64(statement, 0);
        const char *trace_id = (const char *)sqlite3_column_text(statement, 1);
        if (trace_id != NULL)
            woken(woken_self, trace_id);
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}
