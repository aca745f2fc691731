/* intern: an open-addressing set of strings. Provides base/intern.h. */
#include "base/intern.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SLOTS_FIRST 64

struct elg_intern {
    const struct elg_alloc *alloc;
    char **slots;
    size_t slot_count; /* a power of two; at most half of them are used */
    size_t used, strings_max;
};

struct elg_intern *elg_base_intern_create(const struct elg_alloc *alloc,
                                          size_t strings_max)
{
    struct elg_intern *intern = elg_base_calloc(alloc, sizeof *intern);
    if (intern == NULL)
        return NULL;
    intern->alloc = alloc;
    intern->slot_count = SLOTS_FIRST;
    intern->strings_max = strings_max;
    intern->slots = elg_base_calloc(alloc, SLOTS_FIRST * sizeof *intern->slots);
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

/* The slot of the string, or the empty one where it belongs. */
static char **slot_of(char **slots, size_t slot_count, const char *s)
{
    size_t i = (size_t)hash_of(s) & (slot_count - 1);
    while (slots[i] != NULL && strcmp(slots[i], s) != 0)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

/* Twice as many slots; false: no memory, and nothing has changed. */
static bool grow(struct elg_intern *intern)
{
    size_t grown = intern->slot_count * 2;
    char **slots = elg_base_calloc(intern->alloc, grown * sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < intern->slot_count; i++)
        if (intern->slots[i] != NULL)
            *slot_of(slots, grown, intern->slots[i]) = intern->slots[i];
    elg_base_free(intern->alloc, intern->slots,
                  intern->slot_count * sizeof *intern->slots);
    intern->slots = slots;
    intern->slot_count = grown;
    return true;
}

const char *elg_base_intern(struct elg_intern *intern, const char *s)
{
    char **slot = slot_of(intern->slots, intern->slot_count, s);
    if (*slot != NULL)
        return *slot;
    if (intern->used >= intern->strings_max)
        return "...";
    if ((intern->used + 1) * 2 > intern->slot_count) {
        if (!grow(intern))
            return "...";
        slot = slot_of(intern->slots, intern->slot_count, s);
    }
    *slot = elg_base_strndup(intern->alloc, s, strlen(s));
    if (*slot == NULL)
        return "...";
    intern->used++;
    return *slot;
}
