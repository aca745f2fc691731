/* traces: a map from trace ids to things, for runs held in memory and runs owned here.
 *
 * Uses base. Private to the back ends. Not thread safe.
 */
#ifndef ELG_CHECKPOINT_TRACES_H
#define ELG_CHECKPOINT_TRACES_H

#include "base/alloc.h"

#include <stdbool.h>

struct elg_traces_slot {
    const char *trace_id; /* of the value; NULL: free */
    void *value;
};

struct elg_traces {
    const struct elg_alloc *alloc;
    struct elg_traces_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

void elg_checkpoint_traces_init(struct elg_traces *traces, const struct elg_alloc *alloc);
/* The values are not its own. */
void elg_checkpoint_traces_fini(struct elg_traces *traces);
/* NULL if there is none. */
void *elg_checkpoint_traces_get(const struct elg_traces *traces, const char *trace_id);
/* `trace_id` must not be in yet and must live as long as the value is in. False: no
 * memory. */
bool elg_checkpoint_traces_put(struct elg_traces *traces, const char *trace_id,
                               void *value);
/* Takes the value out and gives it; NULL if there is none. */
void *elg_checkpoint_traces_remove(struct elg_traces *traces, const char *trace_id);
/* Each value once, in no order: *cursor begins at 0; NULL ends. */
void *elg_checkpoint_traces_next(const struct elg_traces *traces, size_t *cursor);

#endif
