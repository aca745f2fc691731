/* payload: what is too large for a row lies elsewhere, under its hash.
 *
 * Uses checkpoint. Private to store.c. A payload over ELG_PAYLOAD_INLINE_BYTES_MAX is
 * kept by the store's elg_payload_ops, and the row holds "@sha256:" and its hash instead,
 * which no canonical JSON begins with. Digests and the chain are over the payload itself,
 * so what comes back is checked as if it had been in the row. Responses have a column of
 * their own for this (response_blob_ref) and come here already without their bytes.
 */
#ifndef ELG_CHECKPOINT_PAYLOAD_H
#define ELG_CHECKPOINT_PAYLOAD_H

#include "checkpoint/checkpoint.h"

/* Turns in which large payloads are replaced. */
struct elg_payload_turns {
    const struct elg_alloc *alloc;
    struct elg_turn *turns; /* the caller's own if nothing is replaced */
    size_t turn_count;
    struct elg_run_row *runs;    /* one per turn, or NULL */
    struct elg_record **records; /* one list per turn, or NULL */
};

/* Puts the large payloads of the turns where they belong, durably, and gives turns for
 * the back end. Committer's thread. Whatever it returns, `out` is due for end. As put;
 * ELG_NO_MEMORY. */
enum elg_status elg_payload_turns_begin(const struct elg_alloc *alloc,
                                        const struct elg_payload_ops *ops,
                                        struct elg_sha256 *sha, struct elg_turn *turns,
                                        size_t turn_count, struct elg_payload_turns *out,
                                        struct elg_error *error);
/* Hands the results back to `turns`, which began it. */
void elg_payload_turns_end(struct elg_payload_turns *payloads, struct elg_turn *turns);

/* Fetches what the row's references stand for, in place; the row owns its blobs.
 * ELG_CORRUPT if it is gone or is not what its hash says. */
enum elg_status elg_payload_run_fetch(const struct elg_alloc *alloc,
                                      const struct elg_payload_ops *ops,
                                      struct elg_sha256 *sha, struct elg_run_row *row,
                                      struct elg_error *error);

/* Stands between a back end that gives a journal's rows and who asked for them. */
struct elg_payload_journal {
    const struct elg_alloc *alloc;
    const struct elg_payload_ops *ops;
    struct elg_sha256 *sha;
    const char *trace_id;
    elg_journal_row_fn give;
    void *give_self;
    enum elg_status status; /* OK at first; the first failure to fetch */
    struct elg_error *error;
};
/* An elg_journal_row_fn whose self is the struct. */
bool elg_payload_journal_row(void *self, const struct elg_step_row *step,
                             const struct elg_activity_row *activity);

#endif
