/* turn: checks of a turn that need no store. Provides turn.h. */
#include "checkpoint/turn.h"

#include "json/json.h"

#include <stdio.h>
#include <string.h>

static int64_t record_step(const struct elg_record *record)
{
    return record->kind == ELG_RECORD_STEP ? record->row.step.step_index
                                           : record->row.activity.step_index;
}

bool elg_checkpoint_turn_gap(const struct elg_turn *turn)
{
    int64_t first = (int64_t)turn->step_count_before;
    int64_t last = (int64_t)turn->run->step_count;
    int64_t next = first; /* the lowest step without a closed row so far */
    if (last < first)
        return true;
    for (size_t i = 0; i < turn->record_count; i++) {
        const struct elg_record *record = &turn->records[i];
        int64_t step = record_step(record);
        if (step < first || step > last || step > next)
            return true;
        if (record->kind == ELG_RECORD_STEP && step == next &&
            record->row.step.status != ELG_ATTEMPT_OPEN)
            next++;
    }
    return next < last;
}

enum elg_status elg_checkpoint_turn_before(const struct elg_turn *turns, size_t index,
                                           bool any_refused)
{
    if (!any_refused)
        return ELG_OK;
    for (size_t i = 0; i < index; i++) {
        if (turns[i].result != ELG_OK &&
            strcmp(turns[i].run->trace_id, turns[index].run->trace_id) == 0)
            return turns[i].result;
    }
    return ELG_OK;
}

int64_t elg_checkpoint_turn_completed_ms(const struct elg_turn *turn, int64_t now_ms)
{
    const struct elg_run_row *run = turn->run;
    if (!elg_checkpoint_status_ended(run->status))
        return 0;
    return run->completed_at_ms != 0 ? run->completed_at_ms : now_ms;
}

bool elg_checkpoint_turn_progress(const struct elg_turn *turn)
{
    return turn->record_count > 0 || turn->run->status == ELG_RUN_WAITING;
}

bool elg_checkpoint_turn_ends_children(const struct elg_turn *turn)
{
    enum elg_run_status status = turn->run->status;
    return turn->run->has_children &&
           (status == ELG_RUN_COMPLETED || status == ELG_RUN_FAILED ||
            status == ELG_RUN_TIMEOUT || status == ELG_RUN_ABORTED);
}

enum elg_status
elg_checkpoint_signal_judge(const char *trace_id, const struct elg_signal_row *signal,
                            const struct elg_checkpoint_signal_facts *facts, bool *known,
                            struct elg_error *error)
{
    int64_t size = (int64_t)elg_base_blob_bytes(signal->payload).size;
    *known = facts->key_name != NULL;
    if (*known && (strcmp(facts->key_name, signal->name) != 0 ||
                   !elg_base_hash_equal(&facts->key_hash, &signal->payload_hash)))
        return elg_base_fail(
            error, ELG_EXISTS, trace_id,
            "a signal with the key %s is there with another %s; choose "
            "another key",
            signal->key, strcmp(facts->key_name, signal->name) != 0 ? "name" : "payload");
    if (*known)
        return ELG_OK;
    if (elg_checkpoint_status_ended(facts->status))
        return elg_base_fail(error, ELG_USAGE, trace_id,
                             "the run has ended (%s): it takes no signal any more",
                             elg_checkpoint_status_name(facts->status));
    if (facts->waiting_count >= ELG_SIGNALS_WAITING_MAX)
        return elg_base_fail(error, ELG_LIMIT, trace_id,
                             "%d signals wait already to be taken by ctx.wait; send more "
                             "when some were",
                             ELG_SIGNALS_WAITING_MAX);
    if (facts->waiting_bytes + size > ELG_SIGNALS_WAITING_BYTES_MAX)
        return elg_base_fail(error, ELG_LIMIT, trace_id,
                             "with this one, signals of more than %u bytes would wait to "
                             "be taken; keep large data in an artifact",
                             ELG_SIGNALS_WAITING_BYTES_MAX);
    return ELG_OK;
}

struct elg_blob *elg_checkpoint_quarantine_error(const struct elg_alloc *alloc,
                                                 const char *owner, const char *step)
{
    struct elg_buf buf;
    struct elg_blob *blob = NULL;
    char text[512];
    snprintf(text, sizeof text,
             "taken up %d times without a new record, the last time by %.200s, at step "
             "%s: its process ended each time before anything was recorded; calls of "
             "this step may have been sent all the same (repeated, they have the same "
             "idempotency key); elg retry releases it",
             ELG_CLAIMS_MAX, owner[0] != '\0' ? owner : "an unknown process", step);
    elg_base_buf_init(&buf, alloc);
    elg_base_buf_append_str(&buf, "{\"code\":\"QUARANTINED\",\"message\":");
    if (!elg_json_write_string(&buf, elg_base_bytes(text), NULL))
        elg_base_buf_append_str(&buf, "\"\"");
    elg_base_buf_append_str(&buf, ",\"traceback\":null,\"where\":null}");
    if (!buf.failed)
        blob = elg_base_blob_create(alloc, elg_base_buf_bytes(&buf));
    elg_base_buf_fini(&buf);
    return blob;
}
