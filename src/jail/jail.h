/* jail: the sandbox of sandbox/sandbox.h in processes of its own, one for each graph,
 * that can reach nothing but the pipe to this one (docs/sandbox.md).
 *
 * Uses base, json, sandbox/ops.h. The results are those of a sandbox in this process, to
 * the last unit of fuel. What node code does to its own process stays there: this side
 * checks every message, and starts another process for the next job.
 */
#ifndef ELG_JAIL_JAIL_H
#define ELG_JAIL_JAIL_H

#include "base/limits.h"
#include "sandbox/sandbox.h"

/* A sandbox whose programs each run in a process of `path`, the elg-jail binary, borrowed
 * until destroy. Starts the first one at once. options->base 0: the first of the arena's
 * addresses. ELG_UNSUPPORTED: this system lacks a layer of the jail, the text says which.
 * ELG_IO: elg-jail cannot be started, or is of another build. */
enum elg_status elg_jail_open(const struct elg_sandbox_options *options, const char *path,
                              struct elg_sandbox **out, struct elg_error *error);

#endif
