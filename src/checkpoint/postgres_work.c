/* postgres_work: handing runs back, and hearing of work. Uses postgres.h.
 *
 * Who makes work says so by NOTIFY cmo_work, after its commit and apart from it: a
 * transaction that notifies holds a lock of the whole database until it is on the disk.
 * The keeper hears it. A notice that is lost costs a second: who waits for work looks
 * that often anyway.
 */
#include "checkpoint/postgres.h"

#include <string.h>
#include <unistd.h>

/* ---- handing back */

struct back {
    struct elg_postgres *postgres;
    const char *trace_id;
    bool reserved;
};

static enum elg_status back_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    const struct back *back = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_HAND_BACK);
    elg_postgres_put_text(batch, back->trace_id);
    elg_postgres_put_int8(batch, back->postgres->worker);
    if (back->reserved) {
        elg_postgres_add(batch, ELG_POSTGRES_UNRESERVE);
        elg_postgres_put_text(batch, back->trace_id);
        elg_postgres_put_int8(batch, back->postgres->worker);
    }
    return elg_postgres_exchange(connection, error);
}

static enum elg_status tell_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    (void)self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_WORK_NOTIFY);
    return elg_postgres_exchange(connection, error);
}

void elg_postgres_work_tell(struct elg_postgres_connection *connection)
{
    elg_postgres_try(connection, tell_attempt, NULL, NULL);
}

void elg_postgres_hand_back(void *self, const char *trace_id, bool tell)
{
    struct elg_postgres *postgres = self;
    struct elg_postgres_connection *loop = &postgres->connections[ELG_POSTGRES_LOOP];
    struct back back = {.postgres = postgres, .trace_id = trace_id};
    if (!elg_postgres_disown(postgres, trace_id, &back.reserved))
        return;
    if (elg_postgres_try(loop, back_attempt, &back, NULL) != ELG_OK)
        atomic_store(&postgres->release_again, true);
    else if (tell)
        elg_postgres_work_tell(loop);
}

struct back_many {
    struct elg_postgres *postgres;
    const char *trace_ids[ELG_CLAIM_BATCH_RUNS_MAX];
    size_t count;
};

/* What another transaction has locked just now is left out: two that wait for each
 * other's rows would wait for long. */
static enum elg_status back_many_attempt(struct elg_postgres_connection *connection,
                                         void *self, struct elg_error *error)
{
    const struct back_many *back = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_HAND_BACK_MANY);
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < back->count; i++)
        elg_postgres_put_text(batch, back->trace_ids[i]);
    elg_postgres_array_end(batch);
    elg_postgres_put_int8(batch, back->postgres->worker);
    return elg_postgres_exchange(connection, error);
}

/* True if the last exchange's result has the trace. */
static bool was_locked(const struct elg_postgres_connection *connection,
                       const char *trace_id)
{
    const PGresult *result = connection->results[0];
    bool found = false;
    for (int i = 0; !found && i < PQntuples(result); i++)
        found = (size_t)PQgetlength(result, i, 0) == strlen(trace_id) &&
                memcmp(PQgetvalue(result, i, 0), trace_id, strlen(trace_id)) == 0;
    return found;
}

/* The rest of them, one by one. */
static enum elg_status back_all_attempt(struct elg_postgres_connection *connection,
                                        void *self, struct elg_error *error)
{
    struct back_many *back = self;
    size_t left = 0;
    enum elg_status status = back_many_attempt(connection, back, error);
    if (status != ELG_OK)
        return status;
    for (size_t i = 0; i < back->count; i++) {
        if (!was_locked(connection, back->trace_ids[i]))
            back->trace_ids[left++] = back->trace_ids[i];
    }
    back->count = left;
    while (status == ELG_OK && back->count > 0) {
        struct back one = {back->postgres, back->trace_ids[back->count - 1], false};
        elg_postgres_batch_reset(&connection->batch);
        status = back_attempt(connection, &one, error);
        back->count -= status == ELG_OK;
    }
    return status;
}

void elg_postgres_hand_back_many(void *self, const char *const *trace_ids,
                                 size_t trace_count)
{
    struct elg_postgres *postgres = self;
    struct back_many back = {.postgres = postgres};
    for (size_t i = 0; i < trace_count; i++) {
        bool reserved = false;
        if (!elg_postgres_disown(postgres, trace_ids[i], &reserved))
            continue;
        back.trace_ids[back.count++] = trace_ids[i];
        if (reserved) { /* it has a row more */
            struct back one = {postgres, trace_ids[i], true};
            back.count--;
            if (elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], back_attempt,
                                 &one, NULL) != ELG_OK)
                atomic_store(&postgres->release_again, true);
        }
    }
    if (back.count > 0 && elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                           back_all_attempt, &back, NULL) != ELG_OK)
        atomic_store(&postgres->release_again, true);
}

/* ---- hearing of work */

void elg_postgres_work_mark(struct elg_postgres *postgres)
{
    uint64_t one = 1;
    atomic_store(&postgres->work_maybe, true);
    ssize_t written = postgres->work_fd < 0 ? 0 : write(postgres->work_fd, &one, 8);
    (void)written; /* a full counter is readable all the same */
}

int elg_postgres_work_fd(void *self)
{
    struct elg_postgres *postgres = self;
    return postgres->work_fd;
}

bool elg_postgres_work_poll(void *self)
{
    struct elg_postgres *postgres = self;
    uint64_t count;
    if (!atomic_exchange(&postgres->work_maybe, false))
        return false;
    ssize_t got = postgres->work_fd < 0 ? 0 : read(postgres->work_fd, &count, 8);
    (void)got;
    return true;
}

struct due {
    struct elg_postgres *postgres;
    int64_t due_ms;
};

static enum elg_status due_attempt(struct elg_postgres_connection *connection, void *self,
                                   struct elg_error *error)
{
    struct due *due = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_DUE_READ);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    struct elg_postgres_columns columns = {.alloc = due->postgres->env.alloc,
                                           .label = due->postgres->settings.label,
                                           .result = connection->results[0],
                                           .table = "cmo_runs",
                                           .row = "the next that is due",
                                           .error = error};
    due->due_ms = elg_postgres_column_time(&columns, true);
    return columns.status;
}

enum elg_status elg_postgres_work_due(void *self, int64_t *due_ms,
                                      struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct due due = {.postgres = postgres};
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              due_attempt, &due, error);
    if (status == ELG_OK)
        *due_ms = due.due_ms > 0 ? due.due_ms : INT64_MAX;
    return status;
}

uint64_t elg_postgres_lease_lapses(void *self)
{
    struct elg_postgres *postgres = self;
    return atomic_load(&postgres->lease_lapses);
}
