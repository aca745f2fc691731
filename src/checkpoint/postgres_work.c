/* postgres_work: handing runs back, and hearing of work. Uses postgres.h.
 *
 * Who makes work says so by NOTIFY cmo_work, after its commit and apart from it: a
 * transaction that notifies holds a lock of the whole database until it is on the disk.
 * The keeper hears it. A notice that is lost costs a second: who waits for work looks
 * that often anyway.
 */
#include "checkpoint/postgres.h"

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

/* ---- reopening */

/* One transaction on the writer's connection. If its reply is lost it is made again, and
 * finds the epoch gone on: told as fenced, and the run goes on. */
static enum elg_status reopen_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct elg_turn *turn = self;
    struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_batch *batch = &connection->batch;
    int run_messages;
    turn->result = ELG_OK;
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN);
    elg_postgres_add(batch, ELG_POSTGRES_REOPEN);
    elg_postgres_put_text(batch, turn->run->trace_id);
    elg_postgres_put_int8(batch, (int64_t)turn->run->epoch);
    elg_postgres_flush_add(postgres, &turn, 1, false, elg_postgres_date_ms(postgres),
                           &run_messages);
    elg_postgres_add(batch, ELG_POSTGRES_REOPENED_FREE);
    elg_postgres_put_text(batch, turn->run->trace_id);
    elg_postgres_add(batch, ELG_POSTGRES_COMMIT);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK || !elg_postgres_mismatch(connection))
        return status;
    turn->result = connection->failed == 1 ? ELG_FENCED : ELG_CORRUPT;
    return ELG_OK;
}

enum elg_status elg_postgres_reopen(void *self, struct elg_turn *turn,
                                    struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct elg_postgres_connection *writer = &postgres->connections[ELG_POSTGRES_WRITER];
    enum elg_status status = elg_postgres_try(writer, reopen_attempt, turn, error);
    if (status == ELG_OK && turn->result == ELG_OK)
        elg_postgres_work_tell(writer);
    return status;
}
