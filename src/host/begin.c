/* begin: runs that begin: here and now, or submitted for any worker. Provides
 * elg_run_start, elg_run_submit. */
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "host/internal.h"
#include "host/public.h"
#include "json/json.h"

/* ---- start
 * -------------------------------------------------------------------------------- */

static enum elg_status check_trace(const char *trace_id, struct elg_error *error)
{
    size_t n = strlen(trace_id);
    bool good = n > 0 && n <= ELG_TRACE_BYTES_MAX;
    for (size_t i = 0; i < n && good; i++) {
        char c = trace_id[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z') || strchr("._:-", c) != NULL;
    }
    if (good)
        return ELG_OK;
    return elg_base_fail(error, ELG_USAGE, "trace",
                         "a trace id has 1 to %d characters of A-Z a-z 0-9 . _ : -",
                         ELG_TRACE_BYTES_MAX);
}

static enum elg_status choose_trace(struct elg_host *host, struct elg_run_row *row,
                                    struct elg_error *error)
{
    uint8_t bytes[10];
    if (elg_base_random_fill(host->random, bytes, sizeof bytes) != ELG_OK)
        return elg_base_fail(error, ELG_IO, "random", "the system gives no random bytes");
    elg_base_uuid_v7(elg_base_wall_ms(host->clock), bytes, row->trace_id);
    return ELG_OK;
}

static enum elg_status choose_seed(struct elg_host *host, const char *given,
                                   struct elg_run_row *row, struct elg_error *error)
{
    uint8_t bytes[16];
    if (given != NULL) {
        if (strlen(given) > ELG_NAME_BYTES_MAX ||
            elg_json_check_utf8(elg_base_bytes(given)) != strlen(given))
            return elg_base_fail(error, ELG_USAGE, "seed",
                                 "a seed is at most %d bytes of UTF-8",
                                 ELG_NAME_BYTES_MAX);
        snprintf(row->seed, sizeof row->seed, "%s", given);
        return ELG_OK;
    }
    if (elg_base_random_fill(host->random, bytes, sizeof bytes) != ELG_OK)
        return elg_base_fail(error, ELG_IO, "random", "the system gives no random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(row->seed + 2 * i, 3, "%02x", bytes[i]);
    return ELG_OK;
}

static enum elg_status read_input(struct elg_host *host,
                                  const struct elg_run_options *options,
                                  struct elg_run_row *row, struct elg_error *error)
{
    struct elg_bytes text = {(const uint8_t *)options->input, options->input_size};
    if (options->input == NULL)
        text = elg_base_bytes("{}");
    struct elg_buf canonical;
    elg_base_buf_init(&canonical, host->alloc);
    enum elg_status status = elg_json_canonicalize(host->alloc, text, &canonical, error);
    if (status == ELG_INVALID || status == ELG_LIMIT) {
        char where[ELG_ERROR_WHERE_MAX];
        snprintf(where, sizeof where, "input %.200s", error ? error->where : "");
        status = elg_base_fail(error, ELG_INVALID, where, "%s", error ? error->text : "");
    }
    if (status == ELG_OK && canonical.size > ELG_STATE_BYTES_MAX)
        status = elg_base_fail(error, ELG_INVALID, "input",
                               "larger than %u bytes; keep large data in an artifact",
                               ELG_STATE_BYTES_MAX);
    if (status == ELG_OK) {
        row->input = elg_base_blob_create(host->alloc, elg_base_buf_bytes(&canonical));
        if (row->input == NULL)
            status = elg_base_no_memory(error);
    }
    elg_base_buf_fini(&canonical);
    return status;
}

/* The value at a path such as "customer.id" of the input, as text; "": there is none. A
 * long one is told by its hash. */
static void write_limit_key(struct elg_host *host, const struct elg_json_value *value,
                            const char *path, char out[ELG_NAME_BYTES_MAX + 1])
{
    struct elg_buf *buf = &host->scratch;
    char name[ELG_NAME_BYTES_MAX + 1];
    while (value != NULL && *path != '\0') {
        size_t size = strcspn(path, ".");
        memcpy(name, path, size);
        name[size] = '\0';
        path += size + (path[size] == '.' ? 1 : 0);
        value = elg_json_get(value, name);
    }
    elg_base_buf_reset(buf);
    if (value != NULL && elg_json_type(value) != ELG_JSON_TYPE_NULL)
        elg_json_write_value(buf, value);
    out[0] = '\0';
    if (!buf->failed && buf->size > 0 && buf->size <= ELG_HASH_HEX_SIZE) {
        snprintf(out, ELG_NAME_BYTES_MAX + 1, "%.*s", (int)buf->size,
                 (const char *)buf->data);
    } else if (!buf->failed && buf->size > 0) {
        struct elg_hash hash;
        elg_base_sha256(host->sha, elg_base_buf_bytes(buf), &hash);
        elg_base_hash_hex(&hash, out);
    }
}

/* What its graph says of how many are taken up. */
static enum elg_status fill_quota(struct elg_host *host, struct elg_graph *graph,
                                  struct elg_run_row *row, struct elg_error *error)
{
    const struct elg_graph_limits *limits = elg_graph_limits(graph->data);
    struct elg_json_doc *doc;
    row->quota.priority = elg_graph_priority(graph->data);
    row->quota.running_max = limits->running_max;
    row->quota.rate_count = limits->rate_ms > 0 ? limits->rate_count : 0;
    row->quota.rate_ms = limits->rate_count > 0 ? limits->rate_ms : 0;
    if (limits->key_running_max == 0)
        return ELG_OK;
    enum elg_status status =
        elg_json_parse(host->alloc, elg_base_blob_bytes(row->input), &doc, error);
    if (status != ELG_OK)
        return status;
    write_limit_key(host, elg_json_root(doc), limits->key, row->quota.key);
    elg_json_doc_destroy(doc);
    if (row->quota.key[0] != '\0')
        row->quota.key_running_max = limits->key_running_max;
    return ELG_OK;
}

static enum elg_status fill_row(struct elg_host *host, struct elg_graph *graph,
                                const struct elg_run_options *options,
                                struct elg_run_row *row, struct elg_error *error)
{
    struct elg_limits limits;
    enum elg_status status = ELG_OK;
    memset(row, 0, sizeof *row);
    if (options->trace_id != NULL) {
        status = check_trace(options->trace_id, error);
        snprintf(row->trace_id, sizeof row->trace_id, "%s", options->trace_id);
    } else {
        status = choose_trace(host, row, error);
    }
    if (status == ELG_OK)
        status = choose_seed(host, options->seed, row, error);
    if (status == ELG_OK)
        status = read_input(host, options, row, error);
    if (status != ELG_OK)
        return status;
    snprintf(row->graph_id, sizeof row->graph_id, "%s", elg_graph_id(graph->data));
    snprintf(row->graph_version, sizeof row->graph_version, "%s",
             elg_graph_version(graph->data));
    row->graph_hash = graph->hash;
    row->status = ELG_RUN_RUNNING;
    row->epoch = 1;
    row->created_at_ms = elg_base_wall_ms(host->clock);
    status = fill_quota(host, graph, row, error);
    if (status != ELG_OK)
        return status;
    elg__limits_of_options(&host->options, &limits);
    row->limits = elg__limits_write(host->alloc, &limits);
    return row->limits != NULL ? ELG_OK : elg_base_no_memory(error);
}

/* What is looked for under a name. */
struct wanted {
    const struct elg_run_row *row;
    bool by_key; /* what a key names may have another version of the graph by now */
    bool seeded; /* a seed was given */
};

/* NULL: nothing. */
static const char *difference(const struct elg_run_row *have, const struct wanted *wanted)
{
    const struct elg_run_row *want = wanted->row;
    bool same_graph = wanted->by_key
                          ? strcmp(have->graph_id, want->graph_id) == 0
                          : elg_base_hash_equal(&have->graph_hash, &want->graph_hash);
    if (!same_graph)
        return "graph";
    if (!elg_base_bytes_equal(elg_base_blob_bytes(have->input),
                              elg_base_blob_bytes(want->input)))
        return "input";
    return wanted->seeded && strcmp(have->seed, want->seed) != 0 ? "seed" : NULL;
}

static enum elg_status same_run(const struct elg_run_row *have,
                                const struct wanted *wanted, struct elg_error *error)
{
    const char *what = difference(have, wanted);
    const char *name = wanted->by_key ? "key" : "trace";
    if (what == NULL)
        return ELG_OK;
    return elg_base_fail(error, ELG_EXISTS, wanted->row->trace_id,
                         "a run of this %s exists with another %s; choose another %s",
                         name, what, name);
}

/* A run of that trace may be there already: *exists says so, if it is the same. */
static enum elg_status look_for(struct elg_host *host, const struct wanted *wanted,
                                bool *exists, struct elg_error *error)
{
    const char *trace_id = wanted->row->trace_id;
    struct elg_host_run *hr = elg__run_find(host, trace_id);
    *exists = true;
    if (hr != NULL)
        return same_run(&hr->run->row, wanted, error);
    struct elg_run_row have;
    memset(&have, 0, sizeof have);
    enum elg_status status = elg_checkpoint_run_get(host->store, trace_id, &have, error);
    if (status == ELG_NOT_FOUND) {
        *exists = false;
        return ELG_OK;
    }
    if (status == ELG_OK) {
        status = same_run(&have, wanted, error);
        elg_checkpoint_run_row_fini(&have);
    }
    return status;
}

static enum elg_status start_new(struct elg_host *host, struct elg_graph *graph,
                                 struct elg_run_row *row, bool drawn,
                                 struct elg_error *error)
{
    struct elg_host_run *hr;
    host->lapses_claimed = elg_checkpoint_lease_lapses(host->store);
    enum elg_status status = elg__graph_keep(graph, error);
    if (status == ELG_OK)
        status = (drawn ? elg_checkpoint_reserve_new
                        : elg_checkpoint_reserve)(host->store, row->trace_id, error);
    if (status != ELG_OK)
        return status;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    snprintf(trace_id, sizeof trace_id, "%s", row->trace_id);
    status = elg__run_load(host, row, true, graph, &hr, error);
    if (status != ELG_OK)
        elg_checkpoint_release(host->store, trace_id);
    return status;
}

static void tell_begun(const char *trace_id, bool is_new, char *trace_out,
                       size_t trace_size, bool *created)
{
    if (trace_out != NULL)
        snprintf(trace_out, trace_size, "%s", trace_id);
    if (created != NULL)
        *created = is_new;
}

enum elg_status elg__run_start(struct elg_host *host, struct elg_graph *graph,
                               const struct elg_run_options *options, char *trace_out,
                               size_t trace_size, bool *created, struct elg_error *error)
{
    struct elg_run_row row;
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    const struct wanted wanted = {&row, false, options->seed != NULL};
    bool exists = false;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (host->run_count >= ELG_CONCURRENCY_MAX)
        return elg_base_fail(error, ELG_LIMIT, "host", "more than %d runs in hand",
                             ELG_CONCURRENCY_MAX);
    enum elg_status status = fill_row(host, graph, options, &row, error);
    memcpy(trace_id, row.trace_id,
           sizeof trace_id); /* a run that is begun takes the row */
    if (status == ELG_OK && options->trace_id != NULL)
        status = look_for(host, &wanted, &exists, error);
    if (status == ELG_OK && exists)
        status = elg__run_resume(host, row.trace_id, error);
    else if (status == ELG_OK)
        status = start_new(host, graph, &row, options->trace_id == NULL, error);
    elg_checkpoint_run_row_fini(&row);
    if (status == ELG_OK)
        tell_begun(trace_id, !exists, trace_out, trace_size, created);
    return status;
}

/* ---- submit
 * ------------------------------------------------------------------------------- */

/* "key-" and half of a hash. */
static enum elg_status trace_of_key(struct elg_host *host, struct elg_graph *graph,
                                    const char *key, char out[ELG_TRACE_BYTES_MAX + 1],
                                    struct elg_error *error)
{
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_hash hash;
    struct elg_bytes bytes = elg_base_bytes(key);
    struct elg_buf *buf = &host->scratch;
    if (bytes.size == 0 || bytes.size > ELG_KEY_BYTES_MAX ||
        elg_json_check_utf8(bytes) != bytes.size)
        return elg_base_fail(error, ELG_USAGE, "key", "a key is 1 to %d bytes of UTF-8",
                             ELG_KEY_BYTES_MAX);
    elg_base_buf_reset(buf);
    elg_base_buf_append_str(buf, "elg.key/1 ");
    elg_json_write_string(buf, elg_base_bytes(elg_graph_id(graph->data)), NULL);
    elg_json_write_string(buf, bytes, NULL);
    if (buf->failed)
        return elg_base_no_memory(error);
    elg_base_sha256(host->sha, elg_base_buf_bytes(buf), &hash);
    elg_base_hash_hex(&hash, hex);
    snprintf(out, ELG_TRACE_BYTES_MAX + 1, "key-%.32s", hex);
    return ELG_OK;
}

static enum elg_status submit_options(struct elg_host *host, struct elg_graph *graph,
                                      const struct elg_submit_options *options,
                                      char trace_id[ELG_TRACE_BYTES_MAX + 1],
                                      struct elg_run_options *out,
                                      struct elg_error *error)
{
    *out = options->run;
    if (host->options.read_only)
        return elg_base_fail(error, ELG_USAGE, "host", "opened read-only");
    if (options->key == NULL)
        return ELG_OK;
    if (out->trace_id != NULL)
        return elg_base_fail(error, ELG_USAGE, "key",
                             "a run is named by its trace or by its key, not by both");
    out->trace_id = trace_id;
    return trace_of_key(host, graph, options->key, trace_id, error);
}

/* The row's one turn; ELG_EXISTS: somebody was faster. */
static enum elg_status submit_write(struct elg_host *host, struct elg_run_row *row,
                                    struct elg_error *error)
{
    struct elg_turn turn = {.create = true, .run = row};
    row->status = ELG_RUN_PENDING;
    row->epoch = 0; /* its first claim makes it 1 */
    elg_checkpoint_chain_begin(host->sha, row, &row->chain);
    elg__commit_wait(host);
    enum elg_status status = elg_checkpoint_commit(host->store, &turn, 1, error);
    if (status != ELG_OK || turn.result == ELG_OK)
        return status;
    return elg_base_fail(error, turn.result, row->trace_id,
                         "the store refused the run (%s)", elg_status_name(turn.result));
}

/* A trace that is chosen by others is reserved, so that a run of that name which is about
 * to begin elsewhere is not overtaken. */
static enum elg_status submit_row(struct elg_host *host, struct elg_graph *graph,
                                  struct elg_run_row *row, bool named,
                                  struct elg_error *error)
{
    enum elg_status status = elg__graph_keep(graph, error);
    if (status == ELG_OK && named)
        status = elg_checkpoint_reserve(host->store, row->trace_id, error);
    if (status != ELG_OK)
        return status;
    status = submit_write(host, row, error);
    if (named)
        elg_checkpoint_release(host->store, row->trace_id);
    return status;
}

enum elg_status elg__run_submit(struct elg_host *host, struct elg_graph *graph,
                                const struct elg_submit_options *options, char *trace_out,
                                size_t trace_size, bool *created, struct elg_error *error)
{
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    struct elg_run_options run;
    struct elg_run_row row = {.status = ELG_RUN_PENDING};
    bool exists = false;
    const struct wanted wanted = {&row, options->key != NULL, options->run.seed != NULL};
    enum elg_status status = submit_options(host, graph, options, trace_id, &run, error);
    if (status == ELG_OK)
        status = fill_row(host, graph, &run, &row, error);
    bool named = run.trace_id != NULL;
    if (status == ELG_OK && options->priority != NULL)
        row.quota.priority = *options->priority;
    if (status == ELG_OK && named)
        status = look_for(host, &wanted, &exists, error);
    if (status == ELG_OK && !exists) {
        status = submit_row(host, graph, &row, named, error);
        if (named && (status == ELG_EXISTS || status == ELG_BUSY)) {
            enum elg_status found = look_for(host, &wanted, &exists, error);
            status = exists || found != ELG_OK ? found : status;
        }
    }
    host->serving.look_us = 0; /* it may be for this host */
    if (status == ELG_OK)
        tell_begun(row.trace_id, !exists, trace_out, trace_size, created);
    elg_checkpoint_run_row_fini(&row);
    return status;
}
