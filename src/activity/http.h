/* http.h: one ctx.http call under way, as http.c, http_hop.c and http_outcome.c share it.
 *
 * 1. Nothing is sent to a host or address that --allow-net does not allow: the URL is
 *    judged before names are resolved, each address before a socket is opened, the peer
 *    again before the request is sent (kept connections).
 * 2. `sent` is true from just before the first byte of a request may leave (I7).
 * 3. No text that leaves here holds a secret: each is redacted (I14).
 * 4. A call is queued, then transferring, then gone; both are on the performer's list,
 * and its deadline counts from the start.
 */
#ifndef ELG_ACTIVITY_HTTP_H
#define ELG_ACTIVITY_HTTP_H

#include "activity/curl.h"

#include "activity/internal.h"

struct elg_http {
    struct elg_operation op; /* first */
    struct elg_http *queue_prev, *queue_next;
    struct elg_prepared prepared; /* one reference of ours to its request */
    struct elg_http_request request;
    struct elg_http_response response;
    struct elg_secrets secrets;
    CURL *easy;
    struct curl_slist *lines;
    const struct elg_net *net; /* NULL: every host */
    bool queued, transferring;
    bool sent;
    bool by_peer;        /* the address decides */
    bool denied, opened; /* in this hop: an address was refused, one was not */
    const char *code;    /* set by a callback that ended the transfer */
    uint32_t timeout_ms;
    uint32_t redirects;
    char detail[CURL_ERROR_SIZE];
};

/* Readies http->easy for request->url. ELG_DENIED, ELG_NO_MEMORY. */
enum elg_status elg__http_hop(struct elg_http *http, struct elg_error *error);

/* Takes it off every list and frees it; no `done`. */
void elg__http_end(struct elg_http *http);

/* End the call with its outcome: `done` is called, http is gone. */
void elg__http_fail(struct elg_http *http, const char *code, const char *text);
void elg__http_fail_status(struct elg_http *http, enum elg_status status,
                           const struct elg_error *error);
void elg__http_fail_transfer(struct elg_http *http, CURLcode result);
void elg__http_succeed(struct elg_http *http, long status);

#endif
