/* loop: which run goes next, and when: the ready queue, the timers, the tick.
 * Provides elg_host_tick and elg_host_poll_fd. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "host/claimed.h"
#include "host/internal.h"
#include "host/public.h"

#define STEPS_PER_SUBMIT 64 /* pure steps executed before a batch is handed over */
#define TURNS_PER_POLL 16   /* turns between two looks at the descriptors */

/* ---- ready queue
 * ------------------------------------------------------------------------- */

void elg__loop_ready(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    elg__wait_idle(hr, false);
    if (hr->ready)
        return;
    hr->ready = true;
    hr->ready_next = NULL;
    if (host->ready_tail != NULL)
        host->ready_tail->ready_next = hr;
    else
        host->ready_head = hr;
    host->ready_tail = hr;
    host->ready_count++;
}

void elg__loop_ready_first(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    elg__wait_idle(hr, false);
    if (hr->ready)
        return;
    hr->ready = true;
    hr->ready_next = host->ready_head;
    if (host->ready_head == NULL)
        host->ready_tail = hr;
    host->ready_head = hr;
    host->ready_count++;
}

static struct elg_host_run *ready_pop(struct elg_host *host)
{
    struct elg_host_run *hr = host->ready_head;
    if (hr == NULL)
        return NULL;
    host->ready_head = hr->ready_next;
    if (host->ready_head == NULL)
        host->ready_tail = NULL;
    hr->ready = false;
    host->ready_count--;
    return hr;
}

static void ready_remove(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    struct elg_host_run **link = &host->ready_head, *last = NULL;
    if (!hr->ready)
        return;
    while (*link != hr) {
        last = *link;
        link = &last->ready_next;
    }
    *link = hr->ready_next;
    if (host->ready_tail == hr)
        host->ready_tail = last;
    hr->ready = false;
    host->ready_count--;
}

/* ---- timers: a binary heap by due_us
 * ----------------------------------------------------- */

static void heap_put(struct elg_host *host, size_t i, struct elg_host_run *hr)
{
    host->heap[i] = hr;
    hr->heap_index = i;
}

static void heap_up(struct elg_host *host, size_t i)
{
    struct elg_host_run *hr = host->heap[i];
    while (i > 0 && host->heap[(i - 1) / 2]->due_us > hr->due_us) {
        heap_put(host, i, host->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(host, i, hr);
}

static void heap_down(struct elg_host *host, size_t i)
{
    struct elg_host_run *hr = host->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= host->heap_count)
            break;
        if (child + 1 < host->heap_count &&
            host->heap[child + 1]->due_us < host->heap[child]->due_us)
            child++;
        if (host->heap[child]->due_us >= hr->due_us)
            break;
        heap_put(host, i, host->heap[child]);
        i = child;
    }
    heap_put(host, i, hr);
}

void elg__loop_disarm(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    size_t i = hr->heap_index;
    if (i == SIZE_MAX)
        return;
    hr->heap_index = SIZE_MAX;
    struct elg_host_run *last = host->heap[--host->heap_count];
    if (last == hr)
        return;
    heap_put(host, i, last);
    heap_up(host, i);
    heap_down(host, last->heap_index);
}

static bool heap_add(struct elg_host_run *hr, int64_t due_us)
{
    struct elg_host *host = hr->host;
    elg__loop_disarm(hr);
    if (host->heap_count == host->heap_capacity) {
        size_t grown = host->heap_capacity ? host->heap_capacity * 2 : 64;
        void *heap = elg_base_realloc(host->alloc, host->heap,
                                      host->heap_capacity * sizeof *host->heap,
                                      grown * sizeof *host->heap);
        if (heap == NULL)
            return false;
        host->heap = heap;
        host->heap_capacity = grown;
    }
    hr->due_us = due_us;
    heap_put(host, host->heap_count++, hr);
    heap_up(host, hr->heap_index);
    return true;
}

/* The monotonic time of a wall clock time, as of now; looked at again when it fires. */
static int64_t monotonic_of(struct elg_host *host, int64_t due_ms)
{
    int64_t left_ms = due_ms - elg_base_wall_ms(host->clock);
    if (left_ms < 0)
        left_ms = 0;
    if (left_ms > 3600 * 1000)
        left_ms = 3600 * 1000; /* the wall clock may be set: look at least once an hour */
    return elg_base_monotonic_us(host->clock) + left_ms * 1000;
}

static int64_t earliest_us(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    int64_t due_us = INT64_MAX, due_ms = elg__call_next_due_ms(hr);
    if (hr->run->phase == ELG_PHASE_RETRY)
        due_ms = hr->run->row.due_ms;
    if (hr->limits.run_timeout_ms > 0 && hr->run->row.started_at_ms > 0) {
        int64_t end_ms = hr->run->row.started_at_ms + hr->limits.run_timeout_ms;
        if (end_ms < due_ms)
            due_ms = end_ms;
    }
    if (due_ms != INT64_MAX)
        due_us = monotonic_of(host, due_ms);
    if (hr->calls_in_flight > 0) {
        int64_t left_us = (int64_t)hr->timeout_ms * 1000 - hr->used_us;
        if (hr->calls_since_us + left_us < due_us)
            due_us = hr->calls_since_us + left_us;
    }
    return due_us;
}

void elg__loop_arm(struct elg_host_run *hr)
{
    int64_t due_us = earliest_us(hr);
    if (due_us == INT64_MAX) {
        elg__loop_disarm(hr);
        return;
    }
    if (heap_add(hr, due_us))
        return;
    struct elg_error error;
    elg_base_no_memory(&error);
    elg__turn_lose(hr, &error);
}

void elg__loop_forget(struct elg_host_run *hr)
{
    ready_remove(hr);
    elg__loop_disarm(hr);
}

/* A run's timer fired: find out which of its times has come. */
static void fire(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    int64_t wall_ms = elg_base_wall_ms(host->clock);
    int64_t now_us = elg_base_monotonic_us(host->clock);
    int64_t started_ms = hr->run->row.started_at_ms;
    elg__loop_disarm(hr);
    if (hr->limits.run_timeout_ms > 0 && started_ms > 0 &&
        wall_ms >= started_ms + hr->limits.run_timeout_ms) {
        elg__turn_stop(hr, ELG_RUN_TIMEOUT, "RUN_TIMEOUT", "the run's time was over",
                       NULL);
        return;
    }
    if (hr->calls_in_flight > 0 &&
        hr->used_us + now_us - hr->calls_since_us >= (int64_t)hr->timeout_ms * 1000) {
        elg__turn_call_timeout(hr);
        return;
    }
    if (hr->run->phase == ELG_PHASE_RETRY && wall_ms >= hr->run->row.due_ms) {
        elg__loop_ready(hr);
        return;
    }
    elg__call_due(hr, wall_ms);
    if (!hr->ready)
        elg__loop_arm(hr);
}

static void fire_all(struct elg_host *host)
{
    if (host->heap_count == 0)
        return;
    int64_t now_us = elg_base_monotonic_us(host->clock);
    while (host->heap_count > 0 && host->heap[0]->due_us <= now_us)
        fire(host->heap[0]);
}

/* ---- aborts and signals of other processes
 * ------------------------------------------------- */

static bool abort_asked(void *self, const struct elg_run_row *row)
{
    struct elg_host_run *hr = elg__run_find(self, row->trace_id);
    if (hr != NULL) {
        hr->abort_requested = true;
        elg__loop_ready(hr);
    } else {
        elg__claimed_abort(self, row->trace_id);
    }
    return true;
}

static void poll_others(struct elg_host *host, int64_t now_us)
{
    if (host->run_count == 0 || now_us - host->abort_polled_us < ELG_HOST_ABORT_POLL_US)
        return;
    host->abort_polled_us = now_us;
    struct elg_error error;
    if (elg_checkpoint_abort_poll(host->store, abort_asked, host, &error) != ELG_OK)
        elg__outage_warn(host, ELG_ASKED_ABORTS, &error);
    else
        elg__outage_over(host, ELG_ASKED_ABORTS);
    elg__wait_poll(host);
}

/* ---- tick
 * -------------------------------------------------------------------------------- */

enum elg_status elg__loop_init(struct elg_host *host, struct elg_error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    host->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    host->timer_armed_us = INT64_MAX;
    int fds[] = {host->timer_fd, elg__committer_fd(host->committer),
                 elg_activity_poll_fd(host->performer)};
    bool ok = host->epoll_fd >= 0 && host->timer_fd >= 0;
    for (size_t i = 0; i < 3 && ok; i++) {
        event.data.fd = fds[i];
        ok = epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fds[i], &event) == 0;
    }
    if (!ok)
        return elg_base_fail(error, ELG_IO, "epoll", "%s", strerror(errno));
    return ELG_OK;
}

void elg__loop_fini(struct elg_host *host)
{
    if (host->timer_fd >= 0)
        close(host->timer_fd);
    if (host->epoll_fd >= 0)
        close(host->epoll_fd);
    elg_base_free(host->alloc, host->heap, host->heap_capacity * sizeof *host->heap);
}

/* The timer descriptor becomes readable when the next of the host's own times comes. */
static void arm_descriptor(struct elg_host *host, int64_t now_us)
{
    int64_t due_us = host->heap_count > 0 ? host->heap[0]->due_us : INT64_MAX;
    if (host->run_count > 0 && host->abort_polled_us + ELG_HOST_ABORT_POLL_US < due_us)
        due_us = host->abort_polled_us + ELG_HOST_ABORT_POLL_US;
    if (elg__serve_next_us(host) < due_us)
        due_us = elg__serve_next_us(host);
    if (host->ready_count > 0)
        due_us = now_us;
    if (due_us == host->timer_armed_us)
        return;
    host->timer_armed_us = due_us;
    struct itimerspec spec;
    memset(&spec, 0, sizeof spec);
    if (due_us != INT64_MAX) {
        int64_t at_us = due_us > 0 ? due_us : 1;
        spec.it_value.tv_sec = at_us / 1000000;
        spec.it_value.tv_nsec = at_us % 1000000 * 1000 + 1;
    }
    timerfd_settime(host->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

int elg_host_poll_fd(const struct elg_host *host)
{
    assert(host != NULL);
    return host->epoll_fd;
}

static void poll_world(struct elg_host *host)
{
    elg__commit_collect(host);
    if (elg_activity_under_way(host->performer) > 0)
        elg_activity_poll(host->performer);
    fire_all(host);
    elg__child_serve(host);
}

/* Whether the committing may be done right here: nothing else could use the time. */
static bool may_wait(const struct elg_host *host, int64_t budget_us)
{
    return budget_us >= ELG_HOST_INLINE_BUDGET_US && host->ready_count == 0 &&
           elg_activity_under_way(host->performer) == 0;
}

static void submit(struct elg_host *host, int64_t budget_us)
{
    if (host->ready_count == 0 || host->steps_unsubmitted >= STEPS_PER_SUBMIT)
        elg__commit_submit(host, may_wait(host, budget_us));
}

size_t elg_host_executing(const struct elg_host *host)
{
    assert(host != NULL);
    return host->run_count - host->ended_count - host->idle_count;
}

bool elg__loop_alive(void *self)
{
    struct elg_host *host = self;
    int64_t now_us = elg_base_monotonic_us(elg_base_clock_system());
    int64_t began_us = atomic_load(&host->tick_began_us);
    int64_t ended_us = atomic_load(&host->tick_ended_us);
    int64_t stuck_us = atomic_load(&host->stuck_us);
    if (began_us != 0)
        return now_us - began_us < stuck_us;
    if (ended_us == 0 || now_us - ended_us < stuck_us)
        return true;
    struct pollfd wants = {.fd = host->epoll_fd, .events = POLLIN};
    return poll(&wants, 1, 0) <= 0;
}

enum elg_status elg__host_tick(struct elg_host *host, int64_t budget_us, size_t *active,
                               struct elg_error *error)
{
    int64_t began_us = elg_base_monotonic_us(host->clock), now_us = began_us;
    atomic_store(&host->tick_began_us, began_us);
    uint32_t turns = 0;
    poll_others(host, now_us);
    poll_world(host);
    elg__serve(host, now_us, began_us + budget_us);
    for (;;) {
        struct elg_host_run *hr = ready_pop(host);
        if (hr != NULL)
            elg__turn(hr);
        submit(host, budget_us);
        now_us = elg_base_monotonic_us(host->clock);
        if (++turns % TURNS_PER_POLL == 0 || host->ready_count == 0)
            poll_world(host);
        if (now_us - began_us >= budget_us ||
            (host->ready_count == 0 && !elg__commit_may_submit(host)))
            break;
    }
    elg__commit_submit(host, false);
    elg__run_reap(host);
    elg__claimed_back_all(host);
    arm_descriptor(host, now_us);
    atomic_store(&host->tick_ended_us, now_us);
    atomic_store(&host->tick_began_us, 0);
    *active = host->run_count - host->idle_count + (host->taking != NULL) +
              elg__claimed_count(host);
    if (host->commit_error.status == ELG_OK)
        return ELG_OK;
    if (error != NULL)
        *error = host->commit_error;
    enum elg_status status = host->commit_error.status;
    elg_base_error_clear(&host->commit_error);
    return status;
}
