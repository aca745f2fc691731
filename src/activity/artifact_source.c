/* artifact_source: artifacts in a source that the host gives, such as its store. Uses
 * base. */
#include "activity/internal.h"

struct given {
    struct elg_artifacts artifacts;
    struct elg_artifact_source source;
};

static void given_destroy(struct elg_artifacts *artifacts)
{
    elg_base_free(artifacts->alloc, artifacts, sizeof(struct given));
}

static enum elg_status given_put(struct elg_artifacts *artifacts,
                                 const struct elg_hash *hash, struct elg_bytes content,
                                 struct elg_error *error)
{
    const struct elg_artifact_source *source = &((struct given *)artifacts)->source;
    return source->put(source->self, hash, content, error);
}

static enum elg_status given_get(struct elg_artifacts *artifacts,
                                 const struct elg_hash *hash, struct elg_buf *out,
                                 struct elg_error *error)
{
    const struct elg_artifact_source *source = &((struct given *)artifacts)->source;
    return source->get(source->self, hash, out, error);
}

static enum elg_status given_list(struct elg_artifacts *artifacts,
                                  const struct elg_hash *after, elg_artifact_row_fn row,
                                  void *row_self, struct elg_error *error)
{
    const struct elg_artifact_source *source = &((struct given *)artifacts)->source;
    return source->list(source->self, after, row, row_self, error);
}

static enum elg_status given_remove(struct elg_artifacts *artifacts,
                                    const struct elg_hash *hash, int64_t age_ms_min,
                                    bool *removed, struct elg_error *error)
{
    const struct elg_artifact_source *source = &((struct given *)artifacts)->source;
    return source->remove(source->self, hash, age_ms_min, removed, error);
}

static const struct elg_artifacts_ops GIVEN_OPS = {
    1, given_destroy, given_put, given_get, given_list, given_remove};

enum elg_status elg__artifacts_given_create(const struct elg_alloc *alloc,
                                            const struct elg_artifact_source *source,
                                            struct elg_artifacts **out,
                                            struct elg_error *error)
{
    struct given *given = elg_base_calloc(alloc, sizeof *given);
    if (given == NULL)
        return elg_base_no_memory(error);
    given->artifacts.ops = &GIVEN_OPS;
    given->artifacts.alloc = alloc;
    given->source = *source;
    *out = &given->artifacts;
    return ELG_OK;
}
