/* commit: groups of turns, made durable off the loop's thread (I4).
 *
 * The committer has two batches: one on its way to the disk and, with durability sync,
 * one that waits behind it, so that its thread goes from one to the next without the
 * loop's help. A batch belongs to the committer's thread from submit to collect. One that
 * fails as a whole is repeated turn by turn, so that one bad run cannot hold up others.
 *
 * A run has turns in both batches only if the first finishes a step: should that one
 * fail, the store refuses the second, whose count of steps no longer fits.
 */
#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/internal.h"

#define BATCHES 2

enum batch_state { BATCH_EMPTY, BATCH_HANDED, BATCH_DONE };

/* What a turn leaves behind with the loop until it is durable. */
struct entry {
    struct elg_host_run *hr;
    struct elg_run_row row;
    struct elg_release_list releases;
    uint64_t lapses; /* of the lease, as the turn went out */
};

struct batch {
    enum batch_state state; /* under mutex */
    struct entry entries[ELG_COMMIT_BATCH_TURNS_MAX];
    struct elg_turn turns[ELG_COMMIT_BATCH_TURNS_MAX];
    size_t turn_count;
    struct elg_error error; /* of the last turn that failed as a whole */
};

struct elg_committer {
    struct elg_host *host;
    pthread_t thread;
    bool started, quit; /* quit: under mutex */
    bool finishing;     /* the loop tells of a batch */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int event_fd;
    struct batch batches[BATCHES]; /* used in turn */
    size_t fill, collect; /* of the loop: the next to fill, the oldest not empty */
};

static void commit_batch(struct elg_committer *committer, struct batch *batch)
{
    struct elg_store *store = committer->host->store;
    elg_base_error_clear(&batch->error);
    enum elg_status status =
        elg_checkpoint_commit(store, batch->turns, batch->turn_count, &batch->error);
    if (status == ELG_OK)
        return;
    for (size_t i = 0; i < batch->turn_count; i++) {
        if (batch->turn_count > 1)
            status = elg_checkpoint_commit(store, &batch->turns[i], 1, &batch->error);
        if (status != ELG_OK)
            batch->turns[i].result = status;
    }
}

static void *work(void *self)
{
    struct elg_committer *committer = self;
    size_t next = 0;
    pthread_mutex_lock(&committer->mutex);
    while (!committer->quit) {
        struct batch *batch = &committer->batches[next];
        if (batch->state != BATCH_HANDED) {
            pthread_cond_wait(&committer->changed, &committer->mutex);
            continue;
        }
        pthread_mutex_unlock(&committer->mutex);
        commit_batch(committer, batch);
        pthread_mutex_lock(&committer->mutex);
        batch->state = BATCH_DONE;
        next = (next + 1) % BATCHES;
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
        assert(committer->fill == committer->collect);
        committer->quit = true;
        pthread_cond_broadcast(&committer->changed);
        pthread_mutex_unlock(&committer->mutex);
        pthread_join(committer->thread, NULL);
    }
    if (committer->event_fd >= 0)
        close(committer->event_fd);
    for (size_t i = 0; i < ELG_COMMIT_BATCH_TURNS_MAX * BATCHES; i++) {
        struct batch *batch = &committer->batches[i / ELG_COMMIT_BATCH_TURNS_MAX];
        elg__release_fini(committer->host,
                          &batch->entries[i % ELG_COMMIT_BATCH_TURNS_MAX].releases);
    }
    pthread_cond_destroy(&committer->changed);
    pthread_mutex_destroy(&committer->mutex);
    elg_base_free(committer->host->alloc, committer, sizeof *committer);
}

int elg__committer_fd(const struct elg_committer *committer)
{
    return committer->event_fd;
}

bool elg__commit_may_submit(const struct elg_host *host)
{
    const struct elg_committer *committer = host->committer;
    if (host->want_head == NULL || committer->batches[committer->fill].turn_count > 0)
        return false;
    return committer->batches[committer->collect].turn_count == 0 ||
           host->options.durability == ELG_DURABILITY_SYNC;
}

void elg__commit_want(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    elg__wait_idle(hr, false);
    if (hr->wanted || hr->in_flight == BATCHES ||
        (hr->in_flight > 0 && !hr->step_in_flight))
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

static void ungate(struct elg_host_run *hr)
{
    if (!hr->gated)
        return;
    hr->gated = false;
    if (hr->run->phase == ELG_PHASE_RETRY)
        elg__loop_arm(hr);
    else
        elg__loop_ready(hr);
}

/* All that the run has recorded is durable: what waited for that may go on. */
static void settle(struct elg_host_run *hr)
{
    if (hr->run->phase == ELG_PHASE_ENDED) {
        elg__child_ended(hr);
        return;
    }
    if (hr->host->closing)
        return; /* no new effect starts any more */
    elg__call_release(hr);
    ungate(hr);
    if (!hr->lost && !hr->ready)
        elg__serve_park(hr);
}

static void refused(struct elg_host_run *hr, const struct elg_error *why,
                    enum elg_status result)
{
    struct elg_error error = *why;
    if (error.status != result && result == ELG_EXISTS)
        elg_base_fail(&error, result, hr->run->row.trace_id,
                      "another process has begun a run of that name meanwhile; what is "
                      "shown is that one");
    else if (error.status != result)
        elg_base_fail(&error, result, hr->run->row.trace_id,
                      "the store refused the run's records (%s)",
                      elg_status_name(result));
    if (result == ELG_IO || result == ELG_FULL || result == ELG_NO_MEMORY)
        hr->host->commit_error = error;
    if (result == ELG_FENCED)
        hr->host->stale_writes++;
    elg__turn_lose(hr, &error);
}

/* With sync a run executes one step while the one before is on its way to the disk. */
static bool may_run_ahead(const struct elg_host_run *hr)
{
    return hr->host->options.durability == ELG_DURABILITY_SYNC && !hr->host->closing &&
           hr->gated && hr->step_in_flight && hr->run->phase == ELG_PHASE_READY;
}

static void finish_turn(struct batch *batch, size_t i)
{
    struct entry *entry = &batch->entries[i];
    struct elg_host_run *hr = entry->hr;
    enum elg_status result = batch->turns[i].result;
    bool was_lost = hr->lost;
    hr->in_flight--;
    elg_executor_turn_fini(hr->host->alloc, &batch->turns[i], &entry->row);
    if (result == ELG_OK) {
        hr->lapses = entry->lapses; /* its epoch was good after them (I8) */
        elg__release_tell(hr, &entry->releases);
    } else
        elg__release_clear(&entry->releases);
    if (result != ELG_OK && !was_lost)
        refused(hr, &batch->error, result);
    else if (hr->lost && hr->in_flight == 0)
        elg__run_forget(hr);
    else if (hr->lost)
        return;
    else if (elg_executor_dirty(hr->run))
        elg__commit_want(hr);
    else if (hr->in_flight == 0)
        settle(hr);
    else if (may_run_ahead(hr))
        ungate(hr);
}

uint64_t elg_host_stale_writes(const struct elg_host *host)
{
    assert(host != NULL);
    return host->stale_writes;
}

static void finish_batch(struct elg_committer *committer, struct batch *batch)
{
    committer->finishing = true;
    for (size_t i = 0; i < batch->turn_count; i++)
        finish_turn(batch, i);
    batch->turn_count = 0;
    committer->finishing = false;
}

bool elg__commit_finishing(const struct elg_committer *committer)
{
    return committer->finishing;
}

/* Takes back the oldest batch, if it is done. */
static bool collect_one(struct elg_committer *committer)
{
    struct batch *batch = &committer->batches[committer->collect];
    if (batch->turn_count == 0)
        return false;
    pthread_mutex_lock(&committer->mutex);
    bool done = batch->state == BATCH_DONE;
    if (done)
        batch->state = BATCH_EMPTY;
    pthread_mutex_unlock(&committer->mutex);
    if (!done)
        return false;
    finish_batch(committer, batch);
    committer->collect = (committer->collect + 1) % BATCHES;
    return true;
}

void elg__commit_collect(struct elg_host *host)
{
    struct elg_committer *committer = host->committer;
    if (committer->batches[committer->collect].turn_count == 0)
        return;
    uint64_t count;
    ssize_t got = read(committer->event_fd, &count, sizeof count);
    (void)got; /* before the look at the states, so that none is missed */
    while (collect_one(committer))
        continue;
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

static bool take_turn(struct batch *batch, struct elg_host_run *hr)
{
    struct elg_error error;
    struct entry *entry = &batch->entries[batch->turn_count];
    struct elg_turn *turn = &batch->turns[batch->turn_count];
    if (elg_executor_take(hr->run, turn, &entry->row, &error) != ELG_OK) {
        elg__turn_lose(hr, &error);
        return false;
    }
    entry->hr = hr;
    entry->lapses = elg_checkpoint_lease_lapses(hr->host->store);
    hr->in_flight++;
    hr->step_in_flight = entry->row.step_count > turn->step_count_before;
    elg__release_move(hr, &hr->releases, &entry->releases);
    batch->turn_count++;
    return true;
}

/* *ahead: a run goes on executing while the batch is on its way. */
static void fill_batch(struct elg_host *host, struct batch *batch, bool *ahead)
{
    while (batch->turn_count < ELG_COMMIT_BATCH_TURNS_MAX) {
        struct elg_host_run *hr = want_pop(host);
        if (hr == NULL)
            break;
        if (take_turn(batch, hr) && hr->in_flight == 1 && may_run_ahead(hr)) {
            ungate(hr);
            *ahead = true;
        }
    }
    host->steps_unsubmitted = 0;
}

void elg__commit_submit(struct elg_host *host, bool may_wait)
{
    struct elg_committer *committer = host->committer;
    struct batch *batch = &committer->batches[committer->fill];
    bool ahead = false, alone = committer->fill == committer->collect;
    if (!elg__commit_may_submit(host))
        return;
    fill_batch(host, batch, &ahead);
    if (batch->turn_count == 0)
        return;
    if (may_wait && alone && !ahead) {
        commit_batch(committer, batch);
        finish_batch(committer, batch);
        return;
    }
    committer->fill = (committer->fill + 1) % BATCHES;
    pthread_mutex_lock(&committer->mutex);
    batch->state = BATCH_HANDED;
    pthread_cond_broadcast(&committer->changed);
    pthread_mutex_unlock(&committer->mutex);
}

static void wait_for_batch(struct elg_committer *committer, size_t i)
{
    struct batch *batch = &committer->batches[i];
    pthread_mutex_lock(&committer->mutex);
    while (batch->state == BATCH_HANDED)
        pthread_cond_wait(&committer->changed, &committer->mutex);
    pthread_mutex_unlock(&committer->mutex);
}

void elg__commit_wait(struct elg_host *host)
{
    for (size_t i = 0; i < BATCHES; i++)
        wait_for_batch(host->committer, i);
}

void elg__commit_drain(struct elg_host *host)
{
    struct elg_committer *committer = host->committer;
    for (;;) {
        if (committer->batches[committer->collect].turn_count > 0)
            wait_for_batch(committer, committer->collect);
        else if (host->want_head == NULL)
            return;
        elg__commit_collect(host);
        elg__commit_submit(host, true);
    }
}
