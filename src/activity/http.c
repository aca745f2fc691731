/* http: the life of a ctx.http call: queued, transferring over its redirects, ended. Uses
 * libcurl, http_request, http_hop, http_outcome. Must not know runs. */
#include "activity/http.h"

#include <stdio.h>
#include <string.h>

/* ---- life */

static void http_destroy(struct elg_http *http)
{
    struct elg_performer *performer = http->op.performer;
    if (http->easy != NULL)
        elg__http_client_give(performer, http->easy);
    curl_slist_free_all(http->lines);
    elg__http_request_fini(&http->request);
    elg__http_response_fini(&http->response);
    elg__secrets_fini(&http->secrets);
    elg_base_blob_unref(http->prepared.request);
    elg_base_free(performer->alloc, http, sizeof *http);
}

static struct elg_http *http_create(struct elg_performer *performer,
                                    const struct elg_prepared *prepared,
                                    elg_activity_done_fn done, void *self)
{
    struct elg_http *http = elg_base_calloc(performer->alloc, sizeof *http);
    if (http == NULL)
        return NULL;
    http->op.performer = performer;
    http->op.kind = ELG_ACTIVITY_HTTP;
    http->op.done = done;
    http->op.self = self;
    http->timeout_ms = elg__timeout_ms(performer, prepared);
    http->op.due_us = elg__now_us(performer) + (int64_t)http->timeout_ms * 1000;
    http->net = performer->net;
    if (prepared->closed && http->net == NULL)
        http->net = performer->net_closed;
    http->prepared = *prepared;
    elg_base_blob_ref(http->prepared.request);
    elg__http_request_init(&http->request, performer->alloc);
    elg__http_response_init(&http->response, performer->alloc);
    elg__secrets_init(&http->secrets, performer->alloc);
    return http;
}

/* ---- the queue: first in, first out */

static void enqueue(struct elg_http *http)
{
    struct elg_http_client *client = &http->op.performer->http;
    http->queued = true;
    http->queue_prev = client->queue_last;
    if (client->queue_last != NULL)
        client->queue_last->queue_next = http;
    else
        client->queue = http;
    client->queue_last = http;
    elg__operation_link(http->op.performer, &http->op);
    elg__operation_await(&http->op);
}

static void dequeue(struct elg_http *http)
{
    struct elg_http_client *client = &http->op.performer->http;
    if (http->queue_prev != NULL)
        http->queue_prev->queue_next = http->queue_next;
    else
        client->queue = http->queue_next;
    if (http->queue_next != NULL)
        http->queue_next->queue_prev = http->queue_prev;
    else
        client->queue_last = http->queue_prev;
    http->queued = false;
    elg__operation_unlink(&http->op);
}

void elg__http_end(struct elg_http *http)
{
    struct elg_performer *performer = http->op.performer;
    if (http->queued)
        dequeue(http);
    if (http->transferring) {
        elg__operation_unlink(&http->op);
        performer->http.transfer_count--;
        (void)curl_multi_remove_handle(performer->http.multi, http->easy);
    }
    http_destroy(http);
}

void elg__http_cancel(struct elg_operation *op)
{
    struct elg_performer *performer = op->performer;
    elg__http_end((struct elg_http *)op);
    elg__performer_arm(performer); /* another may start now */
}

void elg__http_expire(struct elg_operation *op)
{
    elg__http_fail_transfer((struct elg_http *)op, CURLE_OPERATION_TIMEDOUT);
}

/* ---- redirects */

/* The value of the last head's Location, NUL behind; NULL: there is none. */
static const char *find_location(struct elg_http *http)
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

static void redirect(struct elg_http *http, long status, const char *location)
{
    struct elg_error error;
    struct elg_performer *performer = http->op.performer;
    if (http->redirects == ELG_HTTP_REDIRECTS_MAX) {
        char text[64];
        snprintf(text, sizeof text, "more than %d redirects", ELG_HTTP_REDIRECTS_MAX);
        elg__http_fail(http, "REDIRECT", text);
        return;
    }
    http->redirects++;
    enum elg_status result =
        elg__http_request_redirect(&http->request, status, location, &error);
    if (result == ELG_INVALID) {
        elg__http_fail(http, "REDIRECT", error.text);
        return;
    }
    (void)curl_multi_remove_handle(performer->http.multi, http->easy);
    if (result == ELG_OK)
        result = elg__http_hop(http, &error);
    if (result == ELG_OK &&
        curl_multi_add_handle(performer->http.multi, http->easy) != CURLM_OK)
        result = elg_base_no_memory(&error);
    if (result != ELG_OK)
        elg__http_fail_status(http, result, &error);
}

void elg__http_finished(struct elg_operation *op, int curl_code)
{
    struct elg_http *http = (struct elg_http *)op;
    long status = 0;
    if (curl_code != CURLE_OK) {
        elg__http_fail_transfer(http, (CURLcode)curl_code);
        return;
    }
    if (http->response.head_open) { /* libcurl takes half a head for a whole one */
        elg__http_fail_transfer(http, CURLE_PARTIAL_FILE);
        return;
    }
    (void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    const char *location = NULL;
    if (http->request.follow && is_redirect(status))
        location = find_location(http);
    if (location != NULL)
        redirect(http, status, location);
    else
        elg__http_succeed(http, status);
}

/* ---- start */

/* The call is neither queued nor transferring; it is the latter on success. */
static enum elg_status begin(struct elg_http *http, struct elg_error *error)
{
    struct elg_performer *performer = http->op.performer;
    http->easy = elg__http_client_take(performer);
    if (http->easy == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = elg__http_request_build(
        &http->request, performer, &http->prepared, &http->secrets, error);
    if (status == ELG_OK)
        status = elg__http_hop(http, error);
    if (status != ELG_OK)
        return status;
    if (curl_multi_add_handle(performer->http.multi, http->easy) != CURLM_OK)
        return elg_base_no_memory(error);
    http->transferring = true;
    performer->http.transfer_count++;
    elg__operation_link(performer, &http->op);
    return ELG_OK;
}

bool elg__http_can_begin(const struct elg_performer *performer)
{
    return performer->http.queue != NULL &&
           performer->http.transfer_count < ELG_HTTP_TRANSFERS_MAX;
}

void elg__http_begin_queued(struct elg_performer *performer)
{
    for (int i = 0; i < ELG_HTTP_TRANSFERS_MAX && elg__http_can_begin(performer); i++) {
        struct elg_error failure;
        struct elg_http *http = performer->http.queue;
        dequeue(http);
        enum elg_status status = begin(http, &failure);
        if (status != ELG_OK)
            elg__http_fail_status(http, status, &failure);
    }
}

enum elg_status elg__http_start(struct elg_performer *performer,
                                const struct elg_prepared *prepared,
                                elg_activity_done_fn done, void *self,
                                struct elg_operation **out, struct elg_error *error)
{
    struct elg_error failure;
    if (performer->operation_count >= ELG_OPERATIONS_MAX)
        return elg_base_fail(error, ELG_LIMIT, "http", "%d calls are under way already",
                             ELG_OPERATIONS_MAX);
    enum elg_status status = elg__http_client_open(performer, error);
    if (status != ELG_OK)
        return status;
    struct elg_http *http = http_create(performer, prepared, done, self);
    if (http == NULL)
        return elg_base_no_memory(error);
    if (performer->http.transfer_count >= ELG_HTTP_TRANSFERS_MAX ||
        performer->http.queue != NULL) {
        enqueue(http);
        *out = &http->op;
        return ELG_OK;
    }
    status = begin(http, &failure);
    if (status == ELG_OK) {
        *out = &http->op;
    } else if (status == ELG_NO_MEMORY) {
        elg__http_end(http);
        return elg_base_no_memory(error);
    } else {
        elg__http_fail_status(http, status, &failure);
    }
    return ELG_OK;
}
