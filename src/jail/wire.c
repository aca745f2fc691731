/* wire: Provides jail/wire.h. */
#include "jail/wire.h"

#include <string.h>

#define ABSENT UINT32_MAX

size_t elg_jail_wire_begin(struct elg_buf *out, enum elg_jail_message kind)
{
    size_t place = out->size;
    elg_jail_wire_u32(out, (uint32_t)kind);
    elg_jail_wire_u32(out, 0);
    return place;
}

void elg_jail_wire_end(struct elg_buf *out, size_t place)
{
    uint32_t bytes = (uint32_t)(out->size - place - sizeof(struct elg_jail_head));
    if (!out->failed)
        memcpy(out->data + place + sizeof(uint32_t), &bytes, sizeof bytes);
}

void elg_jail_wire_u32(struct elg_buf *out, uint32_t value)
{
    elg_base_buf_append(out, &value, sizeof value);
}

void elg_jail_wire_u64(struct elg_buf *out, uint64_t value)
{
    elg_base_buf_append(out, &value, sizeof value);
}

void elg_jail_wire_bytes(struct elg_buf *out, struct elg_bytes bytes)
{
    elg_jail_wire_u32(out, (uint32_t)bytes.size);
    elg_base_buf_append(out, bytes.data, bytes.size);
    elg_base_buf_append_byte(out, 0);
}

void elg_jail_wire_text(struct elg_buf *out, const char *text)
{
    if (text != NULL)
        elg_jail_wire_bytes(out, elg_base_bytes(text));
    else
        elg_jail_wire_u32(out, ABSENT);
}

void elg_jail_fields_init(struct elg_jail_fields *fields, struct elg_bytes message)
{
    fields->at = message.data;
    fields->end = message.data + message.size;
    fields->bad = false;
}

/* `size` bytes of the message, or NULL. */
static const uint8_t *take(struct elg_jail_fields *fields, size_t size)
{
    const uint8_t *at = fields->at;
    if (fields->bad || (size_t)(fields->end - at) < size) {
        fields->bad = true;
        return NULL;
    }
    fields->at += size;
    return at;
}

uint32_t elg_jail_fields_u32(struct elg_jail_fields *fields)
{
    uint32_t value = 0;
    const uint8_t *at = take(fields, sizeof value);
    if (at != NULL)
        memcpy(&value, at, sizeof value);
    return value;
}

uint64_t elg_jail_fields_u64(struct elg_jail_fields *fields)
{
    uint64_t value = 0;
    const uint8_t *at = take(fields, sizeof value);
    if (at != NULL)
        memcpy(&value, at, sizeof value);
    return value;
}

struct elg_bytes elg_jail_fields_bytes(struct elg_jail_fields *fields)
{
    struct elg_bytes bytes = {NULL, 0};
    uint32_t size = elg_jail_fields_u32(fields);
    if (fields->bad || size == ABSENT)
        return bytes;
    const uint8_t *at = take(fields, (size_t)size + 1);
    if (at != NULL && at[size] != 0)
        fields->bad = true;
    if (at != NULL && !fields->bad) {
        bytes.data = at;
        bytes.size = size;
    }
    return bytes;
}

const char *elg_jail_fields_text_or_null(struct elg_jail_fields *fields)
{
    struct elg_bytes bytes = elg_jail_fields_bytes(fields);
    if (bytes.data == NULL)
        return NULL;
    if (memchr(bytes.data, 0, bytes.size) != NULL) {
        fields->bad = true;
        return NULL;
    }
    return (const char *)bytes.data;
}

const char *elg_jail_fields_text(struct elg_jail_fields *fields)
{
    const char *text = elg_jail_fields_text_or_null(fields);
    if (text == NULL)
        fields->bad = true;
    return text != NULL ? text : "";
}

bool elg_jail_fields_over(const struct elg_jail_fields *fields)
{
    return !fields->bad && fields->at == fields->end;
}
