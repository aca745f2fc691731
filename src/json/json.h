/* json: JSON text (RFC 8259) to values and back, in the canonical form of RFC 8785.
 *
 * Uses base. Knows no Lua. Three layers: `reader` pulls tokens out of a text, strictly
 * (UTF-8, numbers, depth); `value` is a tree built from it for C code that looks into
 * requests; `write` appends canonical pieces to a buffer and is what both the tree and
 * the Lua side use.
 */
#ifndef ELG_JSON_JSON_H
#define ELG_JSON_JSON_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/status.h"

/* ---- reader: pull tokens, no allocation but its scratch ---- */

enum elg_json_token {
    ELG_JSON_END, /* the text is over and was complete */
    ELG_JSON_OBJECT_BEGIN,
    ELG_JSON_OBJECT_END,
    ELG_JSON_ARRAY_BEGIN,
    ELG_JSON_ARRAY_END,
    ELG_JSON_KEY, /* string is the member's name; its value follows */
    ELG_JSON_STRING,
    ELG_JSON_NUMBER,
    ELG_JSON_TRUE,
    ELG_JSON_FALSE,
    ELG_JSON_NULL
};

struct elg_json_frame {
    bool object;
    uint32_t index;     /* of the element or member under way, from 0 */
    const uint8_t *key; /* raw text of the member's name, without quotes */
    uint32_t key_size;
};

struct elg_json_reader {
    const uint8_t *start, *at, *end;
    uint32_t depth;     /* open containers */
    uint32_t depth_max; /* as many may be open */
    uint32_t bytes_max; /* of the text */
    int expect;         /* private */
    struct elg_json_frame frames[ELG_JSON_DOCUMENT_DEPTH_MAX + 1];
    struct elg_buf scratch; /* unescaped strings */
    /* Of the token just read: */
    struct elg_bytes string; /* KEY, STRING: unescaped, borrowed until the next token */
    double number;           /* NUMBER: never -0 */
    struct elg_bytes raw;    /* NUMBER: its text */
};

/* Begins to read `text`, which is borrowed until fini. `alloc` is for the scratch alone.
 */
void elg_json_reader_init(struct elg_json_reader *reader, const struct elg_alloc *alloc,
                          struct elg_bytes text);
/* As elg_json_reader_init, for a document that elg wrote, a result or a journal: values
 * of any depth that is allowed lie in it, so it may nest ELG_JSON_DOCUMENT_DEPTH_MAX deep
 * and have ELG_JSON_DOCUMENT_BYTES_MAX bytes. */
void elg_json_reader_init_document(struct elg_json_reader *reader,
                                   const struct elg_alloc *alloc, struct elg_bytes text);
/* Gives back the scratch. */
void elg_json_reader_fini(struct elg_json_reader *reader);
/* The next token. ELG_INVALID: where is "line L column C, $.a[3]" (both from 1, columns
 * in characters; a long path is cut), text says what; ELG_LIMIT for depth or size (128
 * levels, 64 MiB; more for documents). After an error or END it must not be called again.
 */
enum elg_status elg_json_reader_next(struct elg_json_reader *reader,
                                     enum elg_json_token *out, struct elg_error *error);

/* ---- write: canonical pieces (RFC 8785 section 3.2) ---- */

/* A string with its quotes and minimal escapes. False: not valid UTF-8, nothing appended,
 * *bad_at (may be NULL) is the byte's offset. */
bool elg_json_write_string(struct elg_buf *out, struct elg_bytes s, size_t *bad_at);
/* The shortest form that reads back as the same double, as JavaScript writes it; -0 as 0.
 * False: NaN or infinite. */
bool elg_json_write_number(struct elg_buf *out, double number);
/* At most 25 bytes into `out`, no NUL; the length, 0 for NaN or infinite. */
size_t elg_json_format_number(double number, char out[32]);
/* Order of member names by UTF-16 code units; both valid UTF-8. <0, 0, >0. */
int elg_json_compare_keys(struct elg_bytes a, struct elg_bytes b);
/* The offset of the first byte that is not valid UTF-8 (RFC 3629), or size if all is. */
size_t elg_json_check_utf8(struct elg_bytes s);
/* NUL in a text that must end with one: the long form that UTF-8 does not allow, so that
 * no valid text has it. */
#define ELG_JSON_NUL "\xC0\x80"
/* Whether the `size` bytes at `p` begin with ELG_JSON_NUL. */
bool elg_json_nul_at(const uint8_t *p, size_t size);

/* ---- value: a tree ---- */

enum elg_json_type {
    ELG_JSON_TYPE_NULL,
    ELG_JSON_TYPE_BOOL,
    ELG_JSON_TYPE_NUMBER,
    ELG_JSON_TYPE_STRING,
    ELG_JSON_TYPE_ARRAY,
    ELG_JSON_TYPE_OBJECT
};

struct elg_json_doc;   /* owns all its values */
struct elg_json_value; /* borrowed from its doc */

/* Parses a whole text. Of duplicate names the last wins. Errors as the reader's. */
enum elg_status elg_json_parse(const struct elg_alloc *alloc, struct elg_bytes text,
                               struct elg_json_doc **out, struct elg_error *error);
/* Gives back the document with all its values. NULL is fine. */
void elg_json_doc_destroy(struct elg_json_doc *doc);
/* The outermost value; NULL of NULL. */
const struct elg_json_value *elg_json_root(const struct elg_json_doc *doc);

/* All of these take NULL for a value, and one of another type, and then answer NULL type,
 * 0, empty, or the fallback. */

/* The type; of NULL ELG_JSON_TYPE_NULL. */
enum elg_json_type elg_json_type(const struct elg_json_value *value);
/* True or false as it says, `fallback` if it is no boolean. */
bool elg_json_bool(const struct elg_json_value *value, bool fallback);
/* The number, `fallback` if it is none. */
double elg_json_number(const struct elg_json_value *value, double fallback);
/* Data NULL when it is not a string. A NUL follows the data. */
struct elg_bytes elg_json_string(const struct elg_json_value *value);
/* Elements of an array or members of an object. */
size_t elg_json_size(const struct elg_json_value *value);
/* Element i of an array, or the value of member i of an object (canonical order). */
const struct elg_json_value *elg_json_at(const struct elg_json_value *value, size_t i);
/* The name of member i of an object; a NUL follows the data. */
struct elg_bytes elg_json_key_at(const struct elg_json_value *value, size_t i);
/* A member by name, NULL if absent. */
const struct elg_json_value *elg_json_get(const struct elg_json_value *value,
                                          const char *name);
/* Appends the canonical form. */
void elg_json_write_value(struct elg_buf *out, const struct elg_json_value *value);

/* ---- whole texts ---- */

/* Appends the canonical form of a text to `out`. Errors as the reader's, and ELG_LIMIT if
 * the form is longer than what the reader takes (1e20 grows); `out` is then as before. */
enum elg_status elg_json_canonicalize(const struct elg_alloc *alloc,
                                      struct elg_bytes text, struct elg_buf *out,
                                      struct elg_error *error);
/* True if the text already is canonical (one pass, no tree); false also without memory.
 */
bool elg_json_is_canonical(const struct elg_alloc *alloc, struct elg_bytes text);

#endif
