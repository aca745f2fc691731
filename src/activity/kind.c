/* kind: the names of the kinds of activity. Provides the first section of activity.h. */
#include "activity/activity.h"

#include <string.h>

static const struct {
    const char *type; /* as recorded */
    const char *call; /* as node code says it */
} KINDS[] = {
    [ELG_ACTIVITY_NOW] = {"now", "now"},
    [ELG_ACTIVITY_SLEEP] = {"sleep", "sleep"},
    [ELG_ACTIVITY_HTTP] = {"http_request", "http"},
    [ELG_ACTIVITY_ARTIFACT_WRITE] = {"write_artifact", "artifact.write"},
    [ELG_ACTIVITY_ARTIFACT_READ] = {"read_artifact", "artifact.read"},
    [ELG_ACTIVITY_CALL] = {"call", "call"},
    [ELG_ACTIVITY_SETTLE] = {"settle", "settle"},
    [ELG_ACTIVITY_WAIT] = {"wait", "wait"},
    [ELG_ACTIVITY_RUN] = {"run", "run"},
};

const char *elg_activity_type_name(enum elg_activity_kind kind)
{
    return KINDS[kind].type;
}

bool elg_activity_kind_of(const char *call, enum elg_activity_kind *out)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(KINDS[i].call, call) == 0) {
            *out = (enum elg_activity_kind)i;
            return true;
        }
    }
    return false;
}
