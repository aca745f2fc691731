/* http_redirect: where an answer of 301, 302, 303, 307 or 308 sends a request (RFC 9110
 * section 15.4; methods change as browsers and curl change them). Uses libcurl's URL
 * parser. */
#include "activity/curl.h"
#include "activity/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool same_origin(const struct elg_http_origin *a, const struct elg_http_origin *b)
{
    return a->port == b->port && strcmp(a->scheme, b->scheme) == 0 &&
           strcasecmp(a->host, b->host) == 0;
}

static void drop_headers(struct elg_http_request *request,
                         bool (*drop)(const struct elg_http_header *))
{
    struct elg_http_header **link = &request->headers;
    while (*link != NULL) {
        struct elg_http_header *header = *link;
        if (!drop(header)) {
            link = &header->next;
            continue;
        }
        *link = header->next;
        explicit_bzero(header->line, header->size);
        elg_base_free(request->alloc, header, sizeof *header + header->size + 1);
    }
}

static bool is_sensitive(const struct elg_http_header *header)
{
    return header->sensitive;
}

/* "Content-Type:" alone keeps libcurl from adding one and stays. */
static bool is_of_body(const struct elg_http_header *header)
{
    return strncasecmp(header->line, "content-", 8) == 0 &&
           header->line[header->size - 1] != ':';
}

static void change_method(struct elg_http_request *request, long status)
{
    bool post = strcmp(request->method, "POST") == 0;
    bool safe =
        strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if ((status == 303 && !safe) || ((status == 301 || status == 302) && post)) {
        strcpy(request->method, "GET");
        request->has_body = false;
        elg_base_buf_reset(&request->body);
        drop_headers(request, is_of_body);
    }
}

static enum elg_status set_location(struct elg_http_request *request,
                                    const char *location, struct elg_error *error)
{
    CURLUcode code = curl_url_set(request->url, CURLUPART_URL, location,
                                  CURLU_DISALLOW_USER | CURLU_URLENCODE);
    if (code == CURLUE_OUT_OF_MEMORY)
        return elg_base_no_memory(error);
    if (code != CURLUE_OK)
        return elg_base_fail(error, ELG_INVALID, "location",
                             "a redirect to somewhere that is no http url: %s",
                             curl_url_strerror(code));
    (void)curl_url_set(request->url, CURLUPART_FRAGMENT, NULL, 0);
    return ELG_OK;
}

static bool is_http(const struct elg_http_origin *origin)
{
    if (strcmp(origin->scheme, "http") != 0 && strcmp(origin->scheme, "https") != 0)
        return false;
    for (const char *c = origin->host; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == '%')
            return false;
    }
    return true;
}

enum elg_status elg__http_request_redirect(struct elg_http_request *request, long status,
                                           const char *location, struct elg_error *error)
{
    struct elg_http_origin before, after;
    enum elg_status result = elg__http_request_origin(request, &before);
    if (result != ELG_OK)
        return elg_base_fail(error, result, "url", "no origin");
    result = set_location(request, location, error);
    if (result == ELG_OK) {
        result = elg__http_request_origin(request, &after);
        if (result == ELG_OK && !is_http(&after))
            result = ELG_INVALID;
        if (result != ELG_OK)
            elg_base_fail(error, result, "location",
                          "a redirect to somewhere that is no http url");
        else if (!same_origin(&before, &after))
            drop_headers(request, is_sensitive);
        elg__http_origin_fini(&after);
    }
    elg__http_origin_fini(&before);
    if (result == ELG_OK)
        change_method(request, status);
    return result;
}
