/* artifact: what keeps content under its SHA-256, as seen by whoever needs one: a folder,
 * a database, memory. Types only; the checkpoint and activity folders fill and use them.
 */
#ifndef ELG_BASE_ARTIFACT_H
#define ELG_BASE_ARTIFACT_H

#include "base/buf.h"
#include "base/sha256.h"
#include "base/status.h"

struct elg_artifact_row {
    struct elg_hash hash;
    uint64_t size_bytes;
    int64_t age_ms; /* since it was put last */
};

/* False ends the listing. Must not call the source that calls it. */
typedef bool (*elg_artifact_row_fn)(void *self, const struct elg_artifact_row *row);

/* Borrowed. */
struct elg_artifact_source {
    void *self;
    /* Durable on return; the same again is fine and makes it young. ELG_IO, ELG_FULL,
     * ELG_LIMIT, ELG_NO_MEMORY: nothing is half there. */
    enum elg_status (*put)(void *self, const struct elg_hash *hash,
                           struct elg_bytes content, struct elg_error *error);
    /* Appends what is there, not verified. ELG_NOT_FOUND, ELG_IO, ELG_CORRUPT,
     * ELG_NO_MEMORY. */
    enum elg_status (*get)(void *self, const struct elg_hash *hash, struct elg_buf *out,
                           struct elg_error *error);
    /* Artifacts whose hash is above `after` (NULL: all), by hash. ELG_IO, ELG_NO_MEMORY.
     */
    enum elg_status (*list)(void *self, const struct elg_hash *after,
                            elg_artifact_row_fn row, void *row_self,
                            struct elg_error *error);
    /* Removes it unless it was put within the last age_ms_min; less than two minutes only
     * if nobody puts anything. *removed false: it was, or
     * is not there. ELG_IO, ELG_NO_MEMORY. */
    enum elg_status (*remove)(void *self, const struct elg_hash *hash, int64_t age_ms_min,
                              bool *removed, struct elg_error *error);
};

#endif
