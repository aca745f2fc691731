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

static void boxes_fini(struct elg_boxes *boxes)
{
    elg_sandbox_destroy(boxes->audit_box);
    elg_sandbox_destroy(boxes->box);
    elg_sandbox_compiler_destroy(boxes->compiler);
    memset(boxes, 0, sizeof *boxes);
}

/* A compiler of their own: that of a jail must be confined. */
static enum elg_status boxes_init(struct elg_host *host, bool jailed,
                                  uint64_t memory_bytes, struct elg_boxes *out,
                                  struct elg_error *error)
{
    enum elg_status status = elg_sandbox_compiler_create(host->alloc, host->compiler_path,
                                                         &out->compiler, error);
    if (status != ELG_OK)
        return status;
    struct elg_sandbox_options options = {
        .alloc = host->alloc,
        .compiler = out->compiler,
        .fresh_states = host->options.fresh_states,
        .slice_instructions = host->options.slice_instructions,
        .memory_bytes_max = memory_bytes,
    };
    out->jailed = jailed;
    out->memory_bytes = memory_bytes;
    status = open_one(host, jailed, &options, &out->box, error);
    if (status == ELG_OK && host->options.audit_rate > 0) {
        elg__audit_options(jailed, &options);
        status = open_one(host, jailed, &options, &out->audit_box, error);
    }
    if (status != ELG_OK)
        boxes_fini(out);
    return status;
}

/* What the sandbox of a run with that limit has: a power of two times the default, so
 * that there are few of them. */
static uint64_t memory_class(uint64_t bytes)
{
    uint64_t class = ELG_MEMORY_BYTES_DEFAULT;
    while (class < bytes)
        class *= 2;
    return class;
}

enum elg_status elg__boxes_open(struct elg_host *host, struct elg_error *error)
{
    struct elg_limits limits;
    double rate = host->options.audit_rate;
    if (!(rate >= 0 && rate <= 1))
        return elg_base_fail(error, ELG_USAGE, "audit_rate", "not from 0 to 1");
    elg__limits_of_options(&host->options, &limits);
    if (limits.memory_bytes > ELG_MEMORY_BYTES_MAX)
        return elg_base_fail(error, ELG_USAGE, "memory_bytes_max", "more than 64 GiB");
    if (limits.memory_bytes < ELG_MEMORY_BYTES_DEFAULT)
        limits.memory_bytes = ELG_MEMORY_BYTES_DEFAULT;
    return boxes_init(host, host->options.jail, limits.memory_bytes, &host->own, error);
}

void elg__boxes_close(struct elg_host *host)
{
    while (host->more != NULL) {
        struct elg_boxes *boxes = host->more;
        host->more = boxes->next;
        boxes_fini(boxes);
        elg_base_free(host->alloc, boxes, sizeof *boxes);
    }
    boxes_fini(&host->own);
}

/* ---- those of runs that need more than the options ask for */

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

bool elg__boxes_lack_jail(const struct elg_host *host)
{
    const struct elg_jail_missing *missing = &host->jail_missing;
    return missing->error.status != ELG_OK &&
           elg_base_monotonic_us(host->clock) < missing->until_us;
}

static bool has_jail(const struct elg_host *host)
{
    bool found = host->own.jailed;
    for (const struct elg_boxes *boxes = host->more; boxes != NULL; boxes = boxes->next)
        found = found || boxes->jailed;
    return found;
}

static enum elg_status boxes_add(struct elg_host *host, bool jailed,
                                 uint64_t memory_bytes, const struct elg_boxes **out,
                                 struct elg_error *error)
{
    struct elg_boxes *boxes = elg_base_calloc(host->alloc, sizeof *boxes);
    if (boxes == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = boxes_init(host, jailed, memory_bytes, boxes, error);
    if (status != ELG_OK) {
        elg_base_free(host->alloc, boxes, sizeof *boxes);
        return status;
    }
    boxes->next = host->more;
    host->more = boxes;
    *out = boxes;
    return ELG_OK;
}

static enum elg_status jail_fail(const struct elg_error *why, struct elg_error *error)
{
    return elg_base_fail(error, why->status, why->where,
                         "this run was begun in a jail and is executed in no other "
                         "place; here there is none: %s",
                         why->text);
}

static enum elg_status jail_add(struct elg_host *host, uint64_t memory_bytes,
                                const struct elg_boxes **out, struct elg_error *error)
{
    struct elg_jail_missing *missing = &host->jail_missing;
    struct elg_error own;
    if (elg__boxes_lack_jail(host))
        return jail_fail(&missing->error, error);
    enum elg_status status = boxes_add(host, true, memory_bytes, out, &own);
    if (status == ELG_NO_MEMORY)
        return elg_base_fail(error, status, own.where, "%s", own.text);
    if (status == ELG_OK) {
        memset(missing, 0, sizeof *missing);
        return ELG_OK;
    }
    if (!has_jail(host)) {
        missing->error = own;
        jail_failed(host);
    }
    return jail_fail(&own, error);
}

static bool is_fit(const struct elg_boxes *boxes, bool jailed, uint64_t memory_bytes)
{
    return boxes->jailed == jailed && boxes->memory_bytes >= memory_bytes;
}

enum elg_status elg__boxes_of_limits(struct elg_host *host,
                                     const struct elg_limits *limits,
                                     const struct elg_boxes **out,
                                     struct elg_error *error)
{
    bool jailed = limits->jail || host->own.jailed;
    uint64_t bytes = limits->memory_bytes;
    const struct elg_boxes *boxes = &host->own;
    if (!is_fit(boxes, jailed, bytes))
        for (boxes = host->more; boxes != NULL; boxes = boxes->next)
            if (is_fit(boxes, jailed, bytes))
                break;
    if (boxes == NULL && jailed)
        return jail_add(host, memory_class(bytes), out, error);
    if (boxes == NULL)
        return boxes_add(host, false, memory_class(bytes), out, error);
    *out = boxes;
    return ELG_OK;
}

enum elg_status elg__boxes_graph(struct elg_host *host, const struct elg_run_row *row,
                                 struct elg_graph *instead, struct elg_graph **out,
                                 struct elg_error *error)
{
    struct elg_limits limits;
    const struct elg_boxes *boxes;
    enum elg_status status =
        elg__limits_read(host->alloc, elg_base_blob_bytes(row->limits), &limits, error);
    if (status == ELG_OK)
        status = elg__boxes_of_limits(host, &limits, &boxes, error);
    if (status == ELG_OK && instead != NULL)
        status = elg__graph_in(instead, boxes, out, error);
    else if (status == ELG_OK)
        status = elg__graph_stored(host, boxes, &row->graph_hash, out, error);
    return status;
}
