/* store_signal: the wrapper's calls about signals and children. Uses store.h.
 */
#include "checkpoint/store.h"

enum elg_status elg_checkpoint_signal_put(struct elg_store *store, const char *trace_id,
                                          const struct elg_signal_row *signal,
                                          bool *created, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "signal_put", true, trace_id, error);
    return status != ELG_OK
               ? status
               : store->ops->signal_put(store->self, trace_id, signal, created, error);
}

enum elg_status elg_checkpoint_signals(struct elg_store *store, const char *trace_id,
                                       const char *name, int64_t after,
                                       elg_signal_row_fn row, void *row_self,
                                       int64_t *last, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "signals", false, trace_id, error);
    return status != ELG_OK ? status
                            : store->ops->signals(store->self, trace_id, name, after, row,
                                                  row_self, last, error);
}

enum elg_status elg_checkpoint_signal_poll(struct elg_store *store,
                                           void (*woken)(void *self,
                                                         const char *trace_id),
                                           void *woken_self, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "signal_poll", false, NULL, error);
    return status != ELG_OK
               ? status
               : store->ops->signal_poll(store->self, woken, woken_self, error);
}

enum elg_status elg_checkpoint_children(struct elg_store *store, const char *trace_id,
                                        void (*child)(void *self, const char *trace_id),
                                        void *child_self, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "children", false, trace_id, error);
    return status != ELG_OK
               ? status
               : store->ops->children(store->self, trace_id, child, child_self, error);
}

enum elg_status elg_checkpoint_children_failed(struct elg_store *store,
                                               const char *trace_id, int64_t step,
                                               void (*child)(void *self,
                                                             const char *trace_id),
                                               void *child_self, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "children", false, trace_id, error);
    return status != ELG_OK ? status
                            : store->ops->children_failed(store->self, trace_id, step,
                                                          child, child_self, error);
}
