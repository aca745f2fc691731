/* row_name: how messages name a row of the journal. Uses base. */
#ifndef ELG_CHECKPOINT_ROW_NAME_H
#define ELG_CHECKPOINT_ROW_NAME_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* "TRACE step N attempt N" and, of a call (seq >=
 * 0), " seq N". The texts of ELG_CORRUPT that concern one say "row NAME:". */
#define ELG_ROW_NAME_SIZE (ELG_TRACE_BYTES_MAX + 96)
void elg_checkpoint_row_name(char out[ELG_ROW_NAME_SIZE], const char *trace_id,
                             int64_t step_index, int64_t attempt, int64_t seq);
/* The step and seq (-1: none) that such a text names; false if it names no row. */
bool elg_checkpoint_row_named(const char *text, int64_t *step_index, int64_t *seq);

#endif
