/* postgres_batch: the statements of the Postgres back end, and the messages of one
 * exchange with their parameters. Private to postgres*.c; uses checkpoint.
 */
#ifndef ELG_CHECKPOINT_POSTGRES_BATCH_H
#define ELG_CHECKPOINT_POSTGRES_BATCH_H

#include "checkpoint/checkpoint.h"

#define ELG_POSTGRES_PARAMS_MAX 160  /* of one exchange */
#define ELG_POSTGRES_MESSAGES_MAX 20 /* of one exchange */

enum elg_postgres_statement {
    /* of every connection */
    ELG_POSTGRES_BEGIN,
    ELG_POSTGRES_COMMIT,
    ELG_POSTGRES_ROLLBACK,
    ELG_POSTGRES_WORK_NOTIFY,
    ELG_POSTGRES_SIGNAL_NOTIFY,
    ELG_POSTGRES_CHILDREN_TELL,
    /* the writer's */
    ELG_POSTGRES_SAVE,
    ELG_POSTGRES_SAVE_BACK,
    ELG_POSTGRES_SAVE_DROP,
    ELG_POSTGRES_MARK,
    ELG_POSTGRES_MARK_SETTLE,
    ELG_POSTGRES_MARK_AGAIN,
    ELG_POSTGRES_TOKEN_FENCE,
    ELG_POSTGRES_TOKEN_READ,
    ELG_POSTGRES_RUN_UPDATE,
    ELG_POSTGRES_RUN_UPDATE_ONE,
    ELG_POSTGRES_RUN_INSERT,
    ELG_POSTGRES_INPUT_INSERT,
    ELG_POSTGRES_QUOTA_WRITE,
    ELG_POSTGRES_INPUT_UPDATE,
    ELG_POSTGRES_STEPS_WRITE,
    ELG_POSTGRES_STEP_WRITE_ONE,
    ELG_POSTGRES_STEPS_INSERT,
    ELG_POSTGRES_STEP_INSERT_ONE,
    ELG_POSTGRES_ACTIVITIES_WRITE,
    ELG_POSTGRES_ACTIVITY_WRITE_ONE,
    ELG_POSTGRES_SIGNALS_USE,
    ELG_POSTGRES_SIGNALS_DUE,
    ELG_POSTGRES_CHILDREN_INSERT,
    ELG_POSTGRES_CHILDREN_INPUT,
    ELG_POSTGRES_CHILDREN_MARK,
    ELG_POSTGRES_CHILDREN_ABORT,
    ELG_POSTGRES_FENCE_READ,
    ELG_POSTGRES_REOPEN,
    ELG_POSTGRES_REOPENED_UNTELL,
    ELG_POSTGRES_REOPENED_FREE,
    /* the loop's */
    ELG_POSTGRES_BEGIN_READ,
    ELG_POSTGRES_RESERVE,
    ELG_POSTGRES_RELEASE,
    ELG_POSTGRES_UNRESERVE,
    ELG_POSTGRES_HAND_BACK,
    ELG_POSTGRES_HAND_BACK_MANY,
    ELG_POSTGRES_DUE_READ,
    ELG_POSTGRES_OWNER_READ,
    ELG_POSTGRES_CLAIM,
    ELG_POSTGRES_QUARANTINE,
    ELG_POSTGRES_QUOTAS_LOCK,
    ELG_POSTGRES_CLAIM_NEXT,
    ELG_POSTGRES_CLAIM_NAMED,
    ELG_POSTGRES_ABORT,
    ELG_POSTGRES_ABORTS_READ,
    ELG_POSTGRES_NOTIFY,
    ELG_POSTGRES_GRAPH_EXISTS,
    ELG_POSTGRES_GRAPH_INSERT,
    ELG_POSTGRES_GRAPH_READ,
    ELG_POSTGRES_CHILDREN_READ,
    ELG_POSTGRES_CHILDREN_FAILED,
    ELG_POSTGRES_SIGNAL_LOCK,
    ELG_POSTGRES_SIGNAL_COUNT,
    ELG_POSTGRES_SIGNAL_KEY,
    ELG_POSTGRES_SIGNAL_INSERT,
    ELG_POSTGRES_SIGNAL_WAKE,
    ELG_POSTGRES_SIGNALS_LAST,
    ELG_POSTGRES_SIGNAL_READ,
    ELG_POSTGRES_SIGNALS_NEW,
    ELG_POSTGRES_RUN_READ,
    ELG_POSTGRES_RUN_EXISTS,
    /* the loop's, sent as text: cursors */
    ELG_POSTGRES_LIST_ALL,
    ELG_POSTGRES_LIST_UNFINISHED,
    ELG_POSTGRES_LIST_AFTER,
    ELG_POSTGRES_LIST_STRAYS,
    ELG_POSTGRES_TREES_REMOVE,
    ELG_POSTGRES_TREES_COUNT,
    ELG_POSTGRES_GRAPHS_REMOVE,
    ELG_POSTGRES_GRAPHS_COUNT,
    ELG_POSTGRES_REFERENCES_READ,
    ELG_POSTGRES_REFERENCES_FETCH,
    ELG_POSTGRES_LIST_FETCH,
    ELG_POSTGRES_STEPS_READ,
    ELG_POSTGRES_STEPS_FETCH,
    ELG_POSTGRES_STEPS_FETCH_ONE,
    ELG_POSTGRES_ACTIVITIES_READ,
    ELG_POSTGRES_ACTIVITIES_FETCH,
    ELG_POSTGRES_ACTIVITIES_FETCH_ONE,
    /* the keeper's */
    ELG_POSTGRES_WORKER_INSERT,
    ELG_POSTGRES_WORKER_RENEW,
    ELG_POSTGRES_WORKER_AGAIN,
    ELG_POSTGRES_WORKERS_DEAD,
    ELG_POSTGRES_WORKER_DELETE,
    ELG_POSTGRES_WORKERS_SWEEP,
    ELG_POSTGRES_RELEASE_OTHERS,
    /* of artifacts */
    ELG_POSTGRES_ARTIFACT_TOUCH,
    ELG_POSTGRES_ARTIFACT_WHOLE,
    ELG_POSTGRES_ARTIFACT_DELETE,
    ELG_POSTGRES_ARTIFACT_INSERT,
    ELG_POSTGRES_ARTIFACT_READ,
    ELG_POSTGRES_ARTIFACT_LIST,
    ELG_POSTGRES_ARTIFACT_REMOVE,
    ELG_POSTGRES_STATEMENT_COUNT
};

/* ---- messages, and their parameters in binary */

struct elg_postgres_param {
    size_t offset;
    int size; /* -1: NULL */
};

struct elg_postgres_message {
    enum elg_postgres_statement statement;
    int first, count; /* of its parameters */
};

struct elg_postgres_batch {
    struct elg_buf bytes;
    struct elg_postgres_param params[ELG_POSTGRES_PARAMS_MAX];
    int param_count;
    struct elg_postgres_message messages[ELG_POSTGRES_MESSAGES_MAX];
    int message_count;
    bool scalar; /* arrays have one element each, and are put as that alone */
    bool in_array;
    size_t array_offset;
    uint32_t array_count;
    const char *bad; /* why a value cannot be kept; NULL: all can */
};

enum elg_postgres_type { /* object identifiers of the server */
                         ELG_POSTGRES_BOOL = 16,
                         ELG_POSTGRES_BYTEA = 17,
                         ELG_POSTGRES_INT8 = 20,
                         ELG_POSTGRES_INT4 = 23,
                         ELG_POSTGRES_TEXT = 25,
                         ELG_POSTGRES_FLOAT8 = 701,
                         ELG_POSTGRES_TIME = 1184
};

void elg_postgres_batch_init(struct elg_postgres_batch *batch,
                             const struct elg_alloc *alloc);
void elg_postgres_batch_fini(struct elg_postgres_batch *batch);
/* No messages; memory is kept. */
void elg_postgres_batch_reset(struct elg_postgres_batch *batch);
/* Begins a message; its parameters follow. */
void elg_postgres_add(struct elg_postgres_batch *batch,
                      enum elg_postgres_statement statement);
/* A parameter that is an array: the values put until the end are its elements. */
void elg_postgres_array_begin(struct elg_postgres_batch *batch,
                              enum elg_postgres_type type);
void elg_postgres_array_end(struct elg_postgres_batch *batch);
/* A value: a parameter, or an element of the array that has begun. */
void elg_postgres_put_null(struct elg_postgres_batch *batch);
void elg_postgres_put_text(struct elg_postgres_batch *batch,
                           const char *text); /* NULL: NULL */
void elg_postgres_put_blob(struct elg_postgres_batch *batch, const struct elg_blob *blob);
void elg_postgres_put_bytes(struct elg_postgres_batch *batch, struct elg_bytes bytes);
/* Zeros: NULL. */
void elg_postgres_put_hash(struct elg_postgres_batch *batch, const struct elg_hash *hash);
void elg_postgres_put_bool(struct elg_postgres_batch *batch, bool value);
void elg_postgres_put_int4(struct elg_postgres_batch *batch, int64_t value);
void elg_postgres_put_int8(struct elg_postgres_batch *batch, int64_t value);
void elg_postgres_put_real(struct elg_postgres_batch *batch, double value);
/* Milliseconds since 1970, as a moment. */
void elg_postgres_put_moment(struct elg_postgres_batch *batch, int64_t value_ms);
void elg_postgres_put_time(struct elg_postgres_batch *batch,
                           int64_t value_ms); /* 0: NULL */
/* ELG_NO_MEMORY; ELG_LIMIT: a value that the database has no room for. */
enum elg_status elg_postgres_batch_check(const struct elg_postgres_batch *batch,
                                         struct elg_error *error);

#endif
