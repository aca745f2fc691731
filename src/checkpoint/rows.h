/* rows: what the store keeps, as structs. Part of checkpoint.h.
 *
 * Uses base. Strings in rows that the store gives are owned by the out struct and freed
 * by its fini.
 */
#ifndef ELG_CHECKPOINT_ROWS_H
#define ELG_CHECKPOINT_ROWS_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/status.h"

enum elg_run_status {
    ELG_RUN_PENDING,
    ELG_RUN_RUNNING,
    ELG_RUN_WAITING,
    ELG_RUN_COMPLETED,
    ELG_RUN_FAILED,
    ELG_RUN_TIMEOUT,
    ELG_RUN_ABORTED,
    ELG_RUN_DIVERGED,
    ELG_RUN_QUARANTINED
};
/* The name in columns and documents, and the status of a name (false: none has it). */
const char *elg_checkpoint_status_name(enum elg_run_status status);
bool elg_checkpoint_status_parse(struct elg_bytes name, enum elg_run_status *out);
/* True of failed, timeout, diverged and quarantined: what a retry by hand may reopen. */
bool elg_checkpoint_status_reopens(enum elg_run_status status);
/* What the limits of a run hold, as they are written, if it was begun in a jail. */
#define ELG_LIMITS_JAILED "\"jail\":true"
bool elg_checkpoint_limits_jailed(struct elg_bytes limits);
/* completed, failed, timeout, aborted, diverged, quarantined */
bool elg_checkpoint_status_ended(enum elg_run_status status);

/* ---- rows
 * -------------------------------------------------------------------------------- */
/* Blobs are shared references: the filler keeps its own, a store that keeps one takes a
 * ref.  */

/* A row of cmo_graphs. definition: canonical {"entry","description":{...},
 * "sources":{path:text}}; hash as DESIGN's Execution says. */
struct elg_graph_row {
    struct elg_hash hash;
    char id[ELG_NAME_BYTES_MAX + 1];
    char version[ELG_NAME_BYTES_MAX + 1];
    struct elg_blob *definition;
};

/* How many runs are taken up by claim_many; 0: no limit. Runs that are claimed by name
 * are not held back. */
struct elg_run_quota {
    int32_t priority;                 /* higher ones are taken up first */
    uint32_t running_max;             /* of the graph, at once */
    uint32_t key_running_max;         /* of the graph and `key`, at once */
    uint32_t rate_count, rate_ms;     /* so many of the graph begin in any rate_ms */
    char key[ELG_NAME_BYTES_MAX + 1]; /* "": none */
};
/* True unless all is 0. */
bool elg_checkpoint_has_quota(const struct elg_run_quota *quota);

/* A row of cmo_runs. */
struct elg_run_row {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    char graph_id[ELG_NAME_BYTES_MAX + 1];
    char graph_version[ELG_NAME_BYTES_MAX + 1];
    struct elg_hash graph_hash;
    enum elg_run_status status;
    struct elg_blob *input;         /* canonical */
    struct elg_blob *initial_state; /* canonical; NULL until known */
    struct elg_blob *limits;        /* canonical: what was in force at the start */
    struct elg_blob *error; /* canonical {"code","message","where","traceback"} or NULL */
    char seed[ELG_NAME_BYTES_MAX + 1];
    uint64_t step_count;   /* finished steps */
    struct elg_hash chain; /* head: chain of the last finished step, or chain_(-1) */
    int64_t due_ms;        /* waiting until; 0: no timer */
    uint64_t epoch;        /* raised by each claim */
    uint32_t claims;       /* since the last commit of a record */
    bool abort_requested;
    int64_t started_at_ms, completed_at_ms, created_at_ms, updated_at_ms; /* 0: none */
    struct elg_run_quota quota; /* of a create; what is read has zeros */
    /* Not a column. A turn that leaves the run waiting makes it due at once if there is
     * an unconsumed signal of a higher number; INT64_MAX: it waits for none. */
    int64_t signals_seen;
    /* Of a child: who began it, in which call; else "". */
    char parent_trace_id[ELG_TRACE_BYTES_MAX + 1];
    int64_t parent_step;
    uint32_t parent_seq;
    uint32_t depth;    /* runs above it */
    bool has_children; /* set by the store with the first */
};

/* A row of cmo_steps: one attempt of one step. */
enum elg_attempt_status {
    ELG_ATTEMPT_OPEN, /* began and had, or may have, an effect */
    ELG_ATTEMPT_OK,
    ELG_ATTEMPT_ERROR, /* raised, fuel, invalid values, no edge */
    ELG_ATTEMPT_TIMEOUT,
    ELG_ATTEMPT_MEMORY,
    ELG_ATTEMPT_ABORTED,
    ELG_ATTEMPT_DIVERGED
};
const char *elg_checkpoint_attempt_name(enum elg_attempt_status status);
bool elg_checkpoint_attempt_parse(struct elg_bytes name, enum elg_attempt_status *out);

struct elg_step_row {
    int64_t step_index;
    uint32_t attempt;
    char node_id[ELG_NAME_BYTES_MAX + 1];
    enum elg_attempt_status status;
    struct elg_hash input_hash;
    struct elg_hash state_hash;  /* of OK */
    struct elg_hash output_hash; /* of OK */
    bool has_edge;               /* next_edge is NULL without */
    char next_edge[ELG_NAME_BYTES_MAX + 1];
    char next_node[ELG_NAME_BYTES_MAX + 1]; /* "": the run ends here */
    struct elg_blob *state;                 /* canonical; NULL between checkpoints */
    struct elg_blob *output;                /* canonical, of OK */
    struct elg_blob *metadata;              /* canonical or NULL */
    struct elg_blob *error;                 /* canonical or NULL */
    struct elg_blob *stop;                  /* canonical {"kind","seq","fuel"} or NULL */
    uint64_t fuel;
    uint32_t activity_count; /* seqs used */
    int64_t clock_ms;        /* the attempt's start as node code sees it */
    int64_t
        retry_due_ms; /* a failed attempt's successor may begin then; 0: none follows */
    int64_t started_at_ms, completed_at_ms; /* not chained */
    int64_t duration_us;                    /* not chained */
    const char *fingerprint; /* borrowed when filled; of fingerprint_blob when read */
    struct elg_blob *fingerprint_blob; /* NULL when filled */
    struct elg_hash digest;            /* over this row's chained columns */
    bool has_chain;
    struct elg_hash chain; /* on the row that finishes its step */
};

/* A row of cmo_activities. */
enum elg_activity_status {
    ELG_ACTIVITY_INTENT,    /* may be, or may have been, under way */
    ELG_ACTIVITY_DONE,      /* response holds {"value":...} or {"error":{...}} */
    ELG_ACTIVITY_CANCELLED, /* may have happened */
    ELG_ACTIVITY_UNKNOWN    /* at most once, and what happened is not known */
};
const char *elg_checkpoint_activity_name(enum elg_activity_status status);
bool elg_checkpoint_activity_parse(struct elg_bytes name, enum elg_activity_status *out);

struct elg_activity_row {
    int64_t step_index;
    uint32_t attempt;
    uint32_t seq; /* from 0 in the attempt */
    enum elg_activity_status status;
    char type[32]; /* activity_type: http_request, now, sleep, read_artifact, ... */
    struct elg_hash request_hash;
    struct elg_hash key;                       /* idempotency key */
    struct elg_blob *request;                  /* canonical */
    struct elg_blob *response;                 /* canonical; NULL for INTENT */
    char response_blob_ref[ELG_HASH_HEX_SIZE]; /* of an artifact, or "" */
    int64_t due_ms;                            /* sleep: when it ends */
    int64_t timestamp_ms;                      /* when it was asked for or ended */
    const char *where;                         /* "file:line"; as fingerprint */
    struct elg_blob *where_blob;               /* NULL when filled */
    struct elg_hash digest;                    /* over this row's chained columns */
};

/* A row of cmo_signals. The end of a child is a signal to its parent of a name that no
 * one can send, without a payload, its key "$" and the child's trace. */
#define ELG_SIGNAL_CHILD "$child"
struct elg_signal_row {
    int64_t signal_no; /* orders the signals of a run */
    char name[ELG_NAME_BYTES_MAX + 1];
    char key[ELG_NAME_BYTES_MAX + 1]; /* "": none */
    struct elg_blob *payload;         /* canonical */
    struct elg_hash payload_hash;
};

/* Which result consumed a signal. */
struct elg_signal_use {
    int64_t signal_no;
    int64_t step_index;
    uint32_t attempt, seq;
};

/* Fini of a row of zeros is fine. The copies share blobs; `out` has its own strings. */
void elg_checkpoint_run_row_fini(struct elg_run_row *row);
void elg_checkpoint_step_row_fini(struct elg_step_row *row);
void elg_checkpoint_activity_row_fini(struct elg_activity_row *row);
void elg_checkpoint_graph_row_fini(struct elg_graph_row *row);
void elg_checkpoint_signal_row_fini(struct elg_signal_row *row);
void elg_checkpoint_run_row_copy(const struct elg_run_row *row, struct elg_run_row *out);
/* ELG_NO_MEMORY. */
enum elg_status elg_checkpoint_step_row_copy(const struct elg_alloc *alloc,
                                             const struct elg_step_row *row,
                                             struct elg_step_row *out);
enum elg_status elg_checkpoint_activity_row_copy(const struct elg_alloc *alloc,
                                                 const struct elg_activity_row *row,
                                                 struct elg_activity_row *out);

#endif
