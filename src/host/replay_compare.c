/* replay_compare: what an attempt came to, against what its row says. Part of replay.h.
 */
#include <stdio.h>
#include <string.h>

#include "host/replay.h"

static enum elg_status compare_text(struct elg_replay *replay, const char *what,
                                    struct elg_bytes expected, struct elg_bytes actual)
{
    if (elg_base_bytes_equal(expected, actual))
        return ELG_OK;
    return elg__replay_differs(replay, -1, what, expected, actual, replay->node_id);
}

static enum elg_status compare_hash(struct elg_replay *replay, const char *what,
                                    const struct elg_hash *expected,
                                    const struct elg_hash *actual)
{
    char a[ELG_HASH_HEX_SIZE], b[ELG_HASH_HEX_SIZE];
    if (elg_base_hash_equal(expected, actual))
        return ELG_OK;
    elg_base_hash_hex(expected, a);
    elg_base_hash_hex(actual, b);
    return elg__replay_differs(replay, -1, what, elg_base_bytes(a), elg_base_bytes(b),
                               replay->node_id);
}

static enum elg_status compare_number(struct elg_replay *replay, const char *what,
                                      uint64_t expected, uint64_t actual)
{
    char a[24], b[24];
    if (expected == actual)
        return ELG_OK;
    snprintf(a, sizeof a, "%llu", (unsigned long long)expected);
    snprintf(b, sizeof b, "%llu", (unsigned long long)actual);
    return elg__replay_differs(replay, -1, what, elg_base_bytes(a), elg_base_bytes(b),
                               replay->node_id);
}

enum elg_status elg__replay_compare_fuel(struct elg_replay *replay, uint64_t fuel)
{
    const struct elg_step_row *row = &replay->attempt_row;
    if (replay->other_code)
        return ELG_OK;
    if (row->fingerprint == NULL ||
        strcmp(row->fingerprint, elg_sandbox_fingerprint()) != 0) {
        replay->fuel_not_compared++;
        return ELG_OK;
    }
    return compare_number(replay, "fuel", row->fuel, fuel);
}

static enum elg_status compare_call_count(struct elg_replay *replay, uint32_t asked)
{
    if (asked < replay->call_count) {
        const struct elg_activity_row *row = &replay->calls[asked];
        struct elg_bytes request = elg_base_blob_bytes(row->request);
        return elg__replay_differs(replay, asked, "request", request,
                                   elg_base_bytes("no call"), row->where);
    }
    if (replay->other_code)
        return ELG_OK;
    return compare_number(replay, "activity_count", replay->attempt_row.activity_count,
                          asked);
}

const char *elg__replay_next_of(const struct elg_replay *replay,
                                const struct elg_outcome *outcome)
{
    const struct elg_graph_edge *edge = NULL;
    if (outcome->key != NULL && outcome->edge >= 0)
        edge = elg_graph_edge(replay->graph->data, (size_t)outcome->edge);
    return edge ? edge->to : "";
}

static enum elg_status compare_edge(struct elg_replay *replay,
                                    const struct elg_outcome *outcome)
{
    const struct elg_step_row *row = &replay->attempt_row;
    enum elg_status status = compare_text(
        replay, "next_edge", elg_base_bytes(row->has_edge ? row->next_edge : "(none)"),
        elg_base_bytes(outcome->key ? outcome->key : "(none)"));
    if (status == ELG_OK)
        status = compare_text(replay, "next_node", elg_base_bytes(row->next_node),
                              elg_base_bytes(elg__replay_next_of(replay, outcome)));
    return status;
}

/* Everything that a good attempt left behind. The stored bytes are compared with their
 * own hashes too, so that a changed column is named. */
enum elg_status elg__replay_compare_done(struct elg_replay *replay,
                                         const struct elg_outcome *outcome,
                                         uint32_t asked)
{
    const struct elg_step_row *row = &replay->attempt_row;
    struct elg_hash state_hash, output_hash;
    struct elg_sha256 *sha = replay->host->sha;
    elg_base_sha256(sha, outcome->state, &state_hash);
    elg_base_sha256(sha, outcome->output, &output_hash);
    enum elg_status status = ELG_OK;
    if (row->status != ELG_ATTEMPT_OK)
        return elg__replay_differs(
            replay, -1, "status",
            elg_base_bytes(elg_checkpoint_attempt_name(row->status)),
            elg_base_bytes("ok"), replay->node_id);
    status = compare_call_count(replay, asked);
    if (status == ELG_OK)
        status = compare_edge(replay, outcome);
    if (status == ELG_OK)
        status = compare_hash(replay, "output_hash", &row->output_hash, &output_hash);
    if (status == ELG_OK)
        status = compare_hash(replay, "state_hash", &row->state_hash, &state_hash);
    if (status == ELG_OK && row->state != NULL)
        status = compare_text(replay, "state", elg_base_blob_bytes(row->state),
                              outcome->state);
    if (status == ELG_OK)
        status = compare_text(replay, "output", elg_base_blob_bytes(row->output),
                              outcome->output);
    if (status == ELG_OK && replay->verify && !replay->other_code)
        status = compare_text(replay, "metadata", elg_base_blob_bytes(row->metadata),
                              outcome->metadata);
    return status == ELG_OK ? elg__replay_compare_fuel(replay, outcome->fuel) : status;
}

static enum elg_status compare_error(struct elg_replay *replay,
                                     const struct elg_outcome *outcome,
                                     struct elg_error *error)
{
    struct elg_buf text;
    elg_base_buf_init(&text, replay->host->alloc);
    elg_executor_write_error(&text, outcome->code, outcome->message, outcome->where,
                             outcome->traceback);
    enum elg_status status =
        text.failed ? elg_base_no_memory(error)
                    : compare_text(replay, "error",
                                   elg_base_blob_bytes(replay->attempt_row.error),
                                   elg_base_buf_bytes(&text));
    elg_base_buf_fini(&text);
    return status;
}

/* An attempt that ended badly must end badly again, in the same way. */
enum elg_status elg__replay_compare_failed(struct elg_replay *replay,
                                           const struct elg_outcome *outcome,
                                           uint32_t asked, struct elg_error *error)
{
    const struct elg_step_row *row = &replay->attempt_row;
    static const char *const KINDS[] = {"ok",   "call",   "slice", "error",
                                        "fuel", "memory", "lost",  "crashed"};
    bool stopped_here =
        elg__replay_stop(replay).in_code && outcome->kind == ELG_OUTCOME_FUEL;
    bool same =
        (row->status == ELG_ATTEMPT_ERROR &&
         (outcome->kind == ELG_OUTCOME_ERROR || outcome->kind == ELG_OUTCOME_FUEL)) ||
        (row->status == ELG_ATTEMPT_MEMORY && outcome->kind == ELG_OUTCOME_MEMORY);
    if (!same && !stopped_here)
        return elg__replay_differs(
            replay, -1, "status",
            elg_base_bytes(elg_checkpoint_attempt_name(row->status)),
            elg_base_bytes(KINDS[outcome->kind]), replay->node_id);
    enum elg_status status = ELG_OK;
    if (!stopped_here) /* an execution before it may have asked for more */
        status = compare_call_count(replay, asked);
    if (status == ELG_OK && outcome->kind == ELG_OUTCOME_ERROR && !replay->other_code)
        status = compare_error(replay, outcome, error);
    return status == ELG_OK ? elg__replay_compare_fuel(replay, outcome->fuel) : status;
}
