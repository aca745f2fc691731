/* alloc: thin wrappers over a caller's allocator. Provides base/alloc.h. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_resize(void *self, void *p, size_t old_size, size_t new_size)
{
    (void)self;
    (void)old_size;
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, new_size);
}

static const struct elg_alloc LIBC_ALLOC = {libc_resize, NULL};

const struct elg_alloc *elg_base_alloc_default(void)
{
    return &LIBC_ALLOC;
}

void *elg_base_calloc(const struct elg_alloc *alloc, size_t size)
{
    void *p = elg_base_realloc(alloc, NULL, 0, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void *elg_base_realloc(const struct elg_alloc *alloc, void *p, size_t old_size,
                       size_t new_size)
{
    if (p == NULL && new_size == 0)
        return NULL;
    return alloc->resize(alloc->self, p, old_size, new_size);
}

void elg_base_free(const struct elg_alloc *alloc, void *p, size_t size)
{
    if (p != NULL)
        (void)alloc->resize(alloc->self, p, size, 0);
}

char *elg_base_strndup(const struct elg_alloc *alloc, const char *s, size_t n)
{
    char *copy = elg_base_realloc(alloc, NULL, 0, n + 1);
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

/* The size is not known any more: an allocator that needs it counts strings by their
 * length, which holds because elg_base_strndup is only given texts without NUL. */
void elg_base_strfree(const struct elg_alloc *alloc, char *s)
{
    if (s != NULL)
        elg_base_free(alloc, s, strlen(s) + 1);
}
