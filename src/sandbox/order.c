/* order: gathers and sorts keys, in memory of the Lua state. Provides order.h. */
#include "sandbox/order.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sandbox/box.h"

#define KEYS_FEW 32      /* sorted without memory of their own */
#define INSERTION_MAX 24 /* keys; more are sorted by a heap */

enum rank { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN, RANK_LIGHT, RANK_OBJECT };

struct key {
    enum rank rank;
    uint32_t at;     /* in the list of gathered keys */
    uint64_t prefix; /* of a string: its first bytes, the first one highest */
    union {
        double number;
        uintptr_t address;
        struct {
            const char *data;
            size_t size;
        } string;
    } of;
};

static uint64_t prefix_bytes(const char *data, size_t size)
{
    uint64_t prefix = 0;
    if (size >= sizeof prefix) {
        memcpy(&prefix, data, sizeof prefix);
        return be64toh(prefix);
    }
    for (size_t i = 0; i < size; i++)
        prefix |= (uint64_t)(uint8_t)data[i] << (56 - 8 * i);
    return prefix;
}

static void read_key(lua_State *L, int index, struct key *key)
{
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        key->rank = RANK_NUMBER;
        key->of.number = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        key->rank = RANK_STRING;
        key->of.string.data = lua_tolstring(L, index, &key->of.string.size);
        key->prefix = prefix_bytes(key->of.string.data, key->of.string.size);
        break;
    case LUA_TBOOLEAN:
        key->rank = RANK_BOOLEAN;
        key->of.number = lua_toboolean(L, index);
        break;
    case LUA_TLIGHTUSERDATA:
        key->rank = RANK_LIGHT;
        key->of.address = (uintptr_t)lua_touserdata(L, index);
        break;
    default:
        key->rank = RANK_OBJECT;
        key->of.address = (uintptr_t)lua_topointer(L, index);
        break;
    }
}

static bool before(const struct key *a, const struct key *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    if (a->rank == RANK_NUMBER || a->rank == RANK_BOOLEAN)
        return a->of.number < b->of.number;
    if (a->rank != RANK_STRING)
        return a->of.address < b->of.address;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    size_t x = a->of.string.size, y = b->of.string.size;
    int order = memcmp(a->of.string.data, b->of.string.data, x < y ? x : y);
    return order != 0 ? order < 0 : x < y;
}

static void sift(struct key *keys, size_t root, size_t count)
{
    struct key moved = keys[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && before(&keys[child], &keys[child + 1]))
            child++;
        if (!before(&moved, &keys[child]))
            break;
        keys[root] = keys[child];
    }
    keys[root] = moved;
}

static void sort(struct key *keys, size_t count)
{
    if (count <= INSERTION_MAX) {
        for (size_t i = 1; i < count; i++) {
            struct key moved = keys[i];
            size_t to = i;
            for (; to > 0 && before(&moved, &keys[to - 1]); to--)
                keys[to] = keys[to - 1];
            keys[to] = moved;
        }
        return;
    }
    for (size_t i = count / 2; i-- > 0;)
        sift(keys, i, count);
    for (size_t i = count; i-- > 1;) {
        struct key top = keys[0];
        keys[0] = keys[i];
        keys[i] = top;
        sift(keys, 0, i);
    }
}

static size_t prefix_of(lua_State *L, int index)
{
    size_t n = 0;
    for (;; n++) {
        lua_rawgeti(L, index, (int)n + 1);
        bool end = lua_isnil(L, -1);
        lua_pop(L, 1);
        if (end)
            return n;
    }
}

static bool in_prefix(lua_State *L, int index, size_t n)
{
    if (lua_type(L, index) != LUA_TNUMBER)
        return false;
    double key = lua_tonumber(L, index);
    return key >= 1 && key <= (double)n && key == (double)(size_t)key;
}

/* How many keys are not in 1..n. */
static size_t count_rest(lua_State *L, int index, size_t n)
{
    size_t seen = 0, count = 0;
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1); /* key */
        seen++;
        if (!in_prefix(L, -1, n))
            count++;
    }
    elg_sandbox_charge(L, seen + count);
    return count;
}

/* Fills the list at the top, and `keys`, which belong to it. */
static void gather(lua_State *L, int index, size_t n, struct key *keys)
{
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1); /* list key */
        if (in_prefix(L, -1, n))
            continue;
        read_key(L, -1, &keys[count]);
        count++;
        keys[count - 1].at = (uint32_t)count;
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (int)count);
    }
}

/* Puts the members of the list at the top into the order of `keys`, a cycle at a time. */
static void arrange(lua_State *L, struct key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (keys[i].at == i + 1)
            continue;
        lua_rawgeti(L, -1, (int)i + 1); /* list first */
        size_t to = i;
        while (keys[to].at != i + 1) {
            size_t from = keys[to].at - 1;
            lua_rawgeti(L, -2, (int)from + 1);
            lua_rawseti(L, -3, (int)to + 1);
            keys[to].at = (uint32_t)to + 1;
            to = from;
        }
        keys[to].at = (uint32_t)to + 1;
        lua_rawseti(L, -2, (int)to + 1);
    }
}

/* Long names take longer to compare, each about so often as the count has bits. */
static void charge_strings(lua_State *L, const struct key *keys, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (keys[i].rank == RANK_STRING &&
            keys[i].of.string.size >= ELG_FUEL_STRING_BYTES_MIN)
            bytes += keys[i].of.string.size;
    unsigned bits = 64u - (unsigned)__builtin_clzll(count);
    elg_sandbox_charge(L, (bytes >> ELG_FUEL_ALLOC_SHIFT) * bits);
}

size_t elg_sandbox_order_keys(lua_State *L, int index, size_t *rest)
{
    size_t n = prefix_of(L, index);
    elg_sandbox_charge(L, n / 4);
    lua_checkstack(L, 8);
    size_t count = *rest = count_rest(L, index, n);
    if (count == 0) {
        lua_pushnil(L);
        return n;
    }
    struct key few[KEYS_FEW], *keys = few;
    if (count > KEYS_FEW)
        keys = lua_newuserdata(L, count * sizeof *keys);
    else
        lua_pushnil(L);
    lua_createtable(L, (int)count, 0); /* keys list */
    gather(L, index, n, keys);
    charge_strings(L, keys, count);
    sort(keys, count);
    arrange(L, keys, count);
    lua_remove(L, -2);
    return n;
}

bool elg_sandbox_order_first(lua_State *L, int index)
{
    struct key least, key;
    uint64_t seen = 0;
    lua_rawgeti(L, index, 1);
    bool one = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (one)
        return lua_pushnumber(L, 1), true;
    lua_checkstack(L, 8);
    lua_pushnil(L); /* the least so far */
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1); /* least key */
        read_key(L, -1, &key);
        if (seen++ > 0 && !before(&key, &least))
            continue;
        least = key;
        lua_pushvalue(L, -1);
        lua_replace(L, -3);
    }
    elg_sandbox_charge(L, seen);
    if (seen == 0)
        lua_pop(L, 1);
    return seen > 0;
}
