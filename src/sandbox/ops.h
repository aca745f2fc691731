/* ops: the method table behind sandbox.h. Every sandbox, program and parked job begins
 * with a pointer to the table of the back end that made it; sandbox.c looks there. Back
 * ends: local.c (in this process) and jail/ (a process of its own for each graph).
 *
 * Uses sandbox.h. Shapes, ownership and errors of each method are those of the function
 * of the same name there. Append only.
 */
#ifndef ELG_SANDBOX_OPS_H
#define ELG_SANDBOX_OPS_H

#include "sandbox/sandbox.h"

struct elg_sandbox_ops {
    uint32_t version;
    void (*destroy)(struct elg_sandbox *box);
    enum elg_status (*program_create)(struct elg_sandbox *box, const char *entry,
                                      const struct elg_program_loader *loader,
                                      struct elg_program **out, struct elg_error *error);
    void (*program_destroy)(struct elg_program *program);
    struct elg_bytes (*program_describe)(const struct elg_program *program);
    bool (*program_source)(const struct elg_program *program, size_t i, const char **path,
                           struct elg_bytes *source);
    enum elg_status (*begin)(struct elg_sandbox *box, struct elg_program *program,
                             const struct elg_job *job, struct elg_error *error);
    enum elg_status (*resume)(struct elg_sandbox *box, const struct elg_reply *reply,
                              struct elg_outcome *out, struct elg_error *error);
    const char *(*where)(struct elg_sandbox *box);
    void (*discard)(struct elg_sandbox *box);
    enum elg_status (*park)(struct elg_sandbox *box, struct elg_parked **out,
                            struct elg_error *error);
    enum elg_status (*unpark)(struct elg_sandbox *box, struct elg_parked *parked,
                              struct elg_error *error);
    size_t (*parked_bytes)(const struct elg_parked *parked);
    void (*parked_destroy)(struct elg_parked *parked);
};

#endif
