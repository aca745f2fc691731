/* chance: numbers computed from the run: math.random, ctx.rand, ctx.uuid. Provides that
 * part of library.h; uses SHA-256 as a counter mode: word i of a stream is 8 bytes of the
 * hash of (stream, seed, trace, step, salt, i / 4). No attempt in it: every attempt of a
 * step sees the same. */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/uuid.h"
#include "sandbox/box.h"
#include "sandbox/library.h"

enum stream { STREAM_CTX, STREAM_MATH };

#define EXACT_MAX 9007199254740992.0 /* 2^53 */
#define REJECTIONS_MAX 128           /* 2^-128 that so many are needed */

static void add_text(struct elg_sha256 *sha, const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;
    elg_base_sha256_add(sha, text, size); /* its NUL ends it */
}

static void add_number(struct elg_sha256 *sha, uint64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    elg_base_sha256_add(sha, bytes, sizeof bytes);
}

static void fill_block(const struct elg_sandbox *box, struct elg_chance *chance,
                       enum stream stream)
{
    struct elg_hash hash;
    uint64_t salt;
    double salt_number = stream == STREAM_MATH ? chance->salt : 0;
    memcpy(&salt, &salt_number, sizeof salt);
    elg_base_sha256_begin(box->sha);
    add_text(box->sha, stream == STREAM_MATH ? "elg.math/1" : "elg.ctx/1");
    add_text(box->sha, box->now.job.seed != NULL ? box->now.job.seed : "");
    add_text(box->sha, box->now.job.trace_id != NULL ? box->now.job.trace_id : "");
    add_number(box->sha, (uint64_t)box->now.job.step_index);
    add_number(box->sha, salt);
    add_number(box->sha, chance->counter[stream] / 4);
    elg_base_sha256_end(box->sha, &hash);
    for (int word = 0; word < 4; word++) {
        uint64_t value = 0;
        for (int i = 0; i < 8; i++)
            value |= (uint64_t)hash.bytes[word * 8 + i] << (8 * i);
        chance->block[stream][word] = value;
    }
}

static uint64_t next_word(lua_State *L, enum stream stream)
{
    struct elg_head *head = elg_sandbox_head(L);
    if (head->phase != ELG_PHASE_RUNNING)
        luaL_error(L, "random numbers are not here while the graph is loaded");
    if (head->chance.counter[stream] % 4 == 0) {
        elg_sandbox_charge(L, 100);
        fill_block(head->box, &head->chance, stream);
    }
    return head->chance.block[stream][head->chance.counter[stream]++ % 4];
}

/* Evenly in [0, n), 1 <= n <= 2^53. */
static double below(lua_State *L, enum stream stream, double n)
{
    uint64_t range = (uint64_t)n;
    uint64_t limit = UINT64_MAX - UINT64_MAX % range;
    uint64_t word = next_word(L, stream);
    for (int i = 0; word >= limit && i < REJECTIONS_MAX; i++)
        word = next_word(L, stream);
    return (double)(word % range);
}

int elg_sandbox_lib_random(lua_State *L)
{
    int count = lua_gettop(L);
    if (count == 0) {
        lua_pushnumber(L, (double)(next_word(L, STREAM_MATH) >> 11) * 0x1p-53);
        return 1;
    }
    double low = count == 1 ? 1 : floor(luaL_checknumber(L, 1));
    double high = floor(luaL_checknumber(L, count == 1 ? 1 : 2));
    luaL_argcheck(L, low <= high && high - low < EXACT_MAX, count == 1 ? 1 : 2,
                  "interval is empty or too large");
    lua_pushnumber(L, low + below(L, STREAM_MATH, high - low + 1));
    return 1;
}

int elg_sandbox_lib_randomseed(lua_State *L)
{
    struct elg_chance *chance = &elg_sandbox_head(L)->chance;
    chance->salt = luaL_checknumber(L, 1);
    chance->counter[STREAM_MATH] = 0;
    return 0;
}

int elg_sandbox_lib_ctx_rand(lua_State *L)
{
    double n = luaL_checknumber(L, 1);
    luaL_argcheck(L, n >= 1 && n <= EXACT_MAX && n == floor(n), 1,
                  "ctx.rand(n) wants an integer from 1 to 2^53");
    lua_pushnumber(L, below(L, STREAM_CTX, n));
    return 1;
}

int elg_sandbox_lib_ctx_uuid(lua_State *L)
{
    char text[ELG_UUID_SIZE];
    uint64_t words[2];
    words[0] = next_word(L, STREAM_CTX);
    words[1] = next_word(L, STREAM_CTX);
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)(words[i / 8] >> (8 * (i % 8)));
    elg_base_uuid_v4(bytes, text);
    lua_pushstring(L, text);
    return 1;
}
