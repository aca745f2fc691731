/* postgres_signal: signals in Postgres. Private to postgres*.c. */
#ifndef ELG_CHECKPOINT_POSTGRES_SIGNAL_H
#define ELG_CHECKPOINT_POSTGRES_SIGNAL_H

#include "checkpoint/postgres.h"

/* Adds what turns of a flush do with signals: consume some, and make those due that are
 * left waiting and have one that they did not see. */
void elg_postgres_signals_add(struct elg_postgres_batch *batch,
                              struct elg_turn *const *turns, size_t turn_count);

/* elg_checkpoint_ops of the same names. */
enum elg_status elg_postgres_signal_put(void *self, const char *trace_id,
                                        const struct elg_signal_row *signal,
                                        bool *created, struct elg_error *error);
enum elg_status elg_postgres_signals(void *self, const char *trace_id, const char *name,
                                     int64_t after, elg_signal_row_fn row, void *row_self,
                                     int64_t *last, struct elg_error *error);
enum elg_status elg_postgres_signal_poll(void *self,
                                         void (*woken)(void *self, const char *trace_id),
                                         void *woken_self, struct elg_error *error);

#endif
