/* replay_check: what a journal's rows must be before they are believed: their digests,
 * the chain, their place, and the run's row in the end (I17). Provides
 * elg__replay_check_*. */
#include <stdio.h>
#include <string.h>

#include "host/replay.h"
#include "json/json.h"

/* ---- rows and their digests (I17)
 * -------------------------------------------------------------- */

static enum elg_status hash_differs(struct elg_replay *replay, int64_t seq,
                                    const char *what, const struct elg_hash *expected,
                                    const struct elg_hash *actual, const char *where)
{
    char a[ELG_HASH_HEX_SIZE], b[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(expected, a);
    elg_base_hash_hex(actual, b);
    return elg__replay_differs(replay, seq, what, elg_base_bytes(a), elg_base_bytes(b),
                               where);
}

static enum elg_status add_digest(struct elg_replay *replay,
                                  const struct elg_hash *digest, struct elg_error *error)
{
    const struct elg_alloc *alloc = replay->host->alloc;
    if (replay->digest_count == replay->digest_capacity) {
        size_t grown = replay->digest_capacity ? replay->digest_capacity * 2 : 16;
        void *digests = elg_base_realloc(
            alloc, replay->digests, replay->digest_capacity * sizeof *replay->digests,
            grown * sizeof *replay->digests);
        if (digests == NULL)
            return elg_base_no_memory(error);
        replay->digests = digests;
        replay->digest_capacity = grown;
    }
    replay->digests[replay->digest_count++] = *digest;
    return ELG_OK;
}

enum elg_status elg__replay_check_digests(struct elg_replay *replay,
                                          struct elg_error *error)
{
    struct elg_hash digest;
    struct elg_step_row *step = &replay->attempt_row;
    elg_checkpoint_step_digest(replay->host->sha, step, &digest);
    if (!elg_base_hash_equal(&digest, &step->digest))
        return hash_differs(replay, -1, "step row", &step->digest, &digest,
                            step->node_id);
    enum elg_status status = add_digest(replay, &digest, error);
    for (size_t i = 0; i < replay->call_count && status == ELG_OK; i++) {
        struct elg_activity_row *row = &replay->calls[i];
        elg_checkpoint_activity_digest(replay->host->sha, row, &digest);
        if (!elg_base_hash_equal(&digest, &row->digest))
            return hash_differs(replay, row->seq, "activity row", &row->digest, &digest,
                                row->where);
        status = add_digest(replay, &digest, error);
    }
    return status;
}

/* The chain over the digests so far; what differs is said of step `step`, which may lie
 * behind where the execution stands. */
static enum elg_status check_chain(struct elg_replay *replay, int64_t step,
                                   const char *node_id, const struct elg_hash *recorded)
{
    struct elg_hash chain;
    elg_checkpoint_chain_next(replay->host->sha, &replay->chain, replay->digests,
                              replay->digest_count, &chain);
    replay->digest_count = 0;
    if (!elg_base_hash_equal(&chain, recorded)) {
        hash_differs(replay, -1, "chain", recorded, &chain, node_id);
        replay->divergence.step = step;
        snprintf(replay->divergence.node, sizeof replay->divergence.node, "%s", node_id);
        return ELG_DIVERGED;
    }
    replay->chain = chain;
    return ELG_OK;
}

enum elg_status elg__replay_check_chain(struct elg_replay *replay)
{
    const struct elg_step_row *row = &replay->attempt_row;
    static const struct elg_hash MISSING;
    if (row->has_chain || row->status == ELG_ATTEMPT_OK)
        return check_chain(replay, row->step_index, row->node_id,
                           row->has_chain ? &row->chain : &MISSING);
    return ELG_OK;
}

bool elg__replay_owns(const struct elg_replay *replay,
                      const struct elg_activity_row *activity)
{
    const struct elg_step_row *row = &replay->attempt_row;
    return replay->collected && row->step_index == activity->step_index &&
           row->attempt == activity->attempt;
}

enum elg_status elg__replay_stray(struct elg_replay *replay,
                                  const struct elg_activity_row *activity)
{
    elg__replay_differs(replay, activity->seq, "place",
                        elg_base_bytes("a call without its attempt"),
                        elg_base_bytes("an attempt, then its calls"), activity->where);
    replay->divergence.step = activity->step_index;
    return ELG_DIVERGED;
}

/* The row stands where the execution stands. */
enum elg_status elg__replay_check_place(struct elg_replay *replay)
{
    const struct elg_step_row *row = &replay->attempt_row;
    char expected[ELG_NAME_BYTES_MAX + 64], actual[ELG_NAME_BYTES_MAX + 64];
    snprintf(expected, sizeof expected, "step %lld attempt %u node %s",
             (long long)row->step_index, row->attempt, row->node_id);
    snprintf(actual, sizeof actual, "step %lld attempt %u node %s",
             (long long)replay->step, replay->attempt,
             replay->finished ? "(none: the run ended)" : replay->node_id);
    const struct elg_graph_node *node =
        elg_graph_node(replay->graph->data, replay->node_id);
    if (strcmp(expected, actual) == 0 &&
        (node == NULL || row->attempt - replay->attempt_base <= node->max_attempts ||
         elg_executor_retried(row)))
        return ELG_OK;
    if (strcmp(expected, actual) == 0)
        snprintf(actual, sizeof actual, "no attempt after %u",
                 replay->attempt_base + node->max_attempts);
    return elg__replay_differs(replay, -1, "place", elg_base_bytes(expected),
                               elg_base_bytes(actual), row->node_id);
}

enum elg_status elg__replay_check_input(struct elg_replay *replay)
{
    struct elg_hash hash;
    const struct elg_step_row *row = &replay->attempt_row;
    elg_base_sha256(replay->host->sha, elg_base_buf_bytes(&replay->input), &hash);
    if (elg_base_hash_equal(&hash, &row->input_hash))
        return ELG_OK;
    return hash_differs(replay, -1, "input_hash", &row->input_hash, &hash, row->node_id);
}

/* ---- verification's end
 * -------------------------------------------------------------------------- */

static enum elg_status run_differs(struct elg_replay *replay, const char *what,
                                   struct elg_bytes expected, struct elg_bytes actual)
{
    char where[64];
    snprintf(where, sizeof where, "cmo_runs.%s", what);
    return elg__replay_differs(replay, -1, what, expected, actual, where);
}

/* The run's status and error follow from its last attempt. */
static enum elg_status check_outcome(struct elg_replay *replay)
{
    const struct elg_run_row *row = replay->row;
    struct elg_bytes error = elg_base_blob_bytes(row->error);
    bool completed = row->status == ELG_RUN_COMPLETED;
    if (completed != replay->completed)
        return run_differs(replay, "status",
                           elg_base_bytes(elg_checkpoint_status_name(row->status)),
                           elg_base_bytes(completed ? "not completed" : "completed"));
    if (replay->finished && !completed && row->status != ELG_RUN_FAILED)
        return run_differs(replay, "status",
                           elg_base_bytes(elg_checkpoint_status_name(row->status)),
                           elg_base_bytes("failed"));
    if (completed && row->error != NULL)
        return run_differs(replay, "error", error, elg_base_bytes("(none)"));
    struct elg_bytes last = elg_base_blob_bytes(replay->last_error);
    if (replay->last_error != NULL && !elg_base_bytes_equal(error, last))
        return run_differs(replay, "error", error, last);
    return ELG_OK;
}

/* The run's own row must say what its journal says. */
enum elg_status elg__replay_check_end(struct elg_replay *replay)
{
    const struct elg_run_row *row = replay->row;
    char expected[32], actual[32];
    if (replay->to >= 0 && replay->to < (int64_t)row->step_count - 1)
        return ELG_OK;
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)row->step_count);
    snprintf(actual, sizeof actual, "%lld", (long long)replay->step);
    if (strcmp(expected, actual) != 0)
        return elg__replay_differs(replay, -1, "steps", elg_base_bytes(expected),
                                   elg_base_bytes(actual), "cmo_runs.step_count");
    enum elg_status status = check_outcome(replay);
    if (status != ELG_OK)
        return status;
    if (replay->other_code)
        return ELG_OK;
    if (replay->digest_count > 0 && elg_checkpoint_status_ended(row->status))
        return check_chain(replay, replay->step, replay->node_id, &row->chain);
    if (elg_base_hash_equal(&replay->chain, &row->chain))
        return ELG_OK;
    return hash_differs(replay, -1, "chain", &row->chain, &replay->chain,
                        "cmo_runs.chain");
}

/* ---- the recorded stop
 * ------------------------------------------------------------------------ */

struct elg_replay_stop elg__replay_stop(const struct elg_replay *replay)
{
    struct elg_replay_stop stop = {0};
    struct elg_json_doc *doc;
    if (replay->attempt_row.stop == NULL ||
        elg_json_parse(replay->host->alloc, elg_base_blob_bytes(replay->attempt_row.stop),
                       &doc, NULL) != ELG_OK)
        return stop;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_bytes kind = elg_json_string(elg_json_get(root, "kind"));
    double seq = elg_json_number(elg_json_get(root, "seq"), 0);
    double fuel = elg_json_number(elg_json_get(root, "fuel"), 0);
    stop.in_code = elg_base_bytes_equal(kind, elg_base_bytes("fuel"));
    stop.in_call = elg_base_bytes_equal(kind, elg_base_bytes("call"));
    stop.in_answer = elg_base_bytes_equal(kind, elg_base_bytes("answer"));
    stop.in_crash = elg_base_bytes_equal(kind, elg_base_bytes("crash"));
    stop.seq = seq >= 0 && seq <= ELG_ACTIVITIES_PER_STEP_MAX ? (uint32_t)seq : 0;
    stop.fuel = fuel >= 0 && fuel < 9e15 ? (uint64_t)fuel : 0;
    elg_json_doc_destroy(doc);
    return stop;
}
