/* prepare_http: what a ctx.http request may say. Uses json. Must not know libcurl, nor
 * any secret's value: it runs in replay, where there is none. */
#include "activity/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Headers that are ours to set, each with its reason. */
static const struct {
    const char *name;
    const char *why;
} REFUSED[] = {
    {"idempotency-key", "elg sends the call's own key"},
    {"host", "it follows from the url"},
    {"content-length", "it follows from the body"},
    {"transfer-encoding", "it follows from the body"},
    {"accept-encoding", "bodies travel uncompressed, so that echoed secrets are found"},
    {"connection", "connections are elg's"},
    {"keep-alive", "connections are elg's"},
    {"proxy-connection", "there is no proxy"},
    {"proxy-authorization", "there is no proxy"},
    {"te", "connections are elg's"},
    {"trailer", "requests have no trailer"},
    {"upgrade", "the protocol stays HTTP/1.1"},
    {"expect", "bodies are sent at once"},
};

bool elg__is_token(struct elg_bytes text)
{
    static const char OTHERS[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alnum && (c == 0 || strchr(OTHERS, c) == NULL))
            return false;
    }
    return text.size > 0;
}

bool elg__secret_name(const struct elg_json_value *value, struct elg_bytes *name)
{
    if (elg_json_type(value) != ELG_JSON_TYPE_OBJECT || elg_json_size(value) != 1)
        return false;
    struct elg_bytes got = elg_json_string(elg_json_get(value, "$secret"));
    if (got.size == 0 || got.size > ELG_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < got.size; i++) {
        uint8_t c = got.data[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alnum && c != '_' && c != '-' && c != '.')
            return false;
    }
    *name = got;
    return true;
}

static bool is_url_text(struct elg_bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f)
            return false;
    }
    return true;
}

static bool is_header_text(struct elg_bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* A string, a secret, or a list of them. */
static enum elg_status check_part(const struct elg_json_value *part, const char *what,
                                  bool (*is_text)(struct elg_bytes),
                                  struct elg_error *error)
{
    struct elg_bytes name;
    if (elg__secret_name(part, &name))
        return ELG_OK;
    if (elg_json_type(part) != ELG_JSON_TYPE_STRING)
        return elg_base_fail(error, ELG_INVALID, what,
                             "http: %s: must be a string, a secret or a list of these",
                             what);
    if (!is_text(elg_json_string(part)))
        return elg_base_fail(error, ELG_INVALID, what,
                             "http: %s: has a character that cannot stand there "
                             "(percent-encode a url; no line breaks in a header)",
                             what);
    return ELG_OK;
}

static enum elg_status check_parts(const struct elg_json_value *value, const char *what,
                                   bool (*is_text)(struct elg_bytes),
                                   struct elg_error *error)
{
    if (elg_json_type(value) != ELG_JSON_TYPE_ARRAY)
        return check_part(value, what, is_text, error);
    size_t count = elg_json_size(value);
    if (count == 0 || count > ELG_HTTP_PARTS_MAX)
        return elg_base_fail(error, ELG_INVALID, what,
                             "http: %s: a list has 1 to %d parts", what,
                             ELG_HTTP_PARTS_MAX);
    enum elg_status status = ELG_OK;
    for (size_t i = 0; i < count && status == ELG_OK; i++)
        status = check_part(elg_json_at(value, i), what, is_text, error);
    return status;
}

static enum elg_status check_url(const struct elg_json_value *url,
                                 struct elg_error *error)
{
    enum elg_status status = check_parts(url, "url", is_url_text, error);
    struct elg_bytes text = elg_json_string(url);
    if (status != ELG_OK || text.data == NULL)
        return status;
    const char *start = (const char *)text.data;
    if (text.size > ELG_HTTP_URL_BYTES_MAX)
        return elg_base_fail(error, ELG_INVALID, "url", "http: url: longer than %d bytes",
                             ELG_HTTP_URL_BYTES_MAX);
    if (strncasecmp(start, "http://", 7) != 0 && strncasecmp(start, "https://", 8) != 0)
        return elg_base_fail(error, ELG_INVALID, "url",
                             "http: url: must begin with http:// or https://");
    return ELG_OK;
}

static enum elg_status check_header(struct elg_bytes name,
                                    const struct elg_json_value *value,
                                    struct elg_error *error)
{
    char what[128];
    if (!elg__is_token(name) || name.size > ELG_NAME_BYTES_MAX - 20)
        return elg_base_fail(error, ELG_INVALID, "headers",
                             "http: headers: a name that is not a token");
    snprintf(what, sizeof what, "headers.%.*s", (int)name.size, (const char *)name.data);
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        if (strcasecmp(REFUSED[i].name, what + sizeof "headers." - 1) == 0)
            return elg_base_fail(error, ELG_INVALID, what,
                                 "http: %s: not yours to set: %s", what, REFUSED[i].why);
    }
    return check_parts(value, what, is_header_text, error);
}

/* Two names that differ by case only would be one after lower-casing. */
static enum elg_status check_twins(const struct elg_json_value *headers,
                                   struct elg_error *error)
{
    for (size_t i = 1; i < elg_json_size(headers); i++) {
        struct elg_bytes a = elg_json_key_at(headers, i);
        for (size_t k = 0; k < i; k++) {
            struct elg_bytes b = elg_json_key_at(headers, k);
            if (a.size == b.size &&
                strncasecmp((const char *)a.data, (const char *)b.data, a.size) == 0)
                return elg_base_fail(error, ELG_INVALID, "headers",
                                     "http: headers: \"%.*s\" is there twice",
                                     (int)a.size, (const char *)a.data);
        }
    }
    return ELG_OK;
}

/* *upper: some name is not in lower case. */
static enum elg_status check_headers(const struct elg_json_value *headers, bool *upper,
                                     struct elg_error *error)
{
    *upper = false;
    if (headers == NULL)
        return ELG_OK;
    size_t count = elg_json_size(headers);
    if (elg_json_type(headers) != ELG_JSON_TYPE_OBJECT || count > ELG_HTTP_HEADERS_MAX)
        return elg_base_fail(error, ELG_INVALID, "headers",
                             "http: headers: must be an object of at most %d names",
                             ELG_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct elg_bytes name = elg_json_key_at(headers, i);
        enum elg_status status = check_header(name, elg_json_at(headers, i), error);
        if (status != ELG_OK)
            return status;
        for (size_t k = 0; k < name.size; k++)
            *upper = *upper || (name.data[k] >= 'A' && name.data[k] <= 'Z');
    }
    return *upper ? check_twins(headers, error) : ELG_OK;
}

static enum elg_status check_method(const struct elg_json_value *method,
                                    struct elg_error *error)
{
    if (method == NULL)
        return ELG_OK;
    struct elg_bytes text = elg_json_string(method);
    bool good = text.size > 0 && text.size <= ELG_HTTP_METHOD_BYTES_MAX;
    for (size_t i = 0; i < text.size; i++)
        good = good && ((text.data[i] >= 'A' && text.data[i] <= 'Z') ||
                        text.data[i] == '-' || text.data[i] == '_');
    if (!good)
        return elg_base_fail(error, ELG_INVALID, "method",
                             "http: method: must be a word in upper case, as \"POST\"");
    if (elg_base_bytes_equal(text, elg_base_bytes("CONNECT")) ||
        elg_base_bytes_equal(text, elg_base_bytes("TRACE")))
        return elg_base_fail(error, ELG_INVALID, "method",
                             "http: method: CONNECT and TRACE are not supported");
    return ELG_OK;
}

static enum elg_status check_body(const struct elg_json_value *body,
                                  struct elg_error *error)
{
    struct elg_hash hash;
    if (body == NULL || elg_json_type(body) == ELG_JSON_TYPE_STRING)
        return ELG_OK;
    if (elg_json_type(body) == ELG_JSON_TYPE_OBJECT && elg_json_size(body) == 1 &&
        elg_base_hash_parse(elg_json_string(elg_json_get(body, "artifact")), &hash))
        return ELG_OK;
    return elg_base_fail(error, ELG_INVALID, "body",
                         "http: body: must be a string or { artifact = HASH } (encode "
                         "tables first; secrets go into headers or the url only)");
}

static enum elg_status check_settings(const struct elg_json_value *root,
                                      struct elg_prepared *out, struct elg_error *error)
{
    int64_t timeout_ms = 0, max_bytes = 0;
    bool follow = true;
    enum elg_status status = elg__check_integer(root, "timeout_ms", 1,
                                                ELG_ACTIVITY_MS_MAX, &timeout_ms, error);
    if (status == ELG_OK)
        status = elg__check_integer(root, "max_bytes", 0, UINT32_MAX, &max_bytes, error);
    if (status == ELG_OK)
        status = elg__check_bool(root, "follow", &follow, error);
    if (status == ELG_OK)
        status = elg__check_bool(root, "at_most_once", &out->at_most_once, error);
    out->timeout_ms = (uint32_t)timeout_ms;
    return status;
}

static void write_headers(struct elg_buf *out, const struct elg_json_value *headers)
{
    elg_base_buf_append_byte(out, '{');
    for (size_t i = 0; i < elg_json_size(headers); i++) {
        struct elg_bytes name = elg_json_key_at(headers, i);
        elg_base_buf_append_str(out, i == 0 ? "\"" : ",\"");
        for (size_t k = 0; k < name.size; k++) {
            uint8_t c = name.data[k];
            elg_base_buf_append_byte(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c | 32) : c);
        }
        elg_base_buf_append_str(out, "\":");
        elg_json_write_value(out, elg_json_at(headers, i));
    }
    elg_base_buf_append_byte(out, '}');
}

/* The request with its header names in lower case, canonical. */
static enum elg_status rewrite(const struct elg_alloc *alloc,
                               const struct elg_json_value *root, struct elg_buf *out,
                               struct elg_error *error)
{
    struct elg_buf text;
    elg_base_buf_init(&text, alloc);
    for (size_t i = 0; i < elg_json_size(root); i++) {
        struct elg_bytes key = elg_json_key_at(root, i);
        elg_base_buf_append_byte(&text, i == 0 ? '{' : ',');
        elg_json_write_string(&text, key, NULL);
        elg_base_buf_append_byte(&text, ':');
        if (elg_base_bytes_equal(key, elg_base_bytes("headers")))
            write_headers(&text, elg_json_at(root, i));
        else
            elg_json_write_value(&text, elg_json_at(root, i));
    }
    elg_base_buf_append_byte(&text, '}');
    enum elg_status status = ELG_OK;
    if (text.failed)
        status = elg_base_no_memory(error);
    else
        status = elg_json_canonicalize(alloc, elg_base_buf_bytes(&text), out, error);
    elg_base_buf_fini(&text);
    return status;
}

enum elg_status elg__prepare_http(const struct elg_alloc *alloc,
                                  const struct elg_json_value *root,
                                  struct elg_prepared *out, struct elg_buf *rewritten,
                                  struct elg_error *error)
{
    static const char *const KNOWN[] = {"url",       "method",       "headers",
                                        "body",      "follow",       "timeout_ms",
                                        "max_bytes", "at_most_once", NULL};
    bool upper = false;
    enum elg_status status = elg__check_fields(root, "http", KNOWN, error);
    if (status == ELG_OK)
        status = check_url(elg_json_get(root, "url"), error);
    if (status == ELG_OK)
        status = check_method(elg_json_get(root, "method"), error);
    if (status == ELG_OK)
        status = check_headers(elg_json_get(root, "headers"), &upper, error);
    if (status == ELG_OK)
        status = check_body(elg_json_get(root, "body"), error);
    if (status == ELG_OK)
        status = check_settings(root, out, error);
    if (status == ELG_OK && upper)
        status = rewrite(alloc, root, rewritten, error);
    return status;
}
