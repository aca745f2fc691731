/* alloc: all memory of the library comes from a caller's allocator.
 *
 * Uses nothing. A spec makes the n-th call fail by passing an allocator that does.
 */
#ifndef ELG_BASE_ALLOC_H
#define ELG_BASE_ALLOC_H

#include <stddef.h>

#include "elg.h" /* struct elg_alloc is public */

/* The C library's allocator. */
const struct elg_alloc *elg_base_alloc_default(void);

/* `size` bytes, zeroed; NULL when there are none. size 0 gives NULL. */
void *elg_base_calloc(const struct elg_alloc *alloc, size_t size);

/* Resizes `p` from old_size to new_size bytes; NULL leaves `p` as it was. */
void *elg_base_realloc(const struct elg_alloc *alloc, void *p, size_t old_size,
                       size_t new_size);

/* Gives back `p` of `size` bytes; NULL is fine. */
void elg_base_free(const struct elg_alloc *alloc, void *p, size_t size);

/* A NUL-terminated copy of n bytes, given back by elg_base_strfree. NULL: no memory. */
char *elg_base_strndup(const struct elg_alloc *alloc, const char *s, size_t n);
void elg_base_strfree(const struct elg_alloc *alloc, char *s);

#endif
