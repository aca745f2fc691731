/* retry: a run that ended badly goes on by hand. Provides elg_executor_retry.
 *
 * The end stays in the journal: an attempt that says RETRIED and has a chain of its own,
 * over what the end left unmarked and over the chain's head as it was told at the end.
 * Nothing of that attempt was executed, so a verification has nothing to repeat.
 */
#include <string.h>

#include "executor/internal.h"
#include "json/json.h"

#define REASON_BYTES_MAX 512

bool elg_executor_retried(const struct elg_step_row *row)
{
    static const char HEAD[] = "{\"code\":\"RETRIED\",";
    struct elg_bytes text = elg_base_blob_bytes(row->error);
    return row->status == ELG_ATTEMPT_ABORTED && row->has_chain &&
           text.size > sizeof HEAD && memcmp(text.data, HEAD, sizeof HEAD - 1) == 0;
}

/* "failed (CODE), chain HEAD"; what of the error cannot be read is left out. */
static void write_reason(const struct elg_run *run, char out[REASON_BYTES_MAX])
{
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_json_doc *doc = NULL;
    struct elg_bytes code = {NULL, 0};
    if (elg_json_parse(run->alloc, elg_base_blob_bytes(run->row.error), &doc, NULL) ==
        ELG_OK)
        code = elg_json_string(elg_json_get(elg_json_root(doc), "code"));
    else
        doc = NULL;
    elg_base_hash_hex(&run->row.chain, hex);
    snprintf(out, REASON_BYTES_MAX,
             "retried by hand; the run had ended as %s (%.*s), chain %s",
             elg_checkpoint_status_name(run->row.status),
             (int)(code.size < ELG_NAME_BYTES_MAX ? code.size : ELG_NAME_BYTES_MAX),
             code.data != NULL ? (const char *)code.data : "", hex);
    elg_json_doc_destroy(doc);
}

static enum elg_status record_end(struct elg_run *run, int64_t wall_ms,
                                  const char *fingerprint, struct elg_error *error)
{
    char reason[REASON_BYTES_MAX];
    struct elg_blob *why = NULL;
    write_reason(run, reason);
    struct elg_attempt_failure failure = {.status = ELG_ATTEMPT_ABORTED,
                                          .code = "RETRIED",
                                          .message = reason,
                                          .where = run->node_id,
                                          .stop_kind = "fuel", /* before any of it */
                                          .fingerprint = fingerprint,
                                          .wall_ms = wall_ms};
    if (!run->opened) {
        run->clock_ms = wall_ms > run->now_last_ms ? wall_ms : run->now_last_ms;
        run->started_at_ms = wall_ms;
    }
    run->row.chain = run->chain_marked;
    enum elg_status status = elg__attempt_end(run, &failure, 0, true, &why, error);
    elg_base_blob_unref(why);
    if (status != ELG_OK)
        return status;
    run->attempt_base = run->attempt++;
    run->phase = ELG_PHASE_READY;
    return ELG_OK;
}

enum elg_status elg_executor_retry(struct elg_run *run, bool with_parent, int64_t wall_ms,
                                   const char *fingerprint, struct elg_error *error)
{
    const char *name = elg_checkpoint_status_name(run->row.status);
    enum elg_status status = ELG_OK;
    bool began = run->row.initial_state != NULL;
    if (!elg_checkpoint_status_reopens(run->row.status) &&
        !(with_parent && run->row.status == ELG_RUN_ABORTED))
        return elg_base_fail(error, ELG_USAGE, run->row.trace_id,
                             "is %s; a run that failed, timed out, diverged or is "
                             "quarantined can be retried",
                             name);
    if (began && run->node_id[0] == '\0')
        return elg_base_fail(error, ELG_USAGE, run->row.trace_id,
                             "its last step ended well: there is no attempt to repeat");
    if (began)
        status = record_end(run, wall_ms, fingerprint, error);
    else
        run->phase = ELG_PHASE_INITIAL;
    if (status != ELG_OK)
        return status;
    elg_base_blob_unref(run->row.error);
    run->row.error = NULL;
    run->row.status = ELG_RUN_RUNNING;
    run->row.due_ms = run->row.completed_at_ms = 0;
    if (run->row.started_at_ms > 0) /* its run timeout counts anew */
        run->row.started_at_ms = wall_ms;
    run->row.claims = 0;
    run->row.abort_requested = false;
    run->row_changed = true;
    return ELG_OK;
}
