/* sqlite_schema: is it our database, and is it up to date.
 *
 * Uses sqlite.h and the migrations, which the build embeds from sql/sqlite. user_version
 * is the number of migrations applied, application_id says that the file is ours.
 */
#include "checkpoint/sqlite.h"

#include <stdio.h>

#define WAL_POLL_MS 2
#define APPLICATION_ID 0x656C6731 /* "elg1" */

static const char *const MIGRATIONS[] = {
#include "sqlite_migrations.h"
};
#define MIGRATION_COUNT ((int64_t)(sizeof MIGRATIONS / sizeof MIGRATIONS[0]))

static enum elg_status exec(struct elg_sqlite_connection *connection, const char *sql,
                            struct elg_error *error)
{
    int code = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return elg_sqlite_fail(connection, sqlite3_extended_errcode(connection->db),
                               "opening", error);
    return ELG_OK;
}

static enum elg_status query_int(struct elg_sqlite_connection *connection,
                                 const char *sql, int64_t *out, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    enum elg_status status = ELG_OK;
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        status = elg_sqlite_fail(connection, sqlite3_extended_errcode(connection->db),
                                 "opening", error);
    sqlite3_finalize(statement);
    return status;
}

struct schema {
    int64_t application_id;
    int64_t version;
    int64_t object_count;
};

static enum elg_status schema_read(struct elg_sqlite_connection *connection,
                                   struct schema *schema, struct elg_error *error)
{
    enum elg_status status =
        query_int(connection, "PRAGMA application_id", &schema->application_id, error);
    if (status == ELG_OK)
        status = query_int(connection, "PRAGMA user_version", &schema->version, error);
    if (status == ELG_OK)
        status = query_int(connection, "SELECT count(*) FROM sqlite_master",
                           &schema->object_count, error);
    return status;
}

static enum elg_status schema_check(const struct elg_sqlite_connection *connection,
                                    const struct schema *schema, bool migrate,
                                    struct elg_error *error)
{
    bool empty = schema->object_count == 0 && schema->application_id == 0;
    if (empty && migrate)
        return ELG_OK;
    if (empty)
        return elg_base_fail(
            error, ELG_IO, connection->path,
            "there is nothing in it yet (elg run and elg submit make it a "
            "store)");
    if (schema->application_id != APPLICATION_ID || schema->version < 1)
        return elg_base_fail(error, ELG_CORRUPT, connection->path,
                             "not a database of elg; name another file");
    if (schema->version > MIGRATION_COUNT)
        return elg_base_fail(error, ELG_UNSUPPORTED, connection->path,
                             "its schema is version %lld, this build knows up to %lld; "
                             "use a newer elg",
                             (long long)schema->version, (long long)MIGRATION_COUNT);
    if (schema->version < MIGRATION_COUNT && !migrate)
        return elg_base_fail(error, ELG_UNSUPPORTED, connection->path,
                             "its schema is version %lld and this build's is %lld; "
                             "migrate it first",
                             (long long)schema->version, (long long)MIGRATION_COUNT);
    return ELG_OK;
}

static enum elg_status migrate_from(struct elg_sqlite_connection *connection,
                                    int64_t version, struct elg_error *error)
{
    char sql[128];
    enum elg_status status = exec(connection, "BEGIN IMMEDIATE", error);
    for (int64_t i = version; status == ELG_OK && i < MIGRATION_COUNT; i++)
        status = exec(connection, MIGRATIONS[i], error);
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
             APPLICATION_ID, (int)MIGRATION_COUNT);
    if (status == ELG_OK)
        status = exec(connection, sql, error);
    if (!sqlite3_get_autocommit(connection->db))
        sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Where there is no shared memory, SQLite keeps its other journal and says nothing. */
static enum elg_status wal_check(struct elg_sqlite_connection *connection,
                                 struct elg_error *error)
{
    int64_t is_wal = 0;
    enum elg_status status =
        query_int(connection, "SELECT journal_mode = 'wal' FROM pragma_journal_mode",
                  &is_wal, error);
    if (status != ELG_OK || is_wal)
        return status;
    return elg_base_fail(error, ELG_UNSUPPORTED, connection->path,
                         "its file system has no shared memory, which the journal (WAL) "
                         "needs; name a file on another");
}

/* Where the change to WAL meets another connection's lock (a reader, or who rolls back
 * what a killed process left), SQLite does not wait by itself. */
static enum elg_status wal_begin(struct elg_sqlite_connection *connection, bool empty,
                                 struct elg_error *error)
{
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA page_size=%d; PRAGMA journal_mode=WAL",
             ELG_SQLITE_PAGE_BYTES);
    for (int waited_ms = 0;; waited_ms += WAL_POLL_MS) {
        enum elg_status status =
            exec(connection, empty ? sql : "PRAGMA journal_mode=WAL", error);
        if (status == ELG_OK)
            return wal_check(connection, error);
        if (status != ELG_BUSY || waited_ms >= ELG_SQLITE_BUSY_MS_MAX)
            return status;
        sqlite3_sleep(WAL_POLL_MS);
    }
}

enum elg_status elg_sqlite_schema_open(struct elg_sqlite_connection *connection,
                                       bool migrate, bool *created,
                                       struct elg_error *error)
{
    struct schema schema;
    *created = false;
    enum elg_status status = schema_read(connection, &schema, error);
    if (status == ELG_OK)
        status = schema_check(connection, &schema, migrate, error);
    if (status != ELG_OK || !migrate)
        return status;
    *created = schema.object_count == 0;
    status = wal_begin(connection, *created, error);
    if (status == ELG_OK && schema.version < MIGRATION_COUNT)
        status = migrate_from(connection, schema.version, error);
    return status;
}

const char *elg_sqlite_name(void *self)
{
    return ((struct elg_sqlite *)self)->path;
}

int64_t elg_sqlite_schema_version(void *self)
{
    (void)self; /* what is older or newer is not opened */
    return MIGRATION_COUNT;
}
