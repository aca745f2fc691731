/* postgres_connect: connections, their settings, and calls that outlive them (P2, P6).
 * Uses postgres.h.
 *
 * A call whose connection goes is made again on a new one, for a bounded time. Once that
 * time has passed without a connection, a call makes one attempt and fails: the many
 * turns of a failed flush are not each to wait as long.
 */
#include "checkpoint/postgres.h"

#include <poll.h>
#include <string.h>

#define US_PER_MS 1000
#define TEXT_BYTES_MAX 256

/* Plans are made once and for all sizes of arrays and tables: a row is found by its key,
 * and what a plan costs is how many rows it touches. (The tables may be empty when it is
 * made.) */
static const char SETTINGS_SQL[] =
    "SET cmo.dates = 'given';"
    "SET default_transaction_isolation = 'read committed';"
    "SET plan_cache_mode = force_generic_plan;"
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    "SET enable_bitmapscan = off; SET enable_material = off; SET jit = off;"
    "SET cpu_tuple_cost = 1; SET cpu_index_tuple_cost = 1; SET random_page_cost = 0.001;"
    "SET cpu_operator_cost = 0.0001;"
    "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s';"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'";
static const char LISTEN_SQL[] = "LISTEN cmo_aborts; LISTEN cmo_work; LISTEN cmo_signals";

void elg_postgres_disconnect(struct elg_postgres_connection *connection)
{
    PQfinish(connection->pg);
    connection->pg = NULL;
}

/* ---- one attempt */

static void notice_drop(void *self, const PGresult *result)
{
    (void)self;
    (void)result;
}

static enum elg_status start(struct elg_postgres_connection *connection,
                             struct elg_error *error)
{
    const struct elg_postgres_settings *settings = &connection->postgres->settings;
    connection->pg = PQconnectStartParams(settings->keywords,
                                          (const char *const *)settings->values, 0);
    if (connection->pg == NULL)
        return elg_base_no_memory(error);
    if (PQstatus(connection->pg) == CONNECTION_BAD)
        return elg_postgres_lose(connection, NULL, error);
    return ELG_OK;
}

static enum elg_status poll_until_open(struct elg_postgres_connection *connection,
                                       struct elg_error *error)
{
    int64_t until_us = elg_postgres_now_us(connection) +
                       (int64_t)ELG_POSTGRES_CONNECT_MS_MAX * US_PER_MS;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK && want != PGRES_POLLING_FAILED) {
        enum elg_status status =
            elg_postgres_wait(connection, want == PGRES_POLLING_READING,
                              want == PGRES_POLLING_WRITING, until_us);
        if (status == ELG_TIMEOUT)
            return elg_postgres_lose(connection, "no connection within 5 s", error);
        if (status != ELG_OK)
            return elg_postgres_lose(connection, "told to stop", error);
        want = PQconnectPoll(connection->pg);
    }
    if (want == PGRES_POLLING_FAILED)
        return elg_postgres_lose(connection, NULL, error);
    return ELG_OK;
}

static enum elg_status server_check(struct elg_postgres_connection *connection,
                                    struct elg_error *error)
{
    const char *label = connection->postgres->settings.label;
    int version = PQserverVersion(connection->pg);
    const char *encoding = PQparameterStatus(connection->pg, "server_encoding");
    if (version < ELG_POSTGRES_VERSION_MIN)
        return elg_base_fail(error, ELG_UNSUPPORTED, label,
                             "the server is Postgres %d.%d; elg needs %d or later",
                             version / 10000, version % 10000,
                             ELG_POSTGRES_VERSION_MIN / 10000);
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
        return elg_base_fail(error, ELG_UNSUPPORTED, label,
                             "the database's encoding is %.40s; make one with UTF8",
                             encoding ? encoding : "unknown");
    return ELG_OK;
}

static enum elg_status connected(struct elg_postgres_connection *connection,
                                 struct elg_error *error)
{
    PQsetNoticeReceiver(connection->pg, notice_drop, NULL);
    if (PQsetnonblocking(connection->pg, 1) != 0)
        return elg_postgres_lose(connection, NULL, error);
    enum elg_status status = server_check(connection, error);
    if (status == ELG_OK)
        status = elg_postgres_exec(connection, SETTINGS_SQL, ELG_POSTGRES_REPLY_MS_MAX,
                                   NULL, error);
    if (status == ELG_OK && connection->role == ELG_POSTGRES_KEEPER)
        status = elg_postgres_exec(connection, LISTEN_SQL, ELG_POSTGRES_REPLY_MS_MAX,
                                   NULL, error);
    return status;
}

enum elg_status elg_postgres_connect(struct elg_postgres_connection *connection,
                                     struct elg_error *error)
{
    connection->lost = false;
    enum elg_status status = start(connection, error);
    if (status == ELG_OK)
        status = poll_until_open(connection, error);
    if (status == ELG_OK)
        status = connected(connection, error);
    if (status != ELG_OK)
        elg_postgres_disconnect(connection);
    else
        connection->lost_since_us = 0;
    return status;
}

/* ---- until it goes well */

static enum elg_status open_whole(struct elg_postgres_connection *connection,
                                  struct elg_error *error)
{
    enum elg_status status = elg_postgres_connect(connection, error);
    if (status == ELG_OK)
        status = elg_postgres_prepare(connection, error);
    if (status != ELG_OK)
        elg_postgres_disconnect(connection);
    return status;
}

bool elg_postgres_backoff(struct elg_postgres_connection *connection, int n)
{
    int pause_ms = ELG_POSTGRES_BACKOFF_MS_MIN << (n < 7 ? n : 7);
    struct pollfd stop = {.fd = connection->role == ELG_POSTGRES_KEEPER
                                    ? connection->postgres->stop_fd
                                    : -1,
                          .events = POLLIN};
    if (pause_ms > ELG_POSTGRES_BACKOFF_MS_MAX)
        pause_ms = ELG_POSTGRES_BACKOFF_MS_MAX;
    return poll(&stop, 1, pause_ms) <= 0;
}

int64_t elg_postgres_retry_until_us(const struct elg_postgres_connection *connection)
{
    int64_t from_us = connection->lost_since_us;
    if (from_us == 0)
        from_us = elg_postgres_now_us(connection);
    return from_us + (int64_t)ELG_POSTGRES_RETRY_MS_MAX * US_PER_MS;
}

enum elg_status elg_postgres_ensure(struct elg_postgres_connection *connection,
                                    int64_t until_us, struct elg_error *error)
{
    for (int n = 0; connection->pg == NULL; n++) {
        enum elg_status status = open_whole(connection, error);
        if (status == ELG_OK)
            return ELG_OK;
        connection->lost = true;
        if (connection->lost_since_us == 0)
            connection->lost_since_us = elg_postgres_now_us(connection);
        if (status != ELG_IO || elg_postgres_now_us(connection) >= until_us ||
            !elg_postgres_backoff(connection, n))
            return status;
    }
    return ELG_OK;
}

/* The server gave the transaction up for another's, which has to come first then. */
static bool gave_way(struct elg_postgres_connection *connection, int *times)
{
    if (connection->lost || !elg_postgres_transient(connection) ||
        *times == ELG_POSTGRES_DEADLOCKS_MAX)
        return false;
    elg_postgres_rollback(connection);
    return elg_postgres_backoff(connection, (*times)++);
}

enum elg_status elg_postgres_try(struct elg_postgres_connection *connection,
                                 elg_postgres_attempt_fn attempt, void *self,
                                 struct elg_error *error)
{
    pthread_mutex_lock(&connection->mutex);
    int64_t until_us = elg_postgres_retry_until_us(connection);
    int deadlocks = 0;
    bool again;
    enum elg_status status;
    do {
        status = elg_postgres_ensure(connection, until_us, error);
        if (status != ELG_OK)
            break;
        connection->lost = false;
        connection->sqlstate[0] = '\0';
        elg_postgres_batch_reset(&connection->batch);
        status = attempt(connection, self, error);
        again = status == ELG_IO && connection->lost &&
                elg_postgres_now_us(connection) < until_us;
        if (status != ELG_OK && gave_way(connection, &deadlocks))
            again = true;
        if (!connection->lost)
            elg_postgres_rollback(connection);
        elg_postgres_results_clear(connection);
    } while (again);
    pthread_mutex_unlock(&connection->mutex);
    return status;
}
