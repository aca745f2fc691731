/* http_outcome: how a call ends: its value, or an error with a code of ours and a text
 * without secrets. Uses libcurl's codes. */
#include "activity/http.h"

#include <stdio.h>
#include <string.h>

/* "GET http://host:port: text", with no secret in it. */
static void write_message(struct elg_http *http, const char *text, struct elg_buf *out)
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

void elg__http_fail(struct elg_http *http, const char *code, const char *text)
{
    struct elg_performer *performer = http->op.performer;
    elg_activity_done_fn done = http->op.done;
    void *self = http->op.self;
    bool sent = http->sent;
    struct elg_buf message;
    elg_base_buf_init(&message, performer->alloc);
    write_message(http, text, &message);
    const char *shown = elg_base_buf_cstr(&message);
    elg__http_end(http);
    elg__operation_fail(performer, done, self, code, shown != NULL ? shown : "", sent);
    elg_base_buf_fini(&message);
}

void elg__http_fail_status(struct elg_http *http, enum elg_status status,
                           const struct elg_error *error)
{
    elg__http_fail(http, elg__activity_code(status), error->text);
}

void elg__http_succeed(struct elg_http *http, long status)
{
    struct elg_performer *performer = http->op.performer;
    struct elg_error error;
    struct elg_buf out;
    elg_base_error_clear(&error);
    elg_base_buf_init(&out, performer->alloc);
    enum elg_status result = elg__http_response_write(&http->response, performer, status,
                                                      &http->secrets, &out, &error);
    if (result == ELG_INVALID) {
        elg__http_fail(http, "PROTOCOL", error.text);
    } else if (result != ELG_OK) {
        elg__http_fail_status(http, result, &error);
    } else {
        elg_activity_done_fn done = http->op.done;
        void *self = http->op.self;
        elg__http_end(http);
        done(self, elg_base_buf_bytes(&out), false);
    }
    elg_base_buf_fini(&out);
}

/* libcurl's reason as ours; *text is what to say, NULL: libcurl's own detail. Details
 * that hold times are not used, so that the same failure reads the same. */
static const char *code_of(CURLcode code, const char *detail, const char **text)
{
    *text = NULL;
    /* What is no chunk is told apart from an end by the detail alone. */
    if (code == CURLE_RECV_ERROR && strstr(detail, "chunked-encoding") != NULL)
        return "PROTOCOL";
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

void elg__http_fail_transfer(struct elg_http *http, CURLcode result)
{
    const char *text = NULL;
    const char *code =
        http->code != NULL ? http->code : code_of(result, http->detail, &text);
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
    elg__http_fail(http, code, text);
}
