/* executor: the run's state machine. (run, event) -> new state, records to commit.
 *
 * Uses base, json, graph, the row types of checkpoint and the prepared calls of activity.
 * Does no I/O, reads no clock, knows no Lua: the host tells it what happened and when,
 * and asks what comes next. So the same events give the same records anywhere (I1).
 *
 * A run's life:
 *   INITIAL -- initial --> READY -- begin --> EXECUTING -- done ----> READY (next step) |
 * ENDED ^                    |------- failed --> RETRY | ENDED
 *                            +------ due ---------+-- (RETRY)
 * `stop` (abort, run timeout, divergence) leads to ENDED from anywhere.
 *
 * Fields of struct elg_run are for reading only outside this folder.
 */
#ifndef ELG_EXECUTOR_EXECUTOR_H
#define ELG_EXECUTOR_EXECUTOR_H

#include "activity/activity.h"
#include "base/intern.h"
#include "checkpoint/checkpoint.h"
#include "graph/graph.h"

enum elg_run_phase {
    ELG_PHASE_INITIAL,
    ELG_PHASE_READY,
    ELG_PHASE_EXECUTING,
    ELG_PHASE_RETRY,
    ELG_PHASE_ENDED
};

/* One call of the attempt under way; its index is its seq. */
struct elg_call_entry {
    struct elg_activity_row row;
    bool at_most_once;
    bool kept;      /* what it came to holds for later attempts that ask the same */
    bool journaled; /* the journal holds a row of it (perhaps an intent) */
    bool asked;     /* the execution under way has asked for it */
};

/* What is known of an at-most-once call, or of a wait, in this step, over attempts. */
struct elg_known_outcome {
    struct elg_hash key, request_hash;
    enum elg_activity_status status;
    struct elg_blob *response;
};

struct elg_run {
    const struct elg_alloc *alloc;
    struct elg_sha256 *sha;
    struct elg_intern *intern;
    const struct elg_graph_data *graph;
    struct elg_run_row row; /* as it is once all records so far are committed */
    bool created;           /* the store has the row, or a create is on its way */
    enum elg_run_phase phase;

    /* The step under way. */
    char node_id[ELG_NAME_BYTES_MAX + 1];
    char previous[ELG_NAME_BYTES_MAX + 1]; /* "" at step 0 */
    uint32_t attempt;
    uint32_t attempt_base; /* of the last retry by hand in this step; 0: none */
    struct elg_blob
        *state; /* before the step; NULL: must be recomputed (elg_executor_adopt) */
    struct elg_blob *input;
    struct elg_blob *output; /* of the last finished step; NULL: none */
    struct elg_hash state_hash, input_hash;
    uint32_t checkpoint_interval;
    int64_t now_last_ms; /* ctx.now and the attempts' clocks never go below it */

    /* The attempt under way. */
    bool opened; /* its OPEN row is recorded */
    int64_t clock_ms, started_at_ms;
    struct elg_call_entry *calls;
    uint32_t call_count, call_capacity;
    uint32_t asked_count; /* seqs given out in the execution under way */

    /* Of the step's ended attempts since the chain's last mark. */
    struct elg_hash chain_marked; /* recalled: of the last row that has a chain */
    struct elg_hash mark_due;     /* recalled: the chain once the calls are there, too */
    bool mark_is_due;
    struct elg_hash *digests;
    size_t digest_count, digest_capacity;
    struct elg_known_outcome *outcomes;
    size_t outcome_count, outcome_capacity;

    int64_t retry_due_ms; /* when the next attempt may begin; 0: at once */

    /* Not yet taken by elg_executor_take. */
    struct elg_signal_use *uses;
    size_t use_count, use_capacity;
    struct elg_run_row *children;
    size_t child_count, child_capacity;
    struct elg_record *records;
    size_t record_count, record_capacity, record_bytes;
    uint64_t step_count_taken; /* row.step_count at the last take */
    bool row_changed, create_pending;
};

/* ---- life
 * -------------------------------------------------------------------------------- */

/* A run that is new (`row` filled but for initial_state, chain, epoch 1) or was claimed.
 * Takes `row` on success. `graph`, `sha` and `intern` are borrowed for the run's life.
 * ELG_NO_MEMORY, ELG_CORRUPT (limits). */
enum elg_status elg_executor_create(const struct elg_alloc *alloc, struct elg_sha256 *sha,
                                    struct elg_intern *intern,
                                    const struct elg_graph_data *graph,
                                    struct elg_run_row *row, bool is_new,
                                    struct elg_run **out, struct elg_error *error);
void elg_executor_destroy(struct elg_run *run);

/* Feeds the rows of step 0, in order, of a run that has finished it; then
 * elg_executor_recalled_first. Their chain is over the run's beginning too, which nothing
 * else that a resume reads covers (I17). ELG_DIVERGED for what was altered. */
enum elg_status elg_executor_recall_first(struct elg_run *run,
                                          const struct elg_step_row *step,
                                          const struct elg_activity_row *activity,
                                          struct elg_error *error);
enum elg_status elg_executor_recalled_first(struct elg_run *run, struct elg_error *error);
/* Feeds the journal's rows from step step_count - 1 on, in order; then
 * elg_executor_recalled. ELG_CORRUPT for rows that contradict each other or the run's
 * row. */
enum elg_status elg_executor_recall(struct elg_run *run, const struct elg_step_row *step,
                                    const struct elg_activity_row *activity,
                                    struct elg_error *error);
enum elg_status elg_executor_recalled(struct elg_run *run, struct elg_error *error);
/* Gives the state before the step under way, recomputed; its hash must be the recorded
 * one. */
enum elg_status elg_executor_adopt(struct elg_run *run, struct elg_bytes state,
                                   struct elg_error *error);

/* ---- events
 * ------------------------------------------------------------------------------ */

/* The initial state is known (INITIAL -> READY). */
enum elg_status elg_executor_initial(struct elg_run *run, struct elg_bytes state,
                                     int64_t wall_ms, struct elg_error *error);
/* An attempt begins, or goes on after a crash (READY, RETRY -> EXECUTING). Also begins
 * the re-execution of an attempt whose Lua state was dropped (EXECUTING). */
enum elg_status elg_executor_begin(struct elg_run *run, int64_t wall_ms,
                                   struct elg_error *error);

enum elg_call_verdict {
    ELG_CALL_REPLAY,  /* entry->row.response is the answer */
    ELG_CALL_PERFORM, /* not recorded: perform it (an intent of a sleep keeps its due_ms)
                       */
    ELG_CALL_UNKNOWN  /* at most once, and it may have happened: answer UNKNOWN, recorded
                       */
};

/* Node code asks for a call; it gets the next seq. Of `prepared` references are taken.
 * ELG_DIVERGED if the journal holds something else at this seq: the error names step, seq
 * and both requests. ELG_LIMIT past ELG_ACTIVITIES_PER_STEP_MAX. */
enum elg_status elg_executor_call(struct elg_run *run,
                                  const struct elg_prepared *prepared, const char *where,
                                  int64_t wall_ms, uint32_t *seq,
                                  enum elg_call_verdict *verdict,
                                  struct elg_error *error);
/* Records that the attempt began (if it is not yet): due before its first effect (I5). */
enum elg_status elg_executor_open(struct elg_run *run, struct elg_error *error);
/* Records an intent: of a sleep with its due time, or of an at-most-once call (I7). */
enum elg_status elg_executor_intent(struct elg_run *run, uint32_t seq, int64_t due_ms,
                                    struct elg_error *error);
/* Records a call's end (I6: once). response: canonical {"value":..} or {"error":..}.
 * artifact, if not NULL, is where the response's bytes lie durably already: the store
 * then keeps only that. */
enum elg_status elg_executor_result(struct elg_run *run, uint32_t seq,
                                    enum elg_activity_status status,
                                    struct elg_bytes response,
                                    const struct elg_hash *artifact, int64_t wall_ms,
                                    struct elg_error *error);
/* The result that is recorded next for this call consumes a signal: both go with one
 * turn. ELG_NO_MEMORY. */
enum elg_status elg_executor_use_signal(struct elg_run *run, uint32_t seq,
                                        int64_t signal_no, struct elg_error *error);
/* Another run begins with the next turn: a child. Of `row` references are taken.
 * ELG_NO_MEMORY. */
enum elg_status elg_executor_child(struct elg_run *run, const struct elg_run_row *row,
                                   struct elg_error *error);
/* A reconcile function settled the unknown call of that request hash: a later attempt
 * that asks the same gets `response`. */
enum elg_status elg_executor_settle(struct elg_run *run,
                                    const struct elg_hash *request_hash,
                                    struct elg_bytes response, struct elg_error *error);

/* How an attempt ended well. */
struct elg_attempt_result {
    struct elg_bytes state, output, metadata; /* canonical; metadata may be empty */
    const char *key;                          /* NULL: the run ends */
    int32_t edge;                             /* index, -1: none holds */
    const char *where; /* of the node, if none holds; NULL or "": not known */
    uint64_t fuel;
    const char *fingerprint;
    int64_t wall_ms, duration_us;
};
/* EXECUTING -> READY of the next step, or ENDED (completed; failed for a key without an
 * edge). */
enum elg_status elg_executor_done(struct elg_run *run,
                                  const struct elg_attempt_result *result,
                                  struct elg_error *error);

/* How an attempt ended badly. */
struct elg_attempt_failure {
    enum elg_attempt_status status; /* ERROR, TIMEOUT, MEMORY */
    const char *code, *message, *where, *traceback;
    bool retry;
    /* NULL, or where it was stopped: "fuel" (in code), "call", "answer" (the call's
     * result was recorded, and not handed on), or "crash" (with its jailed process: not
     * to be repeated). */
    const char *stop_kind;
    uint64_t fuel;
    const char *fingerprint;
    int64_t wall_ms, duration_us;
};
/* EXECUTING -> RETRY (row.due_ms says until when) or ENDED (failed, timeout). */
enum elg_status elg_executor_failed(struct elg_run *run,
                                    const struct elg_attempt_failure *failure,
                                    struct elg_error *error);
/* Ends the run from outside: ELG_RUN_ABORTED, _TIMEOUT, _DIVERGED, _QUARANTINED or
 * _FAILED. An attempt under way is recorded as failure->status says. */
enum elg_status elg_executor_stop(struct elg_run *run, enum elg_run_status status,
                                  const struct elg_attempt_failure *failure,
                                  struct elg_error *error);
/* A run that was recalled as failed, timed out, quarantined or diverged (with its parent
 * also: aborted) goes on where it ended (ENDED -> READY or INITIAL), with the node's
 * attempts and the run's time anew.
 * The end is recorded as an attempt RETRIED, which closes an open one; its text holds the
 * chain's head as it was. ELG_USAGE: its last step ended well, or it ended otherwise. */
enum elg_status elg_executor_retry(struct elg_run *run, bool with_parent, int64_t wall_ms,
                                   const char *fingerprint, struct elg_error *error);
/* True of such an attempt's row. */
bool elg_executor_retried(const struct elg_step_row *row);
/* Status as others see it: running, or waiting until due_ms (0: no timer). signals_seen:
 * number of the last signal that was looked at; INT64_MAX: it waits for none. */
void elg_executor_waiting(struct elg_run *run, bool waiting, int64_t due_ms,
                          int64_t signals_seen);

/* ---- records
 * ----------------------------------------------------------------------------- */

/* True if there is anything to commit. */
bool elg_executor_dirty(const struct elg_run *run);
/* Moves what is to be committed into a turn of its own: `turn->run` points to `row`, a
 * copy with references. The caller ends it with elg_executor_turn_fini. */
enum elg_status elg_executor_take(struct elg_run *run, struct elg_turn *turn,
                                  struct elg_run_row *row, struct elg_error *error);
void elg_executor_turn_fini(const struct elg_alloc *alloc, struct elg_turn *turn,
                            struct elg_run_row *row);

/* Appends canonical {"code","message","traceback","where"}; NULL texts as "". Text that
 * is not UTF-8 is repaired with U+FFFD, and ELG_JSON_NUL is a NUL. */
void elg_executor_write_error(struct elg_buf *out, const char *code, const char *message,
                              const char *where, const char *traceback);

#endif
