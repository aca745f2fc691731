/* store: the wrapper's own nouns. Private to store.c and store_work.c.
 *
 * Uses checkpoint, payload.
 */
#ifndef ELG_CHECKPOINT_STORE_H
#define ELG_CHECKPOINT_STORE_H

#include "checkpoint/payload.h"

#include <pthread.h>

#define OP_NAME_BYTES_MAX 32

struct fault {
    bool planted;
    char op[OP_NAME_BYTES_MAX + 1];
    uint32_t skip;
    uint32_t count;
    enum elg_status status;
    uint32_t delay_us;
};

struct elg_store {
    const struct elg_alloc *alloc;
    const struct elg_checkpoint_ops *ops;
    void *self;
    char *artifacts;
    bool read_only;
    pthread_mutex_t mutex; /* of fault */
    struct fault fault;
    struct elg_payload_ops payloads;
    struct elg_sha256 *put_sha, *get_sha; /* of payloads; a thread each */
};

/* What precedes every call: checks the arguments, meets a planted fault. trace_id NULL
 * where there is none. */
enum elg_status elg_store_enter(struct elg_store *store, const char *op, bool writes,
                                const char *trace_id, struct elg_error *error);

#endif
