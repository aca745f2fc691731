/* sandbox: Lua states for graphs, and node calls in them. The only folder, with bind,
 * that knows Lua.
 *
 * Uses base, json. Must not know runs, stores or the network: what node code asks for
 * leaves as a CALL outcome, and the host's answer comes back with the next resume.
 *
 * One sandbox belongs to one thread. It has one arena at a fixed address that holds the
 * Lua state and the C stack on which node code runs (so a count hook, a ctx call or an
 * allocation failure can leave from any depth of coroutines, pcall, sort or gsub
 * callbacks by switching stacks, and a step under way can be set aside byte by byte). A
 * program's loaded arena is kept as an image; each step restores it by one memcpy (I3).
 */
#ifndef ELG_SANDBOX_SANDBOX_H
#define ELG_SANDBOX_SANDBOX_H

#include "base/buf.h"
#include "base/sha256.h"
#include "base/status.h"

struct elg_sandbox;
struct elg_program;
struct elg_parked;
struct elg_compiler;

/* ---- compile helper
 * ---------------------------------------------------------------------- */

/* `path`: the elg-compile binary; borrowed until destroy. */
enum elg_status elg_sandbox_compiler_create(const struct elg_alloc *alloc,
                                            const char *path, struct elg_compiler **out,
                                            struct elg_error *error);
void elg_sandbox_compiler_destroy(struct elg_compiler *compiler);
/* From now on the helper must be confined by every layer of the jail (docs/sandbox.md),
 * or it does not work: for what a jail compiles. Before the first compile. */
void elg_sandbox_compiler_jail(struct elg_compiler *compiler);
/* Source text to bytecode (appended), in a spawned process: a hang past
 * ELG_COMPILE_MS_MAX, or a crash or memory eaten in each of ELG_COMPILE_TRIES, is
 * ELG_LIMIT here. `chunk` is the relative path that error messages and tracebacks show.
 * ELG_INVALID: what the compiler says of the text, where = "chunk:line"; ELG_IO. */
enum elg_status elg_sandbox_compile(struct elg_compiler *compiler, const char *chunk,
                                    struct elg_bytes source, struct elg_buf *bytecode,
                                    struct elg_error *error);

/* ---- sandbox
 * ----------------------------------------------------------------------------- */

struct elg_sandbox_options {
    const struct elg_alloc *alloc;
    struct elg_compiler
        *compiler;               /* borrowed; for programs and for `load` in node code */
    bool fresh_states;           /* no images: specs compare the two */
    uint32_t slice_instructions; /* SLICE outcomes come every so many; 0: default */
    /* Arena's address, a multiple of 4 GiB; 0: the default, or the first that is free of
     * a fixed list (a second sandbox of a process gets another). Results do not depend
     * on it. */
    uintptr_t base;
    size_t memory_bytes_max; /* the largest memory_bytes_max that a job may ask */
};

enum elg_status elg_sandbox_create(const struct elg_sandbox_options *options,
                                   struct elg_sandbox **out, struct elg_error *error);
void elg_sandbox_destroy(struct elg_sandbox *box);
/* Engine, library and fuel table: "elg/0.1.0 luajit/2.1.0-beta3-<date or hash> fuel/7
 * x64". */
const char *elg_sandbox_fingerprint(void);

/* ---- programs
 * ---------------------------------------------------------------------------- */

/* Gives the source of `path` (relative, '/' between parts, checked: no "..", not
 * absolute). ELG_NOT_FOUND lets require try the next candidate (a.b: a/b.lua, then
 * a/b/init.lua). */
struct elg_program_loader {
    enum elg_status (*read)(void *self, const char *path, struct elg_buf *out,
                            struct elg_error *error);
    void *self;
};

/* Whether `path` is such a path: relative, no empty, "." or ".." part, no byte that a
 * file system may read otherwise. */
bool elg_sandbox_path_valid(const char *path);

/* Loads the entry file and all that it requires; the file must return elg.graph{...}.
 * Nothing of it is executed but the files' main chunks, under limits of their own.
 * ELG_INVALID names file and line. */
enum elg_status elg_sandbox_program_create(struct elg_sandbox *box, const char *entry,
                                           const struct elg_program_loader *loader,
                                           struct elg_program **out,
                                           struct elg_error *error);
void elg_sandbox_program_destroy(struct elg_program *program);
/* The graph as data, canonical JSON, borrowed:
 * {"id","version","entry","line","initial":"none"|"table"|"function",
 *  "nodes":{name:{"line","retry":{"max_attempts","backoff","initial_delay_ms","max_delay_ms"}
 *  or null,"timeout_ms" or null}},
 *  "edges":[{"from","key","to","when":bool,"line"}]} Values that the author gave with a
 * wrong type are ELG_INVALID at creation; what they say is graph/'s to check. */
struct elg_bytes elg_sandbox_program_describe(const struct elg_program *program);
/* Source i, in the order of first use; false past the last. Borrowed. */
bool elg_sandbox_program_source(const struct elg_program *program, size_t i,
                                const char **path, struct elg_bytes *source);

/* ---- jobs
 * -------------------------------------------------------------------------------- */

enum elg_job_kind {
    ELG_JOB_INITIAL, /* input -> state: the table, or the function's result */
    ELG_JOB_NODE     /* state, input -> state, output, edge */
};

/* All borrowed until the job is over (also while parked). */
struct elg_job {
    enum elg_job_kind kind;
    const char *node_id;
    struct elg_bytes state; /* canonical JSON */
    struct elg_bytes input; /* canonical JSON */
    const char *trace_id;
    int64_t step_index;
    uint32_t attempt;     /* from 1 */
    const char *previous; /* node id of the step before; NULL at step 0 */
    const char *seed;
    int64_t clock_ms; /* NODE: what os.time, os.date and os.clock see; INITIAL has none */
    uint64_t fuel_max; /* exact: the job ends after so many VM instructions */
    size_t memory_bytes_max;
};

enum elg_outcome_kind {
    ELG_OUTCOME_DONE,
    ELG_OUTCOME_CALL,   /* answer with the next resume */
    ELG_OUTCOME_SLICE,  /* a slice is over: resume with NULL when you like */
    ELG_OUTCOME_ERROR,  /* raised by node code, or its result is not a value */
    ELG_OUTCOME_FUEL,   /* fuel_max spent */
    ELG_OUTCOME_MEMORY, /* memory_bytes_max reached */
    /* Of a sandbox that is a process of its own (jail/), which is no more: */
    ELG_OUTCOME_LOST,   /* not by its own doing: execute the job again from the start */
    ELG_OUTCOME_CRASHED /* while it executed this job, by its own doing */
};

/* Borrowed from the sandbox until the next call on it. */
struct elg_outcome {
    enum elg_outcome_kind kind;
    uint64_t fuel; /* instructions (and charges) so far, the same for any slicing */
    /* DONE */
    struct elg_bytes state;    /* canonical */
    struct elg_bytes output;   /* canonical; "null" if none; INITIAL: empty */
    struct elg_bytes metadata; /* canonical or empty */
    const char *key;           /* the edge key; NULL: the run ends */
    int32_t edge; /* index of the edge that holds; -1: none does (or key NULL) */
    /* CALL */
    const char *type;         /* "http", "now", "sleep", "log", "artifact.write",
                                 "artifact.read", "call", "all", "wait", "settle", ... */
    struct elg_bytes request; /* canonical; secrets as {"$secret":"NAME"}, which node code
                                 cannot write itself */
    /* CALL, ERROR, FUEL, MEMORY: "file:line" of the author's code; DONE with a key and
     * without an edge: of the node's function; "" if there is none */
    const char *where;
    /* ERROR: UTF-8, with ELG_JSON_NUL for NUL. */
    const char *code;    /* RAISED, INVALID_STATE, INVALID_OUTPUT, INVALID_RESULT, ... */
    const char *message; /* for RAISED of a table: its message field or its JSON */
    const char *traceback; /* with the author's files and lines, no addresses */
    bool retry;            /* false for error{retry=false} and invalid values */
    /* CRASHED: message says how. LOST: true if this job was being executed when the
     * process was killed, false if it was only parked there. */
    bool executing;
};

/* The answer to a CALL: value is canonical JSON of the result, or, if !ok, of
 * {"code","message"}. For "all": an array of {"ok","value"} / {"ok","err"} with ok true.
 */
struct elg_reply {
    bool ok;
    struct elg_bytes value;
};

/* Puts the program's state into the arena and readies the job; a job under way must have
 * been parked, ended or discarded. */
enum elg_status elg_sandbox_begin(struct elg_sandbox *box, struct elg_program *program,
                                  const struct elg_job *job, struct elg_error *error);
/* Runs until the next outcome. `reply` NULL at first and after SLICE. After DONE, ERROR,
 * FUEL and MEMORY the job is over. ELG_NO_MEMORY, ELG_INTERNAL: the job is over without
 * outcome. */
enum elg_status elg_sandbox_resume(struct elg_sandbox *box, const struct elg_reply *reply,
                                   struct elg_outcome *out, struct elg_error *error);
/* "file:line" of the author's innermost line where the job was left: after a SLICE, FUEL
 * or MEMORY outcome, before anything else is done with the sandbox. "" if no author's
 * code is on the stack. Borrowed until the next call on the sandbox. Looked for when it
 * is asked: nothing is paid for it before. */
const char *elg_sandbox_where(struct elg_sandbox *box);
/* Drops the job under way, if any. */
void elg_sandbox_discard(struct elg_sandbox *box);

/* Sets the job under way aside (its difference to the image), so that another can begin.
 */
enum elg_status elg_sandbox_park(struct elg_sandbox *box, struct elg_parked **out,
                                 struct elg_error *error);
/* Puts it back; takes `parked` on success. */
enum elg_status elg_sandbox_unpark(struct elg_sandbox *box, struct elg_parked *parked,
                                   struct elg_error *error);
size_t elg_sandbox_parked_bytes(const struct elg_parked *parked);
void elg_sandbox_parked_destroy(struct elg_parked *parked);

#endif
