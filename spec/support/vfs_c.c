/* vfs_c: a SQLite VFS that remembers what was written and what was synced, for specs.
 *
 * Everything goes on to the system's own VFS. While recording, each create, write,
 * truncate, sync and delete of a file below one base path is kept in order; image()
 * builds from the first k of them what a power cut could have left: everything that was
 * synced, and of the rest, file by file, nothing, all, some writes, some sectors of some
 * writes, or garbage where a file had grown. It can also make writes and syncs fail.
 *
 * Must not know elg. Not for several threads at once, except under a store's own locks.
 */
#include <lauxlib.h>
#include <lua.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 8
#define SECTOR_BYTES 512

int luaopen_vfs_c(lua_State *L);

/* ---- what was done */

enum op_kind { OP_CREATE, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_DELETE };

struct op {
    enum op_kind kind;
    int file;
    sqlite3_int64
        offset; /* TRUNCATE: the new size; SYNC, DELETE: the folder's sync too */
    int size;
    unsigned char *data;
};

static struct op *ops;
static size_t op_count, op_capacity;
static char base[1024]; /* of the recorded files; "": not recording */
static char suffixes[FILES_MAX][32];
static int file_count;
static bool syncs_forgotten;

/* The next `left` calls go well, then `times` fail with `code`. */
struct failure {
    int left, times, code;
};
static struct failure write_failure, sync_failure;

static bool failure_take(struct failure *failure)
{
    if (failure->times == 0)
        return false;
    if (failure->left > 0) {
        failure->left--;
        return false;
    }
    failure->times--;
    return true;
}

static void die(const char *what)
{
    fprintf(stderr, "vfs_c: %s\n", what);
    abort();
}

static int file_of(const char *path)
{
    size_t size = strlen(base);
    if (size == 0 || path == NULL || strncmp(path, base, size) != 0)
        return -1;
    for (int i = 0; i < file_count; i++) {
        if (strcmp(suffixes[i], path + size) == 0)
            return i;
    }
    if (file_count == FILES_MAX || strlen(path + size) >= sizeof suffixes[0])
        die("too many files");
    strcpy(suffixes[file_count], path + size);
    return file_count++;
}

static void op_add(enum op_kind kind, int file, sqlite3_int64 offset, const void *data,
                   int size)
{
    if (file < 0 || base[0] == '\0')
        return;
    if (op_count == op_capacity) {
        op_capacity = op_capacity * 2 + 256;
        ops = realloc(ops, op_capacity * sizeof *ops);
    }
    struct op op = {kind, file, offset, size, NULL};
    if (size > 0) {
        op.data = malloc((size_t)size);
        memcpy(op.data, data, (size_t)size);
    }
    ops[op_count++] = op;
}

static void ops_clear(void)
{
    for (size_t i = 0; i < op_count; i++)
        free(ops[i].data);
    op_count = 0;
    file_count = 0;
}

/* ---- the VFS */

struct spec_file {
    sqlite3_file head;
    int file;         /* -1: not recorded */
    bool sync_folder; /* with the next sync, as the system's VFS does for new journals */
    sqlite3_file *real;
};
#define REAL(f) (((struct spec_file *)(f))->real)
#define FORWARD(f, method, ...) REAL(f)->pMethods->method(REAL(f), ##__VA_ARGS__)

static sqlite3_vfs spec_vfs;

static int spec_close(sqlite3_file *f)
{
    return FORWARD(f, xClose);
}
static int spec_read(sqlite3_file *f, void *out, int size, sqlite3_int64 offset)
{
    return FORWARD(f, xRead, out, size, offset);
}
static int spec_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 offset)
{
    if (failure_take(&write_failure))
        return write_failure.code;
    op_add(OP_WRITE, ((struct spec_file *)f)->file, offset, data, size);
    return FORWARD(f, xWrite, data, size, offset);
}
static int spec_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    op_add(OP_TRUNCATE, ((struct spec_file *)f)->file, size, NULL, 0);
    return FORWARD(f, xTruncate, size);
}
static int spec_sync(sqlite3_file *f, int flags)
{
    if (failure_take(&sync_failure))
        return sync_failure.code;
    struct spec_file *file = (struct spec_file *)f;
    if (!syncs_forgotten)
        op_add(OP_SYNC, file->file, file->sync_folder, NULL, 0);
    file->sync_folder = false;
    return FORWARD(f, xSync, flags);
}
static int spec_size(sqlite3_file *f, sqlite3_int64 *out)
{
    return FORWARD(f, xFileSize, out);
}
static int spec_lock(sqlite3_file *f, int level)
{
    return FORWARD(f, xLock, level);
}
static int spec_unlock(sqlite3_file *f, int level)
{
    return FORWARD(f, xUnlock, level);
}
static int spec_reserved(sqlite3_file *f, int *out)
{
    return FORWARD(f, xCheckReservedLock, out);
}
static int spec_control(sqlite3_file *f, int op, void *arg)
{
    return FORWARD(f, xFileControl, op, arg);
}
static int spec_sector(sqlite3_file *f)
{
    return FORWARD(f, xSectorSize);
}
static int spec_device(sqlite3_file *f)
{
    return FORWARD(f, xDeviceCharacteristics);
}
static int spec_shm_map(sqlite3_file *f, int page, int size, int extend,
                        void volatile **out)
{
    return FORWARD(f, xShmMap, page, size, extend, out);
}
static int spec_shm_lock(sqlite3_file *f, int offset, int count, int flags)
{
    return FORWARD(f, xShmLock, offset, count, flags);
}
static void spec_shm_barrier(sqlite3_file *f)
{
    FORWARD(f, xShmBarrier);
}
static int spec_shm_unmap(sqlite3_file *f, int drop)
{
    return FORWARD(f, xShmUnmap, drop);
}

/* Version 2: no memory-mapped reading or writing past us. */
static const sqlite3_io_methods METHODS = {2,
                                           spec_close,
                                           spec_read,
                                           spec_write,
                                           spec_truncate,
                                           spec_sync,
                                           spec_size,
                                           spec_lock,
                                           spec_unlock,
                                           spec_reserved,
                                           spec_control,
                                           spec_sector,
                                           spec_device,
                                           spec_shm_map,
                                           spec_shm_lock,
                                           spec_shm_barrier,
                                           spec_shm_unmap,
                                           NULL,
                                           NULL};

static sqlite3_vfs *real_vfs(void)
{
    return spec_vfs.pAppData;
}

static int spec_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags,
                     int *out_flags)
{
    (void)vfs;
    struct spec_file *file = (struct spec_file *)f;
    int exists = 1;
    file->file = file_of(path);
    file->sync_folder = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    file->real = (sqlite3_file *)(file + 1);
    if (file->file >= 0)
        real_vfs()->xAccess(real_vfs(), path, SQLITE_ACCESS_EXISTS, &exists);
    int code = real_vfs()->xOpen(real_vfs(), path, file->real, flags, out_flags);
    file->head.pMethods = file->real->pMethods != NULL ? &METHODS : NULL;
    if (code == SQLITE_OK && !exists)
        op_add(OP_CREATE, file->file, 0, NULL, 0);
    return code;
}

static int spec_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    op_add(OP_DELETE, file_of(path), sync_folder, NULL, 0);
    return real_vfs()->xDelete(real_vfs(), path, sync_folder);
}

/* ---- images */

struct content {
    bool exists;
    unsigned char *data;
    size_t size, capacity;
};

static unsigned long long chance_state;

static unsigned chance(unsigned n)
{
    chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance_state >> 33) % n;
}

static void content_resize(struct content *content, size_t size)
{
    if (size > content->capacity) {
        content->capacity = size * 2;
        content->data = realloc(content->data, content->capacity);
    }
    if (size > content->size)
        memset(content->data + content->size, 0, size - content->size);
    content->size = size;
}

static void part_apply(struct content *content, const struct op *op, size_t from,
                       size_t to)
{
    size_t end = (size_t)op->offset + to;
    if (end > content->size)
        content_resize(content, end);
    memcpy(content->data + op->offset + from, op->data + from, to - from);
}

static void op_apply(struct content *content, const struct op *op)
{
    if (op->kind == OP_WRITE)
        part_apply(content, op, 0, (size_t)op->size);
    else if (op->kind == OP_TRUNCATE)
        content_resize(content, (size_t)op->offset);
}

/* What may be left of a write that was not synced, sector by sector. */
static void op_tear(struct content *content, const struct op *op, size_t synced_size,
                    bool garbage)
{
    size_t from = 0, size = (size_t)op->size;
    while (from < size) {
        size_t to = from + SECTOR_BYTES - ((size_t)op->offset + from) % SECTOR_BYTES;
        to = to > size ? size : to;
        if (chance(2) == 0) {
            part_apply(content, op, from, to);
        } else if (garbage && (size_t)op->offset + from >= synced_size &&
                   chance(2) == 0) {
            part_apply(content, op, from, to);
            for (size_t i = from; i < to; i++)
                content->data[(size_t)op->offset + i] = (unsigned char)chance(256);
        }
        from = to;
    }
}

enum mode {
    MODE_NOTHING,
    MODE_ALL,
    MODE_WRITES,
    MODE_SECTORS,
    MODE_PREFIX,
    MODE_GARBAGE
};
#define MODE_COUNT 6

static void pending_settle(struct content *content, size_t *pending, size_t count,
                           enum mode mode)
{
    size_t synced_size = content->size;
    size_t prefix = mode == MODE_PREFIX && count > 0 ? chance((unsigned)count + 1) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct op *op = &ops[pending[i]];
        bool whole = mode == MODE_ALL || (mode == MODE_PREFIX && i < prefix) ||
                     (mode == MODE_WRITES && chance(2) == 0) ||
                     (op->kind == OP_TRUNCATE && mode > MODE_WRITES && chance(2) == 0);
        if (whole)
            op_apply(content, op);
        else if (op->kind == OP_WRITE && (mode == MODE_SECTORS || mode == MODE_GARBAGE ||
                                          (mode == MODE_PREFIX && i == prefix)))
            op_tear(content, op, synced_size, mode == MODE_GARBAGE);
    }
}

/* Whether ops[i], which is a deletion, reached the disk: the folder was synced, or luck.
 */
static bool delete_kept(size_t i, size_t count)
{
    for (size_t k = i; k < count; k++) {
        if ((ops[k].kind == OP_SYNC || k == i) && ops[k].offset != 0)
            return true;
    }
    return chance(2) == 0;
}

static void file_build(struct content *content, int file, size_t count, enum mode mode)
{
    size_t *pending = malloc((count + 1) * sizeof *pending), pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct op *op = &ops[i];
        if (op->file != file)
            continue;
        if (op->kind == OP_CREATE)
            content->exists = true;
        if (op->kind == OP_SYNC) {
            for (size_t k = 0; k < pending_count; k++)
                op_apply(content, &ops[pending[k]]);
            pending_count = 0;
        }
        if (op->kind == OP_DELETE && delete_kept(i, count)) {
            content->exists = false;
            content->size = 0;
            pending_count = 0;
        }
        if (op->kind == OP_WRITE || op->kind == OP_TRUNCATE)
            pending[pending_count++] = i;
    }
    pending_settle(content, pending, pending_count, mode);
    free(pending);
}

static void file_write(const struct content *content, const char *prefix, int file)
{
    char path[1200];
    snprintf(path, sizeof path, "%s%s", prefix, suffixes[file]);
    remove(path);
    if (!content->exists)
        return;
    FILE *out = fopen(path, "wb");
    if (out == NULL ||
        (content->size > 0 &&
         fwrite(content->data, 1, content->size, out) != content->size) ||
        fclose(out) != 0)
        die("cannot write an image");
}

/* image(k, seed, prefix): what may be left after the first k operations. */
static int l_image(lua_State *L)
{
    size_t count = (size_t)luaL_checkint(L, 1);
    const char *prefix = luaL_checkstring(L, 3);
    luaL_argcheck(L, count <= op_count, 1, "not so many operations");
    chance_state = (unsigned long long)luaL_checknumber(L, 2) * 2654435761u + 1;
    chance(2);
    for (int file = 0; file < file_count; file++) {
        struct content content = {false, NULL, 0, 0};
        file_build(&content, file, count, (enum mode)chance(MODE_COUNT));
        file_write(&content, prefix, file);
        free(content.data);
    }
    return 0;
}

/* ---- the rest of the module */

static int l_install(lua_State *L)
{
    (void)L;
    if (spec_vfs.pAppData == NULL) {
        sqlite3_initialize();
        sqlite3_vfs *real = sqlite3_vfs_find(NULL);
        spec_vfs = *real;
        spec_vfs.zName = "elg-spec";
        spec_vfs.pAppData = real;
        spec_vfs.szOsFile = (int)sizeof(struct spec_file) + real->szOsFile;
        spec_vfs.xOpen = spec_open;
        spec_vfs.xDelete = spec_delete;
    }
    sqlite3_vfs_register(&spec_vfs, 1);
    return 0;
}

static int l_uninstall(lua_State *L)
{
    (void)L;
    if (spec_vfs.pAppData != NULL) {
        sqlite3_vfs_unregister(&spec_vfs);
        sqlite3_vfs_register(real_vfs(), 1);
    }
    return 0;
}

/* record(path): forgets what was, and keeps operations on path and path-*. nil: stops. */
static int l_record(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, NULL);
    base[0] = '\0';
    if (path != NULL) {
        ops_clear();
        snprintf(base, sizeof base, "%s", path);
    }
    return 0;
}

static int l_forget(lua_State *L)
{
    (void)L;
    ops_clear();
    free(ops);
    ops = NULL;
    op_capacity = 0;
    return 0;
}

static int l_count(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)op_count);
    return 1;
}

static int l_forget_syncs(lua_State *L)
{
    syncs_forgotten = lua_toboolean(L, 1);
    return 0;
}

/* fail("write" or "sync", skip, times, "full" or "io") */
static int l_fail(lua_State *L)
{
    bool writes = strcmp(luaL_checkstring(L, 1), "write") == 0;
    bool full = strcmp(luaL_optstring(L, 4, "io"), "full") == 0;
    struct failure failure = {luaL_checkint(L, 2), luaL_checkint(L, 3),
                              full     ? SQLITE_FULL
                              : writes ? SQLITE_IOERR_WRITE
                                       : SQLITE_IOERR_FSYNC};
    *(writes ? &write_failure : &sync_failure) = failure;
    return 0;
}

static const luaL_Reg FUNCTIONS[] = {
    {"install", l_install}, {"uninstall", l_uninstall}, {"record", l_record},
    {"forget", l_forget},   {"count", l_count},         {"forget_syncs", l_forget_syncs},
    {"image", l_image},     {"fail", l_fail},           {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_vfs_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
