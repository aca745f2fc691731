/* postgres_schema: is it up to date, and bringing it there.
 *
 * Uses postgres.h and the migrations, which the build embeds from sql/postgres. The
 * numbers that were applied are in cmo_schema. Who migrates holds an advisory lock, so of
 * many processes that start at once one does it and the others find it done; all steps
 * are one transaction. Workers of the version before go on: a migration only adds.
 */
#include "checkpoint/postgres.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const MIGRATIONS[] = {
#include "postgres_migrations.h"
};
#define MIGRATION_COUNT ((int)(sizeof MIGRATIONS / sizeof MIGRATIONS[0]))

/* The lock's number is "elg1". */
static const char LOCK_SQL[] = "BEGIN; SELECT pg_advisory_xact_lock(1701602097);"
                               "SET LOCAL client_min_messages = warning;"
                               "CREATE TABLE IF NOT EXISTS cmo_schema ("
                               " version INTEGER NOT NULL PRIMARY KEY,"
                               " applied_at TIMESTAMPTZ NOT NULL DEFAULT now());"
                               "COMMENT ON TABLE cmo_schema IS 'The migrations that were "
                               "applied'";
static const char THERE_SQL[] = "SELECT to_regclass('cmo_schema') IS NOT NULL";
static const char VERSION_SQL[] = "SELECT coalesce(max(version), 0) FROM cmo_schema";

/* The first column of the first row as a number; of "t" 1. */
static enum elg_status query_int(struct elg_postgres_connection *connection,
                                 const char *sql, int *out, struct elg_error *error)
{
    PGresult *result = NULL;
    enum elg_status status =
        elg_postgres_exec(connection, sql, ELG_POSTGRES_REPLY_MS_MAX, &result, error);
    if (status != ELG_OK)
        return status;
    const char *text = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "0";
    *out = text[0] == 't' ? 1 : (int)strtol(text, NULL, 10);
    PQclear(result);
    return ELG_OK;
}

/* 0: nothing is there yet. */
static enum elg_status version_read(struct elg_postgres_connection *connection,
                                    int *version, struct elg_error *error)
{
    int there = 0;
    *version = 0;
    enum elg_status status = query_int(connection, THERE_SQL, &there, error);
    if (status == ELG_OK && there)
        status = query_int(connection, VERSION_SQL, version, error);
    return status;
}

static enum elg_status version_check(const struct elg_postgres_connection *connection,
                                     int version, bool migrate, struct elg_error *error)
{
    const char *label = connection->postgres->settings.label;
    if (version > MIGRATION_COUNT)
        return elg_base_fail(error, ELG_UNSUPPORTED, label,
                             "its schema is version %d, this build knows up to %d; use a "
                             "newer elg",
                             version, MIGRATION_COUNT);
    if (version < MIGRATION_COUNT && !migrate)
        return elg_base_fail(error, ELG_UNSUPPORTED, label,
                             "its schema is version %d and this build's is %d; migrate "
                             "it first",
                             version, MIGRATION_COUNT);
    return ELG_OK;
}

static enum elg_status apply(struct elg_postgres_connection *connection, int number,
                             struct elg_error *error)
{
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT INTO cmo_schema (version) VALUES (%d)", number);
    enum elg_status status = elg_postgres_exec(connection, MIGRATIONS[number - 1],
                                               ELG_POSTGRES_MIGRATE_MS_MAX, NULL, error);
    if (status == ELG_OK)
        status =
            elg_postgres_exec(connection, sql, ELG_POSTGRES_REPLY_MS_MAX, NULL, error);
    return status;
}

static enum elg_status migrate_locked(struct elg_postgres_connection *connection,
                                      struct elg_error *error)
{
    int version = 0;
    enum elg_status status =
        elg_postgres_exec(connection, LOCK_SQL, ELG_POSTGRES_MIGRATE_MS_MAX, NULL, error);
    if (status == ELG_OK)
        status = query_int(connection, VERSION_SQL, &version, error);
    if (status == ELG_OK)
        status = version_check(connection, version, true, error);
    while (status == ELG_OK && version < MIGRATION_COUNT)
        status = apply(connection, ++version, error);
    return status;
}

enum elg_status elg_postgres_schema_open(struct elg_postgres_connection *connection,
                                         bool migrate, struct elg_error *error)
{
    int version = 0;
    enum elg_status status = version_read(connection, &version, error);
    if (status == ELG_OK)
        status = version_check(connection, version, migrate, error);
    if (status != ELG_OK || version == MIGRATION_COUNT)
        return status;
    status = migrate_locked(connection, error);
    if (status == ELG_OK)
        return elg_postgres_exec(connection, "COMMIT", ELG_POSTGRES_REPLY_MS_MAX, NULL,
                                 error);
    if (connection->pg != NULL)
        elg_postgres_exec(connection, "ROLLBACK", ELG_POSTGRES_REPLY_MS_MAX, NULL, NULL);
    return status;
}

const char *elg_postgres_name(void *self)
{
    return ((struct elg_postgres *)self)->settings.label;
}

int64_t elg_postgres_schema_version(void *self)
{
    (void)self; /* what is older or newer is not opened */
    return MIGRATION_COUNT;
}
