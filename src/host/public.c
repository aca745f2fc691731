/* public: the functions of elg.h as they are called from outside, with what all of them
 * have in common: a pointer that must be there is asserted, of success the error is
 * cleared, one of ELG_CORRUPT names the store and the way out. The work is in the files
 * that public.h stands for. Functions without a status are where their work is.
 */
#include "host/public.h"

#include <assert.h>
#include <string.h>

#include "host/internal.h"

#define UUID_CHARACTERS 36 /* also "key-" and half a hash */
#define FUEL_MAX 9000000000000000u

static const char WAY_OUT[] = "restore it from a copy";

/* The parts that find the damage do not all know whose it is. */
static void name_store(const struct elg_host *host, struct elg_error *error)
{
    char text[ELG_ERROR_TEXT_MAX];
    const char *name = elg_checkpoint_name(host->store);
    bool named = strstr(error->where, name) != NULL || strstr(error->text, name) != NULL;
    bool way_out = strstr(error->text, WAY_OUT) != NULL;
    if (named && way_out)
        return;
    memcpy(text, error->text, sizeof text);
    elg_base_fail(error, error->status, error->where, "%.*s%s%.256s%s%s",
                  ELG_ERROR_TEXT_MAX - 320, text, named ? "" : "; in the store ",
                  named ? "" : name, way_out ? "" : "; ", way_out ? "" : WAY_OUT);
}

static enum elg_status leave(const struct elg_host *host, enum elg_status status,
                             struct elg_error *error)
{
    if (status == ELG_OK)
        elg_base_error_clear(error);
    else if (status == ELG_CORRUPT && error != NULL)
        name_store(host, error);
    return status;
}

/* ---- host
 * ------------------------------------------------------------------------------------ */

/* Options that a type allows and a run could not be read with again. */
static enum elg_status check_options(const struct elg_host_options *options,
                                     struct elg_error *error)
{
    if (options->abi_version != ELG_ABI_VERSION)
        return elg_base_fail(error, ELG_USAGE, "abi_version",
                             "the caller was built for version %u, this library is %d",
                             options->abi_version, ELG_ABI_VERSION);
    if (options->durability != ELG_DURABILITY_EFFECT &&
        options->durability != ELG_DURABILITY_SYNC)
        return elg_base_fail(error, ELG_USAGE, "durability",
                             "%d is no enum elg_durability", (int)options->durability);
    if (options->checkpoint_interval > ELG_STEPS_PER_RUN_MAX)
        return elg_base_fail(error, ELG_USAGE, "checkpoint_interval", "at most %d",
                             ELG_STEPS_PER_RUN_MAX);
    if (options->fuel_max > FUEL_MAX)
        return elg_base_fail(error, ELG_USAGE, "fuel_max", "at most %llu",
                             (unsigned long long)FUEL_MAX);
    return ELG_OK;
}

enum elg_status elg_host_open(const struct elg_host_options *options,
                              struct elg_host **out, struct elg_error *error)
{
    assert(options != NULL && out != NULL);
    enum elg_status status = check_options(options, error);
    if (status == ELG_OK)
        status = elg__host_open(options, out, error);
    if (status == ELG_OK)
        elg_base_error_clear(error);
    return status;
}

enum elg_status elg_host_tick(struct elg_host *host, int64_t budget_us, size_t *active,
                              struct elg_error *error)
{
    assert(host != NULL && active != NULL);
    *active = 0;
    if (atomic_load(&host->tick_began_us) != 0)
        return elg_base_fail(error, ELG_USAGE, "tick",
                             "called from within itself; a callback must not tick");
    return leave(host, elg__host_tick(host, budget_us, active, error), error);
}

enum elg_status elg_host_serve(struct elg_host *host,
                               const struct elg_serve_options *options,
                               struct elg_error *error)
{
    assert(host != NULL && options != NULL);
    return leave(host, elg__host_serve(host, options, error), error);
}

enum elg_status elg_host_register(struct elg_host *host, const char *name,
                                  elg_activity_fn fn, elg_activity_cancel_fn cancel,
                                  void *self, struct elg_error *error)
{
    assert(host != NULL && name != NULL && fn != NULL);
    return leave(host, elg__host_register(host, name, fn, cancel, self, error), error);
}

enum elg_status elg_host_intercept(struct elg_host *host, elg_intercept_fn fn, void *self,
                                   struct elg_error *error)
{
    assert(host != NULL && fn != NULL);
    return leave(host, elg__host_intercept(host, fn, self, error), error);
}

enum elg_status elg_host_gc(struct elg_host *host, const struct elg_gc_options *options,
                            struct elg_text *out, struct elg_error *error)
{
    assert(host != NULL && options != NULL && out != NULL);
    return leave(host, elg__host_gc(host, options, out, error), error);
}

/* ---- graphs
 * ------------------------------------------------------------------------------------ */

enum elg_status elg_graph_open(struct elg_host *host, const char *path,
                               struct elg_graph **out, struct elg_error *error)
{
    assert(host != NULL && path != NULL && out != NULL);
    return leave(host, elg__graph_open(host, path, out, error), error);
}

enum elg_status elg_graph_open_stored(struct elg_host *host, const char *graph_hash,
                                      struct elg_graph **out, struct elg_error *error)
{
    assert(host != NULL && graph_hash != NULL && out != NULL);
    return leave(host, elg__graph_open_stored(host, graph_hash, out, error), error);
}

enum elg_status elg_graph_describe(struct elg_graph *graph, struct elg_text *out,
                                   struct elg_error *error)
{
    assert(graph != NULL && out != NULL);
    return leave(graph->host, elg__graph_describe(graph, out, error), error);
}

enum elg_status elg_graph_check_file(struct elg_host *host, const char *path,
                                     struct elg_text *out, struct elg_error *error)
{
    assert(host != NULL && path != NULL && out != NULL);
    return leave(host, elg__graph_check_file(host, path, out, error), error);
}

const char *elg_graph_hash(const struct elg_graph *graph)
{
    assert(graph != NULL);
    return graph->hash_hex;
}

static enum elg_status check_graph(const struct elg_host *host,
                                   const struct elg_graph *graph, struct elg_error *error)
{
    if (graph->host == host)
        return ELG_OK;
    return elg_base_fail(error, ELG_USAGE, elg_graph_id(graph->data),
                         "this graph was opened by another host; open it with this one");
}

/* ---- runs
 * ------------------------------------------------------------------------------------ */

/* What a run is begun with: the graph is this host's, and the trace will have room. */
static enum elg_status check_start(const struct elg_host *host,
                                   const struct elg_graph *graph, const char *trace_id,
                                   const char *trace_out, size_t trace_size,
                                   struct elg_error *error)
{
    size_t size = (trace_id != NULL ? strlen(trace_id) : UUID_CHARACTERS) + 1;
    enum elg_status status = check_graph(host, graph, error);
    if (status == ELG_OK && trace_out != NULL && trace_size < size &&
        size <= ELG_TRACE_BYTES_MAX + 1)
        return elg_base_fail(error, ELG_USAGE, "trace_out",
                             "has %zu bytes; this trace id takes %zu, any takes at most "
                             "%d",
                             trace_size, size, ELG_TRACE_BYTES_MAX + 1);
    return status;
}

enum elg_status elg_run_start(struct elg_host *host, struct elg_graph *graph,
                              const struct elg_run_options *options, char *trace_out,
                              size_t trace_size, bool *created, struct elg_error *error)
{
    assert(host != NULL && graph != NULL && options != NULL);
    enum elg_status status =
        check_start(host, graph, options->trace_id, trace_out, trace_size, error);
    if (status == ELG_OK)
        status =
            elg__run_start(host, graph, options, trace_out, trace_size, created, error);
    return leave(host, status, error);
}

enum elg_status elg_run_submit(struct elg_host *host, struct elg_graph *graph,
                               const struct elg_submit_options *options, char *trace_out,
                               size_t trace_size, bool *created, struct elg_error *error)
{
    assert(host != NULL && graph != NULL && options != NULL);
    enum elg_status status =
        check_start(host, graph, options->run.trace_id, trace_out, trace_size, error);
    if (status == ELG_OK)
        status =
            elg__run_submit(host, graph, options, trace_out, trace_size, created, error);
    return leave(host, status, error);
}

enum elg_status elg_run_resume(struct elg_host *host, const char *trace_id,
                               struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL);
    return leave(host, elg__run_resume(host, trace_id, error), error);
}

enum elg_status elg_run_abort(struct elg_host *host, const char *trace_id,
                              struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL);
    return leave(host, elg__run_abort(host, trace_id, error), error);
}

enum elg_status elg_run_retry(struct elg_host *host, const char *trace_id,
                              struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL);
    return leave(host, elg__run_retry(host, trace_id, error), error);
}

enum elg_status elg_run_signal(struct elg_host *host, const char *trace_id,
                               const struct elg_signal *signal, bool *created,
                               struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL && signal != NULL && signal->name != NULL);
    return leave(host, elg__run_signal(host, trace_id, signal, created, error), error);
}

enum elg_status elg_run_release(struct elg_host *host, const char *trace_id,
                                struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL);
    return leave(host, elg__run_release(host, trace_id, error), error);
}

enum elg_status elg_run_result(struct elg_host *host, const char *trace_id,
                               struct elg_text *out, struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL && out != NULL);
    return leave(host, elg__run_result(host, trace_id, out, error), error);
}

enum elg_status elg_run_show(struct elg_host *host, const char *trace_id, int64_t step,
                             struct elg_text *out, struct elg_error *error)
{
    if (step < 0)
        return elg_run_show_steps(host, trace_id, 0, -1, out, error);
    return elg_run_show_steps(host, trace_id, step, step, out, error);
}

enum elg_status elg_run_show_steps(struct elg_host *host, const char *trace_id,
                                   int64_t from, int64_t to, struct elg_text *out,
                                   struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL && out != NULL);
    if (from < 0 || to < -1)
        return elg_base_fail(error, ELG_USAGE, "steps",
                             "from %lld to %lld: steps count from 0, and -1 is the last",
                             (long long)from, (long long)to);
    return leave(host, elg__run_show_steps(host, trace_id, from, to, out, error), error);
}

enum elg_status elg_run_list(struct elg_host *host, const char *status,
                             bool (*row)(void *self, const char *json, size_t size),
                             void *self, struct elg_error *error)
{
    struct elg_list_options options = {.statuses = status, .row = row, .self = self};
    return elg_run_query(host, &options, error);
}

enum elg_status elg_run_query(struct elg_host *host,
                              const struct elg_list_options *options,
                              struct elg_error *error)
{
    assert(host != NULL && options != NULL && options->row != NULL);
    return leave(host, elg__run_query(host, options, error), error);
}

enum elg_status elg_run_replay(struct elg_host *host, const char *trace_id,
                               const struct elg_replay_options *options,
                               struct elg_text *out, struct elg_error *error)
{
    assert(host != NULL && trace_id != NULL && options != NULL && out != NULL);
    if (options->to < -1)
        return elg_base_fail(error, ELG_USAGE, "to",
                             "%lld: steps count from 0, and -1 is the last",
                             (long long)options->to);
    enum elg_status status = ELG_OK;
    if (options->graph != NULL)
        status = check_graph(host, options->graph, error);
    if (status == ELG_OK)
        status = elg__run_replay(host, trace_id, options, out, error);
    return leave(host, status, error);
}
