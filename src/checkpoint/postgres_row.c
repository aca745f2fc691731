/* postgres_row: rows of the tables as structs, and steps and activities back into
 * columns. Uses postgres.h. The order of columns is that of postgres_statement.c.
 */
#include "checkpoint/postgres.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define US_PER_MS 1000.0

enum kind {
    END,
    INDEX,     /* int64_t, small */
    COUNT,     /* uint32_t */
    FUEL,      /* uint64_t */
    NAME,      /* char[] */
    EDGE,      /* next_edge of a step: NULL without has_edge */
    LINK,      /* chain of a step: NULL without has_chain */
    POINTER,   /* const char *, and its blob when read */
    HASH,      /* zeros: NULL */
    BLOB,      /* NULL: NULL */
    REFERENCE, /* char[] with a hash; "": NULL */
    TIME,      /* int64_t; 0: NULL */
    MOMENT,    /* int64_t */
    DURATION,  /* int64_t of microseconds */
    ATTEMPT,
    ACTIVITY
};

struct elg_postgres_field {
    enum kind kind;
    size_t offset;
    size_t size; /* of the char[]; of a POINTER: the blob's offset */
};

#define STEP(kind, name)                                                                 \
    {                                                                                    \
        kind, offsetof(struct elg_step_row, name),                                       \
            sizeof(((struct elg_step_row *)0)->name)                                     \
    }
#define CALL(kind, name)                                                                 \
    {                                                                                    \
        kind, offsetof(struct elg_activity_row, name),                                   \
            sizeof(((struct elg_activity_row *)0)->name)                                 \
    }

/* clang-format off */
static const struct elg_postgres_field STEP_FIELDS[] = {
    STEP(INDEX, step_index), STEP(COUNT, attempt), STEP(NAME, node_id),
    STEP(ATTEMPT, status), STEP(HASH, input_hash), STEP(HASH, state_hash),
    STEP(HASH, output_hash), STEP(EDGE, next_edge), STEP(NAME, next_node),
    STEP(FUEL, fuel), STEP(COUNT, activity_count), STEP(MOMENT, clock_ms),
    STEP(TIME, retry_due_ms), STEP(TIME, started_at_ms), STEP(TIME, completed_at_ms),
    STEP(DURATION, duration_us),
    {POINTER, offsetof(struct elg_step_row, fingerprint),
     offsetof(struct elg_step_row, fingerprint_blob)},
    STEP(HASH, digest), STEP(LINK, chain), STEP(BLOB, state), STEP(BLOB, output),
    STEP(BLOB, metadata), STEP(BLOB, error), STEP(BLOB, stop), {END, 0, 0}};

static const struct elg_postgres_field ACTIVITY_FIELDS[] = {
    CALL(INDEX, step_index), CALL(COUNT, attempt), CALL(COUNT, seq), CALL(NAME, type),
    CALL(ACTIVITY, status), CALL(HASH, request_hash), CALL(HASH, key), CALL(TIME, due_ms),
    CALL(TIME, timestamp_ms),
    {POINTER, offsetof(struct elg_activity_row, where),
     offsetof(struct elg_activity_row, where_blob)},
    CALL(HASH, digest), CALL(REFERENCE, response_blob_ref), CALL(BLOB, request),
    CALL(BLOB, response), {END, 0, 0}};
/* clang-format on */

const struct elg_postgres_field *const elg_postgres_step_fields = STEP_FIELDS;
const struct elg_postgres_field *const elg_postgres_activity_fields = ACTIVITY_FIELDS;

const struct elg_postgres_field *
elg_postgres_field_next(const struct elg_postgres_field *field)
{
    return field[1].kind == END ? NULL : field + 1;
}

enum elg_postgres_type elg_postgres_field_type(const struct elg_postgres_field *field)
{
    switch (field->kind) {
    case INDEX:
    case COUNT:
        return ELG_POSTGRES_INT4;
    case FUEL:
        return ELG_POSTGRES_INT8;
    case BLOB:
        return ELG_POSTGRES_BYTEA;
    case TIME:
    case MOMENT:
        return ELG_POSTGRES_TIME;
    case DURATION:
        return ELG_POSTGRES_FLOAT8;
    default:
        return ELG_POSTGRES_TEXT;
    }
}

/* ---- putting */

static void text_put(struct elg_postgres_batch *batch,
                     const struct elg_postgres_field *field, const void *row)
{
    static const struct elg_hash NONE;
    const void *at = (const char *)row + field->offset;
    const struct elg_step_row *step = row;
    switch (field->kind) {
    case NAME:
        elg_postgres_put_text(batch, at);
        break;
    case EDGE:
        elg_postgres_put_text(batch, step->has_edge ? at : NULL);
        break;
    case REFERENCE:
        elg_postgres_put_text(batch, *(const char *)at != '\0' ? at : NULL);
        break;
    case POINTER:
        elg_postgres_put_text(batch, *(const char *const *)at);
        break;
    case HASH:
        elg_postgres_put_hash(batch, at);
        break;
    case LINK:
        elg_postgres_put_hash(batch, step->has_chain ? at : &NONE);
        break;
    case ATTEMPT:
        elg_postgres_put_text(
            batch, elg_checkpoint_attempt_name(*(const enum elg_attempt_status *)at));
        break;
    default:
        elg_postgres_put_text(
            batch, elg_checkpoint_activity_name(*(const enum elg_activity_status *)at));
    }
}

void elg_postgres_field_put(struct elg_postgres_batch *batch,
                            const struct elg_postgres_field *field, const void *row)
{
    const void *at = (const char *)row + field->offset;
    switch (field->kind) {
    case INDEX:
        elg_postgres_put_int4(batch, *(const int64_t *)at);
        break;
    case COUNT:
        elg_postgres_put_int4(batch, *(const uint32_t *)at);
        break;
    case FUEL:
        elg_postgres_put_int8(batch, (int64_t) * (const uint64_t *)at);
        break;
    case BLOB:
        elg_postgres_put_blob(batch, *(struct elg_blob *const *)at);
        break;
    case TIME:
        elg_postgres_put_time(batch, *(const int64_t *)at);
        break;
    case MOMENT:
        elg_postgres_put_moment(batch, *(const int64_t *)at);
        break;
    case DURATION:
        elg_postgres_put_real(batch, (double)*(const int64_t *)at / US_PER_MS);
        break;
    default:
        text_put(batch, field, row);
    }
}

/* ---- getting */

static void status_get(struct elg_postgres_columns *columns, enum kind kind, void *at)
{
    struct elg_bytes name = elg_postgres_column_bytes(columns, ELG_POSTGRES_TEXT, false);
    if (columns->status != ELG_OK)
        return;
    bool known = kind == ATTEMPT ? elg_checkpoint_attempt_parse(name, at)
                                 : elg_checkpoint_activity_parse(name, at);
    if (!known)
        elg_postgres_column_bad(columns, "not a status that this elg knows");
}

static void reference_get(struct elg_postgres_columns *columns, char *at, size_t size)
{
    struct elg_hash hash;
    if (elg_postgres_column_text(columns, at, size, true) &&
        !elg_base_hash_parse(elg_base_bytes(at), &hash))
        elg_postgres_column_bad(columns, "not a hash of 64 lower-case hex digits");
}

static void text_get(struct elg_postgres_columns *columns,
                     const struct elg_postgres_field *field, void *row)
{
    static const struct elg_hash NONE;
    char *at = (char *)row + field->offset;
    struct elg_step_row *step = row;
    switch (field->kind) {
    case NAME:
        elg_postgres_column_text(columns, at, field->size, false);
        break;
    case EDGE:
        step->has_edge = elg_postgres_column_text(columns, at, field->size, true);
        break;
    case REFERENCE:
        reference_get(columns, at, field->size);
        break;
    case POINTER:
        elg_postgres_column_long_text(columns, (const char **)(void *)at,
                                      (void *)((char *)row + field->size));
        break;
    case HASH:
        elg_postgres_column_hash(columns, (void *)at, true);
        break;
    case LINK:
        elg_postgres_column_hash(columns, (void *)at, true);
        step->has_chain = !elg_base_hash_equal((void *)at, &NONE);
        break;
    default:
        status_get(columns, field->kind, at);
    }
}

static void field_get(struct elg_postgres_columns *columns,
                      const struct elg_postgres_field *field, void *row)
{
    void *at = (char *)row + field->offset;
    switch (field->kind) {
    case INDEX:
        *(int64_t *)at = elg_postgres_column_int(columns, 0, ELG_STEPS_PER_RUN_MAX + 1);
        break;
    case COUNT:
        *(uint32_t *)at = (uint32_t)elg_postgres_column_int(columns, 0, INT32_MAX);
        break;
    case FUEL:
        *(uint64_t *)at = (uint64_t)elg_postgres_column_int(columns, 0, INT64_MAX);
        break;
    case BLOB:
        *(struct elg_blob **)at = elg_postgres_column_blob(columns, true);
        break;
    case TIME:
    case MOMENT:
        *(int64_t *)at = elg_postgres_column_time(columns, field->kind == TIME);
        break;
    case DURATION:
        *(int64_t *)at = llround(elg_postgres_column_real(columns) * US_PER_MS);
        break;
    default:
        text_get(columns, field, row);
    }
}

static struct elg_postgres_columns columns_begin(const struct elg_postgres *postgres,
                                                 const PGresult *result, int at,
                                                 const char *table, const char *row,
                                                 struct elg_error *error)
{
    struct elg_postgres_columns columns = {.alloc = postgres->env.alloc,
                                           .label = postgres->settings.label,
                                           .result = result,
                                           .at = at,
                                           .table = table,
                                           .row = row,
                                           .error = error};
    return columns;
}

static enum elg_status fields_get(struct elg_postgres_columns *columns,
                                  const struct elg_postgres_field *field, void *row)
{
    for (; field != NULL; field = elg_postgres_field_next(field))
        field_get(columns, field, row);
    return columns->status;
}

enum elg_status elg_postgres_row_step(const struct elg_postgres *postgres,
                                      const PGresult *result, int at,
                                      const char *trace_id, struct elg_step_row *out,
                                      struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    struct elg_step_row row;
    memset(&row, 0, sizeof row);
    struct elg_postgres_columns key =
        columns_begin(postgres, result, at, "cmo_steps", trace_id, error);
    int64_t step = elg_postgres_column_int(&key, 0, INT32_MAX);
    int64_t attempt = elg_postgres_column_int(&key, 0, INT32_MAX);
    elg_checkpoint_row_name(name, trace_id, step, attempt, -1);
    struct elg_postgres_columns columns =
        columns_begin(postgres, result, at, "cmo_steps", name, error);
    enum elg_status status = fields_get(&columns, elg_postgres_step_fields, &row);
    if (status != ELG_OK)
        elg_checkpoint_step_row_fini(&row);
    else
        *out = row;
    return status;
}

enum elg_status elg_postgres_row_activity(const struct elg_postgres *postgres,
                                          const PGresult *result, int at,
                                          const char *trace_id,
                                          struct elg_activity_row *out,
                                          struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    struct elg_activity_row row;
    memset(&row, 0, sizeof row);
    struct elg_postgres_columns key =
        columns_begin(postgres, result, at, "cmo_activities", trace_id, error);
    int64_t step = elg_postgres_column_int(&key, 0, INT32_MAX);
    int64_t attempt = elg_postgres_column_int(&key, 0, INT32_MAX);
    int64_t seq = elg_postgres_column_int(&key, 0, INT32_MAX);
    elg_checkpoint_row_name(name, trace_id, step, attempt, seq);
    struct elg_postgres_columns columns =
        columns_begin(postgres, result, at, "cmo_activities", name, error);
    enum elg_status status = fields_get(&columns, elg_postgres_activity_fields, &row);
    if (status != ELG_OK)
        elg_checkpoint_activity_row_fini(&row);
    else
        *out = row;
    return status;
}

/* ---- runs and graphs */

static void run_status_get(struct elg_postgres_columns *columns, enum elg_run_status *out)
{
    struct elg_bytes name = elg_postgres_column_bytes(columns, ELG_POSTGRES_TEXT, false);
    if (columns->status == ELG_OK && !elg_checkpoint_status_parse(name, out))
        elg_postgres_column_bad(columns, "not a status of a run");
}

static void run_summary(struct elg_postgres_columns *columns, struct elg_run_row *row)
{
    elg_postgres_column_text(columns, row->trace_id, sizeof row->trace_id, false);
    columns->row = row->trace_id;
    elg_postgres_column_text(columns, row->graph_id, sizeof row->graph_id, false);
    elg_postgres_column_text(columns, row->graph_version, sizeof row->graph_version,
                             false);
    elg_postgres_column_hash(columns, &row->graph_hash, true);
    run_status_get(columns, &row->status);
    elg_postgres_column_text(columns, row->seed, sizeof row->seed, false);
    row->step_count =
        (uint64_t)elg_postgres_column_int(columns, 0, ELG_STEPS_PER_RUN_MAX + 1);
    elg_postgres_column_hash(columns, &row->chain, true);
    row->epoch = (uint64_t)elg_postgres_column_int(columns, 0, INT64_MAX - 1);
    row->claims = (uint32_t)elg_postgres_column_int(columns, 0, INT32_MAX - 1);
    row->abort_requested = elg_postgres_column_bool(columns);
    row->due_ms = elg_postgres_column_time(columns, true);
    row->error = elg_postgres_column_blob(columns, true);
    row->started_at_ms = elg_postgres_column_time(columns, true);
    row->completed_at_ms = elg_postgres_column_time(columns, true);
    row->created_at_ms = elg_postgres_column_time(columns, false);
    row->updated_at_ms = elg_postgres_column_time(columns, false);
    elg_postgres_column_text(columns, row->parent_trace_id, sizeof row->parent_trace_id,
                             true);
    row->parent_step = elg_postgres_column_int(columns, 0, INT32_MAX);
    row->parent_seq = (uint32_t)elg_postgres_column_int(columns, 0, INT32_MAX);
    row->depth = (uint32_t)elg_postgres_column_int(columns, 0, INT32_MAX);
    row->has_children = elg_postgres_column_bool(columns);
    if (columns->status == ELG_OK &&
        elg_checkpoint_status_ended(row->status) != (row->completed_at_ms != 0))
        columns->status =
            elg_base_fail(columns->error, ELG_CORRUPT, columns->label,
                          "cmo_runs.completed_at, row %s: does not go with status %s; "
                          "restore it from a copy",
                          columns->row, elg_checkpoint_status_name(row->status));
}

static void run_payloads(struct elg_postgres_columns *columns, struct elg_run_row *row)
{
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    columns->table = "cmo_inputs";
    elg_postgres_column_text(columns, trace_id, sizeof trace_id, false);
    row->input = elg_postgres_column_blob(columns, true);
    row->initial_state = elg_postgres_column_blob(columns, true);
    row->limits = elg_postgres_column_blob(columns, true);
}

enum elg_status elg_postgres_row_run(const struct elg_postgres *postgres,
                                     const PGresult *result, int at, bool summary,
                                     struct elg_run_row *out, struct elg_error *error)
{
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    struct elg_postgres_columns columns =
        columns_begin(postgres, result, at, "cmo_runs", "?", error);
    run_summary(&columns, &row);
    if (!summary)
        run_payloads(&columns, &row);
    if (columns.status != ELG_OK)
        elg_checkpoint_run_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

void elg_postgres_row_trace(const PGresult *result, int at,
                            char out[ELG_TRACE_BYTES_MAX + 1])
{
    int size = PQgetlength(result, at, 0);
    out[0] = '\0';
    if (PQftype(result, 0) == ELG_POSTGRES_TEXT && size <= ELG_TRACE_BYTES_MAX)
        snprintf(out, ELG_TRACE_BYTES_MAX + 1, "%.*s", size, PQgetvalue(result, at, 0));
}

enum elg_status elg_postgres_row_graph(const struct elg_postgres *postgres,
                                       const PGresult *result, const char *hex,
                                       struct elg_graph_row *out, struct elg_error *error)
{
    struct elg_graph_row row;
    memset(&row, 0, sizeof row);
    struct elg_postgres_columns columns =
        columns_begin(postgres, result, 0, "cmo_graphs", hex, error);
    elg_postgres_column_hash(&columns, &row.hash, false);
    elg_postgres_column_text(&columns, row.id, sizeof row.id, false);
    elg_postgres_column_text(&columns, row.version, sizeof row.version, false);
    row.definition = elg_postgres_column_blob(&columns, false);
    if (columns.status != ELG_OK)
        elg_checkpoint_graph_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

enum elg_status elg_postgres_run_missing(const struct elg_postgres *postgres,
                                         const char *trace_id, struct elg_error *error)
{
    return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "no such run in %s",
                         postgres->settings.label);
}
