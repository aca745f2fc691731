/* heap: size classes with free lists. Provides heap.h. A block comes from its class's
 * list, else from the end of the heap; where that is reached, from a larger free block,
 * and then all free blocks are merged with their neighbours. So what was given out once
 * is not kept for its class, and a request's work is bounded, or counted in `merged`. */
#include "sandbox/heap.h"

#include <string.h>

#define UNIT ((size_t)ELG_HEAP_UNIT_BYTES)
#define MERGED_WORDS_SHIFT 3 /* a unit of work for so many words of marks */

void elg_sandbox_heap_init(struct elg_heap *heap, size_t head_bytes, size_t bytes_max,
                           size_t marks_at)
{
    memset(heap, 0, sizeof *heap);
    heap->used = heap->peak = (head_bytes + UNIT - 1) & ~(UNIT - 1);
    heap->bytes_max = bytes_max;
    heap->live_max = bytes_max;
    heap->marks_at = marks_at;
}

/* ---- classes */

/* The index of the list of a size; *rounded is what a block of it has. */
static size_t class_of(size_t size, size_t *rounded)
{
    if (size <= ELG_HEAP_SMALL_BYTES_MAX) {
        *rounded = (size + UNIT - 1) & ~(UNIT - 1);
        return *rounded / UNIT;
    }
    unsigned log = 63u - (unsigned)__builtin_clzll(size - 1); /* 10 and up */
    size_t step = (size_t)1 << (log - 2);
    *rounded = (size + step - 1) & ~(step - 1);
    return ELG_HEAP_SMALL_CLASSES + (log - 10) * 4 + (((size - 1) >> (log - 2)) & 3);
}

/* What a block of the class at the index has. */
static size_t class_bytes(size_t index)
{
    if (index < ELG_HEAP_SMALL_CLASSES)
        return index * UNIT;
    size_t large = index - ELG_HEAP_SMALL_CLASSES;
    return (large % 4 + 5) << (large / 4 + 8);
}

/* The index of the largest class within so many bytes, a multiple of UNIT. */
static size_t class_within(size_t bytes)
{
    size_t rounded, index = class_of(bytes, &rounded);
    return rounded > bytes ? index - 1 : index;
}

static void list_push(struct elg_heap *heap, size_t index, void *p)
{
    memcpy(p, &heap->free[index], sizeof(void *));
    heap->free[index] = p;
}

static void *list_pop(struct elg_heap *heap, size_t index)
{
    void *p = heap->free[index];
    if (p != NULL)
        memcpy(&heap->free[index], p, sizeof(void *));
    return p;
}

/* Puts a free range into the lists, in blocks as large as there are classes for. */
static void range_push(struct elg_heap *heap, uint8_t *p, size_t bytes)
{
    while (bytes > 0) {
        size_t index = class_within(bytes);
        list_push(heap, index, p);
        p += class_bytes(index);
        bytes -= class_bytes(index);
        heap->merged++;
    }
}

/* ---- merging */

static uint64_t *marks_of(struct elg_heap *heap)
{
    return (uint64_t *)(void *)((uint8_t *)heap + heap->marks_at);
}

static void mark(uint64_t *marks, size_t at, size_t count)
{
    while (count > 0) {
        size_t bit = at % 64, n = 64 - bit < count ? 64 - bit : count;
        uint64_t ones = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
        marks[at / 64] |= ones << bit;
        at += n;
        count -= n;
    }
}

/* Marks every unit that is free, and empties the lists. */
static void mark_free(struct elg_heap *heap)
{
    uint64_t *marks = marks_of(heap);
    for (size_t index = 1; index < ELG_HEAP_CLASSES; index++) {
        size_t units = class_bytes(index) / UNIT;
        for (uint8_t *p; (p = list_pop(heap, index)) != NULL; heap->merged++)
            mark(marks, (size_t)(p - (uint8_t *)heap) / UNIT, units);
    }
}

/* How many units below `end` are all marked, or all not; at least 1. */
static size_t run_below(const uint64_t *marks, size_t end, bool marked)
{
    uint64_t flip = marked ? 0 : UINT64_MAX;
    size_t at = end;
    while (at > 0) {
        size_t bit = (at - 1) % 64;
        uint64_t others = ~(marks[(at - 1) / 64] ^ flip) << (63 - bit);
        size_t n = others == 0 ? bit + 1 : (size_t)__builtin_clzll(others);
        at -= n;
        if (others != 0)
            break;
    }
    return end - at;
}

/* Makes the marked ranges blocks again, from the last on, so that each list begins with
 * the first; what is free at the end of the heap is no longer used. */
static void ranges_push(struct elg_heap *heap)
{
    const uint64_t *marks = marks_of(heap);
    size_t at = heap->used / UNIT;
    while (at > 0) {
        bool marked = (marks[(at - 1) / 64] >> ((at - 1) % 64) & 1) != 0;
        size_t units = run_below(marks, at, marked);
        at -= units;
        if (marked && (at + units) * UNIT == heap->used)
            heap->used = at * UNIT;
        else if (marked)
            range_push(heap, (uint8_t *)heap + at * UNIT, units * UNIT);
    }
}

static void merge(struct elg_heap *heap)
{
    size_t words = heap->used / UNIT / 64 + 1;
    mark_free(heap);
    ranges_push(heap);
    memset(marks_of(heap), 0, words * sizeof(uint64_t));
    heap->merged += words >> MERGED_WORDS_SHIFT;
}

/* ---- blocks */

static bool is_last(const struct elg_heap *heap, const void *p, size_t rounded)
{
    return (const uint8_t *)p + rounded == (const uint8_t *)heap + heap->used;
}

static void block_free(struct elg_heap *heap, void *p, size_t size)
{
    size_t rounded, index = class_of(size, &rounded);
    heap->live -= rounded;
    if (is_last(heap, p, rounded))
        heap->used -= rounded;
    else
        list_push(heap, index, p);
}

static void *end_take(struct elg_heap *heap, size_t rounded)
{
    if (rounded > heap->bytes_max - heap->used)
        return NULL;
    void *p = (uint8_t *)heap + heap->used;
    heap->used += rounded;
    if (heap->used > heap->peak)
        heap->peak = heap->used;
    return p;
}

/* From the smallest free block that is larger; the rest stays free. */
static void *split(struct elg_heap *heap, size_t index, size_t rounded)
{
    while (++index < ELG_HEAP_CLASSES) {
        uint8_t *p = list_pop(heap, index);
        if (p != NULL) {
            range_push(heap, p + rounded, class_bytes(index) - rounded);
            return p;
        }
    }
    return NULL;
}

static void *find(struct elg_heap *heap, size_t index, size_t rounded)
{
    void *p = list_pop(heap, index);
    if (p == NULL)
        p = end_take(heap, rounded);
    return p != NULL ? p : split(heap, index, rounded);
}

static void *block_new(struct elg_heap *heap, size_t size)
{
    size_t rounded, index = class_of(size, &rounded);
    if (heap->live + rounded > heap->live_max)
        return NULL;
    void *p = find(heap, index, rounded);
    if (p == NULL) {
        merge(heap);
        p = find(heap, index, rounded);
    }
    if (p != NULL)
        heap->live += rounded;
    return p;
}

/* The last block of the heap grows where it is, unless there is a free one of its new
 * class: else each such block would come from the end and go to the list. */
static bool block_grow(struct elg_heap *heap, void *p, size_t old_rounded, size_t index,
                       size_t rounded)
{
    size_t more = rounded - old_rounded;
    if (heap->free[index] != NULL || !is_last(heap, p, old_rounded) ||
        heap->live + more > heap->live_max || end_take(heap, more) == NULL)
        return false;
    heap->live += more;
    return true;
}

/* The end of the block becomes free. */
static void *block_cut(struct elg_heap *heap, void *p, size_t old_rounded, size_t rounded)
{
    heap->live -= old_rounded - rounded;
    if (is_last(heap, p, old_rounded))
        heap->used -= old_rounded - rounded;
    else
        range_push(heap, (uint8_t *)p + rounded, old_rounded - rounded);
    return p;
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
    (void)class_of(old_size, &old_rounded);
    size_t index = class_of(new_size, &rounded);
    if (rounded == old_rounded)
        return p;
    if (rounded > old_rounded && block_grow(heap, p, old_rounded, index, rounded))
        return p;
    void *q = block_new(heap, new_size);
    if (q == NULL)
        return rounded < old_rounded ? block_cut(heap, p, old_rounded, rounded) : NULL;
    memcpy(q, p, old_size < new_size ? old_size : new_size);
    block_free(heap, p, old_size);
    return q;
}
