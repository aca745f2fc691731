/* meter: how many steps became durable and how long a step took, without a call into Lua
 * per step.
 *
 * Uses base's clock. A step's time is what its caller sees: from one tick in which steps
 * of a run became durable to the next, shared among the steps that became so together.
 * Times lie in logarithmic buckets, 3% wide. A run whose slot another one takes is
 * measured from its next tick on.
 */
#ifndef ELG_BIND_METER_H
#define ELG_BIND_METER_H

#include <stdint.h>

#define METER_SLOTS 4096 /* a power of two */
#define METER_PART_BITS 5
#define METER_BUCKETS ((64 - METER_PART_BITS) << METER_PART_BITS)

struct meter_slot {
    uint64_t trace_hash; /* 0: free */
    int64_t since_us;
    uint32_t step_count; /* in the tick under way */
};

struct bind_meter {
    uint64_t step_count, sample_count;
    uint64_t buckets[METER_BUCKETS];
    struct meter_slot slots[METER_SLOTS];
    uint16_t touched[METER_SLOTS]; /* slots with steps in the tick under way */
    size_t touched_count;
};

/* A run begins: its first step is measured from here. */
void elg__meter_begin(struct bind_meter *meter, const char *trace_id);
/* A step of it is durable. */
void elg__meter_step(struct bind_meter *meter, const char *trace_id);
/* The tick is over. */
void elg__meter_flush(struct bind_meter *meter);
/* The time in us that `part` (0 to 1) of the steps did not pass; 0 without steps. */
double elg__meter_percentile(const struct bind_meter *meter, double part);

#endif
