/* http_hop: one request of a call: what libcurl is told, and what it calls back. Uses
 * libcurl, net, http_response. Must not know outcomes. */
#include "activity/http.h"

#include <string.h>

/* ---- what libcurl calls */

static size_t on_header(char *data, size_t size, size_t count, void *self)
{
    struct elg_http *http = self;
    if (elg__http_response_line(&http->response, data, size * count))
        return size * count;
    http->code = http->response.head.failed ? "NO_MEMORY" : "HEADERS_TOO_LARGE";
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *self)
{
    struct elg_http *http = self;
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
    struct elg_http *http = self;
    (void)purpose;
    if (http->by_peer && !elg__net_check_peer(http->net, &address->addr)) {
        http->denied = true;
        return CURL_SOCKET_BAD;
    }
    http->opened = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_prepared(void *self, char *peer, char *local, int peer_port, int local_port)
{
    struct elg_http *http = self;
    (void)local;
    (void)local_port;
    if (http->by_peer && !elg__net_check_address(http->net, peer, peer_port)) {
        http->denied = true;
        http->code = "NET_DENIED";
        return CURL_PREREQFUNC_ABORT;
    }
    http->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- one hop */

#define SET(option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

/* What is the same for every request. No proxy, no .netrc, no cookies, no signals, no
 * redirects by libcurl, nothing but HTTP/1.1; QUICK_EXIT: giving up does not wait for a
 * slow resolver. */
static bool set_fixed(CURL *easy, struct elg_http *http)
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
static bool set_headers(CURL *easy, struct elg_http *http)
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

static bool set_limits(CURL *easy, struct elg_http *http)
{
    int64_t left_ms = (http->op.due_us - elg__now_us(http->op.performer) + 999) / 1000;
    long fresh = http->prepared.at_most_once ? 1L : 0L;
    return SET(CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1)) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long)ELG_ACTIVITY_MS_MAX) &&
           SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)http->request.body_bytes_max + 1) &&
           SET(CURLOPT_FRESH_CONNECT, fresh) && SET(CURLOPT_FORBID_REUSE, fresh);
}

enum elg_status elg__http_hop(struct elg_http *http, struct elg_error *error)
{
    struct elg_http_origin origin;
    CURL *easy = http->easy;
    enum elg_status status = elg__http_request_origin(&http->request, &origin);
    if (status != ELG_OK)
        return elg_base_no_memory(error);
    enum elg_net_answer answer = elg__net_check_host(http->net, origin.host, origin.port);
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
