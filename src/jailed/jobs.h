/* jobs: the jobs of the jailed process: the one under way and those set aside, each with
 * the texts that it was given.
 *
 * Uses channel, sandbox/sandbox.h.
 */
#ifndef ELG_JAILED_JOBS_H
#define ELG_JAILED_JOBS_H

#include "jailed/channel.h"
#include "sandbox/sandbox.h"

/* Its strings lie in `texts`. */
struct elg_jailed_job {
    struct elg_job job;
    uint8_t *texts; /* NULL: there is no such job */
    size_t texts_bytes;
};

struct elg_jailed_slot {
    struct elg_jailed_job job;
    struct elg_parked *parked; /* NULL: free */
};

struct elg_jailed_jobs {
    const struct elg_alloc *alloc;
    struct elg_sandbox *box;
    struct elg_jailed_job now;
    struct elg_jailed_slot *slots;
    size_t slot_count;
};

/* Takes a RUN message's fields as the job under way, and begins it. */
enum elg_status elg_jailed_jobs_begin(struct elg_jailed_jobs *jobs,
                                      struct elg_program *program,
                                      struct elg_jail_fields *fields,
                                      struct elg_error *error);
/* The job under way is over, or not to go on. */
void elg_jailed_jobs_end(struct elg_jailed_jobs *jobs);
/* Sets it aside; *bytes is what it holds. */
enum elg_status elg_jailed_jobs_park(struct elg_jailed_jobs *jobs, uint32_t *slot,
                                     uint64_t *bytes, struct elg_error *error);
/* Puts it back. A slot that holds none ends the process. */
enum elg_status elg_jailed_jobs_unpark(struct elg_jailed_jobs *jobs, uint32_t slot,
                                       struct elg_error *error);
void elg_jailed_jobs_drop(struct elg_jailed_jobs *jobs, uint32_t slot);

#endif
