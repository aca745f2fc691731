/* meter: counts and times steps. Provides meter.h. */
#include <stddef.h>

#include "base/clock.h"
#include "bind/meter.h"

#define PARTS (UINT64_C(1) << METER_PART_BITS)

static uint64_t hash_of(const char *s)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *s != '\0'; s++)
        hash = (hash ^ (uint8_t)*s) * UINT64_C(1099511628211);
    return hash == 0 ? 1 : hash;
}

static int64_t now_us(void)
{
    return elg_base_monotonic_us(elg_base_clock_system());
}

/* Below 2 * PARTS a bucket per microsecond, then PARTS buckets per power of two. */
static size_t bucket_of(uint64_t us)
{
    unsigned shift = 0;
    while (us >> shift >= 2 * PARTS)
        shift++;
    return (size_t)((uint64_t)shift * PARTS + (us >> shift));
}

/* The middle of a bucket. */
static double time_of(size_t bucket)
{
    if (bucket < 2 * PARTS)
        return (double)bucket;
    uint64_t shift = bucket / PARTS - 1;
    uint64_t low = (bucket - shift * PARTS) << shift;
    return (double)low + (double)((UINT64_C(1) << shift) - 1) / 2;
}

void elg__meter_begin(struct bind_meter *meter, const char *trace_id)
{
    uint64_t hash = hash_of(trace_id);
    struct meter_slot *slot = &meter->slots[hash & (METER_SLOTS - 1)];
    if (slot->step_count > 0)
        return; /* another run's, in the middle of a tick */
    slot->trace_hash = hash;
    slot->since_us = now_us();
}

void elg__meter_step(struct bind_meter *meter, const char *trace_id)
{
    uint64_t hash = hash_of(trace_id);
    struct meter_slot *slot = &meter->slots[hash & (METER_SLOTS - 1)];
    meter->step_count++;
    if (slot->trace_hash != hash) {
        elg__meter_begin(meter, trace_id);
        return;
    }
    if (slot->step_count++ == 0)
        meter->touched[meter->touched_count++] = (uint16_t)(slot - meter->slots);
}

void elg__meter_flush(struct bind_meter *meter)
{
    if (meter->touched_count == 0)
        return;
    int64_t now = now_us();
    for (size_t i = 0; i < meter->touched_count; i++) {
        struct meter_slot *slot = &meter->slots[meter->touched[i]];
        uint64_t each = (uint64_t)(now - slot->since_us) / slot->step_count;
        meter->buckets[bucket_of(each)] += slot->step_count;
        meter->sample_count += slot->step_count;
        slot->since_us = now;
        slot->step_count = 0;
    }
    meter->touched_count = 0;
}

double elg__meter_percentile(const struct bind_meter *meter, double part)
{
    double wanted = part * (double)meter->sample_count;
    uint64_t passed = 0;
    for (size_t i = 0; i < METER_BUCKETS; i++) {
        passed += meter->buckets[i];
        if (passed > 0 && (double)passed >= wanted)
            return time_of(i);
    }
    return 0;
}
