/* fuel: the hook and the books. Provides fuel.h; uses box.h for leaving. */
#include "sandbox/fuel.h"

#include <string.h>

#include "sandbox/box.h"
#include "sandbox/counted.h"

#define ARM_MAX 0x40000000u
#define PROBE_WORDS 2048 /* of the engine's global state that are searched */

/* Moves what the engine has counted into the books. */
static void settle(struct elg_fuel *fuel)
{
    uint64_t spent = fuel->armed - (uint32_t)*fuel->hookcount + fuel->debt;
    fuel->done += spent;
    fuel->slice_left -= spent < fuel->slice_left ? (uint32_t)spent : fuel->slice_left;
    fuel->armed = 0;
    fuel->debt = 0;
    *fuel->hookcount = 0;
}

static void arm(struct elg_fuel *fuel)
{
    uint64_t n = fuel->max - fuel->done;
    if (n > fuel->slice_left)
        n = fuel->slice_left;
    if (n > ARM_MAX)
        n = ARM_MAX;
    if (fuel->collect)
        n = 1;
    fuel->armed = (uint32_t)n;
    *fuel->hookcount = (int32_t)n;
}

/* After settle: leaves if the allowance or the slice is spent, else arms. */
static void go_on(struct elg_head *head)
{
    struct elg_fuel *fuel = &head->fuel;
    if (fuel->done >= fuel->max) {
        fuel->done = fuel->max;
        elg_sandbox_leave_for_good(head->box, ELG_EVENT_FUEL_OUT);
    }
    if (fuel->slice_left == 0) {
        fuel->slice_left = fuel->slice;
        elg_sandbox_leave(head->box, ELG_EVENT_SLICE_OVER);
    }
    arm(fuel);
}

/* Called by the interpreter in place of its own function when the count is spent, before
 * the instruction. That one notes the place of execution; with a count that is not zero
 * it calls no hook, for which it would make room on the Lua stack: at another instruction
 * for another slicing. Nothing here uses that stack. */
void elglj_dispatch_ins(lua_State *L, const void *pc)
{
    struct elg_head *head = elg_sandbox_head_of_ours(L);
    if (head == NULL) {
        elglj_engine_dispatch_ins(L, pc);
        return;
    }
    struct elg_fuel *fuel = &head->fuel;
    *fuel->hookcount = INT32_MAX;
    elglj_engine_dispatch_ins(L, pc);
    *fuel->hookcount = 0;
    settle(fuel);
    if (fuel->collect)
        elg_sandbox_fuel_collect(L);
    settle(fuel);
    go_on(head);
}

/* Never called: it makes the interpreter count. */
static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)L;
    (void)ar;
}

void elg_sandbox_fuel_mark(struct elg_head *head)
{
    size_t live = head->heap.live;
    size_t more = live > ELG_FUEL_COLLECT_BYTES ? live : ELG_FUEL_COLLECT_BYTES;
    size_t room = head->heap.live_max > live ? head->heap.live_max - live : 0;
    if (more > room / 2)
        more = room / 2;
    if (more < ELG_FUEL_COLLECT_BYTES_MIN)
        more = ELG_FUEL_COLLECT_BYTES_MIN;
    head->fuel.collect = false;
    head->fuel.collect_at = live + more;
}

void elg_sandbox_fuel_collect(lua_State *L)
{
    struct elg_head *head = elg_sandbox_head(L);
    size_t before = head->heap.live;
    head->fuel.collect_at = SIZE_MAX;
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCSTOP, 0); /* a full collection has started the engine's own pace */
    elg_sandbox_fuel_mark(head);
    head->fuel.debt += before >> ELG_FUEL_COLLECT_SHIFT;
}

/* The two neighbours that lua_sethook sets are the count and its start; the count comes
 * first. Planted twice, so that no other word can be taken for them. */
bool elg_sandbox_fuel_install(lua_State *L, struct elg_fuel *fuel)
{
    int32_t *words = (int32_t *)(void *)L;
    int32_t *found = NULL;
    int hits = 0;
    for (size_t i = 0; i < PROBE_WORDS; i++) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, 0x5ca1ab1e);
        bool first = words[i] == 0x5ca1ab1e && words[i + 1] == 0x5ca1ab1e;
        if (!first)
            continue;
        lua_sethook(L, on_count, LUA_MASKCOUNT, 0x0defaced);
        if (words[i] == 0x0defaced && words[i + 1] == 0x0defaced) {
            found = &words[i];
            hits++;
        }
    }
    lua_sethook(L, on_count, LUA_MASKCOUNT, 0x7fffffff);
    fuel->hookcount = found;
    return hits == 1 && elg_sandbox_many_install(found);
}

void elg_sandbox_fuel_begin(struct elg_fuel *fuel, uint64_t max, uint32_t slice)
{
    fuel->done = fuel->debt = 0;
    fuel->max = max;
    fuel->slice = fuel->slice_left = slice;
    fuel->armed = 0;
    arm(fuel);
}

uint64_t elg_sandbox_fuel_used(const struct elg_fuel *fuel)
{
    uint64_t used = fuel->done + fuel->armed - (uint32_t)*fuel->hookcount + fuel->debt;
    return used < fuel->max ? used : fuel->max;
}

void elg_sandbox_charge(lua_State *L, uint64_t units)
{
    struct elg_head *head = elg_sandbox_head(L);
    int32_t *count = head->fuel.hookcount;
    if (units < (uint64_t)*count) {
        *count -= (int32_t)units;
        return;
    }
    head->fuel.debt += units;
    settle(&head->fuel);
    go_on(head);
}

/* Makes the hook come with the next instruction, leaving the books as they are. */
static void hurry(struct elg_fuel *fuel)
{
    if (*fuel->hookcount <= 1)
        return;
    fuel->armed -= (uint32_t)*fuel->hookcount - 1;
    *fuel->hookcount = 1;
}

void elg_sandbox_fuel_owe(struct elg_fuel *fuel, uint64_t units)
{
    if (fuel->hookcount == NULL)
        return;
    if (units < (uint64_t)*fuel->hookcount) {
        *fuel->hookcount -= (int32_t)units;
        return;
    }
    hurry(fuel);
    fuel->debt += units;
}

void elg_sandbox_fuel_noted(struct elg_fuel *fuel, size_t grown, size_t live)
{
    if (fuel->hookcount == NULL)
        return;
    if (grown >= ELG_FUEL_ALLOC_BYTES_MIN)
        elg_sandbox_fuel_owe(fuel, grown >> ELG_FUEL_ALLOC_SHIFT);
    if (live > fuel->collect_at && !fuel->collect) {
        fuel->collect = true;
        hurry(fuel);
    }
}
