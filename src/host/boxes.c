/* boxes: the sandboxes of a host: those that its options ask for, and a jail for runs
 * that were begun in one elsewhere. Uses sandbox, jail. Must not know runs in hand.
 */
#include <string.h>

#include "host/internal.h"

static enum elg_status open_one(struct elg_host *host, bool jail,
                                const struct elg_sandbox_options *options,
                                struct elg_sandbox **out, struct elg_error *error)
{
    if (jail)
        return elg_jail_open(options, host->jailer_path, out, error);
    return elg_sandbox_create(options, out, error);
}

static void boxes_destroy(struct elg_boxes *boxes)
{
    elg_sandbox_destroy(boxes->audit_box);
    elg_sandbox_destroy(boxes->box);
    elg_sandbox_compiler_destroy(boxes->compiler);
    *boxes = (struct elg_boxes){NULL, NULL, NULL};
}

/* A compiler of their own: that of a jail must be confined. */
static enum elg_status boxes_create(struct elg_host *host, bool jail,
                                    struct elg_boxes *out, struct elg_error *error)
{
    struct elg_limits limits;
    enum elg_status status = elg_sandbox_compiler_create(host->alloc, host->compiler_path,
                                                         &out->compiler, error);
    if (status != ELG_OK)
        return status;
    elg__limits_of_options(&host->options, &limits);
    struct elg_sandbox_options options = {
        .alloc = host->alloc,
        .compiler = out->compiler,
        .fresh_states = host->options.fresh_states,
        .slice_instructions = host->options.slice_instructions,
        .memory_bytes_max = limits.memory_bytes > ELG_MEMORY_BYTES_DEFAULT
                                ? limits.memory_bytes
                                : ELG_MEMORY_BYTES_DEFAULT,
    };
    status = open_one(host, jail, &options, &out->box, error);
    if (status == ELG_OK && host->options.audit_rate > 0) {
        elg__audit_options(jail, &options);
        status = open_one(host, jail, &options, &out->audit_box, error);
    }
    if (status != ELG_OK)
        boxes_destroy(out);
    return status;
}

enum elg_status elg__boxes_open(struct elg_host *host, struct elg_error *error)
{
    double rate = host->options.audit_rate;
    if (!(rate >= 0 && rate <= 1))
        return elg_base_fail(error, ELG_USAGE, "audit_rate", "not from 0 to 1");
    return boxes_create(host, host->options.jail, &host->own, error);
}

void elg__boxes_close(struct elg_host *host)
{
    boxes_destroy(&host->jailed);
    boxes_destroy(&host->own);
}

/* ---- the jail of runs that were begun in one */

/* What the system lacks it lacks for the life of this process; what else kept a process
 * of the jail from beginning may pass. */
static void jail_failed(struct elg_host *host)
{
    struct elg_jail_missing *missing = &host->jail_missing;
    missing->pause_us =
        missing->pause_us > 0 ? missing->pause_us * 2 : ELG_SERVE_PASS_US_MIN;
    if (missing->pause_us > ELG_SERVE_PASS_US_MAX)
        missing->pause_us = ELG_SERVE_PASS_US_MAX;
    missing->until_us = missing->error.status == ELG_UNSUPPORTED
                            ? INT64_MAX
                            : elg_base_monotonic_us(host->clock) + missing->pause_us;
}

static enum elg_status jail_open(struct elg_host *host, struct elg_error *error)
{
    struct elg_jail_missing *missing = &host->jail_missing;
    if (host->jailed.box != NULL)
        return ELG_OK;
    if (elg__boxes_lack_jail(host))
        return missing->error.status;
    struct elg_error own;
    enum elg_status status = boxes_create(host, true, &host->jailed, &own);
    if (status == ELG_NO_MEMORY)
        return elg_base_no_memory(error);
    if (status == ELG_OK) {
        memset(missing, 0, sizeof *missing);
        return ELG_OK;
    }
    missing->error = own;
    jail_failed(host);
    return status;
}

bool elg__boxes_lack_jail(const struct elg_host *host)
{
    const struct elg_jail_missing *missing = &host->jail_missing;
    return missing->error.status != ELG_OK &&
           elg_base_monotonic_us(host->clock) < missing->until_us;
}

enum elg_status elg__boxes_of_limits(struct elg_host *host,
                                     const struct elg_limits *limits,
                                     const struct elg_boxes **out,
                                     struct elg_error *error)
{
    bool jailed = limits->jail && !host->options.jail;
    enum elg_status status = jailed ? jail_open(host, error) : ELG_OK;
    if (status == ELG_NO_MEMORY)
        return status;
    if (status != ELG_OK)
        return elg_base_fail(error, status, host->jail_missing.error.where,
                             "this run was begun in a jail and is executed in no other "
                             "place; here there is none: %s",
                             host->jail_missing.error.text);
    *out = jailed ? &host->jailed : &host->own;
    return ELG_OK;
}

enum elg_status elg__boxes_graph(struct elg_host *host, const struct elg_run_row *row,
                                 struct elg_graph **out, struct elg_error *error)
{
    struct elg_limits limits;
    const struct elg_boxes *boxes;
    enum elg_status status =
        elg__limits_read(host->alloc, elg_base_blob_bytes(row->limits), &limits, error);
    if (status == ELG_OK)
        status = elg__boxes_of_limits(host, &limits, &boxes, error);
    if (status == ELG_OK)
        status = elg__graph_stored(host, boxes, &row->graph_hash, out, error);
    return status;
}
