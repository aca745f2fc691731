/* host: opens everything in order, closes it in mirror order. Provides elg_host_open,
 * _close, _register. */
#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/claimed.h"
#include "host/internal.h"
#include "host/public.h"

#define DEFAULT_STORE "sqlite:elg.db"

/* ---- options
 * --------------------------------------------------------------------------------- */

static char *copy(const struct elg_host *host, const char *s)
{
    return s ? elg_base_strndup(host->alloc, s, strlen(s)) : NULL;
}

static size_t list_size(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* Of a jail that names no host the list is empty. */
static bool copy_allow_net(struct elg_host *host, const char *const *list)
{
    static const char *const NONE[] = {NULL};
    if (list == NULL && host->options.jail)
        list = NONE;
    if (list == NULL)
        return true;
    size_t n = list_size(list);
    host->allow_net = elg_base_calloc(host->alloc, (n + 1) * sizeof *host->allow_net);
    if (host->allow_net == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((host->allow_net[i] = copy(host, list[i])) == NULL)
            return false;
    return true;
}

static void free_allow_net(struct elg_host *host)
{
    size_t n = list_size((const char *const *)host->allow_net);
    if (host->allow_net == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        elg_base_strfree(host->alloc, host->allow_net[i]);
    elg_base_free(host->alloc, host->allow_net, (n + 1) * sizeof *host->allow_net);
}

/* A helper lies beside the file that this code is in, or in ../libexec/elg of it. */
static char *find_helper(struct elg_host *host, const char *name)
{
    static const char *const PLACES[] = {"", "../libexec/elg/"};
    char folder[3000] = "", path[4096];
    Dl_info info;
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    const char *bases[2] = {n > 0 ? folder : "", ""};
    if (n > 0)
        folder[n] = '\0';
    if (dladdr((void *)(uintptr_t)find_helper, &info) != 0 && info.dli_fname != NULL)
        bases[1] = info.dli_fname;
    for (size_t b = 0; b < 2; b++) {
        const char *slash = strrchr(bases[b], '/');
        for (size_t i = 0; i < 2 && slash != NULL; i++) {
            int size = snprintf(path, sizeof path, "%.*s%s%s",
                                (int)(slash + 1 - bases[b]), bases[b], PLACES[i], name);
            if (size > 0 && (size_t)size < sizeof path && access(path, X_OK) == 0)
                return copy(host, path);
        }
    }
    return copy(host, name);
}

static enum elg_status take_options(struct elg_host *host,
                                    const struct elg_host_options *options,
                                    struct elg_error *error)
{
    char owner[256], name[128] = "";
    host->options = *options;
    gethostname(name, sizeof name - 1);
    snprintf(owner, sizeof owner, "pid %ld on %s", (long)getpid(), name);
    host->owner = copy(host, owner);
    host->store_url = copy(host, options->store ? options->store : DEFAULT_STORE);
    host->compiler_path = options->compiler ? copy(host, options->compiler)
                                            : find_helper(host, "elg-compile");
    host->jailer_path =
        options->jailer ? copy(host, options->jailer) : find_helper(host, "elg-jail");
    if (host->owner == NULL || host->store_url == NULL || host->compiler_path == NULL ||
        host->jailer_path == NULL || !copy_allow_net(host, options->allow_net))
        return elg_base_no_memory(error);
    return ELG_OK;
}

/* ---- clock: the store's, which all its workers share
 * ------------------------------------------------------------------------------------ */

static int64_t store_wall_ms(void *self)
{
    const struct elg_host *host = self;
    return elg_checkpoint_wall_ms(host->store);
}

static int64_t store_monotonic_us(void *self)
{
    (void)self;
    return elg_base_monotonic_us(elg_base_clock_system());
}

static const struct elg_clock_ops STORE_CLOCK = {1, store_wall_ms, store_monotonic_us};

/* ---- open
 * ------------------------------------------------------------------------------------ */

/* Artifacts lie in the folder that is named, or in the store itself if it has a place for
 * them, or in the folder beside it, or in memory. The store's large payloads are
 * artifacts too, but for those in memory. */
static enum elg_status open_artifacts(struct elg_host *host, struct elg_error *error)
{
    const char *folder = host->options.artifacts;
    struct elg_artifact_source *source = &host->artifact_source;
    enum elg_status status = ELG_OK;
    host->artifacts = copy(host, folder ? folder : elg_checkpoint_artifacts(host->store));
    if (host->artifacts == NULL)
        return elg_base_no_memory(error);
    host->artifacts_stored =
        folder == NULL && elg_checkpoint_artifact_source(host->store, source);
    if (!host->artifacts_stored && host->artifacts[0] == '\0')
        return ELG_OK;
    if (!host->artifacts_stored) {
        status = elg_activity_artifacts_open(host->alloc, host->artifacts, host->random,
                                             &host->payloads, error);
        if (status != ELG_OK)
            return status;
        elg_activity_artifacts_source(host->payloads, source);
    }
    struct elg_payload_ops ops = {source->self, source->put, source->get};
    return elg_checkpoint_payloads(host->store, &ops, error);
}

static enum elg_status open_store(struct elg_host *host, struct elg_error *error)
{
    struct elg_checkpoint_env env = {
        .alloc = host->alloc,
        .clock = host->clock,
        .random = host->random,
        .read_only = host->options.read_only,
        .owner = host->owner,
        .alive = elg__loop_alive,
        .alive_self = host,
    };
    enum elg_status status =
        elg_checkpoint_open(host->store_url, &env, &host->store, error);
    if (status != ELG_OK)
        return status;
    host->clock = (struct elg_clock){&STORE_CLOCK, host};
    return open_artifacts(host, error);
}

static enum elg_status open_performer(struct elg_host *host, struct elg_error *error)
{
    struct elg_limits limits;
    elg__limits_of_options(&host->options, &limits);
    struct elg_performer_options options = {
        .alloc = host->alloc,
        .clock = host->clock,
        .random = host->random,
        .artifact_source = host->artifacts_stored ? &host->artifact_source : NULL,
        .artifacts = host->artifacts,
        .allow_net = (const char *const *)host->allow_net,
        .timeout_ms = limits.activity_timeout_ms,
        .body_bytes_max = limits.body_bytes,
        .secret = host->options.secret,
        .secret_self = host->options.self,
    };
    return elg_activity_performer_create(&options, &host->performer, error);
}

static enum elg_status open_parts(struct elg_host *host, struct elg_error *error)
{
    host->sha = elg_base_sha256_create(host->alloc);
    host->intern = elg_base_intern_create(host->alloc, ELG_HOST_INTERN_MAX);
    if (host->sha == NULL || host->intern == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = open_store(host, error);
    if (status == ELG_OK)
        status = elg__boxes_open(host, error);
    if (status == ELG_OK)
        status = open_performer(host, error);
    if (status == ELG_OK)
        status = elg__committer_create(host, &host->committer, error);
    if (status == ELG_OK)
        status = elg__loop_init(host, error);
    return status;
}

enum elg_status elg__host_open(const struct elg_host_options *options,
                               struct elg_host **out, struct elg_error *error)
{
    const struct elg_alloc *alloc =
        options->alloc ? options->alloc : elg_base_alloc_default();
    struct elg_host *host = elg_base_calloc(alloc, sizeof *host);
    if (host == NULL)
        return elg_base_no_memory(error);
    host->alloc = alloc;
    host->epoll_fd = host->timer_fd = -1;
    atomic_store(&host->stuck_us, ELG_STUCK_US);
    host->clock = elg_base_clock_system();
    host->random = elg_base_random_system();
    elg_base_buf_init(&host->scratch, alloc);
    enum elg_status status = take_options(host, options, error);
    if (status == ELG_OK)
        status = open_parts(host, error);
    if (status != ELG_OK) {
        elg_host_close(host);
        return status;
    }
    *out = host;
    return ELG_OK;
}

/* ---- close
 * ----------------------------------------------------------------------------------- */

static void hand_back_runs(struct elg_host *host)
{
    host->closing = true;
    if (host->committer != NULL)
        elg__commit_drain(host);
    elg__run_reap(host);
    while (host->all != NULL)
        elg__run_forget(host->all);
    elg__claimed_stop(host);
    elg__claimed_back_all(host);
}

void elg_host_close(struct elg_host *host)
{
    if (host == NULL)
        return;
    const struct elg_alloc *alloc = host->alloc;
    hand_back_runs(host);
    elg__serve_fini(host);
    elg__claimed_fini(host);
    elg__committer_destroy(host->committer);
    elg_activity_performer_destroy(host->performer);
    elg__graph_children_clear(host);
    while (host->graphs != NULL) {
        host->graphs->references = 1; /* handles that the caller forgot */
        elg_graph_close(host->graphs);
    }
    elg__boxes_close(host);
    elg_checkpoint_close(host->store);
    elg__loop_fini(host); /* the store's thread has looked at it (elg__loop_alive) */
    elg_activity_artifacts_close(host->payloads);
    elg_base_intern_destroy(host->intern);
    elg_base_sha256_destroy(host->sha);
    elg_base_buf_fini(&host->scratch);
    elg_base_free(alloc, host->table, host->table_size * sizeof *host->table);
    free_allow_net(host);
    elg_base_strfree(alloc, host->artifacts);
    elg_base_strfree(alloc, host->jailer_path);
    elg_base_strfree(alloc, host->compiler_path);
    elg_base_strfree(alloc, host->store_url);
    elg_base_strfree(alloc, host->owner);
    elg_base_free(alloc, host, sizeof *host);
}

int64_t elg_host_schema_version(const struct elg_host *host)
{
    assert(host != NULL);
    return elg_checkpoint_schema_version(host->store);
}

enum elg_status elg__host_register(struct elg_host *host, const char *name,
                                   elg_activity_fn fn, elg_activity_cancel_fn cancel,
                                   void *self, struct elg_error *error)
{
    return elg_activity_register(host->performer, name, fn, cancel, self, error);
}

enum elg_status elg__host_intercept(struct elg_host *host, elg_intercept_fn fn,
                                    void *self, struct elg_error *error)
{
    return elg_activity_intercept(host->performer, fn, self, error);
}
