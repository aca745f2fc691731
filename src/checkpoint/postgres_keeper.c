/* postgres_keeper: the thread that renews the lease (P4) and hears of aborts. Uses
 * postgres.h.
 *
 * It has a connection of its own and waits for nothing else in the process, so that a
 * busy script or a long flush does not cost the lease. How long the lease lasts is
 * counted from before the renewal was sent, by the local monotonic clock: earlier than
 * the database ends it.
 */
#include "checkpoint/postgres.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define US_PER_MS 1000

static void clock_learn(struct elg_postgres_connection *connection, int column,
                        int64_t sent_us, struct elg_error *error)
{
    struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_columns columns = {.alloc = postgres->env.alloc,
                                           .label = postgres->settings.label,
                                           .result = connection->results[0],
                                           .table = "cmo_workers",
                                           .row = "of this worker",
                                           .index = column,
                                           .error = error};
    int64_t wall_ms = elg_postgres_column_time(&columns, false);
    int64_t now_us = elg_postgres_now_us(connection);
    if (columns.status != ELG_OK)
        return;
    if (sent_us > atomic_load(&postgres->lease_until_us)) /* the count comes first */
        atomic_fetch_add(&postgres->lease_lapses, 1);
    atomic_store(&postgres->lease_until_us,
                 sent_us + (int64_t)ELG_POSTGRES_LEASE_MS * US_PER_MS);
    atomic_store(&postgres->wall_offset_us,
                 wall_ms * US_PER_MS - (sent_us + (now_us - sent_us) / 2));
}

int64_t elg_postgres_lease_until_us(void *self)
{
    struct elg_postgres *postgres = self;
    return postgres->worker != 0 ? atomic_load(&postgres->lease_until_us) : INT64_MAX;
}

/* The database's clock, through the monotonic one: what someone does to this machine's
 * clock changes nothing. */
int64_t elg_postgres_wall_ms(void *self)
{
    struct elg_postgres *postgres = self;
    if (postgres->worker == 0)
        return elg_base_wall_ms(postgres->env.clock);
    return (elg_base_monotonic_us(postgres->env.clock) +
            atomic_load(&postgres->wall_offset_us)) /
           US_PER_MS;
}

int64_t elg_postgres_date_ms(struct elg_postgres *postgres)
{
    return postgres->env.dates_by_clock ? elg_base_wall_ms(postgres->env.clock)
                                        : elg_postgres_wall_ms(postgres);
}

/* ---- the thread */

static void notices_take(struct elg_postgres_connection *connection)
{
    PGnotify *notice;
    while ((notice = PQnotifies(connection->pg)) != NULL) {
        if (strcmp(notice->relname, "cmo_work") == 0)
            elg_postgres_work_mark(connection->postgres);
        else if (strcmp(notice->relname, "cmo_signals") == 0)
            atomic_store(&connection->postgres->signals_maybe, true);
        else
            atomic_store(&connection->postgres->aborts_maybe, true);
        PQfreemem(notice);
    }
}

static void worker_again(struct elg_postgres_connection *connection)
{
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, ELG_POSTGRES_WORKER_AGAIN);
    elg_postgres_put_int8(batch, connection->postgres->worker);
    elg_postgres_put_int8(batch, ELG_POSTGRES_LEASE_MS);
    elg_postgres_put_text(batch, connection->postgres->owner);
    elg_postgres_exchange(connection, NULL);
}

/* What a release could not say: everything that is not held any more is given back. */
static void release_others(struct elg_postgres_connection *connection)
{
    struct elg_postgres *postgres = connection->postgres;
    if (!atomic_exchange(&postgres->release_again, false))
        return;
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_RELEASE_OTHERS);
    elg_postgres_put_int8(&connection->batch, postgres->worker);
    elg_postgres_own_put(postgres, &connection->batch);
    if (elg_postgres_exchange(connection, NULL) != ELG_OK)
        atomic_store(&postgres->release_again, true);
}

/* The runs of workers whose lease ran out are anyone's. Apart from the renewal, which no
 * lock of a run may hold up. */
static void dead_release(struct elg_postgres_connection *connection)
{
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_WORKERS_DEAD);
    elg_postgres_put_int8(&connection->batch, connection->postgres->worker);
    if (elg_postgres_exchange(connection, NULL) == ELG_OK &&
        strcmp(PQcmdTuples(connection->results[0]), "0") != 0)
        elg_postgres_work_mark(connection->postgres);
}

/* A host that is stuck keeps nothing: its runs are taken over once the lease has run out.
 */
static bool is_alive(const struct elg_postgres *postgres)
{
    return postgres->env.alive == NULL || postgres->env.alive(postgres->env.alive_self);
}

/* False: it has to be tried again, or looked at again, soon. */
static bool renew(struct elg_postgres_connection *connection)
{
    struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_batch *batch = &connection->batch;
    if (!is_alive(postgres))
        return connection->pg != NULL; /* without one there is nothing to rest on */
    if (connection->pg == NULL) {
        if (elg_postgres_ensure(connection, 0, NULL) != ELG_OK)
            return false;
        atomic_store(&postgres->aborts_maybe, true); /* one may have been missed */
        elg_postgres_work_mark(postgres);
    }
    int64_t sent_us = elg_postgres_now_us(connection);
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, ELG_POSTGRES_WORKER_RENEW);
    elg_postgres_put_int8(batch, postgres->worker);
    elg_postgres_put_int8(batch, ELG_POSTGRES_LEASE_MS);
    if (elg_postgres_exchange(connection, NULL) != ELG_OK)
        return false;
    if (PQntuples(connection->results[0]) == 0) {
        worker_again(connection);
        return false;
    }
    clock_learn(connection, 0, sent_us, NULL);
    atomic_store(&postgres->signals_maybe,
                 true); /* a notification may have been missed */
    if (PQgetvalue(connection->results[0], 0, 1)[0] != 0)
        atomic_store(&postgres->aborts_maybe, true);
    release_others(connection);
    dead_release(connection);
    notices_take(connection); /* those that came with the replies, too */
    return true;
}

/* Waits until then, taking notifications; false: told to stop. */
static bool rest(struct elg_postgres_connection *connection, int64_t until_us)
{
    for (;;) {
        enum elg_status status = ELG_TIMEOUT;
        if (connection->pg != NULL)
            status = elg_postgres_wait(connection, true, false, until_us);
        if (status == ELG_ABORTED)
            return false;
        if (status != ELG_OK)
            return true;
        if (PQconsumeInput(connection->pg) == 0)
            elg_postgres_lose(connection, NULL, NULL);
        else
            notices_take(connection);
    }
}

static void *keep(void *self)
{
    struct elg_postgres_connection *connection = self;
    int64_t next_us = elg_postgres_now_us(connection);
    bool going = true;
    for (int failures = 0; going;) {
        next_us = elg_postgres_now_us(connection) +
                  (int64_t)ELG_POSTGRES_LEASE_RENEW_MS * US_PER_MS;
        if (connection->pg != NULL || failures == 0)
            going = rest(connection, connection->pg != NULL ? next_us : 0);
        if (going && renew(connection))
            failures = 0;
        else if (going)
            going = elg_postgres_backoff(connection, failures++);
    }
    return NULL;
}

/* ---- beginning and end */

static enum elg_status worker_insert(struct elg_postgres_connection *connection,
                                     struct elg_error *error)
{
    struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, ELG_POSTGRES_WORKER_INSERT);
    elg_postgres_put_text(batch, postgres->owner);
    elg_postgres_put_int8(batch, ELG_POSTGRES_LEASE_MS);
    elg_postgres_add(batch, ELG_POSTGRES_WORKERS_SWEEP);
    int64_t sent_us = elg_postgres_now_us(connection);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    struct elg_postgres_columns columns = {.alloc = postgres->env.alloc,
                                           .label = postgres->settings.label,
                                           .result = connection->results[0],
                                           .table = "cmo_workers",
                                           .row = "of this worker",
                                           .error = error};
    postgres->worker = elg_postgres_column_int(&columns, 1, INT64_MAX);
    clock_learn(connection, 1, sent_us, error);
    return columns.status;
}

enum elg_status elg_postgres_keeper_start(struct elg_postgres *postgres,
                                          struct elg_error *error)
{
    struct elg_postgres_connection *connection =
        &postgres->connections[ELG_POSTGRES_KEEPER];
    enum elg_status status = worker_insert(connection, error);
    elg_postgres_results_clear(connection);
    if (status != ELG_OK)
        return status;
    postgres->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (postgres->stop_fd >= 0)
        postgres->keeping =
            pthread_create(&postgres->keeper, NULL, keep, connection) == 0;
    if (!postgres->keeping)
        return elg_base_fail(error, ELG_IO, "postgres", "no thread or descriptor left");
    return ELG_OK;
}

static void worker_delete(struct elg_postgres_connection *connection)
{
    if (connection->pg == NULL)
        return; /* the lease ends by itself */
    elg_postgres_rollback(connection);
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_WORKER_DELETE);
    elg_postgres_put_int8(&connection->batch, connection->postgres->worker);
    elg_postgres_exchange(connection, NULL);
    elg_postgres_results_clear(connection);
}

void elg_postgres_keeper_stop(struct elg_postgres *postgres)
{
    if (postgres->keeping) {
        uint64_t one = 1;
        ssize_t written = write(postgres->stop_fd, &one, sizeof one);
        (void)written; /* a full counter is readable all the same */
        pthread_join(postgres->keeper, NULL);
        postgres->keeping = false;
    }
    if (postgres->stop_fd >= 0)
        close(postgres->stop_fd);
    postgres->stop_fd = -1;
    if (postgres->worker != 0)
        worker_delete(&postgres->connections[ELG_POSTGRES_KEEPER]);
}
