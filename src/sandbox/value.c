/* value: the array marker, and decoding. Provides the reading part of value.h; uses
 * json's reader. The writing part is value_write.c. */
#include "sandbox/value.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ARRAY_MARKER "elg.array"
#define SIZED_MAX 1024 /* containers whose size is found before they are made */
#define DOUBLE_EXACT_MAX 9007199254740992.0

void elg_value_codec_init(struct elg_codec *codec, const struct elg_alloc *alloc)
{
    struct elg_bytes none = {NULL, 0};
    codec->alloc = alloc;
    codec->keys = NULL;
    codec->keys_capacity = 0;
    elg_json_reader_init(&codec->reader, alloc, none);
}

void elg_value_codec_fini(struct elg_codec *codec)
{
    elg_base_free(codec->alloc, codec->keys, codec->keys_capacity * sizeof *codec->keys);
    elg_json_reader_fini(&codec->reader);
}

void elg_value_open(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__metatable");
    lua_setfield(L, LUA_REGISTRYINDEX, ARRAY_MARKER);
}

void elg_value_push_marker(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, ARRAY_MARKER);
}

bool elg_value_mark_array(lua_State *L)
{
    elg_value_push_marker(L); /* table marker */
    if (lua_getmetatable(L, -2)) {
        bool same = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        return same;
    }
    lua_setmetatable(L, -2);
    return true;
}

/* How many members the containers of a text have, in the order of their opening, so that
 * their tables are made in the right size. A guess that a wrong text makes wrong costs
 * nothing but speed. */
struct sizes {
    uint32_t count, next;
    uint32_t of[SIZED_MAX];
};

/* The first quote or backslash from p on, or the end. */
static const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

static const uint8_t *skip_string(const uint8_t *p, const uint8_t *end)
{
    for (p = skip_plain(p, end); p < end && *p != '"'; p = skip_plain(p, end))
        p += end - p > 1 ? 2 : 1;
    return p;
}

static void find_sizes(struct sizes *sizes, struct elg_bytes text)
{
    uint32_t open[ELG_JSON_DEPTH_MAX];
    uint32_t depth = 0;
    const uint8_t *end = text.data + text.size;
    sizes->count = sizes->next = 0;
    for (const uint8_t *p = text.data; p < end; p++) {
        switch (*p) {
        case '"':
            p = skip_string(p + 1, end);
            break;
        case '{':
        case '[':
            if (depth == ELG_JSON_DEPTH_MAX || sizes->count == SIZED_MAX)
                return;
            open[depth++] = sizes->count;
            sizes->of[sizes->count++] = 0;
            break;
        case ',':
            if (depth > 0)
                sizes->of[open[depth - 1]]++;
            break;
        case '}':
        case ']':
            if (depth > 0 && p[-1] != '{' && p[-1] != '[')
                sizes->of[open[depth - 1]]++;
            if (depth > 0)
                depth--;
            break;
        default:
            break;
        }
    }
}

struct decoding {
    lua_State *L;
    struct elg_json_reader *reader;
    enum elg_value_big big;
    int marker; /* stack index */
    uint32_t depth;
    struct {
        bool array;
        uint32_t count;
    } open[ELG_JSON_DEPTH_MAX + 1];
    struct sizes sizes;
};

static void push_number(struct decoding *d)
{
    double number = d->reader->number;
    struct elg_bytes raw = d->reader->raw;
    if (d->big == ELG_VALUE_BIG_STRING &&
        (number > DOUBLE_EXACT_MAX || number < -DOUBLE_EXACT_MAX) &&
        memchr(raw.data, '.', raw.size) == NULL &&
        memchr(raw.data, 'e', raw.size) == NULL &&
        memchr(raw.data, 'E', raw.size) == NULL)
        lua_pushlstring(d->L, (const char *)raw.data, raw.size);
    else
        lua_pushnumber(d->L, number);
}

static void push_container(struct decoding *d, bool array)
{
    int size = 0;
    if (d->sizes.next < d->sizes.count)
        size = (int)d->sizes.of[d->sizes.next++];
    lua_createtable(d->L, array ? size : 0, array ? 0 : size);
    if (array) {
        lua_pushvalue(d->L, d->marker);
        lua_setmetatable(d->L, -2);
    }
    d->open[++d->depth].array = array;
    d->open[d->depth].count = 0;
}

/* The value at the top is complete: into its container. */
static void store(struct decoding *d)
{
    if (d->depth == 0)
        return;
    if (d->open[d->depth].array)
        lua_rawseti(d->L, -2, (int)++d->open[d->depth].count);
    else
        lua_rawset(d->L, -3);
}

static void take(struct decoding *d, enum elg_json_token token)
{
    struct elg_bytes string = d->reader->string;
    switch (token) {
    case ELG_JSON_OBJECT_BEGIN:
    case ELG_JSON_ARRAY_BEGIN:
        push_container(d, token == ELG_JSON_ARRAY_BEGIN);
        return;
    case ELG_JSON_OBJECT_END:
    case ELG_JSON_ARRAY_END:
        d->depth--;
        break;
    case ELG_JSON_KEY:
        lua_pushlstring(d->L, (const char *)string.data, string.size);
        return;
    case ELG_JSON_STRING:
        lua_pushlstring(d->L, (const char *)string.data, string.size);
        break;
    case ELG_JSON_NUMBER:
        push_number(d);
        break;
    case ELG_JSON_TRUE:
    case ELG_JSON_FALSE:
        lua_pushboolean(d->L, token == ELG_JSON_TRUE);
        break;
    default:
        lua_pushlightuserdata(d->L, NULL);
        break;
    }
    store(d);
}

/* Starts the codec's reader again, keeping its scratch memory. */
static void reader_restart(struct elg_codec *codec, struct elg_bytes text)
{
    struct elg_buf scratch = codec->reader.scratch;
    elg_json_reader_init(&codec->reader, codec->alloc, text);
    codec->reader.scratch = scratch;
    elg_base_buf_reset(&codec->reader.scratch);
}

enum elg_status elg_value_decode(lua_State *L, struct elg_codec *codec,
                                 struct elg_bytes text, enum elg_value_big big,
                                 struct elg_error *error)
{
    struct decoding d;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, ELG_VALUE_SLOTS))
        return elg_base_fail(error, ELG_LIMIT, NULL, "the Lua stack is full");
    d.L = L;
    d.reader = &codec->reader;
    d.big = big;
    d.depth = 0;
    elg_value_push_marker(L);
    d.marker = top + 1;
    find_sizes(&d.sizes, text);
    reader_restart(codec, text);
    for (;;) {
        enum elg_json_token token;
        enum elg_status status = elg_json_reader_next(&codec->reader, &token, error);
        if (status != ELG_OK) {
            lua_settop(L, top);
            return status;
        }
        if (token == ELG_JSON_END)
            break;
        take(&d, token);
    }
    lua_remove(L, d.marker);
    return ELG_OK;
}
