/* internal: what the files of executor/ share with each other and with nobody else. */
#ifndef ELG_EXECUTOR_INTERNAL_H
#define ELG_EXECUTOR_INTERNAL_H

#include <stdio.h>
#include <stdlib.h>

#include "executor/executor.h"

/* Forgets the attempt's calls; forgets the step's ended attempts. */
void elg__calls_clear(struct elg_run *run);
void elg__step_clear(struct elg_run *run);
/* Room for `need` items; NULL: no memory (items stay). */
void *elg__grow(const struct elg_alloc *alloc, void *items, size_t *capacity, size_t need,
                size_t item_size);
enum elg_status elg__digest_add(struct elg_run *run, const struct elg_hash *digest,
                                struct elg_error *error);
/* The entry of a seq, made if it is not there. */
enum elg_status elg__call_slot(struct elg_run *run, uint32_t seq,
                               struct elg_call_entry **out, struct elg_error *error);
/* Keeps what an at-most-once call came to, for later attempts. */
enum elg_status elg__outcome_learn(struct elg_run *run,
                                   const struct elg_activity_row *row,
                                   struct elg_error *error);
const struct elg_known_outcome *elg__outcome_find(const struct elg_run *run,
                                                  const struct elg_hash *key);

void elg__record_fini(struct elg_record *record);
/* Adds a record; takes the references that `record` holds, also on failure. */
enum elg_status elg__record_add(struct elg_run *run, const struct elg_record *record,
                                struct elg_error *error);
/* The row as a store keeps it: a response that lies in an artifact is named, not held. */
struct elg_activity_row elg__stored_form(const struct elg_activity_row *row);
/* A copy of an activity's row, with references, as a record, behind the attempt's open
 * row: the journal has no call without its attempt. Its digest is made unless it is an
 * intent. */
enum elg_status elg__record_call(struct elg_run *run, struct elg_call_entry *entry,
                                 struct elg_error *error);
/* Records the attempt under way as ended; *why is a reference to its error. `mark` as
 * below. */
enum elg_status elg__attempt_end(struct elg_run *run,
                                 const struct elg_attempt_failure *failure,
                                 int64_t retry_due_ms, bool mark, struct elg_blob **why,
                                 struct elg_error *error);
/* Ends the attempt's row: adds it and its calls to the digests; with `mark` the chain
 * goes on over all digests since the last mark. Takes the row's references. */
enum elg_status elg__record_attempt(struct elg_run *run, struct elg_step_row *row,
                                    bool mark, struct elg_error *error);

#endif
