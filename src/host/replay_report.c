/* replay_report: what a replay found, as JSON. */
#include "host/replay.h"
#include "json/json.h"

static void append_string(struct elg_buf *out, struct elg_bytes text)
{
    if (!elg_json_write_string(out, text, NULL))
        elg_base_buf_append_str(out, "\"(not valid UTF-8)\"");
}

static void append_divergence(struct elg_buf *out, const struct elg_divergence *d)
{
    if (!d->found) {
        elg_base_buf_append_str(out, "null");
        return;
    }
    elg_base_buf_append_str(out, "{\"actual\":");
    append_string(out, elg_base_buf_bytes(&d->actual));
    elg_base_buf_append_str(out, ",\"expected\":");
    append_string(out, elg_base_buf_bytes(&d->expected));
    elg_base_buf_append_str(out, ",\"node\":");
    append_string(out, elg_base_bytes(d->node));
    if (d->seq >= 0)
        elg_base_buf_printf(out, ",\"seq\":%lld", (long long)d->seq);
    else
        elg_base_buf_append_str(out, ",\"seq\":null");
    elg_base_buf_printf(out, ",\"step\":%lld,\"what\":", (long long)d->step);
    append_string(out, elg_base_bytes(d->what));
    elg_base_buf_append_str(out, ",\"where\":");
    append_string(out, elg_base_bytes(d->where));
    elg_base_buf_append_byte(out, '}');
}

void elg__replay_write_report(struct elg_buf *out, const struct elg_replay *replay)
{
    elg_base_buf_append_str(out, "{\"divergence\":");
    append_divergence(out, &replay->divergence);
    elg_base_buf_printf(out, ",\"fuel_not_compared\":%llu,\"steps\":%lld,\"trace_id\":",
                        (unsigned long long)replay->fuel_not_compared,
                        (long long)replay->step);
    append_string(out, elg_base_bytes(replay->row->trace_id));
    elg_base_buf_append_str(out, replay->divergence.found ? ",\"verified\":false}"
                                                          : ",\"verified\":true}");
}

/* The run as it stood after the last replayed step. */
void elg__replay_write_state(struct elg_buf *out, struct elg_replay *replay)
{
    struct elg_run_row row = *replay->row;
    struct elg_hash hash;
    bool all = replay->step == (int64_t)row.step_count;
    if (!all) {
        row.status = ELG_RUN_RUNNING;
        row.error = NULL;
    }
    row.step_count = (uint64_t)replay->step;
    if (!all || replay->verify)
        row.chain = replay->chain;
    elg_base_sha256(replay->host->sha, elg_base_buf_bytes(&replay->state), &hash);
    struct elg_bytes output = elg_base_buf_bytes(&replay->input);
    if (replay->step == 0)
        output = elg_base_bytes(NULL);
    elg__document_result(out, &row, &hash, elg_base_buf_bytes(&replay->state), output);
    elg_base_buf_append_byte(out, '}');
}
