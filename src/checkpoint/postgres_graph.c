/* postgres_graph: graphs by their hash (I9). Uses postgres.h. */
#include "checkpoint/postgres.h"

struct graph {
    struct elg_postgres *postgres;
    const struct elg_graph_row *row; /* to be put */
    char hex[ELG_HASH_HEX_SIZE];
    bool exists;
    struct elg_graph_row *out;
};

static enum elg_status exists_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct graph *graph = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_GRAPH_EXISTS);
    elg_postgres_put_text(&connection->batch, graph->hex);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK)
        graph->exists = PQntuples(connection->results[0]) > 0;
    return status;
}

static enum elg_status insert_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct graph *graph = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_GRAPH_INSERT);
    elg_postgres_put_text(batch, graph->hex);
    elg_postgres_put_text(batch, graph->row->id);
    elg_postgres_put_text(batch, graph->row->version);
    elg_postgres_put_blob(batch, graph->row->definition);
    elg_postgres_put_moment(batch, elg_postgres_date_ms(graph->postgres));
    return elg_postgres_exchange(connection, error);
}

/* What a reader sees is durable already, so a graph that is there costs no sync. */
enum elg_status elg_postgres_graph_put(void *self, const struct elg_graph_row *row,
                                       struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct elg_postgres_connection *loop = &postgres->connections[ELG_POSTGRES_LOOP];
    struct graph graph = {.postgres = postgres, .row = row};
    elg_base_hash_hex(&row->hash, graph.hex);
    enum elg_status status = elg_postgres_try(loop, exists_attempt, &graph, error);
    if (status != ELG_OK || graph.exists)
        return status;
    return elg_postgres_try(loop, insert_attempt, &graph, error);
}

static enum elg_status read_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    struct graph *graph = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_GRAPH_READ);
    elg_postgres_put_text(&connection->batch, graph->hex);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    const PGresult *result = connection->results[0];
    if (PQntuples(result) == 0)
        return elg_base_fail(error, ELG_NOT_FOUND, graph->hex,
                             "no graph in %s has this hash",
                             graph->postgres->settings.label);
    return elg_postgres_row_graph(graph->postgres, result, graph->hex, graph->out, error);
}

enum elg_status elg_postgres_graph_get(void *self, const struct elg_hash *hash,
                                       struct elg_graph_row *out, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct graph graph = {.postgres = postgres, .out = out};
    elg_base_hash_hex(hash, graph.hex);
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], read_attempt,
                            &graph, error);
}
