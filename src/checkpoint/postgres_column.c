/* postgres_column: reading columns of tables that someone else may have written.
 *
 * Uses postgres.h. Every value is checked for its type, its size and its form; the first
 * that is off makes the row ELG_CORRUPT with table, column and row in the text, and all
 * later reads give zeros.
 */
#include "checkpoint/postgres.h"

#include <math.h>
#include <string.h>

#define EPOCH_MS 946684800000 /* 2000-01-01, where the server's time begins */
#define US_PER_MS 1000

void elg_postgres_column_bad(struct elg_postgres_columns *columns, const char *why)
{
    if (columns->status != ELG_OK)
        return;
    const char *column = PQfname(columns->result, columns->index - 1);
    columns->status =
        elg_base_fail(columns->error, ELG_CORRUPT, columns->label,
                      "%s.%s, row %s: %s; restore it from a copy", columns->table,
                      column ? column : "?", columns->row, why);
}

static void no_memory(struct elg_postgres_columns *columns)
{
    if (columns->status == ELG_OK)
        columns->status = elg_base_no_memory(columns->error);
}

/* The next column's bytes, of `type`; data NULL: NULL or failed. size 0: any size. */
static struct elg_bytes next(struct elg_postgres_columns *columns,
                             enum elg_postgres_type type, size_t size, bool nullable)
{
    struct elg_bytes bytes = {NULL, 0};
    int i = columns->index++;
    if (columns->status != ELG_OK)
        return bytes;
    if (i >= PQnfields(columns->result) || PQftype(columns->result, i) != (Oid)type) {
        elg_postgres_column_bad(columns, "not of the type that it should have");
        return bytes;
    }
    if (PQgetisnull(columns->result, columns->at, i)) {
        if (!nullable)
            elg_postgres_column_bad(columns, "is NULL");
        return bytes;
    }
    bytes.data = (const uint8_t *)PQgetvalue(columns->result, columns->at, i);
    bytes.size = (size_t)PQgetlength(columns->result, columns->at, i);
    if (size != 0 && bytes.size != size) {
        elg_postgres_column_bad(columns, "not of the size that it should have");
        bytes.data = NULL;
    }
    return bytes;
}

static uint64_t big_endian(struct elg_bytes bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

int64_t elg_postgres_column_int(struct elg_postgres_columns *columns, int64_t min,
                                int64_t max)
{
    bool small = columns->index < PQnfields(columns->result) &&
                 PQftype(columns->result, columns->index) == ELG_POSTGRES_INT4;
    struct elg_bytes bytes = next(columns, small ? ELG_POSTGRES_INT4 : ELG_POSTGRES_INT8,
                                  small ? 4 : 8, false);
    if (bytes.data == NULL)
        return 0;
    int64_t value =
        small ? (int32_t)(uint32_t)big_endian(bytes) : (int64_t)big_endian(bytes);
    if (value < min || value > max) {
        elg_postgres_column_bad(columns, "out of range");
        return 0;
    }
    return value;
}

bool elg_postgres_column_bool(struct elg_postgres_columns *columns)
{
    struct elg_bytes bytes = next(columns, ELG_POSTGRES_BOOL, 1, false);
    return bytes.data != NULL && bytes.data[0] != 0;
}

double elg_postgres_column_real(struct elg_postgres_columns *columns)
{
    struct elg_bytes bytes = next(columns, ELG_POSTGRES_FLOAT8, 8, false);
    double value = 0;
    if (bytes.data == NULL)
        return 0;
    uint64_t bits = big_endian(bytes);
    memcpy(&value, &bits, sizeof value);
    if (!(fabs(value) < 1e15)) {
        elg_postgres_column_bad(columns, "not a number");
        return 0;
    }
    return value;
}

int64_t elg_postgres_column_time(struct elg_postgres_columns *columns, bool nullable)
{
    struct elg_bytes bytes = next(columns, ELG_POSTGRES_TIME, 8, nullable);
    if (bytes.data == NULL)
        return 0;
    int64_t us = (int64_t)big_endian(bytes);
    if (us == INT64_MAX || us == INT64_MIN) {
        elg_postgres_column_bad(columns, "infinity is not a time");
        return 0;
    }
    return us / US_PER_MS - (us % US_PER_MS < 0) + EPOCH_MS;
}

struct elg_bytes elg_postgres_column_bytes(struct elg_postgres_columns *columns,
                                           enum elg_postgres_type type, bool nullable)
{
    return next(columns, type, 0, nullable);
}

bool elg_postgres_column_text(struct elg_postgres_columns *columns, char *out,
                              size_t out_size, bool nullable)
{
    out[0] = '\0';
    struct elg_bytes text = next(columns, ELG_POSTGRES_TEXT, 0, nullable);
    if (text.data == NULL)
        return false;
    if (text.size >= out_size) {
        elg_postgres_column_bad(columns, "too long");
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

void elg_postgres_column_long_text(struct elg_postgres_columns *columns,
                                   const char **text, struct elg_blob **blob)
{
    *text = NULL;
    *blob = NULL;
    struct elg_bytes bytes = next(columns, ELG_POSTGRES_TEXT, 0, true);
    if (bytes.data == NULL)
        return;
    if (bytes.size > ELG_STATE_BYTES_MAX) {
        elg_postgres_column_bad(columns, "too long");
        return;
    }
    *blob = elg_base_blob_create(columns->alloc, bytes);
    if (*blob == NULL)
        no_memory(columns);
    else
        *text = (const char *)elg_base_blob_bytes(*blob).data;
}

void elg_postgres_column_hash(struct elg_postgres_columns *columns, struct elg_hash *out,
                              bool nullable)
{
    memset(out, 0, sizeof *out);
    struct elg_bytes text = next(columns, ELG_POSTGRES_TEXT, 0, nullable);
    if (text.data != NULL && !elg_base_hash_parse(text, out))
        elg_postgres_column_bad(columns, "not a hash of 64 lower-case hex digits");
}

struct elg_blob *elg_postgres_column_blob(struct elg_postgres_columns *columns,
                                          bool nullable)
{
    struct elg_bytes bytes = next(columns, ELG_POSTGRES_BYTEA, 0, nullable);
    if (bytes.data == NULL)
        return NULL;
    struct elg_blob *blob = elg_base_blob_create(columns->alloc, bytes);
    if (blob == NULL)
        no_memory(columns);
    return blob;
}
