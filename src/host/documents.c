/* documents: what is durable of a run, as JSON for people and scripts.
 * Provides the work of elg_run_result and elg_run_show_steps. */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"
#include "host/public.h"
#include "host/readable.h"
#include "json/json.h"

enum elg_status elg__document_text(const struct elg_alloc *alloc, struct elg_buf *buf,
                                   struct elg_text *out, struct elg_error *error)
{
    size_t size = buf->size;
    char *data = NULL;
    if (elg_base_buf_cstr(buf) != NULL)
        data = elg_base_realloc(alloc, NULL, 0, size + 1);
    if (data == NULL) {
        elg_base_buf_fini(buf);
        return elg_base_no_memory(error);
    }
    memcpy(data, buf->data, size + 1);
    elg_base_buf_fini(buf);
    out->data = data;
    out->size = size;
    out->alloc = alloc;
    return ELG_OK;
}

/* ---- pieces
 * ---------------------------------------------------------------------------------- */

static void put_string(struct elg_buf *out, const char *name, const char *value)
{
    elg_base_buf_printf(out, ",\"%s\":", name);
    if (!elg_json_write_string(out, elg_base_bytes(value), NULL))
        elg_base_buf_append_str(out, "null");
}

static void put_null(struct elg_buf *out, const char *name)
{
    elg_base_buf_printf(out, ",\"%s\":null", name);
}

static void put_hash(struct elg_buf *out, const char *name, const struct elg_hash *hash)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(hash, hex);
    elg_base_buf_printf(out, ",\"%s\":\"%s\"", name, hex);
}

static void put_raw(struct elg_buf *out, const char *name, struct elg_bytes json)
{
    elg_base_buf_printf(out, ",\"%s\":", name);
    if (json.size == 0)
        elg_base_buf_append_str(out, "null");
    else
        elg_base_buf_append(out, json.data, json.size);
}

static void put_blob(struct elg_buf *out, const char *name, const struct elg_blob *blob)
{
    put_raw(out, name, elg_base_blob_bytes(blob));
}

void elg__document_result(struct elg_buf *out, const struct elg_run_row *row,
                          const struct elg_hash *state_hash, struct elg_bytes state,
                          struct elg_bytes output)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(&row->chain, hex);
    elg_base_buf_printf(out, "{\"chain\":\"%s\"", hex);
    put_blob(out, "error", row->error);
    put_hash(out, "graph_hash", &row->graph_hash);
    put_string(out, "graph_id", row->graph_id);
    put_string(out, "graph_version", row->graph_version);
    put_raw(out, "output", output);
    if (row->parent_trace_id[0] != '\0') {
        elg_base_buf_printf(out, ",\"parent\":{\"seq\":%u,\"step\":%lld", row->parent_seq,
                            (long long)row->parent_step);
        put_string(out, "trace_id", row->parent_trace_id);
        elg_base_buf_append_byte(out, '}');
    }
    put_raw(out, "state", state);
    if (state_hash != NULL)
        put_hash(out, "state_hash", state_hash);
    else
        elg_base_buf_append_str(out, ",\"state_hash\":null");
    put_string(out, "status", elg_checkpoint_status_name(row->status));
    elg_base_buf_printf(out, ",\"steps\":%llu", (unsigned long long)row->step_count);
    put_string(out, "trace_id", row->trace_id);
}

/* ---- the last finished step
 * ------------------------------------------------------------------- */

struct last_step {
    struct elg_host *host;
    const char *trace_id;
    struct elg_error *error;
    enum elg_status status;
    bool found;
    struct elg_hash state_hash;
    struct elg_blob *state, *output;
};

static bool take_last(void *self, const struct elg_step_row *step,
                      const struct elg_activity_row *activity)
{
    struct last_step *last = self;
    (void)activity;
    if (step == NULL || step->status != ELG_ATTEMPT_OK)
        return true;
    last->status = elg__readable_step(last->host, last->trace_id, step, last->error);
    if (last->status != ELG_OK)
        return false;
    last->found = true;
    last->state_hash = step->state_hash;
    last->state = elg_base_blob_ref(step->state);
    last->output = elg_base_blob_ref(step->output);
    return false;
}

/* A state between checkpoints is recomputed. */
static enum elg_status recompute(struct elg_host *host, const struct elg_run_row *row,
                                 struct last_step *last, struct elg_error *error)
{
    struct elg_graph *graph;
    struct elg_buf state;
    enum elg_status status = elg__boxes_graph(host, row, NULL, &graph, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_init(&state, host->alloc);
    status =
        elg__replay_state(host, graph, row, (int64_t)row->step_count - 1, &state, error);
    if (status == ELG_OK) {
        last->state = elg_base_blob_create(host->alloc, elg_base_buf_bytes(&state));
        if (last->state == NULL)
            status = elg_base_no_memory(error);
    }
    elg_base_buf_fini(&state);
    elg_graph_close(graph);
    return status;
}

static enum elg_status read_last(struct elg_host *host, const struct elg_run_row *row,
                                 struct last_step *last, struct elg_error *error)
{
    int64_t at = (int64_t)row->step_count - 1;
    *last = (struct last_step){.host = host, .trace_id = row->trace_id, .error = error};
    if (at < 0) {
        if (row->initial_state == NULL)
            return ELG_OK;
        last->found = true;
        last->state = elg_base_blob_ref(row->initial_state);
        elg_base_sha256(host->sha, elg_base_blob_bytes(last->state), &last->state_hash);
        return ELG_OK;
    }
    enum elg_status status = elg_checkpoint_journal(host->store, row->trace_id, at, at,
                                                    take_last, last, error);
    if (status == ELG_OK)
        status = last->status;
    if (status == ELG_OK && !last->found)
        return elg_base_fail(error, ELG_CORRUPT, row->trace_id,
                             "step %lld is missing from the journal", (long long)at);
    if (status == ELG_OK && last->state == NULL)
        status = recompute(host, row, last, error);
    return status;
}

/* Appends the result's fields without the closing brace. */
static enum elg_status append_result(struct elg_host *host, const struct elg_run_row *row,
                                     struct elg_buf *out, struct elg_error *error)
{
    struct last_step last;
    enum elg_status status = elg__readable_run(host, row, error);
    if (status != ELG_OK)
        return status;
    status = read_last(host, row, &last, error);
    if (status == ELG_OK)
        elg__document_result(out, row, last.found ? &last.state_hash : NULL,
                             elg_base_blob_bytes(last.state),
                             elg_base_blob_bytes(last.output));
    elg_base_blob_unref(last.state);
    elg_base_blob_unref(last.output);
    return status;
}

enum elg_status elg__run_result(struct elg_host *host, const char *trace_id,
                                struct elg_text *out, struct elg_error *error)
{
    struct elg_run_row row;
    struct elg_buf buf;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_run_get(host->store, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_init(&buf, host->alloc);
    status = append_result(host, &row, &buf, error);
    elg_checkpoint_run_row_fini(&row);
    elg_base_buf_append_byte(&buf, '}');
    if (status == ELG_OK)
        status = elg__document_text(host->alloc, &buf, out, error);
    elg_base_buf_fini(&buf);
    return status;
}

/* ---- show
 * --------------------------------------------------------------------------------------
 */

struct journal_writer {
    struct elg_host *host;
    const char *trace_id;
    struct elg_error *error;
    enum elg_status status; /* of the rows so far */
    struct elg_buf *out;
    bool step_open;
    bool any_step, any_activity;
};

static void close_step(struct journal_writer *writer)
{
    if (writer->step_open)
        elg_base_buf_append_str(writer->out, "]}");
    writer->step_open = false;
}

static void put_time(struct elg_buf *out, const char *name, int64_t value_ms)
{
    if (value_ms == 0)
        put_null(out, name);
    else
        elg_base_buf_printf(out, ",\"%s\":%lld", name, (long long)value_ms);
}

static void write_step(struct journal_writer *writer, const struct elg_step_row *step)
{
    struct elg_buf *out = writer->out;
    elg_base_buf_append_str(out, writer->any_step ? "," : "");
    elg_base_buf_printf(out, "{\"attempt\":%u", step->attempt);
    if (step->has_chain)
        put_hash(out, "chain", &step->chain);
    else
        put_null(out, "chain");
    elg_base_buf_printf(out, ",\"clock_ms\":%lld,\"duration_ms\":%.3f",
                        (long long)step->clock_ms, (double)step->duration_us / 1000);
    put_blob(out, "error", step->error);
    put_string(out, "fingerprint", step->fingerprint ? step->fingerprint : "");
    elg_base_buf_printf(out, ",\"fuel\":%llu", (unsigned long long)step->fuel);
    put_hash(out, "input_hash", &step->input_hash);
    put_blob(out, "metadata", step->metadata);
    if (step->has_edge)
        put_string(out, "next_edge", step->next_edge);
    else
        put_null(out, "next_edge");
    put_string(out, "node_id", step->node_id);
    put_blob(out, "output", step->output);
    if (step->status == ELG_ATTEMPT_OK) {
        put_hash(out, "output_hash", &step->output_hash);
        put_hash(out, "state_hash", &step->state_hash);
    } else {
        put_null(out, "output_hash");
        put_null(out, "state_hash");
    }
    put_time(out, "retry_due_ms", step->retry_due_ms);
    put_blob(out, "state", step->state);
    put_string(out, "status", elg_checkpoint_attempt_name(step->status));
    elg_base_buf_printf(out, ",\"step_index\":%lld", (long long)step->step_index);
    put_blob(out, "stop", step->stop);
    elg_base_buf_append_str(out, ",\"activities\":[");
    writer->any_step = writer->step_open = true;
    writer->any_activity = false;
}

static void write_activity(struct journal_writer *writer,
                           const struct elg_activity_row *row)
{
    struct elg_buf *out = writer->out;
    elg_base_buf_append_str(out, writer->any_activity ? "," : "");
    elg_base_buf_printf(out, "{\"seq\":%u", row->seq);
    put_string(out, "activity_type", row->type);
    put_time(out, "due_ms", row->due_ms);
    put_hash(out, "idempotency_key", &row->key);
    put_blob(out, "request_data", row->request);
    put_hash(out, "request_hash", &row->request_hash);
    if (row->response_blob_ref[0] != '\0')
        put_string(out, "response_blob_ref", row->response_blob_ref);
    else
        put_null(out, "response_blob_ref");
    put_blob(out, "response_data", row->response);
    put_string(out, "status", elg_checkpoint_activity_name(row->status));
    elg_base_buf_printf(out, ",\"timestamp\":%lld", (long long)row->timestamp_ms);
    put_string(out, "where", row->where ? row->where : "");
    elg_base_buf_append_byte(out, '}');
    writer->any_activity = true;
}

static bool write_row(void *self, const struct elg_step_row *step,
                      const struct elg_activity_row *activity)
{
    struct journal_writer *writer = self;
    writer->status = step != NULL ? elg__readable_step(writer->host, writer->trace_id,
                                                       step, writer->error)
                                  : elg__readable_activity(writer->host, writer->trace_id,
                                                           activity, writer->error);
    if (writer->status != ELG_OK)
        return false;
    if (step != NULL) {
        close_step(writer);
        write_step(writer, step);
    } else if (writer->step_open) {
        write_activity(writer, activity);
    }
    return !writer->out->failed;
}

static void put_run_fields(struct elg_buf *out, const struct elg_run_row *row)
{
    elg_base_buf_printf(out, ",\"claims\":%u,\"completed_at\":%lld,\"created_at\":%lld",
                        row->claims, (long long)row->completed_at_ms,
                        (long long)row->created_at_ms);
    elg_base_buf_printf(out, ",\"due_ms\":%lld,\"epoch\":%llu", (long long)row->due_ms,
                        (unsigned long long)row->epoch);
    put_blob(out, "initial_state", row->initial_state);
    put_blob(out, "input", row->input);
    put_blob(out, "limits", row->limits);
    put_string(out, "seed", row->seed);
    elg_base_buf_printf(out, ",\"started_at\":%lld,\"updated_at\":%lld",
                        (long long)row->started_at_ms, (long long)row->updated_at_ms);
}

enum elg_status elg__run_show_steps(struct elg_host *host, const char *trace_id,
                                    int64_t from, int64_t to, struct elg_text *out,
                                    struct elg_error *error)
{
    struct elg_run_row row;
    struct elg_buf buf;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_run_get(host->store, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_init(&buf, host->alloc);
    status = append_result(host, &row, &buf, error);
    put_run_fields(&buf, &row);
    elg_checkpoint_run_row_fini(&row);
    elg_base_buf_append_str(&buf, ",\"journal\":[");
    struct journal_writer writer = {
        .host = host, .trace_id = trace_id, .error = error, .out = &buf};
    if (status == ELG_OK)
        status = elg_checkpoint_journal(host->store, trace_id, from, to < 0 ? -1 : to,
                                        write_row, &writer, error);
    if (status == ELG_OK)
        status = writer.status;
    close_step(&writer);
    elg_base_buf_append_str(&buf, "]}");
    if (status == ELG_OK)
        status = elg__document_text(host->alloc, &buf, out, error);
    elg_base_buf_fini(&buf);
    return status;
}
