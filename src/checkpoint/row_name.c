/* row_name: how messages name a row of the journal. Provides row_name.h. */
#include "checkpoint/row_name.h"

#include <stdio.h>
#include <string.h>

void elg_checkpoint_row_name(char out[ELG_ROW_NAME_SIZE], const char *trace_id,
                             int64_t step_index, int64_t attempt, int64_t seq)
{
    int size = snprintf(out, ELG_ROW_NAME_SIZE, "%.*s step %lld attempt %lld",
                        ELG_TRACE_BYTES_MAX, trace_id, (long long)step_index,
                        (long long)attempt);
    if (seq >= 0)
        snprintf(out + size, ELG_ROW_NAME_SIZE - (size_t)size, " seq %lld",
                 (long long)seq);
}

bool elg_checkpoint_row_named(const char *text, int64_t *step_index, int64_t *seq)
{
    long long step, attempt, call;
    const char *row = strstr(text, ", row ");
    if (row == NULL)
        return false;
    int count =
        sscanf(row, ", row %*s step %lld attempt %lld seq %lld", &step, &attempt, &call);
    if (count < 2)
        return false;
    *step_index = step;
    *seq = count == 3 ? call : -1;
    return true;
}
