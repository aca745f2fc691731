/* passed: runs of the store that this process could not load, and leaves to others for a
 * while. Each has a pause of its own, twice as long each time, so that what is wrong with
 * one holds up no other. Uses checkpoint. Must not know why a run could not be loaded.
 *
 * The list is short and bounded: what finds no place in it takes that of the one whose
 * pause ends first.
 */
#include <string.h>

#include "host/internal.h"

static struct elg_passed *passed_find(struct elg_passed_list *list, const char *trace_id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].trace_id, trace_id) == 0)
            return &list->items[i];
    return NULL;
}

static struct elg_passed *passed_place(struct elg_passed_list *list)
{
    if (list->count < ELG_SERVE_PASSED_MAX)
        return &list->items[list->count++];
    struct elg_passed *first = &list->items[0];
    for (size_t i = 1; i < list->count; i++)
        if (list->items[i].until_us < first->until_us)
            first = &list->items[i];
    return first;
}

void elg__passed_add(struct elg_host *host, const char *trace_id, int64_t now_us)
{
    struct elg_passed_list *list = &host->serving.passed;
    struct elg_passed *passed = passed_find(list, trace_id);
    int64_t pause_us = ELG_SERVE_PASS_US_MIN;
    if (passed == NULL) {
        passed = passed_place(list);
        strcpy(passed->trace_id, trace_id); /* of a row: within its bounds */
        passed->times = 0;
    }
    for (uint32_t i = 0; i < passed->times && pause_us < ELG_SERVE_PASS_US_MAX; i++)
        pause_us *= 2;
    passed->times++;
    passed->until_us =
        now_us + (pause_us < ELG_SERVE_PASS_US_MAX ? pause_us : ELG_SERVE_PASS_US_MAX);
}

bool elg__passed_unread(struct elg_host *host, const char *trace_id, int64_t now_us)
{
    struct elg_passed_list *list = &host->serving.passed;
    const struct elg_passed *passed = passed_find(list, trace_id);
    if (passed == NULL && list->count == ELG_SERVE_PASSED_MAX)
        passed = passed_place(list);
    if (passed != NULL && passed->until_us > now_us)
        return false;
    elg__passed_add(host, trace_id, now_us);
    return true;
}

void elg__passed_forget(struct elg_host *host, const char *trace_id)
{
    struct elg_passed_list *list = &host->serving.passed;
    struct elg_passed *passed = passed_find(list, trace_id);
    if (passed != NULL)
        *passed = list->items[--list->count];
}

struct elg_pass_over elg__passed_now(const struct elg_host *host, int64_t now_us,
                                     const char *trace_ids[ELG_SERVE_PASSED_MAX])
{
    const struct elg_passed_list *list = &host->serving.passed;
    struct elg_pass_over now = {.jailed = elg__boxes_lack_jail(host),
                                .trace_ids = trace_ids};
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].until_us > now_us)
            trace_ids[now.count++] = list->items[i].trace_id;
    return now;
}

int64_t elg__passed_next_us(const struct elg_host *host, int64_t now_us)
{
    const struct elg_passed_list *list = &host->serving.passed;
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].until_us > now_us && list->items[i].until_us < next_us)
            next_us = list->items[i].until_us;
    return next_us;
}
