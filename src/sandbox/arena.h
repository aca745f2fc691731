/* arena: one range of memory at a fixed address: a guard page, the C stack of node code,
 * and a heap whose allocator keeps its own state inside, so that copying the heap back
 * puts the allocator back too.
 *
 * Uses base. Knows no Lua. Everything in it is a function of the sequence of requests:
 * the same requests give the same offsets in every process.
 */
#ifndef ELG_SANDBOX_ARENA_H
#define ELG_SANDBOX_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define ELG_ARENA_BASE 0x100000000000u /* tried first, then the others of arena.c */
/* The engine hashes objects by the low half of their address: that is their place in an
 * arena, whichever it is (mk/10-lib.mk). */
#define ELG_ARENA_BASE_UNIT (UINT64_C(1) << 32)
#define ELG_ARENA_STACK_BYTES (4u << 20) /* 190 callback levels of 16 KB, and room */
#define ELG_ARENA_SMALL_BYTES_MAX 1024   /* classes of 16 bytes up to here, */
#define ELG_ARENA_LARGE_CLASSES 128      /* then four to each power of two */
#define ELG_ARENA_KEPT_BYTES (4u << 20)  /* touched memory kept for the next step */

/* At the start of the heap. */
struct elg_heap {
    size_t used;      /* bytes from the start of the heap, this struct included */
    size_t peak;      /* the most that `used` has been */
    size_t live;      /* bytes in blocks given out */
    size_t live_max;  /* more than this is out of memory */
    size_t bytes_max; /* of the heap's address range */
    void *small[ELG_ARENA_SMALL_BYTES_MAX / 16 + 1];
    void *large[ELG_ARENA_LARGE_CLASSES];
};

struct elg_arena {
    uint8_t *map;
    size_t map_bytes;
    uint8_t *stack; /* ELG_ARENA_STACK_BYTES of it */
    uint8_t *heap;
    size_t heap_bytes;
};

/* Maps the arena at `base`, or, with base 0, at the first free address of a fixed list.
 * ELG_NO_MEMORY,
 * ELG_USAGE: the address is no multiple of ELG_ARENA_BASE_UNIT. */
enum elg_status elg_sandbox_arena_open(struct elg_arena *arena, uintptr_t base,
                                       size_t live_bytes_max, struct elg_error *error);
void elg_sandbox_arena_close(struct elg_arena *arena);
/* Gives touched pages past keep_bytes of the heap, and of the deep stack, back. */
void elg_sandbox_arena_trim(const struct elg_arena *arena, size_t keep_bytes);

/* Makes the heap empty but for its first head_bytes, which the caller's struct starts
 * with a struct elg_heap in. */
void elg_sandbox_heap_init(struct elg_heap *heap, size_t head_bytes, size_t bytes_max);
/* As realloc, sizes as given before; NULL when live_max or the range is reached (nothing
 * has changed then). */
void *elg_sandbox_heap_resize(struct elg_heap *heap, void *p, size_t old_size,
                              size_t new_size);

#endif
