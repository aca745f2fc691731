/* postgres_signal: signals in Postgres. Uses postgres.h, turn.h.
 *
 * Who puts one locks the run's row first, as whoever ends the run or leaves it waiting
 * does: so none is kept for a run that has ended, and none is missed by one that begins
 * to wait. A put whose reply was lost is made again with the same token.
 */
#include "checkpoint/postgres_signal.h"
#include "checkpoint/turn.h"

#include <stdio.h>
#include <string.h>

/* ---- what turns do with signals */

static void uses_add(struct elg_postgres_batch *batch, struct elg_turn *const *turns,
                     size_t turn_count)
{
    static const enum elg_postgres_type TYPES[] = {ELG_POSTGRES_TEXT, ELG_POSTGRES_INT8,
                                                   ELG_POSTGRES_INT4, ELG_POSTGRES_INT4,
                                                   ELG_POSTGRES_INT4};
    elg_postgres_add(batch, ELG_POSTGRES_SIGNALS_USE);
    for (int column = 0; column < 5; column++) {
        elg_postgres_array_begin(batch, TYPES[column]);
        for (size_t i = 0; i < turn_count; i++) {
            for (size_t k = 0; k < turns[i]->use_count; k++) {
                const struct elg_signal_use *use = &turns[i]->uses[k];
                if (column == 0)
                    elg_postgres_put_text(batch, turns[i]->run->trace_id);
                else if (column == 1)
                    elg_postgres_put_int8(batch, use->signal_no);
                else
                    elg_postgres_put_int4(batch, column == 2   ? use->step_index
                                                 : column == 3 ? (int64_t)use->attempt
                                                               : (int64_t)use->seq);
            }
        }
        elg_postgres_array_end(batch);
    }
}

static bool listens(const struct elg_turn *turn)
{
    return turn->run->status == ELG_RUN_WAITING && turn->run->signals_seen != INT64_MAX;
}

static void due_add(struct elg_postgres_batch *batch, struct elg_turn *const *turns,
                    size_t turn_count)
{
    elg_postgres_add(batch, ELG_POSTGRES_SIGNALS_DUE);
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < turn_count; i++) {
        if (listens(turns[i]))
            elg_postgres_put_text(batch, turns[i]->run->trace_id);
    }
    elg_postgres_array_end(batch);
    elg_postgres_array_begin(batch, ELG_POSTGRES_INT8);
    for (size_t i = 0; i < turn_count; i++) {
        if (listens(turns[i]))
            elg_postgres_put_int8(batch, turns[i]->run->signals_seen);
    }
    elg_postgres_array_end(batch);
}

void elg_postgres_signals_add(struct elg_postgres_batch *batch,
                              struct elg_turn *const *turns, size_t turn_count)
{
    size_t use_count = 0, listen_count = 0;
    for (size_t i = 0; i < turn_count; i++) {
        use_count += turns[i]->use_count;
        listen_count += listens(turns[i]);
    }
    if (use_count > 0)
        uses_add(batch, turns, turn_count);
    if (listen_count > 0)
        due_add(batch, turns, turn_count);
}

/* ---- putting one */

struct put {
    struct elg_postgres *postgres;
    const char *trace_id;
    const struct elg_signal_row *signal;
    int64_t token;
    struct elg_checkpoint_signal_facts facts;
    char key_name[ELG_NAME_BYTES_MAX + 1];
    bool known, by_token;
};

static struct elg_postgres_columns columns_of(const struct elg_postgres *postgres,
                                              const PGresult *result, int at,
                                              const char *trace_id,
                                              struct elg_error *error)
{
    struct elg_postgres_columns columns = {.alloc = postgres->env.alloc,
                                           .label = postgres->settings.label,
                                           .result = result,
                                           .at = at,
                                           .table = "cmo_signals",
                                           .row = trace_id,
                                           .error = error};
    return columns;
}

/* What is there of the signal's key, or of an attempt before whose reply was lost. */
static enum elg_status key_read(struct put *put, const PGresult *result,
                                struct elg_error *error)
{
    struct elg_postgres_columns columns =
        columns_of(put->postgres, result, 0, put->trace_id, error);
    put->facts.key_name = NULL;
    if (PQntuples(result) == 0)
        return ELG_OK;
    elg_postgres_column_text(&columns, put->key_name, sizeof put->key_name, false);
    elg_postgres_column_hash(&columns, &put->facts.key_hash, false);
    put->by_token = elg_postgres_column_bool(&columns);
    put->facts.key_name = put->key_name;
    return columns.status;
}

/* Locks the run's row, and reads. */
static enum elg_status facts_read(struct elg_postgres_connection *connection,
                                  struct put *put, struct elg_error *error)
{
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN);
    elg_postgres_add(batch, ELG_POSTGRES_SIGNAL_LOCK);
    elg_postgres_put_text(batch, put->trace_id);
    elg_postgres_add(batch, ELG_POSTGRES_SIGNAL_COUNT);
    elg_postgres_put_text(batch, put->trace_id);
    elg_postgres_add(batch, ELG_POSTGRES_SIGNAL_KEY);
    elg_postgres_put_text(batch, put->trace_id);
    elg_postgres_put_text(batch, put->signal->key);
    elg_postgres_put_int8(batch, put->token);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    if (PQntuples(connection->results[1]) == 0)
        return elg_postgres_run_missing(put->postgres, put->trace_id, error);
    struct elg_postgres_columns run =
        columns_of(put->postgres, connection->results[1], 0, put->trace_id, error);
    struct elg_postgres_columns counts =
        columns_of(put->postgres, connection->results[2], 0, put->trace_id, error);
    struct elg_bytes name = elg_postgres_column_bytes(&run, ELG_POSTGRES_TEXT, false);
    if (run.status == ELG_OK && !elg_checkpoint_status_parse(name, &put->facts.status))
        elg_postgres_column_bad(&run, "not a status of a run");
    put->facts.waiting_count = elg_postgres_column_int(&counts, 0, INT64_MAX);
    put->facts.waiting_bytes = elg_postgres_column_int(&counts, 0, INT64_MAX);
    status = run.status != ELG_OK ? run.status : counts.status;
    return status == ELG_OK ? key_read(put, connection->results[3], error) : status;
}

static void insert_add(struct elg_postgres_batch *batch, const struct put *put)
{
    const struct elg_signal_row *signal = put->signal;
    elg_postgres_add(batch, ELG_POSTGRES_SIGNAL_INSERT);
    elg_postgres_put_text(batch, put->trace_id);
    elg_postgres_put_text(batch, signal->name);
    elg_postgres_put_text(batch, signal->key);
    elg_postgres_put_int8(batch, put->token);
    elg_postgres_put_hash(batch, &signal->payload_hash);
    elg_postgres_put_int8(batch, (int64_t)elg_base_blob_bytes(signal->payload).size);
    elg_postgres_put_blob(batch, signal->payload);
    elg_postgres_add(batch, ELG_POSTGRES_SIGNAL_WAKE);
    elg_postgres_put_text(batch, put->trace_id);
}

static enum elg_status put_attempt(struct elg_postgres_connection *connection, void *self,
                                   struct elg_error *error)
{
    struct put *put = self;
    put->by_token = false;
    enum elg_status status = facts_read(connection, put, error);
    if (status == ELG_OK && !put->by_token)
        status = elg_checkpoint_signal_judge(put->trace_id, put->signal, &put->facts,
                                             &put->known, error);
    if (status != ELG_OK || put->known || put->by_token)
        return status;
    elg_postgres_batch_reset(&connection->batch);
    insert_add(&connection->batch, put);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_COMMIT);
    return elg_postgres_exchange(connection, error);
}

/* Apart from the commit: see postgres_work.c. A notice that is lost costs a second. */
static enum elg_status tell_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    (void)self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_SIGNAL_NOTIFY);
    return elg_postgres_exchange(connection, error);
}

void elg_postgres_signals_tell(struct elg_postgres_connection *connection)
{
    elg_postgres_try(connection, tell_attempt, NULL, NULL);
}

enum elg_status elg_postgres_signal_put(void *self, const char *trace_id,
                                        const struct elg_signal_row *signal,
                                        bool *created, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct put put = {.postgres = postgres, .trace_id = trace_id, .signal = signal};
    put.token = postgres->worker << 32 | ++postgres->signals_put;
    struct elg_postgres_connection *loop = &postgres->connections[ELG_POSTGRES_LOOP];
    enum elg_status status = elg_postgres_try(loop, put_attempt, &put, error);
    if (status != ELG_OK)
        return status;
    *created = !put.known;
    if (*created)
        elg_postgres_signals_tell(loop);
    return ELG_OK;
}

/* ---- reading */

struct reading {
    struct elg_postgres *postgres;
    const char *trace_id, *name;
    int64_t after;
    elg_signal_row_fn give;
    void *give_self;
    int64_t *last;
};

static enum elg_status row_read(const struct reading *reading, const PGresult *result,
                                int at, struct elg_signal_row *out,
                                struct elg_error *error)
{
    struct elg_postgres_columns columns =
        columns_of(reading->postgres, result, at, reading->trace_id, error);
    struct elg_signal_row row;
    memset(&row, 0, sizeof row);
    row.signal_no = elg_postgres_column_int(&columns, 1, INT64_MAX);
    elg_postgres_column_text(&columns, row.name, sizeof row.name, false);
    elg_postgres_column_text(&columns, row.key, sizeof row.key, true);
    elg_postgres_column_hash(&columns, &row.payload_hash, true);
    row.payload = elg_postgres_column_blob(&columns, true);
    if (columns.status != ELG_OK)
        elg_checkpoint_signal_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

/* One row at a time: their payloads may be large, and mostly one is wanted. */
static enum elg_status read_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    struct reading *reading = self;
    struct elg_signal_row row;
    bool more = true, first = true;
    while (more) {
        elg_postgres_batch_reset(&connection->batch);
        elg_postgres_add(&connection->batch, ELG_POSTGRES_SIGNALS_LAST);
        elg_postgres_put_text(&connection->batch, reading->trace_id);
        elg_postgres_add(&connection->batch, ELG_POSTGRES_SIGNAL_READ);
        elg_postgres_put_text(&connection->batch, reading->trace_id);
        elg_postgres_put_text(&connection->batch, reading->name);
        elg_postgres_put_int8(&connection->batch, reading->after);
        enum elg_status status = elg_postgres_exchange(connection, error);
        if (status != ELG_OK)
            return status;
        struct elg_postgres_columns columns = columns_of(
            reading->postgres, connection->results[0], 0, reading->trace_id, error);
        int64_t last = elg_postgres_column_int(&columns, 0, INT64_MAX);
        if (first)
            *reading->last = last;
        first = false;
        if (columns.status != ELG_OK || PQntuples(connection->results[1]) == 0)
            return columns.status;
        status = row_read(reading, connection->results[1], 0, &row, error);
        if (status != ELG_OK)
            return status;
        reading->after = row.signal_no; /* a lost connection goes on behind it */
        more = reading->give(reading->give_self, &row);
        elg_checkpoint_signal_row_fini(&row);
    }
    return ELG_OK;
}

enum elg_status elg_postgres_signals(void *self, const char *trace_id, const char *name,
                                     int64_t after, elg_signal_row_fn row, void *row_self,
                                     int64_t *last, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct reading reading = {postgres, trace_id, name, after, row, row_self, last};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], read_attempt,
                            &reading, error);
}

/* ---- which runs got one */

struct poll {
    struct elg_postgres *postgres;
    void (*woken)(void *self, const char *trace_id);
    void *woken_self;
};

static enum elg_status poll_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    struct poll *poll = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_SIGNALS_NEW);
    elg_postgres_put_int8(&connection->batch, poll->postgres->worker);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    const PGresult *result = connection->results[0];
    for (int i = 0; i < PQntuples(result); i++) {
        char trace_id[ELG_TRACE_BYTES_MAX + 1];
        struct elg_postgres_columns columns =
            columns_of(poll->postgres, result, i, "?", error);
        if (!elg_postgres_column_text(&columns, trace_id, sizeof trace_id, false))
            return columns.status;
        poll->woken(poll->woken_self, trace_id);
    }
    return ELG_OK;
}

/* The keeper hears of signals by a notification; once a second it lets look all the same.
 */
enum elg_status elg_postgres_signal_poll(void *self,
                                         void (*woken)(void *self, const char *trace_id),
                                         void *woken_self, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct poll poll = {postgres, woken, woken_self};
    if (postgres->worker == 0 || !atomic_exchange(&postgres->signals_maybe, false))
        return ELG_OK;
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              poll_attempt, &poll, error);
    if (status != ELG_OK)
        atomic_store(&postgres->signals_maybe, true);
    return status;
}
