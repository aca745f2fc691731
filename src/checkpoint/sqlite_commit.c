/* sqlite_commit: writing turns. Uses sqlite.h, turn.h.
 *
 * Many turns are one transaction. The fence is the WHERE of the one UPDATE that a turn
 * makes of its run's row (I8): no SELECT, unless it was refused and the reason is wanted.
 * A turn is refused before it wrote anything, or, when a record of it meets one that is
 * not open, by doing the whole transaction again without it: that is a defect or a forged
 * file, so it may be slow, and turns that go well pay for no savepoint.
 */
#include "checkpoint/sqlite.h"
#include "checkpoint/turn.h"

#define US_PER_MS 1000.0

/* ---- one turn's run */

static enum elg_status input_write(struct elg_sqlite *sqlite,
                                   const struct elg_run_row *run, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_INPUT_INSERT, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_text(&bind, run->trace_id);
    elg_sqlite_bind_blob(&bind, run->input);
    elg_sqlite_bind_blob(&bind, run->initial_state);
    elg_sqlite_bind_blob(&bind, run->limits);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

static void run_bind(struct elg_sqlite *sqlite, const struct elg_turn *turn,
                     int64_t now_ms, struct elg_sqlite_bind *bind)
{
    const struct elg_run_row *run = turn->run;
    elg_sqlite_bind_text(bind, run->trace_id);
    elg_sqlite_bind_text(bind, run->graph_id);
    elg_sqlite_bind_text(bind, run->graph_version);
    elg_sqlite_bind_hash(bind, &run->graph_hash);
    elg_sqlite_bind_text(bind, elg_checkpoint_status_name(run->status));
    elg_sqlite_bind_text(bind, run->seed);
    elg_sqlite_bind_int(bind, (int64_t)run->step_count);
    elg_sqlite_bind_hash(bind, &run->chain);
    elg_sqlite_bind_int(bind, (int64_t)run->epoch);
    elg_sqlite_bind_int(bind,
                        elg_checkpoint_turn_progress(turn) ? 0 : (int64_t)run->claims);
    elg_sqlite_bind_int(bind, run->abort_requested);
    elg_sqlite_bind_text(bind, run->status == ELG_RUN_PENDING ? NULL : sqlite->owner);
    elg_sqlite_bind_time(bind, run->due_ms);
    elg_sqlite_bind_blob(bind, run->error);
    elg_sqlite_bind_time(bind, run->started_at_ms);
    elg_sqlite_bind_time(bind, elg_checkpoint_turn_completed_ms(turn, now_ms));
    elg_sqlite_bind_int(bind, run->created_at_ms ? run->created_at_ms : now_ms);
    elg_sqlite_bind_int(bind, now_ms);
    elg_sqlite_bind_text(bind, run->parent_trace_id[0] ? run->parent_trace_id : NULL);
    elg_sqlite_bind_int(bind, run->parent_step);
    elg_sqlite_bind_int(bind, run->parent_seq);
    elg_sqlite_bind_int(bind, run->depth);
}

/* What most runs have no need of: whoever takes it up, in what order, how many at once.
 */
static enum elg_status quota_write(struct elg_sqlite *sqlite,
                                   const struct elg_run_row *run, struct elg_error *error)
{
    const struct elg_run_quota *quota = &run->quota;
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    bool free = run->status == ELG_RUN_PENDING;
    if (!free && !elg_checkpoint_has_quota(quota))
        return ELG_OK;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_QUOTA_WRITE, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_int(&bind, free);
    elg_sqlite_bind_int(&bind, quota->priority);
    elg_sqlite_bind_int(&bind, quota->running_max);
    elg_sqlite_bind_text(&bind, quota->key);
    elg_sqlite_bind_int(&bind, quota->key_running_max);
    elg_sqlite_bind_int(&bind, quota->rate_count);
    elg_sqlite_bind_int(&bind, quota->rate_ms);
    elg_sqlite_bind_text(&bind, run->trace_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

/* A trigger refuses a run without its graph; the statement wrote nothing then. */
static bool without_graph(const struct elg_sqlite *sqlite, enum elg_status status)
{
    return status == ELG_CORRUPT &&
           sqlite3_extended_errcode(sqlite->writer.db) == SQLITE_CONSTRAINT_TRIGGER;
}

/* In turn->result ELG_EXISTS if the run is there, ELG_NOT_FOUND if its graph is not. */
enum elg_status elg_sqlite_run_create(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                      int64_t now_ms, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes = 0;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_RUN_INSERT, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    run_bind(sqlite, turn, now_ms, &bind);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status == ELG_OK)
        status = elg_sqlite_write(&sqlite->writer, statement, &changes, error);
    bool graphless = without_graph(sqlite, status);
    if (status != ELG_OK && !graphless)
        return status;
    if (changes == 0) {
        turn->result = graphless ? ELG_NOT_FOUND : ELG_EXISTS;
        return ELG_OK;
    }
    status = quota_write(sqlite, turn->run, error);
    return status == ELG_OK ? input_write(sqlite, turn->run, error) : status;
}

/* Why the fence held a turn back. */
static enum elg_status refusal_read(struct elg_sqlite *sqlite,
                                    const struct elg_turn *turn, enum elg_status *out,
                                    struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_FENCE_READ, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, turn->run->trace_id, -1, SQLITE_STATIC);
    status = elg_sqlite_step(&sqlite->writer, statement, &found, error);
    if (status != ELG_OK)
        return status;
    if (!found)
        *out = ELG_NOT_FOUND;
    else if (sqlite3_column_int64(statement, 0) != (int64_t)turn->run->epoch)
        *out = ELG_FENCED;
    else
        *out = ELG_CORRUPT;
    sqlite3_reset(statement);
    return ELG_OK;
}

static enum elg_status initial_state_write(struct elg_sqlite *sqlite,
                                           const struct elg_run_row *run,
                                           struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->writer, ELG_SQLITE_INPUT_UPDATE, &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    elg_sqlite_bind_blob(&bind, run->initial_state);
    elg_sqlite_bind_text(&bind, run->trace_id);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status != ELG_OK)
        return status;
    return elg_sqlite_write(&sqlite->writer, statement, &changes, error);
}

static void update_bind(const struct elg_turn *turn, int64_t now_ms,
                        struct elg_sqlite_bind *bind)
{
    const struct elg_run_row *run = turn->run;
    elg_sqlite_bind_text(bind, elg_checkpoint_status_name(run->status));
    elg_sqlite_bind_blob(bind, run->error);
    elg_sqlite_bind_int(bind, (int64_t)run->step_count);
    elg_sqlite_bind_hash(bind, &run->chain);
    elg_sqlite_bind_time(bind, run->due_ms);
    elg_sqlite_bind_time(bind, run->started_at_ms);
    elg_sqlite_bind_int(bind, now_ms);
    elg_sqlite_bind_int(bind, elg_checkpoint_turn_progress(turn));
    elg_sqlite_bind_text(bind, run->trace_id);
    elg_sqlite_bind_int(bind, (int64_t)run->epoch);
    elg_sqlite_bind_int(bind, (int64_t)turn->step_count_before);
    if (elg_checkpoint_status_ended(run->status))
        elg_sqlite_bind_time(bind, elg_checkpoint_turn_completed_ms(turn, now_ms));
}

/* The reason in turn->result if the fence holds it back. */
static enum elg_status run_update(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                  int64_t now_ms, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes = 0;
    bool ended = elg_checkpoint_status_ended(turn->run->status);
    enum elg_status status = elg_sqlite_statement(
        &sqlite->writer, ended ? ELG_SQLITE_TURN_END : ELG_SQLITE_TURN_GO, &statement,
        error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    update_bind(turn, now_ms, &bind);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status == ELG_OK)
        status = elg_sqlite_write(&sqlite->writer, statement, &changes, error);
    if (status != ELG_OK)
        return status;
    if (changes == 0)
        return refusal_read(sqlite, turn, &turn->result, error);
    if (turn->step_count_before == 0 && turn->run->initial_state != NULL)
        return initial_state_write(sqlite, turn->run, error);
    return ELG_OK;
}

/* ---- one turn's records */

static void step_bind(const char *trace_id, const struct elg_step_row *row,
                      struct elg_sqlite_bind *bind)
{
    static const struct elg_hash NONE;
    elg_sqlite_bind_text(bind, trace_id);
    elg_sqlite_bind_int(bind, row->step_index);
    elg_sqlite_bind_int(bind, row->attempt);
    elg_sqlite_bind_text(bind, row->node_id);
    elg_sqlite_bind_text(bind, elg_checkpoint_attempt_name(row->status));
    elg_sqlite_bind_hash(bind, &row->input_hash);
    elg_sqlite_bind_hash(bind, &row->state_hash);
    elg_sqlite_bind_hash(bind, &row->output_hash);
    elg_sqlite_bind_text(bind, row->has_edge ? row->next_edge : NULL);
    elg_sqlite_bind_text(bind, row->next_node);
    elg_sqlite_bind_int(bind, (int64_t)row->fuel);
    elg_sqlite_bind_int(bind, row->activity_count);
    elg_sqlite_bind_int(bind, row->clock_ms);
    elg_sqlite_bind_time(bind, row->retry_due_ms);
    elg_sqlite_bind_time(bind, row->started_at_ms);
    elg_sqlite_bind_time(bind, row->completed_at_ms);
    elg_sqlite_bind_real(bind, (double)row->duration_us / US_PER_MS);
    elg_sqlite_bind_text(bind, row->fingerprint);
    elg_sqlite_bind_hash(bind, &row->digest);
    elg_sqlite_bind_hash(bind, row->has_chain ? &row->chain : &NONE);
    elg_sqlite_bind_blob(bind, row->state);
    elg_sqlite_bind_blob(bind, row->output);
    elg_sqlite_bind_blob(bind, row->metadata);
    elg_sqlite_bind_blob(bind, row->error);
    elg_sqlite_bind_blob(bind, row->stop);
}

static void activity_bind(const char *trace_id, const struct elg_activity_row *row,
                          struct elg_sqlite_bind *bind)
{
    const char *reference = row->response_blob_ref[0] ? row->response_blob_ref : NULL;
    elg_sqlite_bind_text(bind, trace_id);
    elg_sqlite_bind_int(bind, row->step_index);
    elg_sqlite_bind_int(bind, row->attempt);
    elg_sqlite_bind_int(bind, row->seq);
    elg_sqlite_bind_text(bind, row->type);
    elg_sqlite_bind_text(bind, elg_checkpoint_activity_name(row->status));
    elg_sqlite_bind_hash(bind, &row->request_hash);
    elg_sqlite_bind_hash(bind, &row->key);
    elg_sqlite_bind_time(bind, row->due_ms);
    elg_sqlite_bind_time(bind, row->timestamp_ms);
    elg_sqlite_bind_text(bind, row->where);
    elg_sqlite_bind_hash(bind, &row->digest);
    elg_sqlite_bind_text(bind, reference);
    elg_sqlite_bind_blob(bind, row->request);
    elg_sqlite_bind_blob(bind, row->response);
}

/* *written: false if there is a record of this key that is not open. */
static enum elg_status record_write(struct elg_sqlite *sqlite, const char *trace_id,
                                    const struct elg_record *record, bool *written,
                                    struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    struct elg_sqlite_bind bind;
    int changes = 0;
    bool is_step = record->kind == ELG_RECORD_STEP;
    enum elg_status status = elg_sqlite_statement(
        &sqlite->writer, is_step ? ELG_SQLITE_STEP_WRITE : ELG_SQLITE_ACTIVITY_WRITE,
        &statement, error);
    if (status != ELG_OK)
        return status;
    elg_sqlite_bind_begin(&bind, statement);
    if (is_step)
        step_bind(trace_id, &record->row.step, &bind);
    else
        activity_bind(trace_id, &record->row.activity, &bind);
    status = elg_sqlite_bind_end(&bind, &sqlite->writer, error);
    if (status == ELG_OK)
        status = elg_sqlite_write(&sqlite->writer, statement, &changes, error);
    *written = changes > 0;
    return status;
}

/* ---- all turns */

/* A turn that is wrong in itself is refused for what is wrong with its run, if that is.
 */
static enum elg_status gap_refuse(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                  struct elg_error *error)
{
    enum elg_status reason = ELG_CORRUPT;
    enum elg_status status = refusal_read(sqlite, turn, &reason, error);
    if (turn->create)
        reason = reason == ELG_NOT_FOUND ? ELG_CORRUPT : ELG_EXISTS;
    turn->result = reason;
    return status;
}

enum elg_status elg_sqlite_turn_write(struct elg_sqlite *sqlite, struct elg_turn *turn,
                                      int64_t now_ms, bool *again,
                                      struct elg_error *error)
{
    bool written = true;
    if (elg_checkpoint_turn_gap(turn))
        return gap_refuse(sqlite, turn, error);
    enum elg_status status = turn->create
                                 ? elg_sqlite_run_create(sqlite, turn, now_ms, error)
                                 : run_update(sqlite, turn, now_ms, error);
    if (turn->result != ELG_OK)
        return status;
    for (size_t i = 0; status == ELG_OK && written && i < turn->record_count; i++)
        status =
            record_write(sqlite, turn->run->trace_id, &turn->records[i], &written, error);
    for (size_t i = 0; status == ELG_OK && written && i < turn->use_count; i++)
        status = elg_sqlite_use_write(sqlite, turn->run->trace_id, &turn->uses[i],
                                      &written, error);
    if (status == ELG_OK && written)
        status = elg_sqlite_due_if_signalled(sqlite, turn, now_ms, error);
    if (status == ELG_OK && written)
        status = elg_sqlite_family_write(sqlite, turn, now_ms, error);
    if (status == ELG_OK && !written)
        turn->result = ELG_CORRUPT;
    *again = status == ELG_OK && turn->result != ELG_OK;
    return status;
}

/* Writes the turns that are not refused yet. */
static enum elg_status turns_write(struct elg_sqlite *sqlite, struct elg_turn *turns,
                                   size_t turn_count, bool *again,
                                   struct elg_error *error)
{
    int64_t now_ms = elg_base_wall_ms(sqlite->env.clock);
    bool any_refused = false;
    for (size_t i = 0; i < turn_count; i++) {
        if (turns[i].result == ELG_OK)
            turns[i].result = elg_checkpoint_turn_before(turns, i, any_refused);
        if (turns[i].result == ELG_OK) {
            enum elg_status status =
                elg_sqlite_turn_write(sqlite, &turns[i], now_ms, again, error);
            if (status != ELG_OK || *again)
                return status;
        }
        if (turns[i].result != ELG_OK)
            any_refused = true;
    }
    return ELG_OK;
}

enum elg_status elg_sqlite_commit(void *self, struct elg_turn *turns, size_t turn_count,
                                  struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    bool again;
    do { /* each time around one turn more is refused */
        again = false;
        enum elg_status status = elg_sqlite_write_begin(sqlite, error);
        if (status != ELG_OK)
            return status;
        status = turns_write(sqlite, turns, turn_count, &again, error);
        if (status == ELG_OK && !again)
            return elg_sqlite_write_commit(sqlite, error);
        elg_sqlite_write_rollback(sqlite);
        if (status != ELG_OK)
            return status;
    } while (again);
    return ELG_OK;
}
