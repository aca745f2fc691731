/* replay: a run executed again from its journal, and what is compared on the way.
 * Shared by the replay_*.c files of host/ only. */
#ifndef ELG_HOST_REPLAY_H
#define ELG_HOST_REPLAY_H

#include "host/internal.h"

/* Where re-execution and journal part. */
struct elg_divergence {
    bool found;
    int64_t step;
    int64_t seq; /* -1: not about one call */
    char node[ELG_NAME_BYTES_MAX + 1];
    char what[64];
    struct elg_buf expected, actual; /* texts */
    char where[ELG_ERROR_WHERE_MAX];
};

struct elg_replay {
    struct elg_host *host;
    struct elg_graph *graph;
    struct elg_sandbox *box;     /* the graph's, or that of audits */
    struct elg_program *program; /* the graph's, in that box */
    const struct elg_run_row *row;
    struct elg_limits limits;
    bool verify;     /* compare everything; else only what recomputing needs */
    bool other_code; /* another graph: requests, edges, outputs and states only */
    bool moving;     /* the run goes on: what its row does not tell of is left out */
    int64_t to;      /* last step to execute, -1: all */

    int64_t step; /* the next step to be finished */
    uint32_t attempt;
    uint32_t attempt_base; /* of the last retry by hand in this step; 0: none */
    char node_id[ELG_NAME_BYTES_MAX + 1], previous[ELG_NAME_BYTES_MAX + 1];
    struct elg_buf state, input; /* before the next step; input also is the last output */
    bool over;                   /* the journal's last step was executed */
    bool finished;               /* a step without a successor was reached */
    bool completed;              /* and its node named no edge */
    struct elg_blob *last_error; /* of the attempt with which its step failed for good */
    uint64_t fuel_not_compared;

    struct elg_hash chain;
    struct elg_hash *digests;
    size_t digest_count, digest_capacity;
    struct elg_divergence divergence;

    /* The attempt being collected from the journal. */
    bool collected;
    struct elg_step_row attempt_row;
    struct elg_activity_row *calls;
    size_t call_count, call_capacity;
};

/* A replay that stands nowhere yet, without the run's limits. Due for fini. */
void elg__replay_prepare(struct elg_replay *replay, struct elg_host *host,
                         struct elg_graph *graph, const struct elg_run_row *row);
/* A replay of the graph in the host's box that stands nowhere yet; due for fini also on
 * failure. All borrowed. ELG_NO_MEMORY, ELG_CORRUPT (the run's limits). */
enum elg_status elg__replay_init(struct elg_replay *replay, struct elg_host *host,
                                 struct elg_graph *graph, const struct elg_run_row *row,
                                 struct elg_error *error);
void elg__replay_fini(struct elg_replay *replay);
/* Adds a call to the collected attempt, by reference. False: no memory. */
bool elg__replay_keep_call(struct elg_replay *replay, const struct elg_activity_row *row);
/* Says what differs, once. Returns ELG_DIVERGED. */
enum elg_status elg__replay_differs(struct elg_replay *replay, int64_t seq,
                                    const char *what, struct elg_bytes expected,
                                    struct elg_bytes actual, const char *where);
/* The collected rows are what their digests say; their digests are kept for the chain. */
enum elg_status elg__replay_check_digests(struct elg_replay *replay,
                                          struct elg_error *error);
/* A finished step's chain goes on from the one before. */
enum elg_status elg__replay_check_chain(struct elg_replay *replay);
/* Whether a call's row belongs to the attempt that was collected before it. */
bool elg__replay_owns(const struct elg_replay *replay,
                      const struct elg_activity_row *activity);
/* Says that it does not. */
enum elg_status elg__replay_stray(struct elg_replay *replay,
                                  const struct elg_activity_row *activity);
/* The collected attempt stands where the execution stands, on the same input. */
enum elg_status elg__replay_check_place(struct elg_replay *replay);
enum elg_status elg__replay_check_input(struct elg_replay *replay);
/* The run's own row says what its journal says. */
enum elg_status elg__replay_check_end(struct elg_replay *replay);
/* Where the collected attempt was stopped from outside, if it was. */
struct elg_replay_stop {
    bool in_code, in_call, in_answer, in_crash;
    uint32_t seq;
    uint64_t fuel;
};
struct elg_replay_stop elg__replay_stop(const struct elg_replay *replay);
/* What an execution of the collected attempt came to, against its row: well; badly, or
 * stopped in its code; the fuel alone. asked: calls. ELG_DIVERGED with
 * replay->divergence; ELG_NO_MEMORY. */
enum elg_status elg__replay_compare_done(struct elg_replay *replay,
                                         const struct elg_outcome *outcome,
                                         uint32_t asked);
enum elg_status elg__replay_compare_failed(struct elg_replay *replay,
                                           const struct elg_outcome *outcome,
                                           uint32_t asked, struct elg_error *error);
enum elg_status elg__replay_compare_fuel(struct elg_replay *replay, uint64_t fuel);
/* The node that the outcome's edge leads to; "" if none. */
const char *elg__replay_next_of(const struct elg_replay *replay,
                                const struct elg_outcome *outcome);
/* Executes the collected attempt; on ELG_OK the replay stands behind it. ELG_DIVERGED
 * with replay->divergence; other errors as they are. */
enum elg_status elg__replay_attempt(struct elg_replay *replay, struct elg_error *error);
/* The initial state, from the graph and the run's input, into replay->state. `recorded`:
 * the run has one; else it has an error, which is kept. ELG_DIVERGED: now it is the
 * other. */
enum elg_status elg__replay_initial(struct elg_replay *replay, bool recorded,
                                    struct elg_error *error);

/* Appends the report of a verification, or the run as it stood after the last step. */
void elg__replay_write_report(struct elg_buf *out, const struct elg_replay *replay);
void elg__replay_write_state(struct elg_buf *out, struct elg_replay *replay);

#endif
