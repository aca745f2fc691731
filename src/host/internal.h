/* internal: the host's own nouns, shared by the files of host/ only.
 *
 * One thread calls everything here; the committer's thread sees only the batch it was
 * given.
 */
#ifndef ELG_HOST_INTERNAL_H
#define ELG_HOST_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "activity/activity.h"
#include "base/clock.h"
#include "base/intern.h"
#include "checkpoint/checkpoint.h"
#include "executor/executor.h"
#include "host/graphs.h"
#include "host/limits.h"
#include "host/outage.h"
#include "host/passed.h"
#include "jail/jail.h"

#define ELG_HOST_INTERN_MAX 65536
#define ELG_HOST_PARKED_BYTES_MAX (96u << 20) /* past this, Lua states are dropped */
#define ELG_HOST_KEEP_TIMES 4                 /* see place.c */
#define ELG_HOST_ABORT_POLL_US 100000
#define ELG_HOST_INLINE_BUDGET_US                                                        \
    1000 /* a tick with less never waits for the disk itself */
#define ELG_HOST_RUN_AHEAD_BYTES (256u << 10) /* of one run, not yet durable */

/* Something to tell once what it speaks of is durable. */
struct elg_release {
    enum elg_event_kind kind;
    int64_t step_index;
    char node_id[ELG_NAME_BYTES_MAX + 1];
    char level[8];
    struct elg_blob *text, *data;
};

struct elg_release_list {
    struct elg_release *items;
    size_t count, capacity;
    size_t bytes; /* of texts and data */
};

enum elg_wait_state {
    ELG_WAIT_GATED,   /* until what it depends on is durable */
    ELG_WAIT_STARTED, /* under way */
    ELG_WAIT_DONE,    /* recorded */
    ELG_WAIT_QUEUED   /* RUN: the child is not begun yet */
};
#define ELG_UNKNOWN_OUTCOME                                                              \
    "{\"error\":{\"code\":\"UNKNOWN\",\"message\":\"the call may or may not have "       \
    "happened; at_most_once forbids to repeat it\"}}"

/* One call that a run waits for. */
struct elg_wait {
    struct elg_host_run *owner;
    struct elg_prepared prepared;
    uint32_t seq;
    enum elg_wait_state state;
    bool offered;  /* the interceptor has taken it */
    bool declined; /* it did not want it */
    bool named;    /* RUN: this host has tried to claim the child with others, */
    bool taken_up; /* to execute it */
    struct elg_operation *operation;
    int64_t due_ms;    /* SLEEP, WAIT: wall clock; INT64_MAX: none */
    int64_t signal_no; /* of the signal that it took, 0: none */
};

enum elg_lua_state {
    ELG_LUA_NONE,    /* nothing of the attempt is in a sandbox */
    ELG_LUA_CURRENT, /* in the arena now */
    ELG_LUA_PARKED,
    ELG_LUA_DROPPED /* to be executed again from its records */
};

/* A run in hand. */
struct elg_host_run {
    struct elg_host *host;
    struct elg_run *run;
    struct elg_graph *graph;
    struct elg_limits limits;
    struct elg_host_run *table_next; /* of its hash slot */
    struct elg_host_run *ready_next, *all_next, *all_prev;
    bool ready, blocked, lost, abort_requested, ended;
    bool idle;  /* waits for what no timer and no call of this process brings */
    bool woken; /* in the host's list of those that got a signal */
    struct elg_host_run *woken_next;
    bool taking; /* in the host's list of those with children to take up */
    struct elg_host_run *taking_next;
    bool beginning;        /* children are being begun */
    int64_t child_seen;    /* signal of the last child's end that was looked at */
    uint32_t children_max; /* in flight at once, of the call that node code stands in */
    int64_t signals_seen;  /* as elg_run_row.signals_seen, of the waits that are open */
    size_t heap_index;     /* SIZE_MAX: no timer */
    int64_t due_us;

    enum elg_lua_state lua;
    uint32_t lost_count; /* times its jailed process was killed in this attempt */
    struct elg_parked *parked;
    bool answer_due;      /* the next resume answers a call */
    bool answer_is_array; /* of ctx.all */
    bool slice;           /* the next resume goes on after a slice */
    uint64_t fuel;        /* at the last outcome */
    uint32_t timeout_ms;  /* of the attempt under way */
    int64_t used_us;      /* executing, calls, parking, of this attempt */
    int64_t executed_us;  /* since its job began, or began again */
    int64_t kept_us;      /* executed since it is in the arena */
    int64_t price_us;     /* of having left the arena the last time */
    int64_t calls_since_us;
    uint32_t calls_in_flight;
    int64_t attempt_began_us;
    uint64_t lapses; /* of the lease, before it was last known to be ours (I8) */

    struct elg_wait *waits; /* of the call that node code stands in */
    uint32_t wait_count, wait_capacity, waits_open;
    struct elg_call_ref {
        bool is_seq;
        uint32_t seq;
        struct elg_blob *response; /* if not recorded (INVALID_REQUEST): as it is */
    } * answers;                   /* in list order */
    uint32_t answer_count, answer_capacity;

    struct elg_release_list logs;     /* of the attempt under way */
    size_t log_bytes;                 /* of the requests for them */
    uint64_t logs_left_out;           /* past the limits of an attempt */
    struct elg_release_list releases; /* with the next turn */

    bool wanted; /* in the queue of runs with records to commit */
    struct elg_host_run *want_next, *dead_next;
    bool gated; /* executes no further until its records are durable, or (sync) on their
                   way */
    uint32_t in_flight;  /* turns of it that are with the committer */
    bool step_in_flight; /* the last of them finishes a step */
};

struct elg_committer; /* commit.c */

/* Taking up runs that nobody named: serve.c. */
struct elg_serving {
    bool on;
    bool parks;      /* runs that wait for long are let go */
    bool all_graphs; /* else those of graph_ids */
    bool asks;       /* the store has to be asked; it has no descriptor */
    bool listens;    /* the store's descriptor is in the host's */
    char **graph_ids;
    size_t graph_count;
    size_t run_count_max;
    int64_t look_us; /* the next look, by the monotonic clock */
    int64_t asked_us;
    uint32_t refused_count; /* in a row */
    struct elg_passed_list passed;
    /* Claimed in one piece, not in hand yet: rows[row_next .. row_count). */
    struct elg_run_row *rows; /* ELG_CLAIM_BATCH_RUNS_MAX; NULL: served nothing yet */
    size_t row_next, row_count;
    uint64_t rows_lapses; /* of the lease, before they were claimed */
    /* To be handed back in one piece. */
    char backs[ELG_CLAIM_BATCH_RUNS_MAX][ELG_TRACE_BYTES_MAX + 1];
    size_t back_count;
};

struct elg_host {
    const struct elg_alloc *alloc;
    struct elg_host_options options;
    char *compiler_path, *jailer_path, *artifacts, *store_url, *owner;
    char **allow_net;
    struct elg_clock clock;
    struct elg_random random;
    struct elg_sha256 *sha;
    struct elg_intern *intern;
    struct elg_store *store;
    struct elg_artifacts *payloads; /* the store's; NULL: in its rows, or stored */
    bool artifacts_stored;          /* the store keeps them itself */
    struct elg_artifact_source artifact_source; /* of all; put NULL: in memory */
    struct elg_boxes own;                       /* as the options ask */
    struct elg_boxes *more;               /* of runs that need a jail, or more memory */
    struct elg_jail_missing jail_missing; /* why there is no jail among them */
    struct elg_performer *performer;
    struct elg_committer *committer;
    struct elg_serving serving;
    struct elg_outage outages[ELG_ASKED_KINDS];
    uint64_t lapses_claimed; /* of the lease, before the last claim */
    /* For the store's thread, which lets the lease go if the loop is stuck. */
    atomic_llong tick_began_us; /* 0: none is under way */
    atomic_llong tick_ended_us;
    atomic_llong stuck_us; /* after so long it is */
    struct elg_graph *graphs;

    struct elg_host_run **table;
    size_t table_size, run_count;
    struct elg_host_run *all;
    struct elg_host_run *ready_head, *ready_tail;
    size_t ready_count;
    struct elg_host_run **heap;
    size_t heap_count, heap_capacity;
    struct elg_host_run *current; /* whose job is in the arena */
    struct elg_host_run *want_head, *want_tail;
    size_t want_count;
    struct elg_host_run *dead; /* lost, to be freed where nobody stands on them */
    size_t ended_count;        /* in hand until their end is durable */
    size_t idle_count;
    struct elg_host_run *woken, *taking;
    size_t parked_bytes;
    uint32_t steps_unsubmitted;

    int epoll_fd, timer_fd;
    int64_t timer_armed_us, abort_polled_us;
    bool closing;
    uint64_t stale_writes;
    struct elg_error commit_error; /* of the store as a whole, to be reported by tick */
    struct elg_buf scratch;
};

/* ---- runs.c
 * ------------------------------------------------------------------------------ */
struct elg_host_run *elg__run_find(struct elg_host *host, const char *trace_id);
enum elg_status elg__run_load(struct elg_host *host, struct elg_run_row *row, bool is_new,
                              struct elg_graph *graph, struct elg_host_run **out,
                              struct elg_error *error);
/* Puts a run that was claimed in hand; what `row` holds moves there. */
enum elg_status elg__run_take(struct elg_host *host, struct elg_run_row *row,
                              struct elg_error *error);
/* Feeds the run what its journal holds of the step under way and the one before. */
enum elg_status elg__run_recall(struct elg_host *host, struct elg_run *run,
                                struct elg_error *error);
/* Takes it out of hand and frees it; the store lets go of it. A run that is neither lost
 * nor ended is handed back in good order. */
void elg__run_forget(struct elg_host_run *hr);
/* As that, of a run that can wait: nobody is told. */
void elg__run_park(struct elg_host_run *hr);
/* Frees the lost runs that nobody stands on any more. */
void elg__run_reap(struct elg_host *host);

/* ---- turn.c, calls.c
 * --------------------------------------------------------------------- */
void elg__turn(struct elg_host_run *hr);
/* Ends a run from outside: abort, run timeout, divergence. where NULL: the node. */
void elg__turn_stop(struct elg_host_run *hr, enum elg_run_status status, const char *code,
                    const char *message, const char *where);
/* Something in this run went wrong that is not the run's own failure: back to its last
 * durable step; reported. */
void elg__turn_lose(struct elg_host_run *hr, const struct elg_error *error);
/* The attempt's node timeout has passed while it waited for a call. */
void elg__turn_call_timeout(struct elg_host_run *hr);

enum elg__call_step { ELG_STEP_ANSWER, ELG_STEP_BLOCK, ELG_STEP_OVER };
/* Node code asked for something: answer now, wait, or the run is over (diverged, lost).
 */
enum elg__call_step elg__call_asked(struct elg_host_run *hr,
                                    const struct elg_outcome *outcome);
/* Everything of the run is durable: start what waited for that (I5). */
void elg__call_release(struct elg_host_run *hr);
/* A sleep's time has come. */
void elg__call_due(struct elg_host_run *hr, int64_t wall_ms);
/* Cancels what is under way and forgets the waits. */
void elg__call_drop(struct elg_host_run *hr);
/* The answer to the call that node code stands in, into `out`. */
enum elg_status elg__call_answer(struct elg_host_run *hr, struct elg_buf *out, bool *ok,
                                 struct elg_error *error);
/* Fetches a response that lies in an artifact; the row then holds a reference to it.
 * ELG_CORRUPT: it is missing, or no longer what it was. */
enum elg_status elg__call_hydrate(struct elg_host *host, const char *trace_id,
                                  struct elg_activity_row *row, struct elg_error *error);
/* The wall clock time at which the earliest sleep or wait ends; INT64_MAX: none. */
int64_t elg__call_next_due_ms(const struct elg_host_run *hr);
void elg__call_answers_clear(struct elg_host_run *hr);
/* The attempt is over: one more line tells how many were left out. ELG_NO_MEMORY. */
enum elg_status elg__call_logs_end(struct elg_host_run *hr);
/* Forgets the attempt's log lines. */
void elg__call_logs_clear(struct elg_host_run *hr);
/* Records what a call came to; false: the run was lost. */
bool elg__call_record(struct elg_host_run *hr, uint32_t seq,
                      enum elg_activity_status status, struct elg_bytes response);
/* The wait's result is recorded: one call less to wait for. */
void elg__call_over(struct elg_wait *wait);

/* ---- place.c
 * ----------------------------------------------------------------------------- */
/* The run's Lua state is given up, if there is one. */
void elg__place_forget(struct elg_host_run *hr, enum elg_lua_state then);
/* Makes the arena free: the job in it is parked, or dropped to be executed again. */
void elg__place_vacate(struct elg_host *host);
/* A job of the run has begun in the arena. */
void elg__place_fresh(struct elg_host_run *hr);
/* Puts its parked job back into the arena, which is free. ELG_NO_MEMORY; ELG_INTERNAL. */
enum elg_status elg__place_back(struct elg_host_run *hr, struct elg_error *error);
/* Its node code has executed for so long. */
void elg__place_executed(struct elg_host_run *hr, int64_t took_us);
/* Whether it goes on before others, though its slice is over. */
bool elg__place_keeps(const struct elg_host_run *hr);

/* ---- waits.c
 * ----------------------------------------------------------------------------- */
enum elg_status elg__wait_add(struct elg_host_run *hr, struct elg_prepared *prepared,
                              uint32_t seq, int64_t due_ms);
/* The clock's reading is the result; false: the run was lost. */
bool elg__wait_record_now(struct elg_host_run *hr, uint32_t seq);
/* Kinds that no call of this process is under way for: the clock's and signals. */
bool elg__wait_is_parked_kind(enum elg_activity_kind kind);
/* Whether all that the run still waits for is of those kinds, and for long. */
bool elg__wait_is_long(const struct elg_host_run *hr);
/* Others shall see of the run what it waits for, with its next turn. */
void elg__wait_tell(struct elg_host_run *hr);
/* (Un)counts the run among those that wait for others only. */
void elg__wait_idle(struct elg_host_run *hr, bool idle);

/* ---- signals.c
 * --------------------------------------------------------------------------- */
/* A signal that is there already is taken at once: *taken, and its result is recorded. */
enum elg_status elg__wait_take_early(struct elg_host_run *hr,
                                     const struct elg_prepared *prepared, uint32_t seq,
                                     bool *taken, struct elg_error *error);
/* Looks for what the run's open waits want: signals that came. */
void elg__wait_look(struct elg_host_run *hr);
/* A wait's time is over. */
void elg__wait_expire(struct elg_wait *wait);
/* Sees to the runs that got signals from other processes. */
void elg__wait_poll(struct elg_host *host);

/* ---- children.c
 * -------------------------------------------------------------------------- */
/* Begins queued children, as many as may be in flight: with the run's next turn. */
void elg__child_begin(struct elg_host_run *hr);
/* One child less is in flight: the next one begins. */
void elg__child_next(struct elg_host_run *hr);
/* The child is durable: somebody may execute it. */
void elg__child_started(struct elg_wait *wait);
/* Looks for children that ended. */
void elg__child_look(struct elg_host_run *hr);
/* Takes up children as long as there is room. */
void elg__child_serve(struct elg_host *host);
/* The run's end is durable: forgets it, wakes its parent, ends its children. */
void elg__child_ended(struct elg_host_run *hr);
void elg__child_forget(struct elg_host_run *hr);
/* Whether the run waits for a child. */
bool elg__child_awaited(const struct elg_host_run *hr);

/* ---- releases.c
 * -------------------------------------------------------------------------- */
enum elg_status elg__release_add(struct elg_host_run *hr, struct elg_release_list *list,
                                 enum elg_event_kind kind, int64_t step_index,
                                 const char *node_id, const char *level,
                                 struct elg_bytes text, struct elg_bytes data);
void elg__release_move(struct elg_host_run *hr, struct elg_release_list *from,
                       struct elg_release_list *to);
void elg__release_clear(struct elg_release_list *list);
void elg__release_fini(struct elg_host *host, struct elg_release_list *list);
/* Calls the host's on_event for each, then clears. */
void elg__release_tell(struct elg_host_run *hr, struct elg_release_list *list);
void elg__warn(struct elg_host *host, const char *trace_id, const char *where,
               const char *text);

/* ---- commit.c
 * ---------------------------------------------------------------------------- */
enum elg_status elg__committer_create(struct elg_host *host, struct elg_committer **out,
                                      struct elg_error *error);
void elg__committer_destroy(struct elg_committer *committer);
int elg__committer_fd(const struct elg_committer *committer);
/* Takes back a finished batch, if any: durable turns release what waited. */
void elg__commit_collect(struct elg_host *host);
/* Hands the dirty runs' turns over, or commits them here if may_wait and nothing else is
 * to do. */
void elg__commit_submit(struct elg_host *host, bool may_wait);
/* Waits until the committer's thread has nothing to do, and takes nothing back: the store
 * may be written from here until the next submit. */
void elg__commit_wait(struct elg_host *host);
/* Waits until nothing is dirty or in flight. */
void elg__commit_drain(struct elg_host *host);
/* Takes it out of the queue. */
void elg__commit_unwant(struct elg_host_run *hr);
/* True if there are records that the committer would take now. */
bool elg__commit_may_submit(const struct elg_host *host);
/* True inside the host's on_event: what it tells of is not off the hands yet. */
bool elg__commit_finishing(const struct elg_committer *committer);
/* A run has records: it goes with the next batch. */
void elg__commit_want(struct elg_host_run *hr);

/* ---- loop.c
 * ------------------------------------------------------------------------------ */
void elg__loop_ready(struct elg_host_run *hr);
/* As that, before all others. */
void elg__loop_ready_first(struct elg_host_run *hr);
/* (Re)arms the run's one timer from what it waits for. */
void elg__loop_arm(struct elg_host_run *hr);
void elg__loop_disarm(struct elg_host_run *hr);
/* Removes it from the ready queue and the timers. */
void elg__loop_forget(struct elg_host_run *hr);
enum elg_status elg__loop_init(struct elg_host *host, struct elg_error *error);
void elg__loop_fini(struct elg_host *host);
/* False: a tick takes too long, or none comes though there is something to do. `self` is
 * the host; any thread. */
bool elg__loop_alive(void *self);

/* ---- list.c
 * ---------------------------------------------------------------------------- */
/* Names of statuses with commas between, or NULL, as bits. ELG_USAGE. */
enum elg_status elg__statuses_parse(const char *names, uint32_t *bits,
                                    struct elg_error *error);

/* ---- serve.c
 * ---------------------------------------------------------------------------- */
/* Takes up runs, if the host serves and has room; at least one look, none begun after
 * until_us. */
void elg__serve(struct elg_host *host, int64_t now_us, int64_t until_us);
/* When it has something to do next; INT64_MAX: never. */
int64_t elg__serve_next_us(const struct elg_host *host);
/* Lets go of a run all of which is durable if it only waits, and for long; true: it is
 * gone. */
bool elg__serve_park(struct elg_host_run *hr);
void elg__serve_fini(struct elg_host *host);

/* ---- replay.c
 * ---------------------------------------------------------------------------- */
/* The state after step `to` (>= 0) of a run, recomputed from the last kept one. */
enum elg_status elg__replay_state(struct elg_host *host, struct elg_graph *graph,
                                  const struct elg_run_row *row, int64_t to,
                                  struct elg_buf *out, struct elg_error *error);

/* ---- audit.c
 * ----------------------------------------------------------------------------- */
/* What the second sandbox is to be made of. */
void elg__audit_options(bool jail, struct elg_sandbox_options *options);
/* Executes the attempt that has just ended again, if its step is to be audited. False:
 * that ended the run (diverged), or it was lost. */
bool elg__audit(struct elg_host_run *hr, const struct elg_outcome *outcome);

/* ---- documents.c
 * ------------------------------------------------------------------------- */
/* The result's fields without the closing brace, so that show can go on. */
void elg__document_result(struct elg_buf *out, const struct elg_run_row *row,
                          const struct elg_hash *state_hash, struct elg_bytes state,
                          struct elg_bytes output);
enum elg_status elg__document_text(const struct elg_alloc *alloc, struct elg_buf *buf,
                                   struct elg_text *out, struct elg_error *error);

#endif
