/* outage: what the host asks its store once a second, and that fails for a while. Part of
 * host/ only. */
#ifndef ELG_HOST_OUTAGE_H
#define ELG_HOST_OUTAGE_H

#include <stdint.h>

#include "base/status.h"

struct elg_host;

enum elg_asked { ELG_ASKED_WORK, ELG_ASKED_ABORTS, ELG_ASKED_SIGNALS, ELG_ASKED_KINDS };

struct elg_outage {
    int64_t since_us; /* by the monotonic clock; 0: there is none */
    int64_t told_us, pause_us;
    char text[ELG_ERROR_TEXT_MAX]; /* as it was told last */
};

/* The store has answered what was asked. That it does again is told once. */
void elg__outage_over(struct elg_host *host, enum elg_asked asked);
/* The store has not. Told at once, and again after a pause that grows, or if it says
 * something else. */
void elg__outage_warn(struct elg_host *host, enum elg_asked asked,
                      const struct elg_error *error);

#endif
