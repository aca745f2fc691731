/* postgres_read: runs, lists and journals, on the loop's connection. Uses postgres.h.
 *
 * Lists and journals come through cursors, a bounded number of rows at a time. Rows that
 * were given are not given twice: once there was one, a lost connection ends the reading.
 */
#include "checkpoint/postgres.h"

#define PAGE_BYTES_MAX (4u << 20) /* past this, rows are fetched one by one */

struct reading {
    struct elg_postgres *postgres;
    const char *trace_id;
    int64_t from, to;
    const struct elg_run_filter *filter;
    elg_run_row_fn give_run;
    elg_journal_row_fn give_record;
    void *give_self;
    bool given; /* any row */
    bool more;  /* the receiver wants */
    struct elg_run_row *out;
};

/* ---- one run */

static enum elg_status run_attempt(struct elg_postgres_connection *connection, void *self,
                                   struct elg_error *error)
{
    struct reading *reading = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_RUN_READ);
    elg_postgres_put_text(&connection->batch, reading->trace_id);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    if (PQntuples(connection->results[0]) == 0)
        return elg_postgres_run_missing(reading->postgres, reading->trace_id, error);
    return elg_postgres_row_run(reading->postgres, connection->results[0], 0, false,
                                reading->out, error);
}

enum elg_status elg_postgres_run_get(void *self, const char *trace_id,
                                     struct elg_run_row *out, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct reading reading = {.postgres = postgres, .trace_id = trace_id, .out = out};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], run_attempt,
                            &reading, error);
}

/* No second try once the receiver has seen something. */
static enum elg_status reading_end(struct elg_postgres_connection *connection,
                                   const struct reading *reading, enum elg_status status)
{
    if (reading->given)
        connection->lost = false;
    return status;
}

/* ---- lists */

/* Where a list begins that goes on behind a trace. */
static enum elg_status after_read(struct elg_postgres_connection *connection,
                                  struct reading *reading, int64_t *created_ms,
                                  int64_t *run_no, struct elg_error *error)
{
    const char *after = reading->filter->after;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_LIST_AFTER);
    elg_postgres_put_text(&connection->batch, after);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    struct elg_postgres_columns columns = {.alloc = reading->postgres->env.alloc,
                                           .label = reading->postgres->settings.label,
                                           .result = connection->results[0],
                                           .table = "cmo_runs",
                                           .row = after,
                                           .error = error};
    if (PQntuples(columns.result) == 0)
        return elg_postgres_run_missing(reading->postgres, after, error);
    *created_ms = elg_postgres_column_time(&columns, false);
    *run_no = elg_postgres_column_int(&columns, 0, INT64_MAX);
    elg_postgres_batch_reset(&connection->batch);
    return columns.status;
}

static void statuses_put(struct elg_postgres_batch *batch,
                         const struct elg_run_filter *filter)
{
    /* Not by name then, so that a run whose status was damaged is met, not passed over.
     */
    if (filter->statuses == ELG_RUN_STATUSES_ALL ||
        filter->statuses == ELG_RUN_STATUSES_UNFINISHED) {
        elg_postgres_put_null(batch);
        return;
    }
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (int i = 0; i <= ELG_RUN_QUARANTINED; i++) {
        if ((filter->statuses & 1u << i) != 0)
            elg_postgres_put_text(batch,
                                  elg_checkpoint_status_name((enum elg_run_status)i));
    }
    elg_postgres_array_end(batch);
}

static bool is_unfinished(const struct elg_run_filter *filter)
{
    return (filter->statuses & ~ELG_RUN_STATUSES_UNFINISHED) == 0;
}

/* Runs that have no place in the list, for a created_at that is no time. */
static enum elg_status strays_tell(struct elg_postgres_connection *connection,
                                   struct reading *reading, struct elg_error *error)
{
    const struct elg_run_filter *filter = reading->filter;
    struct elg_postgres_batch *batch = &connection->batch;
    if (filter->after != NULL || filter->since_ms != 0 ||
        filter->until_ms != ELG_TIME_MS_MAX)
        return ELG_OK;
    elg_postgres_add(batch, ELG_POSTGRES_LIST_STRAYS);
    elg_postgres_put_moment(batch, ELG_TIME_MS_MAX);
    statuses_put(batch, filter);
    elg_postgres_put_text(batch, filter->graph_id);
    elg_postgres_put_bool(batch, is_unfinished(filter));
    enum elg_status status = elg_postgres_exchange(connection, error);
    const PGresult *result = connection->results[0];
    for (int i = 0; status == ELG_OK && i < PQntuples(result); i++) {
        struct elg_error own;
        char trace_id[ELG_TRACE_BYTES_MAX + 1];
        elg_postgres_row_trace(result, i, trace_id);
        elg_base_fail(&own, ELG_CORRUPT, reading->postgres->settings.label,
                      "cmo_runs.created_at, row %s: not a time; restore it from a copy",
                      trace_id[0] ? trace_id : "?");
        reading->given = true;
        filter->unread(filter->unread_self, trace_id, &own);
    }
    elg_postgres_batch_reset(batch);
    return status;
}

static void list_open_add(struct elg_postgres_batch *batch,
                          const struct elg_run_filter *filter, int64_t created_ms,
                          int64_t run_no)
{
    int64_t last_ms = filter->until_ms - 1;
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN_READ);
    elg_postgres_add(batch, is_unfinished(filter) ? ELG_POSTGRES_LIST_UNFINISHED
                                                  : ELG_POSTGRES_LIST_ALL);
    elg_postgres_put_moment(batch, filter->since_ms);
    elg_postgres_put_moment(batch, created_ms <= last_ms ? created_ms : last_ms);
    elg_postgres_put_int8(batch, created_ms <= last_ms ? run_no : INT64_MAX);
    statuses_put(batch, filter);
    elg_postgres_put_text(batch, filter->graph_id);
    elg_postgres_add(batch, ELG_POSTGRES_LIST_FETCH);
}

/* A row that cannot be read is that run's alone. */
static enum elg_status list_give(struct reading *reading, const PGresult *result,
                                 struct elg_error *error)
{
    for (int i = 0; reading->more && i < PQntuples(result); i++) {
        struct elg_run_row row;
        struct elg_error own;
        char trace_id[ELG_TRACE_BYTES_MAX + 1];
        enum elg_status status =
            elg_postgres_row_run(reading->postgres, result, i, true, &row, &own);
        reading->given = true;
        if (status == ELG_CORRUPT) {
            elg_postgres_row_trace(result, i, trace_id);
            reading->filter->unread(reading->filter->unread_self, trace_id, &own);
            continue;
        }
        if (status != ELG_OK)
            return elg_base_fail(error, status, own.where, "%s", own.text);
        reading->more = reading->give_run(reading->give_self, &row);
        elg_checkpoint_run_row_fini(&row);
    }
    return ELG_OK;
}

static enum elg_status list_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    struct reading *reading = self;
    struct elg_postgres_batch *batch = &connection->batch;
    int64_t created_ms = INT64_MAX, run_no = INT64_MAX;
    enum elg_status status = ELG_OK;
    if (reading->filter->after != NULL)
        status = after_read(connection, reading, &created_ms, &run_no, error);
    if (status == ELG_OK)
        status = strays_tell(connection, reading, error);
    if (status != ELG_OK)
        return status;
    list_open_add(batch, reading->filter, created_ms, run_no);
    status = elg_postgres_exchange(connection, error);
    while (status == ELG_OK) {
        const PGresult *result = connection->results[batch->message_count - 1];
        if (PQntuples(result) == 0)
            break;
        status = list_give(reading, result, error);
        if (status != ELG_OK || !reading->more)
            break;
        elg_postgres_batch_reset(batch);
        elg_postgres_add(batch, ELG_POSTGRES_LIST_FETCH);
        status = elg_postgres_exchange(connection, error);
    }
    return reading_end(connection, reading, status);
}

enum elg_status elg_postgres_run_list(void *self, const struct elg_run_filter *filter,
                                      elg_run_row_fn row, void *row_self,
                                      struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct reading reading = {.postgres = postgres,
                              .filter = filter,
                              .give_run = row,
                              .give_self = row_self,
                              .more = true};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], list_attempt,
                            &reading, error);
}

/* ---- journals: two cursors, merged */

struct page {
    PGresult *result; /* NULL: nothing was fetched yet */
    int at;
    bool large; /* the last page was */
};

struct journal {
    struct reading *reading;
    struct elg_postgres_connection *connection;
    struct page steps, activities;
};

static size_t page_bytes(const PGresult *result)
{
    size_t bytes = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < PQnfields(result); column++)
            bytes += (size_t)PQgetlength(result, row, column);
    }
    return bytes;
}

static void page_set(struct page *page, PGresult **result)
{
    PQclear(page->result);
    page->result = *result;
    *result = NULL;
    page->at = 0;
    page->large = page_bytes(page->result) > PAGE_BYTES_MAX;
}

static bool page_used(const struct page *page)
{
    return page->at >= PQntuples(page->result);
}

/* The next page, if this one is used up and was not the last. */
static enum elg_status page_turn(struct journal *journal, struct page *page,
                                 enum elg_postgres_statement many,
                                 enum elg_postgres_statement one, struct elg_error *error)
{
    struct elg_postgres_batch *batch = &journal->connection->batch;
    if (!page_used(page) || PQntuples(page->result) == 0)
        return ELG_OK;
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, page->large ? one : many);
    enum elg_status status = elg_postgres_exchange(journal->connection, error);
    if (status == ELG_OK)
        page_set(page, &journal->connection->results[0]);
    return status;
}

/* 0 if it is not one; reading the row says so then. */
static int32_t int4_at(const struct page *page, int column)
{
    if (PQgetlength(page->result, page->at, column) != 4)
        return 0;
    const uint8_t *bytes = (const uint8_t *)PQgetvalue(page->result, page->at, column);
    return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                     (uint32_t)bytes[2] << 8 | bytes[3]);
}

static bool step_is_next(const struct journal *journal)
{
    if (page_used(&journal->steps) || page_used(&journal->activities))
        return !page_used(&journal->steps);
    int32_t step = int4_at(&journal->steps, 0), of = int4_at(&journal->activities, 0);
    if (step != of)
        return step < of;
    return int4_at(&journal->steps, 1) <= int4_at(&journal->activities, 1);
}

static enum elg_status step_give(struct journal *journal, struct elg_error *error)
{
    struct reading *reading = journal->reading;
    struct elg_step_row row;
    enum elg_status status =
        elg_postgres_row_step(reading->postgres, journal->steps.result,
                              journal->steps.at++, reading->trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    reading->given = true;
    reading->more = reading->give_record(reading->give_self, &row, NULL);
    elg_checkpoint_step_row_fini(&row);
    return ELG_OK;
}

static enum elg_status activity_give(struct journal *journal, struct elg_error *error)
{
    struct reading *reading = journal->reading;
    struct elg_activity_row row;
    enum elg_status status = elg_postgres_row_activity(
        reading->postgres, journal->activities.result, journal->activities.at++,
        reading->trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    reading->given = true;
    reading->more = reading->give_record(reading->give_self, NULL, &row);
    elg_checkpoint_activity_row_fini(&row);
    return ELG_OK;
}

static enum elg_status journal_rows(struct journal *journal, struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    while (status == ELG_OK && journal->reading->more) {
        status = page_turn(journal, &journal->steps, ELG_POSTGRES_STEPS_FETCH,
                           ELG_POSTGRES_STEPS_FETCH_ONE, error);
        if (status == ELG_OK)
            status =
                page_turn(journal, &journal->activities, ELG_POSTGRES_ACTIVITIES_FETCH,
                          ELG_POSTGRES_ACTIVITIES_FETCH_ONE, error);
        if (status != ELG_OK ||
            (page_used(&journal->steps) && page_used(&journal->activities)))
            return status;
        status = step_is_next(journal) ? step_give(journal, error)
                                       : activity_give(journal, error);
    }
    return status;
}

static void range_put(struct elg_postgres_batch *batch, const struct reading *reading)
{
    int64_t to = reading->to < 0 || reading->to > INT32_MAX ? INT32_MAX : reading->to;
    int64_t from = reading->from > INT32_MAX ? INT32_MAX : reading->from;
    elg_postgres_put_text(batch, reading->trace_id);
    elg_postgres_put_int4(batch, from < 0 ? 0 : from);
    elg_postgres_put_int4(batch, to);
}

enum { JOURNAL_EXISTS = 1, JOURNAL_STEPS = 3, JOURNAL_ACTIVITIES = 5 };

/* In one transaction, so that both cursors see the same turns. */
static void journal_open_add(struct elg_postgres_batch *batch,
                             const struct reading *reading)
{
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN_READ);
    elg_postgres_add(batch, ELG_POSTGRES_RUN_EXISTS);
    elg_postgres_put_text(batch, reading->trace_id);
    elg_postgres_add(batch, ELG_POSTGRES_STEPS_READ);
    range_put(batch, reading);
    elg_postgres_add(batch, ELG_POSTGRES_STEPS_FETCH);
    elg_postgres_add(batch, ELG_POSTGRES_ACTIVITIES_READ);
    range_put(batch, reading);
    elg_postgres_add(batch, ELG_POSTGRES_ACTIVITIES_FETCH);
}

static enum elg_status journal_attempt(struct elg_postgres_connection *connection,
                                       void *self, struct elg_error *error)
{
    struct reading *reading = self;
    struct journal journal = {.reading = reading, .connection = connection};
    journal_open_add(&connection->batch, reading);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    if (PQntuples(connection->results[JOURNAL_EXISTS]) == 0)
        return elg_postgres_run_missing(reading->postgres, reading->trace_id, error);
    page_set(&journal.steps, &connection->results[JOURNAL_STEPS]);
    page_set(&journal.activities, &connection->results[JOURNAL_ACTIVITIES]);
    status = journal_rows(&journal, error);
    PQclear(journal.steps.result);
    PQclear(journal.activities.result);
    return reading_end(connection, reading, status);
}

enum elg_status elg_postgres_journal(void *self, const char *trace_id, int64_t from,
                                     int64_t to, elg_journal_row_fn row, void *row_self,
                                     struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct reading reading = {.postgres = postgres,
                              .trace_id = trace_id,
                              .from = from,
                              .to = to,
                              .give_record = row,
                              .give_self = row_self,
                              .more = true};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], journal_attempt,
                            &reading, error);
}
