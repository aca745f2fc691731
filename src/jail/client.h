/* client: the inside of a jail, for the files of this folder only.
 *
 * Uses child, jail.h, sandbox/ops.h.
 */
#ifndef ELG_JAIL_CLIENT_H
#define ELG_JAIL_CLIENT_H

#include "jail/child.h"
#include "jail/jail.h"
#include "sandbox/ops.h"

struct elg_jail_source {
    char *path;
    struct elg_buf text, bytecode;
};

struct elg_jail_edge {
    char *from, *key;
    bool when;
};

/* What struct elg_program is here. */
struct elg_jail_program {
    const struct elg_sandbox_ops *ops;
    const struct elg_alloc *alloc;
    struct elg_jail *jail; /* NULL: closed before this */
    struct elg_jail_program *next;
    size_t references; /* one, and one for each parked job */
    char *entry;
    struct elg_jail_source *sources; /* in the order of first use, as they were read */
    size_t source_count;
    struct elg_buf description;
    struct elg_jail_edge *edges;
    size_t edge_count;
    struct elg_jail_child *child; /* NULL: none; the next job starts one */
    uint64_t generation;          /* of `child`: parked jobs of others are lost */
    uint64_t used_at;             /* a count of uses, for ending the least used */
};

/* The job under way, and what of it is known here. */
struct elg_jail_now {
    struct elg_jail_program *program;
    struct elg_job job;
    bool begun;  /* its process knows of it */
    bool lost;   /* it was parked in a process that is no more */
    bool parked; /* it lies in `slot` and is to be put back first */
    uint32_t slot;
    uint64_t fuel;       /* at the last outcome */
    uint32_t call_count; /* since the last slice was over */
};

/* What struct elg_parked is here. */
struct elg_jail_parked {
    const struct elg_sandbox_ops *ops;
    struct elg_jail_now now;
    uint64_t generation;
    size_t bytes;
};

/* What struct elg_sandbox is here. */
struct elg_jail {
    const struct elg_sandbox_ops *ops;
    const struct elg_alloc *alloc;
    const char *path;
    struct elg_compiler *compiler;
    struct elg_clock clock;
    uint32_t slice;
    size_t memory_bytes_max;
    char slice_text[16], fresh_text[4], base_text[24], memory_text[24];
    const char *argv[6];
    struct elg_jail_child *spare; /* started, but no program is in it; may be NULL */
    struct elg_jail_program *programs;
    uint64_t use_count, generation_count;
    bool active;
    struct elg_jail_now now;
    char place[ELG_ERROR_WHERE_MAX];
    char message[256];
};

/* ---- program.c */
enum elg_status elg_jail_program_create(struct elg_sandbox *box, const char *entry,
                                        const struct elg_program_loader *loader,
                                        struct elg_program **out,
                                        struct elg_error *error);
void elg_jail_program_destroy(struct elg_program *program);
struct elg_bytes elg_jail_program_describe(const struct elg_program *program);
bool elg_jail_program_source(const struct elg_program *program, size_t i,
                             const char **path, struct elg_bytes *source);
void elg_jail_program_unref(struct elg_jail_program *program);
/* Makes sure that the program is loaded in a process. ELG_ABORTED: that was killed or
 * crashed while it loaded, *end says which and jail->message how. */
enum elg_status elg_jail_program_ensure(struct elg_jail_program *program,
                                        enum elg_jail_end *end, struct elg_error *error);

/* ---- client.c */
/* A process with no program in it: the spare one or a new one. ELG_ABORTED: each that was
 * started was killed from outside at once. */
enum elg_status elg_jail_take_child(struct elg_jail *jail, struct elg_jail_child **out,
                                    struct elg_error *error);
/* Ends a program's process. */
void elg_jail_drop_child(struct elg_jail_program *program);

/* ---- ask.c */
/* Waits for the answer, and serves what the process asks meanwhile. loader NULL: only
 * what was read before is found. `loading`: it may ask for files. False: it is no more.
 */
bool elg_jail_ask(struct elg_jail_program *program,
                  const struct elg_program_loader *loader, bool loading, int64_t until_us,
                  enum elg_jail_message *kind, struct elg_jail_fields *fields);

/* ---- check.c */
/* Reads an outcome and checks all of it. False: it is none of this job's. */
bool elg_jail_outcome_read(struct elg_jail *jail, struct elg_jail_fields *fields,
                           struct elg_outcome *out);
/* Whether a text is canonical JSON. False with *starved: there is no memory to tell. */
bool elg_jail_canonical(const struct elg_alloc *alloc, struct elg_bytes text,
                        bool *starved);
/* A text for people: what is not UTF-8 becomes '?', in place. */
const char *elg_jail_text_clean(const char *text);
/* Reads FAILED into `error`: a status that the question can have, else ELG_INTERNAL. */
enum elg_status elg_jail_failure_read(struct elg_jail_fields *fields,
                                      struct elg_error *error);

/* ---- job.c */
enum elg_status elg_jail_begin(struct elg_sandbox *box, struct elg_program *program,
                               const struct elg_job *job, struct elg_error *error);
enum elg_status elg_jail_resume(struct elg_sandbox *box, const struct elg_reply *reply,
                                struct elg_outcome *out, struct elg_error *error);
const char *elg_jail_where(struct elg_sandbox *box);
void elg_jail_discard(struct elg_sandbox *box);

/* ---- park.c */
enum elg_status elg_jail_park(struct elg_sandbox *box, struct elg_parked **out,
                              struct elg_error *error);
enum elg_status elg_jail_unpark(struct elg_sandbox *box, struct elg_parked *parked,
                                struct elg_error *error);
size_t elg_jail_parked_bytes(const struct elg_parked *parked);
void elg_jail_parked_destroy(struct elg_parked *parked);
/* Frees a slot of the program's process, if that lives. */
void elg_jail_park_drop(struct elg_jail_program *program, uint32_t slot);

#endif
