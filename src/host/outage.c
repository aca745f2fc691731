/* outage: tells of a store that does not answer, without filling the log: at once, then
 * with pauses that double up to a minute, then that it is over. Provides outage.h, uses
 * the host's events. Must not know what is done about it. */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"

static const char *const NAMES[ELG_ASKED_KINDS] = {"runs to take up", "aborts",
                                                   "signals"};

void elg__outage_over(struct elg_host *host, enum elg_asked asked)
{
    struct elg_outage *outage = &host->outages[asked];
    char text[96];
    if (outage->since_us == 0)
        return;
    int64_t us = elg_base_monotonic_us(host->clock) - outage->since_us;
    snprintf(text, sizeof text, "the store answers again, asked for %s, after %lld s",
             NAMES[asked], (long long)(us / 1000000));
    memset(outage, 0, sizeof *outage);
    elg__warn(host, "", "", text);
}

void elg__outage_warn(struct elg_host *host, enum elg_asked asked,
                      const struct elg_error *error)
{
    struct elg_outage *outage = &host->outages[asked];
    int64_t now_us = elg_base_monotonic_us(host->clock);
    bool is_new = strcmp(outage->text, error->text) != 0;
    if (outage->since_us == 0) {
        outage->since_us = now_us > 0 ? now_us : 1;
        outage->pause_us = ELG_OUTAGE_TELL_US_MIN;
    } else if (!is_new) {
        if (now_us - outage->told_us < outage->pause_us)
            return;
        outage->pause_us *= 2;
        if (outage->pause_us > ELG_OUTAGE_TELL_US_MAX)
            outage->pause_us = ELG_OUTAGE_TELL_US_MAX;
    }
    outage->told_us = now_us;
    snprintf(outage->text, sizeof outage->text, "%s", error->text);
    elg__warn(host, "", error->where, error->text);
}
