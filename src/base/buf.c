/* buf: a byte buffer that grows by half. Provides base/buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUF_BYTES_MIN 256

void elg_base_buf_init(struct elg_buf *buf, const struct elg_alloc *alloc)
{
    memset(buf, 0, sizeof *buf);
    buf->alloc = alloc;
}

void elg_base_buf_fini(struct elg_buf *buf)
{
    elg_base_free(buf->alloc, buf->data, buf->capacity);
    buf->data = NULL;
    buf->size = buf->capacity = 0;
}

void elg_base_buf_reset(struct elg_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

bool elg_base_buf_grow(struct elg_buf *buf, size_t more)
{
    if (buf->failed)
        return false;
    size_t need = buf->size + more;
    size_t grown = buf->capacity + buf->capacity / 2;
    if (grown < BUF_BYTES_MIN)
        grown = BUF_BYTES_MIN;
    if (grown < need)
        grown = need;
    uint8_t *data = NULL;
    if (need >= more)
        data = elg_base_realloc(buf->alloc, buf->data, buf->capacity, grown);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = grown;
    return true;
}

void elg_base_buf_append(struct elg_buf *buf, const void *data, size_t size)
{
    if (size == 0 || !elg_base_buf_reserve(buf, size))
        return;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
}

void elg_base_buf_append_str(struct elg_buf *buf, const char *s)
{
    elg_base_buf_append(buf, s, strlen(s));
}

void elg_base_buf_printf(struct elg_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) {
        buf->failed = true;
        return;
    }
    if (!elg_base_buf_reserve(buf, (size_t)size + 1))
        return;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format, args);
    va_end(args);
    buf->size += (size_t)size;
}

struct elg_bytes elg_base_buf_bytes(const struct elg_buf *buf)
{
    struct elg_bytes bytes = {buf->data, buf->size};
    return bytes;
}

const char *elg_base_buf_cstr(struct elg_buf *buf)
{
    if (!elg_base_buf_reserve(buf, 1))
        return NULL;
    buf->data[buf->size] = 0;
    return (const char *)buf->data;
}
