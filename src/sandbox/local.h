/* local: the back end of sandbox.h in this process: its table, and the methods, which
 * the files of this folder define.
 *
 * Uses ops.h. For the files of this folder only.
 */
#ifndef ELG_SANDBOX_LOCAL_H
#define ELG_SANDBOX_LOCAL_H

#include "sandbox/ops.h"

extern const struct elg_sandbox_ops elg_sandbox_local;

/* The methods: as the function of the same name in sandbox.h. */
void elg_local_destroy(struct elg_sandbox *box);
enum elg_status elg_local_program_create(struct elg_sandbox *box, const char *entry,
                                         const struct elg_program_loader *loader,
                                         struct elg_program **out,
                                         struct elg_error *error);
void elg_local_program_destroy(struct elg_program *program);
struct elg_bytes elg_local_program_describe(const struct elg_program *program);
bool elg_local_program_source(const struct elg_program *program, size_t i,
                              const char **path, struct elg_bytes *source);
enum elg_status elg_local_begin(struct elg_sandbox *box, struct elg_program *program,
                                const struct elg_job *job, struct elg_error *error);
enum elg_status elg_local_resume(struct elg_sandbox *box, const struct elg_reply *reply,
                                 struct elg_outcome *out, struct elg_error *error);
const char *elg_local_where(struct elg_sandbox *box);
void elg_local_discard(struct elg_sandbox *box);
enum elg_status elg_local_park(struct elg_sandbox *box, struct elg_parked **out,
                               struct elg_error *error);
enum elg_status elg_local_unpark(struct elg_sandbox *box, struct elg_parked *parked,
                                 struct elg_error *error);
size_t elg_local_parked_bytes(const struct elg_parked *parked);
void elg_local_parked_destroy(struct elg_parked *parked);

#endif
