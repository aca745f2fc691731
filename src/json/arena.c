/* arena: a list of chunks of growing size. Provides arena.h. */
#include "json/arena.h"

#include <stdalign.h>
#include <string.h>

#define CHUNK_BYTES_MIN 2048u
#define CHUNK_BYTES_MAX (1u << 20)
#define ALIGNMENT alignof(double)

struct elg__json_chunk {
    struct elg__json_chunk *next;
    size_t size; /* with this header */
    alignas(ALIGNMENT) uint8_t data[];
};

void elg__json_arena_init(struct elg__json_arena *arena, const struct elg_alloc *alloc)
{
    arena->alloc = alloc;
    arena->chunks = NULL;
    arena->used = arena->capacity = 0;
}

void elg__json_arena_fini(struct elg__json_arena *arena)
{
    struct elg__json_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct elg__json_chunk *next = chunk->next;
        elg_base_free(arena->alloc, chunk, chunk->size);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->used = arena->capacity = 0;
}

/* A chunk twice as large as the last, and large enough for `size` bytes. */
static bool grow(struct elg__json_arena *arena, size_t size)
{
    size_t room = 2 * arena->capacity;
    if (room < CHUNK_BYTES_MIN)
        room = CHUNK_BYTES_MIN;
    if (room > CHUNK_BYTES_MAX)
        room = CHUNK_BYTES_MAX;
    if (room < size)
        room = size;
    size_t whole = sizeof(struct elg__json_chunk) + room;
    struct elg__json_chunk *chunk = elg_base_realloc(arena->alloc, NULL, 0, whole);
    if (chunk == NULL)
        return false;
    chunk->next = arena->chunks;
    chunk->size = whole;
    arena->chunks = chunk;
    arena->used = 0;
    arena->capacity = room;
    return true;
}

void *elg__json_arena_take(struct elg__json_arena *arena, size_t size)
{
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if ((arena->chunks == NULL || size > arena->capacity - arena->used) &&
        !grow(arena, size))
        return NULL;
    void *p = arena->chunks->data + arena->used;
    arena->used += size;
    return p;
}

uint8_t *elg__json_arena_copy(struct elg__json_arena *arena, struct elg_bytes bytes)
{
    uint8_t *copy = elg__json_arena_take(arena, bytes.size + 1);
    if (copy == NULL)
        return NULL;
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = 0;
    return copy;
}
