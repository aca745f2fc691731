/* postgres_next: taking up many runs in one transaction: whatever is next, or runs by
 * their names. Uses postgres.h.
 *
 * A commit whose reply is lost may leave runs that this worker holds and does not
 * execute: the keeper gives them back.
 */
#include "checkpoint/postgres.h"
#include "checkpoint/turn.h"

#define UNREAD_MAX 64 /* rows that one claim finds damaged and passes over */

struct next {
    struct elg_postgres *postgres;
    const char *const *graph_ids; /* NULL: all */
    size_t graph_count;
    const struct elg_pass_over *passed;
    const char *const *trace_ids; /* NULL: whatever is next */
    size_t trace_count;
    struct elg_blob *quarantine; /* the error of a run that was claimed too often */
    struct elg_run_row *rows;
    size_t row_max, row_count;
    char unread[UNREAD_MAX][ELG_TRACE_BYTES_MAX + 1];
    size_t unread_count;
};

static void texts_put(struct elg_postgres_batch *batch, const char *const *texts,
                      size_t count)
{
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < count; i++)
        elg_postgres_put_text(batch, texts[i]);
    elg_postgres_array_end(batch);
}

static void traces_put(struct elg_postgres_batch *batch, const struct next *next)
{
    size_t count = next->passed != NULL ? next->passed->count : 0;
    if (count + next->unread_count == 0) {
        elg_postgres_put_null(batch);
        return;
    }
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < count; i++)
        elg_postgres_put_text(batch, next->passed->trace_ids[i]);
    for (size_t i = 0; i < next->unread_count; i++)
        elg_postgres_put_text(batch, next->unread[i]);
    elg_postgres_array_end(batch);
}

static void passed_put(struct elg_postgres_batch *batch, const struct next *next)
{
    const struct elg_pass_over *passed = next->passed;
    traces_put(batch, next);
    if (passed != NULL && passed->jailed)
        elg_postgres_put_bytes(batch, elg_base_bytes(ELG_LIMITS_JAILED));
    else
        elg_postgres_put_null(batch);
}

static void next_add(struct elg_postgres_batch *batch, const struct next *next)
{
    bool named = next->trace_ids != NULL;
    elg_postgres_add(batch, named ? ELG_POSTGRES_CLAIM_NAMED : ELG_POSTGRES_CLAIM_NEXT);
    elg_postgres_put_int8(batch, next->postgres->worker);
    elg_postgres_put_moment(batch, elg_postgres_date_ms(next->postgres));
    elg_postgres_put_int4(batch, ELG_CLAIMS_MAX);
    elg_postgres_put_text(batch, next->postgres->owner);
    if (named) {
        texts_put(batch, next->trace_ids, next->trace_count);
        traces_put(batch, next);
        return;
    }
    elg_postgres_put_blob(batch, next->quarantine);
    if (next->graph_ids == NULL)
        elg_postgres_put_null(batch);
    else
        texts_put(batch, next->graph_ids, next->graph_count);
    elg_postgres_put_int4(batch, (int64_t)next->row_max);
    passed_put(batch, next);
}

static void rows_fini(struct next *next)
{
    for (size_t i = 0; i < next->row_count; i++)
        elg_checkpoint_run_row_fini(&next->rows[i]);
    next->row_count = 0;
}

/* False: there is no room to note it. */
static bool unread_note(struct next *next, const PGresult *result, int at,
                        const struct elg_error *why)
{
    if (next->unread_count == UNREAD_MAX)
        return false;
    char *trace_id = next->unread[next->unread_count++];
    elg_postgres_row_trace(result, at, trace_id);
    if (next->passed != NULL && next->passed->unread != NULL)
        next->passed->unread(next->passed->unread_self, trace_id, why);
    return true;
}

/* ELG_CORRUPT: some cannot be read; they are noted, as far as there is room. */
static enum elg_status rows_read(struct next *next, const PGresult *result,
                                 struct elg_error *error)
{
    struct elg_error own;
    size_t count = (size_t)PQntuples(result);
    bool damaged = false;
    for (size_t i = 0; i < count && i < next->row_max; i++) {
        enum elg_status status = elg_postgres_row_run(
            next->postgres, result, (int)i, false, &next->rows[next->row_count], &own);
        next->row_count += status == ELG_OK;
        if (status != ELG_OK && status != ELG_CORRUPT)
            return elg_base_fail(error, status, own.where, "%s", own.text);
        if (status == ELG_CORRUPT && !unread_note(next, result, (int)i, &own))
            return elg_base_fail(error, ELG_NOT_FOUND, own.where, "%s", own.text);
        damaged = damaged || status == ELG_CORRUPT;
    }
    return damaged ? ELG_CORRUPT : ELG_OK;
}

/* The claimed rows, while their transaction is open. Whoever takes up runs of a graph
 * with limits holds a lock of that graph before it counts. */
static enum elg_status rows_find(struct elg_postgres_connection *connection,
                                 struct next *next, struct elg_error *error)
{
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN);
    if (next->trace_ids == NULL)
        elg_postgres_add(batch, ELG_POSTGRES_QUOTAS_LOCK);
    next_add(batch, next);
    int message = batch->message_count - 1;
    enum elg_status status = elg_postgres_exchange(connection, error);
    const PGresult *result = connection->results[message];
    if (status == ELG_OK && PQntuples(result) == 0)
        return elg_base_fail(error, ELG_NOT_FOUND, next->postgres->settings.label,
                             "no run waits to be taken up");
    return status == ELG_OK ? rows_read(next, result, error) : status;
}

/* Again without those that cannot be read: nothing of them is written. */
static enum elg_status readable_find(struct elg_postgres_connection *connection,
                                     struct next *next, struct elg_error *error)
{
    size_t before = next->unread_count;
    enum elg_status status = rows_find(connection, next, error);
    while (status == ELG_CORRUPT && next->unread_count > before) {
        before = next->unread_count;
        rows_fini(next);
        elg_postgres_rollback(connection);
        status = rows_find(connection, next, error);
    }
    return status;
}

static bool is_ended(const struct elg_run_row *row)
{
    return elg_checkpoint_status_ended(row->status);
}

static void rows_disown(struct next *next, size_t count)
{
    bool reserved;
    for (size_t i = 0; i < count; i++) {
        if (!is_ended(&next->rows[i]))
            elg_postgres_disown(next->postgres, next->rows[i].trace_id, &reserved);
    }
}

static enum elg_status rows_own(struct next *next, struct elg_error *error)
{
    bool before;
    for (size_t i = 0; i < next->row_count; i++) {
        if (is_ended(&next->rows[i]))
            continue;
        enum elg_status status = elg_postgres_own(next->postgres, next->rows[i].trace_id,
                                                  false, &before, error);
        if (status != ELG_OK) {
            rows_disown(next, i);
            return status;
        }
    }
    return ELG_OK;
}

/* Ends of children are told to their parents. */
static void ended_add(struct elg_postgres_batch *batch, const struct next *next)
{
    size_t count = 0;
    for (size_t i = 0; i < next->row_count; i++)
        count += is_ended(&next->rows[i]);
    if (count == 0)
        return;
    elg_postgres_add(batch, ELG_POSTGRES_CHILDREN_TELL);
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < next->row_count; i++) {
        if (is_ended(&next->rows[i]))
            elg_postgres_put_text(batch, next->rows[i].trace_id);
    }
    elg_postgres_array_end(batch);
}

static enum elg_status next_attempt(struct elg_postgres_connection *connection,
                                    void *self, struct elg_error *error)
{
    struct next *next = self;
    next->row_count = 0;
    enum elg_status status = readable_find(connection, next, error);
    if (status == ELG_OK)
        status = rows_own(next, error);
    if (status == ELG_OK) {
        elg_postgres_batch_reset(&connection->batch);
        ended_add(&connection->batch, next);
        elg_postgres_add(&connection->batch, ELG_POSTGRES_COMMIT);
        status = elg_postgres_exchange(connection, error);
        if (status != ELG_OK)
            rows_disown(next, next->row_count);
        if (connection->lost)
            atomic_store(&next->postgres->release_again, true);
    }
    if (status != ELG_OK)
        rows_fini(next);
    return status;
}

static enum elg_status next_claim(struct next *next, size_t *count,
                                  struct elg_error *error)
{
    struct elg_postgres *postgres = next->postgres;
    next->quarantine =
        elg_checkpoint_quarantine_error(postgres->env.alloc, "$OWNER", "$STEP");
    if (next->quarantine == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              next_attempt, next, error);
    elg_base_blob_unref(next->quarantine);
    for (size_t i = 0; status == ELG_OK && i < next->row_count; i++) {
        if (next->rows[i].abort_requested)
            atomic_store(&postgres->aborts_maybe, true);
    }
    *count = next->row_count;
    return status;
}

enum elg_status elg_postgres_claim_many(void *self, const char *const *graph_ids,
                                        size_t graph_count,
                                        const struct elg_pass_over *passed,
                                        struct elg_run_row *rows, size_t max,
                                        size_t *count, struct elg_error *error)
{
    struct next next = {.postgres = self,
                        .graph_ids = graph_ids,
                        .graph_count = graph_count,
                        .passed = passed,
                        .rows = rows,
                        .row_max = max};
    return next_claim(&next, count, error);
}

enum elg_status elg_postgres_claim_named(void *self, const char *const *trace_ids,
                                         size_t trace_count, struct elg_run_row *rows,
                                         size_t *count, struct elg_error *error)
{
    struct next next = {.postgres = self,
                        .trace_ids = trace_ids,
                        .trace_count = trace_count,
                        .rows = rows,
                        .row_max = trace_count};
    return next_claim(&next, count, error);
}
