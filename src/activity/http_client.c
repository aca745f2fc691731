/* http_client: one libcurl multi handle, driven by the performer's epoll set. Uses
 * libcurl. Must not know requests. */
#include "activity/curl.h"
#include "activity/internal.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define FINISHED_MAX (4 * ELG_HTTP_TRANSFERS_MAX) /* of one poll */

/* libcurl says which events it wants of a socket. A socket that it closes by itself has
 * left the set already, so a failed removal means nothing. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *known)
{
    struct elg_performer *performer = self;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(performer->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        event.events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        event.events |= EPOLLOUT;
    (void)known;
    if (epoll_ctl(performer->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0 &&
        epoll_ctl(performer->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return -1;
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *self)
{
    struct elg_performer *performer = self;
    (void)multi;
    performer->http.due_us =
        timeout_ms < 0 ? INT64_MAX : elg__now_us(performer) + (int64_t)timeout_ms * 1000;
    elg__performer_arm(performer);
    return 0;
}

/* A quarter of the descriptors that this process may have, in bounds. */
static long connections_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur / 4 > ELG_HTTP_CONNECTIONS_MAX)
        return ELG_HTTP_CONNECTIONS_MAX;
    return limit.rlim_cur < 64 ? 16 : (long)(limit.rlim_cur / 4);
}

static bool configure(CURLM *multi, struct elg_performer *performer)
{
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, performer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, performer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections_max()) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                             (long)ELG_HTTP_IDLE_CONNECTIONS_MAX) == CURLM_OK;
}

enum elg_status elg__http_client_open(struct elg_performer *performer,
                                      struct elg_error *error)
{
    if (performer->http.multi != NULL)
        return ELG_OK;
    enum elg_status status = elg__curl_load(error);
    if (status != ELG_OK)
        return status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return elg_base_fail(error, ELG_IO, "libcurl", "cannot be initialised");
    CURLM *multi = curl_multi_init();
    if (multi == NULL || !configure(multi, performer)) {
        curl_multi_cleanup(multi);
        curl_global_cleanup();
        return elg_base_no_memory(error);
    }
    performer->http.multi = multi;
    performer->http.ca_file = getenv("SSL_CERT_FILE");
    performer->http.ca_folder = getenv("SSL_CERT_DIR");
    return ELG_OK;
}

void elg__http_client_close(struct elg_performer *performer)
{
    struct elg_http_client *client = &performer->http;
    if (client->multi == NULL)
        return;
    while (client->idle_count > 0)
        curl_easy_cleanup(client->idle[--client->idle_count]);
    curl_multi_cleanup(client->multi);
    client->multi = NULL;
    curl_global_cleanup();
}

void *elg__http_client_take(struct elg_performer *performer)
{
    struct elg_http_client *client = &performer->http;
    if (client->idle_count > 0)
        return client->idle[--client->idle_count];
    return curl_easy_init();
}

void elg__http_client_give(struct elg_performer *performer, void *easy)
{
    struct elg_http_client *client = &performer->http;
    if (client->idle_count < ELG_HTTP_IDLE_HANDLES_MAX) {
        curl_easy_reset(easy);
        client->idle[client->idle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

void elg__http_client_socket(struct elg_performer *performer, int fd, uint32_t events)
{
    int mask = 0, running;
    if (events & EPOLLIN)
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        mask |= CURL_CSELECT_ERR;
    (void)curl_multi_socket_action(performer->http.multi, fd, mask, &running);
}

/* libcurl sets its next wish while this runs. */
void elg__http_client_timeout(struct elg_performer *performer)
{
    int running;
    performer->http.due_us = INT64_MAX;
    if (performer->http.multi != NULL)
        (void)curl_multi_socket_action(performer->http.multi, CURL_SOCKET_TIMEOUT, 0,
                                       &running);
}

/* `done` of one may cancel another, whose message libcurl then drops: so each message is
 * asked for afresh. */
void elg__http_client_finish(struct elg_performer *performer)
{
    for (int i = 0; i < FINISHED_MAX && performer->http.multi != NULL; i++) {
        int left;
        CURLMsg *message = curl_multi_info_read(performer->http.multi, &left);
        if (message == NULL)
            return;
        struct elg_operation *op = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&op) ==
                CURLE_OK &&
            op != NULL)
            elg__http_finished(op, (int)code);
    }
}
