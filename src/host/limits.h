/* limits: what was in force when a run began, kept with it. Private to host/. */
#ifndef ELG_HOST_LIMITS_H
#define ELG_HOST_LIMITS_H

#include "checkpoint/checkpoint.h"

struct elg_host;
struct elg_host_options;

/* What was in force when a run began; kept with it (DESIGN: limits). */
struct elg_limits {
    uint64_t fuel;
    uint64_t memory_bytes;
    uint32_t step_timeout_ms, run_timeout_ms, activity_timeout_ms, body_bytes;
    uint32_t checkpoint_interval;
    bool jail; /* its code is only executed in one */
};

void elg__limits_of_options(const struct elg_host_options *options,
                            struct elg_limits *out);
struct elg_blob *elg__limits_write(const struct elg_alloc *alloc,
                                   const struct elg_limits *limits);
enum elg_status elg__limits_read(const struct elg_alloc *alloc, struct elg_bytes text,
                                 struct elg_limits *out, struct elg_error *error);

#endif
