/* value_write: Lua values to canonical JSON. Provides the writing part of value.h; uses
 * json's write. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/fuel.h"
#include "sandbox/value.h"

#define KEYS_FIRST 256
#define PATH_NAME_BYTES_MAX 64 /* of one name in a path */
#define INSERTION_MAX 24       /* keys; more are sorted by a heap */
#define KEPT_MAX 64            /* slots of the Lua stack for members' values */
#define SLOTS_SPARE 8          /* for what is pushed besides */

struct frame {
    int table; /* stack index */
    int top;   /* of the stack when it is closed */
    bool array;
    uint32_t index, count; /* members written, members */
    size_t keys;           /* the object's first in the codec's keys */
};

struct encoding {
    lua_State *L;
    struct elg_codec *codec;
    struct elg_buf *out;
    const struct elg_value_rules *rules;
    struct elg_error *error;
    int base, marker; /* stack indices */
    size_t key_count; /* stacked in the codec */
    size_t told;      /* bytes */
    uint32_t depth;
    struct frame frames[ELG_JSON_DEPTH_MAX + 1];
};

static bool is_plain_name(struct elg_value_key key)
{
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return key.size > 0 && key.size <= PATH_NAME_BYTES_MAX;
}

/* How much of a name a path shows: whole characters. */
static int shown_bytes(struct elg_value_key key)
{
    size_t size = key.size;
    if (size > PATH_NAME_BYTES_MAX) {
        size = PATH_NAME_BYTES_MAX;
        while (size > 0 && ((uint8_t)key.data[size] & 0xC0) == 0x80)
            size--;
    }
    return (int)size;
}

/* The path of the member under way, indices from 1 as Lua counts. */
static void write_path(const struct encoding *e, struct elg_buf *path)
{
    elg_base_buf_append_str(path, e->rules->root);
    for (uint32_t i = 1; i <= e->depth; i++) {
        const struct frame *frame = &e->frames[i];
        if (frame->index == 0)
            continue; /* opened, no member begun: the container itself */
        if (frame->array) {
            elg_base_buf_printf(path, "[%u]", frame->index);
            continue;
        }
        struct elg_value_key key = e->codec->keys[frame->keys + frame->index - 1];
        if (is_plain_name(key))
            elg_base_buf_printf(path, ".%.*s", (int)key.size, key.data);
        else
            elg_base_buf_printf(path, "[\"%.*s\"]", shown_bytes(key), key.data);
    }
}

static enum elg_status fail(const struct encoding *e, const char *format, const char *arg)
{
    char room[ELG_ERROR_WHERE_MAX];
    struct elg_buf path;
    elg_base_buf_init(&path, e->codec->alloc);
    write_path(e, &path);
    const char *text = elg_base_buf_cstr(&path);
    strncpy(room, text != NULL ? text : "", sizeof room - 1);
    room[sizeof room - 1] = '\0';
    elg_base_buf_fini(&path);
    if (text == NULL)
        return elg_base_no_memory(e->error);
    return elg_base_fail(e->error, ELG_INVALID, room, format, arg);
}

static enum elg_status write_string(struct encoding *e, int at)
{
    struct elg_bytes s;
    size_t bad_at;
    char number[24];
    s.data = (const uint8_t *)lua_tolstring(e->L, at, &s.size);
    if (elg_json_write_string(e->out, s, &bad_at) || e->out->failed)
        return ELG_OK;
    snprintf(number, sizeof number, "%zu", bad_at + 1);
    return fail(e,
                "not valid UTF-8 at byte %s; keep binary in an artifact, whose content "
                "may be given as base64 with encoding = \"base64\"",
                number);
}

static enum elg_status write_number(struct encoding *e, int at)
{
    double number = lua_tonumber(e->L, at);
    if (elg_json_write_number(e->out, number) || e->out->failed)
        return ELG_OK;
    return fail(e, "%s is not a JSON number", number != number ? "NaN" : "infinity");
}

static bool key_push(struct encoding *e, struct elg_value_key key)
{
    struct elg_codec *codec = e->codec;
    if (e->key_count == codec->keys_capacity) {
        size_t grown = codec->keys_capacity > 0 ? codec->keys_capacity * 2 : KEYS_FIRST;
        void *keys =
            elg_base_realloc(codec->alloc, codec->keys, codec->keys_capacity * sizeof key,
                             grown * sizeof key);
        if (keys == NULL)
            return false;
        codec->keys = keys;
        codec->keys_capacity = grown;
    }
    codec->keys[e->key_count++] = key;
    return true;
}

static int key_compare(const struct elg_value_key *a, const struct elg_value_key *b)
{
    struct elg_bytes x = {(const uint8_t *)a->data, a->size};
    struct elg_bytes y = {(const uint8_t *)b->data, b->size};
    return elg_json_compare_keys(x, y);
}

static void sift(struct elg_value_key *keys, size_t root, size_t count)
{
    struct elg_value_key moved = keys[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && key_compare(&keys[child], &keys[child + 1]) < 0)
            child++;
        if (key_compare(&moved, &keys[child]) >= 0)
            break;
        keys[root] = keys[child];
    }
    keys[root] = moved;
}

static void keys_sort(struct elg_value_key *keys, size_t count)
{
    if (count > INSERTION_MAX) {
        for (size_t i = count / 2; i-- > 0;)
            sift(keys, i, count);
        for (size_t i = count; i-- > 1;) {
            struct elg_value_key top = keys[0];
            keys[0] = keys[i];
            keys[i] = top;
            sift(keys, 0, i);
        }
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct elg_value_key key = keys[i];
        size_t j = i;
        for (; j > 0 && key_compare(&key, &keys[j - 1]) < 0; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

static enum elg_status check_key(const struct encoding *e, struct elg_value_key key)
{
    if (e->rules->reserved_key != NULL && strlen(e->rules->reserved_key) == key.size &&
        memcmp(key.data, e->rules->reserved_key, key.size) == 0)
        return fail(e, "the name %s is reserved", e->rules->reserved_key);
    return ELG_OK;
}

/* Leaves the key at the top. Its value stays below it, where there is room: finding it
 * again takes longer. Looking up a long key is charged. */
static void keep_value(struct encoding *e, struct elg_value_key *key)
{
    int top = lua_gettop(e->L);
    key->slot = 0;
    if (top - e->base >= KEPT_MAX || key->size >= ELG_FUEL_STRING_BYTES_MIN) {
        lua_pop(e->L, 1);
        return;
    }
    lua_insert(e->L, -2);
    key->slot = top - 1;
}

/* The first key is at top - 1 and its value at the top; all keys are gathered. */
static enum elg_status open_object(struct encoding *e, struct frame *frame)
{
    frame->array = false;
    frame->keys = e->key_count;
    do {
        struct elg_value_key key;
        if (lua_type(e->L, -2) != LUA_TSTRING)
            return fail(e, "%s as a key beside names",
                        lua_type(e->L, -2) == LUA_TNUMBER ? "a number"
                                                          : luaL_typename(e->L, -2));
        key.data = lua_tolstring(e->L, -2, &key.size);
        enum elg_status status = check_key(e, key);
        if (status != ELG_OK)
            return status;
        keep_value(e, &key);
        if (!key_push(e, key))
            return elg_base_no_memory(e->error);
    } while (lua_next(e->L, frame->table) != 0);
    frame->count = (uint32_t)(e->key_count - frame->keys);
    keys_sort(e->codec->keys + frame->keys, frame->count);
    elg_base_buf_append_byte(e->out, '{');
    return ELG_OK;
}

/* Keys 1..n and nothing else, n being what # says: else it names what is in the way. */
static enum elg_status open_array(struct encoding *e, struct frame *frame)
{
    size_t length = lua_objlen(e->L, frame->table), count = 0;
    frame->array = true;
    lua_pushnil(e->L);
    while (lua_next(e->L, frame->table) != 0) {
        lua_pop(e->L, 1);
        count++;
        if (count <= length && lua_type(e->L, -1) == LUA_TNUMBER)
            continue;
        if (lua_type(e->L, -1) != LUA_TNUMBER)
            return fail(e, "an array with a %s as a key", luaL_typename(e->L, -1));
    }
    if (count != length)
        return fail(e, "an array with %s", "holes: its keys must be 1..n");
    frame->count = (uint32_t)length;
    elg_base_buf_append_byte(e->out, '[');
    return ELG_OK;
}

/* Looks for a table that is open twice: looked for only where the nesting or the size has
 * become too large, as a cycle makes it. Leaves its second opening the innermost. */
static bool find_cycle(struct encoding *e)
{
    for (uint32_t i = 2; i <= e->depth; i++) {
        const void *table = lua_topointer(e->L, e->frames[i].table);
        for (uint32_t j = 1; j < i; j++) {
            if (lua_topointer(e->L, e->frames[j].table) != table)
                continue;
            e->depth = i;
            e->frames[i].index = 0;
            return true;
        }
    }
    return false;
}

static enum elg_status fail_deep(struct encoding *e)
{
    if (find_cycle(e))
        return fail(e, "%s contains itself", "the table");
    return fail(e, "nested deeper than %s levels", "128");
}

static enum elg_status fail_large(struct encoding *e)
{
    if (find_cycle(e))
        return fail(e, "%s contains itself", "the table");
    return elg_base_fail(e->error, ELG_INVALID, e->rules->root,
                         "larger than %u bytes; keep large data in an artifact",
                         ELG_STATE_BYTES_MAX);
}

static bool has_marker(struct encoding *e, int table)
{
    if (!lua_getmetatable(e->L, table))
        return false;
    bool same = lua_rawequal(e->L, -1, e->marker);
    lua_pop(e->L, 1);
    return same;
}

/* The table becomes the innermost frame. */
static enum elg_status open_table(struct encoding *e, int at, int top)
{
    if (e->depth == ELG_JSON_DEPTH_MAX)
        return fail_deep(e);
    struct frame *frame = &e->frames[++e->depth];
    frame->table = at;
    frame->top = top;
    if (top - e->base >= ELG_JSON_DEPTH_MAX - SLOTS_SPARE &&
        !lua_checkstack(e->L, 2 * SLOTS_SPARE))
        return elg_base_fail(e->error, ELG_LIMIT, e->rules->root,
                             "the Lua stack is full");
    frame->index = frame->count = 0;
    frame->array = true;
    if (has_marker(e, frame->table))
        return open_array(e, frame);
    lua_pushnil(e->L);
    if (lua_next(e->L, frame->table) == 0) {
        frame->array = false;
        elg_base_buf_append_byte(e->out, '{');
        return ELG_OK;
    }
    if (lua_type(e->L, -2) != LUA_TNUMBER)
        return open_object(e, frame);
    lua_pop(e->L, 2);
    return open_array(e, frame);
}

static enum elg_status write_userdata(struct encoding *e, int at)
{
    lua_pushvalue(e->L, at);
    if (e->rules->write_userdata == NULL || !e->rules->write_userdata(e->L, e->out))
        return fail(e, "%s is not a value here", "a handle (such as a secret)");
    lua_pop(e->L, 1);
    return ELG_OK;
}

/* Writes the value at the index, or opens it. The stack's top is `top` in the end, or
 * when what was opened is closed. */
static enum elg_status put(struct encoding *e, int at, int top)
{
    enum elg_status status = ELG_OK;
    int type = lua_type(e->L, at);
    switch (type) {
    case LUA_TTABLE:
        return open_table(e, at, top);
    case LUA_TSTRING:
        status = write_string(e, at);
        break;
    case LUA_TNUMBER:
        status = write_number(e, at);
        break;
    case LUA_TBOOLEAN:
        elg_base_buf_append_str(e->out, lua_toboolean(e->L, at) ? "true" : "false");
        break;
    case LUA_TUSERDATA:
        status = write_userdata(e, at);
        break;
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(e->L, at) != NULL)
            return fail(e, "a %s is not a value", "userdata");
        elg_base_buf_append_str(e->out, "null");
        break;
    default:
        return fail(e, "a %s is not a value", lua_typename(e->L, type));
    }
    if (at > top)
        lua_settop(e->L, top);
    return status;
}

static enum elg_status put_element(struct encoding *e, struct frame *frame)
{
    int top = lua_gettop(e->L);
    lua_rawgeti(e->L, frame->table, (int)frame->index);
    if (lua_isnil(e->L, -1))
        return fail(e, "%s: keys must be 1..n", "a hole");
    return put(e, top + 1, top);
}

static enum elg_status put_field(struct encoding *e, struct frame *frame)
{
    struct elg_value_key key = e->codec->keys[frame->keys + frame->index - 1];
    struct elg_bytes name = {(const uint8_t *)key.data, key.size};
    int top = lua_gettop(e->L);
    if (!elg_json_write_string(e->out, name, NULL)) {
        frame->index = 0; /* the path ends with the object */
        return fail(e, "%s that is not valid UTF-8", "a name");
    }
    elg_base_buf_append_byte(e->out, ':');
    if (key.slot != 0)
        return put(e, key.slot, top);
    lua_pushlstring(e->L, key.data, key.size);
    lua_rawget(e->L, frame->table);
    return put(e, top + 1, top);
}

/* The next member of the innermost frame. */
static enum elg_status put_member(struct encoding *e, struct frame *frame)
{
    if (frame->index++ > 0)
        elg_base_buf_append_byte(e->out, ',');
    return frame->array ? put_element(e, frame) : put_field(e, frame);
}

static void close_frame(struct encoding *e, const struct frame *frame)
{
    elg_base_buf_append_byte(e->out, frame->array ? ']' : '}');
    if (!frame->array && frame->count > 0)
        e->key_count = frame->keys;
    lua_settop(e->L, frame->top);
    e->depth--;
}

static void tell(struct encoding *e)
{
    for (; e->out->size - e->told >= ELG_VALUE_PROGRESS_BYTES;
         e->told += ELG_VALUE_PROGRESS_BYTES)
        if (e->rules->progress != NULL)
            e->rules->progress(e->L);
}

static enum elg_status encode_all(struct encoding *e)
{
    enum elg_status status = put(e, e->marker + 1, e->marker);
    tell(e);
    while (status == ELG_OK && e->depth > 0) {
        struct frame *frame = &e->frames[e->depth];
        if (frame->index == frame->count) {
            close_frame(e, frame);
            continue;
        }
        status = put_member(e, frame);
        if (status == ELG_OK && e->out->size > ELG_STATE_BYTES_MAX)
            return fail_large(e); /* here already: a table may be reached in many ways */
        tell(e);
    }
    return status;
}

enum elg_status elg_value_encode(lua_State *L, struct elg_codec *codec, int index,
                                 const struct elg_value_rules *rules, struct elg_buf *out,
                                 struct elg_error *error)
{
    struct encoding e;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, ELG_JSON_DEPTH_MAX + SLOTS_SPARE))
        return elg_base_fail(error, ELG_LIMIT, rules->root, "the Lua stack is full");
    e.L = L;
    e.codec = codec;
    e.out = out;
    e.rules = rules;
    e.error = error;
    e.key_count = 0;
    e.told = out->size;
    e.depth = 0;
    lua_pushvalue(L, index);
    elg_value_push_marker(L);
    lua_insert(L, -2);
    e.base = top;
    e.marker = top + 1;
    enum elg_status status = encode_all(&e);
    if (status == ELG_OK && out->size > ELG_STATE_BYTES_MAX)
        status = fail_large(&e);
    lua_settop(L, top);
    if (out->failed)
        return elg_base_no_memory(error);
    return status;
}
