/* postgres_reopen: runs that ended go on. Uses postgres.h. */
#include "checkpoint/postgres.h"

struct reopening {
    struct elg_turn *turns;
    struct elg_turn **list; /* of them, as a flush wants them */
    size_t count;
};

static void traces_put(struct elg_postgres_batch *batch,
                       const struct reopening *reopening)
{
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < reopening->count; i++)
        elg_postgres_put_text(batch, reopening->turns[i].run->trace_id);
    elg_postgres_array_end(batch);
}

static void epochs_put(struct elg_postgres_batch *batch,
                       const struct reopening *reopening)
{
    elg_postgres_array_begin(batch, ELG_POSTGRES_INT8);
    for (size_t i = 0; i < reopening->count; i++)
        elg_postgres_put_int8(batch, (int64_t)reopening->turns[i].run->epoch);
    elg_postgres_array_end(batch);
}

static void results_set(struct reopening *reopening, enum elg_status result)
{
    for (size_t i = 0; i < reopening->count; i++)
        reopening->turns[i].result = result;
}

/* One transaction on the writer's connection. If its reply is lost it is made again, and
 * finds the epochs gone on: told as fenced, and the runs go on. */
static enum elg_status reopen_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct reopening *reopening = self;
    struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_batch *batch = &connection->batch;
    int run_messages;
    results_set(reopening, ELG_OK);
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN);
    elg_postgres_add(batch, ELG_POSTGRES_REOPEN);
    traces_put(batch, reopening);
    epochs_put(batch, reopening);
    elg_postgres_flush_add(postgres, reopening->list, reopening->count, false,
                           elg_postgres_date_ms(postgres), &run_messages);
    elg_postgres_add(batch, ELG_POSTGRES_REOPENED_FREE);
    traces_put(batch, reopening);
    elg_postgres_add(batch, ELG_POSTGRES_REOPENED_UNTELL);
    traces_put(batch, reopening);
    elg_postgres_add(batch, ELG_POSTGRES_COMMIT);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK || !elg_postgres_mismatch(connection))
        return status;
    results_set(reopening, connection->failed == 1 ? ELG_FENCED : ELG_CORRUPT);
    return ELG_OK;
}

enum elg_status elg_postgres_reopen_many(void *self, struct elg_turn *turns,
                                         size_t turn_count, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct elg_postgres_connection *writer = &postgres->connections[ELG_POSTGRES_WRITER];
    struct reopening reopening = {.turns = turns, .count = turn_count};
    reopening.list =
        elg_base_calloc(postgres->env.alloc, turn_count * sizeof *reopening.list);
    if (reopening.list == NULL)
        return elg_base_no_memory(error);
    for (size_t i = 0; i < turn_count; i++)
        reopening.list[i] = &turns[i];
    enum elg_status status = elg_postgres_try(writer, reopen_attempt, &reopening, error);
    elg_base_free(postgres->env.alloc, reopening.list,
                  turn_count * sizeof *reopening.list);
    if (status == ELG_OK && turns[0].result == ELG_OK)
        elg_postgres_work_tell(writer);
    return status;
}
