/* sqlite_gc: retention: what has ended long ago, and what nothing refers to. Uses
 * sqlite.h. */
#include "checkpoint/sqlite.h"

/* One statement about the tree of a run, to its end. */
static enum elg_status tree_delete(struct elg_sqlite *sqlite, const char *trace_id,
                                   enum elg_sqlite_statement which,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, which, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

/* *count: runs of the tree; 0: it stays. */
static enum elg_status tree_read(struct elg_sqlite_connection *connection,
                                 const char *trace_id, int64_t before_ms, uint64_t *count,
                                 struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    *count = 0;
    enum elg_status status =
        elg_sqlite_statement(connection, ELG_SQLITE_TREE_READ, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    status = elg_sqlite_step(connection, statement, &found, error);
    if (status != ELG_OK || !found)
        return status;
    bool root_ended = sqlite3_column_type(statement, 2) != SQLITE_NULL &&
                      sqlite3_column_int64(statement, 2) < before_ms;
    if (root_ended && sqlite3_column_int64(statement, 1) == 0)
        *count = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return ELG_OK;
}

static enum elg_status tree_remove(struct elg_sqlite *sqlite, const char *trace_id,
                                   struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    for (int i = ELG_SQLITE_TREE_SIGNALS; status == ELG_OK && i <= ELG_SQLITE_TREE_RUNS;
         i++)
        status = tree_delete(sqlite, trace_id, (enum elg_sqlite_statement)i, error);
    return status;
}

static enum elg_status trees_look(struct elg_sqlite *sqlite, const char *const *trace_ids,
                                  size_t count, int64_t before_ms, uint64_t *removed,
                                  struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    pthread_mutex_lock(&sqlite->read_mutex);
    for (size_t i = 0; status == ELG_OK && i < count; i++) {
        uint64_t runs = 0;
        status = tree_read(&sqlite->reader, trace_ids[i], before_ms, &runs, error);
        *removed += runs;
    }
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

enum elg_status elg_sqlite_trees_remove(void *self, const char *const *trace_ids,
                                        size_t count, int64_t before_ms, bool look,
                                        uint64_t *removed, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    uint64_t total = 0;
    *removed = 0;
    if (look)
        return trees_look(sqlite, trace_ids, count, before_ms, removed, error);
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    for (size_t i = 0; status == ELG_OK && i < count; i++) {
        uint64_t runs = 0;
        status = tree_read(&sqlite->writer, trace_ids[i], before_ms, &runs, error);
        if (status == ELG_OK && runs > 0)
            status = tree_remove(sqlite, trace_ids[i], error);
        total += runs;
    }
    if (status == ELG_OK)
        status = elg_sqlite_write_commit(sqlite, error);
    else
        elg_sqlite_write_rollback(sqlite);
    if (status == ELG_OK)
        *removed = total;
    return status;
}

static enum elg_status graphs_count(struct elg_sqlite *sqlite, int64_t before_ms,
                                    uint64_t *count, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_GRAPHS_COUNT, &statement, error);
    if (status == ELG_OK) {
        sqlite3_bind_int64(statement, 1, before_ms);
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
    }
    if (status == ELG_OK && found)
        *count = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

enum elg_status elg_sqlite_graphs_remove(void *self, int64_t before_ms, bool look,
                                         uint64_t *removed, struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    sqlite3_stmt *statement = NULL;
    int changes = 0;
    *removed = 0;
    if (look)
        return graphs_count(sqlite, before_ms, removed, error);
    enum elg_status status = elg_sqlite_write_begin(sqlite, error);
    if (status != ELG_OK)
        return status;
    status = elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_GRAPHS_REMOVE, &statement,
                                  error);
    if (status == ELG_OK) {
        sqlite3_bind_int64(statement, 1, before_ms);
        status = elg_sqlite_write(&sqlite->writer, statement, &changes, error);
    }
    if (status == ELG_OK)
        status = elg_sqlite_write_commit(sqlite, error);
    else
        elg_sqlite_write_rollback(sqlite);
    if (status == ELG_OK)
        *removed = (uint64_t)changes;
    return status;
}

enum elg_status elg_sqlite_references(void *self, elg_reference_fn text, void *text_self,
                                      struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    sqlite3_stmt *statement = NULL;
    bool found = true;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = elg_sqlite_statement(
        &sqlite->reader, ELG_SQLITE_REFERENCES_READ, &statement, error);
    while (status == ELG_OK && found) {
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            break;
        struct elg_bytes bytes = {sqlite3_column_blob(statement, 0), 0};
        bytes.size = (size_t)sqlite3_column_bytes(statement, 0);
        if (bytes.data != NULL)
            text(text_self, bytes);
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}
