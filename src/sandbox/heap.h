/* heap: an allocator that keeps its own state inside its range, so that copying the range
 * back puts the allocator back too.
 *
 * Uses nothing. Knows no Lua. Everything in it is a function of the sequence of requests:
 * the same requests give the same offsets in every process.
 */
#ifndef ELG_SANDBOX_HEAP_H
#define ELG_SANDBOX_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELG_HEAP_UNIT_BYTES 16 /* sizes are multiples */
#define ELG_HEAP_MARKED_BYTES                                                            \
    (ELG_HEAP_UNIT_BYTES * 8u)        /* of heap, by a byte of marks                     \
                                       */
#define ELG_HEAP_SMALL_BYTES_MAX 1024 /* classes of 16 bytes up to here, */
#define ELG_HEAP_LARGE_CLASSES 128    /* then four to each power of two */
#define ELG_HEAP_SMALL_CLASSES (ELG_HEAP_SMALL_BYTES_MAX / ELG_HEAP_UNIT_BYTES + 1)
#define ELG_HEAP_CLASSES (ELG_HEAP_SMALL_CLASSES + ELG_HEAP_LARGE_CLASSES)

/* At the start of the heap. */
struct elg_heap {
    size_t used;      /* bytes from the start of the heap, this struct included */
    size_t peak;      /* the most that `used` has been */
    size_t live;      /* bytes in blocks given out */
    size_t live_max;  /* more than this is out of memory */
    size_t bytes_max; /* more than this `used` cannot be */
    size_t marks_at;  /* bytes from the start of the heap to its marks, all zero */
    uint64_t
        merged; /* work of cutting and merging free blocks, since it was last set to 0 */
    void *free[ELG_HEAP_CLASSES]; /* small ones, of 0, 16, 32... bytes, then large ones */
};

/* Makes the heap empty but for its first head_bytes, which the caller's struct starts
 * with a struct elg_heap in. At marks_at bytes from its start there is a zero byte for
 * each ELG_HEAP_MARKED_BYTES of bytes_max, and of what bytes_max is set to later. */
void elg_sandbox_heap_init(struct elg_heap *heap, size_t head_bytes, size_t bytes_max,
                           size_t marks_at);
/* As realloc, sizes as given before; NULL when live_max is reached, or no room is left
 * between blocks that live (nothing that lives has changed then). To a smaller size it
 * never fails. */
void *elg_sandbox_heap_resize(struct elg_heap *heap, void *p, size_t old_size,
                              size_t new_size);

#endif
