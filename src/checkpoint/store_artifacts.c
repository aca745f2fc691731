/* store_artifacts: the artifacts that a store keeps itself, as a source. Uses store.h. */
#include "checkpoint/store.h"

static enum elg_status put(void *self, const struct elg_hash *hash,
                           struct elg_bytes content, struct elg_error *error)
{
    struct elg_store *store = self;
    enum elg_status status = elg_store_enter(store, "artifact_put", true, NULL, error);
    if (status == ELG_OK && content.size > ELG_ARTIFACT_BYTES_MAX)
        return elg_base_fail(error, ELG_LIMIT, "artifact",
                             "%zu bytes; an artifact holds at most %u", content.size,
                             ELG_ARTIFACT_BYTES_MAX);
    return status != ELG_OK ? status
                            : store->ops->artifact_put(store->self, hash, content, error);
}

static enum elg_status get(void *self, const struct elg_hash *hash, struct elg_buf *out,
                           struct elg_error *error)
{
    struct elg_store *store = self;
    enum elg_status status = elg_store_enter(store, "artifact_get", false, NULL, error);
    return status != ELG_OK ? status
                            : store->ops->artifact_get(store->self, hash, out, error);
}

static enum elg_status list(void *self, const struct elg_hash *after,
                            elg_artifact_row_fn row, void *row_self,
                            struct elg_error *error)
{
    struct elg_store *store = self;
    enum elg_status status = elg_store_enter(store, "artifact_list", false, NULL, error);
    return status != ELG_OK
               ? status
               : store->ops->artifact_list(store->self, after, row, row_self, error);
}

static enum elg_status remove_old(void *self, const struct elg_hash *hash,
                                  int64_t age_ms_min, bool *removed,
                                  struct elg_error *error)
{
    struct elg_store *store = self;
    enum elg_status status = elg_store_enter(store, "artifact_remove", true, NULL, error);
    return status != ELG_OK ? status
                            : store->ops->artifact_remove(store->self, hash, age_ms_min,
                                                          removed, error);
}

bool elg_checkpoint_artifact_source(struct elg_store *store,
                                    struct elg_artifact_source *out)
{
    if (store->ops->artifact_put == NULL)
        return false;
    *out = (struct elg_artifact_source){store, put, get, list, remove_old};
    return true;
}
