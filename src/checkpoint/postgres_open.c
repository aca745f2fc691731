/* postgres_open: opening and closing. Uses postgres.h.
 *
 * Opening makes one attempt: who starts a process wants to know at once that the server
 * is down. What is lost later is tried again.
 */
#include "checkpoint/postgres.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct elg_postgres *create(const struct elg_checkpoint_env *env)
{
    struct elg_postgres *postgres = elg_base_calloc(env->alloc, sizeof *postgres);
    if (postgres == NULL)
        return NULL;
    postgres->env = *env;
    postgres->stop_fd = postgres->work_fd = -1;
    snprintf(postgres->owner, sizeof postgres->owner, "%s", env->owner ? env->owner : "");
    pthread_mutex_init(&postgres->own_mutex, NULL);
    elg_checkpoint_traces_init(&postgres->owned, env->alloc);
    for (int i = 0; i < ELG_POSTGRES_ROLE_COUNT; i++) {
        struct elg_postgres_connection *connection = &postgres->connections[i];
        connection->postgres = postgres;
        connection->role = (enum elg_postgres_role)i;
        pthread_mutex_init(&connection->mutex, NULL);
        elg_postgres_batch_init(&connection->batch, env->alloc);
    }
    return postgres;
}

static enum elg_status connections_open(struct elg_postgres *postgres,
                                        struct elg_error *error)
{
    struct elg_postgres_connection *loop = &postgres->connections[ELG_POSTGRES_LOOP];
    enum elg_status status = elg_postgres_connect(loop, error);
    if (status == ELG_OK)
        status = elg_postgres_schema_open(loop, !postgres->env.read_only, error);
    if (status == ELG_OK)
        status = elg_postgres_prepare(loop, error);
    if (status != ELG_OK || postgres->env.read_only)
        return status;
    postgres->work_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (postgres->work_fd < 0)
        return elg_base_fail(error, ELG_IO, "postgres", "no descriptor left");
    status = elg_postgres_ensure(&postgres->connections[ELG_POSTGRES_WRITER], 0, error);
    if (status == ELG_OK)
        status =
            elg_postgres_ensure(&postgres->connections[ELG_POSTGRES_KEEPER], 0, error);
    if (status == ELG_OK)
        status = elg_postgres_keeper_start(postgres, error);
    return status;
}

enum elg_status elg_postgres_open(const char *url, const struct elg_checkpoint_env *env,
                                  void **out, struct elg_error *error)
{
    enum elg_status status = elg__pq_load(error);
    if (status != ELG_OK)
        return status;
    struct elg_postgres *postgres = create(env);
    if (postgres == NULL)
        return elg_base_no_memory(error);
    status = elg_postgres_settings_read(env->alloc, url, &postgres->settings, error);
    if (status == ELG_OK)
        status = connections_open(postgres, error);
    if (status != ELG_OK) {
        elg_postgres_close(postgres);
        return status;
    }
    *out = postgres;
    return ELG_OK;
}

static void owned_free(struct elg_postgres *postgres)
{
    void *owned;
    size_t cursor = 0;
    while ((owned = elg_checkpoint_traces_next(&postgres->owned, &cursor)) != NULL)
        elg_base_free(postgres->env.alloc, owned, sizeof(struct elg_postgres_owned));
    elg_checkpoint_traces_fini(&postgres->owned);
}

void elg_postgres_close(void *self)
{
    struct elg_postgres *postgres = self;
    const struct elg_alloc *alloc = postgres->env.alloc;
    elg_postgres_keeper_stop(postgres);
    for (int i = 0; i < ELG_POSTGRES_ROLE_COUNT; i++) {
        struct elg_postgres_connection *connection = &postgres->connections[i];
        elg_postgres_results_clear(connection);
        elg_postgres_disconnect(connection);
        elg_postgres_batch_fini(&connection->batch);
        pthread_mutex_destroy(&connection->mutex);
    }
    if (postgres->work_fd >= 0)
        close(postgres->work_fd);
    owned_free(postgres);
    pthread_mutex_destroy(&postgres->own_mutex);
    elg_postgres_settings_fini(alloc, &postgres->settings);
    elg_base_free(alloc, postgres, sizeof *postgres);
}
