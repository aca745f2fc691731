/* artifact_folder_list: what is in the folder, and taking away what is old. Uses
 * artifact_folder.h and the file system.
 *
 * Who removes an artifact takes its name away first and looks at its time then; who puts
 * it again sets its time first and looks at its name then (artifact_folder.c): one of the
 * two sees the other. The name that a removal gives is its own, by chance: what lies
 * under one may be given its own name back by anybody, and taken away from there, and
 * must be the only file that can ever be meant.
 */
#include "activity/artifact_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARDS 256
#define NAME_SIZE (ELG_HASH_HEX_SIZE - 2) /* of a file in its shard, with its NUL */
#define ROWS_MIN 64
#define OLD ".old-" /* before a name (and "-", chance): being removed */
#define OLD_SIZE (sizeof OLD - 1)
#define NEW ".new-"             /* before chance: being written */
#define NEW_AGE_MS_MAX 86400000 /* after so long its writer is dead */
#define BACK_TRIES_MAX 8        /* somebody else takes the name away each time */

int64_t elg__folder_age_ms(const struct stat *info)
{
    int64_t then_ms =
        (int64_t)info->st_mtim.tv_sec * 1000 + info->st_mtim.tv_nsec / 1000000;
    int64_t age_ms = elg_base_wall_ms(elg_base_clock_system()) - then_ms;
    return age_ms > 0 ? age_ms : 0;
}

/* ---- list: one shard after the other */

struct shard {
    const struct elg_alloc *alloc;
    struct elg_artifact_row *rows;
    size_t count, capacity;
};

static bool row_add(struct shard *shard, const struct elg_artifact_row *row)
{
    if (shard->count == shard->capacity) {
        size_t capacity = shard->capacity ? shard->capacity * 2 : ROWS_MIN;
        struct elg_artifact_row *rows =
            elg_base_realloc(shard->alloc, shard->rows, shard->capacity * sizeof *rows,
                             capacity * sizeof *rows);
        if (rows == NULL)
            return false;
        shard->rows = rows;
        shard->capacity = capacity;
    }
    shard->rows[shard->count++] = *row;
    return true;
}

static int by_hash(const void *a, const void *b)
{
    const struct elg_artifact_row *x = a, *y = b;
    return memcmp(x->hash.bytes, y->hash.bytes, sizeof x->hash.bytes);
}

/* False: not an artifact's name, or the file has gone. */
static bool entry_read(int fd, unsigned byte, const char *name,
                       struct elg_artifact_row *row)
{
    char hex[ELG_HASH_HEX_SIZE];
    struct stat info;
    if (strlen(name) != NAME_SIZE - 1)
        return false;
    snprintf(hex, sizeof hex, "%02x%.*s", byte, NAME_SIZE - 1, name);
    if (!elg_base_hash_parse(elg_base_bytes(hex), &row->hash) ||
        fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
        return false;
    row->size_bytes = (uint64_t)info.st_size;
    row->age_ms = elg__folder_age_ms(&info);
    return true;
}

static enum elg_status entries_read(DIR *dir, unsigned byte, const struct elg_hash *after,
                                    struct shard *shard, struct elg_error *error)
{
    struct elg_artifact_row row;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (!entry_read(dirfd(dir), byte, entry->d_name, &row))
            continue;
        if (after != NULL &&
            memcmp(row.hash.bytes, after->bytes, sizeof row.hash.bytes) <= 0)
            continue;
        if (!row_add(shard, &row))
            return elg_base_no_memory(error);
    }
    return ELG_OK;
}

/* True, and the name that it had, of a file aside; its removal's own part may be missing,
 * as it was in earlier versions. */
static bool is_aside(const char *name, char out[NAME_SIZE])
{
    if (strncmp(name, OLD, OLD_SIZE) != 0 || strlen(name) < OLD_SIZE + NAME_SIZE - 1)
        return false;
    char end = name[OLD_SIZE + NAME_SIZE - 1];
    memcpy(out, name + OLD_SIZE, NAME_SIZE - 1);
    out[NAME_SIZE - 1] = '\0';
    return end == '\0' || end == '-';
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* What lies under the name is the same content. If it is older than the file aside, that
 * may be the one that was put again: the name's file becomes young. False: it is not
 * there any more. */
static bool name_keeps(int fd, const char *aside, const char *name)
{
    struct stat old, named;
    if (fstatat(fd, name, &named, 0) != 0)
        return false;
    if (fstatat(fd, aside, &old, 0) != 0 || !is_later(&old.st_mtim, &named.st_mtim))
        return true;
    return utimensat(fd, name, NULL, 0) == 0;
}

/* The file aside gets its own name back. False and errno: it does not; ENOENT: somebody
 * else has seen to it. */
static bool aside_back(int fd, const char *aside, const char *name)
{
    bool back = false;
    for (int i = 0; !back && i < BACK_TRIES_MAX; i++) {
        back = linkat(fd, aside, fd, name, 0) == 0;
        if (!back && errno != EEXIST)
            return false;
        back = back || name_keeps(fd, aside, name);
    }
    if (back)
        (void)unlinkat(fd, aside, 0);
    return back;
}

/* What processes that died left in a shard: files aside get their names back, those that
 * were not written to their end go. What fails here is left for the next time. Who lives
 * and has put a file aside just now finds it gone, and leaves it to us. */
static void leftovers_settle(DIR *dir)
{
    const struct dirent *entry;
    struct stat info;
    char own[NAME_SIZE];
    int fd = dirfd(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (is_aside(name, own))
            (void)aside_back(fd, name, own);
        else if (strncmp(name, NEW, sizeof NEW - 1) == 0 &&
                 fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                 elg__folder_age_ms(&info) > NEW_AGE_MS_MAX)
            (void)unlinkat(fd, name, 0);
    }
    rewinddir(dir);
}

bool elg__folder_put_back(const struct elg_folder_place *place)
{
    const struct dirent *entry;
    char own[NAME_SIZE];
    bool back = false;
    int why = ENOENT;
    DIR *dir = opendir((const char *)place->shard.data);
    if (dir == NULL)
        return false;
    while (!back && (errno = 0, entry = readdir(dir)) != NULL) {
        if (!is_aside(entry->d_name, own) || strcmp(own, place->hex + 2) != 0)
            continue;
        back = aside_back(dirfd(dir), entry->d_name, own);
        if (!back && errno != ENOENT)
            why = errno;
    }
    if (!back && errno != 0 && errno != ENOENT)
        why = errno;
    closedir(dir);
    errno = why;
    return back;
}

static enum elg_status shard_read(const struct elg_folder *folder, unsigned byte,
                                  const struct elg_hash *after, struct shard *shard,
                                  struct elg_error *error)
{
    struct elg_buf path;
    elg_base_buf_init(&path, folder->artifacts.alloc);
    elg_base_buf_printf(&path, "%s/%02x", folder->root, byte);
    elg_base_buf_append_byte(&path, 0);
    if (path.failed) {
        elg_base_buf_fini(&path);
        return elg_base_no_memory(error);
    }
    enum elg_status status = ELG_OK;
    DIR *dir = opendir((const char *)path.data);
    if (dir != NULL) {
        leftovers_settle(dir);
        status = entries_read(dir, byte, after, shard, error);
        closedir(dir);
    } else if (errno != ENOENT) {
        status =
            elg__folder_fail(error, (const char *)path.data, "cannot open the folder");
    }
    elg_base_buf_fini(&path);
    return status;
}

enum elg_status elg__folder_list(struct elg_artifacts *artifacts,
                                 const struct elg_hash *after, elg_artifact_row_fn row,
                                 void *row_self, struct elg_error *error)
{
    struct shard shard = {artifacts->alloc, NULL, 0, 0};
    enum elg_status status = ELG_OK;
    bool more = true;
    for (unsigned byte = after ? after->bytes[0] : 0;
         more && status == ELG_OK && byte < SHARDS; byte++) {
        shard.count = 0;
        status = shard_read((struct elg_folder *)artifacts, byte, after, &shard, error);
        if (status == ELG_OK && shard.count > 0)
            qsort(shard.rows, shard.count, sizeof *shard.rows, by_hash);
        for (size_t i = 0; more && status == ELG_OK && i < shard.count; i++)
            more = row(row_self, &shard.rows[i]);
    }
    elg_base_free(shard.alloc, shard.rows, shard.capacity * sizeof *shard.rows);
    return status;
}

/* ---- remove */

/* The name of this removal alone, into place->fresh. */
static enum elg_status aside_name(const struct elg_folder *folder,
                                  struct elg_folder_place *place, struct elg_error *error)
{
    uint64_t chance = 0;
    if (elg_base_random_fill(folder->random, &chance, sizeof chance) != ELG_OK)
        return elg_base_fail(error, ELG_IO, NULL, "no random bytes for a file name");
    elg_base_buf_printf(&place->fresh, "%s/" OLD "%s-%016llx",
                        (const char *)place->shard.data, place->hex + 2,
                        (unsigned long long)chance);
    elg_base_buf_append_byte(&place->fresh, 0);
    return place->fresh.failed ? elg_base_no_memory(error) : ELG_OK;
}

/* The file under its other name goes, or gets its own back if it is young. If it is not
 * there any more, somebody who lists the folder has given it its own back. */
static enum elg_status aside_settle(const char *aside, const char *path,
                                    int64_t age_ms_min, bool *removed,
                                    struct elg_error *error)
{
    struct stat info;
    *removed = false;
    if (stat(aside, &info) != 0 && errno == ENOENT)
        return ELG_OK;
    if (stat(aside, &info) != 0)
        return elg__folder_fail(error, aside, "cannot look at the file");
    *removed = elg__folder_age_ms(&info) >= age_ms_min;
    if (!*removed && !aside_back(AT_FDCWD, aside, path) && errno != ENOENT)
        return elg__folder_fail(error, path, "cannot put the file back");
    if (*removed && unlink(aside) != 0 && errno != ENOENT)
        return elg__folder_fail(error, aside, "cannot remove the file");
    return ELG_OK;
}

enum elg_status elg__folder_remove(struct elg_artifacts *artifacts,
                                   const struct elg_hash *hash, int64_t age_ms_min,
                                   bool *removed, struct elg_error *error)
{
    struct elg_folder *folder = (struct elg_folder *)artifacts;
    struct elg_folder_place place;
    struct stat info;
    enum elg_status status = elg__folder_place_init(&place, folder, hash, error);
    if (status != ELG_OK)
        return status;
    const char *path = (const char *)place.path.data;
    bool gone = false;
    status = aside_name(folder, &place, error);
    const char *aside = (const char *)place.fresh.data;
    if (status == ELG_OK && stat(path, &info) == 0 &&
        elg__folder_age_ms(&info) >= age_ms_min) {
        if (rename(path, aside) == 0)
            status = aside_settle(aside, path, age_ms_min, &gone, error);
        else if (errno != ENOENT)
            status = elg__folder_fail(error, path, "cannot rename the file");
    }
    if (gone && elg_base_hash_equal(&folder->durable[hash->bytes[1]], hash))
        memset(&folder->durable[hash->bytes[1]], 0, sizeof *hash);
    elg__folder_place_fini(&place);
    if (status == ELG_OK)
        *removed = gone;
    return status;
}
