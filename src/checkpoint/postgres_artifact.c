/* postgres_artifact: artifacts in the database itself, so that any host can take any run
 * over. Uses postgres.h.
 *
 * An artifact is chunks, written in one transaction: its first chunk is there exactly if
 * all are. It has a connection of its own, because payloads are fetched while a journal
 * is read and stored while a commit is made. created_at of the first chunk is when it was
 * put last: to put it again makes it young, and locks that row, so that a removal at the
 * same time either comes first, and the put finds nothing and writes, or sees its age.
 */
#include "checkpoint/postgres.h"

struct artifact {
    struct elg_postgres *postgres;
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_bytes content;
    struct elg_buf *out;
    size_t out_before;
    int64_t age_ms_min;
    bool removed;
    elg_artifact_row_fn give;
    void *give_self;
    bool more;
};

static enum elg_status artifact_try(struct artifact *artifact,
                                    elg_postgres_attempt_fn attempt,
                                    struct elg_error *error)
{
    return elg_postgres_try(&artifact->postgres->connections[ELG_POSTGRES_ARTIFACTS],
                            attempt, artifact, error);
}

/* ---- put */

static uint32_t chunk_count_of(size_t size)
{
    size_t count = (size + ELG_POSTGRES_CHUNK_BYTES - 1) / ELG_POSTGRES_CHUNK_BYTES;
    return count > 0 ? (uint32_t)count : 1;
}

static void chunk_add(struct elg_postgres_batch *batch, const struct artifact *artifact,
                      uint32_t index, uint32_t count)
{
    size_t offset = (size_t)index * ELG_POSTGRES_CHUNK_BYTES;
    size_t size = artifact->content.size - offset;
    if (size > ELG_POSTGRES_CHUNK_BYTES)
        size = ELG_POSTGRES_CHUNK_BYTES;
    elg_postgres_add(batch, ELG_POSTGRES_ARTIFACT_INSERT);
    elg_postgres_put_text(batch, artifact->hex);
    elg_postgres_put_int4(batch, index);
    elg_postgres_put_int4(batch, count);
    elg_postgres_put_int8(batch, (int64_t)artifact->content.size);
    elg_postgres_put_bytes(batch,
                           (struct elg_bytes){artifact->content.data + offset, size});
}

/* The last exchange ends with COMMIT. What is there already was not whole. */
static enum elg_status chunks_write(struct elg_postgres_connection *connection,
                                    const struct artifact *artifact,
                                    struct elg_error *error)
{
    struct elg_postgres_batch *batch = &connection->batch;
    uint32_t count = chunk_count_of(artifact->content.size);
    enum elg_status status = ELG_OK;
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN);
    elg_postgres_add(batch, ELG_POSTGRES_ARTIFACT_DELETE);
    elg_postgres_put_text(batch, artifact->hex);
    for (uint32_t i = 0; status == ELG_OK && i < count;) {
        for (int n = 0; n < ELG_POSTGRES_CHUNKS_MAX && i < count; n++)
            chunk_add(batch, artifact, i++, count);
        if (i == count)
            elg_postgres_add(batch, ELG_POSTGRES_COMMIT);
        status = elg_postgres_exchange(connection, error);
        elg_postgres_batch_reset(batch);
    }
    return status;
}

static enum elg_status put_attempt(struct elg_postgres_connection *connection, void *self,
                                   struct elg_error *error)
{
    const struct artifact *artifact = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_ARTIFACT_TOUCH);
    elg_postgres_put_text(batch, artifact->hex);
    elg_postgres_add(batch, ELG_POSTGRES_ARTIFACT_WHOLE);
    elg_postgres_put_text(batch, artifact->hex);
    elg_postgres_put_int8(batch, (int64_t)artifact->content.size);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK || PQntuples(connection->results[1]) > 0)
        return status;
    return chunks_write(connection, artifact, error);
}

enum elg_status elg_postgres_artifact_put(void *self, const struct elg_hash *hash,
                                          struct elg_bytes content,
                                          struct elg_error *error)
{
    struct artifact artifact = {.postgres = self, .content = content};
    elg_base_hash_hex(hash, artifact.hex);
    return artifact_try(&artifact, put_attempt, error);
}

/* ---- get */

static enum elg_status missing_fail(const struct artifact *artifact,
                                    struct elg_error *error)
{
    return elg_base_fail(error, ELG_NOT_FOUND, artifact->hex, "no artifact %s in %s",
                         artifact->hex, artifact->postgres->settings.label);
}

static enum elg_status broken_fail(const struct artifact *artifact,
                                   struct elg_error *error)
{
    return elg_base_fail(error, ELG_CORRUPT, artifact->hex,
                         "artifact %s in %s is not whole; restore it from a copy",
                         artifact->hex, artifact->postgres->settings.label);
}

static struct elg_postgres_columns columns_of(const struct artifact *artifact,
                                              const PGresult *result, int at,
                                              struct elg_error *error)
{
    return (struct elg_postgres_columns){.alloc = artifact->postgres->env.alloc,
                                         .label = artifact->postgres->settings.label,
                                         .result = result,
                                         .at = at,
                                         .table = "cmo_artifacts",
                                         .row = artifact->hex,
                                         .error = error};
}

/* Appends the chunk in row `at`, which is to be that of `index`. */
static enum elg_status chunk_take(const struct artifact *artifact, const PGresult *result,
                                  int at, uint32_t index, uint32_t *count,
                                  struct elg_error *error)
{
    struct elg_postgres_columns columns = columns_of(artifact, result, at, error);
    struct elg_buf *out = artifact->out;
    int64_t found = elg_postgres_column_int(&columns, 0, INT32_MAX);
    int64_t of = elg_postgres_column_int(&columns, 1, INT32_MAX);
    int64_t size = elg_postgres_column_int(&columns, 0, ELG_ARTIFACT_BYTES_MAX);
    struct elg_bytes data =
        elg_postgres_column_bytes(&columns, ELG_POSTGRES_BYTEA, false);
    if (columns.status != ELG_OK)
        return columns.status;
    if (found != index || (index > 0 && of != *count) ||
        out->size - artifact->out_before + data.size > (size_t)size)
        return broken_fail(artifact, error);
    *count = (uint32_t)of;
    if (index == 0 && !elg_base_buf_reserve(out, (size_t)size))
        return elg_base_no_memory(error);
    elg_base_buf_append(out, data.data, data.size);
    return out->failed ? elg_base_no_memory(error) : ELG_OK;
}

static enum elg_status get_attempt(struct elg_postgres_connection *connection, void *self,
                                   struct elg_error *error)
{
    const struct artifact *artifact = self;
    struct elg_postgres_batch *batch = &connection->batch;
    enum elg_status status = ELG_OK;
    uint32_t index = 0, count = 1;
    artifact->out->size = artifact->out_before;
    while (status == ELG_OK && index < count) {
        elg_postgres_batch_reset(batch);
        elg_postgres_add(batch, ELG_POSTGRES_ARTIFACT_READ);
        elg_postgres_put_text(batch, artifact->hex);
        elg_postgres_put_int4(batch, index);
        elg_postgres_put_int4(batch, (int64_t)index + ELG_POSTGRES_CHUNKS_MAX);
        status = elg_postgres_exchange(connection, error);
        const PGresult *result = connection->results[0];
        if (status == ELG_OK && PQntuples(result) == 0)
            return index == 0 ? missing_fail(artifact, error)
                              : broken_fail(artifact, error);
        for (int i = 0; status == ELG_OK && i < PQntuples(result); i++)
            status = chunk_take(artifact, result, i, index++, &count, error);
    }
    return status;
}

enum elg_status elg_postgres_artifact_get(void *self, const struct elg_hash *hash,
                                          struct elg_buf *out, struct elg_error *error)
{
    struct artifact artifact = {.postgres = self, .out = out, .out_before = out->size};
    elg_base_hash_hex(hash, artifact.hex);
    enum elg_status status = artifact_try(&artifact, get_attempt, error);
    if (status != ELG_OK)
        out->size = artifact.out_before;
    return status;
}

/* ---- list, remove */

/* A page; the hash of its last row is where the next begins. */
static enum elg_status page_give(struct artifact *artifact, const PGresult *result,
                                 struct elg_error *error)
{
    for (int i = 0; artifact->more && i < PQntuples(result); i++) {
        struct elg_artifact_row row;
        struct elg_postgres_columns columns = columns_of(artifact, result, i, error);
        elg_postgres_column_hash(&columns, &row.hash, false);
        row.size_bytes =
            (uint64_t)elg_postgres_column_int(&columns, 0, ELG_ARTIFACT_BYTES_MAX);
        row.age_ms = elg_postgres_column_int(&columns, 0, INT64_MAX);
        if (columns.status != ELG_OK)
            return columns.status;
        elg_base_hash_hex(&row.hash, artifact->hex);
        artifact->more = artifact->give(artifact->give_self, &row);
    }
    artifact->more = artifact->more && PQntuples(result) > 0;
    return ELG_OK;
}

/* After a lost connection it goes on behind what was given last. */
static enum elg_status list_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    struct artifact *artifact = self;
    enum elg_status status = ELG_OK;
    while (status == ELG_OK && artifact->more) {
        elg_postgres_batch_reset(&connection->batch);
        elg_postgres_add(&connection->batch, ELG_POSTGRES_ARTIFACT_LIST);
        elg_postgres_put_text(&connection->batch, artifact->hex);
        status = elg_postgres_exchange(connection, error);
        if (status == ELG_OK)
            status = page_give(artifact, connection->results[0], error);
    }
    return status;
}

enum elg_status elg_postgres_artifact_list(void *self, const struct elg_hash *after,
                                           elg_artifact_row_fn row, void *row_self,
                                           struct elg_error *error)
{
    struct artifact artifact = {
        .postgres = self, .give = row, .give_self = row_self, .more = true};
    if (after != NULL)
        elg_base_hash_hex(after, artifact.hex);
    return artifact_try(&artifact, list_attempt, error);
}

static enum elg_status remove_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct artifact *artifact = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_ARTIFACT_REMOVE);
    elg_postgres_put_text(&connection->batch, artifact->hex);
    elg_postgres_put_int8(&connection->batch, artifact->age_ms_min);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK)
        artifact->removed = PQntuples(connection->results[0]) > 0;
    return status;
}

enum elg_status elg_postgres_artifact_remove(void *self, const struct elg_hash *hash,
                                             int64_t age_ms_min, bool *removed,
                                             struct elg_error *error)
{
    struct artifact artifact = {.postgres = self, .age_ms_min = age_ms_min};
    elg_base_hash_hex(hash, artifact.hex);
    enum elg_status status = artifact_try(&artifact, remove_attempt, error);
    if (status == ELG_OK)
        *removed = artifact.removed;
    return status;
}
