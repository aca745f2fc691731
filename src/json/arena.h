/* arena: memory that is given back all at once, for the trees of the folder.
 *
 * Uses base/alloc. Nothing is freed before elg__json_arena_fini.
 */
#ifndef ELG_JSON_ARENA_H
#define ELG_JSON_ARENA_H

#include "base/alloc.h"
#include "base/bytes.h"

struct elg__json_chunk;

struct elg__json_arena {
    const struct elg_alloc *alloc;
    struct elg__json_chunk *chunks; /* the newest first */
    size_t used, capacity;          /* bytes of the newest */
};

void elg__json_arena_init(struct elg__json_arena *arena, const struct elg_alloc *alloc);
void elg__json_arena_fini(struct elg__json_arena *arena);
/* `size` bytes aligned for anything; NULL: no memory. size 0 gives a valid pointer. */
void *elg__json_arena_take(struct elg__json_arena *arena, size_t size);
/* A copy with a NUL behind. NULL: no memory. */
uint8_t *elg__json_arena_copy(struct elg__json_arena *arena, struct elg_bytes bytes);

#endif
