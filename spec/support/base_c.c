/* base_c: the base folder for specs, as a Lua module of the system's LuaJIT. */
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/intern.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/text.h"
#include "base/uuid.h"
#include "fault_alloc.h"

ELG_API int luaopen_base_c(lua_State *L);

static struct elg_bytes check_bytes(lua_State *L, int arg)
{
    struct elg_bytes bytes;
    bytes.data = (const uint8_t *)luaL_checklstring(L, arg, &bytes.size);
    return bytes;
}

static int l_status_name(lua_State *L)
{
    lua_pushstring(L, elg_status_name((enum elg_status)luaL_checkint(L, 1)));
    return 1;
}

/* fail(status, where, text): status, where, text as kept; the record is reused once, with
 * its own `where`, as a caller that passes an error on does. */
static int l_fail(lua_State *L)
{
    struct elg_error error = {0};
    enum elg_status status = (enum elg_status)luaL_checkint(L, 1);
    elg_base_fail(&error, ELG_IO, luaL_checkstring(L, 2), "%s", luaL_checkstring(L, 3));
    status = elg_base_fail(&error, status, error.where, "%s", error.text);
    elg_base_fail(NULL, status, "nobody", "listens");
    lua_pushnumber(L, status == error.status ? (double)status : -1);
    lua_pushstring(L, error.where);
    lua_pushstring(L, error.text);
    elg_base_error_clear(&error);
    lua_pushboolean(L, error.status == ELG_OK && !error.where[0] && !error.text[0]);
    return 4;
}

/* buf(piece, count, fail_at): the bytes (nil if it failed), failed, live bytes
 * afterwards, wrong sizes, calls. Appends the piece in each way there is. */
static int l_buf(lua_State *L)
{
    struct elg_bytes piece = check_bytes(L, 1);
    struct fault_alloc fault;
    fault_alloc_init(&fault, (uint64_t)luaL_checknumber(L, 3));
    struct elg_buf buf;
    elg_base_buf_init(&buf, &fault.alloc);
    for (int i = 0; i < luaL_checkint(L, 2); i++) {
        elg_base_buf_append(&buf, piece.data, piece.size);
        elg_base_buf_append_byte(&buf, '|');
        elg_base_buf_append_str(&buf, "str");
        elg_base_buf_printf(&buf, "%d,", i);
    }
    bool ended = elg_base_buf_cstr(&buf) != NULL && buf.data[buf.size] == 0;
    bool failed = buf.failed;
    if (ended)
        lua_pushlstring(L, (const char *)buf.data, buf.size);
    else
        lua_pushnil(L);
    elg_base_buf_fini(&buf);
    lua_pushboolean(L, failed);
    lua_pushnumber(L, (double)fault.live_bytes);
    lua_pushnumber(L, (double)fault.wrong_sizes);
    lua_pushnumber(L, (double)fault.calls);
    return 5;
}

/* text(s, fail_at): the text (nil if none), live bytes after destroying it twice, wrong
 * sizes, calls. */
static int l_text(lua_State *L)
{
    struct elg_bytes s = check_bytes(L, 1);
    struct fault_alloc fault;
    fault_alloc_init(&fault, (uint64_t)luaL_checknumber(L, 2));
    struct elg_buf buf;
    struct elg_text text = {NULL, 0, NULL};
    elg_base_buf_init(&buf, &fault.alloc);
    elg_base_buf_append(&buf, s.data, s.size);
    if (elg_base_text_take(&buf, &text) && text.data[text.size] == 0)
        lua_pushlstring(L, text.data, text.size);
    else
        lua_pushnil(L);
    elg_text_destroy(&text);
    elg_text_destroy(&text);
    elg_text_destroy(NULL);
    elg_base_buf_fini(&buf);
    lua_pushnumber(L, (double)fault.live_bytes);
    lua_pushnumber(L, (double)fault.wrong_sizes);
    lua_pushnumber(L, (double)fault.calls);
    return 4;
}

/* sha256(part, ...): hex of the parts together, read back and compared. */
static int l_sha256(lua_State *L)
{
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    struct elg_hash hash, read;
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_sha256_begin(sha);
    for (int i = 1; i <= lua_gettop(L); i++) {
        struct elg_bytes part = check_bytes(L, i);
        elg_base_sha256_add(sha, part.data, part.size);
    }
    elg_base_sha256_end(sha, &hash);
    elg_base_hash_hex(&hash, hex);
    elg_base_sha256_destroy(sha);
    lua_pushstring(L, hex);
    lua_pushboolean(L, elg_base_hash_parse(elg_base_bytes(hex), &read) &&
                           elg_base_hash_equal(&hash, &read));
    return 2;
}

static int l_hash_parse(lua_State *L)
{
    struct elg_hash hash;
    lua_pushboolean(L, elg_base_hash_parse(check_bytes(L, 1), &hash));
    return 1;
}

static int l_uuid_v4(lua_State *L)
{
    char out[ELG_UUID_SIZE];
    elg_base_uuid_v4(check_bytes(L, 1).data, out);
    lua_pushstring(L, out);
    return 1;
}

static int l_uuid_v7(lua_State *L)
{
    char out[ELG_UUID_SIZE];
    elg_base_uuid_v7((int64_t)luaL_checknumber(L, 1), check_bytes(L, 2).data, out);
    lua_pushstring(L, out);
    return 1;
}

/* intern(count, max, fail_at): how many of count different strings are kept, how many
 * came back as another pointer the second time, live bytes afterwards. */
static int l_intern(lua_State *L)
{
    int count = luaL_checkint(L, 1), kept = 0, moved = 0;
    struct fault_alloc fault;
    fault_alloc_init(&fault, (uint64_t)luaL_checknumber(L, 3));
    struct elg_intern *intern =
        elg_base_intern_create(&fault.alloc, (size_t)luaL_checknumber(L, 2));
    for (int i = 0; intern != NULL && i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "graph.lua:%d", i);
        const char *first = elg_base_intern(intern, name);
        kept += strcmp(first, name) == 0;
        moved += first != elg_base_intern(intern, name) && strcmp(first, "...") != 0;
    }
    elg_base_intern_destroy(intern);
    lua_pushnumber(L, kept);
    lua_pushnumber(L, moved);
    lua_pushnumber(L, (double)fault.live_bytes);
    lua_pushnumber(L, (double)fault.wrong_sizes);
    return 4;
}

#define BLOB_THREADS 4
#define BLOB_ROUNDS 50000

static void *share_blob(void *blob)
{
    for (int i = 0; i < BLOB_ROUNDS; i++)
        elg_base_blob_unref(elg_base_blob_ref(blob));
    elg_base_blob_unref(blob);
    return NULL;
}

/* blob(s): its bytes with the NUL behind, live bytes once threads have shared and left
 * it. */
static int l_blob(lua_State *L)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, 0);
    struct elg_blob *blob = elg_base_blob_create(&fault.alloc, check_bytes(L, 1));
    struct elg_bytes bytes = elg_base_blob_bytes(blob);
    lua_pushlstring(L, (const char *)bytes.data, bytes.size + 1);
    pthread_t threads[BLOB_THREADS];
    for (int i = 0; i < BLOB_THREADS; i++) {
        elg_base_blob_ref(blob);
        if (pthread_create(&threads[i], NULL, share_blob, blob) != 0)
            return luaL_error(L, "no thread");
    }
    for (int i = 0; i < BLOB_THREADS; i++)
        pthread_join(threads[i], NULL);
    bool alone = fault.live_blocks == 1;
    elg_base_blob_unref(blob);
    elg_base_blob_unref(elg_base_blob_ref(NULL));
    lua_pushnumber(L, (double)fault.live_bytes);
    lua_pushboolean(L, alone && elg_base_blob_bytes(NULL).data == NULL);
    return 3;
}

/* clock(): wall ms, whether a thousand monotonic readings never go back, 16 random bytes.
 */
static int l_clock(lua_State *L)
{
    struct elg_clock clock = elg_base_clock_system();
    bool forward = true;
    int64_t last = elg_base_monotonic_us(clock);
    for (int i = 0; i < 1000; i++) {
        int64_t now = elg_base_monotonic_us(clock);
        forward = forward && now >= last;
        last = now;
    }
    uint8_t bytes[16];
    enum elg_status status =
        elg_base_random_fill(elg_base_random_system(), bytes, sizeof bytes);
    lua_pushnumber(L, (double)elg_base_wall_ms(clock));
    lua_pushboolean(L, forward);
    lua_pushlstring(L, (const char *)bytes, status == ELG_OK ? sizeof bytes : 0);
    return 3;
}

int luaopen_base_c(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"status_name", l_status_name},
        {"fail", l_fail},
        {"buf", l_buf},
        {"text", l_text},
        {"sha256", l_sha256},
        {"hash_parse", l_hash_parse},
        {"uuid_v4", l_uuid_v4},
        {"uuid_v7", l_uuid_v7},
        {"intern", l_intern},
        {"blob", l_blob},
        {"clock", l_clock},
        {NULL, NULL},
    };
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
