/* http: one ctx.http call, from its start over its redirects to its outcome. Uses
 * libcurl, http_request, http_response, net, secret. Must not know runs.
 *
 * 1. Nothing is sent to a host or address that --allow-net does not allow: the URL is
 *    judged before names are resolved, each address before a socket is opened, the peer
 *    again before the request is sent (kept connections).
 * 2. `sent` is true from just before the first byte of a request may leave (I7).
 * 3. No text that leaves here holds a secret: each is redacted (I14).
 */
#include "activity/internal.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct http {
    struct elg_operation op; /* first */
    struct elg_http_request request;
    struct elg_http_response response;
    struct elg_secrets secrets;
    CURL *easy;
    struct curl_slist *lines;
    bool at_most_once;
    bool added; /* to the multi handle */
    bool sent;
    bool by_peer;        /* the address decides */
    bool denied, opened; /* in this hop: an address was refused, one was not */
    const char *code;    /* set by a callback that ended the transfer */
    int64_t due_us;
    uint32_t timeout_ms;
    uint32_t redirects;
    char detail[CURL_ERROR_SIZE];
};

/* ---- what libcurl calls */

static size_t on_header(char *data, size_t size, size_t count, void *self)
{
    struct http *http = self;
    if (elg__http_response_line(&http->response, data, size * count))
        return size * count;
    http->code = http->response.head.failed ? "NO_MEMORY" : "HEADERS_TOO_LARGE";
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *self)
{
    struct http *http = self;
    struct elg_buf *body = &http->response.body;
    if (size * count > http->request.body_bytes_max - body->size) {
        http->code = "BODY_TOO_LARGE";
        return 0;
    }
    elg_base_buf_append(body, data, size * count);
    if (!body->failed)
        return size * count;
    http->code = "NO_MEMORY";
    return 0;
}

static curl_socket_t on_open(void *self, curlsocktype purpose,
                             struct curl_sockaddr *address)
{
    struct http *http = self;
    (void)purpose;
    if (http->by_peer && !elg__net_check_peer(http->op.performer->net, &address->addr)) {
        http->denied = true;
        return CURL_SOCKET_BAD;
    }
    http->opened = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_prepared(void *self, char *peer, char *local, int peer_port, int local_port)
{
    struct http *http = self;
    (void)local;
    (void)local_port;
    if (http->by_peer &&
        !elg__net_check_address(http->op.performer->net, peer, peer_port)) {
        http->denied = true;
        http->code = "NET_DENIED";
        return CURL_PREREQFUNC_ABORT;
    }
    http->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- life */

static void http_destroy(struct http *http, struct elg_performer *performer)
{
    if (http->added)
        (void)curl_multi_remove_handle(performer->http.multi, http->easy);
    if (http->easy != NULL)
        elg__http_client_give(performer, http->easy);
    curl_slist_free_all(http->lines);
    elg__http_request_fini(&http->request);
    elg__http_response_fini(&http->response);
    elg__secrets_fini(&http->secrets);
    elg_base_free(performer->alloc, http, sizeof *http);
}

static struct http *http_create(struct elg_performer *performer,
                                const struct elg_prepared *prepared,
                                elg_activity_done_fn done, void *self)
{
    struct http *http = elg_base_calloc(performer->alloc, sizeof *http);
    if (http == NULL)
        return NULL;
    http->op.performer = performer;
    http->op.kind = ELG_ACTIVITY_HTTP;
    http->op.done = done;
    http->op.self = self;
    http->at_most_once = prepared->at_most_once;
    http->timeout_ms = elg__timeout_ms(performer, prepared);
    http->due_us = elg__now_us(performer) + (int64_t)http->timeout_ms * 1000;
    elg__http_request_init(&http->request, performer->alloc);
    elg__http_response_init(&http->response, performer->alloc);
    elg__secrets_init(&http->secrets, performer->alloc);
    http->easy = elg__http_client_take(performer);
    if (http->easy == NULL) {
        http_destroy(http, performer);
        return NULL;
    }
    return http;
}

/* Takes it off the performer's list, if it is there. */
static void detach(struct http *http)
{
    if (!http->added)
        return;
    struct elg_performer *performer = http->op.performer;
    elg__operation_unlink(&http->op);
    performer->http.transfer_count--;
    (void)curl_multi_remove_handle(performer->http.multi, http->easy);
    http->added = false;
}

void elg__http_cancel(struct elg_operation *op)
{
    struct http *http = (struct http *)op;
    struct elg_performer *performer = op->performer;
    detach(http);
    http_destroy(http, performer);
}

/* ---- outcomes */

/* "GET http://host:port: text", with no secret in it. */
static void write_message(struct http *http, const char *text, struct elg_buf *out)
{
    struct elg_http_origin origin;
    if (http->request.url != NULL &&
        elg__http_request_origin(&http->request, &origin) == ELG_OK) {
        elg_base_buf_printf(out, "%s %s://%s:%u: ", http->request.method, origin.scheme,
                            origin.host, (unsigned)origin.port);
        elg__http_origin_fini(&origin);
    }
    elg_base_buf_append_str(out, text);
    elg__secrets_redact(&http->secrets, out);
}

/* Ends the call with an error; frees it. */
static void fail(struct http *http, const char *code, const char *text)
{
    struct elg_performer *performer = http->op.performer;
    elg_activity_done_fn done = http->op.done;
    void *self = http->op.self;
    bool sent = http->sent;
    struct elg_buf message;
    elg_base_buf_init(&message, performer->alloc);
    write_message(http, text, &message);
    const char *shown = elg_base_buf_cstr(&message);
    detach(http);
    http_destroy(http, performer);
    elg__operation_fail(performer, done, self, code, shown != NULL ? shown : "", sent);
    elg_base_buf_fini(&message);
}

static void fail_status(struct http *http, enum elg_status status,
                        const struct elg_error *error)
{
    fail(http, elg__activity_code(status), error->text);
}

static void succeed(struct http *http, long status)
{
    struct elg_performer *performer = http->op.performer;
    struct elg_error error;
    struct elg_buf out;
    elg_base_error_clear(&error);
    elg_base_buf_init(&out, performer->alloc);
    enum elg_status result = elg__http_response_write(&http->response, performer, status,
                                                      &http->secrets, &out, &error);
    if (result == ELG_INVALID) {
        fail(http, "PROTOCOL", error.text);
    } else if (result != ELG_OK) {
        fail_status(http, result, &error);
    } else {
        elg_activity_done_fn done = http->op.done;
        void *self = http->op.self;
        detach(http);
        http_destroy(http, performer);
        done(self, elg_base_buf_bytes(&out), false);
    }
    elg_base_buf_fini(&out);
}

/* libcurl's reason as ours; *text is what to say, NULL: libcurl's own detail. Details
 * that hold times are not used, so that the same failure reads the same. */
static const char *code_of(CURLcode code, const char **text)
{
    *text = NULL;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        *text = "the host's name cannot be resolved";
        return "RESOLVE";
    case CURLE_COULDNT_CONNECT:
        *text = "cannot connect";
        return "CONNECT";
    case CURLE_OPERATION_TIMEDOUT:
        return "TIMEOUT";
    case CURLE_FILESIZE_EXCEEDED:
        return "BODY_TOO_LARGE";
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        *text = "the connection ended before the response was complete";
        return "TRUNCATED";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
        return "TLS";
    case CURLE_OUT_OF_MEMORY:
        *text = "out of memory, or a header line of more than 100 KB";
        return "NO_MEMORY";
    default:
        return "PROTOCOL";
    }
}

static void fail_transfer(struct http *http, CURLcode result)
{
    const char *text = NULL;
    const char *code = http->code != NULL ? http->code : code_of(result, &text);
    char message[CURL_ERROR_SIZE + 128];
    if (http->denied && !http->opened)
        code = "NET_DENIED";
    if (strcmp(code, "NET_DENIED") == 0)
        text = "its address is not allowed; see --allow-net";
    if (strcmp(code, "TIMEOUT") == 0) {
        snprintf(message, sizeof message, "no response within %u ms", http->timeout_ms);
        text = message;
    } else if (strcmp(code, "BODY_TOO_LARGE") == 0) {
        snprintf(message, sizeof message, "the response's body has over %u bytes",
                 http->request.body_bytes_max);
        text = message;
    } else if (strcmp(code, "HEADERS_TOO_LARGE") == 0) {
        snprintf(message, sizeof message, "the response's headers have over %u bytes",
                 ELG_HTTP_HEADER_BYTES_MAX);
        text = message;
    } else if (strcmp(code, "CONNECT") == 0) {
        long number = 0;
        (void)curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &number);
        snprintf(message, sizeof message, "cannot connect: %s", strerror((int)number));
        text = number != 0 ? message : text;
    }
    if (text == NULL)
        text = http->detail[0] != '\0' ? http->detail : curl_easy_strerror(result);
    fail(http, code, text);
}

/* ---- one hop */

#define SET(option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

/* What is the same for every request. No proxy, no .netrc, no cookies, no signals, no
 * redirects by libcurl, nothing but HTTP/1.1; QUICK_EXIT: giving up does not wait for a
 * slow resolver. */
static bool set_fixed(CURL *easy, struct http *http)
{
    const struct elg_http_client *client = &http->op.performer->http;
    return SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_PROXY, "") && SET(CURLOPT_NOPROXY, "*") &&
           SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_HTTP09_ALLOWED, 0L) && SET(CURLOPT_QUICK_EXIT, 1L) &&
           SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (client->ca_file == NULL || SET(CURLOPT_CAINFO, client->ca_file)) &&
           (client->ca_folder == NULL || SET(CURLOPT_CAPATH, client->ca_folder)) &&
           SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, http) &&
           SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, http) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, on_open) &&
           SET(CURLOPT_OPENSOCKETDATA, http) &&
           SET(CURLOPT_PREREQFUNCTION, on_prepared) && SET(CURLOPT_PREREQDATA, http) &&
           SET(CURLOPT_ERRORBUFFER, http->detail) && SET(CURLOPT_PRIVATE, http);
}

static bool set_method(CURL *easy, const struct elg_http_request *request)
{
    const char *method = request->method;
    bool sends = request->has_body || strcmp(method, "POST") == 0 ||
                 strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    if (strcmp(method, "HEAD") == 0)
        return SET(CURLOPT_NOBODY, 1L);
    if (!sends)
        return SET(CURLOPT_HTTPGET, 1L) && SET(CURLOPT_CUSTOMREQUEST, method);
    const void *data = request->body.size > 0 ? (const void *)request->body.data : "";
    return SET(CURLOPT_POST, 1L) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size) &&
           SET(CURLOPT_POSTFIELDS, data) && SET(CURLOPT_CUSTOMREQUEST, method);
}

/* Newest first in the list, so that they go out in the order of their names. */
static bool set_headers(CURL *easy, struct http *http)
{
    curl_slist_free_all(http->lines);
    http->lines = NULL;
    for (const struct elg_http_header *header = http->request.headers; header != NULL;
         header = header->next) {
        struct curl_slist *lines = curl_slist_append(http->lines, header->line);
        if (lines == NULL)
            return false;
        http->lines = lines;
    }
    return SET(CURLOPT_HTTPHEADER, http->lines);
}

static bool set_limits(CURL *easy, struct http *http)
{
    int64_t left_ms = (http->due_us - elg__now_us(http->op.performer) + 999) / 1000;
    long fresh = http->at_most_once ? 1L : 0L;
    return SET(CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1)) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long)ELG_ACTIVITY_MS_MAX) &&
           SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)http->request.body_bytes_max + 1) &&
           SET(CURLOPT_FRESH_CONNECT, fresh) && SET(CURLOPT_FORBID_REUSE, fresh);
}

/* Readies the transfer to request->url. ELG_DENIED, ELG_NO_MEMORY. */
static enum elg_status set_hop(struct http *http, struct elg_error *error)
{
    struct elg_http_origin origin;
    CURL *easy = http->easy;
    enum elg_status status = elg__http_request_origin(&http->request, &origin);
    if (status != ELG_OK)
        return elg_base_no_memory(error);
    enum elg_net_answer answer =
        elg__net_check_host(http->op.performer->net, origin.host, origin.port);
    elg__http_origin_fini(&origin);
    if (answer == ELG_NET_NO)
        return elg_base_fail(error, ELG_DENIED, "url", "not allowed; see --allow-net");
    http->by_peer = answer == ELG_NET_BY_PEER;
    http->denied = http->opened = false;
    elg__http_response_reset(&http->response);
    curl_easy_reset(easy);
    if (!set_fixed(easy, http) || !set_method(easy, &http->request) ||
        !set_headers(easy, http) || !set_limits(easy, http) ||
        !SET(CURLOPT_CURLU, http->request.url))
        return elg_base_no_memory(error);
    return ELG_OK;
}

/* ---- redirects */

/* The value of the last head's Location, NUL behind; NULL: there is none. */
static const char *find_location(struct http *http)
{
    struct curl_header *header;
    if (curl_easy_header(http->easy, "Location", 0, CURLH_HEADER, -1, &header) !=
        CURLHE_OK)
        return NULL;
    return header->value;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

static void redirect(struct http *http, long status, const char *location)
{
    struct elg_error error;
    struct elg_performer *performer = http->op.performer;
    if (http->redirects == ELG_HTTP_REDIRECTS_MAX) {
        char text[64];
        snprintf(text, sizeof text, "more than %d redirects", ELG_HTTP_REDIRECTS_MAX);
        fail(http, "REDIRECT", text);
        return;
    }
    http->redirects++;
    enum elg_status result =
        elg__http_request_redirect(&http->request, status, location, &error);
    if (result == ELG_INVALID) {
        fail(http, "REDIRECT", error.text);
        return;
    }
    (void)curl_multi_remove_handle(performer->http.multi, http->easy);
    if (result == ELG_OK)
        result = set_hop(http, &error);
    if (result == ELG_OK &&
        curl_multi_add_handle(performer->http.multi, http->easy) != CURLM_OK)
        result = elg_base_no_memory(&error);
    if (result != ELG_OK)
        fail_status(http, result, &error);
}

void elg__http_finished(struct elg_operation *op, int curl_code)
{
    struct http *http = (struct http *)op;
    long status = 0;
    if (curl_code != CURLE_OK) {
        fail_transfer(http, (CURLcode)curl_code);
        return;
    }
    if (http->response.head_open) { /* libcurl takes half a head for a whole one */
        fail_transfer(http, CURLE_PARTIAL_FILE);
        return;
    }
    (void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    const char *location = NULL;
    if (http->request.follow && is_redirect(status))
        location = find_location(http);
    if (location != NULL)
        redirect(http, status, location);
    else
        succeed(http, status);
}

/* ---- start */

static enum elg_status begin(struct http *http, const struct elg_prepared *prepared,
                             struct elg_error *error)
{
    struct elg_performer *performer = http->op.performer;
    enum elg_status status = elg__http_request_build(&http->request, performer, prepared,
                                                     &http->secrets, error);
    if (status == ELG_OK)
        status = set_hop(http, error);
    if (status != ELG_OK)
        return status;
    if (curl_multi_add_handle(performer->http.multi, http->easy) != CURLM_OK)
        return elg_base_no_memory(error);
    http->added = true;
    performer->http.transfer_count++;
    elg__operation_link(performer, &http->op);
    return ELG_OK;
}

enum elg_status elg__http_start(struct elg_performer *performer,
                                const struct elg_prepared *prepared,
                                elg_activity_done_fn done, void *self,
                                struct elg_operation **out, struct elg_error *error)
{
    if (performer->http.transfer_count >= ELG_HTTP_TRANSFERS_MAX)
        return elg_base_fail(error, ELG_LIMIT, "http",
                             "%d transfers are under way already",
                             ELG_HTTP_TRANSFERS_MAX);
    enum elg_status status = elg__http_client_open(performer, error);
    if (status != ELG_OK)
        return status;
    struct http *http = http_create(performer, prepared, done, self);
    if (http == NULL)
        return elg_base_no_memory(error);
    struct elg_error failure;
    status = begin(http, prepared, &failure);
    if (status == ELG_OK) {
        *out = &http->op;
    } else if (status == ELG_NO_MEMORY) {
        http_destroy(http, performer);
        return elg_base_no_memory(error);
    } else {
        fail_status(http, status, &failure);
    }
    return ELG_OK;
}
