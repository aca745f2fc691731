/* boxes: where node code is executed: in this process, or in a jail. Part of host/ only.
 */
#ifndef ELG_HOST_BOXES_H
#define ELG_HOST_BOXES_H

#include "checkpoint/rows.h"
#include "host/limits.h"
#include "sandbox/sandbox.h"

struct elg_host;
struct elg_graph;

struct elg_boxes {
    struct elg_boxes *next; /* of the host's `more` */
    bool jailed;
    uint64_t memory_bytes; /* the most that an attempt in them may have */
    struct elg_compiler *compiler;
    struct elg_sandbox *box;
    struct elg_sandbox *audit_box; /* NULL: no audits */
};

/* Why there is no jail for runs that were begun in one elsewhere. */
struct elg_jail_missing {
    struct elg_error error; /* ELG_OK: not known */
    int64_t until_us;       /* by the monotonic clock; INT64_MAX: for good */
    int64_t pause_us;       /* the last one, of those that grow */
};

/* Makes those that the host's options ask for: in this process, or in jails. */
enum elg_status elg__boxes_open(struct elg_host *host, struct elg_error *error);
/* Destroys all of them; no program of theirs may be left. */
void elg__boxes_close(struct elg_host *host);
/* Whether it is known that there is no jail for such runs, at least for a while. */
bool elg__boxes_lack_jail(const struct elg_host *host);
/* Those in which a run with these limits is executed: a run that was begun in a jail is
 * executed in one on any host, and one that may have more memory than this host gives has
 * it. Made when first needed. ELG_UNSUPPORTED: there is no jail here; ELG_IO: not now,
 * which is remembered for a pause that grows; ELG_NO_MEMORY. */
enum elg_status elg__boxes_of_limits(struct elg_host *host,
                                     const struct elg_limits *limits,
                                     const struct elg_boxes **out,
                                     struct elg_error *error);
/* The run's graph, from the store, or `instead` (may be NULL), loaded in the boxes that
 * are the run's. */
enum elg_status elg__boxes_graph(struct elg_host *host, const struct elg_run_row *row,
                                 struct elg_graph *instead, struct elg_graph **out,
                                 struct elg_error *error);

#endif
