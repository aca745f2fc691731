/* artifact_c: artifact sources for specs: a folder's, or a store's own. Uses the headers
 * of activity and checkpoint. Hashes are hex; failures are nil, status, text.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "activity/activity.h"
#include "checkpoint/checkpoint.h"
#include "elg.h"
#include "fault_alloc.h"

#define SOURCE_TYPE "elg.spec.source"

ELG_API int luaopen_artifact_c(lua_State *L);

struct spec_source {
    struct fault_alloc fault;
    struct elg_artifacts *folder;
    struct elg_store *store;
    struct elg_sha256 *sha;
    struct elg_artifact_source source;
};

static struct spec_source *check(lua_State *L)
{
    struct spec_source **box = luaL_checkudata(L, 1, SOURCE_TYPE);
    if (*box == NULL)
        luaL_error(L, "the source is closed");
    return *box;
}

static int failed(lua_State *L, enum elg_status status, const struct elg_error *error)
{
    lua_pushnil(L);
    lua_pushstring(L, elg_status_name(status));
    lua_pushstring(L, error->text);
    return 3;
}

static struct elg_bytes check_bytes(lua_State *L, int index)
{
    size_t size;
    const char *s = luaL_checklstring(L, index, &size);
    return (struct elg_bytes){(const uint8_t *)s, size};
}

static struct elg_hash check_hash(lua_State *L, int index)
{
    struct elg_hash hash;
    if (!elg_base_hash_parse(check_bytes(L, index), &hash))
        luaL_argerror(L, index, "not a hash");
    return hash;
}

static void push_hash(lua_State *L, const struct elg_hash *hash)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(hash, hex);
    lua_pushstring(L, hex);
}

static void source_free(struct spec_source *s)
{
    elg_activity_artifacts_close(s->folder);
    elg_checkpoint_close(s->store);
    elg_base_sha256_destroy(s->sha);
    free(s);
}

static enum elg_status source_open(struct spec_source *s, const char *kind,
                                   const char *where, bool read_only,
                                   struct elg_error *error)
{
    enum elg_status status;
    if (strcmp(kind, "folder") == 0) {
        status = elg_activity_artifacts_open(&s->fault.alloc, where,
                                             elg_base_random_system(), &s->folder, error);
        if (status == ELG_OK)
            elg_activity_artifacts_source(s->folder, &s->source);
        return status;
    }
    struct elg_checkpoint_env env = {.alloc = elg_base_alloc_default(),
                                     .clock = elg_base_clock_system(),
                                     .random = elg_base_random_system(),
                                     .owner = "a spec",
                                     .read_only = read_only};
    status = elg_checkpoint_open(where, &env, &s->store, error);
    if (status == ELG_OK && !elg_checkpoint_artifact_source(s->store, &s->source))
        return elg_base_fail(error, ELG_UNSUPPORTED, where, "keeps no artifacts itself");
    return status;
}

/* open("folder", path) or open("store", url, read_only) */
static int l_open(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    const char *kind = luaL_checkstring(L, 1), *where = luaL_checkstring(L, 2);
    struct spec_source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return luaL_error(L, "no memory");
    fault_alloc_init(&s->fault, 0);
    s->sha = elg_base_sha256_create(elg_base_alloc_default());
    enum elg_status status = source_open(s, kind, where, lua_toboolean(L, 3), &error);
    if (status != ELG_OK) {
        source_free(s);
        return failed(L, status, &error);
    }
    struct spec_source **box = lua_newuserdata(L, sizeof *box);
    *box = s;
    luaL_getmetatable(L, SOURCE_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

/* Gives the bytes and sizes that the folder's allocator misses. */
static int l_close(lua_State *L)
{
    struct spec_source **box = luaL_checkudata(L, 1, SOURCE_TYPE);
    struct spec_source *s = *box;
    if (s == NULL)
        return 0;
    *box = NULL;
    elg_activity_artifacts_close(s->folder);
    s->folder = NULL;
    lua_pushnumber(L, (lua_Number)s->fault.live_bytes);
    lua_pushnumber(L, (lua_Number)s->fault.wrong_sizes);
    source_free(s);
    return 2;
}

/* put(content[, hash]): under another hash than its own, if one is given */
static int l_put(lua_State *L)
{
    struct spec_source *s = check(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_hash hash;
    struct elg_bytes content = check_bytes(L, 2);
    if (lua_isnoneornil(L, 3))
        elg_base_sha256(s->sha, content, &hash);
    else
        hash = check_hash(L, 3);
    enum elg_status status = s->source.put(s->source.self, &hash, content, &error);
    if (status != ELG_OK)
        return failed(L, status, &error);
    push_hash(L, &hash);
    return 1;
}

static int l_get(lua_State *L)
{
    struct spec_source *s = check(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_hash hash = check_hash(L, 2);
    struct elg_buf out;
    elg_base_buf_init(&out, &s->fault.alloc);
    elg_base_buf_append_str(&out, "before ");
    enum elg_status status = s->source.get(s->source.self, &hash, &out, &error);
    if (status == ELG_OK)
        lua_pushlstring(L, (const char *)out.data + 7, out.size - 7);
    elg_base_buf_fini(&out);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

struct listing {
    lua_State *L;
    lua_Integer left;
};

static bool list_row(void *self, const struct elg_artifact_row *row)
{
    struct listing *listing = self;
    lua_State *L = listing->L;
    lua_newtable(L);
    push_hash(L, &row->hash);
    lua_setfield(L, -2, "hash");
    lua_pushnumber(L, (lua_Number)row->size_bytes);
    lua_setfield(L, -2, "size_bytes");
    lua_pushnumber(L, (lua_Number)row->age_ms);
    lua_setfield(L, -2, "age_ms");
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    return --listing->left != 0;
}

/* list(after, count): rows { hash, size_bytes, age_ms } */
static int l_list(lua_State *L)
{
    struct spec_source *s = check(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_hash after;
    bool from = !lua_isnoneornil(L, 2);
    if (from)
        after = check_hash(L, 2);
    struct listing listing = {L, luaL_optinteger(L, 3, -1)};
    lua_newtable(L);
    enum elg_status status =
        s->source.list(s->source.self, from ? &after : NULL, list_row, &listing, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

/* remove(hash, age_ms_min): whether it was */
static int l_remove(lua_State *L)
{
    struct spec_source *s = check(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_hash hash = check_hash(L, 2);
    bool removed = false;
    enum elg_status status = s->source.remove(s->source.self, &hash,
                                              luaL_checkinteger(L, 3), &removed, &error);
    if (status != ELG_OK)
        return failed(L, status, &error);
    lua_pushboolean(L, removed);
    return 1;
}

/* fail_at(n): the n-th allocation from now and all after it; 0: none. Of a folder. */
static int l_fail_at(lua_State *L)
{
    struct spec_source *s = check(L);
    s->fault.calls = 0;
    s->fault.fail_at = (uint64_t)luaL_checkinteger(L, 2);
    return 0;
}

/* ---- what a spec does around the library's system calls */

static struct {
    lua_State *L;
    const char *call; /* NULL: none is waited for */
    int before, after;
} hook;

/* What the function gives: an errno, or nothing. */
static int hook_run(int *function)
{
    int result = 0;
    int reference = *function;
    *function = LUA_NOREF;
    lua_rawgeti(hook.L, LUA_REGISTRYINDEX, reference);
    luaL_unref(hook.L, LUA_REGISTRYINDEX, reference);
    if (lua_isfunction(hook.L, -1)) {
        lua_call(hook.L, 0, 1);
        result = (int)lua_tointeger(hook.L, -1);
    }
    lua_pop(hook.L, 1);
    return result;
}

/* True, once, for the call that is waited for: `after` is due behind it. errno: what
 * `before` gave. */
static bool hooked(const char *call)
{
    errno = 0;
    if (hook.call == NULL || strcmp(hook.call, call) != 0)
        return false;
    hook.call = NULL;
    errno = hook_run(&hook.before);
    return true;
}

/* at("rename", "unlinkat" or "linkat", before, after): functions (or nil) that the next
 * such call of the library runs around itself; a number that `before` gives is the errno
 * with which a linkat fails. */
static int l_at(lua_State *L)
{
    static const char *const CALLS[] = {"rename", "unlinkat", "linkat", NULL};
    int call = luaL_checkoption(L, 1, NULL, CALLS);
    lua_settop(L, 3);
    hook.after = luaL_ref(L, LUA_REGISTRYINDEX);
    hook.before = luaL_ref(L, LUA_REGISTRYINDEX);
    hook.L = L;
    hook.call = CALLS[call];
    return 0;
}

int rename(const char *from, const char *to)
{
    bool ours = hooked("rename");
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (ours)
        hook_run(&hook.after);
    return result;
}

int unlinkat(int fd, const char *path, int flags)
{
    bool ours = hooked("unlinkat");
    int result = (int)syscall(SYS_unlinkat, fd, path, flags);
    if (ours)
        hook_run(&hook.after);
    return result;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    bool ours = hooked("linkat");
    int result =
        errno != 0 ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
    if (ours)
        hook_run(&hook.after);
    return result;
}

/* fault(op, count, status name ELG_IO or ELG_FULL): of a store */
static int l_fault(lua_State *L)
{
    struct spec_source *s = check(L);
    bool full = strcmp(luaL_checkstring(L, 4), "ELG_FULL") == 0;
    elg_checkpoint_fault(s->store, luaL_checkstring(L, 2), 0,
                         (uint32_t)luaL_checkinteger(L, 3), full ? ELG_FULL : ELG_IO, 0);
    return 0;
}

int luaopen_artifact_c(lua_State *L)
{
    static const luaL_Reg METHODS[] = {
        {"close", l_close},     {"__gc", l_close},  {"put", l_put},
        {"get", l_get},         {"list", l_list},   {"remove", l_remove},
        {"fail_at", l_fail_at}, {"fault", l_fault}, {NULL, NULL}};
    luaL_newmetatable(L, SOURCE_TYPE);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, METHODS);
    lua_newtable(L);
    lua_pushcfunction(L, l_open);
    lua_setfield(L, -2, "open");
    lua_pushcfunction(L, l_at);
    lua_setfield(L, -2, "at");
    return 1;
}
