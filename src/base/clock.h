/* clock, random: what the outside world says of time and chance, behind ops tables, so
 * that a seeded process can simulate many workers. Nothing above calls time() or
 * getrandom().
 */
#ifndef ELG_BASE_CLOCK_H
#define ELG_BASE_CLOCK_H

#include "base/status.h"

struct elg_clock_ops {
    uint32_t version;
    /* Milliseconds since 1970-01-01 UTC. */
    int64_t (*wall_ms)(void *self);
    /* Microseconds on a clock that never goes back and counts while suspended. */
    int64_t (*monotonic_us)(void *self);
};

struct elg_clock {
    const struct elg_clock_ops *ops;
    void *self;
};

struct elg_random_ops {
    uint32_t version;
    /* Fills `size` bytes; ELG_IO when the system has none. */
    enum elg_status (*fill)(void *self, void *out, size_t size);
};

struct elg_random {
    const struct elg_random_ops *ops;
    void *self;
};

/* The system's clocks and its random source. */
struct elg_clock elg_base_clock_system(void);
struct elg_random elg_base_random_system(void);

/* The methods of the tables above. */
int64_t elg_base_wall_ms(struct elg_clock clock);
int64_t elg_base_monotonic_us(struct elg_clock clock);
enum elg_status elg_base_random_fill(struct elg_random random, void *out, size_t size);

#endif
