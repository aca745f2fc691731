/* boxes: the sandboxes of a host: those that its options ask for, and a jail for runs
 * that were begun in one elsewhere. Uses sandbox, jail. Must not know runs in hand.
 */
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

/* What the system lacks once it lacks for the life of this process. */
enum elg_status elg__boxes_of_limits(struct elg_host *host,
                                     const struct elg_limits *limits,
                                     const struct elg_boxes **out,
                                     struct elg_error *error)
{
    struct elg_error own;
    enum elg_status status = host->jail_missing.status;
    bool jailed = limits->jail && !host->options.jail;
    if (jailed && status == ELG_OK && host->jailed.box == NULL) {
        status = boxes_create(host, true, &host->jailed, &own);
        if (status == ELG_NO_MEMORY)
            return elg_base_no_memory(error);
        if (status != ELG_OK)
            host->jail_missing = own;
    }
    if (jailed && status != ELG_OK)
        return elg_base_fail(error, status, host->jail_missing.where,
                             "this run was begun in a jail and is executed in no other "
                             "place; here there is none: %s",
                             host->jail_missing.text);
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
