/* store: the wrapper around a back end.
 *
 * Provides elg_checkpoint_open and the functions over struct elg_store: checks arguments,
 * injects the faults that specs plant, calls the ops table. Must not know what a back end
 * does.
 */

#include "checkpoint/store.h"

#include <string.h>
#include <time.h>

/* ---- opening */

enum location { LOCATION_NONE, LOCATION_FILE, LOCATION_URL };

struct scheme {
    const char *prefix;
    const struct elg_checkpoint_ops *(*ops)(void);
    enum location location; /* what is behind the prefix; of a URL all is passed on */
    const char *artifacts;  /* appended to the location; NULL: there are none */
};

static const struct scheme SCHEMES[] = {
    {"memory:", elg_checkpoint_memory_ops, LOCATION_NONE, NULL},
    {"sqlite:", elg_checkpoint_sqlite_ops, LOCATION_FILE, "-artifacts"},
    {"postgres:", elg_checkpoint_postgres_ops, LOCATION_URL, NULL},
    {"postgresql:", elg_checkpoint_postgres_ops, LOCATION_URL, NULL},
};

static const struct scheme *scheme_of(const char *url)
{
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
        if (strncmp(url, SCHEMES[i].prefix, strlen(SCHEMES[i].prefix)) == 0)
            return &SCHEMES[i];
    }
    return NULL;
}

static enum elg_status location_check(const struct scheme *scheme, const char *url,
                                      struct elg_error *error)
{
    const char *location = url + strlen(scheme->prefix);
    if (scheme->location == LOCATION_NONE && *location != '\0')
        return elg_base_fail(error, ELG_USAGE, url,
                             "a store in memory has no name; "
                             "write memory:");
    if (scheme->location == LOCATION_FILE && *location == '\0')
        return elg_base_fail(error, ELG_USAGE, url,
                             "no file is named; write sqlite:PATH");
    if (scheme->location == LOCATION_FILE && strcmp(location, ":memory:") == 0)
        return elg_base_fail(error, ELG_USAGE, url,
                             "SQLite's own memory database cannot be shared by "
                             "connections; write memory:");
    return ELG_OK;
}

/* "" where there are none. NULL: no memory. */
static char *artifacts_of(const struct elg_alloc *alloc, const struct scheme *scheme,
                          const char *location)
{
    if (scheme->artifacts == NULL)
        return elg_base_strndup(alloc, "", 0);
    size_t location_size = strlen(location), suffix_size = strlen(scheme->artifacts);
    char *path = elg_base_realloc(alloc, NULL, 0, location_size + suffix_size + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, location, location_size);
    memcpy(path + location_size, scheme->artifacts, suffix_size + 1);
    return path;
}

static enum elg_status store_open(const struct scheme *scheme, const char *location,
                                  const struct elg_checkpoint_env *env,
                                  struct elg_store **out, struct elg_error *error)
{
    enum elg_status status = ELG_NO_MEMORY;
    struct elg_store *store = elg_base_calloc(env->alloc, sizeof *store);
    if (store == NULL)
        return elg_base_no_memory(error);
    store->alloc = env->alloc;
    store->ops = scheme->ops();
    store->read_only = env->read_only;
    store->artifacts = artifacts_of(env->alloc, scheme, location);
    if (store->artifacts == NULL) {
        elg_base_no_memory(error);
        goto fail_store;
    }
    status = store->ops->open(location, env, &store->self, error);
    if (status != ELG_OK)
        goto fail_artifacts;
    pthread_mutex_init(&store->mutex, NULL);
    *out = store;
    return ELG_OK;
fail_artifacts:
    elg_base_strfree(env->alloc, store->artifacts);
fail_store:
    elg_base_free(env->alloc, store, sizeof *store);
    return status;
}

enum elg_status elg_checkpoint_open(const char *url, const struct elg_checkpoint_env *env,
                                    struct elg_store **out, struct elg_error *error)
{
    const struct scheme *scheme = scheme_of(url);
    if (scheme == NULL) /* what looks like a URL may have a password in it (I14) */
        return elg_base_fail(error, ELG_USAGE, strchr(url, '@') ? "store" : url,
                             "not a store that this build knows; write sqlite:PATH, "
                             "postgres://... or memory:");
    enum elg_status status = location_check(scheme, url, error);
    if (status != ELG_OK)
        return status;
    if (scheme->location != LOCATION_URL)
        url += strlen(scheme->prefix);
    return store_open(scheme, url, env, out, error);
}

void elg_checkpoint_close(struct elg_store *store)
{
    if (store == NULL)
        return;
    store->ops->close(store->self);
    pthread_mutex_destroy(&store->mutex);
    elg_base_sha256_destroy(store->put_sha);
    elg_base_sha256_destroy(store->get_sha);
    elg_base_strfree(store->alloc, store->artifacts);
    elg_base_free(store->alloc, store, sizeof *store);
}

const char *elg_checkpoint_artifacts(const struct elg_store *store)
{
    return store->artifacts;
}

enum elg_status elg_checkpoint_payloads(struct elg_store *store,
                                        const struct elg_payload_ops *ops,
                                        struct elg_error *error)
{
    store->put_sha = elg_base_sha256_create(store->alloc);
    store->get_sha = elg_base_sha256_create(store->alloc);
    if (store->put_sha == NULL || store->get_sha == NULL)
        return elg_base_no_memory(error);
    store->payloads = *ops;
    return ELG_OK;
}

/* ---- faults */

void elg_checkpoint_fault(struct elg_store *store, const char *op, uint32_t skip,
                          uint32_t count, enum elg_status status, uint32_t delay_us)
{
    struct fault fault = {op != NULL, "", skip, count, status, delay_us};
    if (op != NULL)
        strncpy(fault.op, op, OP_NAME_BYTES_MAX);
    pthread_mutex_lock(&store->mutex);
    store->fault = fault;
    pthread_mutex_unlock(&store->mutex);
}

static void sleep_us(uint32_t delay_us)
{
    struct timespec rest = {delay_us / 1000000u, (long)(delay_us % 1000000u) * 1000};
    while (nanosleep(&rest, &rest) != 0)
        continue;
}

/* Takes one call of `op` from a planted fault. */
static enum elg_status fault_take(struct fault *fault, const char *op, uint32_t *delay_us)
{
    *delay_us = 0;
    if (!fault->planted || strcmp(fault->op, op) != 0)
        return ELG_OK;
    if (fault->delay_us > 0) {
        *delay_us = fault->delay_us;
        return ELG_OK;
    }
    if (fault->skip > 0) {
        fault->skip--;
        return ELG_OK;
    }
    if (fault->count == 0)
        return ELG_OK;
    fault->count--;
    return fault->status;
}

static enum elg_status fault_meet(struct elg_store *store, const char *op,
                                  struct elg_error *error)
{
    uint32_t delay_us;
    pthread_mutex_lock(&store->mutex);
    enum elg_status status = fault_take(&store->fault, op, &delay_us);
    pthread_mutex_unlock(&store->mutex);
    if (delay_us > 0)
        sleep_us(delay_us);
    if (status != ELG_OK)
        return elg_base_fail(error, status, op, "planted fault");
    return ELG_OK;
}

/* ---- arguments */

static bool trace_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == ':' || c == '-';
}

static enum elg_status trace_check(const char *trace_id, struct elg_error *error)
{
    size_t size = strnlen(trace_id, ELG_TRACE_BYTES_MAX + 1);
    if (size == 0 || size > ELG_TRACE_BYTES_MAX)
        return elg_base_fail(error, ELG_USAGE, "trace_id",
                             "a trace id has 1 to %d characters", ELG_TRACE_BYTES_MAX);
    for (size_t i = 0; i < size; i++) {
        if (!trace_char(trace_id[i]))
            return elg_base_fail(error, ELG_USAGE, "trace_id",
                                 "a trace id is made of letters, digits and . _ : -; "
                                 "byte %zu is not",
                                 i + 1);
    }
    return ELG_OK;
}

static enum elg_status write_check(const struct elg_store *store, const char *op,
                                   struct elg_error *error)
{
    if (store->read_only)
        return elg_base_fail(error, ELG_USAGE, op, "the store is open for reading only");
    return ELG_OK;
}

enum elg_status elg_store_enter(struct elg_store *store, const char *op, bool writes,
                                const char *trace_id, struct elg_error *error)
{
    enum elg_status status = writes ? write_check(store, op, error) : ELG_OK;
    if (status == ELG_OK && trace_id != NULL)
        status = trace_check(trace_id, error);
    if (status == ELG_OK)
        status = fault_meet(store, op, error);
    return status;
}

/* ---- the calls */

enum elg_status elg_checkpoint_graph_put(struct elg_store *store,
                                         const struct elg_graph_row *row,
                                         struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "graph_put", true, NULL, error);
    return status != ELG_OK ? status : store->ops->graph_put(store->self, row, error);
}

enum elg_status elg_checkpoint_graph_get(struct elg_store *store,
                                         const struct elg_hash *hash,
                                         struct elg_graph_row *out,
                                         struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "graph_get", false, NULL, error);
    return status != ELG_OK ? status
                            : store->ops->graph_get(store->self, hash, out, error);
}

enum elg_status elg_checkpoint_reserve(struct elg_store *store, const char *trace_id,
                                       struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "reserve", true, trace_id, error);
    return status != ELG_OK ? status : store->ops->reserve(store->self, trace_id, error);
}

enum elg_status elg_checkpoint_reserve_new(struct elg_store *store, const char *trace_id,
                                           struct elg_error *error)
{
    if (store->ops->reserve_new == NULL)
        return elg_checkpoint_reserve(store, trace_id, error);
    enum elg_status status = elg_store_enter(store, "reserve", true, trace_id, error);
    return status != ELG_OK ? status
                            : store->ops->reserve_new(store->self, trace_id, error);
}

/* A run's row as it came from the back end, with all its payloads. */
static enum elg_status fetched(struct elg_store *store, struct elg_run_row *out,
                               struct elg_error *error)
{
    enum elg_status status = elg_checkpoint_fetch(store, out, error);
    if (status != ELG_OK)
        elg_checkpoint_run_row_fini(out);
    return status;
}

/* One whose payloads cannot be fetched is let go, uncounted: it was not executed (I11).
 */
static enum elg_status claimed(struct elg_store *store, struct elg_run_row *out,
                               struct elg_error *error)
{
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    memcpy(trace_id, out->trace_id, sizeof trace_id);
    enum elg_status status = fetched(store, out, error);
    if (status != ELG_OK)
        store->ops->hand_back(store->self, trace_id, false);
    return status;
}

enum elg_status elg_checkpoint_claim(struct elg_store *store, const char *trace_id,
                                     struct elg_run_row *out, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "claim", true, trace_id, error);
    if (status == ELG_OK)
        status = store->ops->claim(store->self, trace_id, out, error);
    return status == ELG_OK ? claimed(store, out, error) : status;
}

void elg_checkpoint_release(struct elg_store *store, const char *trace_id)
{
    store->ops->release(store->self, trace_id);
}

/* A hash of zeros stands for none, and a run has these two. */
static enum elg_status run_check(const struct elg_run_row *run, struct elg_error *error)
{
    static const struct elg_hash NONE;
    if (elg_base_hash_equal(&run->graph_hash, &NONE))
        return elg_base_fail(error, ELG_USAGE, run->trace_id, "no graph hash");
    if (elg_base_hash_equal(&run->chain, &NONE))
        return elg_base_fail(error, ELG_USAGE, run->trace_id, "no chain");
    return trace_check(run->trace_id, error);
}

static enum elg_status commit_check(const struct elg_turn *turns, size_t turn_count,
                                    struct elg_error *error)
{
    if (turn_count > ELG_COMMIT_BATCH_TURNS_MAX)
        return elg_base_fail(error, ELG_USAGE, "commit", "%zu turns; at most %d at once",
                             turn_count, ELG_COMMIT_BATCH_TURNS_MAX);
    for (size_t i = 0; i < turn_count; i++) {
        enum elg_status status = run_check(turns[i].run, error);
        if (status != ELG_OK)
            return status;
    }
    return ELG_OK;
}

/* Large payloads first: they are durable before the rows that name them. */
static enum elg_status commit(struct elg_store *store, struct elg_turn *turns,
                              size_t turn_count, struct elg_error *error)
{
    struct elg_payload_turns payloads;
    enum elg_status status =
        elg_payload_turns_begin(store->alloc, &store->payloads, store->put_sha, turns,
                                turn_count, &payloads, error);
    if (status == ELG_OK)
        status = store->ops->commit(store->self, payloads.turns, turn_count, error);
    elg_payload_turns_end(&payloads, turns);
    return status;
}

enum elg_status elg_checkpoint_commit(struct elg_store *store, struct elg_turn *turns,
                                      size_t turn_count, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "commit", true, NULL, error);
    if (status == ELG_OK)
        status = commit_check(turns, turn_count, error);
    for (size_t i = 0; i < turn_count; i++)
        turns[i].result = status;
    if (status != ELG_OK || turn_count == 0)
        return status;
    status = commit(store, turns, turn_count, error);
    for (size_t i = 0; status != ELG_OK && i < turn_count; i++)
        turns[i].result = status;
    return status;
}

enum elg_status elg_checkpoint_run_get(struct elg_store *store, const char *trace_id,
                                       struct elg_run_row *out, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "run_get", false, trace_id, error);
    if (status == ELG_OK)
        status = store->ops->run_get(store->self, trace_id, out, error);
    return status == ELG_OK ? fetched(store, out, error) : status;
}

enum elg_status elg_checkpoint_journal(struct elg_store *store, const char *trace_id,
                                       int64_t from, int64_t to, elg_journal_row_fn row,
                                       void *row_self, struct elg_error *error)
{
    struct elg_payload_journal journal = {
        store->alloc, &store->payloads, store->get_sha, trace_id,
        row,          row_self,         ELG_OK,         error};
    enum elg_status status = elg_store_enter(store, "journal", false, trace_id, error);
    if (status == ELG_OK)
        status = store->ops->journal(store->self, trace_id, from, to,
                                     elg_payload_journal_row, &journal, error);
    return status == ELG_OK ? journal.status : status;
}

enum elg_status elg_checkpoint_abort_request(struct elg_store *store,
                                             const char *trace_id,
                                             struct elg_error *error)
{
    enum elg_status status =
        elg_store_enter(store, "abort_request", true, trace_id, error);
    return status != ELG_OK ? status
                            : store->ops->abort_request(store->self, trace_id, error);
}

enum elg_status elg_checkpoint_abort_poll(struct elg_store *store, elg_run_row_fn row,
                                          void *row_self, struct elg_error *error)
{
    enum elg_status status = elg_store_enter(store, "abort_poll", false, NULL, error);
    return status != ELG_OK ? status
                            : store->ops->abort_poll(store->self, row, row_self, error);
}

int64_t elg_checkpoint_lease_until_us(struct elg_store *store)
{
    return store->ops->lease_until_us(store->self);
}

int64_t elg_checkpoint_wall_ms(struct elg_store *store)
{
    return store->ops->wall_ms(store->self);
}
