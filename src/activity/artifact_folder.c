/* artifact_folder: artifacts as files FOLDER/ab/cdef... Uses base and the file system.
 * Must not know what an artifact holds.
 *
 * 1. A file under its final name is complete: it is written under another name, synced,
 *    and renamed. A crash leaves at worst a ".new-" file, which nobody reads.
 * 2. put returns after the file, its folder, FOLDER's entry of that, and every folder it
 *    made above are synced. What is found there may be another process's that did not
 *    come to sync it, so it is synced too: FOLDER once for each of its entries, a file
 *    unless this process did it and remembers.
 * 3. What is put again is young again: its time is set if it is older than a minute.
 * 4. Who removes a file gives it a ".old-" name first, one that nobody else gives; what
 * was left so by one that died gets its name back when it is wanted, or when the folder
 * is listed.
 * 5. A file whose content is not what its name says is replaced by the next put.
 */
#include "activity/artifact_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES 65536
#define NAME_TRIES_MAX 8
#define TOUCH_AFTER_MS 60000 /* elg__folder_remove leaves what is younger */
enum elg_status elg__folder_fail(struct elg_error *error, const char *path,
                                 const char *what)
{
    int code = errno;
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return elg_base_fail(error, ELG_FULL, path, "%s: %s; make room and go on", what,
                             strerror(code));
    if (code == ENOMEM)
        return elg_base_no_memory(error);
    return elg_base_fail(error, ELG_IO, path, "%s: %s", what, strerror(code));
}

void elg__folder_place_fini(struct elg_folder_place *place)
{
    elg_base_buf_fini(&place->shard);
    elg_base_buf_fini(&place->path);
    elg_base_buf_fini(&place->fresh);
}

/* Texts end with a NUL that size counts. */
enum elg_status elg__folder_place_init(struct elg_folder_place *place,
                                       const struct elg_folder *folder,
                                       const struct elg_hash *hash,
                                       struct elg_error *error)
{
    const struct elg_alloc *alloc = folder->artifacts.alloc;
    elg_base_hash_hex(hash, place->hex);
    elg_base_buf_init(&place->shard, alloc);
    elg_base_buf_init(&place->path, alloc);
    elg_base_buf_init(&place->fresh, alloc);
    elg_base_buf_printf(&place->shard, "%s/%.2s", folder->root, place->hex);
    elg_base_buf_append_byte(&place->shard, 0);
    elg_base_buf_printf(&place->path, "%s/%.2s/%s", folder->root, place->hex,
                        place->hex + 2);
    elg_base_buf_append_byte(&place->path, 0);
    if (!place->shard.failed && !place->path.failed)
        return ELG_OK;
    elg__folder_place_fini(place);
    return elg_base_no_memory(error);
}

static const char *text(const struct elg_buf *buf)
{
    return (const char *)buf->data;
}

static enum elg_status sync_folder(const char *path, struct elg_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return elg__folder_fail(error, path, "cannot open the folder");
    int result = fsync(fd);
    enum elg_status status =
        result == 0 ? ELG_OK : elg__folder_fail(error, path, "cannot sync the folder");
    close(fd);
    return status;
}

/* Makes one folder; a new one is synced into its parent. `path` is writable text. */
static enum elg_status make_folder(char *path, struct elg_error *error)
{
    if (mkdir(path, 0777) != 0)
        return errno == EEXIST ? ELG_OK
                               : elg__folder_fail(error, path, "cannot make folder");
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return sync_folder(".", error);
    if (slash == path)
        return sync_folder("/", error);
    *slash = '\0';
    enum elg_status status = sync_folder(path, error);
    *slash = '/';
    return status;
}

/* Makes FOLDER and what is missing above it. */
static enum elg_status make_root(struct elg_folder *folder, struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    for (char *slash = strchr(folder->root + 1, '/'); slash != NULL && status == ELG_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_folder(folder->root, error);
        *slash = '/';
    }
    return status == ELG_OK ? make_folder(folder->root, error) : status;
}

/* Makes FOLDER/xx; the caller syncs FOLDER. */
static enum elg_status make_shard(struct elg_folder *folder, const char *shard,
                                  struct elg_error *error)
{
    if (mkdir(shard, 0777) == 0 || errno == EEXIST)
        return ELG_OK;
    if (errno == ENOENT) {
        enum elg_status status = make_root(folder, error);
        if (status != ELG_OK)
            return status;
        if (mkdir(shard, 0777) == 0 || errno == EEXIST)
            return ELG_OK;
    }
    return elg__folder_fail(error, shard, "cannot make folder");
}

static bool write_all(int fd, struct elg_bytes content)
{
    while (content.size > 0) {
        ssize_t wrote = write(fd, content.data, content.size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            errno = wrote == 0 ? ENOSPC : errno;
            return false;
        }
        content.data += wrote;
        content.size -= (size_t)wrote;
    }
    return true;
}

/* Reads up to `size` bytes, fewer only at the end of the file; -1 and errno. */
static ssize_t read_full(int fd, uint8_t *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t more = read(fd, out + got, size - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

static bool same_content(int fd, struct elg_bytes content)
{
    uint8_t chunk[CHUNK_BYTES];
    for (;;) {
        ssize_t got = read_full(fd, chunk, sizeof chunk);
        if (got < 0 || (size_t)got > content.size)
            return false;
        if (got == 0)
            return content.size == 0;
        if (memcmp(chunk, content.data, (size_t)got) != 0)
            return false;
        content.data += got;
        content.size -= (size_t)got;
    }
}

/* Makes the file young, unless it is. False: it is not the one of that name any more. */
static bool touch(int fd, const char *path)
{
    struct stat info, named;
    if (fstat(fd, &info) != 0)
        return false;
    if (elg__folder_age_ms(&info) < TOUCH_AFTER_MS)
        return true;
    return futimens(fd, NULL) == 0 && stat(path, &named) == 0 &&
           named.st_ino == info.st_ino && named.st_dev == info.st_dev;
}

/* True if the file is there, right, and (unless it is remembered) synced. A file whose
 * sync fails is written anew: a second fsync of it may claim what the first could not. */
static bool adopt(const struct elg_folder *folder, const struct elg_folder_place *place,
                  const struct elg_hash *hash, struct elg_bytes content)
{
    int fd = open(text(&place->path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool known = elg_base_hash_equal(&folder->durable[hash->bytes[1]], hash);
    bool found = same_content(fd, content) && touch(fd, text(&place->path)) &&
                 (known || fsync(fd) == 0);
    close(fd);
    return found;
}

/* A new empty file next to the final place; its name is in place->fresh. */
static enum elg_status open_fresh(struct elg_folder *folder,
                                  struct elg_folder_place *place, int *out,
                                  struct elg_error *error)
{
    for (int i = 0; i < NAME_TRIES_MAX; i++) {
        uint64_t chance = 0;
        if (elg_base_random_fill(folder->random, &chance, sizeof chance) != ELG_OK)
            return elg_base_fail(error, ELG_IO, NULL, "no random bytes for a file name");
        elg_base_buf_reset(&place->fresh);
        elg_base_buf_printf(&place->fresh, "%s/.new-%016llx", text(&place->shard),
                            (unsigned long long)chance);
        elg_base_buf_append_byte(&place->fresh, 0);
        if (place->fresh.failed)
            return elg_base_no_memory(error);
        *out = open(text(&place->fresh), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*out >= 0)
            return ELG_OK;
        if (errno != EEXIST)
            break;
    }
    return elg__folder_fail(error, text(&place->shard), "cannot make a file");
}

static enum elg_status write_fresh(struct elg_folder *folder,
                                   struct elg_folder_place *place,
                                   struct elg_bytes content, struct elg_error *error)
{
    int fd = -1;
    enum elg_status status = open_fresh(folder, place, &fd, error);
    if (status != ELG_OK)
        return status;
    if (!write_all(fd, content))
        status = elg__folder_fail(error, text(&place->shard), "cannot write a file");
    else if (fsync(fd) != 0)
        status = elg__folder_fail(error, text(&place->shard), "cannot sync a file");
    if (close(fd) != 0 && status == ELG_OK)
        status = elg__folder_fail(error, text(&place->shard), "cannot close a file");
    if (status == ELG_OK && rename(text(&place->fresh), text(&place->path)) != 0)
        status = elg__folder_fail(error, text(&place->path), "cannot rename into place");
    if (status != ELG_OK)
        (void)unlink(text(&place->fresh));
    return status;
}

/* Makes the names durable that lead to the file: it is remembered then. */
static enum elg_status sync_names(struct elg_folder *folder,
                                  const struct elg_folder_place *place,
                                  const struct elg_hash *hash, struct elg_error *error)
{
    bool *synced = &folder->synced[hash->bytes[0]];
    enum elg_status status = sync_folder(text(&place->shard), error);
    if (status == ELG_OK && !*synced) {
        status = sync_folder(folder->root, error);
        *synced = status == ELG_OK;
    }
    if (status == ELG_OK)
        folder->durable[hash->bytes[1]] = *hash;
    return status;
}

static enum elg_status folder_put(struct elg_artifacts *artifacts,
                                  const struct elg_hash *hash, struct elg_bytes content,
                                  struct elg_error *error)
{
    struct elg_folder *folder = (struct elg_folder *)artifacts;
    struct elg_folder_place place;
    enum elg_status status = elg__folder_place_init(&place, folder, hash, error);
    if (status != ELG_OK)
        return status;
    struct elg_hash *durable = &folder->durable[hash->bytes[1]];
    bool found = adopt(folder, &place, hash, content);
    if (!found && elg_base_hash_equal(durable, hash))
        memset(durable, 0, sizeof *durable);
    if (!found)
        status = make_shard(folder, text(&place.shard), error);
    if (!found && status == ELG_OK)
        status = write_fresh(folder, &place, content, error);
    if (status == ELG_OK && !elg_base_hash_equal(durable, hash))
        status = sync_names(folder, &place, hash, error);
    elg__folder_place_fini(&place);
    return status;
}

static enum elg_status read_file(int fd, const char *path, struct elg_buf *out,
                                 struct elg_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return elg__folder_fail(error, path, "cannot look at the file");
    if (info.st_size > (off_t)ELG_ARTIFACT_BYTES_MAX)
        return elg_base_fail(error, ELG_CORRUPT, path, "artifact is longer than any");
    if (!elg_base_buf_reserve(out, (size_t)info.st_size + 1))
        return elg_base_no_memory(error);
    ssize_t got = read_full(fd, out->data + out->size, (size_t)info.st_size);
    if (got < 0)
        return elg__folder_fail(error, path, "cannot read");
    out->size += (size_t)got;
    return ELG_OK;
}

static enum elg_status folder_get(struct elg_artifacts *artifacts,
                                  const struct elg_hash *hash, struct elg_buf *out,
                                  struct elg_error *error)
{
    struct elg_folder *folder = (struct elg_folder *)artifacts;
    struct elg_folder_place place;
    enum elg_status status = elg__folder_place_init(&place, folder, hash, error);
    if (status != ELG_OK)
        return status;
    int fd = open(text(&place.path), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && (elg__folder_put_back(&place) || errno == ENOENT))
        fd = open(text(&place.path), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        status = read_file(fd, text(&place.path), out, error);
        close(fd);
    } else if (errno == ENOENT || errno == ENOTDIR) {
        status = elg_base_fail(error, ELG_NOT_FOUND, text(&place.path),
                               "no artifact %s in %s", place.hex, folder->root);
    } else {
        status = elg__folder_fail(error, text(&place.path), "cannot open");
    }
    elg__folder_place_fini(&place);
    return status;
}

static void folder_destroy(struct elg_artifacts *artifacts)
{
    struct elg_folder *folder = (struct elg_folder *)artifacts;
    elg_base_strfree(artifacts->alloc, folder->root);
    elg_base_free(artifacts->alloc, folder, sizeof *folder);
}

static const struct elg_artifacts_ops FOLDER_OPS = {
    1, folder_destroy, folder_put, folder_get, elg__folder_list, elg__folder_remove};

enum elg_status elg__artifacts_folder_create(const struct elg_alloc *alloc,
                                             const char *root, struct elg_random random,
                                             struct elg_artifacts **out,
                                             struct elg_error *error)
{
    struct elg_folder *folder = elg_base_calloc(alloc, sizeof *folder);
    if (folder == NULL)
        return elg_base_no_memory(error);
    folder->artifacts.ops = &FOLDER_OPS;
    folder->artifacts.alloc = alloc;
    folder->random = random;
    folder->root = elg_base_strndup(alloc, root, strlen(root));
    if (folder->root == NULL) {
        elg_base_free(alloc, folder, sizeof *folder);
        return elg_base_no_memory(error);
    }
    *out = &folder->artifacts;
    return ELG_OK;
}
