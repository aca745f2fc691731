/* http_response: what came back, and its record. Uses json's writer, artifacts for bodies
 * that are large or no text. Must not know libcurl. */
#include "activity/internal.h"

#include <stdlib.h>
#include <string.h>

void elg__http_response_init(struct elg_http_response *response,
                             const struct elg_alloc *alloc)
{
    memset(response, 0, sizeof *response);
    elg_base_buf_init(&response->head, alloc);
    elg_base_buf_init(&response->body, alloc);
}

void elg__http_response_fini(struct elg_http_response *response)
{
    elg_base_buf_fini(&response->head);
    elg_base_buf_fini(&response->body);
}

void elg__http_response_reset(struct elg_http_response *response)
{
    elg_base_buf_reset(&response->head);
    elg_base_buf_reset(&response->body);
    response->head_bytes = 0;
    response->head_open = false;
}

/* A status line begins a head (of an informational answer, then of the final one); an
 * empty line ends it; what comes after is a trailer and not kept. A line that begins with
 * a blank continues the one before. */
bool elg__http_response_line(struct elg_http_response *response, const char *line,
                             size_t size)
{
    struct elg_buf *head = &response->head;
    response->head_bytes += size;
    if (response->head_bytes > ELG_HTTP_HEADER_BYTES_MAX)
        return false;
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
        size--;
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0 && response->body.size == 0) {
        elg_base_buf_reset(head);
        response->head_open = true;
    } else if (size == 0) {
        response->head_open = false;
    } else if (response->head_open) {
        if ((line[0] == ' ' || line[0] == '\t') && head->size > 0)
            head->data[head->size - 1] = ' ';
        elg_base_buf_append(head, line, size);
        elg_base_buf_append_byte(head, '\n');
    }
    return !head->failed;
}

/* ---- headers */

struct field {
    struct elg_bytes name, value;
    size_t order;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* "name: value" in place; names become lower case. */
static bool split_line(uint8_t *line, size_t size, struct field *out)
{
    uint8_t *colon = memchr(line, ':', size);
    if (colon == NULL)
        return false;
    out->name.data = line;
    out->name.size = (size_t)(colon - line);
    if (!elg__is_token(out->name))
        return false;
    for (uint8_t *c = line; c < colon; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (uint8_t)(*c | 32);
    }
    const uint8_t *start = colon + 1, *end = line + size;
    while (start < end && is_blank(*start))
        start++;
    while (end > start && is_blank(end[-1]))
        end--;
    out->value.data = start;
    out->value.size = (size_t)(end - start);
    return true;
}

static int compare_fields(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    size_t size = x->name.size < y->name.size ? x->name.size : y->name.size;
    int order = memcmp(x->name.data, y->name.data, size);
    if (order != 0)
        return order;
    if (x->name.size != y->name.size)
        return x->name.size < y->name.size ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* Header values are UTF-8 or, as of old, Latin-1. */
static void append_text(struct elg_buf *out, struct elg_bytes value)
{
    if (elg_json_check_utf8(value) == value.size) {
        elg_base_buf_append(out, value.data, value.size);
        return;
    }
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (c >= 0x80)
            elg_base_buf_append_byte(out, (uint8_t)(0xc0 | c >> 6));
        elg_base_buf_append_byte(out, c < 0x80 ? c : (uint8_t)(0x80 | (c & 0x3f)));
    }
}

/* Values of one name, joined: "," as RFC 9110 section 5.2 says, set-cookie by lines. */
static size_t write_field(struct elg_buf *out, const struct field *fields, size_t count)
{
    struct elg_buf value;
    elg_base_buf_init(&value, out->alloc);
    bool cookie = elg_base_bytes_equal(fields[0].name, elg_base_bytes("set-cookie"));
    size_t i = 0;
    do {
        if (i > 0)
            elg_base_buf_append_str(&value, cookie ? "\n" : ", ");
        append_text(&value, fields[i].value);
        i++;
    } while (i < count && elg_base_bytes_equal(fields[i].name, fields[0].name));
    elg_json_write_string(out, fields[0].name, NULL);
    elg_base_buf_append_byte(out, ':');
    elg_json_write_string(out, elg_base_buf_bytes(&value), NULL);
    out->failed = out->failed || value.failed;
    elg_base_buf_fini(&value);
    return i;
}

static size_t count_lines(const struct elg_buf *head)
{
    size_t count = 0;
    for (size_t i = 0; i < head->size; i++)
        count += head->data[i] == '\n';
    return count;
}

/* False: a line is no header. */
static bool split_head(struct elg_buf *head, struct field *fields, size_t count)
{
    uint8_t *line = head->data;
    for (size_t i = 0; i < count; i++) {
        size_t left = head->size - (size_t)(line - head->data);
        size_t size = (size_t)((uint8_t *)memchr(line, '\n', left) - line);
        fields[i].order = i;
        if (!split_line(line, size, &fields[i]))
            return false;
        line += size + 1;
    }
    return true;
}

/* RFC 9110 section 8.6, RFC 9112 section 6.3: a message that names several lengths, or
 * one and chunks, cannot be trusted to end where any of them says. */
static bool lengths_agree(const struct field *fields, size_t count)
{
    const struct field *first = NULL;
    bool chunked = false;
    for (size_t i = 0; i < count; i++) {
        chunked = chunked || elg_base_bytes_equal(fields[i].name,
                                                  elg_base_bytes("transfer-encoding"));
        if (!elg_base_bytes_equal(fields[i].name, elg_base_bytes("content-length")))
            continue;
        if (first != NULL && !elg_base_bytes_equal(first->value, fields[i].value))
            return false;
        first = &fields[i];
    }
    return first == NULL || !chunked;
}

static enum elg_status write_headers(struct elg_buf *out, struct elg_buf *head,
                                     struct elg_error *error)
{
    size_t count = count_lines(head);
    size_t bytes = (count + 1) * sizeof(struct field);
    struct field *fields = elg_base_calloc(out->alloc, bytes);
    if (fields == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = ELG_OK;
    bool headers = split_head(head, fields, count);
    if (headers && !lengths_agree(fields, count)) {
        status = elg_base_fail(error, ELG_INVALID, "headers",
                               "the response names two lengths (content-length twice, or "
                               "with transfer-encoding)");
    } else if (headers) {
        qsort(fields, count, sizeof *fields, compare_fields);
        elg_base_buf_append_byte(out, '{');
        for (size_t i = 0; i < count;) {
            if (i > 0)
                elg_base_buf_append_byte(out, ',');
            i += write_field(out, fields + i, count - i);
        }
        elg_base_buf_append_byte(out, '}');
    } else {
        status = elg_base_fail(error, ELG_INVALID, "headers",
                               "the response has a line that is no header");
    }
    elg_base_free(out->alloc, fields, bytes);
    return status;
}

/* ---- the record */

/* Members that come before and after "headers" in canonical order. */
static enum elg_status write_body(struct elg_http_response *response,
                                  struct elg_performer *performer, struct elg_buf *out,
                                  bool *stored, struct elg_error *error)
{
    struct elg_bytes body = elg_base_buf_bytes(&response->body);
    *stored = body.size > ELG_PAYLOAD_INLINE_BYTES_MAX ||
              elg_json_check_utf8(body) != body.size;
    if (!*stored) {
        elg_base_buf_append_str(out, "\"body\":");
        elg_json_write_string(out, body, NULL);
        return ELG_OK;
    }
    struct elg_hash hash;
    char hex[ELG_HASH_HEX_SIZE];
    enum elg_status status = elg_activity_artifact_put(performer, body, &hash, error);
    if (status != ELG_OK)
        return status;
    elg_base_hash_hex(&hash, hex);
    elg_base_buf_printf(out, "\"artifact\":\"%s\"", hex);
    return ELG_OK;
}

enum elg_status elg__http_response_write(struct elg_http_response *response,
                                         struct elg_performer *performer, long status,
                                         const struct elg_secrets *secrets,
                                         struct elg_buf *out, struct elg_error *error)
{
    bool stored;
    elg__secrets_redact(secrets, &response->head);
    elg__secrets_redact(secrets, &response->body);
    if (response->head.failed || response->body.failed)
        return elg_base_no_memory(error);
    elg_base_buf_append_str(out, "{\"value\":{");
    enum elg_status result = write_body(response, performer, out, &stored, error);
    if (result != ELG_OK)
        return result;
    elg_base_buf_append_str(out, ",\"headers\":");
    result = write_headers(out, &response->head, error);
    if (result != ELG_OK)
        return result;
    if (stored)
        elg_base_buf_printf(out, ",\"size\":%zu", response->body.size);
    elg_base_buf_printf(out, ",\"status\":%ld}}", status);
    return out->failed ? elg_base_no_memory(error) : ELG_OK;
}
