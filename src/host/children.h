/* children: what children.c and children_take.c share. Private to src/host. */
#ifndef ELG_HOST_CHILDREN_H
#define ELG_HOST_CHILDREN_H

#include "host/internal.h"

/* The trace of the child that the parent's call of that key begins. */
void elg__child_trace(const struct elg_host_run *hr, const struct elg_hash *key,
                      char out[ELG_TRACE_BYTES_MAX + 1]);
/* True if the wait is for a child, in that state. */
bool elg__child_is(const struct elg_wait *wait, enum elg_wait_state state);
/* The call fails without a child: that is its recorded result. */
void elg__child_refuse(struct elg_wait *wait, const char *code, const char *message);
/* Records what an ended child came to; signal_no 0: its signal is consumed already. */
void elg__child_settle(struct elg_wait *wait, int64_t signal_no);

#endif
