/* memory_gc: retention in memory, which ends with its process: there is nothing to remove
 * that would not go by itself. Uses memory.h. */
#include "checkpoint/memory.h"

static enum elg_status unsupported(struct elg_error *error)
{
    return elg_base_fail(error, ELG_UNSUPPORTED, "memory:",
                         "what is in memory goes with its process; nothing is kept");
}

enum elg_status elg_memory_trees_remove(void *self, const char *const *trace_ids,
                                        size_t count, int64_t before_ms, bool look,
                                        uint64_t *removed, struct elg_error *error)
{
    (void)self, (void)trace_ids, (void)count, (void)before_ms, (void)look, (void)removed;
    return unsupported(error);
}

enum elg_status elg_memory_graphs_remove(void *self, int64_t before_ms, bool look,
                                         uint64_t *removed, struct elg_error *error)
{
    (void)self, (void)before_ms, (void)look, (void)removed;
    return unsupported(error);
}

enum elg_status elg_memory_references(void *self, elg_reference_fn text, void *text_self,
                                      struct elg_error *error)
{
    (void)self, (void)text, (void)text_self;
    return unsupported(error);
}
