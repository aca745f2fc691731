/* audit: attempts executed twice. A share of the steps is executed again at once, from
 * its canonical input and the results of its calls, in a second sandbox whose arena lies
 * elsewhere and whose states are built anew. What differs ends the run as diverged: it
 * would have differed on another machine (I1, I3, I10). Uses replay.
 *
 * Which steps: by a hash of (trace, step), so that a resumed run audits the same. All
 * attempts of a step that ended by themselves are audited; those stopped from outside are
 * not. The second execution is in one piece.
 */
#include <stdio.h>
#include <string.h>

#include "host/replay.h"

#define AUDIT_BASE ((uintptr_t)0x130000000000u) /* another than a sandbox's first */
#define SHOWN_BYTES_MAX 160                     /* of each side, in the run's error */

void elg__audit_options(bool jail, struct elg_sandbox_options *options)
{
    options->base =
        jail ? AUDIT_BASE : 0; /* in a process the other has its place already */
    options->fresh_states = true;
}

/* ---- which
 * ------------------------------------------------------------------------------- */

static bool is_chosen(struct elg_host *host, const char *trace_id, int64_t step)
{
    char text[ELG_TRACE_BYTES_MAX + 64];
    struct elg_hash hash;
    uint64_t word = 0;
    snprintf(text, sizeof text, "elg.audit/1 %s %lld", trace_id, (long long)step);
    elg_base_sha256(host->sha, elg_base_bytes(text), &hash);
    for (int i = 0; i < 7; i++)
        word = word << 8 | hash.bytes[i];
    return (double)(word >> 3) * 0x1p-53 < host->options.audit_rate;
}

/* The attempt ended by itself, and asked for all that its journal holds (what did not is
 * reported without an audit). */
static bool is_due(const struct elg_host_run *hr)
{
    const struct elg_run *run = hr->run;
    int64_t step = run->phase == ELG_PHASE_INITIAL ? -1 : (int64_t)run->row.step_count;
    return hr->graph->boxes->audit_box != NULL && run->asked_count >= run->call_count &&
           is_chosen(hr->host, run->row.trace_id, step);
}

/* ---- the journal that the attempt would leave
 * --------------------------------------------------------------------------------- */

static struct elg_blob *blob_of(struct elg_host *host, struct elg_bytes bytes,
                                bool *failed)
{
    struct elg_blob *blob = elg_base_blob_create(host->alloc, bytes);
    *failed |= blob == NULL;
    return blob;
}

/* False: no memory; what is there is the row's. */
static bool fill_done(struct elg_replay *replay, const struct elg_outcome *outcome)
{
    struct elg_step_row *row = &replay->attempt_row;
    struct elg_host *host = replay->host;
    const struct elg_graph_edge *edge = NULL;
    bool failed = false;
    row->status = ELG_ATTEMPT_OK;
    row->state = blob_of(host, outcome->state, &failed);
    row->output = blob_of(host, outcome->output, &failed);
    if (outcome->metadata.size > 0)
        row->metadata = blob_of(host, outcome->metadata, &failed);
    elg_base_sha256(host->sha, outcome->state, &row->state_hash);
    elg_base_sha256(host->sha, outcome->output, &row->output_hash);
    if (outcome->key == NULL)
        return !failed;
    row->has_edge = true;
    snprintf(row->next_edge, sizeof row->next_edge, "%s", outcome->key);
    if (outcome->edge >= 0)
        edge = elg_graph_edge(replay->graph->data, (size_t)outcome->edge);
    if (edge != NULL)
        snprintf(row->next_node, sizeof row->next_node, "%s", edge->to);
    return !failed;
}

static bool fill_failed(struct elg_replay *replay, const struct elg_outcome *outcome)
{
    struct elg_step_row *row = &replay->attempt_row;
    struct elg_buf text;
    bool failed = false;
    row->status =
        outcome->kind == ELG_OUTCOME_MEMORY ? ELG_ATTEMPT_MEMORY : ELG_ATTEMPT_ERROR;
    if (outcome->kind != ELG_OUTCOME_ERROR)
        return true;
    elg_base_buf_init(&text, replay->host->alloc);
    elg_executor_write_error(&text, outcome->code, outcome->message, outcome->where,
                             outcome->traceback);
    failed = text.failed;
    if (!failed)
        row->error = blob_of(replay->host, elg_base_buf_bytes(&text), &failed);
    elg_base_buf_fini(&text);
    return !failed;
}

static enum elg_status fill_attempt(struct elg_replay *replay,
                                    const struct elg_host_run *hr,
                                    const struct elg_outcome *outcome,
                                    struct elg_error *error)
{
    const struct elg_run *run = hr->run;
    struct elg_step_row *row = &replay->attempt_row;
    memset(row, 0, sizeof *row);
    replay->collected = true;
    row->step_index = replay->step;
    row->attempt = run->attempt;
    row->clock_ms = run->clock_ms;
    row->fuel = outcome->fuel;
    row->fingerprint = elg_sandbox_fingerprint();
    row->activity_count = run->asked_count;
    bool filled = outcome->kind == ELG_OUTCOME_DONE ? fill_done(replay, outcome)
                                                    : fill_failed(replay, outcome);
    for (uint32_t i = 0; i < run->asked_count && filled; i++)
        filled = elg__replay_keep_call(replay, &run->calls[i].row);
    return filled ? ELG_OK : elg_base_no_memory(error);
}

/* ---- the second execution
 * --------------------------------------------------------------------------------- */

static bool set_buf(struct elg_buf *buf, const struct elg_blob *blob)
{
    struct elg_bytes bytes = elg_base_blob_bytes(blob);
    elg_base_buf_append(buf, bytes.data, bytes.size);
    return !buf->failed;
}

static enum elg_status audit_attempt(struct elg_replay *replay,
                                     const struct elg_host_run *hr,
                                     const struct elg_outcome *outcome,
                                     struct elg_error *error)
{
    const struct elg_run *run = hr->run;
    replay->step = (int64_t)run->row.step_count;
    replay->attempt = run->attempt;
    memcpy(replay->node_id, run->node_id, sizeof replay->node_id);
    memcpy(replay->previous, run->previous, sizeof replay->previous);
    if (!set_buf(&replay->state, run->state) || !set_buf(&replay->input, run->input))
        return elg_base_no_memory(error);
    enum elg_status status = fill_attempt(replay, hr, outcome, error);
    return status == ELG_OK ? elg__replay_attempt(replay, error) : status;
}

static enum elg_status audit_initial(struct elg_replay *replay,
                                     const struct elg_outcome *outcome,
                                     struct elg_error *error)
{
    if (outcome->kind != ELG_OUTCOME_DONE)
        return ELG_OK; /* nothing of it is kept but the error */
    replay->step = -1;
    enum elg_status status = elg__replay_initial(replay, true, error);
    if (status == ELG_OK &&
        !elg_base_bytes_equal(outcome->state, elg_base_buf_bytes(&replay->state)))
        status = elg__replay_differs(replay, -1, "initial_state", outcome->state,
                                     elg_base_buf_bytes(&replay->state), "initial");
    return status;
}

static int shown(const struct elg_buf *text)
{
    return text->size < SHOWN_BYTES_MAX ? (int)text->size : SHOWN_BYTES_MAX;
}

static void report(struct elg_host_run *hr, const struct elg_divergence *d)
{
    struct elg_error text;
    char seq[32] = "";
    if (d->seq >= 0)
        snprintf(seq, sizeof seq, " call %lld", (long long)d->seq);
    elg_base_fail(&text, ELG_DIVERGED, d->where,
                  "audit: step %lld node %s%s, executed twice: %s was %.*s, then %.*s",
                  (long long)d->step, d->node, seq, d->what, shown(&d->expected),
                  d->expected.data ? (const char *)d->expected.data : "",
                  shown(&d->actual), d->actual.data ? (const char *)d->actual.data : "");
    elg__call_logs_clear(hr);
    elg__turn_stop(hr, ELG_RUN_DIVERGED, "DIVERGED", text.text, NULL);
}

static enum elg_status audit(struct elg_replay *replay, struct elg_host_run *hr,
                             const struct elg_outcome *outcome, struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    if (hr->graph->audit_program == NULL)
        status = elg__graph_program(hr->graph, hr->graph->boxes->audit_box,
                                    &hr->graph->audit_program, error);
    if (status != ELG_OK)
        return status;
    replay->verify = true;
    replay->box = hr->graph->boxes->audit_box;
    replay->program = hr->graph->audit_program;
    if (hr->run->phase == ELG_PHASE_INITIAL)
        return audit_initial(replay, outcome, error);
    return audit_attempt(replay, hr, outcome, error);
}

bool elg__audit(struct elg_host_run *hr, const struct elg_outcome *outcome)
{
    struct elg_replay replay;
    struct elg_error error;
    if (!is_due(hr))
        return true;
    enum elg_status status =
        elg__replay_init(&replay, hr->host, hr->graph, &hr->run->row, &error);
    if (status == ELG_OK)
        status = audit(&replay, hr, outcome, &error);
    if (status == ELG_DIVERGED && replay.divergence.found)
        report(hr, &replay.divergence);
    else if (status != ELG_OK)
        elg__turn_lose(hr, &error);
    elg__replay_fini(&replay);
    return status == ELG_OK;
}
