/* postgres_gc: retention: what has ended long ago, and what nothing refers to. Uses
 * postgres.h.
 *
 * What was removed before a reply was lost is removed: the call is made again, and counts
 * what is left.
 */
#include "checkpoint/postgres.h"

struct gc {
    struct elg_postgres *postgres;
    const char *const *trace_ids;
    size_t count;
    int64_t before_ms;
    bool look;
    uint64_t removed;
    elg_reference_fn text;
    void *text_self;
};

static enum elg_status count_read(struct elg_postgres_connection *connection,
                                  struct gc *gc, struct elg_error *error)
{
    struct elg_postgres_columns columns = {.alloc = gc->postgres->env.alloc,
                                           .label = gc->postgres->settings.label,
                                           .result = connection->results[0],
                                           .table = "cmo_runs",
                                           .row = "of a count",
                                           .error = error};
    gc->removed = (uint64_t)elg_postgres_column_int(&columns, 0, INT64_MAX);
    return columns.status;
}

static enum elg_status trees_attempt(struct elg_postgres_connection *connection,
                                     void *self, struct elg_error *error)
{
    struct gc *gc = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch,
                     gc->look ? ELG_POSTGRES_TREES_COUNT : ELG_POSTGRES_TREES_REMOVE);
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < gc->count; i++)
        elg_postgres_put_text(batch, gc->trace_ids[i]);
    elg_postgres_array_end(batch);
    elg_postgres_put_moment(batch, gc->before_ms);
    enum elg_status status = elg_postgres_exchange(connection, error);
    return status == ELG_OK ? count_read(connection, gc, error) : status;
}

enum elg_status elg_postgres_trees_remove(void *self, const char *const *trace_ids,
                                          size_t count, int64_t before_ms, bool look,
                                          uint64_t *removed, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct gc gc = {.postgres = postgres,
                    .trace_ids = trace_ids,
                    .count = count,
                    .before_ms = before_ms,
                    .look = look};
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              trees_attempt, &gc, error);
    *removed = gc.removed;
    return status;
}

static enum elg_status graphs_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct gc *gc = self;
    enum elg_status status;
    int tries = 0;
    do { /* again if a run came to carry one of them just now */
        elg_postgres_batch_reset(&connection->batch);
        elg_postgres_add(&connection->batch, gc->look ? ELG_POSTGRES_GRAPHS_COUNT
                                                      : ELG_POSTGRES_GRAPHS_REMOVE);
        elg_postgres_put_moment(&connection->batch, gc->before_ms);
        status = elg_postgres_exchange(connection, error);
    } while (status != ELG_OK && !connection->lost && elg_postgres_keyless(connection) &&
             ++tries <= ELG_POSTGRES_DEADLOCKS_MAX);
    return status == ELG_OK ? count_read(connection, gc, error) : status;
}

enum elg_status elg_postgres_graphs_remove(void *self, int64_t before_ms, bool look,
                                           uint64_t *removed, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct gc gc = {.postgres = postgres, .before_ms = before_ms, .look = look};
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              graphs_attempt, &gc, error);
    *removed = gc.removed;
    return status;
}

/* A text that is given twice, because the connection went, does no harm. */
static enum elg_status references_attempt(struct elg_postgres_connection *connection,
                                          void *self, struct elg_error *error)
{
    struct gc *gc = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN_READ);
    elg_postgres_add(batch, ELG_POSTGRES_REFERENCES_READ);
    elg_postgres_add(batch, ELG_POSTGRES_REFERENCES_FETCH);
    enum elg_status status = elg_postgres_exchange(connection, error);
    while (status == ELG_OK) {
        const PGresult *result = connection->results[batch->message_count - 1];
        if (PQntuples(result) == 0)
            break;
        for (int i = 0; i < PQntuples(result); i++) {
            struct elg_bytes bytes = {(const uint8_t *)PQgetvalue(result, i, 0),
                                      (size_t)PQgetlength(result, i, 0)};
            if (bytes.size > 0)
                gc->text(gc->text_self, bytes);
        }
        elg_postgres_batch_reset(batch);
        elg_postgres_add(batch, ELG_POSTGRES_REFERENCES_FETCH);
        status = elg_postgres_exchange(connection, error);
    }
    return status;
}

enum elg_status elg_postgres_references(void *self, elg_reference_fn text,
                                        void *text_self, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct gc gc = {.postgres = postgres, .text = text, .text_self = text_self};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], references_attempt,
                            &gc, error);
}
