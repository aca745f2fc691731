/* sqlite_graph: graphs by their hash (I9). Uses sqlite.h. */
#include "checkpoint/sqlite.h"

#include <string.h>

static enum elg_status hash_statement(struct elg_sqlite_connection *connection,
                                      enum elg_sqlite_statement which,
                                      const struct elg_hash *hash,
                                      struct elg_sqlite_bind *bind,
                                      struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum elg_status status = elg_sqlite_statement(connection, which, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(bind, statement);
    elg_sqlite_bind_hash(bind, hash);
    return elg_sqlite_bind_end(bind, connection, error);
}

static enum elg_status graph_exists(struct elg_sqlite *sqlite,
                                    const struct elg_hash *hash, bool *exists,
                                    struct elg_error *error)
{
    struct elg_sqlite_bind bind;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        hash_statement(&sqlite->reader, ELG_SQLITE_GRAPH_EXISTS, hash, &bind, error);
    if (status == ELG_OK) {
        status = elg_sqlite_step(&sqlite->reader, bind.statement, exists, error);
        sqlite3_reset(bind.statement);
    }
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

static enum elg_status graph_write(struct elg_sqlite *sqlite,
                                   const struct elg_graph_row *row,
                                   struct elg_error *error)
{
    struct elg_sqlite_bind bind;
    int changes;
    enum elg_status status = hash_statement(&sqlite->writer, ELG_SQLITE_GRAPH_INSERT,
                                            &row->hash, &bind, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_text(&bind, row->id);
    elg_sqlite_bind_text(&bind, row->version);
    elg_sqlite_bind_blob(&bind, row->definition);
    elg_sqlite_bind_int(&bind, elg_base_wall_ms(sqlite->env.clock));
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, bind.statement, &changes, error);
}

/* What a reader sees is durable already, so a graph that is there costs no sync. */
enum elg_status elg_sqlite_graph_put(void *self, const struct elg_graph_row *row,
                                     struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    bool exists = false;
    enum elg_status status = graph_exists(sqlite, &row->hash, &exists, error);
    if (status != ELG_OK || exists)
        return status;
    status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    status = graph_write(sqlite, row, error);
    if (status == ELG_OK)
        return elg_sqlite_write_commit(sqlite, error);
    elg_sqlite_write_rollback(sqlite);
    return status;
}

static enum elg_status graph_columns(struct elg_sqlite *sqlite, sqlite3_stmt *statement,
                                     const struct elg_hash *hash,
                                     struct elg_graph_row *out, struct elg_error *error)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(hash, hex);
    struct elg_graph_row row;
    memset(&row, 0, sizeof row);
    struct elg_sqlite_columns columns = {.alloc = sqlite->env.alloc,
                                         .connection = &sqlite->reader,
                                         .statement = statement,
                                         .table = "cmo_graphs",
                                         .row = hex,
                                         .error = error};
    elg_sqlite_column_hash(&columns, &row.hash, false);
    elg_sqlite_column_text(&columns, row.id, sizeof row.id, false);
    elg_sqlite_column_text(&columns, row.version, sizeof row.version, false);
    row.definition = elg_sqlite_column_blob(&columns, false);
    if (columns.status != ELG_OK)
        elg_checkpoint_graph_row_fini(&row);
    else
        *out = row;
    return columns.status;
}

static enum elg_status graph_read(struct elg_sqlite *sqlite, const struct elg_hash *hash,
                                  struct elg_graph_row *out, struct elg_error *error)
{
    struct elg_sqlite_bind bind;
    bool found;
    enum elg_status status =
        hash_statement(&sqlite->reader, ELG_SQLITE_GRAPH_READ, hash, &bind, error);
    if (status == ELG_OK)
        status = elg_sqlite_step(&sqlite->reader, bind.statement, &found, error);
    if (status != ELG_OK)
        return status;
    if (!found) {
        char hex[ELG_HASH_HEX_SIZE];
        elg_base_hash_hex(hash, hex);
        return elg_base_fail(error, ELG_NOT_FOUND, hex, "no graph in %s has this hash",
                             sqlite->path);
    }
    status = graph_columns(sqlite, bind.statement, hash, out, error);
    sqlite3_reset(bind.statement);
    return status;
}

enum elg_status elg_sqlite_graph_get(void *self, const struct elg_hash *hash,
                                     struct elg_graph_row *out, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = graph_read(sqlite, hash, out, error);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}
