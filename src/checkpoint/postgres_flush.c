/* postgres_flush: turns as messages. Uses postgres.h, turn.h.
 *
 * One message per table, whatever the number of turns: each column is an array over the
 * rows. What is put here is what the statements of postgres_statement.c take, in order.
 */
#include "checkpoint/postgres_signal.h"
#include "checkpoint/turn.h"

struct flush {
    struct elg_postgres *postgres;
    struct elg_postgres_batch *batch;
    struct elg_turn *const *turns;
    size_t turn_count;
    bool plain;
    int64_t now_ms;
};

/* ---- runs */

enum update_column {
    UPDATE_TRACE,
    UPDATE_EPOCH,
    UPDATE_BEFORE,
    UPDATE_STATUS,
    UPDATE_ERROR,
    UPDATE_COUNT,
    UPDATE_CHAIN,
    UPDATE_DUE,
    UPDATE_STARTED,
    UPDATE_COMPLETED,
    UPDATE_UPDATED,
    UPDATE_PROGRESS,
    UPDATE_END
};

static const enum elg_postgres_type UPDATE_TYPES[UPDATE_END] = {
    [UPDATE_TRACE] = ELG_POSTGRES_TEXT,   [UPDATE_EPOCH] = ELG_POSTGRES_INT8,
    [UPDATE_BEFORE] = ELG_POSTGRES_INT8,  [UPDATE_STATUS] = ELG_POSTGRES_TEXT,
    [UPDATE_ERROR] = ELG_POSTGRES_BYTEA,  [UPDATE_COUNT] = ELG_POSTGRES_INT8,
    [UPDATE_CHAIN] = ELG_POSTGRES_TEXT,   [UPDATE_DUE] = ELG_POSTGRES_TIME,
    [UPDATE_STARTED] = ELG_POSTGRES_TIME, [UPDATE_COMPLETED] = ELG_POSTGRES_TIME,
    [UPDATE_UPDATED] = ELG_POSTGRES_TIME, [UPDATE_PROGRESS] = ELG_POSTGRES_BOOL,
};

static void update_put(const struct flush *flush, int column, const struct elg_turn *turn)
{
    struct elg_postgres_batch *batch = flush->batch;
    const struct elg_run_row *run = turn->run;
    switch (column) {
    case UPDATE_TRACE:
        elg_postgres_put_text(batch, run->trace_id);
        break;
    case UPDATE_EPOCH:
        elg_postgres_put_int8(batch, (int64_t)run->epoch);
        break;
    case UPDATE_BEFORE:
        elg_postgres_put_int8(batch, (int64_t)turn->step_count_before);
        break;
    case UPDATE_STATUS:
        elg_postgres_put_text(batch, elg_checkpoint_status_name(run->status));
        break;
    case UPDATE_ERROR:
        elg_postgres_put_blob(batch, run->error);
        break;
    case UPDATE_COUNT:
        elg_postgres_put_int8(batch, (int64_t)run->step_count);
        break;
    case UPDATE_CHAIN:
        elg_postgres_put_hash(batch, &run->chain);
        break;
    case UPDATE_DUE:
        elg_postgres_put_time(batch, run->due_ms);
        break;
    case UPDATE_STARTED:
        elg_postgres_put_time(batch, run->started_at_ms);
        break;
    case UPDATE_COMPLETED:
        elg_postgres_put_time(batch,
                              elg_checkpoint_turn_completed_ms(turn, flush->now_ms));
        break;
    case UPDATE_UPDATED:
        elg_postgres_put_moment(batch, flush->now_ms);
        break;
    default:
        elg_postgres_put_bool(batch, elg_checkpoint_turn_progress(turn));
    }
}

enum insert_column {
    INSERT_TRACE,
    INSERT_GRAPH,
    INSERT_VERSION,
    INSERT_HASH,
    INSERT_STATUS,
    INSERT_SEED,
    INSERT_COUNT,
    INSERT_CHAIN,
    INSERT_EPOCH,
    INSERT_CLAIMS,
    INSERT_ABORT,
    INSERT_DUE,
    INSERT_ERROR,
    INSERT_STARTED,
    INSERT_COMPLETED,
    INSERT_CREATED,
    INSERT_UPDATED,
    INSERT_END
};

static const enum elg_postgres_type INSERT_TYPES[INSERT_END] = {
    [INSERT_TRACE] = ELG_POSTGRES_TEXT,     [INSERT_GRAPH] = ELG_POSTGRES_TEXT,
    [INSERT_VERSION] = ELG_POSTGRES_TEXT,   [INSERT_HASH] = ELG_POSTGRES_TEXT,
    [INSERT_STATUS] = ELG_POSTGRES_TEXT,    [INSERT_SEED] = ELG_POSTGRES_TEXT,
    [INSERT_COUNT] = ELG_POSTGRES_INT8,     [INSERT_CHAIN] = ELG_POSTGRES_TEXT,
    [INSERT_EPOCH] = ELG_POSTGRES_INT8,     [INSERT_CLAIMS] = ELG_POSTGRES_INT4,
    [INSERT_ABORT] = ELG_POSTGRES_BOOL,     [INSERT_DUE] = ELG_POSTGRES_TIME,
    [INSERT_ERROR] = ELG_POSTGRES_BYTEA,    [INSERT_STARTED] = ELG_POSTGRES_TIME,
    [INSERT_COMPLETED] = ELG_POSTGRES_TIME, [INSERT_CREATED] = ELG_POSTGRES_TIME,
    [INSERT_UPDATED] = ELG_POSTGRES_TIME,
};

static void insert_name_put(struct elg_postgres_batch *batch, int column,
                            const struct elg_run_row *run)
{
    switch (column) {
    case INSERT_TRACE:
        elg_postgres_put_text(batch, run->trace_id);
        break;
    case INSERT_GRAPH:
        elg_postgres_put_text(batch, run->graph_id);
        break;
    case INSERT_VERSION:
        elg_postgres_put_text(batch, run->graph_version);
        break;
    case INSERT_HASH:
        elg_postgres_put_hash(batch, &run->graph_hash);
        break;
    case INSERT_STATUS:
        elg_postgres_put_text(batch, elg_checkpoint_status_name(run->status));
        break;
    case INSERT_SEED:
        elg_postgres_put_text(batch, run->seed);
        break;
    default:
        elg_postgres_put_hash(batch, &run->chain);
    }
}

static void insert_put(const struct flush *flush, int column, const struct elg_turn *turn)
{
    struct elg_postgres_batch *batch = flush->batch;
    const struct elg_run_row *run = turn->run;
    switch (column) {
    case INSERT_COUNT:
        elg_postgres_put_int8(batch, (int64_t)run->step_count);
        break;
    case INSERT_EPOCH:
        elg_postgres_put_int8(batch, (int64_t)run->epoch);
        break;
    case INSERT_CLAIMS:
        elg_postgres_put_int4(batch,
                              elg_checkpoint_turn_progress(turn) ? 0 : run->claims);
        break;
    case INSERT_ABORT:
        elg_postgres_put_bool(batch, run->abort_requested);
        break;
    case INSERT_DUE:
        elg_postgres_put_time(batch, run->due_ms);
        break;
    case INSERT_ERROR:
        elg_postgres_put_blob(batch, run->error);
        break;
    case INSERT_STARTED:
        elg_postgres_put_time(batch, run->started_at_ms);
        break;
    case INSERT_COMPLETED:
        elg_postgres_put_time(batch,
                              elg_checkpoint_turn_completed_ms(turn, flush->now_ms));
        break;
    case INSERT_CREATED:
        elg_postgres_put_moment(batch,
                                run->created_at_ms ? run->created_at_ms : flush->now_ms);
        break;
    case INSERT_UPDATED:
        elg_postgres_put_moment(batch, flush->now_ms);
        break;
    default:
        insert_name_put(batch, column, run);
    }
}

/* ---- whole tables: which turns a message is about */

static bool is_create(const struct elg_turn *turn)
{
    return turn->create;
}

static bool is_update(const struct elg_turn *turn)
{
    return !turn->create;
}

static bool has_initial_state(const struct elg_turn *turn)
{
    return !turn->create && turn->step_count_before == 0 &&
           turn->run->initial_state != NULL;
}

static size_t turns_of(const struct flush *flush, bool (*about)(const struct elg_turn *))
{
    size_t count = 0;
    for (size_t i = 0; i < flush->turn_count; i++)
        count += about(flush->turns[i]);
    return count;
}

static void runs_add(const struct flush *flush, enum elg_postgres_statement statement,
                     bool one, bool (*about)(const struct elg_turn *),
                     const enum elg_postgres_type *types, int column_count,
                     void (*put)(const struct flush *, int, const struct elg_turn *))
{
    elg_postgres_add(flush->batch, statement);
    flush->batch->scalar = one;
    for (int column = 0; column < column_count; column++) {
        elg_postgres_array_begin(flush->batch, types[column]);
        for (size_t i = 0; i < flush->turn_count; i++) {
            if (about(flush->turns[i]))
                put(flush, column, flush->turns[i]);
        }
        elg_postgres_array_end(flush->batch);
    }
}

int64_t elg_postgres_flush_token(const struct elg_postgres *postgres, int64_t flush)
{
    return (postgres->worker << 32 | flush) * 2;
}

/* One run alone has a statement of its own: it needs no array. */
static void updates_add(const struct flush *flush)
{
    bool one = turns_of(flush, is_update) == 1;
    runs_add(flush, one ? ELG_POSTGRES_RUN_UPDATE_ONE : ELG_POSTGRES_RUN_UPDATE, one,
             is_update, UPDATE_TYPES, UPDATE_END, update_put);
    elg_postgres_put_int8(flush->batch, flush->postgres->worker);
    elg_postgres_put_int8(
        flush->batch, elg_postgres_flush_token(flush->postgres, flush->postgres->flush));
    if (!one)
        elg_postgres_put_int8(flush->batch, ELG_COMMIT_BATCH_TURNS_MAX);
}

static const enum elg_postgres_type INPUT_TYPES[] = {
    ELG_POSTGRES_TEXT, ELG_POSTGRES_BYTEA, ELG_POSTGRES_BYTEA, ELG_POSTGRES_BYTEA};

static void input_put(const struct flush *flush, int column, const struct elg_turn *turn)
{
    const struct elg_run_row *run = turn->run;
    struct elg_blob *const blobs[] = {run->input, run->initial_state, run->limits};
    if (column == 0)
        elg_postgres_put_text(flush->batch, run->trace_id);
    else
        elg_postgres_put_blob(flush->batch, blobs[column - 1]);
}

static void initial_put(const struct flush *flush, int column,
                        const struct elg_turn *turn)
{
    if (column == 0)
        elg_postgres_put_text(flush->batch, turn->run->trace_id);
    else
        elg_postgres_put_blob(flush->batch, turn->run->initial_state);
}

/* ---- records */

static bool record_same_key(const struct elg_record *a, const struct elg_record *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == ELG_RECORD_STEP)
        return a->row.step.step_index == b->row.step.step_index &&
               a->row.step.attempt == b->row.step.attempt;
    return a->row.activity.seq == b->row.activity.seq &&
           a->row.activity.step_index == b->row.activity.step_index &&
           a->row.activity.attempt == b->row.activity.attempt;
}

static bool record_open(const struct elg_record *record)
{
    return record->kind == ELG_RECORD_STEP
               ? record->row.step.status == ELG_ATTEMPT_OPEN
               : record->row.activity.status == ELG_ACTIVITY_INTENT;
}

/* The index of a later record of the same key, or record_count. */
static size_t record_successor(const struct elg_turn *turn, size_t index)
{
    size_t i = index + 1;
    while (i < turn->record_count &&
           !record_same_key(&turn->records[index], &turn->records[i]))
        i++;
    return i;
}

bool elg_postgres_flush_twice(const struct elg_turn *turn)
{
    for (size_t i = 0; i < turn->record_count; i++) {
        if (!record_open(&turn->records[i]) &&
            record_successor(turn, i) < turn->record_count)
            return true;
    }
    return false;
}

/* Of an open record and its end in one turn only the end is written. */
static bool record_wanted(const struct elg_turn *turn, size_t index,
                          enum elg_record_kind kind)
{
    const struct elg_record *record = &turn->records[index];
    return record->kind == kind &&
           (!record_open(record) || record_successor(turn, index) == turn->record_count);
}

static size_t records_of(const struct flush *flush, enum elg_record_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < flush->turn_count; i++) {
        for (size_t k = 0; k < flush->turns[i]->record_count; k++)
            count += record_wanted(flush->turns[i], k, kind);
    }
    return count;
}

/* One column of all records; `field` NULL: the trace. */
static void records_column_put(const struct flush *flush, enum elg_record_kind kind,
                               const struct elg_postgres_field *field)
{
    elg_postgres_array_begin(flush->batch,
                             field ? elg_postgres_field_type(field) : ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < flush->turn_count; i++) {
        const struct elg_turn *turn = flush->turns[i];
        for (size_t k = 0; k < turn->record_count; k++) {
            if (!record_wanted(turn, k, kind))
                continue;
            if (field != NULL)
                elg_postgres_field_put(flush->batch, field, &turn->records[k].row);
            else
                elg_postgres_put_text(flush->batch, turn->run->trace_id);
        }
    }
    elg_postgres_array_end(flush->batch);
}

/* An attempt without calls is written once: no open row of it was there before. */
static bool steps_new(const struct flush *flush)
{
    for (size_t i = 0; i < flush->turn_count; i++) {
        const struct elg_turn *turn = flush->turns[i];
        for (size_t k = 0; k < turn->record_count; k++) {
            const struct elg_record *record = &turn->records[k];
            if (record->kind == ELG_RECORD_STEP &&
                (record_open(record) || record->row.step.activity_count > 0))
                return false;
        }
    }
    return true;
}

static enum elg_postgres_statement
records_statement(const struct flush *flush, enum elg_record_kind kind, size_t count)
{
    if (kind == ELG_RECORD_ACTIVITY)
        return count == 1 ? ELG_POSTGRES_ACTIVITY_WRITE_ONE
                          : ELG_POSTGRES_ACTIVITIES_WRITE;
    if (flush->plain && steps_new(flush))
        return count == 1 ? ELG_POSTGRES_STEP_INSERT_ONE : ELG_POSTGRES_STEPS_INSERT;
    return count == 1 ? ELG_POSTGRES_STEP_WRITE_ONE : ELG_POSTGRES_STEPS_WRITE;
}

static void records_add(const struct flush *flush, enum elg_record_kind kind)
{
    bool steps = kind == ELG_RECORD_STEP;
    size_t count = records_of(flush, kind);
    if (count == 0)
        return;
    elg_postgres_add(flush->batch, records_statement(flush, kind, count));
    flush->batch->scalar = count == 1;
    records_column_put(flush, kind, NULL);
    for (const struct elg_postgres_field *field = steps ? elg_postgres_step_fields
                                                        : elg_postgres_activity_fields;
         field != NULL; field = elg_postgres_field_next(field))
        records_column_put(flush, kind, field);
}

/* ---- quotas, which few runs have */

static bool has_quota(const struct elg_turn *turn)
{
    return turn->create && elg_checkpoint_has_quota(&turn->run->quota);
}

static const enum elg_postgres_type QUOTA_TYPES[] = {
    ELG_POSTGRES_TEXT, ELG_POSTGRES_INT4, ELG_POSTGRES_INT4, ELG_POSTGRES_TEXT,
    ELG_POSTGRES_INT4, ELG_POSTGRES_INT4, ELG_POSTGRES_INT4};

static void quota_put(const struct flush *flush, int column, const struct elg_turn *turn)
{
    const struct elg_run_quota *quota = &turn->run->quota;
    const int64_t numbers[] = {0,
                               quota->priority,
                               quota->running_max,
                               0,
                               quota->key_running_max,
                               quota->rate_count,
                               quota->rate_ms};
    if (column == 0)
        elg_postgres_put_text(flush->batch, turn->run->trace_id);
    else if (column == 3)
        elg_postgres_put_text(flush->batch, quota->key);
    else
        elg_postgres_put_int4(flush->batch, numbers[column]);
}

void elg_postgres_flush_add(struct elg_postgres *postgres, struct elg_turn *const *turns,
                            size_t turn_count, bool plain, int64_t now_ms,
                            int *run_messages)
{
    struct elg_postgres_batch *batch = &postgres->connections[ELG_POSTGRES_WRITER].batch;
    struct flush flush = {postgres, batch, turns, turn_count, plain, now_ms};
    int before = batch->message_count;
    if (turns_of(&flush, is_update) > 0)
        updates_add(&flush);
    if (turns_of(&flush, is_create) > 0) {
        runs_add(&flush, ELG_POSTGRES_RUN_INSERT, false, is_create, INSERT_TYPES,
                 INSERT_END, insert_put);
        elg_postgres_put_int8(batch, postgres->worker);
        runs_add(&flush, ELG_POSTGRES_INPUT_INSERT, false, is_create, INPUT_TYPES, 4,
                 input_put);
    }
    if (turns_of(&flush, has_quota) > 0) {
        runs_add(&flush, ELG_POSTGRES_QUOTA_WRITE, false, has_quota, QUOTA_TYPES, 7,
                 quota_put);
        elg_postgres_put_int8(batch, ELG_COMMIT_BATCH_TURNS_MAX);
    }
    if (turns_of(&flush, has_initial_state) > 0) {
        runs_add(&flush, ELG_POSTGRES_INPUT_UPDATE, false, has_initial_state, INPUT_TYPES,
                 2, initial_put);
        elg_postgres_put_int8(batch, ELG_COMMIT_BATCH_TURNS_MAX);
    }
    *run_messages = batch->message_count - before;
    records_add(&flush, ELG_RECORD_STEP);
    records_add(&flush, ELG_RECORD_ACTIVITY);
    elg_postgres_signals_add(batch, turns, turn_count);
    elg_postgres_family_add(batch, turns, turn_count);
}
