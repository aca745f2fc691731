/* parse: builds a tree from a text. Provides elg_json_parse.
 *
 * Uses reader, names, arena. Children wait on two stacks until their container ends and
 * are then copied to the arena in one piece.
 */
#include <string.h>

#include "json/names.h"
#include "json/value.h"

/* An open container. */
struct open {
    size_t values_before, names_before; /* on the stacks when it began */
    bool unordered;                     /* a name is not above the one before it */
};

struct builder {
    const struct elg_alloc *alloc;
    struct elg__json_arena *arena;
    struct elg_json_reader reader;
    struct elg_buf values; /* stack of struct elg_json_value */
    struct elg_buf names;  /* stack of struct elg__json_name, of open objects only */
    struct open open[ELG_JSON_DEPTH_MAX + 1];
};

static size_t value_count(const struct builder *b)
{
    return b->values.size / sizeof(struct elg_json_value);
}

static size_t name_count(const struct builder *b)
{
    return b->names.size / sizeof(struct elg__json_name);
}

static bool push_value(struct builder *b, const struct elg_json_value *value)
{
    elg_base_buf_append(&b->values, value, sizeof *value);
    return !b->values.failed;
}

static bool push_name(struct builder *b)
{
    struct elg_bytes text = b->reader.string;
    struct elg__json_name name = {elg__json_arena_copy(b->arena, text),
                                  (uint32_t)text.size, 0};
    if (name.data == NULL)
        return false;
    struct open *open = &b->open[b->reader.depth];
    size_t count = name_count(b) - open->names_before;
    name.index = (uint32_t)count;
    if (count > 0 && !open->unordered) {
        const struct elg__json_name *last =
            (const struct elg__json_name *)b->names.data + name_count(b) - 1;
        open->unordered =
            elg_json_compare_keys((struct elg_bytes){last->data, last->size}, text) >= 0;
    }
    elg_base_buf_append(&b->names, &name, sizeof name);
    return !b->names.failed;
}

static bool push_string(struct builder *b)
{
    struct elg_json_value value = {.type = ELG_JSON_TYPE_STRING};
    value.size = (uint32_t)b->reader.string.size;
    value.as.string = elg__json_arena_copy(b->arena, b->reader.string);
    return value.as.string != NULL && push_value(b, &value);
}

static void begin_container(struct builder *b)
{
    struct open *open = &b->open[b->reader.depth];
    open->values_before = value_count(b);
    open->names_before = name_count(b);
    open->unordered = false;
}

static bool end_array(struct builder *b)
{
    const struct open *open = &b->open[b->reader.depth + 1];
    size_t count = value_count(b) - open->values_before;
    size_t bytes = count * sizeof(struct elg_json_value);
    struct elg_json_value *elements = elg__json_arena_take(b->arena, bytes);
    if (elements == NULL)
        return false;
    b->values.size -= bytes;
    if (bytes > 0)
        memcpy(elements, b->values.data + b->values.size, bytes);
    struct elg_json_value value = {.type = ELG_JSON_TYPE_ARRAY, .size = (uint32_t)count};
    value.as.elements = elements;
    return push_value(b, &value);
}

/* Puts the open object's names in order; *count is how many are left. */
static bool order_names(struct builder *b, struct elg__json_name *names, size_t *count)
{
    size_t bytes = *count * sizeof *names;
    struct elg__json_name *spare = elg_base_realloc(b->alloc, NULL, 0, bytes);
    if (spare == NULL)
        return false;
    *count = elg__json_order_names(names, spare, *count);
    elg_base_free(b->alloc, spare, bytes);
    return true;
}

static void fill_members(struct elg__json_member *members,
                         const struct elg__json_name *names,
                         const struct elg_json_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        members[i].name = names[i].data;
        members[i].name_size = names[i].size;
        members[i].value = values[names[i].index];
    }
}

static bool end_object(struct builder *b)
{
    const struct open *open = &b->open[b->reader.depth + 1];
    struct elg_json_value value = {.type = ELG_JSON_TYPE_OBJECT};
    struct elg__json_member *members = NULL;
    size_t count = name_count(b) - open->names_before;
    if (count > 0) {
        struct elg__json_name *names =
            (struct elg__json_name *)b->names.data + open->names_before;
        if (open->unordered && !order_names(b, names, &count))
            return false;
        members = elg__json_arena_take(b->arena, count * sizeof *members);
        if (members == NULL)
            return false;
        fill_members(members, names,
                     (struct elg_json_value *)b->values.data + open->values_before,
                     count);
    }
    b->names.size = open->names_before * sizeof(struct elg__json_name);
    b->values.size = open->values_before * sizeof(struct elg_json_value);
    value.size = (uint32_t)count;
    value.as.members = members;
    return push_value(b, &value);
}

/* False: no memory. */
static bool take_token(struct builder *b, enum elg_json_token token)
{
    struct elg_json_value value = {.type = ELG_JSON_TYPE_NULL};
    switch (token) {
    case ELG_JSON_KEY:
        return push_name(b);
    case ELG_JSON_STRING:
        return push_string(b);
    case ELG_JSON_OBJECT_BEGIN:
    case ELG_JSON_ARRAY_BEGIN:
        begin_container(b);
        return true;
    case ELG_JSON_OBJECT_END:
        return end_object(b);
    case ELG_JSON_ARRAY_END:
        return end_array(b);
    case ELG_JSON_NUMBER:
        value.type = ELG_JSON_TYPE_NUMBER;
        value.as.number = b->reader.number;
        return push_value(b, &value);
    case ELG_JSON_TRUE:
    case ELG_JSON_FALSE:
        value.type = ELG_JSON_TYPE_BOOL;
        value.boolean = token == ELG_JSON_TRUE;
        return push_value(b, &value);
    case ELG_JSON_NULL:
        return push_value(b, &value);
    case ELG_JSON_END:
        break;
    }
    return true;
}

static enum elg_status build(struct builder *b, struct elg_error *error)
{
    for (;;) {
        enum elg_json_token token;
        enum elg_status status = elg_json_reader_next(&b->reader, &token, error);
        if (status != ELG_OK || token == ELG_JSON_END)
            return status;
        if (!take_token(b, token))
            return elg_base_no_memory(error);
    }
}

enum elg_status elg_json_parse(const struct elg_alloc *alloc, struct elg_bytes text,
                               struct elg_json_doc **out, struct elg_error *error)
{
    struct elg_json_doc *doc = elg_base_calloc(alloc, sizeof *doc);
    if (doc == NULL)
        return elg_base_no_memory(error);
    elg__json_arena_init(&doc->arena, alloc);
    struct builder b;
    b.alloc = alloc;
    b.arena = &doc->arena;
    elg_json_reader_init(&b.reader, alloc, text);
    elg_base_buf_init(&b.values, alloc);
    elg_base_buf_init(&b.names, alloc);
    enum elg_status status = build(&b, error);
    if (status == ELG_OK)
        memcpy(&doc->root, b.values.data, sizeof doc->root);
    elg_base_buf_fini(&b.names);
    elg_base_buf_fini(&b.values);
    elg_json_reader_fini(&b.reader);
    if (status == ELG_OK)
        *out = doc;
    else
        elg_json_doc_destroy(doc);
    return status;
}
