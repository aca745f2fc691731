/* json_fuzz: any bytes at all as JSON text (make fuzz F=json).
 *
 * Checks that nothing crashes or leaks, that all readers agree on what is valid, that
 * canonical(canonical(x)) == canonical(x), that the tree writes the same, and that the
 * numbers and strings of the form read back. abort() is libFuzzer's way to say no.
 */
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static void check_tree(struct elg_bytes text, struct elg_bytes form)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_json_doc *doc = NULL;
    struct elg_buf out;
    elg_base_buf_init(&out, alloc);
    demand(elg_json_parse(alloc, text, &doc, NULL) == ELG_OK);
    elg_json_write_value(&out, elg_json_root(doc));
    demand(elg_base_bytes_equal(elg_base_buf_bytes(&out), form));
    elg_base_buf_fini(&out);
    elg_json_doc_destroy(doc);
}

static void check_valid(struct elg_bytes text, struct elg_bytes form)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_buf again;
    elg_base_buf_init(&again, alloc);
    demand(elg_json_canonicalize(alloc, form, &again, NULL) == ELG_OK);
    demand(elg_base_bytes_equal(form, elg_base_buf_bytes(&again)));
    elg_base_buf_fini(&again);
    demand(elg_json_check_utf8(form) == form.size);
    check_tree(text, form);
    check_tree(form, form);
}

static void check_invalid(struct elg_bytes text, const struct elg_error *error)
{
    struct elg_json_doc *doc = NULL;
    struct elg_error other;
    demand(elg_json_parse(elg_base_alloc_default(), text, &doc, &other) == error->status);
    demand(doc == NULL && strcmp(other.where, error->where) == 0);
    demand(strncmp(error->where, "line ", 5) == 0 && error->text[0] != '\0');
    demand(strlen(error->where) < sizeof error->where);
    struct elg_bytes where = elg_base_bytes(error->where);
    demand(elg_json_check_utf8(where) == where.size);
}

/* The bytes as the content of a string, where they are valid UTF-8. */
static void check_string(struct elg_bytes s)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_buf out;
    size_t bad_at = s.size;
    elg_base_buf_init(&out, alloc);
    bool valid = elg_json_write_string(&out, s, &bad_at);
    demand(bad_at == elg_json_check_utf8(s) && valid == (bad_at == s.size));
    if (valid) {
        struct elg_json_reader reader;
        enum elg_json_token token;
        elg_json_reader_init(&reader, alloc, elg_base_buf_bytes(&out));
        demand(elg_json_reader_next(&reader, &token, NULL) == ELG_OK);
        demand(token == ELG_JSON_STRING && elg_base_bytes_equal(reader.string, s));
        demand(elg_json_is_canonical(alloc, elg_base_buf_bytes(&out)));
        elg_json_reader_fini(&reader);
    }
    elg_base_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elg_bytes text = {data, size};
    struct elg_error error;
    struct elg_buf form;
    elg_base_buf_init(&form, elg_base_alloc_default());
    if (elg_json_canonicalize(elg_base_alloc_default(), text, &form, &error) == ELG_OK)
        check_valid(text, elg_base_buf_bytes(&form));
    else
        check_invalid(text, &error);
    elg_base_buf_fini(&form);
    check_string(text);
    return 0;
}
