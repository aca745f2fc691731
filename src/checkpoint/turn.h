/* turn: what every back end does alike, whatever it keeps.
 *
 * Uses checkpoint. Private to the back ends.
 */
#ifndef ELG_CHECKPOINT_TURN_H
#define ELG_CHECKPOINT_TURN_H

#include "checkpoint/checkpoint.h"

/* True if the turn's records leave out a step that it says is finished, or name a step
 * outside step_count_before .. step_count. */
bool elg_checkpoint_turn_gap(const struct elg_turn *turn);

/* What an earlier turn of the same run among turns[0 .. index) was refused with; ELG_OK
 * if none was. Cheap only if `any_refused` is false. */
enum elg_status elg_checkpoint_turn_before(const struct elg_turn *turns, size_t index,
                                           bool any_refused);

/* When the run completed, as it shall be kept: 0 unless the turn ends it. */
int64_t elg_checkpoint_turn_completed_ms(const struct elg_turn *turn, int64_t now_ms);

/* True if the turn shows that its claim was worth something: claims start anew. */
bool elg_checkpoint_turn_progress(const struct elg_turn *turn);

/* Why a signal is not taken, of what is there: its key's name and payload hash (NULL: no
 * such key), whether the run has ended, how many wait and their bytes. *known: the key is
 * there, and nothing is to be done. */
struct elg_checkpoint_signal_facts {
    const char *key_name;
    struct elg_hash key_hash;
    enum elg_run_status status;
    int64_t waiting_count, waiting_bytes;
};
enum elg_status
elg_checkpoint_signal_judge(const char *trace_id, const struct elg_signal_row *signal,
                            const struct elg_checkpoint_signal_facts *facts, bool *known,
                            struct elg_error *error);

/* The canonical error of a run that was claimed too often (I11): who claimed it last, at
 * which step. NULL: no memory. */
struct elg_blob *elg_checkpoint_quarantine_error(const struct elg_alloc *alloc,
                                                 const char *owner, const char *step);

#endif
