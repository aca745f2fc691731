/* postgres_commit: writing turns. Uses postgres.h, turn.h. Upholds P3, P5.
 *
 * Usually all turns go well, and then a flush is one exchange: begin, the worker's
 * marker, one message per table, commit. If a count is not what it should be the server
 * leaves out the COMMIT, and the turns are written one after the other behind savepoints,
 * which tells who is refused and why; that is a fenced writer, a defect or a forged
 * table, so it may be slow. So is a run with two turns in one call.
 */
#include "checkpoint/postgres_signal.h"
#include "checkpoint/turn.h"

#include <stdlib.h>
#include <string.h>

#define MARK_MESSAGE 1 /* of a flush, behind BEGIN */

struct commit {
    struct elg_postgres *postgres;
    struct elg_turn *turns;
    size_t turn_count;
    int64_t flush_before; /* the last flush before this call */
    struct elg_turn *sorted[ELG_COMMIT_BATCH_TURNS_MAX];
};

/* ---- what became of a flush whose reply was lost */

/* The number in the first row of a result; -1: there is no row. */
static enum elg_status number_read(struct elg_postgres_connection *connection,
                                   int message, int64_t *out, struct elg_error *error)
{
    const struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_columns columns = {.alloc = postgres->env.alloc,
                                           .label = postgres->settings.label,
                                           .result = connection->results[message],
                                           .table = "flush",
                                           .row = "of this worker",
                                           .error = error};
    *out = -1;
    if (PQntuples(columns.result) > 0)
        *out = elg_postgres_column_int(&columns, -1, INT64_MAX);
    return columns.status;
}

static enum elg_status settle_marker(struct elg_postgres_connection *connection,
                                     bool *committed, struct elg_error *error)
{
    struct elg_postgres *postgres = connection->postgres;
    int64_t flush;
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_MARK_SETTLE);
    elg_postgres_put_int8(&connection->batch, postgres->worker);
    elg_postgres_put_int8(&connection->batch, postgres->unsettled);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK)
        status = number_read(connection, 0, &flush, error);
    if (status != ELG_OK)
        return status;
    *committed = flush == postgres->unsettled;
    if (flush >= 0)
        return ELG_OK;
    postgres->unsettled = 0;
    return elg_base_fail(error, ELG_CORRUPT, postgres->settings.label,
                         "this worker's row of cmo_flushes was deleted: whether its last "
                         "commit went well cannot be told");
}

/* The runs of the flush, as arrays of ids and epochs. */
static void runs_put(struct elg_postgres_batch *batch, const struct commit *commit)
{
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < commit->turn_count; i++)
        elg_postgres_put_text(batch, commit->sorted[i]->run->trace_id);
    elg_postgres_array_end(batch);
    elg_postgres_array_begin(batch, ELG_POSTGRES_INT8);
    for (size_t i = 0; i < commit->turn_count; i++)
        elg_postgres_put_int8(batch, (int64_t)commit->sorted[i]->run->epoch);
    elg_postgres_array_end(batch);
}

/* One run that is still ours tells of all; if none is, all are fenced. */
static enum elg_status settle_runs(struct elg_postgres_connection *connection,
                                   struct commit *commit, bool *committed,
                                   struct elg_error *error)
{
    struct elg_postgres *postgres = connection->postgres;
    struct elg_postgres_batch *batch = &connection->batch;
    int64_t token = elg_postgres_flush_token(postgres, postgres->unsettled), found;
    elg_postgres_batch_reset(batch);
    elg_postgres_add(batch, ELG_POSTGRES_TOKEN_FENCE);
    runs_put(batch, commit);
    elg_postgres_put_int8(batch, token);
    elg_postgres_put_int8(batch, ELG_COMMIT_BATCH_TURNS_MAX);
    elg_postgres_add(batch, ELG_POSTGRES_TOKEN_READ);
    runs_put(batch, commit);
    elg_postgres_put_int8(batch, ELG_COMMIT_BATCH_TURNS_MAX);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK)
        status = number_read(connection, 1, &found, error);
    if (status != ELG_OK)
        return status;
    *committed = found == token || found < 0;
    for (size_t i = 0; found < 0 && i < commit->turn_count; i++)
        commit->turns[i].result = ELG_FENCED;
    return ELG_OK;
}

/* `ours`: the flush is of this call. One of an earlier call whose runs cannot be told any
 * more was reported as failed; its runs are written anew under higher tokens, or claimed,
 * and either keeps it out. */
static enum elg_status settle(struct elg_postgres_connection *connection,
                              struct commit *commit, bool ours, bool *committed,
                              struct elg_error *error)
{
    struct elg_postgres *postgres = connection->postgres;
    enum elg_status status = ELG_OK;
    if (postgres->unsettled_marked)
        status = settle_marker(connection, committed, error);
    else if (ours)
        status = settle_runs(connection, commit, committed, error);
    if (status == ELG_OK)
        postgres->unsettled = 0;
    return status;
}

/* ---- the frame of a flush */

static void flush_begin(struct elg_postgres_connection *connection, bool marked)
{
    struct elg_postgres *postgres = connection->postgres;
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_BEGIN);
    postgres->flush++;
    postgres->unsettled_marked = marked;
    if (!marked)
        return;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_MARK);
    elg_postgres_put_int8(&connection->batch, postgres->worker);
    elg_postgres_put_int8(&connection->batch, postgres->flush);
}

/* Sends a batch that ends with COMMIT. */
static enum elg_status flush_end(struct elg_postgres_connection *connection,
                                 struct elg_error *error)
{
    struct elg_postgres *postgres = connection->postgres;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_COMMIT);
    postgres->unsettled = postgres->flush;
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK || !connection->lost)
        postgres->unsettled = 0;
    return status;
}

/* ---- all at once */

static int by_trace(const void *a, const void *b)
{
    const struct elg_turn *x = *(struct elg_turn *const *)a;
    const struct elg_turn *y = *(struct elg_turn *const *)b;
    return strcmp(x->run->trace_id, y->run->trace_id);
}

/* Updates by trace, so that two writers lock rows in the same order; creations as given,
 * which is the order of their numbers. */
static int by_writing(const void *a, const void *b)
{
    const struct elg_turn *x = *(struct elg_turn *const *)a;
    const struct elg_turn *y = *(struct elg_turn *const *)b;
    if (x->create != y->create)
        return x->create ? 1 : -1;
    if (x->create)
        return x < y ? -1 : 1;
    return by_trace(a, b);
}

/* False: the turns have to go one by one. */
static bool sort(struct commit *commit)
{
    for (size_t i = 0; i < commit->turn_count; i++) {
        struct elg_turn *turn = &commit->turns[i];
        if (elg_checkpoint_turn_gap(turn) || elg_postgres_flush_twice(turn))
            return false;
        commit->sorted[i] = turn;
    }
    qsort(commit->sorted, commit->turn_count, sizeof commit->sorted[0], by_trace);
    for (size_t i = 1; i < commit->turn_count; i++) {
        if (by_trace(&commit->sorted[i - 1], &commit->sorted[i]) == 0)
            return false;
    }
    qsort(commit->sorted, commit->turn_count, sizeof commit->sorted[0], by_writing);
    return true;
}

static enum elg_status write_all(struct elg_postgres_connection *connection,
                                 struct commit *commit, struct elg_error *error)
{
    int run_messages;
    flush_begin(connection, commit->sorted[commit->turn_count - 1]->create);
    elg_postgres_flush_add(commit->postgres, commit->sorted, commit->turn_count, true,
                           elg_postgres_date_ms(commit->postgres), &run_messages);
    return flush_end(connection, error);
}

/* ---- one by one */

/* What is wrong with the turn's run. */
static enum elg_status refusal_read(struct elg_postgres_connection *connection,
                                    struct elg_turn *turn, struct elg_error *error)
{
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_FENCE_READ);
    elg_postgres_put_text(&connection->batch, turn->run->trace_id);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    const PGresult *result = connection->results[0];
    struct elg_postgres_columns columns = {.alloc = connection->postgres->env.alloc,
                                           .label = connection->postgres->settings.label,
                                           .result = result,
                                           .table = "cmo_runs",
                                           .row = turn->run->trace_id,
                                           .error = error};
    bool found = PQntuples(result) > 0;
    if (turn->create)
        turn->result = found ? ELG_EXISTS : ELG_CORRUPT;
    else if (!found)
        turn->result = ELG_NOT_FOUND;
    else if (elg_postgres_column_int(&columns, 0, INT64_MAX) != (int64_t)turn->run->epoch)
        turn->result = ELG_FENCED;
    else
        turn->result = ELG_CORRUPT;
    return columns.status;
}

/* A turn that is wrong in itself is refused for what is wrong with its run, if that is.
 */
static enum elg_status turn_refuse(struct elg_postgres_connection *connection,
                                   struct elg_turn *turn, bool records,
                                   struct elg_error *error)
{
    bool keyless = elg_postgres_keyless(connection);
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_SAVE_BACK);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK && keyless) /* of the keys that a turn can miss, a graph's */
        turn->result = ELG_NOT_FOUND;
    else if (status == ELG_OK && records)
        turn->result = ELG_CORRUPT;
    else if (status == ELG_OK)
        status = refusal_read(connection, turn, error);
    return status;
}

static enum elg_status write_one(struct elg_postgres_connection *connection,
                                 struct elg_turn *turn, int64_t now_ms,
                                 struct elg_error *error)
{
    int run_messages;
    bool twice = elg_postgres_flush_twice(turn);
    if (elg_checkpoint_turn_gap(turn))
        return refusal_read(connection, turn, error);
    struct elg_turn shorn = *turn; /* without records that are wrong in themselves */
    if (twice)
        shorn.record_count = 0;
    struct elg_turn *one = twice ? &shorn : turn;
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_SAVE);
    elg_postgres_flush_add(connection->postgres, &one, 1, false, now_ms, &run_messages);
    if (!twice)
        elg_postgres_add(&connection->batch, ELG_POSTGRES_SAVE_DROP);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK && twice)
        return turn_refuse(connection, turn, true, error);
    if (status == ELG_OK || !elg_postgres_mismatch(connection))
        return status;
    return turn_refuse(connection, turn, connection->failed > run_messages, error);
}

static enum elg_status write_each(struct elg_postgres_connection *connection,
                                  struct commit *commit, struct elg_error *error)
{
    int64_t now_ms = elg_postgres_date_ms(commit->postgres);
    bool any_refused = false;
    flush_begin(connection, true);
    enum elg_status status = elg_postgres_exchange(connection, error);
    for (size_t i = 0; status == ELG_OK && i < commit->turn_count; i++) {
        struct elg_turn *turn = &commit->turns[i];
        turn->result = elg_checkpoint_turn_before(commit->turns, i, any_refused);
        if (turn->result == ELG_OK)
            status = write_one(connection, turn, now_ms, error);
        if (turn->result != ELG_OK)
            any_refused = true;
    }
    if (status != ELG_OK)
        return status;
    elg_postgres_batch_reset(&connection->batch);
    return flush_end(connection, error);
}

/* ---- again, until it is known */

static enum elg_status write_turns(struct elg_postgres_connection *connection,
                                   struct commit *commit, struct elg_error *error)
{
    for (size_t i = 0; i < commit->turn_count; i++)
        commit->turns[i].result = ELG_OK;
    if (sort(commit)) {
        enum elg_status status = write_all(connection, commit, error);
        if (status == ELG_OK || !elg_postgres_mismatch(connection))
            return status;
        elg_postgres_rollback(connection);
    }
    return write_each(connection, commit, error);
}

/* A worker that slept for a day may find its marker swept away. */
static enum elg_status mark_again(struct elg_postgres_connection *connection,
                                  struct elg_error *error)
{
    elg_postgres_rollback(connection);
    elg_postgres_batch_reset(&connection->batch);
    elg_postgres_add(&connection->batch, ELG_POSTGRES_MARK_AGAIN);
    elg_postgres_put_int8(&connection->batch, connection->postgres->worker);
    elg_postgres_put_int8(&connection->batch, connection->postgres->flush);
    return elg_postgres_exchange(connection, error);
}

static enum elg_status attempt(struct elg_postgres_connection *connection, void *self,
                               struct elg_error *error)
{
    struct commit *commit = self;
    enum elg_status status = ELG_OK;
    bool committed = false;
    bool ours = commit->postgres->unsettled > commit->flush_before;
    if (commit->postgres->unsettled != 0)
        status = settle(connection, commit, ours, &committed, error);
    if (status != ELG_OK || (committed && ours))
        return status;
    status = write_turns(connection, commit, error);
    if (status == ELG_OK || connection->lost || !elg_postgres_mismatch(connection) ||
        connection->failed != MARK_MESSAGE)
        return status;
    status = mark_again(connection, error);
    return status == ELG_OK ? write_turns(connection, commit, error) : status;
}

static void results_note(struct elg_postgres *postgres, const struct elg_turn *turns,
                         size_t turn_count)
{
    for (size_t i = 0; i < turn_count; i++) {
        const struct elg_run_row *run = turns[i].run;
        if (turns[i].result == ELG_OK && elg_checkpoint_status_ended(run->status))
            elg_postgres_own_ended(postgres, run->trace_id);
        if (elg_checkpoint_turn_ends_children(&turns[i]))
            atomic_store(&postgres->aborts_maybe, true); /* some may be held here */
    }
}

/* Pending runs are anyone's: whoever waits for work hears of them. */
static bool any_pending(const struct elg_turn *turns, size_t turn_count)
{
    bool any = false;
    for (size_t i = 0; !any && i < turn_count; i++)
        any = turns[i].create && turns[i].result == ELG_OK &&
              turns[i].run->status == ELG_RUN_PENDING;
    return any;
}

enum elg_status elg_postgres_commit(void *self, struct elg_turn *turns, size_t turn_count,
                                    struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct commit commit = {.postgres = postgres,
                            .turns = turns,
                            .turn_count = turn_count,
                            .flush_before = postgres->flush};
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_WRITER],
                                              attempt, &commit, error);
    if (status != ELG_OK)
        return status;
    results_note(postgres, turns, turn_count);
    if (elg_postgres_family_tells(turns, turn_count))
        elg_postgres_signals_tell(&postgres->connections[ELG_POSTGRES_WRITER]);
    else if (any_pending(turns, turn_count))
        elg_postgres_work_tell(&postgres->connections[ELG_POSTGRES_WRITER]);
    return ELG_OK;
}
