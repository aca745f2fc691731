/* text: texts that the library gives to a host. Provides base/text.h. */
#include "base/text.h"

bool elg_base_text_take(struct elg_buf *buf, struct elg_text *out)
{
    /* The memory must have exactly size + 1 bytes, which is what destroy gives back. */
    uint8_t *data = NULL;
    if (elg_base_buf_cstr(buf) != NULL)
        data = elg_base_realloc(buf->alloc, buf->data, buf->capacity, buf->size + 1);
    if (data == NULL) {
        elg_base_buf_fini(buf);
        return false;
    }
    out->data = (char *)data;
    out->size = buf->size;
    out->alloc = buf->alloc;
    elg_base_buf_init(buf, buf->alloc);
    return true;
}

void elg_text_destroy(struct elg_text *text)
{
    if (text == NULL || text->data == NULL)
        return;
    elg_base_free(text->alloc, text->data, text->size + 1);
    text->data = NULL;
    text->size = 0;
}
