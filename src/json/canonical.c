/* canonical: whole texts into the form of RFC 8785. Provides the last part of json.h and
 * the public elg_json_canonical and elg_json_hash.
 *
 * Uses reader, write, names. Members are written as they come, and an object whose names
 * turn out to be out of order is put right when it ends, without a tree; only a text that
 * would move its bytes too often (objects out of order in one another) takes the way over
 * a tree, so that time stays linear.
 */
#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "json/names.h"
#include "json/place.h"

#define MOVES_MAX 8 /* bytes moved for each byte of the text, before the tree */

/* A member that was written. */
struct span {
    size_t begin;                 /* in `out`, of the name's quote */
    uint32_t key_begin, key_size; /* in `keys`, unescaped */
};

/* An open object. */
struct open {
    size_t spans_before, keys_before; /* bytes in the buffers when it began */
    bool unordered;                   /* a name is not above the one before it */
};

struct canonicalizer {
    const struct elg_alloc *alloc;
    struct elg_buf *out;
    size_t out_before;
    size_t moved_bytes; /* while putting objects right */
    struct elg_json_reader reader;
    struct elg_buf spans; /* of open objects, as a stack */
    struct elg_buf keys;
    struct open open[ELG_JSON_DEPTH_MAX + 1];
};

static struct elg_bytes span_key(const struct canonicalizer *c, const struct span *span)
{
    struct elg_bytes key = {(const uint8_t *)"", 0};
    if (span->key_size > 0) { /* else `keys` may have no memory yet */
        key.data = c->keys.data + span->key_begin;
        key.size = span->key_size;
    }
    return key;
}

/* The comma before an element of an array; `depth` is the array's. */
static void write_comma(struct canonicalizer *c, uint32_t depth)
{
    const struct elg_json_frame *frame = &c->reader.frames[depth];
    if (depth > 0 && !frame->object && frame->index > 0)
        elg_base_buf_append_byte(c->out, ',');
}

static void note_order(struct canonicalizer *c, struct open *open, struct elg_bytes key)
{
    if (open->unordered || c->spans.size == open->spans_before)
        return;
    struct span last;
    memcpy(&last, c->spans.data + c->spans.size - sizeof last, sizeof last);
    open->unordered = elg_json_compare_keys(span_key(c, &last), key) >= 0;
}

static void write_key(struct canonicalizer *c)
{
    struct elg_bytes key = c->reader.string;
    uint32_t depth = c->reader.depth;
    note_order(c, &c->open[depth], key);
    if (c->reader.frames[depth].index > 0)
        elg_base_buf_append_byte(c->out, ',');
    struct span span = {c->out->size, (uint32_t)c->keys.size, (uint32_t)key.size};
    elg_base_buf_append(&c->spans, &span, sizeof span);
    elg_base_buf_append(&c->keys, key.data, key.size);
    elg_json_write_string(c->out, key, NULL);
    elg_base_buf_append_byte(c->out, ':');
}

/* Copies the members in the order of `names` to `to`, with commas. */
static void gather(const struct canonicalizer *c, const struct span *spans, size_t count,
                   const struct elg__json_name *names, size_t kept, struct elg_buf *to)
{
    for (size_t i = 0; i < kept; i++) {
        size_t member = names[i].index;
        size_t end = member + 1 < count ? spans[member + 1].begin - 1 : c->out->size;
        if (i > 0)
            elg_base_buf_append_byte(to, ',');
        elg_base_buf_append(to, c->out->data + spans[member].begin,
                            end - spans[member].begin);
    }
}

/* Puts the members of the object that ends now in order; of equal names the last stays.
 * False: no memory. */
static bool reorder(struct canonicalizer *c, const struct open *open)
{
    const struct span *spans = (const struct span *)(c->spans.data + open->spans_before);
    size_t count = (c->spans.size - open->spans_before) / sizeof *spans;
    struct elg_buf sorted;
    elg_base_buf_init(&sorted, c->alloc);
    size_t names_bytes = 2 * count * sizeof(struct elg__json_name);
    struct elg__json_name *names = elg_base_realloc(c->alloc, NULL, 0, names_bytes);
    if (names != NULL && elg_base_buf_reserve(&sorted, c->out->size - spans[0].begin)) {
        for (size_t i = 0; i < count; i++) {
            struct elg_bytes key = span_key(c, &spans[i]);
            names[i] = (struct elg__json_name){key.data, (uint32_t)key.size, (uint32_t)i};
        }
        size_t kept = elg__json_order_names(names, names + count, count);
        gather(c, spans, count, names, kept, &sorted);
        c->moved_bytes += c->out->size - spans[0].begin;
        c->out->size = spans[0].begin;
        elg_base_buf_append(c->out, sorted.data, sorted.size);
    }
    bool enough = names != NULL && !sorted.failed;
    elg_base_free(c->alloc, names, names_bytes);
    elg_base_buf_fini(&sorted);
    return enough;
}

static void begin_object(struct canonicalizer *c)
{
    write_comma(c, c->reader.depth - 1);
    elg_base_buf_append_byte(c->out, '{');
    struct open *open = &c->open[c->reader.depth];
    open->spans_before = c->spans.size;
    open->keys_before = c->keys.size;
    open->unordered = false;
}

static bool end_object(struct canonicalizer *c)
{
    const struct open *open = &c->open[c->reader.depth + 1];
    if (open->unordered && !c->out->failed && !c->spans.failed && !c->keys.failed &&
        !reorder(c, open))
        return false;
    c->spans.size = open->spans_before;
    c->keys.size = open->keys_before;
    elg_base_buf_append_byte(c->out, '}');
    return true;
}

static void write_word(struct canonicalizer *c, const char *word)
{
    write_comma(c, c->reader.depth);
    elg_base_buf_append_str(c->out, word);
}

/* False: no memory. */
static bool write_token(struct canonicalizer *c, enum elg_json_token token)
{
    switch (token) {
    case ELG_JSON_KEY:
        write_key(c);
        break;
    case ELG_JSON_OBJECT_BEGIN:
        begin_object(c);
        break;
    case ELG_JSON_OBJECT_END:
        if (!end_object(c))
            return false;
        break;
    case ELG_JSON_ARRAY_BEGIN:
        write_comma(c, c->reader.depth - 1);
        elg_base_buf_append_byte(c->out, '[');
        break;
    case ELG_JSON_ARRAY_END:
        elg_base_buf_append_byte(c->out, ']');
        break;
    case ELG_JSON_STRING:
        write_comma(c, c->reader.depth);
        elg_json_write_string(c->out, c->reader.string, NULL);
        break;
    case ELG_JSON_NUMBER:
        write_comma(c, c->reader.depth);
        elg_json_write_number(c->out, c->reader.number);
        break;
    case ELG_JSON_TRUE:
        write_word(c, "true");
        break;
    case ELG_JSON_FALSE:
        write_word(c, "false");
        break;
    case ELG_JSON_NULL:
        write_word(c, "null");
        break;
    case ELG_JSON_END:
        break;
    }
    return !c->out->failed && !c->spans.failed && !c->keys.failed;
}

/* Numbers can grow: 1e20 has 21 digits. */
static enum elg_status check_size(const struct canonicalizer *c, struct elg_error *error)
{
    if (c->out->size - c->out_before <= ELG_JSON_TEXT_BYTES_MAX)
        return ELG_OK;
    return elg__json_fail(&c->reader, ELG_LIMIT, c->reader.at, error,
                          "the canonical form has more than %u bytes",
                          ELG_JSON_TEXT_BYTES_MAX);
}

/* Begins again and goes over a tree. */
static enum elg_status write_by_tree(struct canonicalizer *c, struct elg_bytes text,
                                     struct elg_error *error)
{
    struct elg_json_doc *doc;
    c->out->size = c->out_before;
    enum elg_status status = elg_json_parse(c->alloc, text, &doc, error);
    if (status != ELG_OK)
        return status;
    elg_json_write_value(c->out, elg_json_root(doc));
    elg_json_doc_destroy(doc);
    return c->out->failed ? elg_base_no_memory(error) : check_size(c, error);
}

static enum elg_status write_text(struct canonicalizer *c, struct elg_bytes text,
                                  struct elg_error *error)
{
    for (;;) {
        enum elg_json_token token;
        enum elg_status status = elg_json_reader_next(&c->reader, &token, error);
        if (status != ELG_OK || token == ELG_JSON_END)
            return status;
        if (!write_token(c, token))
            return elg_base_no_memory(error);
        status = check_size(c, error);
        if (status != ELG_OK)
            return status;
        if (c->moved_bytes / MOVES_MAX > text.size)
            return write_by_tree(c, text, error);
    }
}

enum elg_status elg_json_canonicalize(const struct elg_alloc *alloc,
                                      struct elg_bytes text, struct elg_buf *out,
                                      struct elg_error *error)
{
    if (out->failed)
        return elg_base_no_memory(error);
    struct canonicalizer c;
    c.alloc = alloc;
    c.out = out;
    c.out_before = out->size;
    c.moved_bytes = 0;
    elg_json_reader_init(&c.reader, alloc, text);
    elg_base_buf_init(&c.spans, alloc);
    elg_base_buf_init(&c.keys, alloc);
    enum elg_status status = write_text(&c, text, error);
    if (status != ELG_OK)
        out->size = c.out_before;
    elg_base_buf_fini(&c.keys);
    elg_base_buf_fini(&c.spans);
    elg_json_reader_fini(&c.reader);
    return status;
}

bool elg_json_is_canonical(const struct elg_alloc *alloc, struct elg_bytes text)
{
    struct elg_buf form;
    elg_base_buf_init(&form, alloc);
    bool same = elg_json_canonicalize(alloc, text, &form, NULL) == ELG_OK &&
                elg_base_bytes_equal(elg_base_buf_bytes(&form), text);
    elg_base_buf_fini(&form);
    return same;
}

enum elg_status elg_json_canonical(const struct elg_alloc *alloc, const char *json,
                                   size_t size, struct elg_text *out,
                                   struct elg_error *error)
{
    assert((json != NULL || size == 0) && out != NULL);
    if (alloc == NULL)
        alloc = elg_base_alloc_default();
    struct elg_bytes text = {(const uint8_t *)json, size};
    struct elg_buf form;
    elg_base_buf_init(&form, alloc);
    enum elg_status status = elg_json_canonicalize(alloc, text, &form, error);
    if (status == ELG_OK && !elg_base_text_take(&form, out))
        status = elg_base_no_memory(error);
    elg_base_buf_fini(&form);
    if (status == ELG_OK)
        elg_base_error_clear(error);
    return status;
}

enum elg_status elg_json_hash(const struct elg_alloc *alloc, const char *json,
                              size_t size, char out[65], struct elg_error *error)
{
    assert((json != NULL || size == 0) && out != NULL);
    if (alloc == NULL)
        alloc = elg_base_alloc_default();
    struct elg_bytes text = {(const uint8_t *)json, size};
    struct elg_buf form;
    elg_base_buf_init(&form, alloc);
    enum elg_status status = elg_json_canonicalize(alloc, text, &form, error);
    if (status == ELG_OK) {
        struct elg_sha256 *sha = elg_base_sha256_create(alloc);
        struct elg_hash hash;
        if (sha == NULL) {
            status = elg_base_no_memory(error);
        } else {
            elg_base_sha256(sha, elg_base_buf_bytes(&form), &hash);
            elg_base_hash_hex(&hash, out);
        }
        elg_base_sha256_destroy(sha);
    }
    elg_base_buf_fini(&form);
    if (status == ELG_OK)
        elg_base_error_clear(error);
    return status;
}
