/* elg.h: the public interface of libelg, and nothing else is public.
 *
 * A host runs graphs of Lua nodes durably. Open one (a store behind it), open a graph,
 * start or resume runs, then call elg_host_tick in your own loop; elg_host_poll_fd
 * becomes readable when there is more to do. All calls on one host come from one thread;
 * nothing here blocks for longer than the store needs, except where it says so. No
 * globals.
 *
 * A pointer that is not said to be optional (NULL: ..., may be NULL) must not be NULL:
 * that is asserted, in every build, and ends the program with the name of the function.
 * `error` is always optional; on ELG_OK it is cleared. Whatever else is not right in an
 * argument is ELG_USAGE or ELG_INVALID with a text. Out parameters are written on ELG_OK
 * only (*active of elg_host_tick always). What a handle belongs to is the host that gave
 * it: a graph goes with no other host. Callbacks are called inside elg_host_tick; none of
 * them may call it.
 *
 * What one host begins is in the store once a tick has made it durable. Until then other
 * hosts, and other processes, are told ELG_NOT_FOUND (or ELG_BUSY, where they would begin
 * it too); elg_run_submit and elg_run_signal are durable when they return.
 *
 * Signals are the host program's: one that runs under a limit of file sizes ignores
 * SIGXFSZ, so that a store which may not grow answers ELG_FULL instead of ending it.
 *
 * JSON goes in and comes out as UTF-8 text; what comes out is canonical (RFC 8785) where
 * it is a value of a run. An elg_text belongs to the caller and is given back by
 * elg_text_destroy.
 */
#ifndef ELG_H
#define ELG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ELG_ABI_VERSION 3
#define ELG_VERSION "0.1.0"
#define ELG_API __attribute__((visibility("default")))

enum elg_status {
    ELG_OK = 0,
    ELG_USAGE,   /* the caller's words are off */
    ELG_INVALID, /* a graph, an input or a schema is not valid */
    ELG_NO_MEMORY,
    ELG_IO,      /* a file, store or server cannot be reached or does not work */
    ELG_FULL,    /* the disk or a quota is full */
    ELG_CORRUPT, /* stored data is not what was written */
    ELG_BUSY,    /* a live process owns it */
    ELG_NOT_FOUND,
    ELG_EXISTS,   /* there already, with other content */
    ELG_FENCED,   /* the lease was lost: nothing was written (I8) */
    ELG_DIVERGED, /* re-execution asked for something else (I10) */
    ELG_DENIED,   /* by policy (I13) */
    ELG_TIMEOUT,
    ELG_ABORTED,
    ELG_LIMIT,       /* a named maximum was reached (I15) */
    ELG_UNSUPPORTED, /* not on this build, system or store */
    ELG_INTERNAL     /* a defect of elg */
};

#define ELG_ERROR_WHERE_MAX 256
#define ELG_ERROR_TEXT_MAX 1024

struct elg_error {
    enum elg_status status;
    char where[ELG_ERROR_WHERE_MAX]; /* the thing: a path, a JSON path, file:line */
    char text[ELG_ERROR_TEXT_MAX];   /* what is wrong and the way out */
};

/* "ELG_IO" and so on; of an unknown value "ELG_INTERNAL". Never NULL. */
ELG_API const char *elg_status_name(enum elg_status status);
/* Version of the library, as ELG_VERSION at its build. */
ELG_API const char *elg_version(void);

/* A caller's allocator. resize(self, p, old_size, new_size) behaves as realloc; new_size
 * 0 frees and returns NULL; NULL for new_size > 0 means no memory and leaves p as it was.
 * It is called from the host's own threads too. */
struct elg_alloc {
    void *(*resize)(void *self, void *p, size_t old_size, size_t new_size);
    void *self;
};

/* Text that the library gives. The data ends with a NUL that size does not count. */
struct elg_text {
    char *data;
    size_t size;
    const struct elg_alloc *alloc;
};
ELG_API void elg_text_destroy(struct elg_text *text);

/* ---- JSON
 * ------------------------------------------------------------------------------- */

/* The canonical form (RFC 8785) of a JSON text. alloc NULL: the C library's.
 * ELG_INVALID with line, column and path; ELG_LIMIT past the depth or size in force. */
ELG_API enum elg_status elg_json_canonical(const struct elg_alloc *alloc,
                                           const char *json, size_t size,
                                           struct elg_text *out, struct elg_error *error);
/* SHA-256 of the canonical form, lower-case hex with a NUL. Errors as above. */
ELG_API enum elg_status elg_json_hash(const struct elg_alloc *alloc, const char *json,
                                      size_t size, char out[65], struct elg_error *error);

/* ---- host
 * ------------------------------------------------------------------------------- */

struct elg_host;
struct elg_graph;

enum elg_durability {
    ELG_DURABILITY_EFFECT = 0, /* effects wait for the disk, pure steps do not (I5) */
    ELG_DURABILITY_SYNC = 1    /* every step waits */
};

enum elg_event_kind {
    ELG_EVENT_STEP = 1, /* a step is durable */
    ELG_EVENT_LOG,      /* a ctx.log line of a durable attempt */
    ELG_EVENT_END,      /* the run reached a status that it keeps, durably */
    ELG_EVENT_WARNING   /* something the operator should know; may have no trace */
};

/* Borrowed for the time of the callback. Strings are NUL-terminated, never NULL. */
struct elg_event {
    enum elg_event_kind kind;
    const char *trace_id;
    int64_t step_index; /* -1: none */
    const char *node_id;
    const char *level; /* LOG: debug, info, warn, error */
    const char *text; /* LOG, WARNING: the message; END: the status; STEP: the edge key */
    const char
        *data; /* LOG: canonical JSON of the fields or ""; END: the result document */
};

struct elg_host_options {
    uint32_t abi_version;          /* ELG_ABI_VERSION */
    const struct elg_alloc *alloc; /* NULL: the C library's */
    const char *store;     /* sqlite:PATH, memory:, postgres://...; NULL: sqlite:elg.db */
    const char *artifacts; /* folder; NULL: beside the store */
    const char
        *compiler; /* path of elg-compile; NULL: beside the library or in libexec */
    enum elg_durability durability;
    uint32_t checkpoint_interval; /* 0: 1, every step; at most 1,000,000 */
    uint64_t fuel_max;            /* per attempt; 0: default; at most 9e15 */
    uint64_t memory_bytes_max;    /* per attempt, at most 64 GiB; 0: default */
    uint32_t step_timeout_ms;     /* where a node names none; 0: default */
    uint32_t run_timeout_ms;      /* 0: none */
    uint32_t activity_timeout_ms; /* where a call names none; 0: default */
    uint32_t body_bytes_max;      /* of an HTTP response; 0: default */
    uint32_t slice_instructions;  /* 0: default; results never depend on it */
    bool fresh_states;            /* true: no images, every step builds its state anew */
    bool read_only;               /* no run is executed; the store is not written */
    const char *const *allow_net; /* HOST[:PORT] ... NULL; NULL: every host, in a jail
                                     none */
    /* A secret's value, or NULL if there is none of that name. The bytes are copied.
     * callback NULL: the environment's ELG_SECRET_NAME. */
    const char *(*secret)(void *self, const char *name);
    /* Called inside elg_host_tick, after what it tells of is durable. NULL: none. */
    void (*on_event)(void *self, const struct elg_event *event);
    void *self;
    /* 0 to 1: this share of the steps, chosen by trace and step, is executed twice, the
     * second time in a state built anew at another address; a difference ends the run as
     * diverged and says what differed. An audited step is one piece of work more. */
    double audit_rate;
    /* Node code is loaded, checked and executed in processes of their own, one for each
     * graph, which can reach nothing but this one (docs/sandbox.md). ELG_UNSUPPORTED if
     * the system lacks a layer of that. allow_net NULL then is no host. A run that was
     * begun in a jail is executed and replayed in one by every host. */
    bool jail;
    const char *jailer; /* path of elg-jail; NULL: beside the library or in libexec */
};

/* Opens the store (made if it is not there, except with read_only) and everything else.
 * ELG_USAGE, ELG_IO, ELG_CORRUPT, ELG_FULL, ELG_NO_MEMORY, ELG_UNSUPPORTED. */
ELG_API enum elg_status elg_host_open(const struct elg_host_options *options,
                                      struct elg_host **out, struct elg_error *error);
/* The version of the store's schema, to which opening brought it; 0: it has none. */
ELG_API int64_t elg_host_schema_version(const struct elg_host *host);
/* Finishes commits under way, hands back the runs in hand (they stay resumable). NULL is
 * fine. */
ELG_API void elg_host_close(struct elg_host *host);

/* Does at most about budget_us of work (always at least one piece) and returns in *active
 * how many runs are in hand and not ended or parked without a timer. A run's own failure
 * is not an error here; ELG_IO, ELG_FULL, ELG_CORRUPT when the store no longer takes
 * commits. */
ELG_API enum elg_status elg_host_tick(struct elg_host *host, int64_t budget_us,
                                      size_t *active, struct elg_error *error);
/* How many of the runs in hand have not come to their end; the others only wait for the
 * disk, so that a host which bounds its runs may begin new ones. */
ELG_API size_t elg_host_executing(const struct elg_host *host);
/* Readable when elg_host_tick has something to do. Borrowed. */
ELG_API int elg_host_poll_fd(const struct elg_host *host);

struct elg_serve_options {
    const char *const *graph_ids; /* ids of graphs ... NULL; NULL: all */
    size_t run_count_max;         /* in hand at once; 0: default */
};

/* From now on elg_host_tick takes up runs of the store by itself, as long as there is
 * room: those that have not ended, that nobody owns and whose time has come. Runs that
 * wait for long are let go until then. Again: with other options. ELG_USAGE,
 * ELG_NO_MEMORY, ELG_IO. */
ELG_API enum elg_status elg_host_serve(struct elg_host *host,
                                       const struct elg_serve_options *options,
                                       struct elg_error *error);
/* Ends that: no run is taken up any more, those that only wait are handed back, the
 * others go on until they end, come to wait, or the host closes. How many those are. */
ELG_API size_t elg_host_drain(struct elg_host *host);
/* How many writes of runs that were another's by then the store has refused (I8). */
ELG_API uint64_t elg_host_stale_writes(const struct elg_host *host);

/* ---- host activities
 * -------------------------------------------------------------------- */

/* One call of ctx.call under way. Valid until completed. */
struct elg_call;

/* Starts the activity. `request` is canonical JSON (`size` bytes, NUL behind). `key` is
 * its idempotency key (64 hex digits): the same for every repeat of the same call (I7).
 * Complete it now or later, once, on the ticking thread; the call is invalid after that.
 */
typedef void (*elg_activity_fn)(void *self, struct elg_call *call, const char *request,
                                size_t size, const char *key);
/* `cancel`, if not NULL, is told that the result no longer matters; complete is still
 * due. */
typedef void (*elg_activity_cancel_fn)(void *self, struct elg_call *call);

/* Makes ctx.call(name, request) reach fn. `name`: 1 to 128 bytes of UTF-8. `self` may be
 * anything. ELG_EXISTS, ELG_USAGE, ELG_NO_MEMORY. */
ELG_API enum elg_status elg_host_register(struct elg_host *host, const char *name,
                                          elg_activity_fn fn,
                                          elg_activity_cancel_fn cancel, void *self,
                                          struct elg_error *error);
/* Asked before any call of node code is performed, whose `type` is as in the journal:
 * http_request, call, now, sleep, wait, run, write_artifact, read_artifact. `request` is
 * the recorded request (secrets by name). True: it has taken the call and completes it,
 * now or later, as an activity does; false: it is performed as ever. */
typedef bool (*elg_intercept_fn)(void *self, struct elg_call *call, const char *type,
                                 const char *request, size_t size, const char *key);

/* For tests and simulations: puts fn between node code and the world. What it gives is
 * recorded like any result. Before the first run; one per host. ELG_EXISTS, ELG_USAGE,
 * ELG_NO_MEMORY. */
ELG_API enum elg_status elg_host_intercept(struct elg_host *host, elg_intercept_fn fn,
                                           void *self, struct elg_error *error);
/* The result, a JSON text (NULL with size 0: none, which is not valid). What is not valid
 * JSON, or deeper or larger than a value may be, becomes the error INVALID_RESULT. */
ELG_API void elg_call_complete(struct elg_call *call, const char *json, size_t size);
/* The node gets nil, { code, message }. A code that is NULL or empty: "FAILED"; a message
 * that is NULL: "". Bytes that are not UTF-8 become U+FFFD. */
ELG_API void elg_call_fail(struct elg_call *call, const char *code, const char *message);

/* ---- graphs
 * ----------------------------------------------------------------------------- */

/* Loads a graph file and all it requires, and checks it. ELG_INVALID names file and line;
 * ELG_USAGE: a folder, or no name of a graph; ELG_NOT_FOUND, ELG_IO. May block for the
 * compile helper (milliseconds a file). */
ELG_API enum elg_status elg_graph_open(struct elg_host *host, const char *path,
                                       struct elg_graph **out, struct elg_error *error);
/* The graph that a run in the store carries, or any by its hash. */
ELG_API enum elg_status elg_graph_open_stored(struct elg_host *host,
                                              const char *graph_hash,
                                              struct elg_graph **out,
                                              struct elg_error *error);
/* One reference less; runs under way keep it alive. Before elg_host_close. NULL is fine.
 */
ELG_API void elg_graph_close(struct elg_graph *graph);
/* 64 hex digits, borrowed. */
ELG_API const char *elg_graph_hash(const struct elg_graph *graph);
/* {"id","version","hash","entry","nodes":[{"id","line","retry","timeout_ms"}],
 *  "edges":[{"from","key","to","when":bool}],"sources":{path:hash}} */
ELG_API enum elg_status elg_graph_describe(struct elg_graph *graph, struct elg_text *out,
                                           struct elg_error *error);
/* [{"level":"error"|"warning","code","where","text"}], empty when all is well. Errors are
 * what elg_graph_open refuses; to see them all, elg_graph_check_file. */
ELG_API enum elg_status elg_graph_check_file(struct elg_host *host, const char *path,
                                             struct elg_text *out,
                                             struct elg_error *error);

/* ---- runs
 * ------------------------------------------------------------------------------- */

struct elg_run_options {
    const char *trace_id; /* NULL: a new UUID */
    const char *input;    /* JSON text; NULL: {} */
    size_t input_size;
    const char *seed; /* any UTF-8 of at most 128 bytes, also ""; NULL: random */
};

/* Begins a run, or attaches to the run of that trace if graph, input and seed (where one
 * is given) are the same (ELG_EXISTS if not, ELG_BUSY if another live process owns it).
 * The trace id (a NUL behind) is written to trace_out of trace_size bytes (129 always
 * suffice; ELG_USAGE where the id has no room). trace_out and created may be NULL.
 * ELG_INVALID: the input. */
ELG_API enum elg_status elg_run_start(struct elg_host *host, struct elg_graph *graph,
                                      const struct elg_run_options *options,
                                      char *trace_out, size_t trace_size, bool *created,
                                      struct elg_error *error);
struct elg_submit_options {
    struct elg_run_options run;
    /* NULL: none. The trace is derived from the graph's id and this text, so that the
     * same key again is the same run, whatever version of the graph it has. */
    const char *key;
    const int32_t *priority; /* higher ones are taken up first; NULL: the graph's, or 0 */
};

/* Records a run durably for whoever serves the store, without executing it. If it is
 * there already with the same graph, input and seed (where one is given), *created is
 * false (ELG_EXISTS if one of them is another). ELG_BUSY: a live process is about to
 * begin it. trace_out and created as of elg_run_start. */
ELG_API enum elg_status elg_run_submit(struct elg_host *host, struct elg_graph *graph,
                                       const struct elg_submit_options *options,
                                       char *trace_out, size_t trace_size, bool *created,
                                       struct elg_error *error);
/* Takes up a run of the store. Fine for an ended run (nothing to do).
 * ELG_NOT_FOUND, ELG_BUSY, ELG_IO, ELG_CORRUPT; ELG_LIMIT: its graph cannot be compiled,
 * the compiler dies or takes too long; ELG_UNSUPPORTED: it was begun in a jail, and this
 * system lacks a layer of that. A claim too many quarantines it: that is an end. */
ELG_API enum elg_status elg_run_resume(struct elg_host *host, const char *trace_id,
                                       struct elg_error *error);
/* Asks for the run's abort, durably; its owner carries it out, without one this host
 * does. */
ELG_API enum elg_status elg_run_abort(struct elg_host *host, const char *trace_id,
                                      struct elg_error *error);
/* Opens a run again that failed, timed out, diverged or is quarantined: it goes on with a
 * new attempt at the step where it ended, the node's retries and the run's timeout anew
 * (counted from now: started_at), for whoever takes it up (elg_run_resume, or a host that
 * serves). That it ended stays in its journal. Children that this step
 * began and that failed, timed out, diverged, are quarantined or aborted go on with it,
 * and theirs, all in one transaction, which a warning tells. ELG_USAGE: it did not end
 * so, or its last step ended well; ELG_DIVERGED: its journal is not what was written;
 * ELG_NOT_FOUND, ELG_FENCED (another was faster). */
ELG_API enum elg_status elg_run_retry(struct elg_host *host, const char *trace_id,
                                      struct elg_error *error);
struct elg_signal {
    const char *name; /* what ctx.wait names: 1 to 128 bytes, not beginning with $ */
    const char *key;  /* the sender's; the same one again is not kept twice. NULL: none */
    const char *payload; /* JSON text; NULL: null */
    size_t payload_size;
};
/* Sends a signal to a run that has not ended, executed here, elsewhere or nowhere. It is
 * durable on return and kept until ctx.wait takes it; of one name, the first that came is
 * the first that is taken. *created (may be NULL) false: that key was there, with the
 * same name and payload. ELG_NOT_FOUND; ELG_INVALID: name, key or payload; ELG_USAGE: the
 * run has ended; ELG_EXISTS: the key is there with other content; ELG_LIMIT: 1,000
 * signals, or 64 MiB of them, wait already. */
ELG_API enum elg_status elg_run_signal(struct elg_host *host, const char *trace_id,
                                       const struct elg_signal *signal, bool *created,
                                       struct elg_error *error);
/* Lets go of a run in hand: what is recorded is kept, another may take it up. ELG_USAGE
 * from within on_event. */
ELG_API enum elg_status elg_run_release(struct elg_host *host, const char *trace_id,
                                        struct elg_error *error);
/* The durable result:
 * {"trace_id","status","graph_hash","steps","state_hash","state","output",
 * "error","chain"}. ELG_NOT_FOUND. */
ELG_API enum elg_status elg_run_result(struct elg_host *host, const char *trace_id,
                                       struct elg_text *out, struct elg_error *error);
/* The result's fields and "journal": [...], of one step if step >= 0. */
ELG_API enum elg_status elg_run_show(struct elg_host *host, const char *trace_id,
                                     int64_t step, struct elg_text *out,
                                     struct elg_error *error);
/* As elg_run_show, with the attempts of steps from..to (-1: to the last). ELG_USAGE:
 * from < 0 or to < -1. */
ELG_API enum elg_status elg_run_show_steps(struct elg_host *host, const char *trace_id,
                                           int64_t from, int64_t to, struct elg_text *out,
                                           struct elg_error *error);
/* Calls row(self, json, size) for each run, newest first; status NULL: all. A row that
 * returns false ends it. ELG_CORRUPT: the store's row of a run is damaged; all others
 * were given. */
ELG_API enum elg_status elg_run_list(struct elg_host *host, const char *status,
                                     bool (*row)(void *self, const char *json,
                                                 size_t size),
                                     void *self, struct elg_error *error);

struct elg_list_options {
    const char *statuses; /* names, or "unfinished", with commas between; NULL: any */
    const char *graph_id; /* NULL: any */
    int64_t since_ms, until_ms; /* made then or later, and before; 0: any time */
    const char *after;          /* a trace: the runs that follow it in the list */
    bool (*row)(void *self, const char *json, size_t size); /* as of elg_run_list */
    void *self;
    /* Told, with `self`, of each run whose row in the store is damaged: its trace ("" if
     * that cannot be read) and what is wrong where. NULL: the first is the list's error,
     * ELG_CORRUPT, after all others were given. */
    void (*unread)(void *self, const char *trace_id, const struct elg_error *why);
};
/* As elg_run_list, of the runs that the options name. ELG_NOT_FOUND: `after` is no run of
 * the store. */
ELG_API enum elg_status elg_run_query(struct elg_host *host,
                                      const struct elg_list_options *options,
                                      struct elg_error *error);

struct elg_gc_options {
    const char *statuses;  /* of ended runs, with commas between; NULL: any */
    int64_t older_than_ms; /* since they ended */
    bool dry_run;          /* only count */
};
/* Removes runs that ended longer ago, each with all that it began (ctx.run), graphs that
 * no run carries and nobody put for a day, and artifacts that no run refers to and nobody
 * put for an hour (unless options->artifacts named their folder: others may share it).
 * Safe while others work and whenever it is cut short. Blocks. Gives {"artifact_bytes",
 * "artifacts","dry_run","graphs","runs"}. ELG_USAGE, ELG_UNSUPPORTED (memory:), ELG_IO.
 */
ELG_API enum elg_status elg_host_gc(struct elg_host *host,
                                    const struct elg_gc_options *options,
                                    struct elg_text *out, struct elg_error *error);

struct elg_replay_options {
    int64_t to;              /* the last step to execute; -1: all; less is ELG_USAGE */
    bool verify;             /* compare everything with the journal */
    struct elg_graph *graph; /* NULL: the run's own; else where this code would diverge */
};

/* Executes a run again from its journal, with no effect at all. With verify:
 * {"trace_id","verified","steps","divergence":null|{"step","node","seq","what","expected",
 * "actual","where"},"fuel_not_compared"}; without: the result document as of step `to`.
 * ELG_NOT_FOUND, ELG_CORRUPT, ELG_IO, ELG_UNSUPPORTED (see elg_run_resume); a divergence
 * is not an error here. */
ELG_API enum elg_status elg_run_replay(struct elg_host *host, const char *trace_id,
                                       const struct elg_replay_options *options,
                                       struct elg_text *out, struct elg_error *error);

#ifdef __cplusplus
}
#endif

#endif
