/* jail: the sandbox of sandbox/sandbox.h in processes of its own, one for each graph,
 * that can reach nothing but the pipe to this one (docs/sandbox.md).
 *
 * Uses base, json, sandbox/ops.h. The results are those of a sandbox in this process, to
 * the last unit of fuel. What node code does to its own process stays there: this side
 * checks every message, and starts another process for the next job.
 */
#ifndef ELG_JAIL_JAIL_H
#define ELG_JAIL_JAIL_H

#include "sandbox/sandbox.h"

/* Limits of a jail (I15). */
#define ELG_JAIL_PROCESSES_MAX 64 /* at once, of one jail; then the least used ends */
#define ELG_JAIL_LOAD_MS_MAX 60000
#define ELG_JAIL_ANSWER_MS_MAX                                                           \
    10000 /* for one piece of work, and 1 us per instruction                             \
           */
#define ELG_JAIL_LOST_MAX                                                                \
    10 /* times a job is killed from outside before it is blamed                         \
        */

/* A sandbox whose programs each run in a process of `path`, the elg-jail binary, borrowed
 * until destroy. Starts the first one at once. options->base 0: the first of the arena's
 * addresses. ELG_UNSUPPORTED: this system lacks a layer of the jail, the text says which.
 * ELG_IO: elg-jail cannot be started, or is of another build. */
enum elg_status elg_jail_open(const struct elg_sandbox_options *options, const char *path,
                              struct elg_sandbox **out, struct elg_error *error);

#endif
