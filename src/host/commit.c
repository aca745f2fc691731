/* commit: groups of turns, made durable off the loop's thread (I4).
 *
 * The committer's thread owns a batch from submit to collect and touches nothing else. A
 * batch that fails as a whole is repeated turn by turn, so that one bad run cannot hold
 * up others.
 */
#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/internal.h"

enum batch_state { BATCH_EMPTY, BATCH_HANDED, BATCH_DONE, BATCH_QUIT };

struct elg_committer {
    struct elg_host *host;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum batch_state state; /* under mutex */
    int event_fd;
    struct elg_host_run *runs[ELG_COMMIT_BATCH_TURNS_MAX];
    struct elg_turn turns[ELG_COMMIT_BATCH_TURNS_MAX];
    size_t turn_count;
    struct elg_error error; /* of the last turn that failed as a whole */
};

static void commit_batch(struct elg_committer *committer)
{
    struct elg_store *store = committer->host->store;
    elg_base_error_clear(&committer->error);
    enum elg_status status = elg_checkpoint_commit(
        store, committer->turns, committer->turn_count, &committer->error);
    if (status == ELG_OK)
        return;
    for (size_t i = 0; i < committer->turn_count; i++) {
        if (committer->turn_count > 1)
            status =
                elg_checkpoint_commit(store, &committer->turns[i], 1, &committer->error);
        if (status != ELG_OK)
            committer->turns[i].result = status;
    }
}

static void *work(void *self)
{
    struct elg_committer *committer = self;
    pthread_mutex_lock(&committer->mutex);
    while (committer->state != BATCH_QUIT) {
        if (committer->state != BATCH_HANDED) {
            pthread_cond_wait(&committer->changed, &committer->mutex);
            continue;
        }
        pthread_mutex_unlock(&committer->mutex);
        commit_batch(committer);
        pthread_mutex_lock(&committer->mutex);
        committer->state = BATCH_DONE;
        pthread_cond_broadcast(&committer->changed);
        uint64_t one = 1;
        ssize_t written = write(committer->event_fd, &one, sizeof one);
        (void)written; /* a full counter is readable all the same */
    }
    pthread_mutex_unlock(&committer->mutex);
    return NULL;
}

enum elg_status elg__committer_create(struct elg_host *host, struct elg_committer **out,
                                      struct elg_error *error)
{
    struct elg_committer *committer = elg_base_calloc(host->alloc, sizeof *committer);
    if (committer == NULL)
        return elg_base_no_memory(error);
    committer->host = host;
    pthread_mutex_init(&committer->mutex, NULL);
    pthread_cond_init(&committer->changed, NULL);
    committer->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (committer->event_fd >= 0)
        committer->started =
            pthread_create(&committer->thread, NULL, work, committer) == 0;
    if (!committer->started) {
        elg__committer_destroy(committer);
        return elg_base_fail(error, ELG_IO, "committer", "no thread or descriptor left");
    }
    *out = committer;
    return ELG_OK;
}

void elg__committer_destroy(struct elg_committer *committer)
{
    if (committer == NULL)
        return;
    if (committer->started) {
        pthread_mutex_lock(&committer->mutex);
        assert(committer->state == BATCH_EMPTY);
        committer->state = BATCH_QUIT;
        pthread_cond_broadcast(&committer->changed);
        pthread_mutex_unlock(&committer->mutex);
        pthread_join(committer->thread, NULL);
    }
    if (committer->event_fd >= 0)
        close(committer->event_fd);
    pthread_cond_destroy(&committer->changed);
    pthread_mutex_destroy(&committer->mutex);
    elg_base_free(committer->host->alloc, committer, sizeof *committer);
}

int elg__committer_fd(const struct elg_committer *committer)
{
    return committer->event_fd;
}

bool elg__commit_idle(const struct elg_committer *committer)
{
    return committer->turn_count == 0;
}

void elg__commit_want(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    if (hr->wanted || hr->in_flight)
        return;
    hr->wanted = true;
    hr->want_next = NULL;
    if (host->want_tail != NULL)
        host->want_tail->want_next = hr;
    else
        host->want_head = hr;
    host->want_tail = hr;
    host->want_count++;
}

void elg__commit_unwant(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    struct elg_host_run **link = &host->want_head, *last = NULL;
    if (!hr->wanted)
        return;
    while (*link != hr) {
        last = *link;
        link = &last->want_next;
    }
    *link = hr->want_next;
    if (host->want_tail == hr)
        host->want_tail = last;
    host->want_count--;
    hr->wanted = false;
}

/* ---- a batch's way back
 * ------------------------------------------------------------------ */

/* All that the run has recorded is durable: what waited for that may go on. */
static void settle(struct elg_host_run *hr)
{
    if (hr->run->phase == ELG_PHASE_ENDED) {
        elg__run_forget(hr);
        return;
    }
    if (hr->host->closing)
        return; /* no new effect starts any more */
    elg__call_release(hr);
    if (!hr->gated)
        return;
    hr->gated = false;
    if (hr->run->phase == ELG_PHASE_RETRY)
        elg__loop_arm(hr);
    else
        elg__loop_ready(hr);
}

static void finish_turn(struct elg_committer *committer, struct elg_host_run *hr,
                        enum elg_status result)
{
    struct elg_host *host = committer->host;
    hr->in_flight = false;
    elg_executor_turn_fini(host->alloc, &hr->turn, &hr->turn_row);
    if (result != ELG_OK) {
        struct elg_error error = committer->error;
        if (error.status != result)
            elg_base_fail(&error, result, hr->run->row.trace_id,
                          "the store refused the run's records (%s)",
                          elg_status_name(result));
        if (result == ELG_IO || result == ELG_FULL || result == ELG_NO_MEMORY)
            host->commit_error = error;
        elg__release_clear(hr, &hr->turn_releases);
        elg__turn_lose(hr, &error);
        return;
    }
    elg__release_tell(hr, &hr->turn_releases);
    if (hr->lost)
        elg__run_forget(hr);
    else if (elg_executor_dirty(hr->run))
        elg__commit_want(hr);
    else
        settle(hr);
}

static void finish_batch(struct elg_committer *committer)
{
    size_t count = committer->turn_count;
    committer->turn_count = 0;
    for (size_t i = 0; i < count; i++)
        finish_turn(committer, committer->runs[i], committer->turns[i].result);
}

void elg__commit_collect(struct elg_host *host)
{
    struct elg_committer *committer = host->committer;
    if (committer->turn_count == 0)
        return;
    pthread_mutex_lock(&committer->mutex);
    bool done = committer->state == BATCH_DONE;
    if (done)
        committer->state = BATCH_EMPTY;
    pthread_mutex_unlock(&committer->mutex);
    if (!done)
        return;
    uint64_t count;
    ssize_t got = read(committer->event_fd, &count, sizeof count);
    (void)got;
    finish_batch(committer);
}

/* ---- a batch's way out
 * ------------------------------------------------------------------- */

static struct elg_host_run *want_pop(struct elg_host *host)
{
    struct elg_host_run *hr = host->want_head;
    if (hr == NULL)
        return NULL;
    host->want_head = hr->want_next;
    if (host->want_head == NULL)
        host->want_tail = NULL;
    host->want_count--;
    hr->wanted = false;
    return hr;
}

static void fill_batch(struct elg_host *host)
{
    struct elg_committer *committer = host->committer;
    while (committer->turn_count < ELG_COMMIT_BATCH_TURNS_MAX) {
        struct elg_host_run *hr = want_pop(host);
        if (hr == NULL)
            break;
        struct elg_error error;
        if (elg_executor_take(hr->run, &hr->turn, &hr->turn_row, &error) != ELG_OK) {
            elg__turn_lose(hr, &error);
            continue;
        }
        hr->in_flight = true;
        elg__release_move(hr, &hr->releases, &hr->turn_releases);
        committer->runs[committer->turn_count] = hr;
        committer->turns[committer->turn_count++] = hr->turn;
    }
    host->steps_unsubmitted = 0;
}

void elg__commit_submit(struct elg_host *host, bool may_wait)
{
    struct elg_committer *committer = host->committer;
    if (committer->turn_count > 0 || host->want_head == NULL)
        return;
    fill_batch(host);
    if (committer->turn_count == 0)
        return;
    if (may_wait) {
        commit_batch(committer);
        finish_batch(committer);
        return;
    }
    pthread_mutex_lock(&committer->mutex);
    committer->state = BATCH_HANDED;
    pthread_cond_broadcast(&committer->changed);
    pthread_mutex_unlock(&committer->mutex);
}

static void wait_for_batch(struct elg_committer *committer)
{
    pthread_mutex_lock(&committer->mutex);
    while (committer->state == BATCH_HANDED)
        pthread_cond_wait(&committer->changed, &committer->mutex);
    pthread_mutex_unlock(&committer->mutex);
}

void elg__commit_drain(struct elg_host *host)
{
    while (host->committer->turn_count > 0 || host->want_head != NULL) {
        if (host->committer->turn_count > 0)
            wait_for_batch(host->committer);
        elg__commit_collect(host);
        elg__commit_submit(host, true);
    }
}
