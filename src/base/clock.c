/* clock: the system's time and chance behind the ops tables. Provides base/clock.h.
 * The one file of the library that may call clock_gettime and getrandom. */
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t system_wall_ms(void *self)
{
    (void)self;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_monotonic_us(void *self)
{
    (void)self;
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static enum elg_status system_fill(void *self, void *out, size_t size)
{
    (void)self;
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ELG_IO;
        at += got;
        size -= (size_t)got;
    }
    return ELG_OK;
}

static const struct elg_clock_ops SYSTEM_CLOCK = {1, system_wall_ms, system_monotonic_us};
static const struct elg_random_ops SYSTEM_RANDOM = {1, system_fill};

struct elg_clock elg_base_clock_system(void)
{
    struct elg_clock clock = {&SYSTEM_CLOCK, NULL};
    return clock;
}

struct elg_random elg_base_random_system(void)
{
    struct elg_random random = {&SYSTEM_RANDOM, NULL};
    return random;
}

int64_t elg_base_wall_ms(struct elg_clock clock)
{
    return clock.ops->wall_ms(clock.self);
}

int64_t elg_base_monotonic_us(struct elg_clock clock)
{
    return clock.ops->monotonic_us(clock.self);
}

enum elg_status elg_base_random_fill(struct elg_random random, void *out, size_t size)
{
    return random.ops->fill(random.self, out, size);
}
