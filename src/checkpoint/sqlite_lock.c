/* sqlite_lock: DB-lock, the file of the guard (S2) and of the run locks (S3).
 *
 * Uses sqlite.h. The guard is flock, the run locks are open-file-description byte locks:
 * the kernel keeps them in different lists, so neither meets the other and ten thousand
 * run locks cost the guard nothing. Nothing is ever written to the file.
 */
#include "checkpoint/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUARD_POLL_MS 2

static enum elg_status lock_fail(const struct elg_sqlite *sqlite, const char *what,
                                 struct elg_error *error)
{
    int number = errno;
    enum elg_status status =
        number == ENOSPC || number == EDQUOT || number == ENOLCK ? ELG_FULL : ELG_IO;
    return elg_base_fail(error, status, sqlite->path, "%s its lock file (-lock): %s",
                         what, strerror(number));
}

/* The lock file gets the database's permissions, as SQLite does for its own. */
static int lock_file_open(const char *database, const char *path)
{
    struct stat info;
    mode_t mode = 0644;
    if (stat(database, &info) == 0)
        mode = info.st_mode & 0777;
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode);
}

enum elg_status elg_sqlite_lock_open(struct elg_sqlite *sqlite, const char *file,
                                     struct elg_error *error)
{
    struct elg_buf path;
    elg_base_buf_init(&path, sqlite->env.alloc);
    elg_base_buf_append_str(&path, file);
    elg_base_buf_append_str(&path, "-lock");
    const char *name = elg_base_buf_cstr(&path);
    enum elg_status status = ELG_OK;
    if (name == NULL) {
        status = elg_base_no_memory(error);
    } else {
        sqlite->lock_fd = lock_file_open(file, name);
        if (sqlite->lock_fd < 0)
            status = lock_fail(sqlite, "cannot open", error);
    }
    elg_base_buf_fini(&path);
    return status;
}

void elg_sqlite_lock_close(struct elg_sqlite *sqlite)
{
    void *value;
    size_t cursor = 0;
    while ((value = elg_checkpoint_traces_next(&sqlite->owned, &cursor)) != NULL)
        elg_base_free(sqlite->env.alloc, value, sizeof(struct elg_sqlite_owned));
    elg_checkpoint_traces_fini(&sqlite->owned);
    if (sqlite->lock_fd >= 0)
        close(sqlite->lock_fd);
    sqlite->lock_fd = -1;
}

/* ---- the guard */

static int flock_retry(int fd, int operation)
{
    int code;
    do
        code = flock(fd, operation);
    while (code != 0 && errno == EINTR);
    return code;
}

enum elg_status elg_sqlite_guard_shared(struct elg_sqlite *sqlite,
                                        struct elg_error *error)
{
    if (flock_retry(sqlite->lock_fd, LOCK_SH) != 0)
        return lock_fail(sqlite, "cannot lock", error);
    return ELG_OK;
}

enum elg_status elg_sqlite_guard_exclusive(struct elg_sqlite *sqlite, int wait_ms,
                                           struct elg_error *error)
{
    for (int waited_ms = 0;; waited_ms += GUARD_POLL_MS) {
        if (flock_retry(sqlite->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return ELG_OK;
        if (errno != EWOULDBLOCK)
            return lock_fail(sqlite, "cannot lock", error);
        if (waited_ms >= wait_ms)
            return elg_base_fail(error, ELG_BUSY, sqlite->path,
                                 "another process is writing for too long");
        sqlite3_sleep(GUARD_POLL_MS);
    }
}

void elg_sqlite_guard_end(struct elg_sqlite *sqlite)
{
    flock_retry(sqlite->lock_fd, LOCK_UN);
}

/* ---- run locks */

/* FNV-1a over 62 bits: two runs of one byte would be one in 10^18 pairs. */
static off_t offset_of(const char *trace_id)
{
    uint64_t hash = 14695981039346656037u;
    for (; *trace_id; trace_id++)
        hash = (hash ^ (uint8_t)*trace_id) * 1099511628211u;
    return (off_t)((hash ^ (hash >> 33)) & 0x3FFFFFFFFFFFFFFFu);
}

static int byte_lock(int fd, const char *trace_id, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    lock.l_start = offset_of(trace_id);
    return fcntl(fd, F_OFD_SETLK, &lock);
}

static struct elg_sqlite_owned *owned_add(struct elg_sqlite *sqlite, const char *trace_id)
{
    struct elg_sqlite_owned *owned = elg_base_calloc(sqlite->env.alloc, sizeof *owned);
    if (owned == NULL)
        return NULL;
    strcpy(owned->trace_id, trace_id);
    if (elg_checkpoint_traces_put(&sqlite->owned, owned->trace_id, owned))
        return owned;
    elg_base_free(sqlite->env.alloc, owned, sizeof *owned);
    return NULL;
}

static enum elg_status own_new(struct elg_sqlite *sqlite, const char *trace_id,
                               struct elg_error *error)
{
    if (owned_add(sqlite, trace_id) == NULL)
        return elg_base_no_memory(error);
    if (byte_lock(sqlite->lock_fd, trace_id, F_WRLCK) == 0)
        return ELG_OK;
    int number = errno;
    void *owned = elg_checkpoint_traces_remove(&sqlite->owned, trace_id);
    elg_base_free(sqlite->env.alloc, owned, sizeof(struct elg_sqlite_owned));
    errno = number;
    if (number == EAGAIN || number == EACCES)
        return ELG_BUSY;
    return lock_fail(sqlite, "cannot lock", error);
}

enum elg_status elg_sqlite_own(struct elg_sqlite *sqlite, const char *trace_id,
                               bool *before, struct elg_error *error)
{
    pthread_mutex_lock(&sqlite->own_mutex);
    struct elg_sqlite_owned *owned = elg_checkpoint_traces_get(&sqlite->owned, trace_id);
    enum elg_status status = ELG_OK;
    *before = owned != NULL;
    if (owned != NULL)
        owned->abort_reported = false;
    else
        status = own_new(sqlite, trace_id, error);
    pthread_mutex_unlock(&sqlite->own_mutex);
    return status;
}

/* One name less; what it was is left in *was. With own_mutex held. */
static bool owned_drop(struct elg_sqlite *sqlite, const char *trace_id,
                       struct elg_sqlite_owned *was)
{
    struct elg_sqlite_owned *owned =
        elg_checkpoint_traces_remove(&sqlite->owned, trace_id);
    if (owned == NULL)
        return false;
    byte_lock(sqlite->lock_fd, trace_id, F_UNLCK);
    *was = *owned;
    elg_base_free(sqlite->env.alloc, owned, sizeof *owned);
    return true;
}

void elg_sqlite_disown(struct elg_sqlite *sqlite, const char *trace_id)
{
    struct elg_sqlite_owned was, slot;
    pthread_mutex_lock(&sqlite->own_mutex);
    if (owned_drop(sqlite, trace_id, &was)) {
        for (size_t i = 0; i < ELG_SQLITE_SLOTS; i++) {
            if (was.slots[i][0] != '\0')
                owned_drop(sqlite, was.slots[i], &slot);
        }
    }
    pthread_mutex_unlock(&sqlite->own_mutex);
}

void elg_sqlite_own_slots(struct elg_sqlite *sqlite, const char *trace_id,
                          char slots[ELG_SQLITE_SLOTS][ELG_SQLITE_SLOT_BYTES_MAX])
{
    pthread_mutex_lock(&sqlite->own_mutex);
    struct elg_sqlite_owned *owned = elg_checkpoint_traces_get(&sqlite->owned, trace_id);
    if (owned != NULL)
        memcpy(owned->slots, slots, sizeof owned->slots);
    pthread_mutex_unlock(&sqlite->own_mutex);
}

bool elg_sqlite_is_orphan(struct elg_sqlite *sqlite, const char *trace_id)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    lock.l_start = offset_of(trace_id);
    return !elg_sqlite_owned(sqlite, trace_id) &&
           fcntl(sqlite->lock_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

bool elg_sqlite_owned(struct elg_sqlite *sqlite, const char *trace_id)
{
    pthread_mutex_lock(&sqlite->own_mutex);
    bool owned = elg_checkpoint_traces_get(&sqlite->owned, trace_id) != NULL;
    pthread_mutex_unlock(&sqlite->own_mutex);
    return owned;
}

bool elg_sqlite_own_abort(struct elg_sqlite *sqlite, const char *trace_id)
{
    pthread_mutex_lock(&sqlite->own_mutex);
    struct elg_sqlite_owned *owned = elg_checkpoint_traces_get(&sqlite->owned, trace_id);
    bool first = owned != NULL && !owned->abort_reported;
    if (first)
        owned->abort_reported = true;
    pthread_mutex_unlock(&sqlite->own_mutex);
    return first;
}
