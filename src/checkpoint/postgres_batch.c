/* postgres_batch: messages and their parameters in the server's binary form. Uses
 * postgres.h, buf.
 *
 * Values of one column of many rows are one array, so that a flush of any size is a fixed
 * number of messages. Offsets are kept, not pointers: the buffer moves while it grows.
 */
#include "checkpoint/postgres.h"

#include <assert.h>
#include <string.h>

#define EPOCH_MS 946684800000 /* 2000-01-01, where the server's time begins */
#define US_PER_MS 1000
/* What the server's type can hold, rounded inwards. */
#define MOMENT_MS_MIN (-210000000000000)
#define MOMENT_MS_MAX 9223371331000000

void elg_postgres_batch_init(struct elg_postgres_batch *batch,
                             const struct elg_alloc *alloc)
{
    memset(batch, 0, sizeof *batch);
    elg_base_buf_init(&batch->bytes, alloc);
}

void elg_postgres_batch_fini(struct elg_postgres_batch *batch)
{
    elg_base_buf_fini(&batch->bytes);
}

void elg_postgres_batch_reset(struct elg_postgres_batch *batch)
{
    elg_base_buf_reset(&batch->bytes);
    batch->param_count = batch->message_count = 0;
    batch->in_array = batch->scalar = false;
    batch->bad = NULL;
}

void elg_postgres_add(struct elg_postgres_batch *batch,
                      enum elg_postgres_statement statement)
{
    assert(batch->message_count < ELG_POSTGRES_MESSAGES_MAX && !batch->in_array);
    struct elg_postgres_message *message = &batch->messages[batch->message_count++];
    message->statement = statement;
    message->first = batch->param_count;
    message->count = 0;
    batch->scalar = false;
}

/* ---- big-endian integers */

static void be32(uint32_t value, uint8_t out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void be64(uint64_t value, uint8_t out[8])
{
    be32((uint32_t)(value >> 32), out);
    be32((uint32_t)value, out + 4);
}

static void append32(struct elg_postgres_batch *batch, uint32_t value)
{
    uint8_t bytes[4];
    be32(value, bytes);
    elg_base_buf_append(&batch->bytes, bytes, sizeof bytes);
}

/* ---- parameters */

static struct elg_postgres_param *param_add(struct elg_postgres_batch *batch)
{
    assert(batch->param_count < ELG_POSTGRES_PARAMS_MAX && batch->message_count > 0);
    struct elg_postgres_param *param = &batch->params[batch->param_count++];
    batch->messages[batch->message_count - 1].count++;
    param->offset = batch->bytes.size;
    param->size = -1;
    return param;
}

/* Dimensions, a flag for NULLs, the type, then count and lower bound. */
void elg_postgres_array_begin(struct elg_postgres_batch *batch,
                              enum elg_postgres_type type)
{
    assert(!batch->in_array);
    if (batch->scalar)
        return;
    param_add(batch);
    batch->in_array = true;
    batch->array_count = 0;
    append32(batch, 1);
    append32(batch, 1);
    append32(batch, (uint32_t)type);
    batch->array_offset = batch->bytes.size;
    append32(batch, 0);
    append32(batch, 1);
}

void elg_postgres_array_end(struct elg_postgres_batch *batch)
{
    struct elg_postgres_param *param = &batch->params[batch->param_count - 1];
    if (batch->scalar)
        return;
    batch->in_array = false;
    if (batch->bytes.failed)
        return;
    be32(batch->array_count, batch->bytes.data + batch->array_offset);
    size_t size = batch->bytes.size - param->offset;
    if (size > INT32_MAX / 2)
        batch->bad = "more than 1 GB in one flush";
    param->size = (int)(size & INT32_MAX);
}

static void put(struct elg_postgres_batch *batch, const void *data, size_t size)
{
    if (size > INT32_MAX / 2) {
        batch->bad = "a value of more than 1 GB";
        size = 0;
    }
    if (batch->in_array) {
        batch->array_count++;
        append32(batch, (uint32_t)size);
    } else {
        param_add(batch)->size = (int)size;
    }
    elg_base_buf_append(&batch->bytes, data, size);
}

void elg_postgres_put_null(struct elg_postgres_batch *batch)
{
    if (!batch->in_array) {
        param_add(batch);
        return;
    }
    batch->array_count++;
    append32(batch, UINT32_MAX);
}

void elg_postgres_put_text(struct elg_postgres_batch *batch, const char *text)
{
    if (text == NULL)
        elg_postgres_put_null(batch);
    else
        put(batch, text, strlen(text));
}

void elg_postgres_put_blob(struct elg_postgres_batch *batch, const struct elg_blob *blob)
{
    struct elg_bytes bytes = elg_base_blob_bytes(blob);
    if (blob == NULL)
        elg_postgres_put_null(batch);
    else
        put(batch, bytes.data, bytes.size);
}

void elg_postgres_put_bytes(struct elg_postgres_batch *batch, struct elg_bytes bytes)
{
    put(batch, bytes.data, bytes.size);
}

void elg_postgres_put_hash(struct elg_postgres_batch *batch, const struct elg_hash *hash)
{
    static const struct elg_hash NONE;
    char hex[ELG_HASH_HEX_SIZE];
    if (elg_base_hash_equal(hash, &NONE)) {
        elg_postgres_put_null(batch);
        return;
    }
    elg_base_hash_hex(hash, hex);
    put(batch, hex, ELG_HASH_HEX_SIZE - 1);
}

void elg_postgres_put_bool(struct elg_postgres_batch *batch, bool value)
{
    uint8_t byte = value;
    put(batch, &byte, 1);
}

void elg_postgres_put_int4(struct elg_postgres_batch *batch, int64_t value)
{
    uint8_t bytes[4];
    if (value < INT32_MIN || value > INT32_MAX)
        batch->bad = "a number beyond 32 bits";
    be32((uint32_t)value, bytes);
    put(batch, bytes, sizeof bytes);
}

void elg_postgres_put_int8(struct elg_postgres_batch *batch, int64_t value)
{
    uint8_t bytes[8];
    be64((uint64_t)value, bytes);
    put(batch, bytes, sizeof bytes);
}

void elg_postgres_put_real(struct elg_postgres_batch *batch, double value)
{
    uint64_t bits;
    uint8_t bytes[8];
    memcpy(&bits, &value, sizeof bits);
    be64(bits, bytes);
    put(batch, bytes, sizeof bytes);
}

void elg_postgres_put_moment(struct elg_postgres_batch *batch, int64_t value_ms)
{
    if (value_ms < MOMENT_MS_MIN || value_ms > MOMENT_MS_MAX) {
        batch->bad = "a time that is not between 4713 BC and 294276 AD";
        value_ms = 0;
    }
    elg_postgres_put_int8(batch, (value_ms - EPOCH_MS) * US_PER_MS);
}

void elg_postgres_put_time(struct elg_postgres_batch *batch, int64_t value_ms)
{
    if (value_ms == 0)
        elg_postgres_put_null(batch);
    else
        elg_postgres_put_moment(batch, value_ms);
}

enum elg_status elg_postgres_batch_check(const struct elg_postgres_batch *batch,
                                         struct elg_error *error)
{
    if (batch->bytes.failed)
        return elg_base_no_memory(error);
    if (batch->bad != NULL)
        return elg_base_fail(error, ELG_LIMIT, "postgres", "%s cannot be stored",
                             batch->bad);
    return ELG_OK;
}
