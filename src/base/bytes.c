/* bytes: borrowed runs and shared blobs. Provides base/bytes.h. */
#include "base/bytes.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

struct elg_blob {
    const struct elg_alloc *alloc;
    atomic_uint references;
    size_t size;
    uint8_t data[];
};

struct elg_bytes elg_base_bytes(const char *s)
{
    struct elg_bytes bytes = {(const uint8_t *)s, s ? strlen(s) : 0};
    return bytes;
}

bool elg_base_bytes_equal(struct elg_bytes a, struct elg_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

struct elg_blob *elg_base_blob_create(const struct elg_alloc *alloc,
                                      struct elg_bytes bytes)
{
    if (bytes.size > SIZE_MAX - sizeof(struct elg_blob) - 1)
        return NULL;
    size_t size = sizeof(struct elg_blob) + bytes.size + 1;
    struct elg_blob *blob = elg_base_realloc(alloc, NULL, 0, size);
    if (blob == NULL)
        return NULL;
    blob->alloc = alloc;
    atomic_init(&blob->references, 1);
    blob->size = bytes.size;
    if (bytes.size > 0)
        memcpy(blob->data, bytes.data, bytes.size);
    blob->data[bytes.size] = 0;
    return blob;
}

struct elg_blob *elg_base_blob_ref(struct elg_blob *blob)
{
    if (blob != NULL)
        atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

void elg_base_blob_unref(struct elg_blob *blob)
{
    if (blob == NULL)
        return;
    unsigned before =
        atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        elg_base_free(blob->alloc, blob, sizeof *blob + blob->size + 1);
}

struct elg_bytes elg_base_blob_bytes(const struct elg_blob *blob)
{
    struct elg_bytes bytes = {NULL, 0};
    if (blob != NULL) {
        bytes.data = blob->data;
        bytes.size = blob->size;
    }
    return bytes;
}
