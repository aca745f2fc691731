/* value: looks into a tree and writes it. Provides the value part of json.h.
 *
 * Uses write. Trees come only from parse.c, so none is deeper than ELG_JSON_DEPTH_MAX.
 */
#include "json/value.h"

#include <assert.h>

void elg_json_doc_destroy(struct elg_json_doc *doc)
{
    if (doc == NULL)
        return;
    const struct elg_alloc *alloc = doc->arena.alloc;
    elg__json_arena_fini(&doc->arena);
    elg_base_free(alloc, doc, sizeof *doc);
}

const struct elg_json_value *elg_json_root(const struct elg_json_doc *doc)
{
    return doc == NULL ? NULL : &doc->root;
}

enum elg_json_type elg_json_type(const struct elg_json_value *value)
{
    return value == NULL ? ELG_JSON_TYPE_NULL : (enum elg_json_type)value->type;
}

bool elg_json_bool(const struct elg_json_value *value, bool fallback)
{
    return elg_json_type(value) == ELG_JSON_TYPE_BOOL ? value->boolean : fallback;
}

double elg_json_number(const struct elg_json_value *value, double fallback)
{
    return elg_json_type(value) == ELG_JSON_TYPE_NUMBER ? value->as.number : fallback;
}

struct elg_bytes elg_json_string(const struct elg_json_value *value)
{
    struct elg_bytes bytes = {NULL, 0};
    if (elg_json_type(value) == ELG_JSON_TYPE_STRING) {
        bytes.data = value->as.string;
        bytes.size = value->size;
    }
    return bytes;
}

size_t elg_json_size(const struct elg_json_value *value)
{
    enum elg_json_type type = elg_json_type(value);
    bool container = type == ELG_JSON_TYPE_ARRAY || type == ELG_JSON_TYPE_OBJECT;
    return container ? value->size : 0;
}

const struct elg_json_value *elg_json_at(const struct elg_json_value *value, size_t i)
{
    if (i >= elg_json_size(value))
        return NULL;
    if (value->type == ELG_JSON_TYPE_ARRAY)
        return &value->as.elements[i];
    return &value->as.members[i].value;
}

static struct elg_bytes member_name(const struct elg__json_member *member)
{
    struct elg_bytes name = {member->name, member->name_size};
    return name;
}

struct elg_bytes elg_json_key_at(const struct elg_json_value *value, size_t i)
{
    struct elg_bytes none = {NULL, 0};
    if (elg_json_type(value) != ELG_JSON_TYPE_OBJECT || i >= value->size)
        return none;
    return member_name(&value->as.members[i]);
}

const struct elg_json_value *elg_json_get(const struct elg_json_value *value,
                                          const char *name)
{
    if (elg_json_type(value) != ELG_JSON_TYPE_OBJECT)
        return NULL;
    struct elg_bytes wanted = elg_base_bytes(name);
    size_t low = 0, high = value->size;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct elg__json_member *member = &value->as.members[middle];
        int order = elg_json_compare_keys(wanted, member_name(member));
        if (order == 0)
            return &member->value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* A value that is no container, or an empty one, or the opening of one; true if it is
 * open now. */
static bool write_begin(struct elg_buf *out, const struct elg_json_value *value)
{
    switch (elg_json_type(value)) {
    case ELG_JSON_TYPE_NULL:
        elg_base_buf_append(out, "null", 4);
        return false;
    case ELG_JSON_TYPE_BOOL:
        elg_base_buf_append_str(out, value->boolean ? "true" : "false");
        return false;
    case ELG_JSON_TYPE_NUMBER:
        elg_json_write_number(out, value->as.number);
        return false;
    case ELG_JSON_TYPE_STRING:
        elg_json_write_string(out, elg_json_string(value), NULL);
        return false;
    case ELG_JSON_TYPE_ARRAY:
        elg_base_buf_append_byte(out, '[');
        return true;
    case ELG_JSON_TYPE_OBJECT:
        elg_base_buf_append_byte(out, '{');
        return true;
    }
    return false;
}

struct walk {
    const struct elg_json_value *value;
    size_t next; /* element or member that comes next */
};

/* Writes what comes before element i: comma, name, colon. */
static void write_between(struct elg_buf *out, const struct walk *walk)
{
    if (walk->next > 0)
        elg_base_buf_append_byte(out, ',');
    if (walk->value->type == ELG_JSON_TYPE_OBJECT) {
        elg_json_write_string(out, elg_json_key_at(walk->value, walk->next), NULL);
        elg_base_buf_append_byte(out, ':');
    }
}

void elg_json_write_value(struct elg_buf *out, const struct elg_json_value *value)
{
    struct walk stack[ELG_JSON_DEPTH_MAX];
    size_t depth = 0;
    while (value != NULL || depth > 0) {
        if (value != NULL && write_begin(out, value)) {
            assert(depth < ELG_JSON_DEPTH_MAX);
            stack[depth++] = (struct walk){value, 0};
        }
        value = NULL;
        if (depth == 0)
            return;
        struct walk *top = &stack[depth - 1];
        if (top->next < top->value->size) {
            write_between(out, top);
            value = elg_json_at(top->value, top->next++);
        } else {
            bool array = top->value->type == ELG_JSON_TYPE_ARRAY;
            elg_base_buf_append_byte(out, array ? ']' : '}');
            depth--;
        }
    }
}
