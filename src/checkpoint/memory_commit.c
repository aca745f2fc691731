/* memory_commit: writing turns into memory.
 *
 * Provides elg_memory_commit. Uses turn, traces. First everything that may fail for want
 * of memory is made ready for all turns (copies, room), then turns are checked and
 * written one after the other by steps that cannot fail: a call writes all or nothing,
 * and so does each turn.
 */
#include "checkpoint/memory.h"
#include "checkpoint/turn.h"

#include <assert.h>
#include <string.h>

#define RECORDS_CAPACITY_MIN 8

/* ---- getting ready */

/* What a row says is not there is not kept, as in a table. */
static void step_tidy(struct elg_step_row *row)
{
    if (!row->has_chain)
        memset(&row->chain, 0, sizeof row->chain);
    if (!row->has_edge)
        row->next_edge[0] = '\0';
}

static enum elg_status record_copy(const struct elg_alloc *alloc,
                                   const struct elg_record *record,
                                   struct elg_record *out)
{
    out->kind = record->kind;
    if (record->kind == ELG_RECORD_STEP) {
        enum elg_status status =
            elg_checkpoint_step_row_copy(alloc, &record->row.step, &out->row.step);
        if (status == ELG_OK)
            step_tidy(&out->row.step);
        return status;
    }
    return elg_checkpoint_activity_row_copy(alloc, &record->row.activity,
                                            &out->row.activity);
}

static enum elg_status records_reserve(const struct elg_alloc *alloc,
                                       struct elg_memory_run *run, size_t more)
{
    size_t need = run->record_count + run->record_pending + more;
    size_t capacity = run->record_capacity ? run->record_capacity : RECORDS_CAPACITY_MIN;
    while (capacity < need)
        capacity *= 2;
    if (capacity > run->record_capacity) {
        size_t size = sizeof *run->records;
        void *grown = elg_base_realloc(alloc, run->records, run->record_capacity * size,
                                       capacity * size);
        if (grown == NULL)
            return ELG_NO_MEMORY;
        run->records = grown;
        run->record_capacity = capacity;
    }
    run->record_pending += more;
    return ELG_OK;
}

struct elg_memory_run *elg_memory_run_tentative(struct elg_memory *memory,
                                                const char *trace_id)
{
    struct elg_memory_run *run = elg_base_calloc(memory->env.alloc, sizeof *run);
    if (run == NULL)
        return NULL;
    run->tentative = true;
    strcpy(run->row.trace_id, trace_id);
    if (!elg_checkpoint_traces_put(&memory->runs, run->row.trace_id, run)) {
        elg_base_free(memory->env.alloc, run, sizeof *run);
        return NULL;
    }
    return run;
}

/* The run that the turn is for, made if the turn creates it; NULL in *out: there is none.
 */
static enum elg_status run_prepare(struct elg_memory *memory, const struct elg_turn *turn,
                                   struct elg_memory_run **out)
{
    *out = elg_checkpoint_traces_get(&memory->runs, turn->run->trace_id);
    if (*out == NULL && turn->create) {
        *out = elg_memory_run_tentative(memory, turn->run->trace_id);
        if (*out == NULL)
            return ELG_NO_MEMORY;
    }
    return *out ? records_reserve(memory->env.alloc, *out, turn->record_count) : ELG_OK;
}

/* Copies of the records of all turns, in order. */
struct copies {
    struct elg_record *records;
    size_t capacity;
    size_t count;
};

static void copies_fini(struct elg_memory *memory, struct copies *copies, size_t used)
{
    for (size_t i = used; i < copies->count; i++)
        elg_memory_record_fini(&copies->records[i]);
    elg_base_free(memory->env.alloc, copies->records,
                  copies->capacity * sizeof *copies->records);
}

static enum elg_status copies_init(struct elg_memory *memory,
                                   const struct elg_turn *turns, size_t turn_count,
                                   struct copies *copies)
{
    memset(copies, 0, sizeof *copies);
    size_t count = 0;
    for (size_t i = 0; i < turn_count; i++)
        count += turns[i].record_count;
    if (count == 0)
        return ELG_OK;
    copies->records = elg_base_calloc(memory->env.alloc, count * sizeof *copies->records);
    if (copies->records == NULL)
        return ELG_NO_MEMORY;
    copies->capacity = count;
    for (size_t i = 0; i < turn_count; i++) {
        for (size_t k = 0; k < turns[i].record_count; k++) {
            enum elg_status status = record_copy(memory->env.alloc, &turns[i].records[k],
                                                 &copies->records[copies->count]);
            if (status != ELG_OK)
                return status;
            copies->count++;
        }
    }
    return ELG_OK;
}

static enum elg_status prepare(struct elg_memory *memory, const struct elg_turn *turns,
                               size_t turn_count, struct copies *copies)
{
    enum elg_status status = copies_init(memory, turns, turn_count, copies);
    for (size_t i = 0; status == ELG_OK && i < turn_count; i++) {
        struct elg_memory_run *run;
        status = run_prepare(memory, &turns[i], &run);
        if (status == ELG_OK)
            status = elg_memory_family_prepare(memory, &turns[i], turn_count);
    }
    return status;
}

/* Takes away runs that no turn created, and promises of room. */
static void settle(struct elg_memory *memory, const struct elg_turn *turns,
                   size_t turn_count)
{
    for (size_t i = 0; i < turn_count; i++) {
        struct elg_memory_run *run =
            elg_checkpoint_traces_get(&memory->runs, turns[i].run->trace_id);
        elg_memory_family_settle(memory, &turns[i]);
        if (run == NULL)
            continue;
        run->record_pending = 0;
        if (run->tentative) {
            elg_checkpoint_traces_remove(&memory->runs, run->row.trace_id);
            elg_memory_run_destroy(memory, run);
        }
    }
}

/* ---- checking */

static bool record_open(const struct elg_record *record)
{
    return record->kind == ELG_RECORD_STEP
               ? record->row.step.status == ELG_ATTEMPT_OPEN
               : record->row.activity.status == ELG_ACTIVITY_INTENT;
}

/* Whether records[i] may be written over what the run, or the turn before it, holds. */
static bool record_allowed(const struct elg_memory_run *run,
                           const struct elg_record *records, size_t i)
{
    for (size_t k = i; k > 0; k--) {
        if (elg_memory_record_compare(&records[k - 1], &records[i]) == 0)
            return record_open(&records[k - 1]);
    }
    size_t at = elg_memory_record_find(run, &records[i]);
    return at == run->record_count ||
           elg_memory_record_compare(&run->records[at], &records[i]) != 0 ||
           record_open(&run->records[at]);
}

static enum elg_status run_check(const struct elg_memory_run *run,
                                 const struct elg_turn *turn)
{
    if (turn->create)
        return run->tentative ? ELG_OK : ELG_EXISTS;
    if (run == NULL || run->tentative)
        return ELG_NOT_FOUND;
    if (run->row.epoch != turn->run->epoch)
        return ELG_FENCED;
    if (run->row.step_count != turn->step_count_before ||
        elg_checkpoint_status_ended(run->row.status))
        return ELG_CORRUPT;
    return ELG_OK;
}

static enum elg_status turn_check(struct elg_memory *memory,
                                  const struct elg_memory_run *run,
                                  const struct elg_turn *turn)
{
    enum elg_status status = run_check(run, turn);
    if (status == ELG_OK && elg_checkpoint_turn_gap(turn))
        status = ELG_CORRUPT;
    for (size_t i = 0; status == ELG_OK && i < turn->record_count; i++) {
        if (!record_allowed(run, turn->records, i))
            status = ELG_CORRUPT;
    }
    if (status == ELG_OK && !elg_memory_uses_allowed(run, turn))
        status = ELG_CORRUPT;
    if (status == ELG_OK && turn->create &&
        elg_memory_graph_find(memory, &turn->run->graph_hash) == NULL)
        status = ELG_NOT_FOUND;
    if (status == ELG_OK && !elg_memory_family_graphs(memory, turn))
        status = ELG_NOT_FOUND;
    return status;
}

/* ---- writing; nothing here can fail */

static void blob_replace(struct elg_blob **kept, struct elg_blob *blob)
{
    elg_base_blob_ref(blob);
    elg_base_blob_unref(*kept);
    *kept = blob;
}

void elg_memory_run_create(struct elg_memory *memory, struct elg_memory_run *run,
                           const struct elg_turn *turn, int64_t now_ms)
{
    elg_checkpoint_run_row_copy(turn->run, &run->row);
    run->row.signals_seen = 0;
    if (run->row.created_at_ms == 0)
        run->row.created_at_ms = now_ms;
    run->tentative = false;
    run->order = ++memory->run_order;
}

static void run_update(struct elg_memory_run *run, const struct elg_turn *turn)
{
    const struct elg_run_row *from = turn->run;
    struct elg_run_row *row = &run->row;
    row->status = from->status;
    row->step_count = from->step_count;
    row->chain = from->chain;
    row->due_ms = from->due_ms;
    row->started_at_ms = from->started_at_ms;
    blob_replace(&row->error, from->error);
    if (turn->step_count_before == 0 && from->initial_state != NULL)
        blob_replace(&row->initial_state, from->initial_state);
}

/* Takes the copy. There is room. */
static void record_write(struct elg_memory_run *run, const struct elg_record *copy)
{
    size_t at = elg_memory_record_find(run, copy);
    if (at < run->record_count &&
        elg_memory_record_compare(&run->records[at], copy) == 0) {
        elg_memory_record_fini(&run->records[at]);
    } else {
        assert(run->record_count < run->record_capacity);
        memmove(&run->records[at + 1], &run->records[at],
                (run->record_count - at) * sizeof *run->records);
        run->record_count++;
    }
    run->records[at] = *copy;
}

static void turn_write(struct elg_memory *memory, struct elg_memory_run *run,
                       const struct elg_turn *turn, const struct elg_record *copies)
{
    int64_t now_ms = elg_base_wall_ms(memory->env.clock);
    if (turn->create)
        elg_memory_run_create(memory, run, turn, now_ms);
    else
        run_update(run, turn);
    run->row.completed_at_ms = elg_checkpoint_turn_completed_ms(turn, now_ms);
    run->row.updated_at_ms = now_ms;
    if (elg_checkpoint_turn_progress(turn))
        run->row.claims = 0;
    elg_memory_uses_write(run, turn);
    elg_memory_due_if_signalled(run, turn, now_ms);
    elg_memory_family_write(memory, run, turn, now_ms);
    for (size_t i = 0; i < turn->record_count; i++)
        record_write(run, &copies[i]);
}

static void records_drop(struct elg_record *copies, size_t count)
{
    for (size_t i = 0; i < count; i++)
        elg_memory_record_fini(&copies[i]);
}

static void write_all(struct elg_memory *memory, struct elg_turn *turns,
                      size_t turn_count, struct elg_record *copies)
{
    bool any_refused = false;
    for (size_t i = 0; i < turn_count; i++) {
        struct elg_turn *turn = &turns[i];
        struct elg_memory_run *run =
            elg_checkpoint_traces_get(&memory->runs, turn->run->trace_id);
        turn->result = elg_checkpoint_turn_before(turns, i, any_refused);
        if (turn->result == ELG_OK)
            turn->result = turn_check(memory, run, turn);
        if (turn->result == ELG_OK) {
            turn_write(memory, run, turn, copies);
        } else {
            records_drop(copies, turn->record_count);
            any_refused = true;
        }
        copies += turn->record_count;
    }
}

enum elg_status elg_memory_commit(struct elg_memory *memory, struct elg_turn *turns,
                                  size_t turn_count, struct elg_error *error)
{
    struct copies copies;
    size_t used = 0;
    enum elg_status status = prepare(memory, turns, turn_count, &copies);
    if (status == ELG_OK) {
        write_all(memory, turns, turn_count, copies.records);
        used = copies.count;
    } else {
        elg_base_no_memory(error);
    }
    settle(memory, turns, turn_count);
    copies_fini(memory, &copies, used);
    return status;
}
