/* children: runs that a run begins and waits for (ctx.run, ctx.map).
 *
 * A child's row goes with the turn of its call's intent: it is there exactly if the call
 * may be waited for. Its end is a signal to its parent in the transaction of that end;
 * what consumes the signal goes with the recorded result. So after any crash the store
 * alone says which children there are, which have ended, and whose result is recorded.
 */
#include <stdio.h>
#include <string.h>

#include "host/children.h"
#include "host/public.h"
#include "json/json.h"

#define TRACE_BASE_MAX 60 /* bytes of the trace that a family's traces begin with */
#define KEY_HEX_SIZE 32   /* of the call's idempotency key, in the child's trace */
#define KEY_BYTES (KEY_HEX_SIZE / 2)

/* ---- what a child is
 * -------------------------------------------------------------------------- */

/* The family's readable part, and half of the key, which is a hash of parent, step, seq
 * and request: the same over crashes and attempts. */
void elg__child_trace(const struct elg_host_run *hr, const struct elg_hash *key,
                      char out[ELG_TRACE_BYTES_MAX + 1])
{
    char hex[ELG_HASH_HEX_SIZE];
    const struct elg_run_row *parent = &hr->run->row;
    size_t size = strlen(parent->trace_id);
    if (parent->depth > 0 && size > KEY_HEX_SIZE + 1)
        size -= KEY_HEX_SIZE + 1;
    if (size > TRACE_BASE_MAX)
        size = TRACE_BASE_MAX;
    elg_base_hash_hex(key, hex);
    snprintf(out, ELG_TRACE_BYTES_MAX + 1, "%.*s.%.*s", (int)size, parent->trace_id,
             KEY_HEX_SIZE, hex);
}

static void seed_of(const struct elg_host_run *hr, struct elg_run_row *child)
{
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_hash hash;
    struct elg_sha256 *sha = hr->host->sha;
    elg_base_sha256_begin(sha);
    elg_base_sha256_add(sha, hr->run->row.seed, strlen(hr->run->row.seed) + 1);
    elg_base_sha256_add(sha, child->trace_id, strlen(child->trace_id));
    elg_base_sha256_end(sha, &hash);
    elg_base_hash_hex(&hash, hex);
    snprintf(child->seed, sizeof child->seed, "%.32s", hex);
}

/* The request's graph, kept in the store, and its input. */
static enum elg_status read_request(struct elg_host_run *hr, const struct elg_wait *wait,
                                    struct elg_run_row *row, struct elg_error *error)
{
    struct elg_json_doc *doc;
    struct elg_graph *graph = NULL;
    struct elg_buf input;
    const struct elg_alloc *alloc = hr->host->alloc;
    enum elg_status status =
        elg_json_parse(alloc, elg_base_blob_bytes(wait->prepared.request), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    elg_base_buf_init(&input, alloc);
    elg_json_write_value(&input, elg_json_get(root, "input"));
    row->input = elg_base_blob_create(alloc, elg_base_buf_bytes(&input));
    status = row->input == NULL || input.failed
                 ? elg_base_no_memory(error)
                 : elg__graph_child(
                       hr->graph,
                       (const char *)elg_json_string(elg_json_get(root, "graph")).data,
                       &graph, error);
    elg_base_buf_fini(&input);
    elg_json_doc_destroy(doc);
    if (status == ELG_OK)
        status = elg__graph_keep(graph, error);
    if (status != ELG_OK)
        return status;
    row->graph_hash = graph->hash;
    snprintf(row->graph_id, sizeof row->graph_id, "%s", elg_graph_id(graph->data));
    snprintf(row->graph_version, sizeof row->graph_version, "%s",
             elg_graph_version(graph->data));
    return ELG_OK;
}

static enum elg_status make(struct elg_host_run *hr, const struct elg_wait *wait,
                            struct elg_run_row *row, struct elg_error *error)
{
    const struct elg_run_row *parent = &hr->run->row;
    memset(row, 0, sizeof *row);
    row->status = ELG_RUN_PENDING;
    if (parent->depth >= ELG_CHILD_DEPTH_MAX)
        return elg_base_fail(error, ELG_LIMIT, parent->trace_id,
                             "%d runs are above this one already; a run at that depth "
                             "begins no other",
                             ELG_CHILD_DEPTH_MAX);
    elg__child_trace(hr, &wait->prepared.key, row->trace_id);
    snprintf(row->parent_trace_id, sizeof row->parent_trace_id, "%s", parent->trace_id);
    row->parent_step = (int64_t)parent->step_count;
    row->parent_seq = wait->seq;
    row->depth = parent->depth + 1;
    row->limits = elg_base_blob_ref(parent->limits);
    seed_of(hr, row);
    enum elg_status status = read_request(hr, wait, row, error);
    if (status == ELG_OK)
        elg_checkpoint_chain_begin(hr->host->sha, row, &row->chain);
    return status;
}

/* ---- beginning
 * ------------------------------------------------------------------------------- */

/* The call fails without a child: that is its recorded result. */
void elg__child_refuse(struct elg_wait *wait, const char *code, const char *message)
{
    struct elg_buf *buf = &wait->owner->host->scratch;
    elg_base_buf_reset(buf);
    elg_activity_write_error(buf, code, message);
    if (elg__call_record(wait->owner, wait->seq, ELG_ACTIVITY_DONE,
                         elg_base_buf_bytes(buf)))
        elg__call_over(wait);
}

/* The intent and, unless an interceptor may want the call, the child: one turn. */
static void begin(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    struct elg_error error;
    struct elg_run_row row = {.status = ELG_RUN_PENDING};
    bool alone = elg_activity_is_intercepted(hr->host->performer) && !wait->declined;
    enum elg_status status = alone ? ELG_OK : make(hr, wait, &row, &error);
    if (status == ELG_OK)
        status = elg_executor_open(hr->run, &error);
    if (status == ELG_OK && !alone)
        status = elg_executor_child(hr->run, &row, &error);
    if (status == ELG_OK)
        status = elg_executor_intent(hr->run, wait->seq, 0, &error);
    elg_checkpoint_run_row_fini(&row);
    if (status == ELG_OK)
        wait->state = ELG_WAIT_GATED;
    else if (status == ELG_NOT_FOUND || status == ELG_USAGE) /* or no name of a file */
        elg__child_refuse(wait, "NO_SUCH_GRAPH", error.text);
    else if (status == ELG_INVALID)
        elg__child_refuse(wait, "INVALID_GRAPH", error.text);
    else if (status == ELG_LIMIT)
        elg__child_refuse(wait, "LIMIT", error.text);
    else
        elg__turn_lose(hr, &error);
}

bool elg__child_is(const struct elg_wait *wait, enum elg_wait_state state)
{
    return wait->prepared.kind == ELG_ACTIVITY_RUN && wait->state == state;
}

void elg__child_begin(struct elg_host_run *hr)
{
    uint32_t in_flight = 0;
    if (hr->beginning)
        return;
    for (uint32_t i = 0; i < hr->wait_count; i++)
        in_flight += elg__child_is(&hr->waits[i], ELG_WAIT_GATED) ||
                     elg__child_is(&hr->waits[i], ELG_WAIT_STARTED);
    hr->beginning = true;
    for (uint32_t i = 0; i < hr->wait_count && in_flight < hr->children_max && !hr->lost;
         i++) {
        if (!elg__child_is(&hr->waits[i], ELG_WAIT_QUEUED))
            continue;
        begin(&hr->waits[i]);
        in_flight += i < hr->wait_count && hr->waits[i].state == ELG_WAIT_GATED;
    }
    hr->beginning = false;
    if (!hr->lost && elg_executor_dirty(hr->run))
        elg__commit_want(hr);
}

void elg__child_next(struct elg_host_run *hr)
{
    if (hr->blocked && !hr->lost)
        elg__child_begin(hr);
}

/* ---- taking up
 * ------------------------------------------------------------------------------- */

void elg__child_started(struct elg_wait *wait)
{
    struct elg_host_run *hr = wait->owner;
    struct elg_host *host = hr->host;
    if (elg_activity_is_intercepted(host->performer) && !wait->declined) {
        wait->declined = true; /* the call is to be performed: now it needs a child */
        wait->state = ELG_WAIT_QUEUED;
        elg__child_begin(hr);
        return;
    }
    if (hr->taking)
        return;
    hr->taking = true;
    hr->taking_next = host->taking;
    host->taking = hr;
}

void elg__child_forget(struct elg_host_run *hr)
{
    struct elg_host_run **link = &hr->host->taking;
    if (!hr->taking)
        return;
    while (*link != hr)
        link = &(*link)->taking_next;
    *link = hr->taking_next;
    hr->taking = false;
}

bool elg__child_awaited(const struct elg_host_run *hr)
{
    for (uint32_t i = 0; i < hr->wait_count; i++)
        if (elg__child_is(&hr->waits[i], ELG_WAIT_STARTED) && !hr->waits[i].offered)
            return true;
    return false;
}

/* ---- its end
 * --------------------------------------------------------------------------------- */

static bool take_output(void *self, const struct elg_step_row *step,
                        const struct elg_activity_row *activity)
{
    struct elg_buf *out = self;
    (void)activity;
    if (step == NULL || step->status != ELG_ATTEMPT_OK)
        return true;
    struct elg_bytes output = elg_base_blob_bytes(step->output);
    elg_base_buf_append(out, output.data, output.size);
    return false;
}

/* {"code","message","trace_id"}: the child's own, if it failed. */
static enum elg_status write_error(struct elg_host *host, const struct elg_run_row *row,
                                   struct elg_buf *out, struct elg_error *error)
{
    static const char *const CODES[] = {[ELG_RUN_TIMEOUT] = "TIMEOUT",
                                        [ELG_RUN_ABORTED] = "ABORTED",
                                        [ELG_RUN_DIVERGED] = "DIVERGED",
                                        [ELG_RUN_QUARANTINED] = "QUARANTINED"};
    struct elg_json_doc *doc;
    struct elg_bytes text = elg_base_blob_bytes(row->error);
    enum elg_status status = elg_json_parse(
        host->alloc, text.size > 0 ? text : elg_base_bytes("{}"), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_bytes code = elg_json_string(elg_json_get(root, "code"));
    struct elg_bytes message = elg_json_string(elg_json_get(root, "message"));
    if (row->status != ELG_RUN_FAILED)
        code = elg_base_bytes(CODES[row->status]);
    elg_base_buf_append_str(out, "{\"error\":{\"code\":");
    elg_json_write_string(out, code.size > 0 ? code : elg_base_bytes("FAILED"), NULL);
    elg_base_buf_append_str(out, ",\"message\":");
    elg_json_write_string(out, message, NULL);
    elg_base_buf_append_str(out, ",\"trace_id\":");
    elg_json_write_string(out, elg_base_bytes(row->trace_id), NULL);
    elg_base_buf_append_str(out, "}}");
    elg_json_doc_destroy(doc);
    return ELG_OK;
}

/* What the child came to, as the call's response; *ended false: it goes on. */
static enum elg_status write_answer(struct elg_host *host, const char *trace_id,
                                    struct elg_buf *out, bool *ended,
                                    struct elg_error *error)
{
    struct elg_run_row row;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_run_get(host->store, trace_id, &row, error);
    if (status != ELG_OK)
        return status;
    *ended = elg_checkpoint_status_ended(row.status);
    int64_t last = (int64_t)row.step_count - 1;
    if (row.status == ELG_RUN_COMPLETED) {
        elg_base_buf_append_str(out, "{\"value\":");
        status = elg_checkpoint_journal(host->store, trace_id, last, last, take_output,
                                        out, error);
        elg_base_buf_append_byte(out, '}');
    } else if (*ended) {
        status = write_error(host, &row, out, error);
    }
    elg_checkpoint_run_row_fini(&row);
    if (status == ELG_OK && out->failed)
        status = elg_base_no_memory(error);
    return status;
}

/* Records what an ended child came to; signal_no 0: its signal is consumed already. */
void elg__child_settle(struct elg_wait *wait, int64_t signal_no)
{
    struct elg_host_run *hr = wait->owner;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    struct elg_error error;
    struct elg_buf answer;
    bool ended = false;
    elg__child_trace(hr, &wait->prepared.key, trace_id);
    elg_base_buf_init(&answer, hr->host->alloc);
    enum elg_status status = write_answer(hr->host, trace_id, &answer, &ended, &error);
    if (status == ELG_OK && ended && signal_no != 0)
        status = elg_executor_use_signal(hr->run, wait->seq, signal_no, &error);
    if (status != ELG_OK)
        elg__turn_lose(hr, &error);
    else if (ended && elg__call_record(hr, wait->seq, ELG_ACTIVITY_DONE,
                                       elg_base_buf_bytes(&answer)))
        elg__call_over(wait);
    elg_base_buf_fini(&answer);
}

struct ended_child {
    int64_t signal_no;
    uint8_t key[KEY_BYTES];
};

/* The trace in the signal's key ends with the call's key. */
static bool note_ended(void *self, const struct elg_signal_row *row)
{
    struct elg_buf *list = self;
    struct ended_child child = {.signal_no = row->signal_no};
    size_t size = strlen(row->key);
    for (size_t i = 0; i < KEY_HEX_SIZE && size > KEY_HEX_SIZE; i++) {
        char c = row->key[size - KEY_HEX_SIZE + i];
        int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
        child.key[i / 2] = (uint8_t)(child.key[i / 2] << 4 | (digit & 15));
    }
    elg_base_buf_append(list, &child, sizeof child);
    return !list->failed;
}

static struct elg_wait *find_wait(struct elg_host_run *hr,
                                  const struct ended_child *child)
{
    for (uint32_t i = 0; i < hr->wait_count; i++) {
        struct elg_wait *wait = &hr->waits[i];
        if (elg__child_is(wait, ELG_WAIT_STARTED) && !wait->offered &&
            memcmp(wait->prepared.key.bytes, child->key, KEY_BYTES) == 0)
            return wait;
    }
    return NULL;
}

void elg__child_look(struct elg_host_run *hr)
{
    struct elg_error error;
    struct elg_buf list;
    int64_t last = 0;
    if (!elg__child_awaited(hr))
        return;
    elg_base_buf_init(&list, hr->host->alloc);
    enum elg_status status =
        elg_checkpoint_signals(hr->host->store, hr->run->row.trace_id, ELG_SIGNAL_CHILD,
                               hr->child_seen, note_ended, &list, &last, &error);
    if (status == ELG_OK && list.failed)
        status = elg_base_no_memory(&error);
    if (status == ELG_OK && last < hr->signals_seen)
        hr->signals_seen = last;
    if (status != ELG_OK)
        elg__turn_lose(hr, &error);
    size_t count = status == ELG_OK ? list.size / sizeof(struct ended_child) : 0;
    for (size_t i = 0; i < count && hr->blocked && !hr->lost; i++) {
        struct ended_child child;
        memcpy(&child, list.data + i * sizeof child, sizeof child);
        struct elg_wait *wait = find_wait(hr, &child);
        hr->child_seen = child.signal_no;
        if (wait != NULL)
            elg__child_settle(wait, child.signal_no);
    }
    elg_base_buf_fini(&list);
}

/* ---- the end of a run that has a parent or children
 * ------------------------------------------------------------------- */

static void note_child(void *self, const char *trace_id)
{
    elg_base_buf_append(self, trace_id, strlen(trace_id) + 1);
}

/* The store has requested their aborts; those that no live process has are taken up to
 * carry them out. */
static void end_children(struct elg_host *host, const char *trace_id)
{
    struct elg_error error;
    struct elg_buf list;
    elg_base_buf_init(&list, host->alloc);
    enum elg_status status =
        elg_checkpoint_children(host->store, trace_id, note_child, &list, &error);
    if (status == ELG_OK && list.failed)
        status = elg_base_no_memory(&error);
    for (size_t at = 0; status == ELG_OK && at < list.size;) {
        const char *child = (const char *)list.data + at;
        struct elg_host_run *hr = elg__run_find(host, child);
        if (hr != NULL) {
            hr->abort_requested = true;
            elg__loop_ready(hr);
        } else {
            status = elg__run_resume(host, child, &error);
        }
        if (status == ELG_BUSY)
            status = ELG_OK; /* its owner sees the request */
        at += strlen(child) + 1;
    }
    if (status != ELG_OK) /* whoever takes them up next carries it out */
        elg__warn(host, trace_id, error.where, error.text);
    elg_base_buf_fini(&list);
}

void elg__child_ended(struct elg_host_run *hr)
{
    struct elg_host *host = hr->host;
    struct elg_run_row row = hr->run->row; /* of names only */
    struct elg_turn turn = {.run = &row};
    bool ends_children = elg_checkpoint_turn_ends_children(&turn);
    elg__run_forget(hr);
    struct elg_host_run *parent =
        row.parent_trace_id[0] ? elg__run_find(host, row.parent_trace_id) : NULL;
    if (parent != NULL && parent->blocked)
        elg__wait_look(parent);
    if (ends_children && !host->closing)
        end_children(host, row.trace_id);
}
