/* arena: one range of memory at a fixed address: a guard page, the C stack of node code,
 * the heap (heap.h) and its marks.
 *
 * Uses base. Knows no Lua.
 */
#ifndef ELG_SANDBOX_ARENA_H
#define ELG_SANDBOX_ARENA_H

#include "base/status.h"
#include "sandbox/heap.h"

#define ELG_ARENA_BASE 0x100000000000u /* tried first, then the others of arena.c */
/* The engine hashes objects by the low half of their address: that is their place in an
 * arena, whichever it is (mk/10-lib.mk). */
#define ELG_ARENA_BASE_UNIT (UINT64_C(1) << 32)
#define ELG_ARENA_STACK_BYTES (4u << 20) /* 190 callback levels of 16 KB, and room */
#define ELG_ARENA_KEPT_BYTES (4u << 20)  /* touched memory kept for the next step */

struct elg_arena {
    uint8_t *map;
    size_t map_bytes;
    uint8_t *stack; /* ELG_ARENA_STACK_BYTES of it */
    uint8_t *heap;
    size_t heap_bytes; /* at least what was asked for; its marks lie behind it */
};

/* Maps the arena at `base`, or, with base 0, at the first free address of a fixed list.
 * ELG_NO_MEMORY,
 * ELG_USAGE: the address is no multiple of ELG_ARENA_BASE_UNIT. */
enum elg_status elg_sandbox_arena_open(struct elg_arena *arena, uintptr_t base,
                                       size_t heap_bytes_max, struct elg_error *error);
void elg_sandbox_arena_close(struct elg_arena *arena);
/* Gives touched pages past keep_bytes of the heap, and of the deep stack, back. */
void elg_sandbox_arena_trim(const struct elg_arena *arena, size_t keep_bytes);

#endif
