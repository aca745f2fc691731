/* place: where a run's Lua state is: in the arena, parked, or nowhere. Provides that part
 * of internal.h.
 *
 * One job at most is in the arena. Putting another there has its price: the one that goes
 * is copied aside and later copied back, or dropped and executed again. The price is the
 * run's own whose heap it is (it counts as time used), and a run that has paid it keeps
 * the arena between slices until it has executed for ELG_HOST_KEEP_TIMES as long: so no
 * more than a fifth of the time goes to that, however large the heaps.
 */
#include "host/internal.h"

void elg__place_forget(struct elg_host_run *hr, enum elg_lua_state then)
{
    struct elg_host *host = hr->host;
    if (hr->lua == ELG_LUA_CURRENT) {
        elg_sandbox_discard(hr->graph->boxes->box);
        host->current = NULL;
    }
    if (hr->lua == ELG_LUA_PARKED) {
        host->parked_bytes -= elg_sandbox_parked_bytes(hr->parked);
        elg_sandbox_parked_destroy(hr->parked);
        hr->parked = NULL;
    }
    hr->lua = then;
    hr->slice = false;
}

/* What was done for the run since began_us is part of its time and of its price. */
static void pay(struct elg_host_run *hr, int64_t began_us)
{
    int64_t took_us = elg_base_monotonic_us(hr->host->clock) - began_us;
    hr->used_us += took_us;
    hr->price_us += took_us;
}

void elg__place_vacate(struct elg_host *host)
{
    struct elg_host_run *hr = host->current;
    struct elg_error error;
    if (hr == NULL)
        return;
    int64_t began_us = elg_base_monotonic_us(host->clock);
    if (host->parked_bytes > ELG_HOST_PARKED_BYTES_MAX ||
        elg_sandbox_park(hr->graph->boxes->box, &hr->parked, &error) != ELG_OK) {
        hr->price_us = hr->executed_us; /* it will be executed as far again */
        elg__place_forget(hr, ELG_LUA_DROPPED);
        return;
    }
    host->parked_bytes += elg_sandbox_parked_bytes(hr->parked);
    hr->lua = ELG_LUA_PARKED;
    host->current = NULL;
    hr->price_us = 0;
    pay(hr, began_us);
}

void elg__place_fresh(struct elg_host_run *hr)
{
    if (hr->lua == ELG_LUA_NONE)
        hr->price_us = 0;
    hr->executed_us = 0;
    hr->kept_us = 0;
    hr->lua = ELG_LUA_CURRENT;
    hr->host->current = hr;
}

enum elg_status elg__place_back(struct elg_host_run *hr, struct elg_error *error)
{
    struct elg_host *host = hr->host;
    size_t bytes = elg_sandbox_parked_bytes(hr->parked);
    int64_t began_us = elg_base_monotonic_us(host->clock);
    enum elg_status status = elg_sandbox_unpark(hr->graph->boxes->box, hr->parked, error);
    if (status != ELG_OK)
        return status;
    host->parked_bytes -= bytes;
    hr->parked = NULL;
    host->current = hr;
    hr->lua = ELG_LUA_CURRENT;
    hr->kept_us = 0;
    pay(hr, began_us);
    return ELG_OK;
}

void elg__place_executed(struct elg_host_run *hr, int64_t took_us)
{
    hr->used_us += took_us;
    hr->executed_us += took_us;
    hr->kept_us += took_us;
}

bool elg__place_keeps(const struct elg_host_run *hr)
{
    return hr->kept_us < ELG_HOST_KEEP_TIMES * hr->price_us;
}
