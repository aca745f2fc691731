/* intern: an open-addressing set of strings. Provides base/intern.h. */
#include "base/intern.h"

#include <stdint.h>
#include <string.h>

struct elg_intern {
    const struct elg_alloc *alloc;
    char **slots;
    size_t slot_count; /* a power of two, more than strings_max */
    size_t used, strings_max;
};

struct elg_intern *elg_base_intern_create(const struct elg_alloc *alloc,
                                          size_t strings_max)
{
    size_t slot_count = 64;
    while (slot_count < strings_max * 2)
        slot_count *= 2;
    struct elg_intern *intern = elg_base_calloc(alloc, sizeof *intern);
    if (intern == NULL)
        return NULL;
    intern->alloc = alloc;
    intern->slot_count = slot_count;
    intern->strings_max = strings_max;
    intern->slots = elg_base_calloc(alloc, slot_count * sizeof *intern->slots);
    if (intern->slots == NULL) {
        elg_base_free(alloc, intern, sizeof *intern);
        return NULL;
    }
    return intern;
}

void elg_base_intern_destroy(struct elg_intern *intern)
{
    if (intern == NULL)
        return;
    for (size_t i = 0; i < intern->slot_count; i++)
        elg_base_strfree(intern->alloc, intern->slots[i]);
    elg_base_free(intern->alloc, intern->slots,
                  intern->slot_count * sizeof *intern->slots);
    elg_base_free(intern->alloc, intern, sizeof *intern);
}

/* FNV-1a: the set is private and bounded, so that no stronger hash is needed. */
static uint64_t hash_of(const char *s)
{
    uint64_t hash = 14695981039346656037u;
    for (; *s != '\0'; s++)
        hash = (hash ^ (uint8_t)*s) * 1099511628211u;
    return hash;
}

const char *elg_base_intern(struct elg_intern *intern, const char *s)
{
    size_t i = (size_t)hash_of(s) & (intern->slot_count - 1);
    for (; intern->slots[i] != NULL; i = (i + 1) & (intern->slot_count - 1))
        if (strcmp(intern->slots[i], s) == 0)
            return intern->slots[i];
    if (intern->used >= intern->strings_max)
        return "...";
    char *copy = elg_base_strndup(intern->alloc, s, strlen(s));
    if (copy == NULL)
        return "...";
    intern->slots[i] = copy;
    intern->used++;
    return copy;
}
