/* chain: digests of rows, and the chain over them (I17). Uses sha256; the rows are
 * checkpoint.h's, which includes this.
 */
#ifndef ELG_CHECKPOINT_CHAIN_H
#define ELG_CHECKPOINT_CHAIN_H

#include "base/sha256.h"

struct elg_run_row;
struct elg_step_row;
struct elg_activity_row;

/* Over (column name, length, bytes) of every chained column in the order of their names;
 * see chain.c. */
void elg_checkpoint_step_digest(struct elg_sha256 *sha, const struct elg_step_row *row,
                                struct elg_hash *out);
void elg_checkpoint_activity_digest(struct elg_sha256 *sha,
                                    const struct elg_activity_row *row,
                                    struct elg_hash *out);
/* chain_(-1): trace, graph row, input, seed, limits and initial state. */
void elg_checkpoint_chain_begin(struct elg_sha256 *sha, const struct elg_run_row *run,
                                struct elg_hash *out);
/* chain_n of chain_(n-1) and the digests of the step's rows: each attempt's, then its
 * activities', in order. */
void elg_checkpoint_chain_next(struct elg_sha256 *sha, const struct elg_hash *before,
                               const struct elg_hash *digests, size_t digest_count,
                               struct elg_hash *out);

#endif
