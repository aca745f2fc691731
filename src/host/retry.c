/* retry: a run that ended badly goes on, for whoever takes it up, and with it the
 * children that the step began in which it ended, if they ended badly too, and theirs:
 * all in one transaction. Provides elg_run_retry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/internal.h"
#include "host/public.h"

/* A run that is to go on, and the turn that opens it again. */
struct retried {
    struct retried *next;
    struct elg_graph *graph;
    struct elg_run *run;
    struct elg_turn turn;
    struct elg_run_row row; /* of the turn */
    int64_t step;           /* in which it had ended */
    bool has_children, taken;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
};

struct family {
    struct elg_host *host;
    struct retried *first, **last;
    size_t count;
    bool no_memory;
};

static void retried_destroy(struct elg_host *host, struct retried *retried)
{
    if (retried->taken)
        elg_executor_turn_fini(host->alloc, &retried->turn, &retried->row);
    elg_executor_destroy(retried->run);
    elg_graph_close(retried->graph);
    elg_base_free(host->alloc, retried, sizeof *retried);
}

static void family_fini(struct family *family)
{
    while (family->first != NULL) {
        struct retried *retried = family->first;
        family->first = retried->next;
        retried_destroy(family->host, retried);
    }
}

/* ---- one run */

/* Its end is recorded; the row as it shall be. */
static enum elg_status open_again(struct elg_host *host, struct retried *retried,
                                  bool with_parent, struct elg_error *error)
{
    enum elg_status status =
        elg_executor_retry(retried->run, with_parent, elg_base_wall_ms(host->clock),
                           elg_sandbox_fingerprint(), error);
    if (status == ELG_OK)
        status = elg_executor_take(retried->run, &retried->turn, &retried->row, error);
    retried->taken = status == ELG_OK;
    if (status == ELG_OK)
        retried->row.epoch++;
    return status;
}

static enum elg_status prepare_row(struct elg_host *host, struct retried *retried,
                                   struct elg_run_row *row, bool with_parent,
                                   struct elg_error *error)
{
    retried->step = (int64_t)row->step_count;
    retried->has_children = row->has_children;
    enum elg_status status = elg__boxes_graph(host, row, NULL, &retried->graph, error);
    if (status == ELG_OK)
        status =
            elg_executor_create(host->alloc, host->sha, host->intern,
                                retried->graph->data, row, false, &retried->run, error);
    if (status == ELG_OK)
        status = elg__run_recall(host, retried->run, error);
    return status == ELG_OK ? open_again(host, retried, with_parent, error) : status;
}

static enum elg_status prepare(struct elg_host *host, struct retried *retried,
                               bool with_parent, struct elg_error *error)
{
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    enum elg_status status =
        elg_checkpoint_run_get(host->store, retried->trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    if (elg_checkpoint_status_ended(row.status))
        status = prepare_row(host, retried, &row, with_parent, error);
    else
        status =
            elg_base_fail(error, ELG_USAGE, retried->trace_id, "has not ended: it is %s",
                          elg_checkpoint_status_name(row.status));
    elg_checkpoint_run_row_fini(&row);
    return status;
}

/* ---- the family */

static void family_add(void *self, const char *trace_id)
{
    struct family *family = self;
    if (family->count++ >= ELG_RETRY_RUNS_MAX)
        return;
    struct retried *retried = elg_base_calloc(family->host->alloc, sizeof *retried);
    if (retried == NULL) {
        family->no_memory = true;
        return;
    }
    snprintf(retried->trace_id, sizeof retried->trace_id, "%s", trace_id);
    *family->last = retried;
    family->last = &retried->next;
}

static enum elg_status family_check(const struct family *family, struct elg_error *error)
{
    if (family->no_memory)
        return elg_base_no_memory(error);
    if (family->count > ELG_RETRY_RUNS_MAX)
        return elg_base_fail(error, ELG_LIMIT, family->first->trace_id,
                             "more than %d runs failed with it; retry some of its "
                             "children by name first",
                             ELG_RETRY_RUNS_MAX);
    return ELG_OK;
}

/* A child that cannot go on stays as it ended, and its parent is told that again. */
static bool stays(enum elg_status status)
{
    return status == ELG_USAGE || status == ELG_DIVERGED || status == ELG_CORRUPT ||
           status == ELG_NOT_FOUND || status == ELG_UNSUPPORTED;
}

/* Takes *link, which could not be prepared, out of the family. */
static void family_drop(struct family *family, struct retried **link,
                        const struct elg_error *why)
{
    struct retried *retried = *link;
    char text[ELG_ERROR_TEXT_MAX + 64];
    snprintf(text, sizeof text, "this child stays as it ended: %.900s", why->text);
    elg__warn(family->host, retried->trace_id, why->where, text);
    *link = retried->next;
    if (family->last == &retried->next)
        family->last = link;
    retried_destroy(family->host, retried);
    family->count--;
}

/* Prepares all, breadth first: what a run's step began comes behind it. */
static enum elg_status family_prepare(struct family *family, struct elg_error *error)
{
    struct retried **link = &family->first;
    enum elg_status status = family_check(family, error);
    while (status == ELG_OK && *link != NULL) {
        struct retried *retried = *link;
        bool is_child = retried != family->first;
        status = prepare(family->host, retried, is_child, error);
        if (is_child && stays(status)) {
            family_drop(family, link, error);
            status = ELG_OK;
            continue;
        }
        if (status == ELG_OK && retried->has_children)
            status =
                elg_checkpoint_children_failed(family->host->store, retried->trace_id,
                                               retried->step, family_add, family, error);
        if (status == ELG_OK)
            status = family_check(family, error);
        link = &retried->next;
    }
    return status;
}

/* ---- opening all of them */

static int by_trace(const void *a, const void *b)
{
    const struct elg_turn *x = a, *y = b;
    return strcmp(x->run->trace_id, y->run->trace_id);
}

/* The turns keep what they refer to; only these copies of them move. */
static enum elg_status family_open(struct family *family, struct elg_error *error)
{
    struct elg_host *host = family->host;
    size_t count = 0, size = family->count * sizeof(struct elg_turn);
    struct elg_turn *turns = elg_base_calloc(host->alloc, size);
    if (turns == NULL)
        return elg_base_no_memory(error);
    for (struct retried *retried = family->first; retried != NULL;
         retried = retried->next)
        turns[count++] = retried->turn;
    qsort(turns, count, sizeof *turns, by_trace);
    elg__commit_wait(host);
    enum elg_status status = elg_checkpoint_reopen_many(host->store, turns, count, error);
    if (status == ELG_OK && turns[0].result != ELG_OK)
        status = elg_base_fail(error, turns[0].result, family->first->trace_id,
                               "somebody else has retried it meanwhile%s, or a journal "
                               "does not fit (%s)",
                               count > 1 ? ", or one of its children" : "",
                               elg_status_name(turns[0].result));
    elg_base_free(host->alloc, turns, size);
    return status;
}

static void tell(const struct family *family)
{
    char text[128];
    if (family->count < 2)
        return;
    snprintf(text, sizeof text,
             "with it goes on what had ended badly below it: %zu run%s",
             family->count - 1, family->count == 2 ? "" : "s");
    elg__warn(family->host, family->first->trace_id, "retry", text);
}

enum elg_status elg__run_retry(struct elg_host *host, const char *trace_id,
                               struct elg_error *error)
{
    struct elg_error own;
    struct family family = {.host = host};
    family.last = &family.first;
    if (error == NULL)
        error = &own;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (elg__run_find(host, trace_id) != NULL)
        return elg_base_fail(error, ELG_USAGE, trace_id, "has not ended");
    if (strlen(trace_id) > ELG_TRACE_BYTES_MAX)
        return elg_base_fail(error, ELG_USAGE, "trace_id", "more than %d bytes",
                             ELG_TRACE_BYTES_MAX);
    family_add(&family, trace_id);
    enum elg_status status = family_prepare(&family, error);
    if (status == ELG_OK)
        status = family_open(&family, error);
    if (status == ELG_OK)
        tell(&family);
    family_fini(&family);
    host->serving.look_us = 0;
    return status;
}
