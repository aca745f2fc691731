/* fuel: what a job has spent of its allowance, exactly, and when it is interrupted.
 *
 * Uses Lua's count hook. A unit is one VM instruction; library functions charge units for
 * their work. The hook is armed for the least of what is left of the slice and of the
 * allowance; how much of it is unused is read from the engine's own counter, so the
 * figure at any point is the same for any slicing. The collector runs here too, at marks
 * of live memory: at an instruction that only the program determines.
 */
#ifndef ELG_SANDBOX_FUEL_H
#define ELG_SANDBOX_FUEL_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELG_FUEL_ALLOC_BYTES_MIN 4096 /* allocations from here on are charged, */
#define ELG_FUEL_ALLOC_SHIFT 6        /* a unit for 64 bytes */
#define ELG_FUEL_CALL 250             /* a call of ctx: its way to the host and back */
#define ELG_FUEL_STRING_BYTES_MIN 512 /* shorter strings: an instruction's price */
#define ELG_FUEL_COLLECT_SHIFT 4      /* a unit for 16 live bytes of a collection */
/* The least growth between two collections: where there is room, and near the bound. */
#define ELG_FUEL_COLLECT_BYTES (1u << 20)
#define ELG_FUEL_COLLECT_BYTES_MIN (16u << 10)

struct elg_fuel {
    int32_t *hookcount; /* the engine's; instructions until its hook is called */
    uint32_t armed;     /* what it was set to */
    uint64_t done;      /* spent before it was set */
    uint64_t debt;      /* charged where no interruption is possible */
    uint64_t max;
    uint32_t slice, slice_left;
    bool collect;      /* at the next instruction */
    size_t collect_at; /* live bytes */
};

/* What the engine calls when its count is spent (mk/10-lib.mk), and its own function. */
void elglj_dispatch_ins(lua_State *L, const void *pc);
void elglj_engine_dispatch_ins(lua_State *L, const void *pc);

/* Finds the engine's counter and makes it count, once per Lua state. False: this
 * engine keeps it in another way. */
bool elg_sandbox_fuel_install(lua_State *L, struct elg_fuel *fuel);
/* A new allowance, nothing spent. */
void elg_sandbox_fuel_begin(struct elg_fuel *fuel, uint64_t max, uint32_t slice);
/* At most max. */
uint64_t elg_sandbox_fuel_used(const struct elg_fuel *fuel);
/* Spends `units`; does not return if that is the rest. May be called wherever a C
 * function may call Lua. */
void elg_sandbox_charge(lua_State *L, uint64_t units);
/* Spends `units` where no interruption is possible: the next instruction sees to it. */
void elg_sandbox_fuel_owe(struct elg_fuel *fuel, uint64_t units);
/* What elg_sandbox_fuel_allocated does where something is to be done. */
void elg_sandbox_fuel_noted(struct elg_fuel *fuel, size_t grown, size_t live);
/* Told by the allocator: `grown` more bytes were given out, `live` are now. */
static inline void elg_sandbox_fuel_allocated(struct elg_fuel *fuel, size_t grown,
                                              size_t live)
{
    if (grown >= ELG_FUEL_ALLOC_BYTES_MIN || live > fuel->collect_at)
        elg_sandbox_fuel_noted(fuel, grown, live);
}
struct elg_head;
/* Sets the mark of the next collection: what lives again, or half of what is left. */
void elg_sandbox_fuel_mark(struct elg_head *head);
/* A full collection, charged by what it walks through, and the mark of the next. */
void elg_sandbox_fuel_collect(lua_State *L);

#endif
