/* postgres_exchange: messages to the server and its answers, with a deadline (P2). Uses
 * postgres.h.
 *
 * Every exchange is one pipeline with a sync at its end: one way there and back, whatever
 * the number of messages. After a failure the server skips what is left, so a COMMIT at
 * the end of an exchange happens only if all before it went well.
 */
#include "checkpoint/postgres.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define US_PER_MS 1000

int64_t elg_postgres_now_us(const struct elg_postgres_connection *connection)
{
    return elg_base_monotonic_us(connection->postgres->env.clock);
}

enum elg_status elg_postgres_wait(struct elg_postgres_connection *connection, bool read,
                                  bool write, int64_t until_us)
{
    bool keeper = connection->role == ELG_POSTGRES_KEEPER;
    struct pollfd fds[2] = {
        {.fd = PQsocket(connection->pg),
         .events = (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0))},
        {.fd = keeper ? connection->postgres->stop_fd : -1, .events = POLLIN}};
    for (;;) {
        int64_t left_us = until_us - elg_postgres_now_us(connection);
        if (left_us <= 0)
            return ELG_TIMEOUT;
        int ready = poll(fds, 2, (int)(left_us / US_PER_MS) + 1);
        if (ready > 0)
            return fds[1].revents != 0 ? ELG_ABORTED : ELG_OK;
        if (ready < 0 && errno != EINTR)
            return ELG_IO;
    }
}

void elg_postgres_results_clear(struct elg_postgres_connection *connection)
{
    for (int i = 0; i < ELG_POSTGRES_MESSAGES_MAX; i++) {
        PQclear(connection->results[i]);
        connection->results[i] = NULL;
    }
}

/* ---- sending */

static bool message_send(struct elg_postgres_connection *connection,
                         const struct elg_postgres_message *message)
{
    const struct elg_postgres_batch *batch = &connection->batch;
    const char *values[ELG_POSTGRES_PARAMS_MAX];
    int sizes[ELG_POSTGRES_PARAMS_MAX], formats[ELG_POSTGRES_PARAMS_MAX];
    const char *text = elg_postgres_sql(message->statement);
    for (int i = 0; i < message->count; i++) {
        const struct elg_postgres_param *param = &batch->params[message->first + i];
        const char *data = batch->bytes.size > 0 ? (const char *)batch->bytes.data : "";
        values[i] = param->size < 0 ? NULL : data + param->offset;
        sizes[i] = param->size < 0 ? 0 : param->size;
        formats[i] = 1;
    }
    if (!elg_postgres_prepared(message->statement))
        return PQsendQueryParams(connection->pg, text, message->count, NULL, values,
                                 sizes, formats, 1) == 1;
    char name[8];
    elg_postgres_statement_name(message->statement, name);
    return PQsendQueryPrepared(connection->pg, name, message->count, values, sizes,
                               formats, 1) == 1;
}

/* ---- receiving */

/* Until a result can be had without waiting. */
static enum elg_status result_wait(struct elg_postgres_connection *connection,
                                   int64_t until_us, struct elg_error *error)
{
    while (PQstatus(connection->pg) == CONNECTION_OK) {
        int unsent = PQflush(connection->pg);
        if (unsent < 0)
            break;
        if (!PQisBusy(connection->pg))
            return ELG_OK;
        enum elg_status status =
            elg_postgres_wait(connection, true, unsent > 0, until_us);
        if (status == ELG_TIMEOUT)
            return elg_postgres_lose(connection, "the server does not answer", error);
        if (status != ELG_OK)
            return elg_postgres_lose(connection, "told to stop", error);
        if (PQconsumeInput(connection->pg) == 0)
            break;
    }
    /* What was received before the end is still to be had. */
    return PQstatus(connection->pg) == CONNECTION_OK
               ? elg_postgres_lose(connection, NULL, error)
               : ELG_OK;
}

/* Takes a result of message `at` into the connection, or its failure into the error. */
static enum elg_status result_take(struct elg_postgres_connection *connection, int at,
                                   bool keep, PGresult *result, struct elg_error *error)
{
    ExecStatusType kind = PQresultStatus(result);
    enum elg_status status = ELG_OK;
    if (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK) {
        if (keep && at < ELG_POSTGRES_MESSAGES_MAX && connection->results[at] == NULL) {
            connection->results[at] = result;
            return ELG_OK;
        }
    } else if (kind != PGRES_PIPELINE_ABORTED) {
        connection->failed = at;
        status = elg_postgres_fail(connection, result, error);
    }
    PQclear(result);
    return status;
}

/* The end of a message's results, or of everything. */
static enum elg_status end_take(struct elg_postgres_connection *connection, int *ends,
                                struct elg_error *error)
{
    if (PQstatus(connection->pg) != CONNECTION_OK)
        return elg_postgres_lose(connection, NULL, error);
    if (++*ends > 2) /* two without a result between: nothing more will come */
        return elg_postgres_lose(connection, "the answers do not fit", error);
    return ELG_OK;
}

enum elg_status elg_postgres_drain(struct elg_postgres_connection *connection, bool keep,
                                   struct elg_error *error)
{
    int reply_ms = connection->role == ELG_POSTGRES_KEEPER ? ELG_POSTGRES_KEEPER_MS_MAX
                                                           : ELG_POSTGRES_REPLY_MS_MAX;
    int64_t until_us = elg_postgres_now_us(connection) + (int64_t)reply_ms * US_PER_MS;
    enum elg_status first = ELG_OK;
    int ends = 1, at = 0;
    for (;;) {
        struct elg_error *wanted = first == ELG_OK ? error : NULL;
        PGresult *result = NULL;
        enum elg_status status = result_wait(connection, until_us, wanted);
        if (status == ELG_OK) {
            result = PQgetResult(connection->pg);
            if (result == NULL) {
                at += ends == 0;
                status = end_take(connection, &ends, wanted);
            }
        }
        if (status != ELG_OK)
            return first != ELG_OK ? first : status;
        if (result == NULL)
            continue;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return first;
        }
        ends = 0;
        status = result_take(connection, at, keep, result, wanted);
        if (first == ELG_OK)
            first = status;
    }
}

/* A server that ends its sessions says so before it closes them. A session that may not
 * write (its server is a standby now, or was told so) is given up: the next call makes
 * another, perhaps elsewhere. */
static enum elg_status lost_check(struct elg_postgres_connection *connection,
                                  enum elg_status status)
{
    if (!connection->lost && elg_postgres_only_reads(connection))
        elg_postgres_disconnect(connection);
    if (!connection->lost || connection->pg == NULL)
        return status;
    elg_postgres_lose(connection, NULL, NULL);
    return ELG_IO;
}

enum elg_status elg_postgres_exchange(struct elg_postgres_connection *connection,
                                      struct elg_error *error)
{
    struct elg_postgres_batch *batch = &connection->batch;
    enum elg_status status = elg_postgres_batch_check(batch, error);
    connection->lost = false;
    connection->sqlstate[0] = '\0';
    connection->failed = -1;
    elg_postgres_results_clear(connection);
    if (status != ELG_OK)
        return status;
    if (connection->pg == NULL)
        return elg_postgres_lose(connection, "the connection is gone", error);
    for (int i = 0; i < batch->message_count; i++) {
        if (!message_send(connection, &batch->messages[i]))
            return elg_postgres_lose(connection, NULL, error);
    }
    if (PQpipelineSync(connection->pg) == 0)
        return elg_postgres_lose(connection, NULL, error);
    status = lost_check(connection, elg_postgres_drain(connection, true, error));
    if (status != ELG_OK)
        elg_postgres_results_clear(connection);
    return status;
}

void elg_postgres_rollback(struct elg_postgres_connection *connection)
{
    if (connection->pg == NULL || PQtransactionStatus(connection->pg) == PQTRANS_IDLE)
        return;
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_ROLLBACK);
    if (elg_postgres_exchange(connection, NULL) != ELG_OK)
        elg_postgres_disconnect(connection);
}

/* ---- before the pipeline */

enum elg_status elg_postgres_exec(struct elg_postgres_connection *connection,
                                  const char *sql, int timeout_ms, PGresult **out,
                                  struct elg_error *error)
{
    enum elg_status first = ELG_OK;
    int64_t until_us = elg_postgres_now_us(connection) + (int64_t)timeout_ms * US_PER_MS;
    PGresult *kept = NULL, *result = NULL;
    connection->lost = false;
    connection->sqlstate[0] = '\0';
    if (PQsendQuery(connection->pg, sql) == 0)
        return elg_postgres_lose(connection, NULL, error);
    do {
        enum elg_status status = result_wait(connection, until_us, error);
        if (status != ELG_OK) {
            PQclear(kept);
            return status;
        }
        result = PQgetResult(connection->pg);
        ExecStatusType kind = PQresultStatus(result);
        if (result != NULL && kind == PGRES_TUPLES_OK && out != NULL) {
            PQclear(kept);
            kept = result;
            continue;
        }
        if (result != NULL && first == ELG_OK && kind != PGRES_COMMAND_OK &&
            kind != PGRES_TUPLES_OK && kind != PGRES_EMPTY_QUERY)
            first = elg_postgres_fail(connection, result, error);
        PQclear(result);
    } while (result != NULL);
    if (out != NULL && first == ELG_OK)
        *out = kept;
    else
        PQclear(kept);
    return first;
}
