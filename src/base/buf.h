/* buf: a byte buffer that grows.
 *
 * Uses alloc, bytes. An append that finds no memory sets `failed` and every later append
 * does nothing, so that a caller may append many times and ask once (I16).
 */
#ifndef ELG_BASE_BUF_H
#define ELG_BASE_BUF_H

#include <stdbool.h>

#include "base/bytes.h"

struct elg_buf {
    const struct elg_alloc *alloc;
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed;
};

void elg_base_buf_init(struct elg_buf *buf, const struct elg_alloc *alloc);
void elg_base_buf_fini(struct elg_buf *buf);
/* Empty again, memory kept, `failed` cleared. */
void elg_base_buf_reset(struct elg_buf *buf);
/* What elg_base_buf_reserve does where there is no room. */
bool elg_base_buf_grow(struct elg_buf *buf, size_t more);
void elg_base_buf_append(struct elg_buf *buf, const void *data, size_t size);
void elg_base_buf_append_str(struct elg_buf *buf, const char *s);
void elg_base_buf_printf(struct elg_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct elg_bytes elg_base_buf_bytes(const struct elg_buf *buf);
/* The buffer's text with a NUL behind it (not counted); NULL when failed. */
const char *elg_base_buf_cstr(struct elg_buf *buf);

/* Room for `more` bytes past `size`; false (and failed) when there is no memory. */
static inline bool elg_base_buf_reserve(struct elg_buf *buf, size_t more)
{
    if (!buf->failed && more <= buf->capacity - buf->size)
        return true;
    return elg_base_buf_grow(buf, more);
}

/* One byte more. */
static inline void elg_base_buf_append_byte(struct elg_buf *buf, uint8_t byte)
{
    if (elg_base_buf_reserve(buf, 1))
        buf->data[buf->size++] = byte;
}

#endif
