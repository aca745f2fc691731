/* sqlite_row: rows of the tables as structs. Uses sqlite.h. The order of columns is that
 * of the SELECTs in sqlite_statement.c.
 */
#include "checkpoint/sqlite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define US_PER_MS 1000.0

static struct elg_sqlite_columns
columns_begin(const struct elg_alloc *alloc,
              const struct elg_sqlite_connection *connection, sqlite3_stmt *statement,
              const char *table, const char *row, struct elg_error *error)
{
    struct elg_sqlite_columns columns = {alloc, connection, statement, table,
                                         row,   0,          ELG_OK,    error};
    return columns;
}

/* ---- runs */

static void run_status(struct elg_sqlite_columns *columns, enum elg_run_status *out)
{
    struct elg_bytes name = elg_sqlite_column_name(columns);
    if (columns->status == ELG_OK && !elg_checkpoint_status_parse(name, out))
        elg_sqlite_column_bad(columns, "not a status of a run");
}

static void run_summary(struct elg_sqlite_columns *columns, struct elg_run_row *row)
{
    elg_sqlite_column_text(columns, row->trace_id, sizeof row->trace_id, false);
    columns->row = row->trace_id;
    elg_sqlite_column_text(columns, row->graph_id, sizeof row->graph_id, false);
    elg_sqlite_column_text(columns, row->graph_version, sizeof row->graph_version, false);
    elg_sqlite_column_hash(columns, &row->graph_hash, false);
    run_status(columns, &row->status);
    elg_sqlite_column_text(columns, row->seed, sizeof row->seed, false);
    row->step_count =
        (uint64_t)elg_sqlite_column_int(columns, 0, ELG_STEPS_PER_RUN_MAX + 1);
    elg_sqlite_column_hash(columns, &row->chain, false);
    row->epoch = (uint64_t)elg_sqlite_column_int(columns, 0, INT64_MAX - 1);
    row->claims = (uint32_t)elg_sqlite_column_int(columns, 0, UINT32_MAX - 1);
    row->abort_requested = elg_sqlite_column_int(columns, 0, 1) != 0;
    row->due_ms = elg_sqlite_column_time(columns);
    row->error = elg_sqlite_column_blob(columns, true);
    row->started_at_ms = elg_sqlite_column_time(columns);
    row->completed_at_ms = elg_sqlite_column_time(columns);
    row->created_at_ms = elg_sqlite_column_time(columns);
    row->updated_at_ms = elg_sqlite_column_time(columns);
    elg_sqlite_column_text(columns, row->parent_trace_id, sizeof row->parent_trace_id,
                           true);
    row->parent_step = elg_sqlite_column_time(columns);
    row->parent_seq = (uint32_t)elg_sqlite_column_time(columns);
    row->depth = (uint32_t)elg_sqlite_column_int(columns, 0, UINT32_MAX);
    row->has_children = elg_sqlite_column_int(columns, 0, 1) != 0;
    if (columns->status == ELG_OK &&
        elg_checkpoint_status_ended(row->status) != (row->completed_at_ms != 0))
        columns->status =
            elg_base_fail(columns->error, ELG_CORRUPT, columns->connection->path,
                          "cmo_runs.completed_at, row %s: does not go with status %s; "
                          "restore it from a copy",
                          columns->row, elg_checkpoint_status_name(row->status));
}

static void run_payloads(struct elg_sqlite_columns *columns, struct elg_run_row *row)
{
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    columns->table = "cmo_inputs";
    elg_sqlite_column_text(columns, trace_id, sizeof trace_id, false);
    row->input = elg_sqlite_column_blob(columns, true);
    row->initial_state = elg_sqlite_column_blob(columns, true);
    row->limits = elg_sqlite_column_blob(columns, true);
}

enum elg_status elg_sqlite_row_run(const struct elg_alloc *alloc,
                                   const struct elg_sqlite_connection *connection,
                                   sqlite3_stmt *statement, bool summary,
                                   struct elg_run_row *out, struct elg_error *error)
{
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    struct elg_sqlite_columns columns =
        columns_begin(alloc, connection, statement, "cmo_runs", "?", error);
    run_summary(&columns, &row);
    if (!summary)
        run_payloads(&columns, &row);
    if (columns.status != ELG_OK)
        elg_checkpoint_run_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

void elg_sqlite_row_trace(sqlite3_stmt *statement, char out[ELG_TRACE_BYTES_MAX + 1])
{
    out[0] = '\0';
    if (sqlite3_column_type(statement, 0) != SQLITE_TEXT ||
        sqlite3_column_bytes(statement, 0) > ELG_TRACE_BYTES_MAX)
        return;
    const char *trace_id = (const char *)sqlite3_column_text(statement, 0);
    if (trace_id != NULL)
        snprintf(out, ELG_TRACE_BYTES_MAX + 1, "%s", trace_id);
}

void elg_sqlite_stray_tell(const struct elg_sqlite_connection *connection,
                           sqlite3_stmt *statement, elg_unread_fn unread,
                           void *unread_self)
{
    struct elg_error error;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    elg_sqlite_row_trace(statement, trace_id);
    elg_base_fail(&error, ELG_CORRUPT, connection->path,
                  "cmo_runs.%s, row %s: not a time; restore it from a copy",
                  (const char *)sqlite3_column_text(statement, 1),
                  trace_id[0] ? trace_id : "?");
    unread(unread_self, trace_id, &error);
}

static enum elg_status run_step(const struct elg_alloc *alloc,
                                struct elg_sqlite_connection *connection,
                                sqlite3_stmt *statement, const char *trace_id,
                                struct elg_run_row *out, struct elg_error *error)
{
    bool found;
    enum elg_status status = elg_sqlite_step(connection, statement, &found, error);
    if (status != ELG_OK)
        return status;
    if (!found)
        return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "no such run in %s",
                             connection->path);
    status = elg_sqlite_row_run(alloc, connection, statement, false, out, error);
    sqlite3_reset(statement);
    return status;
}

enum elg_status elg_sqlite_run_read(const struct elg_alloc *alloc,
                                    struct elg_sqlite_connection *connection,
                                    const char *trace_id, struct elg_run_row *out,
                                    struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    enum elg_status status =
        elg_sqlite_statement(connection, ELG_SQLITE_RUN_READ, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_text(&bind, trace_id);
    status = elg_sqlite_bind_end(&bind, connection, error);
    if (status != ELG_OK)
        return status;
    return run_step(alloc, connection, statement, trace_id, out, error);
}

/* ---- steps */

static void step_status(struct elg_sqlite_columns *columns, enum elg_attempt_status *out)
{
    struct elg_bytes name = elg_sqlite_column_name(columns);
    if (columns->status == ELG_OK && !elg_checkpoint_attempt_parse(name, out))
        elg_sqlite_column_bad(columns, "not a status of an attempt");
}

static void step_outcome(struct elg_sqlite_columns *columns, struct elg_step_row *row)
{
    elg_sqlite_column_hash(columns, &row->input_hash, true);
    elg_sqlite_column_hash(columns, &row->state_hash, true);
    elg_sqlite_column_hash(columns, &row->output_hash, true);
    row->has_edge =
        elg_sqlite_column_text(columns, row->next_edge, sizeof row->next_edge, true);
    elg_sqlite_column_text(columns, row->next_node, sizeof row->next_node, false);
    row->fuel = (uint64_t)elg_sqlite_column_int(columns, 0, INT64_MAX);
    row->activity_count = (uint32_t)elg_sqlite_column_int(columns, 0, UINT32_MAX);
    row->clock_ms = elg_sqlite_column_int(columns, INT64_MIN, INT64_MAX);
    row->retry_due_ms = elg_sqlite_column_time(columns);
    row->started_at_ms = elg_sqlite_column_time(columns);
    row->completed_at_ms = elg_sqlite_column_time(columns);
    row->duration_us = llround(elg_sqlite_column_real(columns) * US_PER_MS);
}

static void step_chain(struct elg_sqlite_columns *columns, struct elg_step_row *row)
{
    static const struct elg_hash NONE;
    elg_sqlite_column_long_text(columns, &row->fingerprint, &row->fingerprint_blob);
    elg_sqlite_column_hash(columns, &row->digest, true);
    elg_sqlite_column_hash(columns, &row->chain, true);
    row->has_chain = !elg_base_hash_equal(&row->chain, &NONE);
}

static void step_payloads(struct elg_sqlite_columns *columns, struct elg_step_row *row)
{
    row->state = elg_sqlite_column_blob(columns, true);
    row->output = elg_sqlite_column_blob(columns, true);
    row->metadata = elg_sqlite_column_blob(columns, true);
    row->error = elg_sqlite_column_blob(columns, true);
    row->stop = elg_sqlite_column_blob(columns, true);
}

enum elg_status elg_sqlite_row_step(const struct elg_alloc *alloc,
                                    const struct elg_sqlite_connection *connection,
                                    sqlite3_stmt *statement, const char *trace_id,
                                    struct elg_step_row *out, struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    elg_checkpoint_row_name(name, trace_id, sqlite3_column_int64(statement, 0),
                            sqlite3_column_int64(statement, 1), -1);
    struct elg_sqlite_columns columns =
        columns_begin(alloc, connection, statement, "cmo_steps", name, error);
    struct elg_step_row row;
    memset(&row, 0, sizeof row);
    row.step_index = elg_sqlite_column_int(&columns, 0, ELG_STEPS_PER_RUN_MAX + 1);
    row.attempt = (uint32_t)elg_sqlite_column_int(&columns, 0, UINT32_MAX);
    elg_sqlite_column_text(&columns, row.node_id, sizeof row.node_id, false);
    step_status(&columns, &row.status);
    step_outcome(&columns, &row);
    step_chain(&columns, &row);
    step_payloads(&columns, &row);
    if (columns.status != ELG_OK)
        elg_checkpoint_step_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

/* ---- activities */

static void activity_status(struct elg_sqlite_columns *columns,
                            enum elg_activity_status *out)
{
    struct elg_bytes name = elg_sqlite_column_name(columns);
    if (columns->status == ELG_OK && !elg_checkpoint_activity_parse(name, out))
        elg_sqlite_column_bad(columns, "not a status of an activity");
}

static void activity_reference(struct elg_sqlite_columns *columns,
                               struct elg_activity_row *row)
{
    struct elg_hash hash;
    if (elg_sqlite_column_text(columns, row->response_blob_ref,
                               sizeof row->response_blob_ref, true) &&
        !elg_base_hash_parse(elg_base_bytes(row->response_blob_ref), &hash))
        elg_sqlite_column_bad(columns, "not a hash of 64 lower-case hex digits");
}

enum elg_status elg_sqlite_row_activity(const struct elg_alloc *alloc,
                                        const struct elg_sqlite_connection *connection,
                                        sqlite3_stmt *statement, const char *trace_id,
                                        struct elg_activity_row *out,
                                        struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    elg_checkpoint_row_name(name, trace_id, sqlite3_column_int64(statement, 0),
                            sqlite3_column_int64(statement, 1),
                            sqlite3_column_int64(statement, 2));
    struct elg_sqlite_columns columns =
        columns_begin(alloc, connection, statement, "cmo_activities", name, error);
    struct elg_activity_row row;
    memset(&row, 0, sizeof row);
    row.step_index = elg_sqlite_column_int(&columns, 0, ELG_STEPS_PER_RUN_MAX + 1);
    row.attempt = (uint32_t)elg_sqlite_column_int(&columns, 0, UINT32_MAX);
    row.seq = (uint32_t)elg_sqlite_column_int(&columns, 0, UINT32_MAX);
    elg_sqlite_column_text(&columns, row.type, sizeof row.type, false);
    activity_status(&columns, &row.status);
    elg_sqlite_column_hash(&columns, &row.request_hash, true);
    elg_sqlite_column_hash(&columns, &row.key, true);
    row.due_ms = elg_sqlite_column_time(&columns);
    row.timestamp_ms = elg_sqlite_column_time(&columns);
    elg_sqlite_column_long_text(&columns, &row.where, &row.where_blob);
    elg_sqlite_column_hash(&columns, &row.digest, true);
    activity_reference(&columns, &row);
    row.request = elg_sqlite_column_blob(&columns, true);
    row.response = elg_sqlite_column_blob(&columns, true);
    if (columns.status != ELG_OK)
        elg_checkpoint_activity_row_fini(&row);
    else
        *out = row;
    return columns.status;
}
