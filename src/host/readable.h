/* readable: whether the payloads of a stored row are JSON, so that a document may hold
 * them. ELG_CORRUPT names column and row.
 */
#ifndef ELG_HOST_READABLE_H
#define ELG_HOST_READABLE_H

#include "checkpoint/checkpoint.h"

enum elg_status elg__readable_run(struct elg_host *host, const struct elg_run_row *row,
                                  struct elg_error *error);
enum elg_status elg__readable_step(struct elg_host *host, const char *trace_id,
                                   const struct elg_step_row *row,
                                   struct elg_error *error);
/* Of a signal that somebody sent: it has a payload. */
enum elg_status elg__readable_signal(struct elg_host *host, const char *trace_id,
                                     const struct elg_signal_row *row,
                                     struct elg_error *error);
enum elg_status elg__readable_activity(struct elg_host *host, const char *trace_id,
                                       const struct elg_activity_row *row,
                                       struct elg_error *error);

#endif
