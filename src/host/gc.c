/* gc: retention: runs that ended long ago, graphs that no run carries, artifacts that
 * nothing refers to. Provides elg_host_gc.
 *
 * Every piece is a transaction of its own and nothing refers to what goes later, so that
 * an end in the middle leaves at most something to collect the next time. Artifacts are
 * looked at last: first what refers to them is read, then those go that were not put
 * within the last hour, by which time a record names what was put for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/internal.h"
#include "host/public.h"

#define PASS_RUNS_MAX 65536 /* traces in memory at once */
#define HEX_DIGITS 64

struct traces {
    char (*items)[ELG_TRACE_BYTES_MAX + 1];
    size_t count, capacity;
    int64_t before_ms;
    const struct elg_alloc *alloc;
    bool failed; /* no memory */
    bool damaged;
    struct elg_error damage; /* the first row that cannot be read */
};

struct hashes {
    struct elg_hash *items;
    size_t count, capacity;
    const struct elg_alloc *alloc;
    bool failed;
};

struct result {
    uint64_t runs, graphs, artifacts, artifact_bytes;
};

/* ---- runs
 * --------------------------------------------------------------------------------- */

static bool traces_grow(struct traces *traces)
{
    size_t grown = traces->capacity ? traces->capacity * 2 : 256;
    void *items = elg_base_realloc(traces->alloc, traces->items,
                                   traces->capacity * sizeof *traces->items,
                                   grown * sizeof *traces->items);
    traces->failed = items == NULL;
    if (items == NULL)
        return false;
    traces->items = items;
    traces->capacity = grown;
    return true;
}

static bool take_run(void *self, const struct elg_run_row *row)
{
    struct traces *traces = self;
    if (row->parent_trace_id[0] != '\0' || row->completed_at_ms == 0 ||
        row->completed_at_ms >= traces->before_ms)
        return true;
    if (traces->count == traces->capacity && !traces_grow(traces))
        return false;
    strcpy(traces->items[traces->count++], row->trace_id);
    return traces->count < PASS_RUNS_MAX;
}

static void note_damage(void *self, const char *trace_id, const struct elg_error *why)
{
    (void)trace_id;
    struct traces *traces = self;
    if (!traces->damaged)
        traces->damage = *why;
    traces->damaged = true;
}

static enum elg_status remove_some(struct elg_host *host, const struct traces *traces,
                                   size_t from, bool look, uint64_t *removed,
                                   struct elg_error *error)
{
    const char *ids[ELG_GC_TREES_MAX];
    size_t count = 0;
    while (count < ELG_GC_TREES_MAX && from + count < traces->count) {
        ids[count] = traces->items[from + count];
        count++;
    }
    return elg_checkpoint_trees_remove(host->store, ids, count, traces->before_ms, look,
                                       removed, error);
}

/* *more: there may be runs that this pass did not come to. ELG_CORRUPT for a row that
 * cannot be read, after the others were removed: what it refers to is not known, so that
 * nothing else may be. */
static enum elg_status runs_pass(struct elg_host *host, struct elg_run_filter *filter,
                                 int64_t before_ms, bool look, uint64_t *total,
                                 bool *more, struct elg_error *error)
{
    struct traces traces = {.before_ms = before_ms, .alloc = host->alloc};
    uint64_t before = *total;
    filter->unread = note_damage;
    filter->unread_self = &traces;
    enum elg_status status =
        elg_checkpoint_run_list(host->store, filter, take_run, &traces, error);
    if (status == ELG_OK && traces.failed)
        status = elg_base_no_memory(error);
    for (size_t i = 0; status == ELG_OK && i < traces.count; i += ELG_GC_TREES_MAX) {
        uint64_t removed = 0;
        status = remove_some(host, &traces, i, look, &removed, error);
        *total += removed;
    }
    *more = traces.count == PASS_RUNS_MAX && *total > before && !look;
    elg_base_free(host->alloc, traces.items, traces.capacity * sizeof *traces.items);
    if (status == ELG_OK && traces.damaged && !*more)
        status = elg_base_fail(error, ELG_CORRUPT, traces.damage.where, "%s",
                               traces.damage.text);
    return status;
}

static enum elg_status runs_collect(struct elg_host *host,
                                    const struct elg_gc_options *options,
                                    int64_t before_ms, struct result *result,
                                    struct elg_error *error)
{
    struct elg_run_filter filter = {.any_status = true};
    bool more = true;
    enum elg_status status =
        elg__statuses_parse(options->statuses, &filter.statuses, error);
    filter.statuses &= ~ELG_RUN_STATUSES_UNFINISHED;
    if (status != ELG_OK || filter.statuses == 0)
        return status;
    while (status == ELG_OK && more)
        status = runs_pass(host, &filter, before_ms, options->dry_run, &result->runs,
                           &more, error);
    return status;
}

/* ---- artifacts
 * ----------------------------------------------------------------------------- */

static bool hash_add(struct hashes *hashes, const struct elg_hash *hash)
{
    if (hashes->count == hashes->capacity) {
        size_t grown = hashes->capacity ? hashes->capacity * 2 : 256;
        void *items = elg_base_realloc(hashes->alloc, hashes->items,
                                       hashes->capacity * sizeof *hashes->items,
                                       grown * sizeof *hashes->items);
        hashes->failed = items == NULL;
        if (items == NULL)
            return false;
        hashes->items = items;
        hashes->capacity = grown;
    }
    hashes->items[hashes->count++] = *hash;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct elg_hash));
}

/* Whatever in the text has the form of a hash: rather one too many. */
static void take_references(void *self, struct elg_bytes text)
{
    struct hashes *hashes = self;
    struct elg_hash hash;
    size_t run = 0;
    for (size_t i = 0; i <= text.size && !hashes->failed; i++) {
        uint8_t c = i < text.size ? text.data[i] : 0;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            run++;
            continue;
        }
        struct elg_bytes hex = {text.data + i - run, run};
        if (run == HEX_DIGITS && elg_base_hash_parse(hex, &hash))
            hash_add(hashes, &hash);
        run = 0;
    }
}

struct unused {
    const struct hashes *used;
    struct hashes hashes;
    uint64_t bytes;
};

static bool take_unused(void *self, const struct elg_artifact_row *row)
{
    struct unused *unused = self;
    if (row->age_ms < ELG_GC_AGE_MS_MIN ||
        (unused->used->count > 0 &&
         bsearch(&row->hash, unused->used->items, unused->used->count, sizeof row->hash,
                 by_bytes) != NULL))
        return true;
    unused->bytes += row->size_bytes;
    return hash_add(&unused->hashes, &row->hash);
}

static enum elg_status unused_remove(struct elg_host *host, const struct unused *unused,
                                     struct result *result, struct elg_error *error)
{
    const struct elg_artifact_source *source = &host->artifact_source;
    enum elg_status status = ELG_OK;
    for (size_t i = 0; status == ELG_OK && i < unused->hashes.count; i++) {
        bool removed = false;
        status = source->remove(source->self, &unused->hashes.items[i], ELG_GC_AGE_MS_MIN,
                                &removed, error);
        result->artifacts += removed;
    }
    result->artifact_bytes = unused->bytes;
    return status;
}

static enum elg_status artifacts_collect(struct elg_host *host, bool look,
                                         struct result *result, struct elg_error *error)
{
    const struct elg_artifact_source *source = &host->artifact_source;
    struct hashes used = {.alloc = host->alloc};
    struct unused unused = {.used = &used, .hashes = {.alloc = host->alloc}};
    if (source->put == NULL || host->options.artifacts != NULL)
        return ELG_OK; /* of a folder that others may share nothing is known */
    enum elg_status status =
        elg_checkpoint_references(host->store, take_references, &used, error);
    if (status == ELG_OK && used.count > 0)
        qsort(used.items, used.count, sizeof *used.items, by_bytes);
    if (status == ELG_OK && !used.failed)
        status = source->list(source->self, NULL, take_unused, &unused, error);
    if (status == ELG_OK && (used.failed || unused.hashes.failed))
        status = elg_base_no_memory(error);
    if (status == ELG_OK && look) {
        result->artifacts = unused.hashes.count;
        result->artifact_bytes = unused.bytes;
    } else if (status == ELG_OK) {
        status = unused_remove(host, &unused, result, error);
    }
    elg_base_free(host->alloc, used.items, used.capacity * sizeof *used.items);
    elg_base_free(host->alloc, unused.hashes.items,
                  unused.hashes.capacity * sizeof *unused.hashes.items);
    return status;
}

/* ---- all
 * ----------------------------------------------------------------------------------- */

enum elg_status elg__host_gc(struct elg_host *host, const struct elg_gc_options *options,
                             struct elg_text *out, struct elg_error *error)
{
    struct result result = {0};
    int64_t now_ms = elg_base_wall_ms(host->clock);
    struct elg_buf buf;
    if (host->options.read_only && !options->dry_run)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (options->older_than_ms < 0)
        return elg_base_fail(error, ELG_USAGE, "older_than_ms", "not a time");
    enum elg_status status =
        runs_collect(host, options, now_ms - options->older_than_ms, &result, error);
    if (status == ELG_OK)
        status =
            elg_checkpoint_graphs_remove(host->store, now_ms - ELG_GC_GRAPH_AGE_MS_MIN,
                                         options->dry_run, &result.graphs, error);
    if (status == ELG_OK)
        status = artifacts_collect(host, options->dry_run, &result, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_init(&buf, host->alloc);
    elg_base_buf_printf(
        &buf,
        "{\"artifact_bytes\":%llu,\"artifacts\":%llu,\"dry_run\":%s,"
        "\"graphs\":%llu,\"runs\":%llu}",
        (unsigned long long)result.artifact_bytes, (unsigned long long)result.artifacts,
        options->dry_run ? "true" : "false", (unsigned long long)result.graphs,
        (unsigned long long)result.runs);
    return elg__document_text(host->alloc, &buf, out, error);
}
