/* list: the runs of a store, a JSON document each. Provides elg_run_list,
 * elg_run_query. */
#include <string.h>

#include "host/internal.h"
#include "host/public.h"
#include "json/json.h"

struct list_writer {
    struct elg_buf buf;
    bool (*row)(void *self, const char *json, size_t size);
    void *self;
    bool failed;
};

static void put_string(struct elg_buf *out, const char *name, const char *value)
{
    elg_base_buf_printf(out, ",\"%s\":", name);
    if (!elg_json_write_string(out, elg_base_bytes(value), NULL))
        elg_base_buf_append_str(out, "null");
}

static bool write_list_row(void *self, const struct elg_run_row *row)
{
    struct list_writer *writer = self;
    struct elg_buf *out = &writer->buf;
    elg_base_buf_reset(out);
    elg_base_buf_append_str(out, "{\"graph_id\":");
    elg_json_write_string(out, elg_base_bytes(row->graph_id), NULL);
    put_string(out, "graph_version", row->graph_version);
    put_string(out, "status", elg_checkpoint_status_name(row->status));
    elg_base_buf_printf(out, ",\"steps\":%llu", (unsigned long long)row->step_count);
    put_string(out, "trace_id", row->trace_id);
    elg_base_buf_printf(out, ",\"updated_at\":%lld}", (long long)row->updated_at_ms);
    const char *json = elg_base_buf_cstr(out);
    writer->failed = json == NULL;
    return json != NULL && writer->row(writer->self, json, out->size);
}

static enum elg_status status_add(const char *name, size_t size, uint32_t *bits,
                                  struct elg_error *error)
{
    enum elg_run_status status;
    struct elg_bytes bytes = {(const uint8_t *)name, size};
    if (elg_base_bytes_equal(bytes, elg_base_bytes("unfinished"))) {
        *bits |= ELG_RUN_STATUSES_UNFINISHED;
        return ELG_OK;
    }
    if (elg_checkpoint_status_parse(bytes, &status)) {
        *bits |= 1u << status;
        return ELG_OK;
    }
    return elg_base_fail(error, ELG_USAGE, "status",
                         "\"%.*s\" is not a run's status; one of pending, running, "
                         "waiting, completed, failed, timeout, aborted, diverged, "
                         "quarantined, unfinished",
                         (int)size, name);
}

enum elg_status elg__statuses_parse(const char *names, uint32_t *bits,
                                    struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    *bits = names == NULL ? ELG_RUN_STATUSES_ALL : 0;
    while (status == ELG_OK && names != NULL) {
        const char *comma = strchr(names, ',');
        size_t size = comma != NULL ? (size_t)(comma - names) : strlen(names);
        status = status_add(names, size, bits, error);
        names = comma != NULL ? comma + 1 : NULL;
    }
    return status;
}

enum elg_status elg__run_query(struct elg_host *host,
                               const struct elg_list_options *options,
                               struct elg_error *error)
{
    struct elg_run_filter filter = {.any_status = true,
                                    .graph_id = options->graph_id,
                                    .since_ms = options->since_ms,
                                    .until_ms = options->until_ms,
                                    .after = options->after,
                                    .unread = options->unread,
                                    .unread_self = options->self};
    enum elg_status status =
        elg__statuses_parse(options->statuses, &filter.statuses, error);
    if (status != ELG_OK)
        return status;
    struct list_writer writer = {.row = options->row, .self = options->self};
    elg_base_buf_init(&writer.buf, host->alloc);
    status =
        elg_checkpoint_run_list(host->store, &filter, write_list_row, &writer, error);
    elg_base_buf_fini(&writer.buf);
    if (status == ELG_OK && writer.failed)
        status = elg_base_no_memory(error);
    return status;
}
