/* rows: names of statuses, and the life of rows.
 *
 * Provides the names, fini and copy of checkpoint.h. Uses base. Must not know back ends.
 */
#include "checkpoint/checkpoint.h"

#include <string.h>

static const char *const RUN_NAMES[] = {"pending",   "running",  "waiting",
                                        "completed", "failed",   "timeout",
                                        "aborted",   "diverged", "quarantined"};
static const char *const ATTEMPT_NAMES[] = {"open",   "ok",      "error",   "timeout",
                                            "memory", "aborted", "diverged"};
static const char *const ACTIVITY_NAMES[] = {"intent", "done", "cancelled", "unknown"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool name_find(const char *const *names, size_t count, struct elg_bytes name,
                      size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (elg_base_bytes_equal(elg_base_bytes(names[i]), name)) {
            *out = i;
            return true;
        }
    }
    return false;
}

static const char *name_of(const char *const *names, size_t count, size_t value)
{
    return value < count ? names[value] : "?";
}

const char *elg_checkpoint_status_name(enum elg_run_status status)
{
    return name_of(RUN_NAMES, COUNT_OF(RUN_NAMES), (size_t)status);
}

bool elg_checkpoint_status_parse(struct elg_bytes name, enum elg_run_status *out)
{
    size_t i;
    if (!name_find(RUN_NAMES, COUNT_OF(RUN_NAMES), name, &i))
        return false;
    *out = (enum elg_run_status)i;
    return true;
}

bool elg_checkpoint_has_quota(const struct elg_run_quota *quota)
{
    return quota->priority != 0 || quota->running_max > 0 || quota->key_running_max > 0 ||
           quota->rate_count > 0;
}

bool elg_checkpoint_limits_jailed(struct elg_bytes limits)
{
    return limits.size > 0 && memmem(limits.data, limits.size, ELG_LIMITS_JAILED,
                                     sizeof ELG_LIMITS_JAILED - 1) != NULL;
}

bool elg_checkpoint_is_passed(const struct elg_pass_over *passed, const char *trace_id)
{
    bool is = false;
    for (size_t i = 0; passed != NULL && !is && i < passed->count; i++)
        is = strcmp(passed->trace_ids[i], trace_id) == 0;
    return is;
}

bool elg_checkpoint_status_reopens(enum elg_run_status status)
{
    return status == ELG_RUN_FAILED || status == ELG_RUN_TIMEOUT ||
           status == ELG_RUN_QUARANTINED || status == ELG_RUN_DIVERGED;
}

bool elg_checkpoint_status_ended(enum elg_run_status status)
{
    return status >= ELG_RUN_COMPLETED;
}

const char *elg_checkpoint_attempt_name(enum elg_attempt_status status)
{
    return name_of(ATTEMPT_NAMES, COUNT_OF(ATTEMPT_NAMES), (size_t)status);
}

bool elg_checkpoint_attempt_parse(struct elg_bytes name, enum elg_attempt_status *out)
{
    size_t i;
    if (!name_find(ATTEMPT_NAMES, COUNT_OF(ATTEMPT_NAMES), name, &i))
        return false;
    *out = (enum elg_attempt_status)i;
    return true;
}

const char *elg_checkpoint_activity_name(enum elg_activity_status status)
{
    return name_of(ACTIVITY_NAMES, COUNT_OF(ACTIVITY_NAMES), (size_t)status);
}

bool elg_checkpoint_activity_parse(struct elg_bytes name, enum elg_activity_status *out)
{
    size_t i;
    if (!name_find(ACTIVITY_NAMES, COUNT_OF(ACTIVITY_NAMES), name, &i))
        return false;
    *out = (enum elg_activity_status)i;
    return true;
}

void elg_checkpoint_run_row_fini(struct elg_run_row *row)
{
    elg_base_blob_unref(row->input);
    elg_base_blob_unref(row->initial_state);
    elg_base_blob_unref(row->limits);
    elg_base_blob_unref(row->error);
    row->input = row->initial_state = row->limits = row->error = NULL;
}

void elg_checkpoint_step_row_fini(struct elg_step_row *row)
{
    elg_base_blob_unref(row->state);
    elg_base_blob_unref(row->output);
    elg_base_blob_unref(row->metadata);
    elg_base_blob_unref(row->error);
    elg_base_blob_unref(row->stop);
    elg_base_blob_unref(row->fingerprint_blob);
    row->state = row->output = row->metadata = row->error = row->stop = NULL;
    row->fingerprint_blob = NULL;
    row->fingerprint = NULL;
}

void elg_checkpoint_activity_row_fini(struct elg_activity_row *row)
{
    elg_base_blob_unref(row->request);
    elg_base_blob_unref(row->response);
    elg_base_blob_unref(row->where_blob);
    row->request = row->response = row->where_blob = NULL;
    row->where = NULL;
}

void elg_checkpoint_graph_row_fini(struct elg_graph_row *row)
{
    elg_base_blob_unref(row->definition);
    row->definition = NULL;
}

void elg_checkpoint_signal_row_fini(struct elg_signal_row *row)
{
    elg_base_blob_unref(row->payload);
    row->payload = NULL;
}

void elg_checkpoint_run_row_copy(const struct elg_run_row *row, struct elg_run_row *out)
{
    *out = *row;
    elg_base_blob_ref(out->input);
    elg_base_blob_ref(out->initial_state);
    elg_base_blob_ref(out->limits);
    elg_base_blob_ref(out->error);
}

/* Points *text into *blob, which is `blob` once more or a copy of the borrowed text. */
static bool text_keep(const struct elg_alloc *alloc, const char **text,
                      struct elg_blob **blob)
{
    if (*text == NULL) {
        *blob = NULL;
        return true;
    }
    if (*blob != NULL) {
        elg_base_blob_ref(*blob);
        return true;
    }
    *blob = elg_base_blob_create(alloc, elg_base_bytes(*text));
    *text = (const char *)elg_base_blob_bytes(*blob).data;
    return *blob != NULL;
}

enum elg_status elg_checkpoint_step_row_copy(const struct elg_alloc *alloc,
                                             const struct elg_step_row *row,
                                             struct elg_step_row *out)
{
    struct elg_step_row copy = *row;
    if (!text_keep(alloc, &copy.fingerprint, &copy.fingerprint_blob))
        return ELG_NO_MEMORY;
    elg_base_blob_ref(copy.state);
    elg_base_blob_ref(copy.output);
    elg_base_blob_ref(copy.metadata);
    elg_base_blob_ref(copy.error);
    elg_base_blob_ref(copy.stop);
    *out = copy;
    return ELG_OK;
}

enum elg_status elg_checkpoint_activity_row_copy(const struct elg_alloc *alloc,
                                                 const struct elg_activity_row *row,
                                                 struct elg_activity_row *out)
{
    struct elg_activity_row copy = *row;
    if (!text_keep(alloc, &copy.where, &copy.where_blob))
        return ELG_NO_MEMORY;
    elg_base_blob_ref(copy.request);
    elg_base_blob_ref(copy.response);
    *out = copy;
    return ELG_OK;
}
