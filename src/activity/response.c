/* response: a call's outcome as it is recorded. Provides the results section of
 * activity.h. Uses json's writer. Must not know what kind of call it was. */
#include "activity/internal.h"

#include <string.h>

/* Texts from outside (a host's message, a server's) may hold anything; a record may not.
 * What is not UTF-8 becomes U+FFFD, byte by byte. */
static void write_text(struct elg_buf *out, const char *text)
{
    struct elg_bytes rest = elg_base_bytes(text);
    if (elg_json_check_utf8(rest) == rest.size) {
        elg_json_write_string(out, rest, NULL);
        return;
    }
    struct elg_buf clean;
    elg_base_buf_init(&clean, out->alloc);
    while (rest.size > 0) {
        size_t good = elg_json_check_utf8(rest);
        elg_base_buf_append(&clean, rest.data, good);
        if (good < rest.size) {
            elg_base_buf_append_str(&clean, "\xEF\xBF\xBD");
            good++;
        }
        rest.data += good;
        rest.size -= good;
    }
    if (clean.failed)
        out->failed = true;
    else
        elg_json_write_string(out, elg_base_buf_bytes(&clean), NULL);
    elg_base_buf_fini(&clean);
}

void elg_activity_write_error(struct elg_buf *out, const char *code, const char *message)
{
    elg_base_buf_append_str(out, "{\"error\":{\"code\":");
    write_text(out, code);
    elg_base_buf_append_str(out, ",\"message\":");
    write_text(out, message);
    elg_base_buf_append_str(out, "}}");
}

/* The end of the string that begins at `at`; `end` if it has none. */
static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at < end ? at + 1 : end;
}

/* The end of the value that begins at `at`, by brackets and quotes alone: what is inside
 * is checked where it is decoded. */
static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (*at == ',' && depth == 0) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0)
            return at;
    }
    return end;
}

/* True if `response` is PREFIX, one value, "}". */
static bool unwrap(struct elg_bytes response, const char *prefix, struct elg_bytes *value)
{
    size_t size = strlen(prefix);
    if (response.size < size + 2 || memcmp(response.data, prefix, size) != 0)
        return false;
    const uint8_t *start = response.data + size;
    const uint8_t *last = response.data + response.size - 1;
    if (*last != '}' || skip_value(start, response.data + response.size) != last)
        return false;
    value->data = start;
    value->size = (size_t)(last - start);
    return true;
}

enum elg_status elg_activity_read_response(struct elg_bytes response, bool *ok,
                                           struct elg_bytes *value,
                                           struct elg_error *error)
{
    struct elg_bytes got;
    if (unwrap(response, "{\"value\":", &got)) {
        *ok = true;
    } else if (unwrap(response, "{\"error\":", &got) && got.data[0] == '{') {
        *ok = false;
    } else {
        return elg_base_fail(error, ELG_CORRUPT, "response",
                             "neither {\"value\":...} nor {\"error\":{...}}");
    }
    *value = got;
    return ELG_OK;
}
