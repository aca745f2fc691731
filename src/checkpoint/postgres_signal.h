/* postgres_signal: signals, parents and children in Postgres. Private to postgres*.c. */
#ifndef ELG_CHECKPOINT_POSTGRES_SIGNAL_H
#define ELG_CHECKPOINT_POSTGRES_SIGNAL_H

#include "checkpoint/postgres.h"

/* Adds what turns of a flush do with signals: consume some, and make those due that are
 * left waiting and have one that they did not see. */
void elg_postgres_signals_add(struct elg_postgres_batch *batch,
                              struct elg_turn *const *turns, size_t turn_count);

/* ---- postgres_family.c */
/* Adds what turns of a flush do to other runs: begin children, tell parents of an end,
 * ask children to abort. */
void elg_postgres_family_add(struct elg_postgres_batch *batch,
                             struct elg_turn *const *turns, size_t turn_count);
/* True if others are to be told of what turns that went well did to other runs. */
bool elg_postgres_family_tells(const struct elg_turn *turns, size_t turn_count);
/* Tells those who wait for signals and for work. */
void elg_postgres_signals_tell(struct elg_postgres_connection *connection);

/* elg_checkpoint_ops of the same names. */
enum elg_status elg_postgres_children(void *self, const char *trace_id,
                                      void (*child)(void *self, const char *trace_id),
                                      void *child_self, struct elg_error *error);
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
