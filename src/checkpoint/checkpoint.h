/* checkpoint: the store. One ops table; memory.c is the reference, sqlite.c the default.
 *
 * Uses base, json. Knows rows, not what they mean: the executor fills them.
 *
 * A turn is what one run wants recorded in one piece. `commit` takes many turns of many
 * runs in one transaction; each turn is all or nothing and names the run's epoch (I8).
 * Rows become visible and durable together, or not at all (I4). `commit` is called on the
 * committer's thread while all other calls come from the loop's thread: a back end must
 * stand both at once. Strings in rows that the store gives are owned by the out struct
 * and freed by its fini. Rows given to a callback are borrowed: copy what is to be kept.
 * A callback must not call the store that calls it.
 */
#ifndef ELG_CHECKPOINT_CHECKPOINT_H
#define ELG_CHECKPOINT_CHECKPOINT_H

#include "base/artifact.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/uuid.h"
#include "checkpoint/chain.h"
#include "checkpoint/payload_ops.h"
#include "checkpoint/row_name.h"
#include "checkpoint/rows.h"

/* ---- turns
 * ------------------------------------------------------------------------------- */

enum elg_record_kind { ELG_RECORD_STEP, ELG_RECORD_ACTIVITY };

struct elg_record {
    enum elg_record_kind kind;
    union {
        struct elg_step_row step; /* inserted; an OPEN row of the same key is replaced */
        struct elg_activity_row
            activity; /* inserted; an INTENT of the same key is replaced */
    } row;
};

/* `run` holds the run's row as it shall be after the turn (epoch: the writer's; claims
 * are reset to 0 by the store if there is any record, or if the run is left waiting: it
 * came to where it waits). With `create` the row must not
 * exist yet; one that is created as pending is no one's, and who waits for work is told
 * of it. The store reads all fields of `run` for a create (created_at_ms 0: now),
 * else status, initial_state (only while step_count_before is 0; NULL leaves it), error,
 * step_count, chain, due_ms, started_at_ms, completed_at_ms (0 of an ended status: now);
 * it sets updated_at_ms itself. graph_hash and chain are never zero (ELG_USAGE of the
 * whole call). Refused as CORRUPT besides a gap: a record outside steps
 * step_count_before .. step_count, a finished step without a row, a second record where
 * none is open, a use of a signal that is not there or was used before, a turn for a run
 * that has ended. As NOT_FOUND: the run, or the graph of one that begins, is not there.
 * Once a turn is refused, later turns of that run in the same call are refused with the
 * same status. */
struct elg_turn {
    bool create;
    uint64_t step_count_before; /* what the store must hold; else ELG_CORRUPT: a gap */
    const struct elg_run_row *run;
    const struct elg_record *records;
    size_t record_count;
    enum elg_status result; /* out: OK, EXISTS, FENCED, NOT_FOUND (the run, a graph),
                               CORRUPT (gap, second record), or as the whole */
    const struct elg_signal_use *uses; /* signals that results of this turn consume */
    size_t use_count;
    /* Runs that begin with this turn: pending, no one's, as a create of theirs would make
     * them. One that is there already is left as it is. */
    const struct elg_run_row *children;
    size_t child_count;
};

/* A turn that ends a child tells its parent. One that ends a run as completed, failed,
 * timeout or aborted requests the abort of its children that have not ended, and makes
 * those due that wait. */

/* True if children of the turn's run that have not ended are to be aborted. */
bool elg_checkpoint_turn_ends_children(const struct elg_turn *turn);

/* ---- the table
 * --------------------------------------------------------------------------- */

struct elg_checkpoint_env {
    const struct elg_alloc *alloc;
    struct elg_clock clock;
    struct elg_random random;
    bool read_only;
    const char *owner; /* names this process in messages: "pid 123 on host" */
    /* What the store dates, it dates by `clock`. Else one that has a clock of its own,
     * which all its processes share, dates by that. */
    bool dates_by_clock;
    /* False: whoever executes is stuck, and what is held here shall be let go. From a
     * thread of the store. NULL: always true. */
    bool (*alive)(void *self);
    void *alive_self;
};

typedef bool (*elg_run_row_fn)(void *self, const struct elg_run_row *row);
/* One of the two is NULL. Rows come by (step, attempt), each step row before its
 * activities by seq. False ends the reading. */
typedef bool (*elg_journal_row_fn)(void *self, const struct elg_step_row *step,
                                   const struct elg_activity_row *activity);

typedef bool (*elg_signal_row_fn)(void *self, const struct elg_signal_row *row);

/* Told of a run whose row is damaged: its trace ("" if that cannot be read) and what is
 * wrong where. Borrowed. */
typedef void (*elg_unread_fn)(void *self, const char *trace_id,
                              const struct elg_error *why);

#define ELG_RUN_STATUSES_ALL ((1u << (ELG_RUN_QUARANTINED + 1)) - 1)
#define ELG_RUN_STATUSES_UNFINISHED ((1u << (ELG_RUN_WAITING + 1)) - 1)
#define ELG_TIME_MS_MAX 253402300799000 /* the end of the year 9999 */
struct elg_run_filter {
    bool any_status;
    enum elg_run_status status; /* unless any_status */
    bool unfinished;            /* only runs that have not ended */
    uint32_t statuses;          /* bits 1u << status; 0: what the fields above say */
    const char *graph_id;       /* NULL: any */
    int64_t since_ms, until_ms; /* made then or later, and before; 0: any time */
    const char *after;          /* a trace: only what follows it in the list; NULL: all */
    /* Rows that cannot be read are told of here and left out. NULL: the list ends with
     * ELG_CORRUPT for the first of them, after all others were given. */
    elg_unread_fn unread;
    void *unread_self;
};

/* What claim_many leaves to others. */
struct elg_pass_over {
    bool jailed;                  /* runs that were begun in a jail */
    const char *const *trace_ids; /* and these */
    size_t count;
    /* Told, from within the call, of runs that were met and whose rows cannot be read:
     * they are left as they are, and others are claimed. NULL: nobody is told. */
    elg_unread_fn unread;
    void *unread_self;
};
/* True if it is one of these traces. `passed` NULL: nothing is passed over. */
bool elg_checkpoint_is_passed(const struct elg_pass_over *passed, const char *trace_id);

/* Borrowed. */
typedef void (*elg_reference_fn)(void *self, struct elg_bytes text);

struct elg_checkpoint_ops {
    uint32_t version; /* 1; fields are only ever appended */
    const char *scheme;
    /* Opens, making the store and migrating it unless read_only. ELG_IO, ELG_FULL,
     * ELG_CORRUPT
     * ("not a database"), ELG_UNSUPPORTED (a schema from the future), ELG_NO_MEMORY. */
    enum elg_status (*open)(const char *location, const struct elg_checkpoint_env *env,
                            void **out, struct elg_error *error);
    void (*close)(void *self);
    /* Keeps a graph; the same hash again is fine. Durable on return. It is put before a
     * run that carries it is made. */
    enum elg_status (*graph_put)(void *self, const struct elg_graph_row *row,
                                 struct elg_error *error);
    enum elg_status (*graph_get)(void *self, const struct elg_hash *hash,
                                 struct elg_graph_row *out, struct elg_error *error);
    /* Makes this process the one that may create `trace_id`. ELG_BUSY names the owner. */
    enum elg_status (*reserve)(void *self, const char *trace_id, struct elg_error *error);
    /* Takes up an existing run: owner, epoch + 1, claims + 1, durable on return. An ended
     * run is returned as it is, not claimed. Past ELG_CLAIMS_MAX it becomes quarantined
     * (error set, returned like an ended run). A run that this store owns already is
     * claimed anew, which fences its earlier writer. ELG_NOT_FOUND, ELG_BUSY (names the
     * owner), ELG_CORRUPT. */
    enum elg_status (*claim)(void *self, const char *trace_id, struct elg_run_row *out,
                             struct elg_error *error);
    /* Lets go of a reserved or claimed run. */
    void (*release)(void *self, const char *trace_id);
    /* Writes all turns in one transaction, durable on return. A turn that is refused
     * (result) does not keep the others from being written. Not OK: nothing was written,
     * of no turn, and the cause concerns all. Committer's thread. */
    enum elg_status (*commit)(void *self, struct elg_turn *turns, size_t turn_count,
                              struct elg_error *error);
    enum elg_status (*run_get)(void *self, const char *trace_id, struct elg_run_row *out,
                               struct elg_error *error);
    /* Newest first; input, initial_state and limits are left out (NULL). `statuses` and
     * `unread` are filled in. Runs whose created_at is no time have no place in it: they
     * are told to `unread` before all others, of a list that is not of a time and not
     * `after`. ELG_NOT_FOUND: filter->after is no run. */
    enum elg_status (*run_list)(void *self, const struct elg_run_filter *filter,
                                elg_run_row_fn row, void *row_self,
                                struct elg_error *error);
    /* Steps from..to (-1: to the last). */
    enum elg_status (*journal)(void *self, const char *trace_id, int64_t from, int64_t to,
                               elg_journal_row_fn row, void *row_self,
                               struct elg_error *error);
    /* Sets a durable flag. ELG_NOT_FOUND; of an ended run nothing changes. */
    enum elg_status (*abort_request)(void *self, const char *trace_id,
                                     struct elg_error *error);
    /* Calls `row` for each run owned here whose abort was requested since it was last
     * called for; cheap when nothing changed. */
    enum elg_status (*abort_poll)(void *self, elg_run_row_fn row, void *row_self,
                                  struct elg_error *error);
    /* Until when, by the monotonic clock in microseconds, what is owned here is surely
     * not taken over; INT64_MAX where a live process cannot lose a run (I8). Cheap; any
     * thread. */
    int64_t (*lease_until_us)(void *self);
    /* Milliseconds since 1970 by the clock that all processes of this store share: due
     * times are compared with it. Of a store of one machine that machine's. Cheap; any
     * thread. */
    int64_t (*wall_ms)(void *self);
    /* As reserve, for a trace id that the caller has just drawn from chance: nobody else
     * can mean it. NULL: reserve does. */
    enum elg_status (*reserve_new)(void *self, const char *trace_id,
                                   struct elg_error *error);
    /* As release, of a run that is given up in good order (a stop, a long wait): a claim
     * that led to no record is not counted. `tell`: it may be taken up at once, and who
     * waits for work is told. */
    void (*hand_back)(void *self, const char *trace_id, bool tell);
    /* A descriptor that becomes readable when there may be runs to take up; -1: there is
     * none, work_poll has to be asked. Borrowed. */
    int (*work_fd)(void *self);
    /* True if another process may have made runs to take up since it was last called.
     * Cheap; what no one tells of (a dead process, a time that comes) it does not know.
     */
    bool (*work_poll)(void *self);
    /* The earliest time to come at which a run that waits for it may be taken up;
     * INT64_MAX: none. Of a store that does not know who is owned, of any run. */
    enum elg_status (*work_due)(void *self, int64_t *due_ms, struct elg_error *error);
    /* How often the lease has lapsed: what was owned before may be another's (I8). 0
     * where a live process cannot lose a run. Cheap; any thread. */
    uint64_t (*lease_lapses)(void *self);
    /* Keeps a signal (name, key, payload, payload_hash) for a run that has not ended,
     * durably, and makes the run due if it waits. *created false: its key is there
     * already, with the same name and payload. ELG_NOT_FOUND; ELG_USAGE: the run has
     * ended; ELG_EXISTS: the key is there with another name or payload; ELG_LIMIT: too
     * many, or too many bytes, wait to be consumed. */
    enum elg_status (*signal_put)(void *self, const char *trace_id,
                                  const struct elg_signal_row *signal, bool *created,
                                  struct elg_error *error);
    /* The run's signals of that name that nothing consumed, numbers above `after`, in
     * order. *last (0: none): number of the run's last signal of any name, as it was
     * before they were read. A run that is not there has none. */
    enum elg_status (*signals)(void *self, const char *trace_id, const char *name,
                               int64_t after, elg_signal_row_fn row, void *row_self,
                               int64_t *last, struct elg_error *error);
    /* Calls `woken` with the trace of each run that got a signal since it was last called
     * for, by whomever; perhaps also with others. Cheap when nothing changed. */
    enum elg_status (*signal_poll)(void *self,
                                   void (*woken)(void *self, const char *trace_id),
                                   void *woken_self, struct elg_error *error);
    /* The version of the schema, which is this build's once it is open; 0: it has none.
     */
    int64_t (*schema_version)(void *self);
    /* Artifacts, if the store keeps them itself, so that every host has them; all four
     * NULL: they lie in a folder (elg_checkpoint_artifacts). As the methods of
     * elg_artifact_source. Any thread, also from a callback of another method. */
    enum elg_status (*artifact_put)(void *self, const struct elg_hash *hash,
                                    struct elg_bytes content, struct elg_error *error);
    enum elg_status (*artifact_get)(void *self, const struct elg_hash *hash,
                                    struct elg_buf *out, struct elg_error *error);
    enum elg_status (*artifact_list)(void *self, const struct elg_hash *after,
                                     elg_artifact_row_fn row, void *row_self,
                                     struct elg_error *error);
    enum elg_status (*artifact_remove)(void *self, const struct elg_hash *hash,
                                       int64_t age_ms_min, bool *removed,
                                       struct elg_error *error);
    /* Removes runs that ended before before_ms and were begun by no other, with all that
     * they began, in one transaction; a tree in which a run goes on stays. *removed: how
     * many runs. `look`: only counts. At most ELG_GC_TREES_MAX traces. */
    enum elg_status (*trees_remove)(void *self, const char *const *trace_ids,
                                    size_t count, int64_t before_ms, bool look,
                                    uint64_t *removed, struct elg_error *error);
    /* Removes graphs that were put before that and that no run carries. */
    enum elg_status (*graphs_remove)(void *self, int64_t before_ms, bool look,
                                     uint64_t *removed, struct elg_error *error);
    /* Calls `text` with every text in which a reference to an artifact may be: results of
     * calls that write or read one, inputs, payloads that lie elsewhere, and states and
     * outputs of runs that have not ended. */
    enum elg_status (*references)(void *self, elg_reference_fn text, void *text_self,
                                  struct elg_error *error);
    /* Calls `child` with the trace of each child of the run that has not ended. */
    enum elg_status (*children)(void *self, const char *trace_id,
                                void (*child)(void *self, const char *trace_id),
                                void *child_self, struct elg_error *error);
    /* Takes up the next run that has not ended, that no one owns and that is due (due_ms
     * 0, or past), as claim does, if its quota leaves room, and then the next, up to
     * `max` of them, in one transaction; it may stop before the last. First those of the
     * highest priority; of these, of the graph of which a run was last taken up the
     * longest ago; of these the longest waiting (since due_ms, or since it was made).
     * `graph_ids` (may be NULL: all) names those that are wanted; `passed` (may be NULL)
     * is left alone. A run that is quarantined by this is returned too. rows[0..*count)
     * are the caller's. ELG_NOT_FOUND: there is none now. */
    enum elg_status (*claim_many)(void *self, const char *const *graph_ids,
                                  size_t graph_count, const struct elg_pass_over *passed,
                                  struct elg_run_row *rows, size_t max, size_t *count,
                                  struct elg_error *error);
    /* As claim of each of these, in one transaction; those that cannot be had at once
     * (owned, ended, claimed too often, not there, damaged) are left out, and nothing is
     * said of them. rows has room for all. NULL, and ELG_NOT_FOUND: none was claimed. */
    enum elg_status (*claim_named)(void *self, const char *const *trace_ids,
                                   size_t trace_count, struct elg_run_row *rows,
                                   size_t *count, struct elg_error *error);
    /* As hand_back of each (at most ELG_CLAIM_BATCH_RUNS_MAX), without telling. NULL:
     * hand_back does. */
    void (*hand_back_many)(void *self, const char *const *trace_ids, size_t trace_count);
    /* What messages call the store; no password is in it (I14). Borrowed. */
    const char *(*name)(void *self);
    /* As commit of these turns, which are of different runs and in the order of their
     * traces, all or none: of runs that have ended, but not as completed. They go on, and
     * nobody owns them. turn->run names the epoch that follows the ended one's; claims,
     * error, due time and a request to abort are taken away, and so is what told its
     * parent of the end: the next end is told anew. A result that is not OK is that of
     * all; FENCED: one has not ended so, or has another epoch. Loop's thread. */
    enum elg_status (*reopen_many)(void *self, struct elg_turn *turns, size_t turn_count,
                                   struct elg_error *error);
    /* Calls `child` with the trace of each run that this step of the run began and that
     * has ended, but not as completed. */
    enum elg_status (*children_failed)(void *self, const char *trace_id, int64_t step,
                                       void (*child)(void *self, const char *trace_id),
                                       void *child_self, struct elg_error *error);
};

/* The back ends. */
const struct elg_checkpoint_ops *elg_checkpoint_memory_ops(void);
const struct elg_checkpoint_ops *elg_checkpoint_sqlite_ops(void);
const struct elg_checkpoint_ops *elg_checkpoint_postgres_ops(void);

/* ---- the store, a thin wrapper
 * ----------------------------------------------------------- */

struct elg_store; /* checks arguments, injects faults, calls the back end */

/* url: "memory:", "sqlite:PATH", "postgres://..." (what is not in it comes from
 * POSTGRES_* and PG* of the environment). ELG_USAGE for another scheme. */
enum elg_status elg_checkpoint_open(const char *url, const struct elg_checkpoint_env *env,
                                    struct elg_store **out, struct elg_error *error);
void elg_checkpoint_close(struct elg_store *store);
/* The folder for artifacts that goes with the store ("" for memory). Borrowed. */
const char *elg_checkpoint_artifacts(const struct elg_store *store);
/* False: the store keeps none itself. *out is good while the store is open. */
bool elg_checkpoint_artifact_source(struct elg_store *store,
                                    struct elg_artifact_source *out);

/* Where large payloads go. Before the first run is read or written. ELG_NO_MEMORY. */
enum elg_status elg_checkpoint_payloads(struct elg_store *store,
                                        const struct elg_payload_ops *ops,
                                        struct elg_error *error);

/* As the methods of the same name in the ops table; what holds there holds here. */
enum elg_status elg_checkpoint_graph_put(struct elg_store *store,
                                         const struct elg_graph_row *row,
                                         struct elg_error *error);
enum elg_status elg_checkpoint_graph_get(struct elg_store *store,
                                         const struct elg_hash *hash,
                                         struct elg_graph_row *out,
                                         struct elg_error *error);
enum elg_status elg_checkpoint_reserve(struct elg_store *store, const char *trace_id,
                                       struct elg_error *error);
enum elg_status elg_checkpoint_reserve_new(struct elg_store *store, const char *trace_id,
                                           struct elg_error *error);
enum elg_status elg_checkpoint_claim(struct elg_store *store, const char *trace_id,
                                     struct elg_run_row *out, struct elg_error *error);
void elg_checkpoint_release(struct elg_store *store, const char *trace_id);
enum elg_status elg_checkpoint_commit(struct elg_store *store, struct elg_turn *turns,
                                      size_t turn_count, struct elg_error *error);
enum elg_status elg_checkpoint_run_get(struct elg_store *store, const char *trace_id,
                                       struct elg_run_row *out, struct elg_error *error);
enum elg_status elg_checkpoint_run_list(struct elg_store *store,
                                        const struct elg_run_filter *filter,
                                        elg_run_row_fn row, void *row_self,
                                        struct elg_error *error);
enum elg_status elg_checkpoint_journal(struct elg_store *store, const char *trace_id,
                                       int64_t from, int64_t to, elg_journal_row_fn row,
                                       void *row_self, struct elg_error *error);
enum elg_status elg_checkpoint_abort_request(struct elg_store *store,
                                             const char *trace_id,
                                             struct elg_error *error);
enum elg_status elg_checkpoint_abort_poll(struct elg_store *store, elg_run_row_fn row,
                                          void *row_self, struct elg_error *error);
int64_t elg_checkpoint_lease_until_us(struct elg_store *store);
int64_t elg_checkpoint_wall_ms(struct elg_store *store);
/* At most ELG_CLAIM_BATCH_RUNS_MAX at once, of both. Payloads that lie elsewhere are
 * still there (elg_checkpoint_fetch), so that one which cannot be read keeps no other
 * run. */
enum elg_status elg_checkpoint_claim_many(struct elg_store *store,
                                          const char *const *graph_ids,
                                          size_t graph_count,
                                          const struct elg_pass_over *passed,
                                          struct elg_run_row *rows, size_t max,
                                          size_t *count, struct elg_error *error);
enum elg_status elg_checkpoint_claim_named(struct elg_store *store,
                                           const char *const *trace_ids,
                                           size_t trace_count, struct elg_run_row *rows,
                                           size_t *count, struct elg_error *error);
/* Fetches the payloads of a row that lie elsewhere, if any do. If it fails the row is the
 * caller's as it was, the run claimed. ELG_IO, ELG_CORRUPT (missing, altered),
 * ELG_NO_MEMORY. */
enum elg_status elg_checkpoint_fetch(struct elg_store *store, struct elg_run_row *row,
                                     struct elg_error *error);
void elg_checkpoint_hand_back(struct elg_store *store, const char *trace_id, bool tell);
/* Of any number: the method gets them in pieces. */
void elg_checkpoint_hand_back_many(struct elg_store *store, const char *const *trace_ids,
                                   size_t trace_count);
int elg_checkpoint_work_fd(struct elg_store *store);
bool elg_checkpoint_work_poll(struct elg_store *store);
enum elg_status elg_checkpoint_work_due(struct elg_store *store, int64_t *due_ms,
                                        struct elg_error *error);
uint64_t elg_checkpoint_lease_lapses(struct elg_store *store);
int64_t elg_checkpoint_schema_version(struct elg_store *store);
const char *elg_checkpoint_name(struct elg_store *store);
enum elg_status elg_checkpoint_trees_remove(struct elg_store *store,
                                            const char *const *trace_ids, size_t count,
                                            int64_t before_ms, bool look,
                                            uint64_t *removed, struct elg_error *error);
enum elg_status elg_checkpoint_graphs_remove(struct elg_store *store, int64_t before_ms,
                                             bool look, uint64_t *removed,
                                             struct elg_error *error);
enum elg_status elg_checkpoint_references(struct elg_store *store, elg_reference_fn text,
                                          void *text_self, struct elg_error *error);
enum elg_status elg_checkpoint_reopen_many(struct elg_store *store,
                                           struct elg_turn *turns, size_t turn_count,
                                           struct elg_error *error);
enum elg_status elg_checkpoint_children_failed(struct elg_store *store,
                                               const char *trace_id, int64_t step,
                                               void (*child)(void *self,
                                                             const char *trace_id),
                                               void *child_self, struct elg_error *error);
enum elg_status elg_checkpoint_signal_put(struct elg_store *store, const char *trace_id,
                                          const struct elg_signal_row *signal,
                                          bool *created, struct elg_error *error);
enum elg_status elg_checkpoint_signals(struct elg_store *store, const char *trace_id,
                                       const char *name, int64_t after,
                                       elg_signal_row_fn row, void *row_self,
                                       int64_t *last, struct elg_error *error);
enum elg_status elg_checkpoint_signal_poll(struct elg_store *store,
                                           void (*woken)(void *self,
                                                         const char *trace_id),
                                           void *woken_self, struct elg_error *error);
enum elg_status elg_checkpoint_children(struct elg_store *store, const char *trace_id,
                                        void (*child)(void *self, const char *trace_id),
                                        void *child_self, struct elg_error *error);

/* A fault that a spec plants: the next `skip` calls of `op` go well, then `count` of them
 * fail with `status` (op: "commit", "claim", ...; NULL takes the fault away). delay_us >
 * 0 makes each call of op that much slower instead. */
void elg_checkpoint_fault(struct elg_store *store, const char *op, uint32_t skip,
                          uint32_t count, enum elg_status status, uint32_t delay_us);

#endif
