/* sqlite: the parts of the SQLite back end. Private to sqlite_*.c.
 *
 * Invariants
 * S1 One connection writes, under write_mutex, in BEGIN IMMEDIATE; one reads, under
 *    read_mutex. commit comes from the committer's thread, all other calls from the
 * loop's. S2 Every writing transaction of every process holds DB-lock shared (flock) from
 * before BEGIN until after COMMIT; the WAL is checkpointed only while it is held
 * exclusively. SQLite before 3.51.3 can lose a commit when a checkpoint meets the writer
 * that starts the WAL anew; under S2 they never meet. S3 Who may execute a run holds an
 * open-file-description lock on one byte of DB-lock, at an offset hashed from the trace
 * id: it goes with the process. The two kinds of lock do not see each other, and run
 * locks do not make the guard slower. S4 What SQLite reports as committed is on the disk:
 * WAL with synchronous=FULL. S5 The connections use the process's default VFS.
 */
#ifndef ELG_CHECKPOINT_SQLITE_H
#define ELG_CHECKPOINT_SQLITE_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/traces.h"

#include <pthread.h>
#include <sqlite3.h>

/* The WAL is checkpointed past the first size if no one writes at the moment, past the
 * second by waiting for the others. */
#define ELG_SQLITE_WAL_BYTES_SOFT (4u << 20)
#define ELG_SQLITE_WAL_BYTES_HARD (64u << 20)
#define ELG_SQLITE_PAGE_BYTES 8192
#define ELG_SQLITE_BUSY_MS_MAX 30000 /* waiting for another process's write */
#define ELG_SQLITE_VALUE_BYTES_MAX                                                       \
    (300u << 20) /* a graph's definition is the largest                                  \
                  */

enum elg_sqlite_statement {
    ELG_SQLITE_BEGIN_WRITE,
    ELG_SQLITE_BEGIN_READ,
    ELG_SQLITE_COMMIT,
    ELG_SQLITE_ROLLBACK,
    ELG_SQLITE_TURN_GO,
    ELG_SQLITE_TURN_END,
    ELG_SQLITE_RUN_INSERT,
    ELG_SQLITE_INPUT_INSERT,
    ELG_SQLITE_INPUT_UPDATE,
    ELG_SQLITE_STEP_WRITE,
    ELG_SQLITE_ACTIVITY_WRITE,
    ELG_SQLITE_FENCE_READ,
    ELG_SQLITE_CLAIM,
    ELG_SQLITE_QUARANTINE,
    ELG_SQLITE_ABORT,
    ELG_SQLITE_GRAPH_INSERT,
    ELG_SQLITE_GRAPH_EXISTS,
    ELG_SQLITE_GRAPH_READ,
    ELG_SQLITE_OWNER_READ,
    ELG_SQLITE_RUN_READ,
    ELG_SQLITE_RUN_EXISTS,
    ELG_SQLITE_LIST_ALL,
    ELG_SQLITE_LIST_UNFINISHED,
    ELG_SQLITE_LIST_AFTER,
    ELG_SQLITE_LIST_STRAYS,
    ELG_SQLITE_LIST_STRAYS_UNFINISHED,
    ELG_SQLITE_NEXT_STRAYS,
    ELG_SQLITE_STEPS_READ,
    ELG_SQLITE_ACTIVITIES_READ,
    ELG_SQLITE_ABORTS_READ,
    ELG_SQLITE_NEXT_PAIR,
    ELG_SQLITE_NEXT_SERVED,
    ELG_SQLITE_NEXT_READ,
    ELG_SQLITE_NEXT_TAKEN,
    ELG_SQLITE_RATE_COUNT,
    ELG_SQLITE_QUOTA_WRITE,
    ELG_SQLITE_ORPHANS_READ,
    ELG_SQLITE_ORPHAN_FREE,
    ELG_SQLITE_DUE_READ,
    ELG_SQLITE_VERSION_READ,
    ELG_SQLITE_UNCLAIM,
    ELG_SQLITE_REOPEN,
    ELG_SQLITE_REOPENED_UNTELL,
    ELG_SQLITE_TREE_READ,
    ELG_SQLITE_TREE_SIGNALS,
    ELG_SQLITE_TREE_ACTIVITIES,
    ELG_SQLITE_TREE_STEPS,
    ELG_SQLITE_TREE_INPUTS,
    ELG_SQLITE_TREE_RUNS,
    ELG_SQLITE_GRAPHS_REMOVE,
    ELG_SQLITE_GRAPHS_COUNT,
    ELG_SQLITE_REFERENCES_READ,
    ELG_SQLITE_SIGNAL_FACTS,
    ELG_SQLITE_SIGNAL_KEY,
    ELG_SQLITE_SIGNAL_INSERT,
    ELG_SQLITE_SIGNAL_WAKE,
    ELG_SQLITE_SIGNAL_USE,
    ELG_SQLITE_SIGNAL_DUE,
    ELG_SQLITE_SIGNALS_READ,
    ELG_SQLITE_SIGNALS_NEW,
    ELG_SQLITE_SIGNALS_LAST,
    ELG_SQLITE_SIGNALS_LAST_OF,
    ELG_SQLITE_CHILDREN_MARK,
    ELG_SQLITE_CHILD_TELL,
    ELG_SQLITE_CHILDREN_ABORT,
    ELG_SQLITE_CHILDREN_READ,
    ELG_SQLITE_CHILDREN_FAILED,
    ELG_SQLITE_STATEMENT_COUNT
};

struct elg_sqlite_connection {
    sqlite3 *db;
    const char *path; /* for messages; borrowed */
    sqlite3_stmt *statements[ELG_SQLITE_STATEMENT_COUNT];
};

struct elg_sqlite {
    struct elg_checkpoint_env env;
    char *path;  /* as given */
    char *owner; /* for other processes' messages */
    struct elg_sqlite_connection writer;
    pthread_mutex_t write_mutex;
    struct elg_sqlite_connection reader;
    pthread_mutex_t read_mutex;
    int wal_pages;                /* after the last commit; of the writer */
    sqlite3_int64 wal_room_bytes; /* the WAL's file has at least these */
    bool swept;                   /* a sweep for orphans was made, */
    bool sweep_due;               /* and since then a run was let go of here */
    int64_t sweep_us;             /* when */
    int64_t data_version;         /* of the writer's, when work_poll last looked */
    int lock_fd;                  /* -1: opened for reading only */
    int64_t signals_polled;       /* number of the last signal that was told of */
    pthread_mutex_t own_mutex;
    struct elg_traces owned; /* struct elg_sqlite_owned */
};

/* Of a run: the slots that its quota takes, one of the graph's and one of its key's. A
 * slot is owned as a run is, under a name of its own, so that it too goes with the
 * process. */
#define ELG_SQLITE_SLOTS 2
#define ELG_SQLITE_SLOT_BYTES_MAX 48

struct elg_sqlite_owned {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    bool abort_reported;
    char slots[ELG_SQLITE_SLOTS][ELG_SQLITE_SLOT_BYTES_MAX]; /* "": none */
};

/* What a claim of the next run looks at within its transaction. */
struct elg_sqlite_taking {
    uint32_t rate_count, rate_ms; /* 0: no limit, or it has begun */
    bool refused;                 /* out: the rate leaves no room */
    bool unread;                  /* out: its row cannot be read */
};

/* ---- sqlite_error.c */
/* The status that a result code of SQLite stands for; `db` may be NULL. */
enum elg_status elg_sqlite_status(sqlite3 *db, int code);
/* Fills `error` from the connection's last failure: the file, what was tried, why. */
enum elg_status elg_sqlite_fail(const struct elg_sqlite_connection *connection, int code,
                                const char *what, struct elg_error *error);

/* ---- sqlite_statement.c */
/* The prepared statement, reset. ELG_CORRUPT if the schema does not have it. */
enum elg_status elg_sqlite_statement(struct elg_sqlite_connection *connection,
                                     enum elg_sqlite_statement which, sqlite3_stmt **out,
                                     struct elg_error *error);
/* Prepares what begins and ends transactions, so that one can always be ended (I16). */
enum elg_status elg_sqlite_frame_prepare(struct elg_sqlite_connection *connection,
                                         struct elg_error *error);
/* Ends the connection's transaction, if there is one. Some failures end it themselves. */
void elg_sqlite_rollback(struct elg_sqlite_connection *connection);
/* Runs a statement that gives no rows, and resets it. */
enum elg_status elg_sqlite_run(struct elg_sqlite_connection *connection,
                               enum elg_sqlite_statement which, struct elg_error *error);
/* Steps: *row says whether there is one. At the end and on failure it is reset. */
enum elg_status elg_sqlite_step(struct elg_sqlite_connection *connection,
                                sqlite3_stmt *statement, bool *row,
                                struct elg_error *error);
/* Steps a write to its end and resets it; *changes: rows written. */
enum elg_status elg_sqlite_write(struct elg_sqlite_connection *connection,
                                 sqlite3_stmt *statement, int *changes,
                                 struct elg_error *error);
void elg_sqlite_connection_close(struct elg_sqlite_connection *connection);

/* Binds parameters 1, 2, ... in order. Texts and blobs are borrowed until the statement
 * was stepped, and so is the binder, which holds the hex of hashes. */
#define ELG_SQLITE_BIND_HASHES_MAX 8
struct elg_sqlite_bind {
    sqlite3_stmt *statement;
    int index;
    int code; /* the first failure, or SQLITE_OK */
    size_t hash_count;
    char hex[ELG_SQLITE_BIND_HASHES_MAX][ELG_HASH_HEX_SIZE];
};
void elg_sqlite_bind_begin(struct elg_sqlite_bind *bind, sqlite3_stmt *statement);
void elg_sqlite_bind_int(struct elg_sqlite_bind *bind, int64_t value);
void elg_sqlite_bind_time(struct elg_sqlite_bind *bind, int64_t value_ms); /* 0: NULL */
void elg_sqlite_bind_real(struct elg_sqlite_bind *bind, double value);
void elg_sqlite_bind_text(struct elg_sqlite_bind *bind,
                          const char *text); /* NULL: NULL */
void elg_sqlite_bind_blob(struct elg_sqlite_bind *bind, const struct elg_blob *blob);
/* Zeros: NULL. */
void elg_sqlite_bind_hash(struct elg_sqlite_bind *bind, const struct elg_hash *hash);
/* A parameter that is the hash of ELG_SQLITE_BIND_HASHES_MAX at most. */
enum elg_status elg_sqlite_bind_end(struct elg_sqlite_bind *bind,
                                    const struct elg_sqlite_connection *connection,
                                    struct elg_error *error);

/* ---- sqlite_column.c: reading columns 0, 1, ... in order, trusting nothing */
struct elg_sqlite_columns {
    const struct elg_alloc *alloc;
    const struct elg_sqlite_connection *connection;
    sqlite3_stmt *statement;
    const char *table; /* for messages */
    const char *row;   /* for messages: which row */
    int index;
    enum elg_status status; /* the first failure; later reads give zeros */
    struct elg_error *error;
};
int64_t elg_sqlite_column_int(struct elg_sqlite_columns *columns, int64_t min,
                              int64_t max);
int64_t elg_sqlite_column_time(struct elg_sqlite_columns *columns); /* NULL: 0 */
double elg_sqlite_column_real(struct elg_sqlite_columns *columns);
/* False: NULL, which is a failure unless `nullable`. */
bool elg_sqlite_column_text(struct elg_sqlite_columns *columns, char *out,
                            size_t out_size, bool nullable);
/* A text of any length, in a blob of its own; NULL: NULL. */
void elg_sqlite_column_long_text(struct elg_sqlite_columns *columns, const char **text,
                                 struct elg_blob **blob);
/* The bytes of a short text; NULL fails. Borrowed until the next step. */
struct elg_bytes elg_sqlite_column_name(struct elg_sqlite_columns *columns);
void elg_sqlite_column_hash(struct elg_sqlite_columns *columns, struct elg_hash *out,
                            bool nullable);
struct elg_blob *elg_sqlite_column_blob(struct elg_sqlite_columns *columns,
                                        bool nullable);
/* Notes that the column before is not what it may be. */
void elg_sqlite_column_bad(struct elg_sqlite_columns *columns, const char *why);

/* ---- sqlite_row.c: whole rows. On failure nothing is left to fini. */
enum elg_status elg_sqlite_row_run(const struct elg_alloc *alloc,
                                   const struct elg_sqlite_connection *connection,
                                   sqlite3_stmt *statement, bool summary,
                                   struct elg_run_row *out, struct elg_error *error);
/* The trace in column 0; "" if it is none. */
void elg_sqlite_row_trace(sqlite3_stmt *statement, char out[ELG_TRACE_BYTES_MAX + 1]);
/* Tells of a run of which the column that column 1 names is no time. */
void elg_sqlite_stray_tell(const struct elg_sqlite_connection *connection,
                           sqlite3_stmt *statement, elg_unread_fn unread,
                           void *unread_self);
enum elg_status elg_sqlite_row_step(const struct elg_alloc *alloc,
                                    const struct elg_sqlite_connection *connection,
                                    sqlite3_stmt *statement, const char *trace_id,
                                    struct elg_step_row *out, struct elg_error *error);
enum elg_status elg_sqlite_row_activity(const struct elg_alloc *alloc,
                                        const struct elg_sqlite_connection *connection,
                                        sqlite3_stmt *statement, const char *trace_id,
                                        struct elg_activity_row *out,
                                        struct elg_error *error);
/* The run by its id, with payloads. ELG_NOT_FOUND. */
enum elg_status elg_sqlite_run_read(const struct elg_alloc *alloc,
                                    struct elg_sqlite_connection *connection,
                                    const char *trace_id, struct elg_run_row *out,
                                    struct elg_error *error);

/* ---- sqlite_schema.c */
/* Brings the writer's database to this build's schema (ELG_UNSUPPORTED: it is newer;
 * ELG_CORRUPT: it is another program's). `migrate` false: only looks. *created: it was
 * empty. */
enum elg_status elg_sqlite_schema_open(struct elg_sqlite_connection *connection,
                                       bool migrate, bool *created,
                                       struct elg_error *error);

/* ---- sqlite_lock.c */
/* Opens `file`-lock, made if need be. */
enum elg_status elg_sqlite_lock_open(struct elg_sqlite *sqlite, const char *file,
                                     struct elg_error *error);
void elg_sqlite_lock_close(struct elg_sqlite *sqlite);
enum elg_status elg_sqlite_guard_shared(struct elg_sqlite *sqlite,
                                        struct elg_error *error);
/* Waits for the others at most wait_ms. ELG_BUSY. */
enum elg_status elg_sqlite_guard_exclusive(struct elg_sqlite *sqlite, int wait_ms,
                                           struct elg_error *error);
void elg_sqlite_guard_end(struct elg_sqlite *sqlite);
/* Makes the run ours; *before says whether it was. ELG_BUSY without an error text. */
enum elg_status elg_sqlite_own(struct elg_sqlite *sqlite, const char *trace_id,
                               bool *before, struct elg_error *error);
void elg_sqlite_disown(struct elg_sqlite *sqlite, const char *trace_id);
/* The run's slots become its own: they are let go of with it. */
void elg_sqlite_own_slots(struct elg_sqlite *sqlite, const char *trace_id,
                          char slots[ELG_SQLITE_SLOTS][ELG_SQLITE_SLOT_BYTES_MAX]);
/* True if nobody has the run's lock, not this process either. */
bool elg_sqlite_is_orphan(struct elg_sqlite *sqlite, const char *trace_id);
/* True if the run is ours already. */
bool elg_sqlite_owned(struct elg_sqlite *sqlite, const char *trace_id);
/* True the first time for a run that is ours. */
bool elg_sqlite_own_abort(struct elg_sqlite *sqlite, const char *trace_id);

/* ---- sqlite_commit.c */
/* Writes one turn in a transaction that has begun; the reason in turn->result if it is
 * refused. *again: it was refused after it had written, so the transaction is spoilt. */
enum elg_status elg_sqlite_turn_write(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                      int64_t now_ms, bool *again,
                                      struct elg_error *error);

/* ---- sqlite_claim.c */
/* As claim; `taking`, if not NULL, of the next run: ELG_OK with taking->refused and
 * without a row if its rate leaves no room. */
enum elg_status elg_sqlite_claim_as(struct elg_sqlite *sqlite, const char *trace_id,
                                    struct elg_sqlite_taking *taking,
                                    struct elg_run_row *out, struct elg_error *error);
/* Writes the claim of a row that was read in this transaction, into the row too; past the
 * last claim it is quarantined. */
enum elg_status elg_sqlite_claim_row(struct elg_sqlite *sqlite, struct elg_run_row *row,
                                     const struct elg_sqlite_taking *taking,
                                     struct elg_error *error);

/* ---- sqlite_many.c: elg_checkpoint_ops of the same names */
enum elg_status elg_sqlite_claim_many(void *self, const char *const *graph_ids,
                                      size_t graph_count,
                                      const struct elg_pass_over *passed,
                                      struct elg_run_row *rows, size_t max, size_t *count,
                                      struct elg_error *error);
enum elg_status elg_sqlite_claim_named(void *self, const char *const *trace_ids,
                                       size_t trace_count, struct elg_run_row *rows,
                                       size_t *count, struct elg_error *error);

/* ---- sqlite_next.c */
struct elg_sqlite_names {
    char trace_ids[ELG_CLAIM_BATCH_RUNS_MAX][ELG_TRACE_BYTES_MAX + 1];
    size_t count, max;
};
/* What is next. The names of runs, one behind the other, if that can be told of two or
 * more (of no more than names->max) without claiming them; else names->count is less (the
 * first has limits, several graphs take turns, there is but one) and *out is the next
 * run, claimed. names NULL: that at once. ELG_NOT_FOUND: there is none. */
enum elg_status elg_sqlite_next(struct elg_sqlite *sqlite, const char *const *graph_ids,
                                size_t graph_count, const struct elg_pass_over *passed,
                                struct elg_sqlite_names *names, struct elg_run_row *out,
                                struct elg_error *error);

/* ---- sqlite_sweep.c */
/* Once a second at most: frees runs that a dead process held, and tells `passed` (may be
 * NULL) of those that wait for what is no time. */
enum elg_status elg_sqlite_sweep(struct elg_sqlite *sqlite,
                                 const struct elg_pass_over *passed,
                                 struct elg_error *error);
/* Tells of a run whose row cannot be read, if anyone is to be told. */
void elg_sqlite_unread_tell(const struct elg_pass_over *passed, const char *trace_id,
                            const struct elg_error *why);

/* ---- sqlite_write.c: a writing transaction (S1, S2) */
/* Takes write_mutex and the guard and begins. After ELG_OK exactly one of the ends. */
enum elg_status elg_sqlite_write_begin(struct elg_sqlite *sqlite,
                                       struct elg_error *error);
/* Commits, and checkpoints the WAL if it is due. On failure all is rolled back. */
enum elg_status elg_sqlite_write_commit(struct elg_sqlite *sqlite,
                                        struct elg_error *error);
void elg_sqlite_write_rollback(struct elg_sqlite *sqlite);
/* Moves the WAL into the database if the guard can be had. */
void elg_sqlite_wal_checkpoint(struct elg_sqlite *sqlite, int wait_ms);
/* The same at the end, and cuts the WAL to nothing unless someone still reads it: whoever
 * opens the file next has no old frames to look through. */
void elg_sqlite_wal_empty(struct elg_sqlite *sqlite);

/* ---- sqlite_signal.c: what turns do with signals, in their transaction */
/* *written: false if the signal is not there, or was consumed. */
enum elg_status elg_sqlite_use_write(struct elg_sqlite *sqlite, const char *trace_id,
                                     const struct elg_signal_use *use, bool *written,
                                     struct elg_error *error);
/* A run that is left waiting for signals is due if there is one that it has not seen. */
enum elg_status elg_sqlite_due_if_signalled(struct elg_sqlite *sqlite,
                                            const struct elg_turn *turn, int64_t now_ms,
                                            struct elg_error *error);
/* Polling begins with the signals that come after this. */
enum elg_status elg_sqlite_signals_begin(struct elg_sqlite *sqlite,
                                         struct elg_error *error);

/* ---- sqlite_commit.c */
/* Writes the run of a turn that creates it; turn->result ELG_EXISTS if it is there. */
enum elg_status elg_sqlite_run_create(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                      int64_t now_ms, struct elg_error *error);

/* ---- sqlite_family.c: what turns do to other runs, in their transaction */
enum elg_status elg_sqlite_children_begin(struct elg_sqlite *sqlite,
                                          struct elg_turn *turn, int64_t now_ms,
                                          struct elg_error *error);
/* Tells the parent of the run, if it has one. */
enum elg_status elg_sqlite_child_ended(struct elg_sqlite *sqlite,
                                       const struct elg_run_row *run, int64_t now_ms,
                                       struct elg_error *error);
/* Both, and the end of the run's own children, as the turn wants it. */
enum elg_status elg_sqlite_family_write(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                        int64_t now_ms, struct elg_error *error);

/* ---- the calls: elg_checkpoint_ops of the same names */
enum elg_status elg_sqlite_open(const char *location,
                                const struct elg_checkpoint_env *env, void **out,
                                struct elg_error *error);
void elg_sqlite_close(void *self);
enum elg_status elg_sqlite_graph_put(void *self, const struct elg_graph_row *row,
                                     struct elg_error *error);
enum elg_status elg_sqlite_graph_get(void *self, const struct elg_hash *hash,
                                     struct elg_graph_row *out, struct elg_error *error);
enum elg_status elg_sqlite_reserve(void *self, const char *trace_id,
                                   struct elg_error *error);
enum elg_status elg_sqlite_claim(void *self, const char *trace_id,
                                 struct elg_run_row *out, struct elg_error *error);
void elg_sqlite_release(void *self, const char *trace_id);
enum elg_status elg_sqlite_commit(void *self, struct elg_turn *turns, size_t turn_count,
                                  struct elg_error *error);
enum elg_status elg_sqlite_run_get(void *self, const char *trace_id,
                                   struct elg_run_row *out, struct elg_error *error);
enum elg_status elg_sqlite_run_list(void *self, const struct elg_run_filter *filter,
                                    elg_run_row_fn row, void *row_self,
                                    struct elg_error *error);
enum elg_status elg_sqlite_journal(void *self, const char *trace_id, int64_t from,
                                   int64_t to, elg_journal_row_fn row, void *row_self,
                                   struct elg_error *error);
enum elg_status elg_sqlite_abort_request(void *self, const char *trace_id,
                                         struct elg_error *error);
enum elg_status elg_sqlite_abort_poll(void *self, elg_run_row_fn row, void *row_self,
                                      struct elg_error *error);
int64_t elg_sqlite_lease_until_us(void *self);
int64_t elg_sqlite_wall_ms(void *self);
void elg_sqlite_hand_back(void *self, const char *trace_id, bool tell);
void elg_sqlite_hand_back_many(void *self, const char *const *trace_ids,
                               size_t trace_count);
int elg_sqlite_work_fd(void *self);
bool elg_sqlite_work_poll(void *self);
enum elg_status elg_sqlite_work_due(void *self, int64_t *due_ms, struct elg_error *error);
uint64_t elg_sqlite_lease_lapses(void *self);
enum elg_status elg_sqlite_trees_remove(void *self, const char *const *trace_ids,
                                        size_t count, int64_t before_ms, bool look,
                                        uint64_t *removed, struct elg_error *error);
enum elg_status elg_sqlite_graphs_remove(void *self, int64_t before_ms, bool look,
                                         uint64_t *removed, struct elg_error *error);
enum elg_status elg_sqlite_references(void *self, elg_reference_fn text, void *text_self,
                                      struct elg_error *error);
int64_t elg_sqlite_schema_version(void *self);
const char *elg_sqlite_name(void *self);
enum elg_status elg_sqlite_reopen_many(void *self, struct elg_turn *turns,
                                       size_t turn_count, struct elg_error *error);
enum elg_status elg_sqlite_children_failed(void *self, const char *trace_id, int64_t step,
                                           void (*child)(void *self,
                                                         const char *trace_id),
                                           void *child_self, struct elg_error *error);
enum elg_status elg_sqlite_signal_put(void *self, const char *trace_id,
                                      const struct elg_signal_row *signal, bool *created,
                                      struct elg_error *error);
enum elg_status elg_sqlite_signals(void *self, const char *trace_id, const char *name,
                                   int64_t after, elg_signal_row_fn row, void *row_self,
                                   int64_t *last, struct elg_error *error);
enum elg_status elg_sqlite_signal_poll(void *self,
                                       void (*woken)(void *self, const char *trace_id),
                                       void *woken_self, struct elg_error *error);
enum elg_status elg_sqlite_children(void *self, const char *trace_id,
                                    void (*child)(void *self, const char *trace_id),
                                    void *child_self, struct elg_error *error);

#endif
