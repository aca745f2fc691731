/* readable: payloads of stored rows, before they become part of a document: someone else
 * may have written the store, or its disk. Provides readable.h. Uses json's reader,
 * checkpoint's names of rows. */
#include "host/readable.h"

#include <stdio.h>

#include "checkpoint/row_name.h"
#include "host/internal.h"
#include "json/json.h"

struct payload {
    const char *column;
    const struct elg_blob *blob; /* NULL: there is none */
};

static enum elg_status read_through(const struct elg_alloc *alloc, struct elg_bytes text,
                                    struct elg_error *error)
{
    struct elg_json_reader reader;
    enum elg_json_token token = ELG_JSON_NULL;
    enum elg_status status = ELG_OK;
    elg_json_reader_init_document(&reader, alloc, text);
    while (status == ELG_OK && token != ELG_JSON_END)
        status = elg_json_reader_next(&reader, &token, error);
    elg_json_reader_fini(&reader);
    return status;
}

static enum elg_status check(struct elg_host *host, const char *row,
                             const struct payload *payloads, size_t count,
                             struct elg_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct elg_error own;
        if (payloads[i].blob == NULL)
            continue;
        enum elg_status status =
            read_through(host->alloc, elg_base_blob_bytes(payloads[i].blob), &own);
        if (status == ELG_NO_MEMORY)
            return elg_base_no_memory(error);
        if (status != ELG_OK)
            return elg_base_fail(error, ELG_CORRUPT, elg_checkpoint_name(host->store),
                                 "%s, row %s: not JSON (%.150s: %.200s)",
                                 payloads[i].column, row, own.where, own.text);
    }
    return ELG_OK;
}

#define COUNT(payloads) (sizeof(payloads) / sizeof *(payloads))

enum elg_status elg__readable_run(struct elg_host *host, const struct elg_run_row *row,
                                  struct elg_error *error)
{
    const struct payload payloads[] = {
        {"cmo_runs.error", row->error},
        {"cmo_inputs.input", row->input},
        {"cmo_inputs.initial_state", row->initial_state},
        {"cmo_inputs.limits", row->limits},
    };
    return check(host, row->trace_id, payloads, COUNT(payloads), error);
}

enum elg_status elg__readable_step(struct elg_host *host, const char *trace_id,
                                   const struct elg_step_row *row,
                                   struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    const struct payload payloads[] = {
        {"cmo_steps.state", row->state},       {"cmo_steps.output", row->output},
        {"cmo_steps.metadata", row->metadata}, {"cmo_steps.error", row->error},
        {"cmo_steps.stop", row->stop},
    };
    elg_checkpoint_row_name(name, trace_id, row->step_index, row->attempt, -1);
    return check(host, name, payloads, COUNT(payloads), error);
}

enum elg_status elg__readable_activity(struct elg_host *host, const char *trace_id,
                                       const struct elg_activity_row *row,
                                       struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    const struct payload payloads[] = {
        {"cmo_activities.request_data", row->request},
        {"cmo_activities.response_data", row->response},
    };
    elg_checkpoint_row_name(name, trace_id, row->step_index, row->attempt, row->seq);
    return check(host, name, payloads, COUNT(payloads), error);
}

enum elg_status elg__readable_signal(struct elg_host *host, const char *trace_id,
                                     const struct elg_signal_row *row,
                                     struct elg_error *error)
{
    char name[ELG_ROW_NAME_SIZE];
    const struct payload payload = {"cmo_signals.payload", row->payload};
    snprintf(name, sizeof name, "%s signal_no %lld", trace_id, (long long)row->signal_no);
    if (payload.blob == NULL)
        return elg_base_fail(error, ELG_CORRUPT, elg_checkpoint_name(host->store),
                             "%s, row %s: is NULL", payload.column, name);
    return check(host, name, &payload, 1, error);
}
