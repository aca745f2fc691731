/* sqlite_column: reading columns of a file that someone else may have written.
 *
 * Uses sqlite.h. Every value is checked for its type, its size and its form; the first
 * that is off makes the row ELG_CORRUPT with table, column and row in the text, and all
 * later reads give zeros.
 */
#include "checkpoint/sqlite.h"
#include "json/json.h"

#include <math.h>
#include <string.h>

static int next(struct elg_sqlite_columns *columns)
{
    return columns->index++;
}

void elg_sqlite_column_bad(struct elg_sqlite_columns *columns, const char *why)
{
    if (columns->status != ELG_OK)
        return;
    const char *column = sqlite3_column_name(columns->statement, columns->index - 1);
    columns->status =
        elg_base_fail(columns->error, ELG_CORRUPT, columns->connection->path,
                      "%s.%s, row %s: %s; restore it from a copy", columns->table,
                      column ? column : "?", columns->row, why);
}

static void no_memory(struct elg_sqlite_columns *columns)
{
    if (columns->status == ELG_OK)
        columns->status = elg_base_no_memory(columns->error);
}

int64_t elg_sqlite_column_int(struct elg_sqlite_columns *columns, int64_t min,
                              int64_t max)
{
    int i = next(columns);
    if (columns->status != ELG_OK)
        return 0;
    if (sqlite3_column_type(columns->statement, i) != SQLITE_INTEGER) {
        elg_sqlite_column_bad(columns, "not an integer");
        return 0;
    }
    int64_t value = sqlite3_column_int64(columns->statement, i);
    if (value < min || value > max) {
        elg_sqlite_column_bad(columns, "out of range");
        return 0;
    }
    return value;
}

int64_t elg_sqlite_column_time(struct elg_sqlite_columns *columns)
{
    if (sqlite3_column_type(columns->statement, columns->index) == SQLITE_NULL) {
        next(columns);
        return 0;
    }
    return elg_sqlite_column_int(columns, INT64_MIN, INT64_MAX);
}

double elg_sqlite_column_real(struct elg_sqlite_columns *columns)
{
    int i = next(columns);
    if (columns->status != ELG_OK)
        return 0;
    int type = sqlite3_column_type(columns->statement, i);
    double value = sqlite3_column_double(columns->statement, i);
    if ((type != SQLITE_FLOAT && type != SQLITE_INTEGER) || !(fabs(value) < 1e15)) {
        elg_sqlite_column_bad(columns, "not a number");
        return 0;
    }
    return value;
}

/* The bytes of a column of `type`; data NULL and size 0: NULL or failed. */
static struct elg_bytes bytes_of(struct elg_sqlite_columns *columns, int type,
                                 bool nullable, const char *why)
{
    struct elg_bytes bytes = {NULL, 0};
    int i = next(columns);
    if (columns->status != ELG_OK)
        return bytes;
    int found = sqlite3_column_type(columns->statement, i);
    if (found == SQLITE_NULL && nullable)
        return bytes;
    if (found != type) {
        elg_sqlite_column_bad(columns, found == SQLITE_NULL ? "is NULL" : why);
        return bytes;
    }
    const void *data = sqlite3_column_blob(columns->statement, i);
    bytes.size = (size_t)sqlite3_column_bytes(columns->statement, i);
    bytes.data = data ? data : (const uint8_t *)"";
    if (data == NULL && bytes.size > 0)
        no_memory(columns);
    return bytes;
}

bool elg_sqlite_column_text(struct elg_sqlite_columns *columns, char *out,
                            size_t out_size, bool nullable)
{
    out[0] = '\0';
    struct elg_bytes text = bytes_of(columns, SQLITE_TEXT, nullable, "not a text");
    if (text.data == NULL || columns->status != ELG_OK)
        return false;
    if (text.size >= out_size || memchr(text.data, 0, text.size) != NULL) {
        elg_sqlite_column_bad(columns, "too long, or with a NUL in it");
        return false;
    }
    if (elg_json_check_utf8(text) != text.size) {
        elg_sqlite_column_bad(columns, "not valid UTF-8");
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

void elg_sqlite_column_long_text(struct elg_sqlite_columns *columns, const char **text,
                                 struct elg_blob **blob)
{
    *text = NULL;
    *blob = NULL;
    struct elg_bytes bytes = bytes_of(columns, SQLITE_TEXT, true, "not a text");
    if (bytes.data == NULL || columns->status != ELG_OK)
        return;
    if (bytes.size > ELG_STATE_BYTES_MAX || memchr(bytes.data, 0, bytes.size) != NULL) {
        elg_sqlite_column_bad(columns, "too long, or with a NUL in it");
        return;
    }
    if (elg_json_check_utf8(bytes) != bytes.size) {
        elg_sqlite_column_bad(columns, "not valid UTF-8");
        return;
    }
    *blob = elg_base_blob_create(columns->alloc, bytes);
    if (*blob == NULL)
        no_memory(columns);
    else
        *text = (const char *)elg_base_blob_bytes(*blob).data;
}

struct elg_bytes elg_sqlite_column_name(struct elg_sqlite_columns *columns)
{
    return bytes_of(columns, SQLITE_TEXT, false, "not a text");
}

void elg_sqlite_column_hash(struct elg_sqlite_columns *columns, struct elg_hash *out,
                            bool nullable)
{
    memset(out, 0, sizeof *out);
    struct elg_bytes text = bytes_of(columns, SQLITE_TEXT, nullable, "not a text");
    if (text.data == NULL || columns->status != ELG_OK)
        return;
    if (!elg_base_hash_parse(text, out))
        elg_sqlite_column_bad(columns, "not a hash of 64 lower-case hex digits");
}

struct elg_blob *elg_sqlite_column_blob(struct elg_sqlite_columns *columns, bool nullable)
{
    struct elg_bytes bytes = bytes_of(columns, SQLITE_BLOB, nullable, "not a blob");
    if (bytes.data == NULL || columns->status != ELG_OK)
        return NULL;
    struct elg_blob *blob = elg_base_blob_create(columns->alloc, bytes);
    if (blob == NULL)
        no_memory(columns);
    return blob;
}
