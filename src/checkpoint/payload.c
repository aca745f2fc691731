/* payload: what is too large for a row lies elsewhere. Provides payload.h. */
#include "checkpoint/payload.h"

#include <string.h>

static const char MARK[] = "@sha256:";
#define MARK_BYTES (sizeof MARK - 1)
#define REFERENCE_BYTES (MARK_BYTES + ELG_HASH_HEX_SIZE - 1)

/* A payload of a row. */
struct field {
    size_t offset;
    const char *name; /* table.column */
};

#define FIELD(type, member, name)                                                        \
    {                                                                                    \
        offsetof(struct type, member), name                                              \
    }
#define FIELDS_MAX 5

struct fields {
    size_t count;
    struct field items[FIELDS_MAX];
};

static const struct fields RUN = {
    2,
    {FIELD(elg_run_row, input, "cmo_inputs.input"),
     FIELD(elg_run_row, initial_state, "cmo_inputs.initial_state")}};
static const struct fields STEP = {5,
                                   {FIELD(elg_step_row, state, "cmo_steps.state"),
                                    FIELD(elg_step_row, output, "cmo_steps.output"),
                                    FIELD(elg_step_row, metadata, "cmo_steps.metadata"),
                                    FIELD(elg_step_row, error, "cmo_steps.error"),
                                    FIELD(elg_step_row, stop, "cmo_steps.stop")}};
static const struct fields ACTIVITY = {
    2,
    {FIELD(elg_activity_row, request, "cmo_activities.request_data"),
     FIELD(elg_activity_row, response, "cmo_activities.response_data")}};

static struct elg_blob **blob_at(void *row, const struct field *field)
{
    return (struct elg_blob **)((char *)row + field->offset);
}

static bool is_large(const void *row, const struct field *field)
{
    struct elg_blob *blob;
    memcpy(&blob, (const char *)row + field->offset, sizeof blob);
    return elg_base_blob_bytes(blob).size > ELG_PAYLOAD_INLINE_BYTES_MAX;
}

static bool any_large(const void *row, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (is_large(row, &fields->items[i]))
            return true;
    }
    return false;
}

/* ---- out: into the rows of turns */

static const struct fields *record_fields(const struct elg_record *record)
{
    return record->kind == ELG_RECORD_STEP ? &STEP : &ACTIVITY;
}

static void *record_row(struct elg_record *record)
{
    return record->kind == ELG_RECORD_STEP ? (void *)&record->row.step
                                           : (void *)&record->row.activity;
}

static const void *record_row_const(const struct elg_record *record)
{
    return record->kind == ELG_RECORD_STEP ? (const void *)&record->row.step
                                           : (const void *)&record->row.activity;
}

static bool records_large(const struct elg_turn *turn)
{
    for (size_t i = 0; i < turn->record_count; i++) {
        if (any_large(record_row_const(&turn->records[i]),
                      record_fields(&turn->records[i])))
            return true;
    }
    return false;
}

static bool turns_large(const struct elg_turn *turns, size_t turn_count)
{
    for (size_t i = 0; i < turn_count; i++) {
        if (any_large(turns[i].run, &RUN) || records_large(&turns[i]))
            return true;
    }
    return false;
}

static struct elg_blob *reference_create(const struct elg_alloc *alloc,
                                         const struct elg_hash *hash)
{
    char text[REFERENCE_BYTES + 1];
    memcpy(text, MARK, MARK_BYTES);
    elg_base_hash_hex(hash, text + MARK_BYTES);
    return elg_base_blob_create(alloc, elg_base_bytes(text));
}

struct putter {
    const struct elg_alloc *alloc;
    const struct elg_payload_ops *ops;
    struct elg_sha256 *sha;
    struct elg_error *error;
};

/* In place: all blobs of the row are the row's own references afterwards, also if it
 * fails. */
static enum elg_status row_put(const struct putter *putter, void *row,
                               const struct fields *fields)
{
    enum elg_status status = ELG_OK;
    for (size_t i = 0; i < fields->count; i++) {
        struct elg_blob **blob = blob_at(row, &fields->items[i]);
        struct elg_hash hash;
        if (status != ELG_OK || !is_large(row, &fields->items[i])) {
            *blob = *blob ? elg_base_blob_ref(*blob) : NULL;
            continue;
        }
        struct elg_bytes bytes = elg_base_blob_bytes(*blob);
        elg_base_sha256(putter->sha, bytes, &hash);
        status = putter->ops->put(putter->ops->self, &hash, bytes, putter->error);
        *blob = status == ELG_OK ? reference_create(putter->alloc, &hash) : NULL;
        if (status == ELG_OK && *blob == NULL)
            status = elg_base_no_memory(putter->error);
    }
    return status;
}

static void row_unref(void *row, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        elg_base_blob_unref(*blob_at(row, &fields->items[i]));
}

static enum elg_status records_put(const struct putter *putter, struct elg_turn *turn,
                                   struct elg_record **out)
{
    enum elg_status status = ELG_OK;
    size_t size = turn->record_count * sizeof *turn->records;
    struct elg_record *records = elg_base_realloc(putter->alloc, NULL, 0, size);
    if (records == NULL)
        return elg_base_no_memory(putter->error);
    memcpy(records, turn->records, size);
    for (size_t i = 0; i < turn->record_count; i++) {
        enum elg_status put =
            row_put(putter, record_row(&records[i]), record_fields(&records[i]));
        if (status == ELG_OK)
            status = put;
    }
    turn->records = records;
    *out = records;
    return status;
}

static enum elg_status turn_put(const struct putter *putter,
                                struct elg_payload_turns *out, size_t i)
{
    struct elg_turn *turn = &out->turns[i];
    enum elg_status status = ELG_OK;
    if (any_large(turn->run, &RUN)) {
        out->runs[i] = *turn->run;
        turn->run = &out->runs[i];
        status = row_put(putter, &out->runs[i], &RUN);
    }
    if (status == ELG_OK && records_large(turn))
        status = records_put(putter, turn, &out->records[i]);
    return status;
}

enum elg_status elg_payload_turns_begin(const struct elg_alloc *alloc,
                                        const struct elg_payload_ops *ops,
                                        struct elg_sha256 *sha, struct elg_turn *turns,
                                        size_t turn_count, struct elg_payload_turns *out,
                                        struct elg_error *error)
{
    struct putter putter = {alloc, ops, sha, error};
    enum elg_status status = ELG_OK;
    *out = (struct elg_payload_turns){alloc, turns, turn_count, NULL, NULL};
    if (ops->put == NULL || !turns_large(turns, turn_count))
        return ELG_OK;
    out->turns = elg_base_calloc(alloc, turn_count * sizeof *out->turns);
    out->runs = elg_base_calloc(alloc, turn_count * sizeof *out->runs);
    out->records = elg_base_calloc(alloc, turn_count * sizeof *out->records);
    if (out->turns == NULL || out->runs == NULL || out->records == NULL)
        return elg_base_no_memory(error);
    memcpy(out->turns, turns, turn_count * sizeof *turns);
    for (size_t i = 0; i < turn_count && status == ELG_OK; i++)
        status = turn_put(&putter, out, i);
    return status;
}

static void turn_end(struct elg_payload_turns *payloads, size_t i)
{
    struct elg_turn *turn = &payloads->turns[i];
    if (turn->run == &payloads->runs[i])
        row_unref(&payloads->runs[i], &RUN);
    struct elg_record *records = payloads->records[i];
    if (records == NULL)
        return;
    for (size_t k = 0; k < turn->record_count; k++)
        row_unref(record_row(&records[k]), record_fields(&records[k]));
    elg_base_free(payloads->alloc, records, turn->record_count * sizeof *records);
}

void elg_payload_turns_end(struct elg_payload_turns *payloads, struct elg_turn *turns)
{
    size_t count = payloads->turn_count;
    if (payloads->turns == turns)
        return;
    if (payloads->turns != NULL && payloads->runs != NULL && payloads->records != NULL) {
        for (size_t i = 0; i < count; i++) {
            turn_end(payloads, i);
            turns[i].result = payloads->turns[i].result;
        }
    }
    elg_base_free(payloads->alloc, payloads->records, count * sizeof *payloads->records);
    elg_base_free(payloads->alloc, payloads->runs, count * sizeof *payloads->runs);
    elg_base_free(payloads->alloc, payloads->turns, count * sizeof *payloads->turns);
}

/* ---- back: out of rows */

static bool is_reference(struct elg_bytes bytes)
{
    return bytes.size > 0 && bytes.data[0] == (uint8_t)MARK[0];
}

static bool refers(const void *row, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        struct elg_blob *blob;
        memcpy(&blob, (const char *)row + fields->items[i].offset, sizeof blob);
        if (blob != NULL && is_reference(elg_base_blob_bytes(blob)))
            return true;
    }
    return false;
}

struct fetcher {
    const struct elg_alloc *alloc;
    const struct elg_payload_ops *ops;
    struct elg_sha256 *sha;
    const char *row; /* its name, for messages */
    struct elg_error *error;
};

static enum elg_status bad_artifact(const struct fetcher *fetcher, const char *column,
                                    const char *hex, const char *why)
{
    return elg_base_fail(fetcher->error, ELG_CORRUPT, NULL,
                         "%s, row %s: its artifact %s %s", column, fetcher->row, hex,
                         why);
}

static bool reference_parse(struct elg_bytes bytes, struct elg_hash *out)
{
    struct elg_bytes hex = {bytes.data + MARK_BYTES, bytes.size - MARK_BYTES};
    return bytes.size == REFERENCE_BYTES && memcmp(bytes.data, MARK, MARK_BYTES) == 0 &&
           elg_base_hash_parse(hex, out);
}

static enum elg_status content_get(const struct fetcher *fetcher,
                                   const struct elg_hash *hash, const char *column,
                                   struct elg_buf *out)
{
    const struct elg_payload_ops *ops = fetcher->ops;
    struct elg_hash found;
    char hex[ELG_HASH_HEX_SIZE];
    enum elg_status status =
        ops->get == NULL ? ELG_NOT_FOUND : ops->get(ops->self, hash, out, fetcher->error);
    elg_base_hash_hex(hash, hex);
    if (status == ELG_NOT_FOUND)
        return bad_artifact(fetcher, column, hex, "is missing");
    if (status != ELG_OK)
        return status;
    elg_base_sha256(fetcher->sha, elg_base_buf_bytes(out), &found);
    if (!elg_base_hash_equal(&found, hash))
        return bad_artifact(fetcher, column, hex, "no longer has that content");
    return ELG_OK;
}

static enum elg_status blob_fetch(const struct fetcher *fetcher, const char *column,
                                  struct elg_blob **blob)
{
    struct elg_hash hash;
    struct elg_buf content;
    if (!reference_parse(elg_base_blob_bytes(*blob), &hash))
        return elg_base_fail(fetcher->error, ELG_CORRUPT, NULL,
                             "%s, row %s: neither JSON nor @sha256: and 64 digits",
                             column, fetcher->row);
    elg_base_buf_init(&content, fetcher->alloc);
    enum elg_status status = content_get(fetcher, &hash, column, &content);
    if (status == ELG_OK) {
        struct elg_blob *fetched =
            elg_base_blob_create(fetcher->alloc, elg_base_buf_bytes(&content));
        if (fetched == NULL) {
            status = elg_base_no_memory(fetcher->error);
        } else {
            elg_base_blob_unref(*blob);
            *blob = fetched;
        }
    }
    elg_base_buf_fini(&content);
    return status;
}

static enum elg_status row_fetch(const struct fetcher *fetcher, void *row,
                                 const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        struct elg_blob **blob = blob_at(row, &fields->items[i]);
        if (*blob == NULL || !is_reference(elg_base_blob_bytes(*blob)))
            continue;
        enum elg_status status = blob_fetch(fetcher, fields->items[i].name, blob);
        if (status != ELG_OK)
            return status;
    }
    return ELG_OK;
}

enum elg_status elg_payload_run_fetch(const struct elg_alloc *alloc,
                                      const struct elg_payload_ops *ops,
                                      struct elg_sha256 *sha, struct elg_run_row *row,
                                      struct elg_error *error)
{
    struct fetcher fetcher = {alloc, ops, sha, row->trace_id, error};
    return row_fetch(&fetcher, row, &RUN);
}

static enum elg_status journal_fetch(const struct elg_payload_journal *journal, void *row,
                                     const struct fields *fields, int64_t step_index,
                                     uint32_t attempt, int64_t seq)
{
    char name[ELG_ROW_NAME_SIZE];
    struct fetcher fetcher = {journal->alloc, journal->ops, journal->sha, name,
                              journal->error};
    elg_checkpoint_row_name(name, journal->trace_id, step_index, attempt, seq);
    return row_fetch(&fetcher, row, fields);
}

static bool step_give(struct elg_payload_journal *journal,
                      const struct elg_step_row *step)
{
    struct elg_step_row row;
    bool more = false;
    journal->status = elg_checkpoint_step_row_copy(journal->alloc, step, &row);
    if (journal->status != ELG_OK) {
        elg_base_no_memory(journal->error);
        return false;
    }
    journal->status =
        journal_fetch(journal, &row, &STEP, row.step_index, row.attempt, -1);
    if (journal->status == ELG_OK)
        more = journal->give(journal->give_self, &row, NULL);
    elg_checkpoint_step_row_fini(&row);
    return more;
}

static bool activity_give(struct elg_payload_journal *journal,
                          const struct elg_activity_row *activity)
{
    struct elg_activity_row row;
    bool more = false;
    journal->status = elg_checkpoint_activity_row_copy(journal->alloc, activity, &row);
    if (journal->status != ELG_OK) {
        elg_base_no_memory(journal->error);
        return false;
    }
    journal->status =
        journal_fetch(journal, &row, &ACTIVITY, row.step_index, row.attempt, row.seq);
    if (journal->status == ELG_OK)
        more = journal->give(journal->give_self, NULL, &row);
    elg_checkpoint_activity_row_fini(&row);
    return more;
}

bool elg_payload_journal_row(void *self, const struct elg_step_row *step,
                             const struct elg_activity_row *activity)
{
    struct elg_payload_journal *journal = self;
    if (step != NULL && refers(step, &STEP))
        return step_give(journal, step);
    if (activity != NULL && refers(activity, &ACTIVITY))
        return activity_give(journal, activity);
    return journal->give(journal->give_self, step, activity);
}
