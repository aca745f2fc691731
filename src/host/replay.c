/* replay: feeds a run's journal through re-execution; states, verification, the report.
 * Provides elg_run_replay and what a resume needs between checkpoints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/public.h"
#include "host/replay.h"
#include "json/json.h"

enum elg_status elg__replay_differs(struct elg_replay *replay, int64_t seq,
                                    const char *what, struct elg_bytes expected,
                                    struct elg_bytes actual, const char *where)
{
    struct elg_divergence *divergence = &replay->divergence;
    if (divergence->found)
        return ELG_DIVERGED;
    divergence->found = true;
    divergence->step = replay->step;
    divergence->seq = seq;
    snprintf(divergence->node, sizeof divergence->node, "%s", replay->node_id);
    snprintf(divergence->what, sizeof divergence->what, "%s", what);
    snprintf(divergence->where, sizeof divergence->where, "%s", where ? where : "");
    elg_base_buf_append(&divergence->expected, expected.data, expected.size);
    elg_base_buf_append(&divergence->actual, actual.data, actual.size);
    return ELG_DIVERGED;
}

/* ---- one attempt
 * -------------------------------------------------------------------------------- */

static void drop_attempt(struct elg_replay *replay)
{
    if (replay->collected)
        elg_checkpoint_step_row_fini(&replay->attempt_row);
    for (size_t i = 0; i < replay->call_count; i++)
        elg_checkpoint_activity_row_fini(&replay->calls[i]);
    replay->collected = false;
    replay->call_count = 0;
}

/* How the run ended, as far as its journal goes; a retry by hand takes the end back. */
static void take_end(struct elg_replay *replay)
{
    const struct elg_step_row *row = &replay->attempt_row;
    elg_base_blob_unref(replay->last_error);
    replay->last_error = NULL;
    if (elg_executor_retried(row))
        replay->attempt_base = row->attempt;
    else if (row->has_chain && row->status != ELG_ATTEMPT_OK)
        replay->last_error = elg_base_blob_ref(row->error);
}

/* Behind the head that the run's row tells of: written after that was read. */
static bool is_newer(const struct elg_replay *replay)
{
    return replay->moving && replay->step >= (int64_t)replay->row->step_count &&
           elg_base_hash_equal(&replay->chain, &replay->row->chain);
}

static enum elg_status replay_collected(struct elg_replay *replay,
                                        struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    const struct elg_step_row *row = &replay->attempt_row;
    if (!replay->collected || replay->over)
        return ELG_OK;
    if (row->status == ELG_ATTEMPT_OPEN || is_newer(replay) ||
        (replay->to >= 0 && replay->step > replay->to)) {
        replay->over = true;
        return ELG_OK;
    }
    bool chained = replay->verify && !replay->other_code;
    if (chained)
        status = elg__replay_check_digests(replay, error);
    if (status == ELG_OK)
        status = elg__replay_check_place(replay);
    if (status == ELG_OK)
        status = elg__replay_check_input(replay);
    if (status == ELG_OK)
        status = elg__replay_attempt(replay, error);
    if (status == ELG_OK && chained)
        status = elg__replay_check_chain(replay);
    else if (status == ELG_OK && row->has_chain)
        replay->chain = row->chain; /* as recorded: not compared */
    take_end(replay);
    return status;
}

/* ---- the feed
 * ------------------------------------------------------------------------------------ */

struct feed {
    struct elg_replay *replay;
    enum elg_status status;
    struct elg_error *error;
};

/* Copies of a journal row that outlive the callback. */
static void keep_step(struct elg_replay *replay, const struct elg_step_row *row)
{
    struct elg_step_row *kept = &replay->attempt_row;
    *kept = *row;
    elg_base_blob_ref(kept->state);
    elg_base_blob_ref(kept->output);
    elg_base_blob_ref(kept->metadata);
    elg_base_blob_ref(kept->error);
    elg_base_blob_ref(kept->stop);
    elg_base_blob_ref(kept->fingerprint_blob);
    replay->collected = true;
}

bool elg__replay_keep_call(struct elg_replay *replay, const struct elg_activity_row *row)
{
    const struct elg_alloc *alloc = replay->host->alloc;
    if (replay->call_count == replay->call_capacity) {
        size_t grown = replay->call_capacity ? replay->call_capacity * 2 : 8;
        void *calls = elg_base_realloc(alloc, replay->calls,
                                       replay->call_capacity * sizeof *replay->calls,
                                       grown * sizeof *replay->calls);
        if (calls == NULL)
            return false;
        replay->calls = calls;
        replay->call_capacity = grown;
    }
    struct elg_activity_row *kept = &replay->calls[replay->call_count];
    *kept = *row;
    elg_base_blob_ref(kept->where_blob);
    elg_base_blob_ref(kept->request);
    elg_base_blob_ref(kept->response);
    replay->call_count++;
    return true;
}

static bool feed_row(void *self, const struct elg_step_row *step,
                     const struct elg_activity_row *activity)
{
    struct feed *feed = self;
    struct elg_replay *replay = feed->replay;
    bool kept = true;
    if (step != NULL) {
        feed->status = replay_collected(replay, feed->error);
        drop_attempt(replay);
        if (feed->status != ELG_OK || replay->over)
            return false;
        keep_step(replay, step);
    } else {
        if (!elg__replay_owns(replay, activity)) {
            feed->status = replay_collected(replay, feed->error);
            if (feed->status == ELG_OK && !replay->over)
                feed->status = elg__replay_stray(replay, activity);
            return false;
        }
        kept = elg__replay_keep_call(replay, activity);
    }
    if (!kept)
        feed->status = elg_base_no_memory(feed->error);
    return kept;
}

static enum elg_status feed_journal(struct elg_replay *replay, struct elg_error *error)
{
    struct feed feed = {replay, ELG_OK, error};
    enum elg_status status =
        elg_checkpoint_journal(replay->host->store, replay->row->trace_id, replay->step,
                               replay->to, feed_row, &feed, error);
    if (status == ELG_OK)
        status = feed.status;
    if (status == ELG_OK)
        status = replay_collected(replay, error);
    drop_attempt(replay);
    return status;
}

/* ---- begin and end
 * -------------------------------------------------------------------------------- */

void elg__replay_prepare(struct elg_replay *replay, struct elg_host *host,
                         struct elg_graph *graph, const struct elg_run_row *row)
{
    memset(replay, 0, sizeof *replay);
    replay->host = host;
    replay->graph = graph;
    replay->box = graph ? graph->boxes->box : NULL;
    replay->program = graph ? graph->program : NULL;
    replay->row = row;
    replay->to = -1;
    replay->attempt = 1;
    elg_base_buf_init(&replay->state, host->alloc);
    elg_base_buf_init(&replay->input, host->alloc);
    elg_base_buf_init(&replay->divergence.expected, host->alloc);
    elg_base_buf_init(&replay->divergence.actual, host->alloc);
}

enum elg_status elg__replay_init(struct elg_replay *replay, struct elg_host *host,
                                 struct elg_graph *graph, const struct elg_run_row *row,
                                 struct elg_error *error)
{
    elg__replay_prepare(replay, host, graph, row);
    return elg__limits_read(host->alloc, elg_base_blob_bytes(row->limits),
                            &replay->limits, error);
}

void elg__replay_fini(struct elg_replay *replay)
{
    const struct elg_alloc *alloc = replay->host->alloc;
    drop_attempt(replay);
    elg_base_blob_unref(replay->last_error);
    elg_base_free(alloc, replay->calls, replay->call_capacity * sizeof *replay->calls);
    elg_base_free(alloc, replay->digests,
                  replay->digest_capacity * sizeof *replay->digests);
    elg_base_buf_fini(&replay->state);
    elg_base_buf_fini(&replay->input);
    elg_base_buf_fini(&replay->divergence.expected);
    elg_base_buf_fini(&replay->divergence.actual);
}

/* Stands before step 0. */
static enum elg_status stand_at_beginning(struct elg_replay *replay,
                                          struct elg_error *error)
{
    struct elg_bytes initial = elg_base_blob_bytes(replay->row->initial_state);
    struct elg_bytes input = elg_base_blob_bytes(replay->row->input);
    snprintf(replay->node_id, sizeof replay->node_id, "%s",
             elg_graph_entry(replay->graph->data));
    elg_base_buf_append(&replay->input, input.data, input.size);
    elg_checkpoint_chain_begin(replay->host->sha, replay->row, &replay->chain);
    if (!replay->verify)
        elg_base_buf_append(&replay->state, initial.data, initial.size);
    if (replay->input.failed || replay->state.failed)
        return elg_base_no_memory(error);
    if (!replay->verify)
        return ELG_OK;
    enum elg_status status =
        elg__replay_initial(replay, replay->row->initial_state != NULL, error);
    if (status == ELG_OK &&
        !elg_base_bytes_equal(initial, elg_base_buf_bytes(&replay->state)))
        status = elg__replay_differs(replay, -1, "initial_state", initial,
                                     elg_base_buf_bytes(&replay->state), "initial");
    return status;
}

/* ---- the state between checkpoints
 * ------------------------------------------------------------------ */

struct nearest {
    struct elg_replay *replay;
    bool found;
};

/* Remembers the last good step that kept its state. */
static bool take_nearest(void *self, const struct elg_step_row *step,
                         const struct elg_activity_row *activity)
{
    struct nearest *nearest = self;
    struct elg_replay *replay = nearest->replay;
    (void)activity;
    if (step == NULL || step->status != ELG_ATTEMPT_OK || step->state == NULL)
        return true;
    struct elg_bytes state = elg_base_blob_bytes(step->state);
    struct elg_bytes output = elg_base_blob_bytes(step->output);
    elg_base_buf_reset(&replay->state);
    elg_base_buf_reset(&replay->input);
    elg_base_buf_append(&replay->state, state.data, state.size);
    elg_base_buf_append(&replay->input, output.data, output.size);
    snprintf(replay->previous, sizeof replay->previous, "%s", step->node_id);
    snprintf(replay->node_id, sizeof replay->node_id, "%s", step->next_node);
    replay->step = step->step_index + 1;
    nearest->found = true;
    return true;
}

/* Looks back in windows that double, so that a long run is not read from its beginning.
 */
static enum elg_status stand_near(struct elg_replay *replay, int64_t to,
                                  struct elg_error *error)
{
    for (int64_t window = replay->limits.checkpoint_interval;; window *= 2) {
        int64_t from = to - window < 0 ? 0 : to - window;
        struct nearest nearest = {replay, false};
        enum elg_status status =
            elg_checkpoint_journal(replay->host->store, replay->row->trace_id, from, to,
                                   take_nearest, &nearest, error);
        if (status != ELG_OK || nearest.found)
            return status;
        if (from == 0)
            return stand_at_beginning(replay, error);
    }
}

static enum elg_status divergence_error(const struct elg_replay *replay,
                                        struct elg_error *error)
{
    const struct elg_divergence *d = &replay->divergence;
    return elg_base_fail(error, ELG_DIVERGED, d->where,
                         "step %lld node %s: %s is not what the journal holds",
                         (long long)d->step, d->node, d->what);
}

enum elg_status elg__replay_state(struct elg_host *host, struct elg_graph *graph,
                                  const struct elg_run_row *row, int64_t to,
                                  struct elg_buf *out, struct elg_error *error)
{
    struct elg_replay replay;
    enum elg_status status = elg__replay_init(&replay, host, graph, row, error);
    if (status == ELG_OK)
        status = stand_near(&replay, to, error);
    replay.to = to;
    if (status == ELG_OK && replay.step <= to)
        status = feed_journal(&replay, error);
    if (status == ELG_OK && replay.step != to + 1)
        status = elg_base_fail(error, ELG_CORRUPT, row->trace_id,
                               "step %lld is missing from the journal",
                               (long long)replay.step);
    if (status == ELG_OK)
        elg_base_buf_append(out, replay.state.data, replay.state.size);
    if (status == ELG_DIVERGED && replay.divergence.found)
        status = divergence_error(&replay, error);
    elg__replay_fini(&replay);
    return status;
}

/* A run that never began, or that failed to: there is nothing of it but its beginning. */
static enum elg_status stand_before(struct elg_replay *replay, struct elg_error *error)
{
    const struct elg_run_row *row = replay->row;
    if (row->step_count > 0 || row->status == ELG_RUN_COMPLETED)
        return elg__replay_differs(replay, -1, "initial_state", elg_base_bytes("(none)"),
                                   elg_base_bytes("a value"), "cmo_inputs.initial_state");
    elg_checkpoint_chain_begin(replay->host->sha, row, &replay->chain);
    if (!replay->verify || row->status != ELG_RUN_FAILED)
        return ELG_OK;
    return elg__replay_initial(replay, replay->row->initial_state != NULL, error);
}

static enum elg_status replay_run(struct elg_replay *replay,
                                  const struct elg_replay_options *options,
                                  struct elg_error *error)
{
    replay->verify = options->verify;
    replay->to = options->to;
    replay->other_code =
        !elg_base_hash_equal(&replay->graph->hash, &replay->row->graph_hash);
    enum elg_status status = replay->row->initial_state == NULL
                                 ? stand_before(replay, error)
                                 : stand_at_beginning(replay, error);
    if (status == ELG_OK)
        status = feed_journal(replay, error);
    if (status == ELG_OK && replay->verify)
        status = elg__replay_check_end(replay);
    return status;
}

/* A run's row, journal, artifact or graph that cannot be read as it was written: a
 * finding too. */
static enum elg_status unreadable(struct elg_replay *replay, const char *what,
                                  const struct elg_error *error)
{
    int64_t step = replay->step, seq = -1;
    if (replay->divergence.found)
        return ELG_DIVERGED;
    bool named = elg_checkpoint_row_named(error->text, &step, &seq);
    enum elg_status status =
        elg__replay_differs(replay, seq, what, elg_base_bytes("what was written"),
                            elg_base_bytes(error->text), error->where);
    if (named && step != replay->step)
        replay->divergence.node[0] = '\0'; /* that row could tell */
    replay->divergence.step = step;
    return status;
}

/* Replays with the graph at hand and appends the document. */
static enum elg_status replay_graph(struct elg_replay *replay,
                                    const struct elg_replay_options *options,
                                    struct elg_buf *out, struct elg_error *error)
{
    enum elg_status status = replay_run(replay, options, error);
    if (status == ELG_CORRUPT && options->verify)
        status = unreadable(replay, "journal", error);
    if (status == ELG_DIVERGED && replay->divergence.found)
        status = ELG_OK;
    if (status == ELG_OK && (replay->verify || replay->divergence.found))
        elg__replay_write_report(out, replay);
    else if (status == ELG_OK)
        elg__replay_write_state(out, replay);
    return status;
}

/* Appends the report on a run of which not even a step can be replayed. */
static void report_unreadable(struct elg_host *host, const struct elg_run_row *row,
                              const char *what, const struct elg_error *error,
                              struct elg_buf *out)
{
    struct elg_replay replay;
    elg__replay_prepare(&replay, host, NULL, row);
    unreadable(&replay, what, error);
    elg__replay_write_report(out, &replay);
    elg__replay_fini(&replay);
}

static enum elg_status replay_row(struct elg_host *host, const struct elg_run_row *row,
                                  const struct elg_replay_options *options, bool moving,
                                  bool *diverged, struct elg_buf *out,
                                  struct elg_error *error)
{
    struct elg_graph *graph = NULL;
    struct elg_replay replay;
    struct elg_limits limits;
    enum elg_status found =
        elg__limits_read(host->alloc, elg_base_blob_bytes(row->limits), &limits, error);
    if (found == ELG_CORRUPT && options->verify) {
        report_unreadable(host, row, "run", error, out);
        return ELG_OK;
    }
    if (found == ELG_OK)
        found = elg__boxes_graph(host, row, options->graph, &graph, error);
    bool no_graph = found == ELG_CORRUPT || found == ELG_NOT_FOUND;
    if (found != ELG_OK && !(no_graph && options->verify))
        return found;
    if (no_graph) {
        report_unreadable(host, row, "graph", error, out);
        return ELG_OK;
    }
    enum elg_status status = elg__replay_init(&replay, host, graph, row, error);
    replay.moving = moving && !elg_checkpoint_status_ended(row->status);
    if (status == ELG_OK)
        status = replay_graph(&replay, options, out, error);
    *diverged = replay.divergence.found;
    elg__replay_fini(&replay);
    elg_graph_close(graph);
    return status;
}

/* The run's own row cannot be read. */
static enum elg_status report_run(struct elg_host *host, const char *trace_id,
                                  const struct elg_error *error, struct elg_buf *out)
{
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    snprintf(row.trace_id, sizeof row.trace_id, "%s", trace_id);
    report_unreadable(host, &row, "run", error, out);
    return ELG_OK;
}

/* Row and journal are read one after the other: what differs in a run that goes on
 * meanwhile need not differ. */
static bool has_moved(struct elg_host *host, const struct elg_run_row *row)
{
    struct elg_run_row now;
    memset(&now, 0, sizeof now);
    if (elg_checkpoint_status_ended(row->status) ||
        elg_checkpoint_run_get(host->store, row->trace_id, &now, NULL) != ELG_OK)
        return false;
    bool moved = now.status != row->status || now.step_count != row->step_count ||
                 now.epoch != row->epoch || now.updated_at_ms != row->updated_at_ms ||
                 !elg_base_hash_equal(&now.chain, &row->chain);
    elg_checkpoint_run_row_fini(&now);
    return moved;
}

/* *moving: as it is known; then, that a difference may be for that. */
static enum elg_status replay_once(struct elg_host *host, const char *trace_id,
                                   const struct elg_replay_options *options, bool *moving,
                                   struct elg_buf *out, struct elg_error *error)
{
    struct elg_run_row row;
    bool diverged = false;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_run_get(host->store, trace_id, &row, error);
    if (status == ELG_OK)
        status = replay_row(host, &row, options, *moving, &diverged, out, error);
    else if (status == ELG_CORRUPT && options->verify)
        status = report_run(host, trace_id, error, out);
    *moving = status == ELG_OK && options->verify && diverged && has_moved(host, &row);
    elg_checkpoint_run_row_fini(&row);
    return status;
}

enum elg_status elg__run_replay(struct elg_host *host, const char *trace_id,
                                const struct elg_replay_options *options,
                                struct elg_text *out, struct elg_error *error)
{
    struct elg_buf buf;
    struct elg_error own;
    bool moving = false;
    if (error == NULL)
        error = &own;
    elg_base_buf_init(&buf, host->alloc);
    enum elg_status status = replay_once(host, trace_id, options, &moving, &buf, error);
    if (moving) { /* once more, no further than its row tells */
        elg_base_buf_reset(&buf);
        status = replay_once(host, trace_id, options, &moving, &buf, error);
    }
    if (status == ELG_OK)
        return elg__document_text(host->alloc, &buf, out, error);
    elg_base_buf_fini(&buf);
    return status;
}
