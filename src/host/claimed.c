/* claimed: runs of the store between it and a host's hands: claimed, and handed back,
 * many in one transaction. Uses checkpoint. Knows nothing of what runs do.
 *
 * A batch is at most what there is room for, so what is claimed is taken up at once; a
 * budget of time may leave some for the next tick.
 */
#include <stdio.h>
#include <string.h>

#include "host/claimed.h"
#include "host/internal.h"

size_t elg__claimed_count(const struct elg_host *host)
{
    return host->serving.row_count - host->serving.row_next;
}

size_t elg__claimed_room(const struct elg_host *host, bool of_children)
{
    size_t max =
        host->serving.on ? host->serving.run_count_max : ELG_CHILDREN_IN_HAND_MAX;
    size_t all_max = of_children ? ELG_CONCURRENCY_MAX : max * ELG_SERVE_ENDING;
    size_t executing = elg_host_executing(host);
    if (executing >= max || host->run_count >= all_max)
        return 0;
    size_t left = max - executing;
    if (all_max - host->run_count < left)
        left = all_max - host->run_count;
    return left < ELG_CLAIM_BATCH_RUNS_MAX ? left : ELG_CLAIM_BATCH_RUNS_MAX;
}

#define TOLD_MAX 32 /* by one claim; the rest is told by those that follow */

/* Runs whose rows cannot be read, until the store may be called again. */
struct unread {
    struct elg_host *host;
    int64_t now_us;
    size_t count;
    char trace_ids[TOLD_MAX][ELG_TRACE_BYTES_MAX + 1];
    struct elg_error errors[TOLD_MAX];
};

static void note_unread(void *self, const char *trace_id, const struct elg_error *why)
{
    struct unread *unread = self;
    if (unread->count == TOLD_MAX ||
        !elg__passed_unread(unread->host, trace_id, unread->now_us))
        return;
    snprintf(unread->trace_ids[unread->count], sizeof unread->trace_ids[0], "%s",
             trace_id);
    unread->errors[unread->count++] = *why;
}

static enum elg_status claim(struct elg_host *host, struct elg_error *error)
{
    static const char *const NONE[] = {NULL};
    const char *passed_ids[ELG_SERVE_PASSED_MAX];
    int64_t now_us = elg_base_monotonic_us(host->clock);
    struct elg_pass_over passed = elg__passed_now(host, now_us, passed_ids);
    struct unread unread; /* large, and hardly ever used */
    struct elg_serving *serving = &host->serving;
    unread.host = host;
    unread.now_us = now_us;
    unread.count = 0;
    passed.unread = note_unread;
    passed.unread_self = &unread;
    const char *const *ids =
        serving->graph_ids ? (const char *const *)serving->graph_ids : NONE;
    if (serving->rows == NULL)
        serving->rows = elg_base_calloc(host->alloc,
                                        ELG_CLAIM_BATCH_RUNS_MAX * sizeof *serving->rows);
    if (serving->rows == NULL)
        return elg_base_no_memory(error);
    serving->row_next = serving->row_count = 0;
    serving->rows_lapses = elg_checkpoint_lease_lapses(host->store);
    enum elg_status status = elg_checkpoint_claim_many(
        host->store, serving->all_graphs ? NULL : ids, serving->graph_count, &passed,
        serving->rows, elg__claimed_room(host, false), &serving->row_count, error);
    for (size_t i = 0; i < unread.count; i++)
        elg__warn(host, unread.trace_ids[i], unread.errors[i].where,
                  unread.errors[i].text);
    return status;
}

enum elg_status elg__claimed_next(struct elg_host *host, struct elg_run_row *row,
                                  struct elg_error *error)
{
    struct elg_serving *serving = &host->serving;
    enum elg_status status = ELG_OK;
    if (elg__claimed_count(host) == 0)
        status = claim(host, error);
    if (status != ELG_OK)
        return status;
    *row = serving->rows[serving->row_next++];
    host->lapses_claimed = serving->rows_lapses;
    return ELG_OK;
}

static struct elg_run_row *find(struct elg_host *host, const char *trace_id)
{
    struct elg_serving *serving = &host->serving;
    for (size_t i = serving->row_next; i < serving->row_count; i++) {
        if (strcmp(serving->rows[i].trace_id, trace_id) == 0)
            return &serving->rows[i];
    }
    return NULL;
}

/* The claim that follows may fail: then the run must not be left as this process's. */
void elg__claimed_drop(struct elg_host *host, const char *trace_id)
{
    struct elg_run_row *row = find(host, trace_id);
    if (row == NULL)
        return;
    if (!elg_checkpoint_status_ended(row->status))
        elg__claimed_back(host, trace_id);
    elg_checkpoint_run_row_fini(row);
    *row = host->serving.rows[--host->serving.row_count];
}

void elg__claimed_abort(struct elg_host *host, const char *trace_id)
{
    struct elg_run_row *row = find(host, trace_id);
    if (row != NULL)
        row->abort_requested = true;
}

void elg__claimed_stop(struct elg_host *host)
{
    struct elg_serving *serving = &host->serving;
    for (; serving->row_next < serving->row_count; serving->row_next++) {
        struct elg_run_row *row = &serving->rows[serving->row_next];
        if (!elg_checkpoint_status_ended(row->status))
            elg_checkpoint_hand_back(host->store, row->trace_id, true);
        elg_checkpoint_run_row_fini(row);
    }
}

/* ---- back */

void elg__claimed_back(struct elg_host *host, const char *trace_id)
{
    struct elg_serving *serving = &host->serving;
    if (serving->back_count == ELG_CLAIM_BATCH_RUNS_MAX)
        elg__claimed_back_all(host);
    snprintf(serving->backs[serving->back_count++], sizeof serving->backs[0], "%s",
             trace_id);
}

/* One of them may have become due before it was anyone's: then nobody was told. */
void elg__claimed_back_all(struct elg_host *host)
{
    struct elg_serving *serving = &host->serving;
    const char *trace_ids[ELG_CLAIM_BATCH_RUNS_MAX];
    if (serving->back_count == 0)
        return;
    for (size_t i = 0; i < serving->back_count; i++)
        trace_ids[i] = serving->backs[i];
    elg_checkpoint_hand_back_many(host->store, trace_ids, serving->back_count);
    serving->back_count = 0;
    serving->look_us = 0;
}

void elg__claimed_fini(struct elg_host *host)
{
    struct elg_serving *serving = &host->serving;
    elg_base_free(host->alloc, serving->rows,
                  ELG_CLAIM_BATCH_RUNS_MAX * sizeof *serving->rows);
}
