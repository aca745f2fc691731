/* reader: pulls tokens out of a text. Provides the reader part of json.h.
 *
 * Uses string, number, place. Holds the grammar (RFC 8259) and nothing else; what it
 * refuses, every reader of JSON in elg refuses.
 */
#include <assert.h>
#include <string.h>

#include "json/json.h"
#include "json/number.h"
#include "json/place.h"
#include "json/string.h"

enum expect {
    EXPECT_TEXT, /* nothing was read yet */
    EXPECT_FIRST_ELEMENT,
    EXPECT_FIRST_KEY,
    EXPECT_VALUE, /* behind a colon */
    EXPECT_AFTER, /* a value is complete */
    EXPECT_NOTHING
};

void elg_json_reader_init(struct elg_json_reader *reader, const struct elg_alloc *alloc,
                          struct elg_bytes text)
{
    /* Not the whole of it: the frames are 3 KB that are written when they are used. */
    reader->start = reader->at = text.size > 0 ? text.data : (const uint8_t *)"";
    reader->end = reader->start + text.size;
    reader->depth = 0;
    reader->depth_max = ELG_JSON_DEPTH_MAX;
    reader->bytes_max = ELG_JSON_TEXT_BYTES_MAX;
    reader->expect = EXPECT_TEXT;
    elg_base_buf_init(&reader->scratch, alloc);
    memset(&reader->string, 0, sizeof reader->string);
    memset(&reader->raw, 0, sizeof reader->raw);
    reader->number = 0;
}

void elg_json_reader_init_document(struct elg_json_reader *reader,
                                   const struct elg_alloc *alloc, struct elg_bytes text)
{
    elg_json_reader_init(reader, alloc, text);
    reader->depth_max = ELG_JSON_DOCUMENT_DEPTH_MAX;
    reader->bytes_max = ELG_JSON_DOCUMENT_BYTES_MAX;
}

void elg_json_reader_fini(struct elg_json_reader *reader)
{
    elg_base_buf_fini(&reader->scratch);
}

static inline const uint8_t *skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static enum elg_status fail_expected(const struct elg_json_reader *reader,
                                     const uint8_t *p, const char *what,
                                     struct elg_error *error)
{
    char found[ELG__JSON_FOUND_SIZE];
    return elg__json_fail(reader, ELG_INVALID, p, error, "expected %s, found %s", what,
                          elg__json_found(reader, p, found));
}

static enum elg_status fail_number(struct elg_json_reader *reader, const uint8_t *p,
                                   enum elg__json_number_fault fault,
                                   struct elg_error *error)
{
    if (fault == ELG__JSON_NUMBER_OVERFLOW)
        return elg__json_fail(reader, ELG_INVALID, reader->at, error,
                              "the number is too large for a double");
    if (fault == ELG__JSON_NUMBER_LEADING_ZERO)
        return elg__json_fail(reader, ELG_INVALID, p, error,
                              "a number with a zero in front");
    return fail_expected(reader, p, "a digit", error);
}

static enum elg_status read_number(struct elg_json_reader *reader, const uint8_t *begin,
                                   enum elg_json_token *out, struct elg_error *error)
{
    const uint8_t *p = begin;
    reader->at = begin;
    enum elg__json_number_fault fault =
        elg__json_read_number(&p, reader->end, &reader->number);
    if (fault != ELG__JSON_NUMBER_OK)
        return fail_number(reader, p, fault, error);
    reader->raw.data = begin;
    reader->raw.size = (size_t)(p - begin);
    reader->at = p;
    reader->expect = EXPECT_AFTER;
    *out = ELG_JSON_NUMBER;
    return ELG_OK;
}

static enum elg_status open_container(struct elg_json_reader *reader, const uint8_t *p,
                                      bool object, enum elg_json_token *out,
                                      struct elg_error *error)
{
    if (reader->depth == reader->depth_max)
        return elg__json_fail(reader, ELG_LIMIT, p, error,
                              "arrays and objects are nested deeper than %u",
                              reader->depth_max);
    struct elg_json_frame *frame = &reader->frames[++reader->depth];
    frame->object = object;
    frame->index = 0;
    frame->key = NULL;
    frame->key_size = 0;
    reader->at = p + 1;
    reader->expect = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_ELEMENT;
    *out = object ? ELG_JSON_OBJECT_BEGIN : ELG_JSON_ARRAY_BEGIN;
    return ELG_OK;
}

static enum elg_status close_container(struct elg_json_reader *reader, const uint8_t *p,
                                       enum elg_json_token *out)
{
    bool object = reader->frames[reader->depth--].object;
    reader->at = p + 1;
    reader->expect = EXPECT_AFTER;
    *out = object ? ELG_JSON_OBJECT_END : ELG_JSON_ARRAY_END;
    return ELG_OK;
}

static enum elg_status read_word(struct elg_json_reader *reader, const uint8_t *p,
                                 const char *word, size_t size, enum elg_json_token token,
                                 enum elg_json_token *out, struct elg_error *error)
{
    if ((size_t)(reader->end - p) < size || memcmp(p, word, size) != 0)
        return fail_expected(reader, p, "a value", error);
    reader->at = p + size;
    reader->expect = EXPECT_AFTER;
    *out = token;
    return ELG_OK;
}

static enum elg_status read_value(struct elg_json_reader *reader, const uint8_t *p,
                                  enum elg_json_token *out, struct elg_error *error)
{
    switch (p < reader->end ? *p : 0) {
    case '"':
        reader->expect = EXPECT_AFTER;
        *out = ELG_JSON_STRING;
        return elg__json_read_string(reader, p + 1, error);
    case '{':
        return open_container(reader, p, true, out, error);
    case '[':
        return open_container(reader, p, false, out, error);
    case 't':
        return read_word(reader, p, "true", 4, ELG_JSON_TRUE, out, error);
    case 'f':
        return read_word(reader, p, "false", 5, ELG_JSON_FALSE, out, error);
    case 'n':
        return read_word(reader, p, "null", 4, ELG_JSON_NULL, out, error);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(reader, p, out, error);
    default:
        return fail_expected(reader, p, "a value", error);
    }
}

/* A member's name and its colon. */
static enum elg_status read_key(struct elg_json_reader *reader, const uint8_t *p,
                                enum elg_json_token *out, struct elg_error *error)
{
    struct elg_json_frame *frame = &reader->frames[reader->depth];
    frame->key = NULL;
    if (p == reader->end || *p != '"')
        return fail_expected(reader, p, "a member's name in quotes", error);
    enum elg_status status = elg__json_read_string(reader, p + 1, error);
    if (status != ELG_OK)
        return status;
    frame->key = p + 1;
    frame->key_size = (uint32_t)(reader->at - p - 2);
    p = skip_space(reader->at, reader->end);
    if (p == reader->end || *p != ':')
        return fail_expected(reader, p, "':'", error);
    reader->at = p + 1;
    reader->expect = EXPECT_VALUE;
    *out = ELG_JSON_KEY;
    return ELG_OK;
}

/* A comma and what follows, or the end of the container or of the text. */
static enum elg_status read_after(struct elg_json_reader *reader, const uint8_t *p,
                                  enum elg_json_token *out, struct elg_error *error)
{
    if (reader->depth == 0) {
        if (p < reader->end)
            return fail_expected(reader, p, "the end of the text", error);
        reader->expect = EXPECT_NOTHING;
        *out = ELG_JSON_END;
        return ELG_OK;
    }
    struct elg_json_frame *frame = &reader->frames[reader->depth];
    uint8_t byte = p < reader->end ? *p : 0;
    if (byte == ',') {
        frame->index++;
        p = skip_space(p + 1, reader->end);
        return frame->object ? read_key(reader, p, out, error)
                             : read_value(reader, p, out, error);
    }
    if (byte == (frame->object ? '}' : ']'))
        return close_container(reader, p, out);
    return fail_expected(reader, p, frame->object ? "',' or '}'" : "',' or ']'", error);
}

static enum elg_status read_first(struct elg_json_reader *reader, const uint8_t *p,
                                  enum elg_json_token *out, struct elg_error *error)
{
    size_t size = (size_t)(reader->end - reader->start);
    if (size > reader->bytes_max)
        return elg__json_fail(reader, ELG_LIMIT, reader->start, error,
                              "the text has %zu bytes; at most %u are read", size,
                              reader->bytes_max);
    if (size >= 3 && memcmp(reader->start, "\xEF\xBB\xBF", 3) == 0)
        return elg__json_fail(reader, ELG_INVALID, reader->start, error,
                              "a byte order mark before the text; remove it");
    return read_value(reader, p, out, error);
}

enum elg_status elg_json_reader_next(struct elg_json_reader *reader,
                                     enum elg_json_token *out, struct elg_error *error)
{
    const uint8_t *p = skip_space(reader->at, reader->end);
    switch ((enum expect)reader->expect) {
    case EXPECT_AFTER:
        return read_after(reader, p, out, error);
    case EXPECT_VALUE:
        return read_value(reader, p, out, error);
    case EXPECT_FIRST_KEY:
        if (p < reader->end && *p == '}')
            return close_container(reader, p, out);
        return read_key(reader, p, out, error);
    case EXPECT_FIRST_ELEMENT:
        if (p < reader->end && *p == ']')
            return close_container(reader, p, out);
        return read_value(reader, p, out, error);
    case EXPECT_TEXT:
        return read_first(reader, p, out, error);
    case EXPECT_NOTHING:
        break;
    }
    assert(!"no token is left");
    return ELG_INTERNAL;
}
