/* arena: the mapping, and an allocator of size classes with free lists. Provides arena.h;
 * uses mmap. Blocks are never merged: a class keeps what it once had, which bounds the
 * work of every request and keeps offsets reproducible. */
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
                                       size_t live_bytes_max, struct elg_error *error)
{
    /* Four times what may live: blocks of other classes lie free beside those in use. */
    size_t heap_bytes = (live_bytes_max + (16u << 20)) * 4;
    heap_bytes = (heap_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    size_t bytes = PAGE_BYTES + ELG_ARENA_STACK_BYTES + heap_bytes;
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
    size_t keep = (keep_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    if (keep < arena->heap_bytes)
        madvise(arena->heap + keep, arena->heap_bytes - keep, MADV_DONTNEED);
    madvise(arena->stack, ELG_ARENA_STACK_BYTES - PAGE_BYTES * 4, MADV_DONTNEED);
}

void elg_sandbox_heap_init(struct elg_heap *heap, size_t head_bytes, size_t bytes_max)
{
    memset(heap, 0, sizeof *heap);
    heap->used = heap->peak = (head_bytes + 15) & ~(size_t)15;
    heap->bytes_max = bytes_max;
    heap->live_max = bytes_max;
}

/* The class of a size, as the list it is kept in; *rounded is what a block of it has. */
static void **class_of(struct elg_heap *heap, size_t size, size_t *rounded)
{
    if (size <= ELG_ARENA_SMALL_BYTES_MAX) {
        *rounded = (size + 15) & ~(size_t)15;
        return &heap->small[*rounded / 16];
    }
    unsigned log = 63u - (unsigned)__builtin_clzll(size - 1); /* 10 and up */
    size_t step = (size_t)1 << (log - 2);
    *rounded = (size + step - 1) & ~(step - 1);
    size_t index = (log - 10) * 4 + (((size - 1) >> (log - 2)) & 3);
    return &heap->large[index];
}

static bool is_last(const struct elg_heap *heap, const void *p, size_t rounded)
{
    return (const uint8_t *)p + rounded == (const uint8_t *)heap + heap->used;
}

static void block_free(struct elg_heap *heap, void *p, size_t size)
{
    size_t rounded;
    void **list = class_of(heap, size, &rounded);
    heap->live -= rounded;
    if (is_last(heap, p, rounded)) {
        heap->used -= rounded;
        return;
    }
    memcpy(p, list, sizeof *list);
    *list = p;
}

static void *block_new(struct elg_heap *heap, size_t size)
{
    size_t rounded;
    void **list = class_of(heap, size, &rounded);
    if (heap->live + rounded > heap->live_max)
        return NULL;
    void *p = *list;
    if (p != NULL) {
        memcpy(list, p, sizeof *list);
    } else {
        if (rounded > heap->bytes_max - heap->used)
            return NULL;
        p = (uint8_t *)heap + heap->used;
        heap->used += rounded;
        if (heap->used > heap->peak)
            heap->peak = heap->used;
    }
    heap->live += rounded;
    return p;
}

/* The last block of the heap grows where it is. */
static bool block_grow(struct elg_heap *heap, void *p, size_t old_rounded, size_t rounded)
{
    size_t more = rounded - old_rounded;
    if (!is_last(heap, p, old_rounded) || more > heap->bytes_max - heap->used ||
        heap->live + more > heap->live_max)
        return false;
    heap->used += more;
    heap->live += more;
    if (heap->used > heap->peak)
        heap->peak = heap->used;
    return true;
}

void *elg_sandbox_heap_resize(struct elg_heap *heap, void *p, size_t old_size,
                              size_t new_size)
{
    size_t old_rounded, rounded;
    if (new_size == 0) {
        if (p != NULL && old_size > 0)
            block_free(heap, p, old_size);
        return NULL;
    }
    if (new_size > heap->bytes_max)
        return NULL;
    if (p == NULL || old_size == 0)
        return block_new(heap, new_size);
    (void)class_of(heap, old_size, &old_rounded);
    (void)class_of(heap, new_size, &rounded);
    if (rounded == old_rounded)
        return p;
    if (rounded > old_rounded && block_grow(heap, p, old_rounded, rounded))
        return p;
    void *q = block_new(heap, new_size);
    if (q == NULL)
        return NULL;
    memcpy(q, p, old_size < new_size ? old_size : new_size);
    block_free(heap, p, old_size);
    return q;
}
