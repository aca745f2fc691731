/* sqlite_read: runs, lists and journals, on the reader's connection. Uses sqlite.h. */
#include "checkpoint/sqlite.h"

#include <stdio.h>

enum elg_status elg_sqlite_run_get(void *self, const char *trace_id,
                                   struct elg_run_row *out, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_run_read(sqlite->env.alloc, &sqlite->reader, trace_id, out, error);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

/* ---- lists */

#define STATUSES_BYTES_MAX 256

static enum elg_sqlite_statement list_statement(const struct elg_run_filter *filter)
{
    bool unfinished = (filter->statuses & ~ELG_RUN_STATUSES_UNFINISHED) == 0;
    return unfinished ? ELG_SQLITE_LIST_UNFINISHED : ELG_SQLITE_LIST_ALL;
}

/* Where a list begins that goes on behind a trace. */
static enum elg_status after_read(struct elg_sqlite *sqlite, const char *trace_id,
                                  int64_t *created_ms, int64_t *row_id,
                                  struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_LIST_AFTER, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
    if (status != ELG_OK)
        return status;
    if (!found)
        return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "no such run in this store");
    *created_ms = sqlite3_column_int64(statement, 0);
    *row_id = sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return ELG_OK;
}

/* NULL: any. Not by name then, so that a run whose status was damaged is met, not passed
 * over. */
static const char *statuses_text(const struct elg_run_filter *filter,
                                 char statuses[STATUSES_BYTES_MAX])
{
    size_t size = 0;
    if (filter->statuses == ELG_RUN_STATUSES_ALL ||
        filter->statuses == ELG_RUN_STATUSES_UNFINISHED)
        return NULL;
    for (int i = 0; i <= ELG_RUN_QUARANTINED; i++) {
        if ((filter->statuses & 1u << i) != 0)
            size += (size_t)snprintf(statuses + size, STATUSES_BYTES_MAX - size, "%s,",
                                     elg_checkpoint_status_name((enum elg_run_status)i));
    }
    return statuses;
}

/* `statuses` is borrowed until the statement was stepped. */
static enum elg_status list_bind(struct elg_sqlite *sqlite, sqlite3_stmt *statement,
                                 const struct elg_run_filter *filter,
                                 char statuses[STATUSES_BYTES_MAX],
                                 struct elg_error *error)
{
    struct elg_sqlite_bind bind;
    int64_t last_ms = filter->until_ms - 1, created_ms = INT64_MAX, row_id = INT64_MAX;
    enum elg_status status = ELG_OK;
    if (filter->after != NULL)
        status = after_read(sqlite, filter->after, &created_ms, &row_id, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, filter->since_ms);
    elg_sqlite_bind_int(&bind, created_ms <= last_ms ? created_ms : last_ms);
    elg_sqlite_bind_int(&bind, created_ms <= last_ms ? row_id : INT64_MAX);
    elg_sqlite_bind_text(&bind, statuses_text(filter, statuses));
    elg_sqlite_bind_text(&bind, filter->graph_id);
    return elg_sqlite_bind_end(&bind, &sqlite->reader, error);
}

/* A row that cannot be read is that run's alone. */
static enum elg_status list_read(struct elg_sqlite *sqlite, sqlite3_stmt *statement,
                                 const struct elg_run_filter *filter, elg_run_row_fn give,
                                 void *give_self, struct elg_error *error)
{
    for (;;) {
        struct elg_run_row row;
        struct elg_error own;
        char trace_id[ELG_TRACE_BYTES_MAX + 1];
        bool found, more;
        enum elg_status status =
            elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            return status;
        status = elg_sqlite_row_run(sqlite->env.alloc, &sqlite->reader, statement, true,
                                    &row, &own);
        if (status == ELG_CORRUPT) {
            elg_sqlite_row_trace(statement, trace_id);
            filter->unread(filter->unread_self, trace_id, &own);
            continue;
        }
        if (status != ELG_OK)
            return elg_base_fail(error, status, own.where, "%s", own.text);
        more = give(give_self, &row);
        elg_checkpoint_run_row_fini(&row);
        if (!more)
            return ELG_OK;
    }
}

/* Runs that have no place in the list, for a created_at that is no time. */
static enum elg_status strays_tell(struct elg_sqlite *sqlite,
                                   const struct elg_run_filter *filter,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    char statuses[STATUSES_BYTES_MAX];
    bool unfinished = list_statement(filter) == ELG_SQLITE_LIST_UNFINISHED, found;
    if (filter->after != NULL || filter->since_ms != 0 ||
        filter->until_ms != ELG_TIME_MS_MAX)
        return ELG_OK;
    enum elg_status status = elg_sqlite_statement(
        &sqlite->reader,
        unfinished ? ELG_SQLITE_LIST_STRAYS_UNFINISHED : ELG_SQLITE_LIST_STRAYS,
        &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, ELG_TIME_MS_MAX);
    elg_sqlite_bind_text(&bind, statuses_text(filter, statuses));
    elg_sqlite_bind_text(&bind, filter->graph_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->reader, error);
    if (status != ELG_OK)
        return status;
    while ((status = elg_sqlite_step(&sqlite->reader, statement, &found, error)) ==
               ELG_OK &&
           found)
        elg_sqlite_stray_tell(&sqlite->reader, statement, filter->unread,
                              filter->unread_self);
    return status;
}

enum elg_status elg_sqlite_run_list(void *self, const struct elg_run_filter *filter,
                                    elg_run_row_fn row, void *row_self,
                                    struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    sqlite3_stmt *statement = NULL;
    char statuses[STATUSES_BYTES_MAX];
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = strays_tell(sqlite, filter, error);
    if (status == ELG_OK)
        status = elg_sqlite_statement(&sqlite->reader, list_statement(filter), &statement,
                                      error);
    if (status == ELG_OK) {
        status = list_bind(sqlite, statement, filter, statuses, error);
        if (status == ELG_OK)
            status = list_read(sqlite, statement, filter, row, row_self, error);
        sqlite3_reset(statement);
    }
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

/* ---- journals: two cursors, merged */

struct journal {
    struct elg_sqlite *sqlite;
    const char *trace_id;
    sqlite3_stmt *steps, *activities;
    bool step_found, activity_found;
    elg_journal_row_fn give;
    void *give_self;
    bool more; /* the receiver wants */
};

static enum elg_status journal_statement(struct journal *journal,
                                         enum elg_sqlite_statement which, int64_t from,
                                         int64_t to, sqlite3_stmt **out,
                                         struct elg_error *error)
{
    struct elg_sqlite_bind bind;
    struct elg_sqlite_connection *reader = &journal->sqlite->reader;
    enum elg_status status = elg_sqlite_statement(reader, which, out, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, *out);
    elg_sqlite_bind_text(&bind, journal->trace_id);
    elg_sqlite_bind_int(&bind, from);
    elg_sqlite_bind_int(&bind, to < 0 ? INT64_MAX : to);
    return elg_sqlite_bind_end(&bind, reader, error);
}

static bool step_is_next(const struct journal *journal)
{
    if (!journal->step_found || !journal->activity_found)
        return journal->step_found;
    int64_t step = sqlite3_column_int64(journal->steps, 0);
    int64_t of = sqlite3_column_int64(journal->activities, 0);
    if (step != of)
        return step < of;
    return sqlite3_column_int64(journal->steps, 1) <=
           sqlite3_column_int64(journal->activities, 1);
}

static enum elg_status step_give(struct journal *journal, struct elg_error *error)
{
    struct elg_sqlite *sqlite = journal->sqlite;
    struct elg_step_row row;
    enum elg_status status =
        elg_sqlite_row_step(sqlite->env.alloc, &sqlite->reader, journal->steps,
                            journal->trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    journal->more = journal->give(journal->give_self, &row, NULL);
    elg_checkpoint_step_row_fini(&row);
    return elg_sqlite_step(&sqlite->reader, journal->steps, &journal->step_found, error);
}

static enum elg_status activity_give(struct journal *journal, struct elg_error *error)
{
    struct elg_sqlite *sqlite = journal->sqlite;
    struct elg_activity_row row;
    enum elg_status status =
        elg_sqlite_row_activity(sqlite->env.alloc, &sqlite->reader, journal->activities,
                                journal->trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    journal->more = journal->give(journal->give_self, NULL, &row);
    elg_checkpoint_activity_row_fini(&row);
    return elg_sqlite_step(&sqlite->reader, journal->activities, &journal->activity_found,
                           error);
}

static enum elg_status journal_rows(struct journal *journal, struct elg_error *error)
{
    struct elg_sqlite_connection *reader = &journal->sqlite->reader;
    enum elg_status status =
        elg_sqlite_step(reader, journal->steps, &journal->step_found, error);
    if (status == ELG_OK)
        status =
            elg_sqlite_step(reader, journal->activities, &journal->activity_found, error);
    while (status == ELG_OK && journal->more &&
           (journal->step_found || journal->activity_found))
        status = step_is_next(journal) ? step_give(journal, error)
                                       : activity_give(journal, error);
    sqlite3_reset(journal->steps);
    sqlite3_reset(journal->activities);
    return status;
}

static enum elg_status run_exists(struct elg_sqlite *sqlite, const char *trace_id,
                                  struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_RUN_EXISTS, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
    sqlite3_reset(statement);
    if (status == ELG_OK && !found)
        return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "no such run in %s",
                             sqlite->path);
    return status;
}

static enum elg_status journal_read(struct journal *journal, int64_t from, int64_t to,
                                    struct elg_error *error)
{
    enum elg_status status = run_exists(journal->sqlite, journal->trace_id, error);
    if (status == ELG_OK)
        status = journal_statement(journal, ELG_SQLITE_STEPS_READ, from, to,
                                   &journal->steps, error);
    if (status == ELG_OK)
        status = journal_statement(journal, ELG_SQLITE_ACTIVITIES_READ, from, to,
                                   &journal->activities, error);
    return status == ELG_OK ? journal_rows(journal, error) : status;
}

/* In one transaction, so that both cursors see the same turns. */
enum elg_status elg_sqlite_journal(void *self, const char *trace_id, int64_t from,
                                   int64_t to, elg_journal_row_fn row, void *row_self,
                                   struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    struct journal journal = {.sqlite = sqlite,
                              .trace_id = trace_id,
                              .give = row,
                              .give_self = row_self,
                              .more = true};
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_run(&sqlite->reader, ELG_SQLITE_BEGIN_READ, error);
    if (status == ELG_OK) {
        status = journal_read(&journal, from, to, error);
        elg_sqlite_rollback(&sqlite->reader);
    }
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}
