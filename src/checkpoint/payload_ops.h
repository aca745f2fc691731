/* payload_ops: where a store puts payloads that are too large for its rows. Uses base. */
#ifndef ELG_CHECKPOINT_PAYLOAD_OPS_H
#define ELG_CHECKPOINT_PAYLOAD_OPS_H

#include "base/buf.h"
#include "base/sha256.h"
#include "base/status.h"

/* Where payloads over ELG_PAYLOAD_INLINE_BYTES_MAX are kept, under the SHA-256 of their
 * bytes. Zeros: in their rows. put is called on the committer's thread, get on the
 * loop's, also while the back end gives a journal's rows: neither may use the connection
 * that does that. */
struct elg_payload_ops {
    void *self;
    /* Durable on return; the same again is fine. ELG_IO, ELG_FULL, ELG_NO_MEMORY. */
    enum elg_status (*put)(void *self, const struct elg_hash *hash,
                           struct elg_bytes content, struct elg_error *error);
    /* Appends. ELG_NOT_FOUND, ELG_IO, ELG_NO_MEMORY, ELG_LIMIT. */
    enum elg_status (*get)(void *self, const struct elg_hash *hash, struct elg_buf *out,
                           struct elg_error *error);
};

#endif
