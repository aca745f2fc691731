/* job: what runs on the fiber for one node call, and how its end reaches the host.
 *
 * Uses box, program, value. For the files of this folder only.
 */
#ifndef ELG_SANDBOX_JOB_H
#define ELG_SANDBOX_JOB_H

#include "sandbox/box.h"

/* Entry of the fiber: leaves with FINISHED or RAISED, CALLED and so on before that. */
void elg_sandbox_job_main(void *box);
/* Makes what jobs need in a state that is being loaded: the slots JOB and TRACEBACK. */
void elg_sandbox_job_open(lua_State *L);
/* C function: calls the boundary. Arguments: type, request; results: value, or nil and an
 * error table. */
int elg_sandbox_job_call(lua_State *L);

#endif
