/* artifact: content under its SHA-256. Provides the artifacts section of activity.h over
 * one of three back ends. Verifies; a back end only keeps bytes. */
#include "activity/internal.h"

enum elg_status elg__artifacts_create(const struct elg_alloc *alloc,
                                      const struct elg_artifact_source *source,
                                      const char *folder, struct elg_random random,
                                      struct elg_artifacts **out, struct elg_error *error)
{
    if (source != NULL)
        return elg__artifacts_given_create(alloc, source, out, error);
    if (folder == NULL || folder[0] == '\0')
        return elg__artifacts_memory_create(alloc, out, error);
    return elg__artifacts_folder_create(alloc, folder, random, out, error);
}

void elg__artifacts_destroy(struct elg_artifacts *artifacts)
{
    if (artifacts != NULL)
        artifacts->ops->destroy(artifacts);
}

enum elg_status elg_activity_artifacts_open(const struct elg_alloc *alloc,
                                            const char *folder, struct elg_random random,
                                            struct elg_artifacts **out,
                                            struct elg_error *error)
{
    return elg__artifacts_create(alloc, NULL, folder, random, out, error);
}

void elg_activity_artifacts_close(struct elg_artifacts *artifacts)
{
    elg__artifacts_destroy(artifacts);
}

enum elg_status elg_activity_artifacts_put(struct elg_artifacts *artifacts,
                                           const struct elg_hash *hash,
                                           struct elg_bytes content,
                                           struct elg_error *error)
{
    return artifacts->ops->put(artifacts, hash, content, error);
}

enum elg_status elg_activity_artifacts_get(struct elg_artifacts *artifacts,
                                           const struct elg_hash *hash,
                                           struct elg_buf *out, struct elg_error *error)
{
    return artifacts->ops->get(artifacts, hash, out, error);
}

/* ---- as a source */

static enum elg_status source_put(void *self, const struct elg_hash *hash,
                                  struct elg_bytes content, struct elg_error *error)
{
    return elg_activity_artifacts_put(self, hash, content, error);
}

static enum elg_status source_get(void *self, const struct elg_hash *hash,
                                  struct elg_buf *out, struct elg_error *error)
{
    return elg_activity_artifacts_get(self, hash, out, error);
}

static enum elg_status source_list(void *self, const struct elg_hash *after,
                                   elg_artifact_row_fn row, void *row_self,
                                   struct elg_error *error)
{
    struct elg_artifacts *artifacts = self;
    if (artifacts->ops->list == NULL)
        return elg_base_fail(error, ELG_UNSUPPORTED, "artifacts",
                             "those in memory are not listed");
    return artifacts->ops->list(artifacts, after, row, row_self, error);
}

static enum elg_status source_remove(void *self, const struct elg_hash *hash,
                                     int64_t age_ms_min, bool *removed,
                                     struct elg_error *error)
{
    struct elg_artifacts *artifacts = self;
    if (artifacts->ops->remove == NULL)
        return elg_base_fail(error, ELG_UNSUPPORTED, "artifacts",
                             "those in memory are not removed");
    return artifacts->ops->remove(artifacts, hash, age_ms_min, removed, error);
}

void elg_activity_artifacts_source(struct elg_artifacts *artifacts,
                                   struct elg_artifact_source *out)
{
    *out = (struct elg_artifact_source){artifacts, source_put, source_get, source_list,
                                        source_remove};
}

/* ---- a performer's */

/* Of an error node code is given the text alone: let it name the file or the server. */
static enum elg_status place_named(enum elg_status status, struct elg_error *error)
{
    if ((status != ELG_IO && status != ELG_FULL) || error == NULL || !error->where[0])
        return status;
    struct elg_error was = *error;
    return elg_base_fail(error, status, was.where, "%s: %s", was.where, was.text);
}

enum elg_status elg_activity_artifact_put(struct elg_performer *performer,
                                          struct elg_bytes content, struct elg_hash *out,
                                          struct elg_error *error)
{
    struct elg_hash hash;
    if (content.size > ELG_ARTIFACT_BYTES_MAX)
        return elg_base_fail(error, ELG_LIMIT, "artifact",
                             "%zu bytes; an artifact holds at most %u", content.size,
                             ELG_ARTIFACT_BYTES_MAX);
    elg_base_sha256(performer->sha, content, &hash);
    struct elg_artifacts *artifacts = performer->artifacts;
    enum elg_status status = artifacts->ops->put(artifacts, &hash, content, error);
    if (status == ELG_OK)
        *out = hash;
    return place_named(status, error);
}

enum elg_status elg_activity_artifact_get(struct elg_performer *performer,
                                          const struct elg_hash *hash,
                                          struct elg_buf *out, struct elg_error *error)
{
    size_t before = out->size;
    struct elg_artifacts *artifacts = performer->artifacts;
    enum elg_status status = artifacts->ops->get(artifacts, hash, out, error);
    if (status == ELG_OK) {
        struct elg_hash found;
        struct elg_bytes content = {out->data + before, out->size - before};
        elg_base_sha256(performer->sha, content, &found);
        if (!elg_base_hash_equal(&found, hash)) {
            char hex[ELG_HASH_HEX_SIZE];
            elg_base_hash_hex(hash, hex);
            status = elg_base_fail(error, ELG_CORRUPT, hex,
                                   "artifact %s no longer has its content", hex);
        }
    }
    if (status != ELG_OK)
        out->size = before;
    return place_named(status, error);
}
