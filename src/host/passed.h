/* passed: runs that this process could not load, left to others for a while. Part of
 * host/ only. */
#ifndef ELG_HOST_PASSED_H
#define ELG_HOST_PASSED_H

#include "base/limits.h"
#include "checkpoint/checkpoint.h"

struct elg_host;

struct elg_passed {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    uint32_t times;
    int64_t until_us; /* by the monotonic clock */
};

struct elg_passed_list {
    struct elg_passed items[ELG_SERVE_PASSED_MAX];
    size_t count;
    bool jail_told;
};

/* It could not be loaded here: others may try, this host not before a pause, which grows.
 */
void elg__passed_add(struct elg_host *host, const char *trace_id, int64_t now_us);
/* Its row cannot be read: as elg__passed_add, but true if that is to be told now: not
 * while its pause lasts, nor if there is no place for it. */
bool elg__passed_unread(struct elg_host *host, const char *trace_id, int64_t now_us);
/* It was loaded, or has ended. */
void elg__passed_forget(struct elg_host *host, const char *trace_id);
/* What is left to others now; its traces are put into `trace_ids`, and live in the list.
 */
struct elg_pass_over elg__passed_now(const struct elg_host *host, int64_t now_us,
                                     const char *trace_ids[ELG_SERVE_PASSED_MAX]);
/* When the first pause is over; INT64_MAX: there is none. */
int64_t elg__passed_next_us(const struct elg_host *host, int64_t now_us);

#endif
