/* bytes: a borrowed run of bytes, and a shared immutable one.
 *
 * Uses alloc. A blob is what states, outputs and records travel in between the loop's
 * thread and the committer's: written once, then only read, freed with its last
 * reference.
 */
#ifndef ELG_BASE_BYTES_H
#define ELG_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

struct elg_bytes {
    const uint8_t *data;
    size_t size;
};

/* The bytes of a C string, without its NUL. NULL gives an empty run with data NULL. */
struct elg_bytes elg_base_bytes(const char *s);
bool elg_base_bytes_equal(struct elg_bytes a, struct elg_bytes b);

struct elg_blob; /* opaque: reference count, size, data */

/* A copy of `bytes` with one reference; NULL: no memory. An extra NUL follows the data.
 */
struct elg_blob *elg_base_blob_create(const struct elg_alloc *alloc,
                                      struct elg_bytes bytes);
/* One more reference (thread safe); returns its argument; NULL is fine. */
struct elg_blob *elg_base_blob_ref(struct elg_blob *blob);
/* One reference less (thread safe); NULL is fine. */
void elg_base_blob_unref(struct elg_blob *blob);
/* What it holds; of NULL: data NULL, size 0. */
struct elg_bytes elg_base_blob_bytes(const struct elg_blob *blob);

#endif
