/* store_work: the wrapper's calls about runs that anyone may take up, and about those
 * that have ended. Uses store.h. Must not know what a back end does.
 */
#include "checkpoint/store.h"

void elg_checkpoint_hand_back(struct elg_store *store, const char *trace_id, bool tell)
{
    store->ops->hand_back(store->self, trace_id, tell);
}

void elg_checkpoint_hand_back_many(struct elg_store *store, const char *const *trace_ids,
                                   size_t trace_count)
{
    size_t piece = store->ops->hand_back_many != NULL ? ELG_CLAIM_BATCH_RUNS_MAX : 1;
    for (size_t i = 0; i < trace_count; i += piece) {
        if (piece == 1)
            store->ops->hand_back(store->self, trace_ids[i], false);
        else
            store->ops->hand_back_many(store->self, trace_ids + i,
                                       trace_count - i < piece ? trace_count - i : piece);
    }
}

/* ---- taking up many */

static enum elg_status count_check(size_t count, struct elg_error *error)
{
    if (count >= 1 && count <= ELG_CLAIM_BATCH_RUNS_MAX)
        return ELG_OK;
    return elg_base_fail(error, ELG_USAGE, "claim", "%zu runs; 1 to %d at once", count,
                         ELG_CLAIM_BATCH_RUNS_MAX);
}

enum elg_status elg_checkpoint_claim_many(struct elg_store *store,
                                          const char *const *graph_ids,
                                          size_t graph_count,
                                          const struct elg_pass_over *passed,
                                          struct elg_run_row *rows, size_t max,
                                          size_t *count, struct elg_error *error)
{
    *count = 0;
    enum elg_status status = elg_store_enter(store, "claim_many", true, NULL, error);
    if (status == ELG_OK)
        status = count_check(max, error);
    return status != ELG_OK ? status
                            : store->ops->claim_many(store->self, graph_ids, graph_count,
                                                     passed, rows, max, count, error);
}

enum elg_status elg_checkpoint_claim_named(struct elg_store *store,
                                           const char *const *trace_ids,
                                           size_t trace_count, struct elg_run_row *rows,
                                           size_t *count, struct elg_error *error)
{
    *count = 0;
    enum elg_status status = elg_store_enter(store, "claim", true, NULL, error);
    if (status == ELG_OK)
        status = count_check(trace_count, error);
    if (status == ELG_OK && store->ops->claim_named == NULL)
        status = elg_base_fail(error, ELG_NOT_FOUND, "claim", "one by one");
    if (status == ELG_OK)
        status = store->ops->claim_named(store->self, trace_ids, trace_count, rows, count,
                                         error);
    return status;
}

enum elg_status elg_checkpoint_fetch(struct elg_store *store, struct elg_run_row *row,
                                     struct elg_error *error)
{
    return elg_payload_run_fetch(store->alloc, &store->payloads, store->get_sha, row,
                                 error);
}

/* ---- hearing of work */

int elg_checkpoint_work_fd(struct elg_store *store)
{
    return store->ops->work_fd(store->self);
}

bool elg_checkpoint_work_poll(struct elg_store *store)
{
    return store->ops->work_poll(store->self);
}

enum elg_status elg_checkpoint_work_due(struct elg_store *store, int64_t *due_ms,
                                        struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "work_due", false, NULL, error);
    return status != ELG_OK ? status : store->ops->work_due(store->self, due_ms, error);
}

uint64_t elg_checkpoint_lease_lapses(struct elg_store *store)
{
    return store->ops->lease_lapses(store->self);
}

static void results_set(struct elg_turn *turns, size_t turn_count, enum elg_status result)
{
    for (size_t i = 0; i < turn_count; i++)
        turns[i].result = result;
}

enum elg_status elg_checkpoint_reopen_many(struct elg_store *store,
                                           struct elg_turn *turns, size_t turn_count,
                                           struct elg_error *error)
{
    struct elg_payload_turns payloads;
    enum elg_status status =
        elg_store_enter(store, "reopen", true, turns[0].run->trace_id, error);
    results_set(turns, turn_count, status);
    if (status != ELG_OK)
        return status;
    status = elg_payload_turns_begin(store->alloc, &store->payloads, store->put_sha,
                                     turns, turn_count, &payloads, error);
    if (status == ELG_OK)
        status = store->ops->reopen_many(store->self, payloads.turns, turn_count, error);
    elg_payload_turns_end(&payloads, turns);
    if (status != ELG_OK)
        results_set(turns, turn_count, status);
    return status;
}

int64_t elg_checkpoint_schema_version(struct elg_store *store)
{
    return store->ops->schema_version(store->self);
}

const char *elg_checkpoint_name(struct elg_store *store)
{
    return store->ops->name(store->self);
}

/* ---- lists */

/* What the filter's older fields say, as bits. */
static uint32_t statuses_of(const struct elg_run_filter *filter)
{
    uint32_t bits = filter->statuses;
    if (bits == 0)
        bits = filter->any_status ? ELG_RUN_STATUSES_ALL : 1u << filter->status;
    return filter->unfinished ? bits & ELG_RUN_STATUSES_UNFINISHED : bits;
}

struct first_unread {
    bool met;
    struct elg_error error;
};

static void keep_first(void *self, const char *trace_id, const struct elg_error *why)
{
    (void)trace_id;
    struct first_unread *first = self;
    if (!first->met)
        first->error = *why;
    first->met = true;
}

enum elg_status elg_checkpoint_run_list(struct elg_store *store,
                                        const struct elg_run_filter *filter,
                                        elg_run_row_fn row, void *row_self,
                                        struct elg_error *error)
{
    struct elg_run_filter whole = *filter;
    struct first_unread first = {.met = false};
    enum elg_status status =
        elg_store_enter(store, "run_list", false, filter->after, error);
    whole.statuses = statuses_of(filter);
    if (whole.until_ms == 0)
        whole.until_ms = ELG_TIME_MS_MAX;
    if (whole.unread == NULL) {
        whole.unread = keep_first;
        whole.unread_self = &first;
    }
    if (status != ELG_OK || whole.statuses == 0)
        return status;
    status = store->ops->run_list(store->self, &whole, row, row_self, error);
    return status == ELG_OK && first.met
               ? elg_base_fail(error, ELG_CORRUPT, first.error.where, "%s",
                               first.error.text)
               : status;
}

/* ---- retention */

enum elg_status elg_checkpoint_trees_remove(struct elg_store *store,
                                            const char *const *trace_ids, size_t count,
                                            int64_t before_ms, bool look,
                                            uint64_t *removed, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "trees_remove", !look, NULL, error);
    return status != ELG_OK ? status
                            : store->ops->trees_remove(store->self, trace_ids, count,
                                                       before_ms, look, removed, error);
}

enum elg_status elg_checkpoint_graphs_remove(struct elg_store *store, int64_t before_ms,
                                             bool look, uint64_t *removed,
                                             struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "graphs_remove", !look, NULL, error);
    return status != ELG_OK
               ? status
               : store->ops->graphs_remove(store->self, before_ms, look, removed, error);
}

enum elg_status elg_checkpoint_references(struct elg_store *store, elg_reference_fn text,
                                          void *text_self, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "references", false, NULL, error);
    return status != ELG_OK ? status
                            : store->ops->references(store->self, text, text_self, error);
}
