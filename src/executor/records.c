/* records: what a run wants committed, kept until the host takes it as a turn.
 * Provides the last part of executor/executor.h. */
#include <string.h>

#include "executor/internal.h"
#include "json/json.h"

void elg__record_fini(struct elg_record *record)
{
    if (record->kind == ELG_RECORD_STEP) {
        elg_base_blob_unref(record->row.step.state);
        elg_base_blob_unref(record->row.step.output);
        elg_base_blob_unref(record->row.step.metadata);
        elg_base_blob_unref(record->row.step.error);
        elg_base_blob_unref(record->row.step.stop);
        return;
    }
    elg_base_blob_unref(record->row.activity.request);
    elg_base_blob_unref(record->row.activity.response);
}

static size_t record_size(const struct elg_record *record)
{
    size_t size = sizeof *record;
    if (record->kind == ELG_RECORD_STEP)
        return size + elg_base_blob_bytes(record->row.step.state).size +
               elg_base_blob_bytes(record->row.step.output).size;
    return size + elg_base_blob_bytes(record->row.activity.request).size +
           elg_base_blob_bytes(record->row.activity.response).size;
}

enum elg_status elg__record_add(struct elg_run *run, const struct elg_record *record,
                                struct elg_error *error)
{
    void *records = elg__grow(run->alloc, run->records, &run->record_capacity,
                              run->record_count + 1, sizeof *run->records);
    if (records == NULL) {
        struct elg_record copy = *record;
        elg__record_fini(&copy);
        return elg_base_no_memory(error);
    }
    run->records = records;
    run->records[run->record_count++] = *record;
    run->record_bytes += record_size(record);
    return ELG_OK;
}

struct elg_activity_row elg__stored_form(const struct elg_activity_row *row)
{
    struct elg_activity_row stored = *row;
    if (stored.response_blob_ref[0] != '\0')
        stored.response = NULL;
    return stored;
}

enum elg_status elg__record_call(struct elg_run *run, struct elg_call_entry *entry,
                                 struct elg_error *error)
{
    struct elg_record record;
    enum elg_status status = elg_executor_open(run, error);
    if (status != ELG_OK)
        return status;
    memset(&record, 0, sizeof record);
    record.kind = ELG_RECORD_ACTIVITY;
    record.row.activity = elg__stored_form(&entry->row);
    elg_checkpoint_activity_digest(run->sha, &record.row.activity,
                                   &record.row.activity.digest);
    entry->row.digest = record.row.activity.digest;
    elg_base_blob_ref(record.row.activity.request);
    elg_base_blob_ref(record.row.activity.response);
    entry->journaled = true;
    return elg__record_add(run, &record, error);
}

/* The attempt's open row need not be written if its end goes with the same turn. */
static void drop_open(struct elg_run *run)
{
    for (size_t i = run->record_count; i > 0; i--) {
        struct elg_record *record = &run->records[i - 1];
        if (record->kind != ELG_RECORD_STEP)
            continue;
        if (record->row.step.status != ELG_ATTEMPT_OPEN)
            return;
        run->record_bytes -= record_size(record);
        run->record_count--;
        memmove(record, record + 1, (run->record_count - (i - 1)) * sizeof *record);
        return;
    }
}

enum elg_status elg__record_attempt(struct elg_run *run, struct elg_step_row *row,
                                    bool mark, struct elg_error *error)
{
    struct elg_record record;
    memset(&record, 0, sizeof record);
    drop_open(run);
    elg_checkpoint_step_digest(run->sha, row, &row->digest);
    enum elg_status status = elg__digest_add(run, &row->digest, error);
    for (uint32_t i = 0; i < run->call_count && status == ELG_OK; i++)
        if (run->calls[i].journaled) /* a crash in ctx.all can leave gaps */
            status = elg__digest_add(run, &run->calls[i].row.digest, error);
    record.kind = ELG_RECORD_STEP;
    record.row.step = *row;
    if (status != ELG_OK) {
        elg__record_fini(&record);
        return status;
    }
    if (mark) {
        elg_checkpoint_chain_next(run->sha, &run->row.chain, run->digests,
                                  run->digest_count, &run->row.chain);
        record.row.step.has_chain = true;
        record.row.step.chain = run->row.chain;
        elg__step_clear(run);
    }
    elg__calls_clear(run);
    run->opened = false;
    return elg__record_add(run, &record, error);
}

bool elg_executor_dirty(const struct elg_run *run)
{
    return run->record_count > 0 || run->row_changed || run->child_count > 0;
}

static void copy_row(const struct elg_run_row *from, struct elg_run_row *to)
{
    *to = *from;
    elg_base_blob_ref(to->input);
    elg_base_blob_ref(to->initial_state);
    elg_base_blob_ref(to->limits);
    elg_base_blob_ref(to->error);
}

/* A copy of so many bytes; NULL if there are none, or no memory. */
static void *copy_of(const struct elg_run *run, const void *items, size_t size)
{
    void *copy = size > 0 ? elg_base_realloc(run->alloc, NULL, 0, size) : NULL;
    if (copy != NULL)
        memcpy(copy, items, size);
    return copy;
}

/* What the turn does besides records: false: no memory. */
static bool take_more(struct elg_run *run, struct elg_turn *turn)
{
    size_t use_bytes = run->use_count * sizeof *run->uses;
    size_t child_bytes = run->child_count * sizeof *run->children;
    turn->uses = copy_of(run, run->uses, use_bytes);
    turn->children = copy_of(run, run->children, child_bytes);
    if ((use_bytes > 0 && turn->uses == NULL) ||
        (child_bytes > 0 && turn->children == NULL)) {
        elg_base_free(run->alloc, (void *)(uintptr_t)turn->uses, use_bytes);
        elg_base_free(run->alloc, (void *)(uintptr_t)turn->children, child_bytes);
        return false;
    }
    turn->use_count = run->use_count;
    turn->child_count = run->child_count;
    run->use_count = run->child_count = 0;
    return true;
}

enum elg_status elg_executor_take(struct elg_run *run, struct elg_turn *turn,
                                  struct elg_run_row *row, struct elg_error *error)
{
    struct elg_record *records = NULL;
    if (run->record_count > 0) {
        size_t size = run->record_count * sizeof *records;
        records = elg_base_realloc(run->alloc, NULL, 0, size);
        if (records == NULL)
            return elg_base_no_memory(error);
        memcpy(records, run->records, size);
    }
    memset(turn, 0, sizeof *turn);
    if (!take_more(run, turn)) {
        elg_base_free(run->alloc, records, run->record_count * sizeof *records);
        return elg_base_no_memory(error);
    }
    turn->create = run->create_pending;
    turn->step_count_before = run->step_count_taken;
    turn->records = records;
    turn->record_count = run->record_count;
    turn->run = row;
    copy_row(&run->row, row);
    run->record_count = run->record_bytes = 0;
    run->row_changed = run->create_pending = false;
    run->step_count_taken = run->row.step_count;
    return ELG_OK;
}

void elg_executor_turn_fini(const struct elg_alloc *alloc, struct elg_turn *turn,
                            struct elg_run_row *row)
{
    struct elg_record *records = (struct elg_record *)(uintptr_t)turn->records;
    for (size_t i = 0; i < turn->record_count; i++)
        elg__record_fini(&records[i]);
    elg_base_free(alloc, records, turn->record_count * sizeof *records);
    elg_base_free(alloc, (void *)(uintptr_t)turn->uses,
                  turn->use_count * sizeof *turn->uses);
    struct elg_run_row *children = (struct elg_run_row *)(uintptr_t)turn->children;
    for (size_t i = 0; i < turn->child_count; i++)
        elg_checkpoint_run_row_fini(&children[i]);
    elg_base_free(alloc, children, turn->child_count * sizeof *children);
    elg_checkpoint_run_row_fini(row);
    memset(turn, 0, sizeof *turn);
}

/* Valid pieces as they are, a NUL where one is meant, each other bad byte as U+FFFD. */
static void write_repaired(struct elg_buf *out, const char *text)
{
    struct elg_bytes rest = elg_base_bytes(text ? text : "");
    struct elg_buf clean;
    elg_base_buf_init(&clean, out->alloc);
    while (rest.size > 0) {
        size_t good = elg_json_check_utf8(rest);
        elg_base_buf_append(&clean, rest.data, good);
        if (elg_json_nul_at(rest.data + good, rest.size - good)) {
            elg_base_buf_append_byte(&clean, 0);
            good += 2;
        } else if (good < rest.size) {
            elg_base_buf_append(&clean, "\xEF\xBF\xBD", 3);
            good++;
        }
        rest.data += good;
        rest.size -= good;
    }
    if (clean.failed || !elg_json_write_string(out, elg_base_buf_bytes(&clean), NULL))
        out->failed = true;
    elg_base_buf_fini(&clean);
}

void elg_executor_write_error(struct elg_buf *out, const char *code, const char *message,
                              const char *where, const char *traceback)
{
    elg_base_buf_append_str(out, "{\"code\":");
    write_repaired(out, code);
    elg_base_buf_append_str(out, ",\"message\":");
    write_repaired(out, message);
    elg_base_buf_append_str(out, ",\"traceback\":");
    write_repaired(out, traceback);
    elg_base_buf_append_str(out, ",\"where\":");
    write_repaired(out, where);
    elg_base_buf_append_byte(out, '}');
}
