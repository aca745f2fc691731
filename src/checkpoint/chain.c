/* chain: digests of rows, and the chain over them (I17).
 *
 * Provides the digest and chain functions of checkpoint.h. Uses base. Must not know
 * where rows are kept: the names here are those of the columns of every back end.
 *
 * What is hashed: a tag that names the kind of record, then each chained column in the
 * order of their names as
 *     name length (1 byte), name, kind (1 byte), value length (8 bytes, big endian),
 * value with kind 'N' for NULL (length 0), 'T' text, 'B' canonical bytes, 'H' the 32
 * bytes of a hash, 'I' an integer (8 bytes, big endian, two's complement). A hash of
 * zeros and a time of 0 are NULL, as in the tables. created_at, updated_at, started_at,
 * completed_at, duration_ms, epoch, lease, owner, claims, digest and chain are
 * not chained.
 */
#include "checkpoint/checkpoint.h"

#include <string.h>

/* Small columns are gathered, since a call of the hash costs more than its bytes. */
#define FRAME_BYTES 1024

struct frame {
    struct elg_sha256 *sha;
    size_t used;
    uint8_t data[FRAME_BYTES];
};

static void frame_flush(struct frame *frame)
{
    elg_base_sha256_add(frame->sha, frame->data, frame->used);
    frame->used = 0;
}

static void frame_bytes(struct frame *frame, const void *data, size_t size)
{
    if (size > FRAME_BYTES - frame->used)
        frame_flush(frame);
    if (size > FRAME_BYTES) {
        elg_base_sha256_add(frame->sha, data, size);
    } else if (size > 0) {
        memcpy(frame->data + frame->used, data, size);
        frame->used += size;
    }
}

static void frame_u64(struct frame *frame, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 7; i >= 0; i--) {
        bytes[i] = (uint8_t)(value & 0xFF);
        value >>= 8;
    }
    frame_bytes(frame, bytes, sizeof bytes);
}

static void frame_begin(struct frame *frame, struct elg_sha256 *sha, const char *tag)
{
    frame->sha = sha;
    frame->used = 0;
    elg_base_sha256_begin(sha);
    frame_bytes(frame, tag, strlen(tag) + 1);
}

static void frame_end(struct frame *frame, struct elg_hash *out)
{
    frame_flush(frame);
    elg_base_sha256_end(frame->sha, out);
}

static void frame_column(struct frame *frame, const char *name, char kind,
                         const void *data, size_t size)
{
    size_t name_size = strlen(name);
    uint8_t length = (uint8_t)name_size;
    frame_bytes(frame, &length, 1);
    frame_bytes(frame, name, name_size);
    frame_bytes(frame, &kind, 1);
    frame_u64(frame, size);
    frame_bytes(frame, data, size);
}

static void column_text(struct frame *frame, const char *name, const char *text)
{
    if (text == NULL)
        frame_column(frame, name, 'N', NULL, 0);
    else
        frame_column(frame, name, 'T', text, strlen(text));
}

static void column_blob(struct frame *frame, const char *name,
                        const struct elg_blob *blob)
{
    struct elg_bytes bytes = elg_base_blob_bytes(blob);
    frame_column(frame, name, blob ? 'B' : 'N', bytes.data, bytes.size);
}

static void column_hash(struct frame *frame, const char *name,
                        const struct elg_hash *hash)
{
    static const struct elg_hash NONE;
    if (elg_base_hash_equal(hash, &NONE))
        frame_column(frame, name, 'N', NULL, 0);
    else
        frame_column(frame, name, 'H', hash->bytes, sizeof hash->bytes);
}

static void column_int(struct frame *frame, const char *name, int64_t value)
{
    size_t name_size = strlen(name);
    uint8_t length = (uint8_t)name_size;
    frame_bytes(frame, &length, 1);
    frame_bytes(frame, name, name_size);
    frame_bytes(frame, "I", 1);
    frame_u64(frame, 8);
    frame_u64(frame, (uint64_t)value);
}

static void column_time(struct frame *frame, const char *name, int64_t value_ms)
{
    if (value_ms == 0)
        frame_column(frame, name, 'N', NULL, 0);
    else
        column_int(frame, name, value_ms);
}

void elg_checkpoint_step_digest(struct elg_sha256 *sha, const struct elg_step_row *row,
                                struct elg_hash *out)
{
    struct frame frame;
    frame_begin(&frame, sha, "elg.step.1");
    column_int(&frame, "activity_count", row->activity_count);
    column_int(&frame, "attempt", row->attempt);
    column_int(&frame, "clock", row->clock_ms);
    column_blob(&frame, "error", row->error);
    column_text(&frame, "fingerprint", row->fingerprint);
    column_int(&frame, "fuel", (int64_t)row->fuel);
    column_hash(&frame, "input_hash", &row->input_hash);
    column_blob(&frame, "metadata", row->metadata);
    column_text(&frame, "next_edge", row->has_edge ? row->next_edge : NULL);
    column_text(&frame, "next_node", row->next_node);
    column_text(&frame, "node_id", row->node_id);
    column_blob(&frame, "output", row->output);
    column_hash(&frame, "output_hash", &row->output_hash);
    column_time(&frame, "retry_at", row->retry_due_ms);
    column_blob(&frame, "state", row->state);
    column_hash(&frame, "state_hash", &row->state_hash);
    column_text(&frame, "status", elg_checkpoint_attempt_name(row->status));
    column_int(&frame, "step_index", row->step_index);
    column_blob(&frame, "stop", row->stop);
    frame_end(&frame, out);
}

void elg_checkpoint_activity_digest(struct elg_sha256 *sha,
                                    const struct elg_activity_row *row,
                                    struct elg_hash *out)
{
    const char *reference = row->response_blob_ref[0] ? row->response_blob_ref : NULL;
    struct frame frame;
    frame_begin(&frame, sha, "elg.activity.1");
    column_text(&frame, "activity_type", row->type);
    column_int(&frame, "attempt", row->attempt);
    column_time(&frame, "due_at", row->due_ms);
    column_hash(&frame, "idempotency_key", &row->key);
    column_text(&frame, "location", row->where);
    column_blob(&frame, "request_data", row->request);
    column_hash(&frame, "request_hash", &row->request_hash);
    column_text(&frame, "response_blob_ref", reference);
    column_blob(&frame, "response_data", row->response);
    column_int(&frame, "seq", row->seq);
    column_text(&frame, "status", elg_checkpoint_activity_name(row->status));
    column_int(&frame, "step_index", row->step_index);
    column_time(&frame, "timestamp", row->timestamp_ms);
    frame_end(&frame, out);
}

void elg_checkpoint_chain_begin(struct elg_sha256 *sha, const struct elg_run_row *run,
                                struct elg_hash *out)
{
    struct frame frame;
    frame_begin(&frame, sha, "elg.run.1");
    column_hash(&frame, "graph_hash", &run->graph_hash);
    column_text(&frame, "graph_id", run->graph_id);
    column_text(&frame, "graph_version", run->graph_version);
    column_blob(&frame, "initial_state", run->initial_state);
    column_blob(&frame, "input", run->input);
    column_blob(&frame, "limits", run->limits);
    if (run->parent_trace_id[0] != '\0') {
        column_int(&frame, "depth", run->depth);
        column_int(&frame, "parent_seq", run->parent_seq);
        column_int(&frame, "parent_step", run->parent_step);
        column_text(&frame, "parent_trace_id", run->parent_trace_id);
    }
    column_text(&frame, "seed", run->seed);
    column_text(&frame, "trace_id", run->trace_id);
    frame_end(&frame, out);
}

void elg_checkpoint_chain_next(struct elg_sha256 *sha, const struct elg_hash *before,
                               const struct elg_hash *digests, size_t digest_count,
                               struct elg_hash *out)
{
    struct frame frame;
    frame_begin(&frame, sha, "elg.chain.1");
    frame_bytes(&frame, before->bytes, sizeof before->bytes);
    for (size_t i = 0; i < digest_count; i++)
        frame_bytes(&frame, digests[i].bytes, sizeof digests[i].bytes);
    frame_end(&frame, out);
}
