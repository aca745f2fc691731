/* children_take: taking up the children of runs in hand, as many as there is room for.
 * Uses children.h, claimed.h.
 */
#include <stdio.h>
#include <string.h>

#include "host/children.h"
#include "host/claimed.h"
#include "host/public.h"

static bool to_take(const struct elg_wait *wait)
{
    return elg__child_is(wait, ELG_WAIT_STARTED) && !wait->offered && !wait->taken_up;
}

/* `unnamed`: of those that no batch has named. */
static struct elg_wait *next_to_take(struct elg_host_run *hr, bool unnamed)
{
    for (uint32_t i = 0; i < hr->wait_count && !hr->lost; i++) {
        struct elg_wait *wait = &hr->waits[i];
        if (to_take(wait) && !(unnamed && wait->named))
            return wait;
    }
    return NULL;
}

/* One that ended meanwhile answers the call; one that another process executes tells of
 * its end by its signal. */
static void take_up(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    struct elg_host *host = hr->host;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    struct elg_error error;
    wait->taken_up = true;
    elg__child_trace(hr, &wait->prepared.key, trace_id);
    if (elg__run_find(host, trace_id) != NULL)
        return;
    enum elg_status status = elg__run_resume(host, trace_id, &error);
    if (status == ELG_BUSY)
        return;
    if (status == ELG_NOT_FOUND) {
        elg__child_refuse(wait, "NOT_FOUND", "the child run was removed from the store");
        return;
    }
    if (status != ELG_OK) {
        elg__turn_lose(hr, &error);
        return;
    }
    if (elg__run_find(host, trace_id) != NULL)
        return;
    elg__wait_look(hr); /* it has ended: mostly its signal is there */
    for (uint32_t i = 0; i < hr->wait_count && !hr->lost; i++)
        if (&hr->waits[i] == wait && elg__child_is(wait, ELG_WAIT_STARTED))
            elg__child_settle(wait, 0); /* an earlier attempt consumed it */
}

/* Those of a run that can be claimed in one transaction; the others are left to take_up,
 * which tells why they cannot. */
struct batch {
    struct elg_host_run *parent;
    struct elg_wait *waits[ELG_CLAIM_BATCH_RUNS_MAX];
    char trace_ids[ELG_CLAIM_BATCH_RUNS_MAX][ELG_TRACE_BYTES_MAX + 1];
    size_t count;
    struct elg_run_row rows[ELG_CLAIM_BATCH_RUNS_MAX];
    size_t row_count;
};

static void batch_fill(struct batch *batch, size_t max)
{
    struct elg_host_run *hr = batch->parent;
    for (uint32_t i = 0; i < hr->wait_count && batch->count < max; i++) {
        struct elg_wait *wait = &hr->waits[i];
        char *trace_id = batch->trace_ids[batch->count];
        if (!to_take(wait) || wait->named)
            continue;
        elg__child_trace(hr, &wait->prepared.key, trace_id);
        if (elg__run_find(hr->host, trace_id) != NULL)
            continue;
        wait->named = true;
        batch->waits[batch->count++] = wait;
    }
}

static void batch_claim(struct batch *batch)
{
    struct elg_error error;
    struct elg_host *host = batch->parent->host;
    const char *trace_ids[ELG_CLAIM_BATCH_RUNS_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        trace_ids[i] = batch->trace_ids[i];
        elg__claimed_drop(host, trace_ids[i]);
    }
    elg__claimed_back_all(host);
    host->lapses_claimed = elg_checkpoint_lease_lapses(host->store);
    elg_checkpoint_claim_named(host->store, trace_ids, batch->count, batch->rows,
                               &batch->row_count, &error);
}

static struct elg_wait *batch_wait(struct batch *batch, const char *trace_id)
{
    size_t i = 0;
    while (i < batch->count && strcmp(batch->trace_ids[i], trace_id) != 0)
        i++;
    return i < batch->count ? batch->waits[i] : NULL;
}

/* The parent's waits stand still meanwhile, unless it is lost. */
static void batch_load(struct batch *batch)
{
    struct elg_error error;
    struct elg_host_run *hr = batch->parent;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    for (size_t i = 0; i < batch->row_count; i++) {
        struct elg_run_row *row = &batch->rows[i];
        snprintf(trace_id, sizeof trace_id, "%s", row->trace_id);
        struct elg_wait *wait = hr->lost ? NULL : batch_wait(batch, trace_id);
        if (wait != NULL)
            wait->taken_up = true;
        if (wait == NULL) {
            elg_checkpoint_hand_back(hr->host->store, trace_id, true);
        } else if (elg_checkpoint_fetch(hr->host->store, row, &error) != ELG_OK ||
                   elg__run_take(hr->host, row, &error) != ELG_OK) {
            elg_checkpoint_hand_back(hr->host->store, trace_id, false);
            elg__turn_lose(hr, &error);
        }
        elg_checkpoint_run_row_fini(row);
    }
}

static void take_up_many(struct elg_host_run *hr, size_t max)
{
    const struct elg_alloc *alloc = hr->host->alloc;
    struct batch *batch = elg_base_calloc(alloc, sizeof *batch);
    if (batch == NULL)
        return; /* one by one, then */
    batch->parent = hr;
    batch_fill(batch, max);
    if (batch->count > 1) {
        batch_claim(batch);
        batch_load(batch);
    }
    elg_base_free(alloc, batch, sizeof *batch);
}

void elg__child_serve(struct elg_host *host)
{
    while (host->taking != NULL && !host->closing) {
        struct elg_host_run *hr = host->taking;
        size_t left = elg__claimed_room(host, true);
        if (left > 1 && next_to_take(hr, true) != NULL)
            take_up_many(hr, left);
        struct elg_wait *wait = next_to_take(hr, false);
        if (wait == NULL)
            elg__child_forget(hr);
        else if (elg__claimed_room(host, true) > 0)
            take_up(wait);
        else
            return;
    }
}
