/* sqlite_open: opening and closing. Uses sqlite.h.
 *
 * The guard is held exclusively while the schema is looked at and made, so that of many
 * processes that open a new file at once one makes it and the others find it made.
 */
#include "checkpoint/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096

static const char WRITER_SQL[] = "PRAGMA synchronous=FULL;"
                                 "PRAGMA cell_size_check=ON;"
                                 "PRAGMA trusted_schema=OFF;"
                                 "PRAGMA temp_store=MEMORY;";
static const char READER_SQL[] = "PRAGMA query_only=ON;"
                                 "PRAGMA cell_size_check=ON;"
                                 "PRAGMA trusted_schema=OFF;"
                                 "PRAGMA temp_store=MEMORY;";

/* Called by SQLite while another connection writes. */
static int busy(void *self, int count)
{
    (void)self;
    int waited_ms = count < 20 ? count : 20 + (count - 20) * 5;
    if (waited_ms >= ELG_SQLITE_BUSY_MS_MAX)
        return 0;
    sqlite3_sleep(count < 20 ? 1 : 5);
    return 1;
}

static int wal_grown(void *self, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct elg_sqlite *)self)->wal_pages = pages;
    return SQLITE_OK;
}

/* Whether this user may do `how` with the folder of `path`; errno says why not. */
static bool folder_allows(const char *path, int how)
{
    char folder[PATH_BYTES_MAX] = ".";
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 1 : (size_t)(slash - path) + 1;
    if (size >= sizeof folder) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (slash != NULL)
        memcpy(folder, path, size);
    folder[size] = '\0';
    return faccessat(AT_FDCWD, folder, how, AT_EACCESS) == 0;
}

/* Why a file could not be opened. SQLite tries several ways and reports the last one's
 * errno. Nothing is opened here: to close it would drop the locks of this process. */
static enum elg_status open_fail(const struct elg_sqlite_connection *connection,
                                 int flags, int code, struct elg_error *error)
{
    const char *path = connection->path, *what = "cannot be opened";
    int how = (flags & SQLITE_OPEN_READWRITE) != 0 ? R_OK | W_OK : R_OK;
    bool allowed = faccessat(AT_FDCWD, path, how, AT_EACCESS) == 0;
    if (!allowed && errno == ENOENT) {
        bool makes = (flags & SQLITE_OPEN_CREATE) != 0;
        what = makes ? "cannot be made in its folder" : "no such store";
        allowed = makes && folder_allows(path, W_OK | X_OK);
    }
    if (allowed || (code & 0xFF) != SQLITE_CANTOPEN)
        return elg_sqlite_fail(connection, code, "opening", error);
    return elg_base_fail(error, ELG_IO, path, "%s: %s", what, strerror(errno));
}

/* `name` is the path, or a URI of it. */
static enum elg_status connect(const char *name, const char *path, int flags,
                               struct elg_sqlite_connection *connection,
                               struct elg_error *error)
{
    connection->path = path;
    int code = sqlite3_open_v2(name, &connection->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return open_fail(connection, flags, code, error);
    sqlite3_extended_result_codes(connection->db, 1);
    sqlite3_busy_handler(connection->db, busy, NULL);
    sqlite3_wal_autocheckpoint(connection->db, 0);
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_limit(connection->db, SQLITE_LIMIT_LENGTH, (int)ELG_SQLITE_VALUE_BYTES_MAX);
    return ELG_OK;
}

static enum elg_status configure(struct elg_sqlite_connection *connection,
                                 const char *sql, struct elg_error *error)
{
    int code = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return elg_sqlite_fail(connection, code, "opening", error);
    return ELG_OK;
}

/* A file that was just made is there after a power cut only if its folder was synced. */
static enum elg_status folder_sync(struct elg_sqlite *sqlite, const char *file,
                                   struct elg_error *error)
{
    const char *slash = strrchr(file, '/');
    char *folder = slash == NULL ? elg_base_strndup(sqlite->env.alloc, ".", 1)
                                 : elg_base_strndup(sqlite->env.alloc, file,
                                                    (size_t)(slash - file) + 1);
    if (folder == NULL)
        return elg_base_no_memory(error);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int number = errno;
    if (fd >= 0)
        close(fd);
    elg_base_strfree(sqlite->env.alloc, folder);
    if (synced)
        return ELG_OK;
    return elg_base_fail(error, ELG_IO, sqlite->path, "syncing its folder: %s",
                         strerror(number));
}

static enum elg_status schema_open(struct elg_sqlite *sqlite, const char *file,
                                   struct elg_error *error)
{
    bool created = false;
    enum elg_status status =
        elg_sqlite_guard_exclusive(sqlite, ELG_SQLITE_BUSY_MS_MAX, error);
    if (status != ELG_OK)
        return status;
    status = configure(&sqlite->writer, WRITER_SQL, error);
    if (status == ELG_OK)
        status = elg_sqlite_schema_open(&sqlite->writer, true, &created, error);
    if (status == ELG_OK && created)
        status = folder_sync(sqlite, file, error);
    elg_sqlite_guard_end(sqlite);
    return status;
}

static enum elg_status writer_open(struct elg_sqlite *sqlite, struct elg_error *error)
{
    enum elg_status status =
        connect(sqlite->path, sqlite->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    if (sqlite3_db_readonly(sqlite->writer.db, "main") == 1)
        return elg_base_fail(error, ELG_IO, sqlite->path,
                             "the file is read-only; its permissions must let this user "
                             "write");
    /* The resolved name: whoever opens the file by another link gets the same lock. */
    const char *file = sqlite3_db_filename(sqlite->writer.db, "main");
    status = elg_sqlite_lock_open(sqlite, file, error);
    if (status == ELG_OK)
        status = schema_open(sqlite, file, error);
    if (status == ELG_OK)
        status = elg_sqlite_frame_prepare(&sqlite->writer, error);
    if (status == ELG_OK)
        sqlite3_wal_hook(sqlite->writer.db, wal_grown, sqlite);
    return status;
}

static enum elg_status reader_configure(struct elg_sqlite *sqlite,
                                        struct elg_error *error)
{
    bool created;
    enum elg_status status = configure(&sqlite->reader, READER_SQL, error);
    if (status == ELG_OK)
        status = elg_sqlite_schema_open(&sqlite->reader, false, &created, error);
    if (status == ELG_OK)
        status = elg_sqlite_frame_prepare(&sqlite->reader, error);
    if (status == ELG_OK)
        status = elg_sqlite_signals_begin(sqlite, error);
    return status;
}

static bool beside_is_empty(const char *path, const char *suffix)
{
    char name[PATH_BYTES_MAX];
    struct stat info;
    int size = snprintf(name, sizeof name, "%s%s", path, suffix);
    if (size < 0 || (size_t)size >= sizeof name)
        return false;
    return stat(name, &info) != 0 ? errno == ENOENT : info.st_size == 0;
}

/* file:PATH?immutable=1, with what has a meaning in a URI escaped. */
static bool immutable_uri(const char *path, char out[PATH_BYTES_MAX])
{
    static const char HEAD[] = "file:", TAIL[] = "?immutable=1";
    size_t size = sizeof HEAD - 1;
    memcpy(out, HEAD, size);
    for (; *path != '\0'; path++) {
        if (size + 3 + sizeof TAIL > PATH_BYTES_MAX)
            return false;
        bool plain = strchr("?#%", *path) == NULL;
        size += (size_t)snprintf(out + size, 4, plain ? "%c" : "%%%02X", *path);
    }
    memcpy(out + size, TAIL, sizeof TAIL);
    return true;
}

/* A file in WAL mode cannot be read where nothing can be written beside it, unless it is
 * said that nobody writes it. That nobody does is known if there is no WAL. */
static enum elg_status immutable_open(struct elg_sqlite *sqlite, struct elg_error *error)
{
    char uri[PATH_BYTES_MAX];
    if (!immutable_uri(sqlite->path, uri))
        return elg_base_fail(error, ELG_IO, sqlite->path, "the name is too long");
    elg_sqlite_connection_close(&sqlite->reader);
    enum elg_status status =
        connect(uri, sqlite->path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                &sqlite->reader, error);
    return status == ELG_OK ? reader_configure(sqlite, error) : status;
}

/* The file can be read, its journal cannot. */
static enum elg_status journal_fail(const struct elg_sqlite *sqlite,
                                    struct elg_error *error)
{
    return elg_base_fail(error, ELG_IO, sqlite->path,
                         "its journal (-wal) holds what the file does not, and reading "
                         "it takes the right to write in its folder; copy the file and "
                         "its -wal to a folder of this user");
}

static enum elg_status reader_open(struct elg_sqlite *sqlite, struct elg_error *error)
{
    bool only = sqlite->env.read_only;
    enum elg_status status = connect(sqlite->path, sqlite->path,
                                     only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE,
                                     &sqlite->reader, error);
    if (status == ELG_OK)
        status = reader_configure(sqlite, error);
    if (status != ELG_IO || !only ||
        faccessat(AT_FDCWD, sqlite->path, R_OK, AT_EACCESS) != 0)
        return status;
    if (beside_is_empty(sqlite->path, "-wal") && beside_is_empty(sqlite->path, "-shm"))
        return immutable_open(sqlite, error);
    return folder_allows(sqlite->path, W_OK) ? status : journal_fail(sqlite, error);
}

/* A path is a path: SQLite may be built to take one that begins with file: for a URI. */
static char *path_of(const struct elg_alloc *alloc, const char *location)
{
    size_t size = strlen(location);
    if (strncmp(location, "file:", 5) != 0)
        return elg_base_strndup(alloc, location, size);
    char *path = elg_base_realloc(alloc, NULL, 0, size + 3);
    if (path != NULL) {
        memcpy(path, "./", 2);
        memcpy(path + 2, location, size + 1);
    }
    return path;
}

static struct elg_sqlite *create(const char *location,
                                 const struct elg_checkpoint_env *env)
{
    struct elg_sqlite *sqlite = elg_base_calloc(env->alloc, sizeof *sqlite);
    if (sqlite == NULL)
        return NULL;
    const char *owner = env->owner ? env->owner : "";
    sqlite->env = *env;
    sqlite->lock_fd = -1;
    sqlite->path = path_of(env->alloc, location);
    sqlite->owner = elg_base_strndup(env->alloc, owner, strlen(owner));
    pthread_mutex_init(&sqlite->write_mutex, NULL);
    pthread_mutex_init(&sqlite->read_mutex, NULL);
    pthread_mutex_init(&sqlite->own_mutex, NULL);
    elg_checkpoint_traces_init(&sqlite->owned, env->alloc);
    if (sqlite->path != NULL && sqlite->owner != NULL)
        return sqlite;
    elg_sqlite_close(sqlite);
    return NULL;
}

enum elg_status elg_sqlite_open(const char *location,
                                const struct elg_checkpoint_env *env, void **out,
                                struct elg_error *error)
{
    struct stat info;
    enum elg_status status = ELG_OK;
    if (stat(location, &info) == 0 && S_ISDIR(info.st_mode))
        return elg_base_fail(error, ELG_IO, location,
                             "this is a folder; name a file in it");
    struct elg_sqlite *sqlite = create(location, env);
    if (sqlite == NULL)
        return elg_base_no_memory(error);
    if (!env->read_only)
        status = writer_open(sqlite, error);
    if (status == ELG_OK)
        status = reader_open(sqlite, error);
    if (status != ELG_OK) {
        elg_sqlite_close(sqlite);
        return status;
    }
    *out = sqlite;
    return ELG_OK;
}

void elg_sqlite_close(void *self)
{
    struct elg_sqlite *sqlite = self;
    const struct elg_alloc *alloc = sqlite->env.alloc;
    elg_sqlite_connection_close(&sqlite->reader);
    if (sqlite->lock_fd >= 0 && sqlite->wal_pages > 0)
        elg_sqlite_wal_empty(sqlite);
    elg_sqlite_connection_close(&sqlite->writer);
    elg_sqlite_lock_close(sqlite);
    pthread_mutex_destroy(&sqlite->own_mutex);
    pthread_mutex_destroy(&sqlite->read_mutex);
    pthread_mutex_destroy(&sqlite->write_mutex);
    elg_base_strfree(alloc, sqlite->owner);
    elg_base_strfree(alloc, sqlite->path);
    elg_base_free(alloc, sqlite, sizeof *sqlite);
}
