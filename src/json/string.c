/* string: string tokens, their escapes and their UTF-8. Provides string.h.
 *
 * Uses scan.h for the run without escapes, which is nearly always all of it.
 */
#include "json/string.h"

#include "json/place.h"
#include "json/scan.h"

/* What an escape letter stands for, 0 if it is none. */
static const uint8_t ESCAPED[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* Four hex digits at p; -1 if there are none. */
static int32_t read_hex4(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t digit = (uint8_t)(p[i] - '0'), letter = (uint8_t)((p[i] | 0x20) - 'a');
        if (digit > 9 && letter > 5)
            return -1;
        unit = unit * 16 + (digit <= 9 ? digit : letter + 10);
    }
    return unit;
}

static void append_code_point(struct elg_buf *out, uint32_t code)
{
    uint8_t bytes[4];
    size_t size = 0;
    if (code < 0x80) {
        bytes[size++] = (uint8_t)code;
    } else if (code < 0x800) {
        bytes[size++] = (uint8_t)(0xC0 | code >> 6);
        bytes[size++] = (uint8_t)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        bytes[size++] = (uint8_t)(0xE0 | code >> 12);
        bytes[size++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        bytes[size++] = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        bytes[size++] = (uint8_t)(0xF0 | code >> 18);
        bytes[size++] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
        bytes[size++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        bytes[size++] = (uint8_t)(0x80 | (code & 0x3F));
    }
    elg_base_buf_append(out, bytes, size);
}

/* \uXXXX and, for a high surrogate, the \uXXXX behind it; *at is the backslash. */
static enum elg_status read_unicode(struct elg_json_reader *reader, const uint8_t **at,
                                    struct elg_error *error)
{
    const uint8_t *p = *at, *end = reader->end;
    int32_t unit = read_hex4(p + 2, end);
    if (unit < 0)
        return elg__json_fail(reader, ELG_INVALID, p, error,
                              "\\u without four hexadecimal digits");
    *at = p + 6;
    if (unit < 0xD800 || unit > 0xDFFF) {
        append_code_point(&reader->scratch, (uint32_t)unit);
        return ELG_OK;
    }
    int32_t low = -1;
    if (unit < 0xDC00 && end - p >= 8 && p[6] == '\\' && p[7] == 'u')
        low = read_hex4(p + 8, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return elg__json_fail(reader, ELG_INVALID, p, error,
                              "\\u%04X is half of a surrogate pair and stands alone",
                              (unsigned)unit);
    *at = p + 12;
    append_code_point(&reader->scratch, 0x10000u + ((uint32_t)(unit - 0xD800) << 10) +
                                            (uint32_t)(low - 0xDC00));
    return ELG_OK;
}

static enum elg_status read_escape(struct elg_json_reader *reader, const uint8_t **at,
                                   struct elg_error *error)
{
    const uint8_t *p = *at;
    if (p + 1 < reader->end && p[1] == 'u')
        return read_unicode(reader, at, error);
    uint8_t byte = p + 1 < reader->end ? ESCAPED[p[1]] : 0;
    if (byte == 0) {
        char found[ELG__JSON_FOUND_SIZE];
        return elg__json_fail(reader, ELG_INVALID, p, error,
                              "a backslash before %s is no escape; a backslash itself is "
                              "written twice",
                              elg__json_found(reader, p + 1, found));
    }
    elg_base_buf_append_byte(&reader->scratch, byte);
    *at = p + 2;
    return ELG_OK;
}

/* What stopped the scan at p is no part of a string. */
static enum elg_status fail_in_string(struct elg_json_reader *reader, const uint8_t *p,
                                      struct elg_error *error)
{
    if (p == reader->end)
        return elg__json_fail(reader, ELG_INVALID, p, error,
                              "the text ends inside a string");
    if (*p < 0x20)
        return elg__json_fail(reader, ELG_INVALID, p, error,
                              "a control character in a string; write it as \\u%04x", *p);
    return elg__json_fail(reader, ELG_INVALID, p, error,
                          "not valid UTF-8: byte 0x%02X at offset %zu", *p,
                          (size_t)(p - reader->start));
}

/* The whole string from `begin` on into scratch; the first stop is at p. */
static enum elg_status read_escaped(struct elg_json_reader *reader, const uint8_t *begin,
                                    const uint8_t *p, struct elg_error *error)
{
    struct elg_buf *scratch = &reader->scratch;
    elg_base_buf_reset(scratch);
    for (;;) {
        elg_base_buf_append(scratch, begin, (size_t)(p - begin));
        if (p == reader->end || *p != '\\')
            break;
        enum elg_status status = read_escape(reader, &p, error);
        if (status != ELG_OK)
            return status;
        begin = p;
        p = elg__json_scan_verbatim(p, reader->end);
    }
    if (p == reader->end || *p != '"')
        return fail_in_string(reader, p, error);
    if (scratch->failed)
        return elg_base_no_memory(error);
    reader->string = elg_base_buf_bytes(scratch);
    reader->at = p + 1;
    return ELG_OK;
}

enum elg_status elg__json_read_string(struct elg_json_reader *reader, const uint8_t *p,
                                      struct elg_error *error)
{
    const uint8_t *stop = elg__json_scan_plain(p, reader->end);
    if (stop < reader->end && *stop >= 0x80)
        stop = elg__json_scan_verbatim(stop, reader->end);
    if (stop == reader->end || *stop != '"')
        return read_escaped(reader, p, stop, error);
    reader->string.data = p;
    reader->string.size = (size_t)(stop - p);
    reader->at = stop + 1;
    return ELG_OK;
}
