/* plan: what a call of node code asks for, before the journal is asked. Uses activity.h.
 */
#ifndef ELG_HOST_PLAN_H
#define ELG_HOST_PLAN_H

#include "host/internal.h"

enum elg_plan_kind {
    ELG_PLAN_ANSWER, /* `answer` is the response, not recorded: it follows from the
                        request */
    ELG_PLAN_LOG,    /* a log line; `answer` as above */
    ELG_PLAN_CALL    /* `prepared` takes a seq */
};
struct elg_call_plan {
    enum elg_plan_kind kind;
    struct elg_buf answer; /* of a settle: the response that the settled call came to */
    struct elg_prepared prepared;
    bool settles;
    struct elg_hash settled; /* request hash of the call that is settled */
};
/* `plan` is valid, and due for fini, also on failure. */
enum elg_status elg__plan(struct elg_host *host, const struct elg_activity_place *place,
                          const char *name, struct elg_bytes request,
                          struct elg_call_plan *plan, struct elg_error *error);
void elg__plan_fini(struct elg_call_plan *plan);
/* Calls `each` for every entry [name, request] of a list: of ctx.all, or of
 * {"at_once":N,"calls":list} with N in *at_once (may be NULL). */
enum elg_status elg__plan_each(struct elg_host *host, struct elg_bytes list_text,
                               enum elg_status (*each)(void *self, const char *name,
                                                       struct elg_bytes request,
                                                       struct elg_error *error),
                               void *self, uint32_t *at_once, struct elg_error *error);
/* Appends one of ctx.all's results: {"ok":true,"value"} or {"err","ok":false}. */
enum elg_status elg__plan_answer_item(struct elg_buf *out, bool first,
                                      struct elg_bytes response, struct elg_error *error);

#endif
