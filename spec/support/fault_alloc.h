/* fault_alloc: an allocator for specs that fails where it is told to and keeps books.
 *
 * Every block remembers its size, so that a wrong old_size is seen; `live_bytes` after
 * the work tells leaks. One thread only.
 */
#ifndef SPEC_FAULT_ALLOC_H
#define SPEC_FAULT_ALLOC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elg.h"

struct fault_alloc {
    struct elg_alloc alloc; /* pass &fault.alloc to the code under test */
    uint64_t calls;         /* that asked for memory */
    uint64_t fail_at;       /* this one and all after it fail; 0: none */
    bool fail_once;         /* only the one at fail_at */
    size_t live_bytes, peak_bytes;
    uint64_t live_blocks;
    uint64_t wrong_sizes; /* calls with an old_size that is not the block's */
};

/* In front of every block; keeps the alignment of malloc. */
union fault_head {
    size_t size;
    char align[16];
};

static inline void *fault_resize(void *self, void *p, size_t old_size, size_t new_size)
{
    struct fault_alloc *fault = self;
    union fault_head *head = p == NULL ? NULL : (union fault_head *)p - 1;
    if (head != NULL && head->size != old_size)
        fault->wrong_sizes++;
    if (new_size > 0) {
        fault->calls++;
        bool due = fault->fail_once ? fault->calls == fault->fail_at
                                    : fault->calls >= fault->fail_at;
        if (fault->fail_at > 0 && due)
            return NULL;
    }
    size_t had = head == NULL ? 0 : head->size;
    union fault_head *fresh = NULL;
    if (new_size > 0) {
        /* Always another block, so that a stale pointer is seen by a sanitizer. */
        fresh = malloc(sizeof *fresh + new_size);
        if (fresh == NULL)
            return NULL;
        fresh->size = new_size;
        if (had > 0)
            memcpy(fresh + 1, head + 1, had < new_size ? had : new_size);
        fault->live_blocks++;
    }
    if (head != NULL) {
        fault->live_blocks--;
        free(head);
    }
    fault->live_bytes += new_size - had;
    if (fault->live_bytes > fault->peak_bytes)
        fault->peak_bytes = fault->live_bytes;
    return fresh == NULL ? NULL : fresh + 1;
}

static inline void fault_alloc_init(struct fault_alloc *fault, uint64_t fail_at)
{
    memset(fault, 0, sizeof *fault);
    fault->alloc.resize = fault_resize;
    fault->alloc.self = fault;
    fault->fail_at = fail_at;
}

#endif
