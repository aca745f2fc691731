/* write: canonical strings and numbers into a buffer. Provides the write part of json.h.
 *
 * Uses scan.h and number. Must not know trees or tokens.
 */
#include <math.h>
#include <string.h>

#include "json/json.h"
#include "json/scan.h"

#define ESCAPE_BYTES_MAX 6  /* \u001f */
#define NUMBER_BYTES_MAX 32 /* what elg_json_format_number wants */

/* The letter behind the backslash of the controls that have a short form, else 0. */
static const char SHORT_ESCAPES[32] = {
    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

/* Writes the escape of a quote, backslash or control; the end of it. */
static uint8_t *write_escape(uint8_t *to, uint8_t byte)
{
    static const char HEX[] = "0123456789abcdef";
    *to++ = '\\';
    if (byte == '"' || byte == '\\') {
        *to++ = byte;
    } else if (SHORT_ESCAPES[byte] != 0) {
        *to++ = (uint8_t)SHORT_ESCAPES[byte];
    } else {
        memcpy(to, "u00", 3);
        to[3] = (uint8_t)HEX[byte >> 4];
        to[4] = (uint8_t)HEX[byte & 15];
        to += 5;
    }
    return to;
}

/* Copies a short run without a call: by two words that overlap. */
static inline void copy_run(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 16) {
        memcpy(to, from, size);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(to + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, from, 4);
        memcpy(to + size - 4, from + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = from[i];
    }
}

bool elg_json_write_string(struct elg_buf *out, struct elg_bytes s, size_t *bad_at)
{
    const uint8_t *begin = s.size > 0 ? s.data : (const uint8_t *)"";
    const uint8_t *p = begin, *end = begin + s.size;
    size_t size_before = out->size;
    /* Room for all that is left, its closing quote and one escape, at any time. */
    if (s.size > SIZE_MAX - 2 - ESCAPE_BYTES_MAX ||
        !elg_base_buf_reserve(out, s.size + 2 + ESCAPE_BYTES_MAX)) {
        out->failed = true;
        return true;
    }
    out->data[out->size++] = '"';
    for (;;) {
        const uint8_t *run_end = elg__json_scan_verbatim(p, end);
        copy_run(out->data + out->size, p, (size_t)(run_end - p));
        out->size += (size_t)(run_end - p);
        p = run_end;
        if (p == end)
            break;
        if (*p >= 0x80) {
            if (bad_at != NULL)
                *bad_at = (size_t)(p - begin);
            out->size = size_before;
            return false;
        }
        uint8_t *to = write_escape(out->data + out->size, *p++);
        out->size = (size_t)(to - out->data);
        if (!elg_base_buf_reserve(out, (size_t)(end - p) + 1 + ESCAPE_BYTES_MAX))
            return true;
    }
    out->data[out->size++] = '"';
    return true;
}

bool elg_json_write_number(struct elg_buf *out, double number)
{
    if (!isfinite(number))
        return false;
    if (elg_base_buf_reserve(out, NUMBER_BYTES_MAX))
        out->size += elg_json_format_number(number, (char *)out->data + out->size);
    return true;
}
