/* performer: the calls under way, and the one descriptor that tells when to look at them.
 * Provides the perform section of activity.h. Uses http, call, artifact_call for the
 * work.
 *
 * The descriptor is an epoll set of libcurl's sockets and one timer. The timer stands at
 * whatever is due first: libcurl's wish, a call's deadline, or now when a host activity
 * was completed.
 */
#include "activity/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <errno.h>

/* ---- operations */

void elg__operation_link(struct elg_performer *performer, struct elg_operation *op)
{
    op->performer = performer;
    op->prev = NULL;
    op->next = performer->operations;
    if (op->next != NULL)
        op->next->prev = op;
    performer->operations = op;
    performer->operation_count++;
    elg__performer_arm(performer);
}

void elg__operation_unlink(struct elg_operation *op)
{
    if (op->performer->cursor == op)
        op->performer->cursor = op->next;
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        op->performer->operations = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
    op->prev = op->next = NULL;
    op->awaited = false;
    if (--op->performer->operation_count == 0)
        elg__performer_arm(op->performer);
}

void elg__operation_await(struct elg_operation *op)
{
    op->awaited = true;
    if (op->due_us >= op->performer->due_us)
        return;
    op->performer->due_us = op->due_us;
    elg__performer_arm(op->performer);
}

/* One pass. A `done` in it may start calls, which stand before the cursor and lower
 * due_us themselves, and cancel any: unlinking moves the cursor on. */
static void expire_late(struct elg_performer *performer, int64_t now_us)
{
    int64_t due_us = INT64_MAX;
    performer->due_us = INT64_MAX;
    performer->cursor = performer->operations;
    while (performer->cursor != NULL) {
        struct elg_operation *op = performer->cursor;
        performer->cursor = op->next;
        if (!op->awaited)
            continue;
        if (op->due_us > now_us)
            due_us = op->due_us < due_us ? op->due_us : due_us;
        else if (op->kind == ELG_ACTIVITY_HTTP)
            elg__http_expire(op);
        else
            elg__call_expire(op);
    }
    if (due_us < performer->due_us)
        performer->due_us = due_us;
}

void elg__operation_fail(struct elg_performer *performer, elg_activity_done_fn done,
                         void *self, const char *code, const char *message,
                         bool maybe_happened)
{
    struct elg_buf out;
    elg_base_buf_init(&out, performer->alloc);
    elg_activity_write_error(&out, code, message);
    if (out.failed)
        done(self,
             elg_base_bytes("{\"error\":{\"code\":\"NO_MEMORY\",\"message\":\"out of "
                            "memory for an error\"}}"),
             maybe_happened);
    else
        done(self, elg_base_buf_bytes(&out), maybe_happened);
    elg_base_buf_fini(&out);
}

const char *elg__activity_code(enum elg_status status)
{
    switch (status) {
    case ELG_INVALID:
        return "INVALID_REQUEST";
    case ELG_DENIED:
        return "NET_DENIED";
    case ELG_LIMIT:
        return "TOO_LARGE";
    default:
        return elg_status_name(status) + sizeof "ELG_" - 1;
    }
}

uint32_t elg__timeout_ms(const struct elg_performer *performer,
                         const struct elg_prepared *prepared)
{
    return prepared->timeout_ms != 0 ? prepared->timeout_ms : performer->timeout_ms;
}

int64_t elg__now_us(const struct elg_performer *performer)
{
    return elg_base_monotonic_us(performer->clock);
}

/* ---- life */

static enum elg_status open_descriptors(struct elg_performer *performer,
                                        struct elg_error *error)
{
    performer->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    performer->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = performer->timer_fd};
    if (performer->epoll_fd < 0 || performer->timer_fd < 0 ||
        epoll_ctl(performer->epoll_fd, EPOLL_CTL_ADD, performer->timer_fd, &event) != 0)
        return elg_base_fail(error, ELG_IO, "activity", "no descriptor for events: %s",
                             strerror(errno));
    return ELG_OK;
}

static enum elg_status open_net(struct elg_performer *performer, const char *const *rules,
                                struct elg_error *error)
{
    static const char *const NONE[] = {NULL};
    if (rules != NULL)
        return elg__net_create(performer->alloc, rules, &performer->net, error);
    return elg__net_create(performer->alloc, NONE, &performer->net_closed, error);
}

static enum elg_status open_parts(struct elg_performer *performer,
                                  const struct elg_performer_options *options,
                                  struct elg_error *error)
{
    performer->sha = elg_base_sha256_create(performer->alloc);
    if (performer->sha == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = open_descriptors(performer, error);
    if (status == ELG_OK)
        status = open_net(performer, options->allow_net, error);
    if (status == ELG_OK)
        status = elg__artifacts_create(performer->alloc, options->artifact_source,
                                       options->artifacts, options->random,
                                       &performer->artifacts, error);
    return status;
}

enum elg_status elg_activity_performer_create(const struct elg_performer_options *options,
                                              struct elg_performer **out,
                                              struct elg_error *error)
{
    const struct elg_alloc *alloc =
        options->alloc != NULL ? options->alloc : elg_base_alloc_default();
    struct elg_performer *performer = elg_base_calloc(alloc, sizeof *performer);
    if (performer == NULL)
        return elg_base_no_memory(error);
    performer->alloc = alloc;
    performer->clock = options->clock;
    performer->random = options->random;
    performer->timeout_ms =
        options->timeout_ms != 0 ? options->timeout_ms : ELG_ACTIVITY_MS_DEFAULT;
    performer->body_bytes_max =
        options->body_bytes_max != 0 ? options->body_bytes_max : ELG_HTTP_BODY_BYTES_MAX;
    performer->secret = options->secret;
    performer->secret_self = options->secret_self;
    performer->epoll_fd = performer->timer_fd = -1;
    performer->armed_us = performer->http.due_us = performer->due_us = INT64_MAX;
    enum elg_status status = open_parts(performer, options, error);
    if (status != ELG_OK) {
        elg_activity_performer_destroy(performer);
        return status;
    }
    *out = performer;
    return ELG_OK;
}

void elg_activity_performer_destroy(struct elg_performer *performer)
{
    if (performer == NULL)
        return;
    while (performer->operations != NULL)
        elg_activity_cancel(performer, performer->operations);
    elg__http_client_close(performer);
    elg__call_unregister_all(performer);
    elg__artifacts_destroy(performer->artifacts);
    elg__net_destroy(performer->net_closed);
    elg__net_destroy(performer->net);
    if (performer->timer_fd >= 0)
        close(performer->timer_fd);
    if (performer->epoll_fd >= 0)
        close(performer->epoll_fd);
    elg_base_sha256_destroy(performer->sha);
    elg_base_free(performer->alloc, performer, sizeof *performer);
}

/* ---- starting and cancelling */

enum elg_status elg_activity_start(struct elg_performer *performer,
                                   const struct elg_prepared *prepared,
                                   const char *trace_id, elg_activity_done_fn done,
                                   void *self, struct elg_operation **out,
                                   struct elg_error *error)
{
    (void)trace_id;
    *out = NULL;
    switch (prepared->kind) {
    case ELG_ACTIVITY_HTTP:
        return elg__http_start(performer, prepared, done, self, out, error);
    case ELG_ACTIVITY_CALL:
        return elg__call_start(performer, prepared, done, self, out, error);
    case ELG_ACTIVITY_ARTIFACT_WRITE:
    case ELG_ACTIVITY_ARTIFACT_READ:
        return elg__artifact_start(performer, prepared, done, self, error);
    case ELG_ACTIVITY_NOW:
    case ELG_ACTIVITY_SLEEP:
    case ELG_ACTIVITY_SETTLE:
    case ELG_ACTIVITY_WAIT:
    case ELG_ACTIVITY_RUN:
        break;
    }
    return elg_base_fail(error, ELG_INTERNAL, elg_activity_type_name(prepared->kind),
                         "is not performed here");
}

void elg_activity_cancel(struct elg_performer *performer, struct elg_operation *operation)
{
    (void)performer;
    if (operation->kind == ELG_ACTIVITY_HTTP)
        elg__http_cancel(operation);
    else
        elg__call_cancel(operation);
}

size_t elg_activity_under_way(const struct elg_performer *performer)
{
    return performer->operation_count;
}

/* ---- events */

int elg_activity_poll_fd(const struct elg_performer *performer)
{
    return performer->epoll_fd;
}

void elg__performer_arm(struct elg_performer *performer)
{
    int64_t due_us = performer->http.due_us < performer->due_us ? performer->http.due_us
                                                                : performer->due_us;
    if (performer->completed != NULL || elg__http_can_begin(performer))
        due_us = 0;
    if (performer->operation_count == 0)
        due_us = INT64_MAX; /* quiet: nobody polls then */
    if (due_us == performer->armed_us)
        return;
    struct itimerspec when;
    memset(&when, 0, sizeof when);
    if (due_us != INT64_MAX) {
        int64_t wait_us = due_us - elg__now_us(performer);
        if (wait_us < 0)
            wait_us = 0;
        when.it_value.tv_sec = wait_us / 1000000;
        when.it_value.tv_nsec = wait_us % 1000000 * 1000 + 1; /* 0 would disarm it */
    }
    if (timerfd_settime(performer->timer_fd, 0, &when, NULL) == 0)
        performer->armed_us = due_us;
}

static void handle(struct elg_performer *performer, const struct epoll_event *event)
{
    if (event->data.fd != performer->timer_fd) {
        elg__http_client_socket(performer, event->data.fd, event->events);
        return;
    }
    uint64_t expirations;
    if (read(performer->timer_fd, &expirations, sizeof expirations) > 0)
        performer->armed_us = INT64_MAX;
}

void elg_activity_poll(struct elg_performer *performer)
{
    struct epoll_event events[ELG_POLL_EVENTS];
    int count = ELG_POLL_EVENTS;
    for (int round = 0; round < ELG_POLL_ROUNDS_MAX && count == ELG_POLL_EVENTS;
         round++) {
        count = epoll_wait(performer->epoll_fd, events, ELG_POLL_EVENTS, 0);
        for (int i = 0; i < count; i++)
            handle(performer, &events[i]);
    }
    if (performer->http.due_us <= elg__now_us(performer))
        elg__http_client_timeout(performer);
    elg__http_client_finish(performer);
    elg__call_poll(performer);
    int64_t now_us = elg__now_us(performer);
    if (performer->due_us <= now_us)
        expire_late(performer, now_us);
    elg__http_begin_queued(performer);
    elg__performer_arm(performer);
}
