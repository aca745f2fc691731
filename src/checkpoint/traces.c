/* traces: open addressing with linear probing. Provides traces.h. */
#include "checkpoint/traces.h"

#include <stdint.h>
#include <string.h>

#define TRACES_CAPACITY_MIN 64

void elg_checkpoint_traces_init(struct elg_traces *traces, const struct elg_alloc *alloc)
{
    memset(traces, 0, sizeof *traces);
    traces->alloc = alloc;
}

void elg_checkpoint_traces_fini(struct elg_traces *traces)
{
    elg_base_free(traces->alloc, traces->slots, traces->capacity * sizeof *traces->slots);
    traces->slots = NULL;
    traces->capacity = traces->count = 0;
}

/* FNV-1a: trace ids are not chosen by strangers. */
static uint64_t hash_of(const char *trace_id)
{
    uint64_t hash = 14695981039346656037u;
    for (; *trace_id; trace_id++)
        hash = (hash ^ (uint8_t)*trace_id) * 1099511628211u;
    return hash ^ (hash >> 32);
}

/* The slot that holds trace_id, or the free one where it would go. */
static size_t slot_of(const struct elg_traces *traces, const char *trace_id)
{
    size_t mask = traces->capacity - 1;
    size_t i = (size_t)hash_of(trace_id) & mask;
    while (traces->slots[i].trace_id != NULL &&
           strcmp(traces->slots[i].trace_id, trace_id) != 0)
        i = (i + 1) & mask;
    return i;
}

static bool grow(struct elg_traces *traces)
{
    struct elg_traces old = *traces;
    size_t capacity = old.capacity ? old.capacity * 2 : TRACES_CAPACITY_MIN;
    struct elg_traces_slot *slots =
        elg_base_calloc(traces->alloc, capacity * sizeof *slots);
    if (slots == NULL)
        return false;
    traces->slots = slots;
    traces->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].trace_id != NULL)
            slots[slot_of(traces, old.slots[i].trace_id)] = old.slots[i];
    }
    elg_base_free(traces->alloc, old.slots, old.capacity * sizeof *old.slots);
    return true;
}

void *elg_checkpoint_traces_get(const struct elg_traces *traces, const char *trace_id)
{
    if (traces->capacity == 0)
        return NULL;
    return traces->slots[slot_of(traces, trace_id)].value;
}

bool elg_checkpoint_traces_put(struct elg_traces *traces, const char *trace_id,
                               void *value)
{
    if ((traces->count + 1) * 2 > traces->capacity && !grow(traces))
        return false;
    size_t i = slot_of(traces, trace_id);
    traces->slots[i].trace_id = trace_id;
    traces->slots[i].value = value;
    traces->count++;
    return true;
}

/* Moves later entries of the probe sequence into the hole at i, so that none is lost. */
static void close_hole(struct elg_traces *traces, size_t i)
{
    size_t mask = traces->capacity - 1;
    for (size_t j = (i + 1) & mask; traces->slots[j].trace_id != NULL;
         j = (j + 1) & mask) {
        size_t home = (size_t)hash_of(traces->slots[j].trace_id) & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            traces->slots[i] = traces->slots[j];
            i = j;
        }
    }
    traces->slots[i].trace_id = NULL;
    traces->slots[i].value = NULL;
}

void *elg_checkpoint_traces_remove(struct elg_traces *traces, const char *trace_id)
{
    if (traces->capacity == 0)
        return NULL;
    size_t i = slot_of(traces, trace_id);
    void *value = traces->slots[i].value;
    if (traces->slots[i].trace_id == NULL)
        return NULL;
    traces->count--;
    close_hole(traces, i);
    return value;
}

void *elg_checkpoint_traces_next(const struct elg_traces *traces, size_t *cursor)
{
    while (*cursor < traces->capacity) {
        const struct elg_traces_slot *slot = &traces->slots[(*cursor)++];
        if (slot->trace_id != NULL)
            return slot->value;
    }
    return NULL;
}
