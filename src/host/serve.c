/* serve: runs of the store taken up as long as there is room, without being named.
 * Provides elg_host_serve, elg_host_drain. Uses loop.
 *
 * The store says when there may be work: by a descriptor, or by being asked every few
 * milliseconds. What no one tells of (an owner that died, a notice that was lost) is
 * found by looking once a second; a time that comes, by waiting for the earliest.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "host/claimed.h"
#include "host/internal.h"
#include "host/public.h"

/* ---- options
 * --------------------------------------------------------------------------------- */

static void graph_ids_free(struct elg_host *host)
{
    struct elg_serving *serving = &host->serving;
    for (size_t i = 0; i < serving->graph_count; i++)
        elg_base_strfree(host->alloc, serving->graph_ids[i]);
    elg_base_free(host->alloc, serving->graph_ids,
                  serving->graph_count * sizeof *serving->graph_ids);
    serving->graph_ids = NULL;
    serving->graph_count = 0;
}

static enum elg_status graph_ids_copy(struct elg_host *host, const char *const *ids,
                                      struct elg_error *error)
{
    struct elg_serving *serving = &host->serving;
    size_t count = 0;
    while (ids != NULL && ids[count] != NULL)
        count++;
    serving->all_graphs = ids == NULL;
    if (count == 0)
        return ELG_OK;
    serving->graph_ids = elg_base_calloc(host->alloc, count * sizeof *serving->graph_ids);
    if (serving->graph_ids == NULL)
        return elg_base_no_memory(error);
    serving->graph_count = count;
    for (size_t i = 0; i < count; i++) {
        serving->graph_ids[i] = elg_base_strndup(host->alloc, ids[i], strlen(ids[i]));
        if (serving->graph_ids[i] == NULL)
            return elg_base_no_memory(error);
    }
    return ELG_OK;
}

static enum elg_status listen_begin(struct elg_host *host, struct elg_error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = elg_checkpoint_work_fd(host->store);
    host->serving.asks = fd < 0;
    if (fd < 0 || host->serving.listens)
        return ELG_OK;
    event.data.fd = fd;
    if (epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return elg_base_fail(error, ELG_IO, "epoll", "no room for one descriptor more");
    host->serving.listens = true;
    return ELG_OK;
}

enum elg_status elg__host_serve(struct elg_host *host,
                                const struct elg_serve_options *options,
                                struct elg_error *error)
{
    struct elg_serving *serving = &host->serving;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (options->run_count_max > ELG_CONCURRENCY_MAX)
        return elg_base_fail(error, ELG_USAGE, "run_count_max", "more than %d",
                             ELG_CONCURRENCY_MAX);
    graph_ids_free(host);
    enum elg_status status = graph_ids_copy(host, options->graph_ids, error);
    if (status == ELG_OK)
        status = listen_begin(host, error);
    if (status != ELG_OK) {
        graph_ids_free(host);
        return status;
    }
    serving->run_count_max =
        options->run_count_max > 0 ? options->run_count_max : ELG_SERVE_RUNS_DEFAULT;
    serving->on = true;
    serving->parks = true;
    serving->look_us = 0;
    return ELG_OK;
}

void elg__serve_fini(struct elg_host *host)
{
    graph_ids_free(host);
}

/* ---- taking up
 * ------------------------------------------------------------------------------- */

/* The canonical error of a run that cannot be loaded. NULL: no memory. */
static struct elg_blob *unloaded_error(struct elg_host *host,
                                       const struct elg_run_row *row,
                                       const struct elg_error *error)
{
    struct elg_buf buf;
    struct elg_blob *blob = NULL;
    char text[ELG_ERROR_TEXT_MAX + ELG_ERROR_WHERE_MAX + 512];
    snprintf(text, sizeof text,
             "cannot be loaded (claim %u, by %.200s): %s%s%s; elg retry releases it when "
             "that is mended",
             (unsigned)row->claims, host->owner, error->where,
             error->where[0] != '\0' ? ": " : "", error->text);
    elg_base_buf_init(&buf, host->alloc);
    elg_executor_write_error(&buf, "QUARANTINED", text, NULL, NULL);
    if (!buf.failed)
        blob = elg_base_blob_create(host->alloc, elg_base_buf_bytes(&buf));
    elg_base_buf_fini(&buf);
    return blob;
}

/* A turn without records, which ends the run (I11). */
static enum elg_status quarantine(struct elg_host *host, struct elg_run_row *row,
                                  const struct elg_error *why, struct elg_error *error)
{
    struct elg_turn turn = {.run = row, .step_count_before = row->step_count};
    struct elg_blob *reason = unloaded_error(host, row, why);
    if (reason == NULL)
        return elg_base_no_memory(error);
    elg_base_blob_unref(row->error);
    row->error = reason;
    row->status = ELG_RUN_QUARANTINED;
    row->due_ms = row->completed_at_ms = 0;
    elg__commit_wait(host);
    enum elg_status status = elg_checkpoint_commit(host->store, &turn, 1, error);
    if (status == ELG_OK && turn.result != ELG_OK)
        status = elg_base_fail(error, turn.result, row->trace_id, "not quarantined (%s)",
                               elg_status_name(turn.result));
    return status;
}

/* It was begun in a jail, and here there is none: said once, and claimed no more as long
 * as that is known. */
static bool lacks_jail(struct elg_host *host, const struct elg_run_row *row)
{
    char text[ELG_ERROR_TEXT_MAX + 64];
    struct elg_passed_list *passed = &host->serving.passed;
    if (!elg__boxes_lack_jail(host) ||
        !elg_checkpoint_limits_jailed(elg_base_blob_bytes(row->limits)))
        return false;
    if (!passed->jail_told) {
        snprintf(text, sizeof text,
                 "runs that were begun in a jail are left to others: %s",
                 host->jail_missing.error.text);
        elg__warn(host, "", host->jail_missing.error.where, text);
    }
    passed->jail_told = true;
    return true;
}

/* A run that cannot be loaded goes back. What is the world's fault, or this worker's, is
 * not counted against it; what may pass (a compile helper that was killed) gets some
 * more claims; a run whose graph is gone ends, with that as its reason. */
static void refuse(struct elg_host *host, struct elg_run_row *row,
                   const struct elg_error *why)
{
    struct elg_error error;
    bool passing = why->status == ELG_NO_MEMORY || why->status == ELG_IO ||
                   why->status == ELG_FULL || why->status == ELG_BUSY ||
                   why->status == ELG_UNSUPPORTED;
    bool hopeless =
        why->status == ELG_NOT_FOUND || row->claims >= ELG_CLAIMS_UNLOADED_MAX;
    if (lacks_jail(host, row)) {
        elg_checkpoint_hand_back(host->store, row->trace_id, false);
        return;
    }
    elg__warn(host, row->trace_id, why->where, why->text);
    elg__passed_add(host, row->trace_id, elg_base_monotonic_us(host->clock));
    if (passing) {
        elg_checkpoint_hand_back(host->store, row->trace_id, false);
        return;
    }
    if (hopeless && quarantine(host, row, why, &error) == ELG_OK)
        elg__passed_forget(host, row->trace_id); /* a retry begins anew */
    else if (hopeless)
        elg__warn(host, row->trace_id, error.where, error.text);
    elg_checkpoint_release(host->store, row->trace_id);
}

/* A claimed run, or one that the claim has quarantined, goes into hand. False: it could
 * not be loaded, and was let go. */
static bool take_row(struct elg_host *host, struct elg_run_row *row)
{
    struct elg_run_row kept;
    struct elg_error error;
    enum elg_status status = ELG_OK;
    elg_checkpoint_run_row_copy(row, &kept); /* what is taken moves */
    if (row->status == ELG_RUN_QUARANTINED)
        elg__warn(host, kept.trace_id, "", "quarantined; elg show tells why");
    else
        status = elg_checkpoint_fetch(host->store, row, &error);
    if (status == ELG_OK && row->status != ELG_RUN_QUARANTINED)
        status = elg__run_take(host, row, &error);
    if (status == ELG_OK)
        elg__passed_forget(host, kept.trace_id);
    else
        refuse(host, &kept, &error);
    elg_checkpoint_run_row_fini(&kept);
    return status == ELG_OK;
}

static enum elg_status take(struct elg_host *host, struct elg_error *error)
{
    struct elg_serving *serving = &host->serving;
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg__claimed_next(host, &row, error);
    if (status != ELG_OK && status != ELG_NOT_FOUND) {
        elg__outage_warn(host, ELG_ASKED_WORK, error);
        return status;
    }
    elg__outage_over(host, ELG_ASKED_WORK);
    if (status == ELG_NOT_FOUND)
        return status;
    serving->refused_count = take_row(host, &row) ? 0 : serving->refused_count + 1;
    elg_checkpoint_run_row_fini(&row);
    return ELG_OK;
}

/* When to look next if nothing is told before. */
static void look_later(struct elg_host *host, int64_t now_us)
{
    struct elg_error error;
    struct elg_serving *serving = &host->serving;
    int64_t due_ms = INT64_MAX, wall_ms = elg_base_wall_ms(host->clock);
    int64_t passed_us = elg__passed_next_us(host, now_us);
    serving->look_us = now_us + ELG_SERVE_LOOK_US;
    if (passed_us < serving->look_us)
        serving->look_us = passed_us;
    if (elg_checkpoint_work_due(host->store, &due_ms, &error) != ELG_OK)
        return;
    if (due_ms > wall_ms + ELG_SERVE_LOOK_US / 1000)
        return;
    int64_t due_us = now_us + (due_ms > wall_ms ? due_ms - wall_ms : 0) * 1000;
    if (due_us < serving->look_us)
        serving->look_us = due_us;
}

void elg__serve(struct elg_host *host, int64_t now_us, int64_t until_us)
{
    struct elg_error error;
    struct elg_serving *serving = &host->serving;
    if (!serving->on)
        return;
    if (elg_checkpoint_work_poll(host->store))
        serving->look_us = 0;
    serving->asked_us = now_us;
    while ((serving->look_us <= now_us || elg__claimed_count(host) > 0) &&
           elg__claimed_room(host, false) > 0) {
        enum elg_status status = take(host, &error);
        bool all_refused = serving->refused_count >= ELG_SERVE_REFUSED_MAX;
        if (status == ELG_NOT_FOUND)
            look_later(host, now_us);
        else if (status != ELG_OK || all_refused)
            serving->look_us = now_us + ELG_SERVE_LOOK_US;
        if (all_refused)
            serving->refused_count = 0;
        now_us = elg_base_monotonic_us(host->clock);
        if (now_us >= until_us)
            break;
    }
}

int64_t elg__serve_next_us(const struct elg_host *host)
{
    const struct elg_serving *serving = &host->serving;
    if (!serving->on || elg__claimed_room(host, false) == 0)
        return INT64_MAX;
    if (elg__claimed_count(host) > 0)
        return 0;
    int64_t ask_us = serving->asked_us + ELG_SERVE_ASK_US;
    return serving->asks && ask_us < serving->look_us ? ask_us : serving->look_us;
}

/* ---- letting go
 * ------------------------------------------------------------------------------ */

/* When the run has something to do again, if it only waits for a time; INT64_MAX: it does
 * not. The run's own end must not come before. */
static int64_t waits_until_ms(const struct elg_host_run *hr)
{
    int64_t due_ms = INT64_MAX;
    if (hr->run->phase == ELG_PHASE_RETRY)
        due_ms = hr->run->row.due_ms;
    else if (hr->blocked && hr->calls_in_flight == 0 &&
             hr->run->row.status == ELG_RUN_WAITING)
        due_ms = elg__call_next_due_ms(hr);
    if (hr->limits.run_timeout_ms > 0 &&
        hr->run->row.started_at_ms + (int64_t)hr->limits.run_timeout_ms < due_ms)
        return INT64_MAX;
    return due_ms;
}

/* One that waits for signals only goes too: the store makes it due when one comes. */
bool elg__serve_park(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    int64_t due_ms = waits_until_ms(hr);
    bool soon =
        host->serving.on && due_ms - elg_base_wall_ms(host->clock) < ELG_SERVE_PARK_MS;
    if (!host->serving.parks || (due_ms == INT64_MAX ? !hr->idle : soon) ||
        (host->serving.on && elg__child_awaited(hr)))
        return false;
    elg__run_park(hr);
    return true;
}

size_t elg_host_drain(struct elg_host *host)
{
    assert(host != NULL);
    struct elg_host_run *next;
    host->serving.on = false;
    host->serving.parks = true;
    elg__claimed_stop(host);
    for (struct elg_host_run *hr = host->all; hr != NULL; hr = next) {
        next = hr->all_next;
        if (!hr->lost && !hr->ended && !hr->wanted && !hr->in_flight && !hr->ready)
            elg__serve_park(hr);
    }
    return elg_host_executing(host);
}
