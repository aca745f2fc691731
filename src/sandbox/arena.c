/* arena: the mapping. Provides arena.h; uses mmap. */
#include "sandbox/arena.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* The first suits Linux with 47-bit addresses; AddressSanitizer's shadow lies there, and
 * several sandboxes of one process need one each. */
#define BASE_STEP 0x10000000000u
#define BASE_COUNT_MAX 80

#define PAGE_BYTES ((size_t)65536) /* the largest page of the machines we know */

static size_t round_up(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static void *map_at(uintptr_t base, size_t bytes)
{
    void *p =
        mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if ((uintptr_t)p == base)
        return p;
    munmap(p, bytes); /* a kernel before 4.17 takes the address for a hint */
    return NULL;
}

static void *map_somewhere(size_t bytes)
{
    for (unsigned i = 0; i < BASE_COUNT_MAX; i++) {
        void *p = map_at(ELG_ARENA_BASE + (uintptr_t)i * BASE_STEP, bytes);
        if (p != NULL)
            return p;
    }
    return NULL;
}

enum elg_status elg_sandbox_arena_open(struct elg_arena *arena, uintptr_t base,
                                       size_t heap_bytes_max, struct elg_error *error)
{
    size_t heap_bytes = round_up(heap_bytes_max);
    size_t bytes = PAGE_BYTES + ELG_ARENA_STACK_BYTES + heap_bytes +
                   round_up(heap_bytes / ELG_HEAP_MARKED_BYTES);
    if (base % ELG_ARENA_BASE_UNIT != 0)
        return elg_base_fail(error, ELG_USAGE, "sandbox",
                             "an arena's address is a multiple of 4 GiB");
    uint8_t *map = base != 0 ? map_at(base, bytes) : map_somewhere(bytes);
    if (map == NULL)
        return elg_base_fail(error, ELG_NO_MEMORY, "sandbox",
                             "no address range of %zu bytes is free for Lua", bytes);
    if (mprotect(map, PAGE_BYTES, PROT_NONE) != 0) {
        munmap(map, bytes);
        return elg_base_no_memory(error);
    }
    arena->map = map;
    arena->map_bytes = bytes;
    arena->stack = map + PAGE_BYTES;
    arena->heap = arena->stack + ELG_ARENA_STACK_BYTES;
    arena->heap_bytes = heap_bytes;
    return ELG_OK;
}

void elg_sandbox_arena_close(struct elg_arena *arena)
{
    if (arena->map != NULL)
        munmap(arena->map, arena->map_bytes);
    memset(arena, 0, sizeof *arena);
}

void elg_sandbox_arena_trim(const struct elg_arena *arena, size_t keep_bytes)
{
    size_t keep = round_up(keep_bytes);
    uint8_t *end = arena->map + arena->map_bytes; /* behind the heap's marks */
    if (keep < arena->heap_bytes)
        madvise(arena->heap + keep, (size_t)(end - arena->heap) - keep, MADV_DONTNEED);
    madvise(arena->stack, ELG_ARENA_STACK_BYTES - PAGE_BYTES * 4, MADV_DONTNEED);
}
