/* releases: what may be told only once it is durable (I5): steps, logs, ends. */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"

enum elg_status elg__release_add(struct elg_host_run *hr, struct elg_release_list *list,
                                 enum elg_event_kind kind, int64_t step_index,
                                 const char *node_id, const char *level,
                                 struct elg_bytes text, struct elg_bytes data)
{
    const struct elg_alloc *alloc = hr->host->alloc;
    if (hr->host->options.on_event == NULL)
        return ELG_OK;
    if (list->count == list->capacity) {
        size_t grown = list->capacity ? list->capacity * 2 : 4;
        void *items =
            elg_base_realloc(alloc, list->items, list->capacity * sizeof *list->items,
                             grown * sizeof *list->items);
        if (items == NULL)
            return ELG_NO_MEMORY;
        list->items = items;
        list->capacity = grown;
    }
    struct elg_release release = {.kind = kind, .step_index = step_index};
    snprintf(release.node_id, sizeof release.node_id, "%s", node_id);
    snprintf(release.level, sizeof release.level, "%s", level);
    release.text = elg_base_blob_create(alloc, text);
    release.data = elg_base_blob_create(alloc, data);
    if (release.text == NULL || release.data == NULL) {
        elg_base_blob_unref(release.text);
        elg_base_blob_unref(release.data);
        return ELG_NO_MEMORY;
    }
    list->items[list->count++] = release;
    list->bytes += text.size + data.size;
    return ELG_OK;
}

void elg__release_clear(struct elg_release_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        elg_base_blob_unref(list->items[i].text);
        elg_base_blob_unref(list->items[i].data);
    }
    list->count = 0;
    list->bytes = 0;
}

void elg__release_fini(struct elg_host *host, struct elg_release_list *list)
{
    elg__release_clear(list);
    elg_base_free(host->alloc, list->items, list->capacity * sizeof *list->items);
    memset(list, 0, sizeof *list);
}

void elg__release_move(struct elg_host_run *hr, struct elg_release_list *from,
                       struct elg_release_list *to)
{
    if (to->count == 0) {
        struct elg_release_list swapped = *to;
        *to = *from;
        *from = swapped;
        return;
    }
    size_t need = to->count + from->count;
    if (need > to->capacity) {
        void *items =
            elg_base_realloc(hr->host->alloc, to->items, to->capacity * sizeof *to->items,
                             need * sizeof *to->items);
        if (items == NULL) {
            elg__warn(hr->host, hr->run->row.trace_id, "", "out of memory: events lost");
            elg__release_clear(from);
            return;
        }
        to->items = items;
        to->capacity = need;
    }
    if (from->count > 0) /* an empty list has no items at all */
        memcpy(to->items + to->count, from->items, from->count * sizeof *from->items);
    to->count = need;
    to->bytes += from->bytes;
    from->count = 0;
    from->bytes = 0;
}

static void tell(struct elg_host_run *hr, const struct elg_release *release)
{
    const struct elg_host_options *options = &hr->host->options;
    struct elg_event event = {
        .kind = release->kind,
        .trace_id = hr->run->row.trace_id,
        .step_index = release->step_index,
        .node_id = release->node_id,
        .level = release->level,
        .text = (const char *)elg_base_blob_bytes(release->text).data,
        .data = (const char *)elg_base_blob_bytes(release->data).data,
    };
    options->on_event(options->self, &event);
}

void elg__release_tell(struct elg_host_run *hr, struct elg_release_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        tell(hr, &list->items[i]);
    elg__release_clear(list);
}

void elg__warn(struct elg_host *host, const char *trace_id, const char *where,
               const char *text)
{
    if (host->options.on_event == NULL)
        return;
    char line[ELG_ERROR_TEXT_MAX + ELG_ERROR_WHERE_MAX + 4];
    snprintf(line, sizeof line, "%s%s%s", where, where[0] ? ": " : "", text);
    struct elg_event event = {.kind = ELG_EVENT_WARNING,
                              .trace_id = trace_id ? trace_id : "",
                              .step_index = -1,
                              .node_id = "",
                              .level = "warn",
                              .text = line,
                              .data = ""};
    host->options.on_event(host->options.self, &event);
}
