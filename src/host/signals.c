/* signals: what comes to a run from outside (ctx.wait). Provides elg_run_signal.
 *
 * A signal is consumed by the record of the wait's result: both are one turn, so that a
 * crash neither loses nor doubles one. Until that turn is durable the store still shows
 * the signal: no other wait of the run looks meanwhile, but for those of the same
 * ctx.all, which look behind it.
 */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"
#include "host/public.h"
#include "host/readable.h"
#include "json/json.h"

/* ---- looking for a signal
 * --------------------------------------------------------------------- */

struct look {
    bool found;
    struct elg_signal_row row;
};

static bool take_first(void *self, const struct elg_signal_row *row)
{
    struct look *look = self;
    look->found = true;
    look->row = *row;
    elg_base_blob_ref(look->row.payload);
    return false;
}

/* The first signal that the wait may take, behind those that others of its name took. */
static enum elg_status look_for(struct elg_host_run *hr,
                                const struct elg_prepared *prepared, struct look *look,
                                struct elg_error *error)
{
    char name[ELG_NAME_BYTES_MAX + 1], other[ELG_NAME_BYTES_MAX + 1];
    int64_t after = 0, last = 0;
    memset(look, 0, sizeof *look);
    enum elg_status status =
        elg_activity_wait_name(hr->host->alloc, prepared, name, error);
    for (uint32_t i = 0; i < hr->wait_count && status == ELG_OK; i++) {
        const struct elg_wait *wait = &hr->waits[i];
        if (wait->signal_no <= after)
            continue;
        status = elg_activity_wait_name(hr->host->alloc, &wait->prepared, other, error);
        if (status == ELG_OK && strcmp(name, other) == 0)
            after = wait->signal_no;
    }
    if (status == ELG_OK)
        status = elg_checkpoint_signals(hr->host->store, hr->run->row.trace_id, name,
                                        after, take_first, look, &last, error);
    if (last < hr->signals_seen)
        hr->signals_seen = last;
    return status;
}

static enum elg_status consume(struct elg_host_run *hr, uint32_t seq,
                               const struct elg_signal_row *signal,
                               struct elg_error *error)
{
    struct elg_buf *buf = &hr->host->scratch;
    struct elg_bytes payload = elg_base_blob_bytes(signal->payload);
    enum elg_status status =
        elg__readable_signal(hr->host, hr->run->row.trace_id, signal, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_reset(buf);
    elg_base_buf_append_str(buf, "{\"value\":");
    elg_base_buf_append(buf, payload.data, payload.size);
    elg_base_buf_append_byte(buf, '}');
    if (buf->failed)
        return elg_base_no_memory(error);
    status = elg_executor_use_signal(hr->run, seq, signal->signal_no, error);
    if (status == ELG_OK &&
        !elg__call_record(hr, seq, ELG_ACTIVITY_DONE, elg_base_buf_bytes(buf)))
        status = ELG_FENCED;
    return status;
}

enum elg_status elg__wait_take_early(struct elg_host_run *hr,
                                     const struct elg_prepared *prepared, uint32_t seq,
                                     bool *taken, struct elg_error *error)
{
    struct look look;
    *taken = false;
    if (prepared->kind != ELG_ACTIVITY_WAIT)
        return ELG_OK;
    if (hr->run->create_pending || hr->run->use_count > 0 || hr->in_flight ||
        elg_activity_is_intercepted(hr->host->performer)) {
        hr->signals_seen = 0;
        return ELG_OK;
    }
    enum elg_status status = look_for(hr, prepared, &look, error);
    if (status == ELG_OK && look.found) {
        status = consume(hr, seq, &look.row, error);
        *taken = status == ELG_OK;
    }
    elg_checkpoint_signal_row_fini(&look.row);
    return status;
}

/* True if the wait is over. */
static bool look_once(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    struct elg_error error;
    struct look look;
    enum elg_status status = look_for(hr, &wait->prepared, &look, &error);
    bool found = status == ELG_OK && look.found;
    if (found)
        status = consume(hr, wait->seq, &look.row, &error);
    if (status == ELG_OK && found)
        wait->signal_no = look.row.signal_no;
    elg_checkpoint_signal_row_fini(&look.row);
    if (status != ELG_OK) {
        elg__turn_lose(hr, &error);
        return true;
    }
    if (found)
        elg__call_over(wait);
    return found;
}

void elg__wait_look(struct elg_host_run *hr)
{
    hr->signals_seen = INT64_MAX;
    for (uint32_t i = 0; i < hr->wait_count && hr->blocked && !hr->lost; i++) {
        struct elg_wait *wait = &hr->waits[i];
        if (wait->state == ELG_WAIT_STARTED && !wait->offered &&
            wait->prepared.kind == ELG_ACTIVITY_WAIT)
            look_once(wait);
    }
    if (hr->blocked && !hr->lost)
        elg__child_look(hr);
}

void elg__wait_expire(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    char text[96];
    bool signal = wait->prepared.kind == ELG_ACTIVITY_WAIT;
    if (signal && look_once(wait))
        return;
    snprintf(text, sizeof text,
             "{\"error\":{\"code\":\"TIMEOUT\",\"message\":\"no signal came within %lld "
             "ms\"}}",
             (long long)wait->prepared.sleep_ms);
    if (elg__call_record(hr, wait->seq, ELG_ACTIVITY_DONE,
                         elg_base_bytes(signal ? text : "{\"value\":null}")))
        elg__call_over(wait);
}

/* ---- signals that come
 * ------------------------------------------------------------------------ */

/* Looks are for later: the store must not be called from here. */
static void note_woken(void *self, const char *trace_id)
{
    struct elg_host *host = self;
    struct elg_host_run *hr = elg__run_find(host, trace_id);
    if (hr == NULL || hr->woken || !hr->blocked)
        return;
    hr->woken = true;
    hr->woken_next = host->woken;
    host->woken = hr;
}

void elg__wait_poll(struct elg_host *host)
{
    struct elg_error error;
    if (elg_checkpoint_signal_poll(host->store, note_woken, host, &error) != ELG_OK)
        elg__outage_warn(host, ELG_ASKED_SIGNALS, &error);
    else
        elg__outage_over(host, ELG_ASKED_SIGNALS);
    while (host->woken != NULL) {
        struct elg_host_run *hr = host->woken;
        host->woken = hr->woken_next;
        hr->woken = false;
        elg__wait_look(hr);
    }
}

static enum elg_status read_signal(struct elg_host *host, const char *name,
                                   const char *key, struct elg_bytes payload,
                                   struct elg_signal_row *out, struct elg_error *error)
{
    struct elg_buf canonical;
    memset(out, 0, sizeof *out);
    enum elg_status status =
        elg_activity_check_signal(elg_base_bytes(name), "signal name", error);
    if (status == ELG_OK && key != NULL)
        status = elg_activity_check_signal(elg_base_bytes(key), "signal key", error);
    if (status != ELG_OK) {
        if (error != NULL) /* its text begins with the same words */
            error->where[0] = '\0';
        return status;
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->key, sizeof out->key, "%s", key ? key : "");
    elg_base_buf_init(&canonical, host->alloc);
    status = elg_json_canonicalize(host->alloc, payload, &canonical, error);
    if (status == ELG_OK && canonical.size > ELG_STATE_BYTES_MAX)
        status = elg_base_fail(error, ELG_INVALID, "payload",
                               "larger than %u bytes; keep large data in an artifact",
                               ELG_STATE_BYTES_MAX);
    if (status == ELG_OK) {
        out->payload = elg_base_blob_create(host->alloc, elg_base_buf_bytes(&canonical));
        elg_base_sha256(host->sha, elg_base_buf_bytes(&canonical), &out->payload_hash);
        if (out->payload == NULL)
            status = elg_base_no_memory(error);
    }
    elg_base_buf_fini(&canonical);
    return status;
}

enum elg_status elg__run_signal(struct elg_host *host, const char *trace_id,
                                const struct elg_signal *signal, bool *created,
                                struct elg_error *error)
{
    struct elg_signal_row row;
    struct elg_bytes payload = {(const uint8_t *)signal->payload, signal->payload_size};
    bool is_new = false;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (signal->payload == NULL)
        payload = elg_base_bytes("null");
    enum elg_status status =
        read_signal(host, signal->name, signal->key, payload, &row, error);
    if (status == ELG_OK)
        status = elg_checkpoint_signal_put(host->store, trace_id, &row, &is_new, error);
    elg_checkpoint_signal_row_fini(&row);
    if (status != ELG_OK)
        return status;
    if (created != NULL)
        *created = is_new;
    struct elg_host_run *hr = elg__run_find(host, trace_id);
    if (hr != NULL && hr->blocked)
        elg__wait_look(hr);
    else
        host->serving.look_us = 0; /* it may be due now */
    return ELG_OK;
}
