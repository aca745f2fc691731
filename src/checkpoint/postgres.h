/* postgres: the parts of the Postgres back end. Private to postgres*.c.
 *
 * Invariants
 * P1 Four connections and no more: the writer's for commit (committer's thread), the
 * loop's for all other calls, the keeper's, whose thread renews the lease, and, once one
 * is wanted, that of artifacts, which any thread uses. Each has a mutex.
 * P2 No call waits without end: every exchange has a deadline, and reconnecting has one.
 * P3 A flush is one transaction, and has a token that no other has. It leaves the token
 * in every run that it updates, if that run's is lower; a flush that creates runs, or
 * that is written turn by turn, leaves its number in the worker's marker (cmo_flushes),
 * if that is not below the marker's fence. If the reply to COMMIT is lost, those rows are
 * locked and read: they have the token, or they are raised past it and the flush can
 * never commit. If all of its runs were claimed by others meanwhile it is fenced,
 * whatever became of it. Nothing is guessed. P4 A process executes under a lease,
 * cmo_workers.lease_until. A run is someone's if its worker's lease lasts. Leases are
 * compared with the database's clock alone. P5 Every write of a run names its epoch (I8).
 * A lease that ran out costs nothing until someone claims: the claim raises the epoch. P6
 * What COMMIT acknowledged is durable: synchronous_commit is never off in the
 * connections.
 */
#ifndef ELG_CHECKPOINT_POSTGRES_H
#define ELG_CHECKPOINT_POSTGRES_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/libpq.h"
#include "checkpoint/postgres_batch.h"
#include "checkpoint/traces.h"

#include <pthread.h>
#include <stdatomic.h>

#define ELG_POSTGRES_VERSION_MIN 130000
#define ELG_POSTGRES_CONNECT_MS_MAX 5000  /* one attempt to connect */
#define ELG_POSTGRES_REPLY_MS_MAX 15000   /* one exchange */
#define ELG_POSTGRES_KEEPER_MS_MAX 2000   /* one exchange of the keeper */
#define ELG_POSTGRES_RETRY_MS_MAX 20000   /* a call over lost connections */
#define ELG_POSTGRES_MIGRATE_MS_MAX 60000 /* waiting for another who migrates too */
#define ELG_POSTGRES_BACKOFF_MS_MIN 10    /* between attempts to connect; doubled */
#define ELG_POSTGRES_BACKOFF_MS_MAX 1000
#define ELG_POSTGRES_LEASE_MS 5000
#define ELG_POSTGRES_LEASE_RENEW_MS 1000
#define ELG_POSTGRES_DEADLOCKS_MAX 8     /* repeats of a call that met one */
#define ELG_POSTGRES_LABEL_BYTES_MAX 256 /* a connection's name in messages */
#define ELG_POSTGRES_OWNER_BYTES_MAX 256
#define ELG_POSTGRES_CHUNK_BYTES (512u << 10) /* of an artifact */
#define ELG_POSTGRES_CHUNKS_MAX 8             /* of one exchange */

/* ---- the back end */

enum elg_postgres_role {
    ELG_POSTGRES_WRITER,
    ELG_POSTGRES_LOOP,
    ELG_POSTGRES_KEEPER,
    ELG_POSTGRES_ARTIFACTS,
    ELG_POSTGRES_ROLE_COUNT
};

struct elg_postgres;

struct elg_postgres_connection {
    struct elg_postgres *postgres;
    enum elg_postgres_role role;
    pthread_mutex_t mutex; /* of everything below */
    PGconn *pg;            /* NULL: none */
    struct elg_postgres_batch batch;
    /* Of the last exchange: */
    PGresult *results[ELG_POSTGRES_MESSAGES_MAX]; /* by message; NULL: it has none */
    int failed;                                   /* the message that failed; -1: none */
    char sqlstate[6];                             /* of that failure, or "" */
    bool lost;             /* the connection went: what became of it is not known */
    int64_t lost_since_us; /* 0: connected, or not tried */
};

/* What PQconnectStartParams takes. */
struct elg_postgres_settings {
    const char **keywords; /* both arrays end with NULL */
    char **values;         /* owned */
    size_t count, capacity;
    PQconninfoOption *options; /* of the URL; owned */
    char label[ELG_POSTGRES_LABEL_BYTES_MAX];
};

struct elg_postgres {
    struct elg_checkpoint_env env;
    struct elg_postgres_settings settings;
    char owner[ELG_POSTGRES_OWNER_BYTES_MAX];
    struct elg_postgres_connection connections[ELG_POSTGRES_ROLE_COUNT];
    int64_t worker; /* 0: none, opened for reading only */
    /* The writer's, under its mutex: */
    int64_t flush;         /* number of the last flush that was tried */
    int64_t unsettled;     /* a flush whose outcome is not known; 0: none */
    bool unsettled_marked; /* it left its number in the marker, not a token in runs */
    pthread_mutex_t own_mutex;
    struct elg_traces owned; /* struct elg_postgres_owned */
    /* The keeper: */
    pthread_t keeper;
    bool keeping; /* the thread runs */
    int stop_fd;
    int work_fd;                 /* readable: there may be work */
    atomic_bool aborts_maybe;    /* an abort may have been requested */
    atomic_bool work_maybe;      /* a run may wait to be taken up */
    int64_t signals_put;         /* by this process; the loop's */
    atomic_bool signals_maybe;   /* a signal may have come */
    atomic_bool release_again;   /* a release did not arrive */
    atomic_llong lease_until_us; /* by the monotonic clock */
    atomic_ullong lease_lapses;  /* renewals that came too late */
    atomic_llong wall_offset_us; /* the database's clock less the monotonic one */
};

struct elg_postgres_owned {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    bool abort_reported;
    bool reserved; /* there may be a row of cmo_reservations */
    bool ended;    /* its end is in the database, which gave the run back */
};

/* ---- postgres_url.c */
/* Reads `url` and what POSTGRES_* of the environment adds. ELG_USAGE, ELG_NO_MEMORY. */
enum elg_status elg_postgres_settings_read(const struct elg_alloc *alloc, const char *url,
                                           struct elg_postgres_settings *out,
                                           struct elg_error *error);
void elg_postgres_settings_fini(const struct elg_alloc *alloc,
                                struct elg_postgres_settings *settings);

/* ---- postgres_error.c */
/* Fills `error` from a result that failed; keeps its SQLSTATE in the connection. */
enum elg_status elg_postgres_fail(struct elg_postgres_connection *connection,
                                  const PGresult *result, struct elg_error *error);
/* The connection is gone: closes it, with its own words or `why` as the reason. ELG_IO.
 */
enum elg_status elg_postgres_lose(struct elg_postgres_connection *connection,
                                  const char *why, struct elg_error *error);
/* True if the last exchange failed for a row whose graph is not there, or for a graph
 * that a row names. */
bool elg_postgres_keyless(const struct elg_postgres_connection *connection);
/* True if the last exchange failed for a count that a statement was to meet, for a row
 * that was to be new, or for a key. */
bool elg_postgres_mismatch(const struct elg_postgres_connection *connection);
/* True if the last exchange may go well if it is repeated. */
bool elg_postgres_transient(const struct elg_postgres_connection *connection);
/* True if the last exchange failed because its session may only read. */
bool elg_postgres_only_reads(const struct elg_postgres_connection *connection);

/* ---- postgres_statement.c */
const char *elg_postgres_sql(enum elg_postgres_statement statement);
/* What it is prepared as. */
void elg_postgres_statement_name(enum elg_postgres_statement statement, char out[8]);
/* False: it goes as text each time. */
bool elg_postgres_prepared(enum elg_postgres_statement statement);
/* Prepares what the connection's role uses, in one exchange. */
enum elg_status elg_postgres_prepare(struct elg_postgres_connection *connection,
                                     struct elg_error *error);

/* ---- postgres_exchange.c */
/* Sends the batch's messages and a sync, and reads all results. Not OK: of the first that
 * failed; the messages after it were not executed. */
enum elg_status elg_postgres_exchange(struct elg_postgres_connection *connection,
                                      struct elg_error *error);
/* As that for one text of any number of statements, before the pipeline has begun. `out`
 * (may be NULL): the last result that has rows; the caller clears it. */
enum elg_status elg_postgres_exec(struct elg_postgres_connection *connection,
                                  const char *sql, int timeout_ms, PGresult **out,
                                  struct elg_error *error);
/* Reads what is left up to the next sync. `keep`: results go to their messages. */
enum elg_status elg_postgres_drain(struct elg_postgres_connection *connection, bool keep,
                                   struct elg_error *error);
/* Waits for the socket: reading, writing or both. ELG_TIMEOUT; ELG_ABORTED: told to stop.
 */
enum elg_status elg_postgres_wait(struct elg_postgres_connection *connection, bool read,
                                  bool write, int64_t until_us);
void elg_postgres_results_clear(struct elg_postgres_connection *connection);
/* Ends a transaction, if one is open. */
void elg_postgres_rollback(struct elg_postgres_connection *connection);
int64_t elg_postgres_now_us(const struct elg_postgres_connection *connection);

/* ---- postgres_connect.c */
/* One attempt, without what is prepared. ELG_IO, ELG_UNSUPPORTED (an old server). */
enum elg_status elg_postgres_connect(struct elg_postgres_connection *connection,
                                     struct elg_error *error);
/* Connected and prepared, with repeated attempts until until_us (0: one attempt). */
enum elg_status elg_postgres_ensure(struct elg_postgres_connection *connection,
                                    int64_t until_us, struct elg_error *error);
/* Until when a call that begins now repeats over lost connections. */
int64_t elg_postgres_retry_until_us(const struct elg_postgres_connection *connection);
void elg_postgres_disconnect(struct elg_postgres_connection *connection);
/* Sleeps for the n-th time, 0 being the first; false if told to stop. */
bool elg_postgres_backoff(struct elg_postgres_connection *connection, int n);
/* Runs `attempt` under the connection's mutex, again if the connection was lost or the
 * server gave the transaction up for another's (a deadlock), with the same `self`. */
typedef enum elg_status (*elg_postgres_attempt_fn)(
    struct elg_postgres_connection *connection, void *self, struct elg_error *error);
enum elg_status elg_postgres_try(struct elg_postgres_connection *connection,
                                 elg_postgres_attempt_fn attempt, void *self,
                                 struct elg_error *error);

/* ---- postgres_column.c: reading columns 0, 1, ... of a row in order, trusting nothing
 */
struct elg_postgres_columns {
    const struct elg_alloc *alloc;
    const char *label; /* of the database, for messages */
    const PGresult *result;
    int at;                  /* the row */
    const char *table, *row; /* for messages */
    int index;
    enum elg_status status; /* the first failure; later reads give zeros */
    struct elg_error *error;
};
int64_t elg_postgres_column_int(struct elg_postgres_columns *columns, int64_t min,
                                int64_t max);
bool elg_postgres_column_bool(struct elg_postgres_columns *columns);
double elg_postgres_column_real(struct elg_postgres_columns *columns);
int64_t elg_postgres_column_time(struct elg_postgres_columns *columns,
                                 bool nullable); /* NULL: 0 */
/* The bytes of a text, borrowed; data NULL: NULL or failed. */
struct elg_bytes elg_postgres_column_bytes(struct elg_postgres_columns *columns,
                                           enum elg_postgres_type type, bool nullable);
/* False: NULL or failed. */
bool elg_postgres_column_text(struct elg_postgres_columns *columns, char *out,
                              size_t out_size, bool nullable);
void elg_postgres_column_long_text(struct elg_postgres_columns *columns,
                                   const char **text, struct elg_blob **blob);
void elg_postgres_column_hash(struct elg_postgres_columns *columns, struct elg_hash *out,
                              bool nullable);
struct elg_blob *elg_postgres_column_blob(struct elg_postgres_columns *columns,
                                          bool nullable);
/* Fails the row for the column read last. */
void elg_postgres_column_bad(struct elg_postgres_columns *columns, const char *why);

/* ---- postgres_row.c: rows of the tables, by one description for both ways */
struct elg_postgres_field;
extern const struct elg_postgres_field *const elg_postgres_step_fields;
extern const struct elg_postgres_field *const elg_postgres_activity_fields;
/* The next field of the table, NULL after the last. */
const struct elg_postgres_field *
elg_postgres_field_next(const struct elg_postgres_field *field);
enum elg_postgres_type elg_postgres_field_type(const struct elg_postgres_field *field);
void elg_postgres_field_put(struct elg_postgres_batch *batch,
                            const struct elg_postgres_field *field, const void *row);
/* Row `at` of the result. `summary`: without the payloads. */
enum elg_status elg_postgres_row_run(const struct elg_postgres *postgres,
                                     const PGresult *result, int at, bool summary,
                                     struct elg_run_row *out, struct elg_error *error);
/* The trace in column 0; "" if it is none. */
void elg_postgres_row_trace(const PGresult *result, int at,
                            char out[ELG_TRACE_BYTES_MAX + 1]);
enum elg_status elg_postgres_row_step(const struct elg_postgres *postgres,
                                      const PGresult *result, int at,
                                      const char *trace_id, struct elg_step_row *out,
                                      struct elg_error *error);
enum elg_status elg_postgres_row_activity(const struct elg_postgres *postgres,
                                          const PGresult *result, int at,
                                          const char *trace_id,
                                          struct elg_activity_row *out,
                                          struct elg_error *error);
enum elg_status elg_postgres_row_graph(const struct elg_postgres *postgres,
                                       const PGresult *result, const char *hex,
                                       struct elg_graph_row *out,
                                       struct elg_error *error);
enum elg_status elg_postgres_run_missing(const struct elg_postgres *postgres,
                                         const char *trace_id, struct elg_error *error);

/* ---- postgres_schema.c */
/* Brings the database to this build's schema, one process at a time. `migrate` false:
 * only looks. ELG_UNSUPPORTED: it is newer, or older and not to be migrated. */
enum elg_status elg_postgres_schema_open(struct elg_postgres_connection *connection,
                                         bool migrate, struct elg_error *error);

/* ---- postgres_flush.c: the messages of a flush */
/* Adds what writes the turn or turns: all of them go or none does. The turns are of
 * different runs, by trace id; updates are in that order. `plain`: steps that had no
 * effect are taken to be new, which costs less; if one is not, the flush fails as for a
 * wrong count. *run_messages: how many messages are about the runs' own rows; those
 * behind are records. */
void elg_postgres_flush_add(struct elg_postgres *postgres, struct elg_turn *const *turns,
                            size_t turn_count, bool plain, int64_t now_ms,
                            int *run_messages);
/* The token of the worker's flush of that number: even, higher than those before. */
int64_t elg_postgres_flush_token(const struct elg_postgres *postgres, int64_t flush);
/* True if a record of the turn meets one that is not open in the same turn. */
bool elg_postgres_flush_twice(const struct elg_turn *turn);

/* ---- postgres_keeper.c */
/* Makes this process a worker, with a lease. */
enum elg_status elg_postgres_keeper_start(struct elg_postgres *postgres,
                                          struct elg_error *error);
/* What a row is dated by: the database's clock, unless the environment says otherwise. */
int64_t elg_postgres_date_ms(struct elg_postgres *postgres);
/* Ends the thread; the lease and all that is held under it are given up. */
void elg_postgres_keeper_stop(struct elg_postgres *postgres);

/* ---- postgres_next.c: elg_checkpoint_ops of the same names */
enum elg_status elg_postgres_claim_many(void *self, const char *const *graph_ids,
                                        size_t graph_count,
                                        const struct elg_pass_over *passed,
                                        struct elg_run_row *rows, size_t max,
                                        size_t *count, struct elg_error *error);
enum elg_status elg_postgres_claim_named(void *self, const char *const *trace_ids,
                                         size_t trace_count, struct elg_run_row *rows,
                                         size_t *count, struct elg_error *error);

/* ---- postgres_work.c */
void elg_postgres_hand_back_many(void *self, const char *const *trace_ids,
                                 size_t trace_count);
/* Tells all who wait for work. What goes wrong is left to their looking. */
void elg_postgres_work_tell(struct elg_postgres_connection *connection);
/* There may be work: work_poll and work_fd say so. Any thread. */
void elg_postgres_work_mark(struct elg_postgres *postgres);

/* ---- postgres_own.c: the runs that are held here */
/* ELG_NO_MEMORY. *before: it was already. */
enum elg_status elg_postgres_own(struct elg_postgres *postgres, const char *trace_id,
                                 bool reserved, bool *before, struct elg_error *error);
/* False: it was not held, or ended and was not reserved: nothing is to be given back.
 * *reserved: as own was told. */
bool elg_postgres_disown(struct elg_postgres *postgres, const char *trace_id,
                         bool *reserved);
/* A commit has ended the run. */
void elg_postgres_own_ended(struct elg_postgres *postgres, const char *trace_id);
/* True the first time for a run that is held. */
bool elg_postgres_own_abort(struct elg_postgres *postgres, const char *trace_id);
/* Puts the ids of all that are held, as one array. */
void elg_postgres_own_put(struct elg_postgres *postgres,
                          struct elg_postgres_batch *batch);

/* ---- postgres_artifact.c: artifacts in chunks, all of one in one transaction */
enum elg_status elg_postgres_artifact_put(void *self, const struct elg_hash *hash,
                                          struct elg_bytes content,
                                          struct elg_error *error);
enum elg_status elg_postgres_artifact_get(void *self, const struct elg_hash *hash,
                                          struct elg_buf *out, struct elg_error *error);
enum elg_status elg_postgres_artifact_list(void *self, const struct elg_hash *after,
                                           elg_artifact_row_fn row, void *row_self,
                                           struct elg_error *error);
enum elg_status elg_postgres_artifact_remove(void *self, const struct elg_hash *hash,
                                             int64_t age_ms_min, bool *removed,
                                             struct elg_error *error);

/* ---- the calls: elg_checkpoint_ops of the same names */
enum elg_status elg_postgres_open(const char *url, const struct elg_checkpoint_env *env,
                                  void **out, struct elg_error *error);
void elg_postgres_close(void *self);
enum elg_status elg_postgres_graph_put(void *self, const struct elg_graph_row *row,
                                       struct elg_error *error);
enum elg_status elg_postgres_graph_get(void *self, const struct elg_hash *hash,
                                       struct elg_graph_row *out,
                                       struct elg_error *error);
enum elg_status elg_postgres_reserve(void *self, const char *trace_id,
                                     struct elg_error *error);
enum elg_status elg_postgres_reserve_new(void *self, const char *trace_id,
                                         struct elg_error *error);
enum elg_status elg_postgres_claim(void *self, const char *trace_id,
                                   struct elg_run_row *out, struct elg_error *error);
void elg_postgres_release(void *self, const char *trace_id);
enum elg_status elg_postgres_commit(void *self, struct elg_turn *turns, size_t turn_count,
                                    struct elg_error *error);
enum elg_status elg_postgres_run_get(void *self, const char *trace_id,
                                     struct elg_run_row *out, struct elg_error *error);
enum elg_status elg_postgres_run_list(void *self, const struct elg_run_filter *filter,
                                      elg_run_row_fn row, void *row_self,
                                      struct elg_error *error);
enum elg_status elg_postgres_journal(void *self, const char *trace_id, int64_t from,
                                     int64_t to, elg_journal_row_fn row, void *row_self,
                                     struct elg_error *error);
enum elg_status elg_postgres_abort_request(void *self, const char *trace_id,
                                           struct elg_error *error);
enum elg_status elg_postgres_abort_poll(void *self, elg_run_row_fn row, void *row_self,
                                        struct elg_error *error);
int64_t elg_postgres_lease_until_us(void *self);
int64_t elg_postgres_wall_ms(void *self);
void elg_postgres_hand_back(void *self, const char *trace_id, bool tell);
int elg_postgres_work_fd(void *self);
bool elg_postgres_work_poll(void *self);
enum elg_status elg_postgres_work_due(void *self, int64_t *due_ms,
                                      struct elg_error *error);
uint64_t elg_postgres_lease_lapses(void *self);
enum elg_status elg_postgres_trees_remove(void *self, const char *const *trace_ids,
                                          size_t count, int64_t before_ms, bool look,
                                          uint64_t *removed, struct elg_error *error);
enum elg_status elg_postgres_graphs_remove(void *self, int64_t before_ms, bool look,
                                           uint64_t *removed, struct elg_error *error);
enum elg_status elg_postgres_references(void *self, elg_reference_fn text,
                                        void *text_self, struct elg_error *error);
int64_t elg_postgres_schema_version(void *self);
const char *elg_postgres_name(void *self);
enum elg_status elg_postgres_reopen_many(void *self, struct elg_turn *turns,
                                         size_t turn_count, struct elg_error *error);
enum elg_status
elg_postgres_children_failed(void *self, const char *trace_id, int64_t step,
                             void (*child)(void *self, const char *trace_id),
                             void *child_self, struct elg_error *error);

#endif
