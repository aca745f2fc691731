/* claimed: runs of the store between it and a host's hands. Private to src/host. */
#ifndef ELG_HOST_CLAIMED_H
#define ELG_HOST_CLAIMED_H

#include "host/internal.h"

/* How many runs there is room for, at most a batch; 0: none. Children have room beside
 * those that wait for them. */
size_t elg__claimed_room(const struct elg_host *host, bool of_children);
/* A run of the store that is next, claimed: as elg_checkpoint_claim_many, by batches.
 * There is room. */
enum elg_status elg__claimed_next(struct elg_host *host, struct elg_run_row *row,
                                  struct elg_error *error);
/* How many are claimed and not in hand yet. */
size_t elg__claimed_count(const struct elg_host *host);
/* The run shall be claimed anew, by its name: if it is claimed and not in hand yet, it is
 * let go with the next elg__claimed_back_all. */
void elg__claimed_drop(struct elg_host *host, const char *trace_id);
/* Its abort is asked for, if it is claimed and not in hand yet. */
void elg__claimed_abort(struct elg_host *host, const char *trace_id);
/* Hands those back that are not in hand yet. */
void elg__claimed_stop(struct elg_host *host);
/* The run is let go with others, at the end of the tick at the latest. */
void elg__claimed_back(struct elg_host *host, const char *trace_id);
void elg__claimed_back_all(struct elg_host *host);
void elg__claimed_fini(struct elg_host *host);

#endif
