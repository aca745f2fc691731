/* http_request: what is sent. Made from a prepared request, with the secrets put in, and
 * pointed elsewhere by a redirect. Uses json, libcurl's URL parser. */
#include "activity/curl.h"
#include "activity/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void elg__http_request_init(struct elg_http_request *request,
                            const struct elg_alloc *alloc)
{
    memset(request, 0, sizeof *request);
    request->alloc = alloc;
    request->follow = true;
    elg_base_buf_init(&request->body, alloc);
}

/* Lines may hold secrets. */
static void header_destroy(const struct elg_alloc *alloc, struct elg_http_header *header)
{
    explicit_bzero(header->line, header->size);
    elg_base_free(alloc, header, sizeof *header + header->size + 1);
}

void elg__http_request_fini(struct elg_http_request *request)
{
    while (request->headers != NULL) {
        struct elg_http_header *header = request->headers;
        request->headers = header->next;
        header_destroy(request->alloc, header);
    }
    if (request->url != NULL)
        curl_url_cleanup(request->url);
    request->url = NULL;
    elg_base_buf_fini(&request->body);
}

/* ---- parts: text and secrets, joined */

static bool fits(struct elg_bytes value, bool url)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (url ? c <= 0x20 || c >= 0x7f : (c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

struct joining {
    struct elg_performer *performer;
    struct elg_secrets *secrets;
    const char *what; /* "url" or "headers.NAME" */
    bool url;
    bool secret; /* out: a secret went in */
    struct elg_buf text;
};

static enum elg_status join_part(struct joining *join, const struct elg_json_value *part,
                                 struct elg_error *error)
{
    struct elg_bytes name, text = elg_json_string(part);
    if (elg__secret_name(part, &name)) {
        enum elg_status status =
            elg__secrets_get(join->secrets, join->performer, name, &text, error);
        if (status != ELG_OK)
            return status;
        join->secret = true;
        if (!fits(text, join->url))
            return elg_base_fail(error, ELG_INVALID, join->what,
                                 "http: %s: the value of secret \"%.*s\" has a character "
                                 "that cannot stand there",
                                 join->what, (int)name.size, (const char *)name.data);
    }
    elg_base_buf_append(&join->text, text.data, text.size);
    return join->text.failed ? elg_base_no_memory(error) : ELG_OK;
}

static enum elg_status join_parts(struct joining *join,
                                  const struct elg_json_value *value,
                                  struct elg_error *error)
{
    if (elg_json_type(value) != ELG_JSON_TYPE_ARRAY)
        return join_part(join, value, error);
    enum elg_status status = ELG_OK;
    for (size_t i = 0; i < elg_json_size(value) && status == ELG_OK; i++)
        status = join_part(join, elg_json_at(value, i), error);
    return status;
}

static void joining_fini(struct joining *join)
{
    if (join->text.data != NULL)
        explicit_bzero(join->text.data, join->text.capacity);
    elg_base_buf_fini(&join->text);
}

/* ---- URL */

/* libcurl's words hold no part of the URL. */
static enum elg_status set_url(struct elg_http_request *request, const char *text,
                               unsigned flags, const char *what, struct elg_error *error)
{
    CURLUcode code =
        curl_url_set(request->url, CURLUPART_URL, text, flags | CURLU_DISALLOW_USER);
    if (code == CURLUE_OUT_OF_MEMORY)
        return elg_base_no_memory(error);
    if (code == CURLUE_USER_NOT_ALLOWED)
        return elg_base_fail(error, ELG_INVALID, what,
                             "http: %s: no user or password in a url; use the header "
                             "authorization with a secret",
                             what);
    if (code != CURLUE_OK)
        return elg_base_fail(error, ELG_INVALID, what, "http: %s: %s", what,
                             curl_url_strerror(code));
    (void)curl_url_set(request->url, CURLUPART_FRAGMENT, NULL, 0);
    return ELG_OK;
}

static bool is_plain_host(const char *host)
{
    for (const char *c = host; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
            return false;
    }
    return strchr(host, '%') == NULL && host[0] != '\0';
}

/* What holds for every URL that a request goes to. */
static enum elg_status check_origin(const struct elg_http_request *request,
                                    const char *what, struct elg_error *error)
{
    struct elg_http_origin origin;
    enum elg_status status = elg__http_request_origin(request, &origin);
    if (status == ELG_NO_MEMORY)
        return elg_base_no_memory(error);
    if (status != ELG_OK ||
        (strcmp(origin.scheme, "http") != 0 && strcmp(origin.scheme, "https") != 0))
        status = elg_base_fail(error, ELG_INVALID, what,
                               "http: %s: must be a http:// or https:// url", what);
    else if (!is_plain_host(origin.host))
        status = elg_base_fail(error, ELG_INVALID, what,
                               "http: %s: the host must be plain ASCII (write "
                               "international names in punycode)",
                               what);
    elg__http_origin_fini(&origin);
    return status;
}

static enum elg_status build_url(struct elg_http_request *request,
                                 struct elg_performer *performer,
                                 const struct elg_json_value *url,
                                 struct elg_secrets *secrets, struct elg_error *error)
{
    struct joining join = {performer, secrets, "url", true, false, {0}};
    elg_base_buf_init(&join.text, request->alloc);
    enum elg_status status = join_parts(&join, url, error);
    const char *text = status == ELG_OK ? elg_base_buf_cstr(&join.text) : NULL;
    if (status == ELG_OK && join.text.size > ELG_HTTP_URL_BYTES_MAX)
        status = elg_base_fail(error, ELG_INVALID, "url",
                               "http: url: longer than %d bytes", ELG_HTTP_URL_BYTES_MAX);
    request->url = curl_url();
    if (status == ELG_OK && (request->url == NULL || text == NULL))
        status = elg_base_no_memory(error);
    if (status == ELG_OK)
        status = set_url(request, text, 0, "url", error);
    if (status == ELG_OK)
        status = check_origin(request, "url", error);
    joining_fini(&join);
    return status;
}

enum elg_status elg__http_request_origin(const struct elg_http_request *request,
                                         struct elg_http_origin *out)
{
    char *port = NULL;
    out->scheme = out->host = NULL;
    CURLUcode scheme = curl_url_get(request->url, CURLUPART_SCHEME, &out->scheme, 0);
    CURLUcode host = curl_url_get(request->url, CURLUPART_HOST, &out->host, 0);
    CURLUcode code =
        curl_url_get(request->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK)
        out->port = (uint16_t)strtoul(port, NULL, 10);
    curl_free(port);
    if (scheme == CURLUE_OK && host == CURLUE_OK && code == CURLUE_OK)
        return ELG_OK;
    elg__http_origin_fini(out);
    return scheme == CURLUE_OUT_OF_MEMORY || host == CURLUE_OUT_OF_MEMORY ||
                   code == CURLUE_OUT_OF_MEMORY
               ? ELG_NO_MEMORY
               : ELG_INVALID;
}

void elg__http_origin_fini(struct elg_http_origin *origin)
{
    curl_free(origin->scheme);
    curl_free(origin->host);
    origin->scheme = origin->host = NULL;
}

/* ---- headers */

static enum elg_status add_line(struct elg_http_request *request, struct elg_bytes line,
                                bool sensitive, struct elg_error *error)
{
    struct elg_http_header *header =
        elg_base_calloc(request->alloc, sizeof *header + line.size + 1);
    if (header == NULL)
        return elg_base_no_memory(error);
    memcpy(header->line, line.data, line.size);
    header->size = line.size;
    header->sensitive = sensitive;
    header->next = request->headers;
    request->headers = header;
    return ELG_OK;
}

/* libcurl drops "name:" with nothing behind it and sends "name;" as an empty header. */
static enum elg_status build_header(struct elg_http_request *request,
                                    struct elg_performer *performer,
                                    struct elg_bytes name,
                                    const struct elg_json_value *value,
                                    struct elg_secrets *secrets, struct elg_error *error)
{
    char what[ELG_NAME_BYTES_MAX + 16];
    snprintf(what, sizeof what, "headers.%.*s", (int)name.size, (const char *)name.data);
    struct joining join = {performer, secrets, what, false, false, {0}};
    elg_base_buf_init(&join.text, request->alloc);
    elg_base_buf_append(&join.text, name.data, name.size);
    elg_base_buf_append_str(&join.text, ": ");
    size_t empty = join.text.size;
    enum elg_status status = join_parts(&join, value, error);
    if (status == ELG_OK && !join.text.failed && join.text.size == empty) {
        join.text.size -= 2;
        elg_base_buf_append_byte(&join.text, ';');
    }
    if (status == ELG_OK && join.text.failed)
        status = elg_base_no_memory(error);
    bool sensitive = join.secret ||
                     elg_base_bytes_equal(name, elg_base_bytes("authorization")) ||
                     elg_base_bytes_equal(name, elg_base_bytes("cookie"));
    if (status == ELG_OK)
        status = add_line(request, elg_base_buf_bytes(&join.text), sensitive, error);
    joining_fini(&join);
    return status;
}

/* What libcurl would add by itself is taken away, what is ours is added. */
static enum elg_status add_own_lines(struct elg_http_request *request,
                                     const struct elg_prepared *prepared,
                                     const struct elg_json_value *headers,
                                     struct elg_error *error)
{
    char key[ELG_HASH_HEX_SIZE], line[sizeof "Idempotency-Key: " + ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(&prepared->key, key);
    snprintf(line, sizeof line, "Idempotency-Key: %s", key);
    enum elg_status status = add_line(request, elg_base_bytes(line), false, error);
    if (status == ELG_OK)
        status = add_line(request, elg_base_bytes("Expect:"), false, error);
    if (status == ELG_OK && elg_json_get(headers, "content-type") == NULL)
        status = add_line(request, elg_base_bytes("Content-Type:"), false, error);
    if (status == ELG_OK && elg_json_get(headers, "user-agent") == NULL)
        status = add_line(request, elg_base_bytes("User-Agent: elg/" ELG_VERSION), false,
                          error);
    return status;
}

static enum elg_status build_headers(struct elg_http_request *request,
                                     struct elg_performer *performer,
                                     const struct elg_prepared *prepared,
                                     const struct elg_json_value *headers,
                                     struct elg_secrets *secrets, struct elg_error *error)
{
    enum elg_status status = add_own_lines(request, prepared, headers, error);
    for (size_t i = 0; i < elg_json_size(headers) && status == ELG_OK; i++)
        status = build_header(request, performer, elg_json_key_at(headers, i),
                              elg_json_at(headers, i), secrets, error);
    return status;
}

/* ---- the rest */

static enum elg_status build_body(struct elg_http_request *request,
                                  struct elg_performer *performer,
                                  const struct elg_json_value *body,
                                  struct elg_error *error)
{
    struct elg_hash hash;
    if (body == NULL)
        return ELG_OK;
    request->has_body = true;
    if (elg_json_type(body) == ELG_JSON_TYPE_STRING) {
        struct elg_bytes text = elg_json_string(body);
        elg_base_buf_append(&request->body, text.data, text.size);
        return request->body.failed ? elg_base_no_memory(error) : ELG_OK;
    }
    if (!elg_base_hash_parse(elg_json_string(elg_json_get(body, "artifact")), &hash))
        return elg_base_fail(error, ELG_INVALID, "body", "http: body: no artifact hash");
    return elg_activity_artifact_get(performer, &hash, &request->body, error);
}

static void build_method(struct elg_http_request *request,
                         const struct elg_json_value *method)
{
    struct elg_bytes text = elg_json_string(method);
    if (text.data == NULL)
        text = elg_base_bytes("GET");
    size_t size = text.size;
    if (size >= sizeof request->method)
        size = sizeof request->method - 1;
    memcpy(request->method, text.data, size);
    request->method[size] = '\0';
}

static enum elg_status build(struct elg_http_request *request,
                             struct elg_performer *performer,
                             const struct elg_prepared *prepared,
                             const struct elg_json_value *root,
                             struct elg_secrets *secrets, struct elg_error *error)
{
    request->body_bytes_max = prepared->body_bytes_max != 0 ? prepared->body_bytes_max
                                                            : performer->body_bytes_max;
    double most =
        elg_json_number(elg_json_get(root, "max_bytes"), (double)request->body_bytes_max);
    if (most < (double)request->body_bytes_max)
        request->body_bytes_max = (uint32_t)most;
    request->follow = elg_json_bool(elg_json_get(root, "follow"), true);
    build_method(request, elg_json_get(root, "method"));
    enum elg_status status =
        build_url(request, performer, elg_json_get(root, "url"), secrets, error);
    if (status == ELG_OK)
        status = build_headers(request, performer, prepared,
                               elg_json_get(root, "headers"), secrets, error);
    if (status == ELG_OK)
        status = build_body(request, performer, elg_json_get(root, "body"), error);
    return status;
}

enum elg_status elg__http_request_build(struct elg_http_request *request,
                                        struct elg_performer *performer,
                                        const struct elg_prepared *prepared,
                                        struct elg_secrets *secrets,
                                        struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(
        request->alloc, elg_base_blob_bytes(prepared->request), &doc, error);
    if (status != ELG_OK)
        return status;
    status = build(request, performer, prepared, elg_json_root(doc), secrets, error);
    elg_json_doc_destroy(doc);
    return status;
}
