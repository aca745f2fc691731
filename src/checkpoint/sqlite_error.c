/* sqlite_error: what SQLite's result codes mean to us. Uses sqlite.h. */
#include "checkpoint/sqlite.h"

#include <errno.h>
#include <string.h>

/* errno of the last failure on the file behind `op` (the database or its WAL), or 0. */
static int file_errno(sqlite3 *db, int op)
{
    sqlite3_file *file = NULL;
    int number = 0;
    if (sqlite3_file_control(db, "main", op, &file) == SQLITE_OK && file != NULL &&
        file->pMethods != NULL)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

/* SQLite keeps the number for some calls only; a failed write of the WAL is not one. */
static int system_errno(sqlite3 *db)
{
    int number = db ? sqlite3_system_errno(db) : 0;
    if (number == 0 && db != NULL)
        number = file_errno(db, SQLITE_FCNTL_JOURNAL_POINTER);
    if (number == 0 && db != NULL)
        number = file_errno(db, SQLITE_FCNTL_FILE_POINTER);
    return number;
}

/* A full disk is SQLITE_FULL; a quota or a limit on the size of files is not. */
static bool disk_full(sqlite3 *db)
{
    int number = system_errno(db);
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

enum elg_status elg_sqlite_status(sqlite3 *db, int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ELG_OK;
    case SQLITE_NOMEM:
        return ELG_NO_MEMORY;
    case SQLITE_FULL:
        return ELG_FULL;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM)
            return ELG_NO_MEMORY;
        return disk_full(db) ? ELG_FULL : ELG_IO;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
        return ELG_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ELG_BUSY;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: /* no such table or column: the schema was changed */
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: /* nothing so large is ever written: a damaged length */
        return ELG_CORRUPT;
    default:
        return ELG_INTERNAL;
    }
}

static const char *hint_of(enum elg_status status)
{
    switch (status) {
    case ELG_FULL:
        return "; make room and go on";
    case ELG_BUSY:
        return "; another process is writing for too long";
    case ELG_CORRUPT:
        return "; restore it from a copy";
    default:
        return "";
    }
}

enum elg_status elg_sqlite_fail(const struct elg_sqlite_connection *connection, int code,
                                const char *what, struct elg_error *error)
{
    enum elg_status status = elg_sqlite_status(connection->db, code);
    if (status == ELG_NO_MEMORY)
        return elg_base_no_memory(error);
    if (code == SQLITE_NOTADB)
        return elg_base_fail(error, status, connection->path,
                             "not a store of elg: no SQLite database, or its head is "
                             "damaged; name another file, or restore it from a copy");
    bool system = status == ELG_IO || status == ELG_FULL;
    int number = system ? system_errno(connection->db) : 0;
    system = number != 0;
    return elg_base_fail(error, status, connection->path, "%s: %s%s%s%s%s", what,
                         connection->db ? sqlite3_errmsg(connection->db)
                                        : sqlite3_errstr(code),
                         system ? " (" : "", system ? strerror(number) : "",
                         system ? ")" : "", hint_of(status));
}
