/* graphs: graph versions that the host has loaded. Provides elg_graph_open, _close. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/graph_sources.h"
#include "host/internal.h"
#include "host/public.h"
#include "json/json.h"

/* ---- definition and hash
 * -------------------------------------------------------------------- */

enum elg_status elg__graph_sources(const struct elg_program *program,
                                   struct elg_source_list *list, struct elg_error *error)
{
    for (list->count = 0; list->count < ELG_GRAPH_SOURCES_MAX; list->count++) {
        struct elg_graph_source *item = &list->items[list->count];
        if (!elg_sandbox_program_source(program, list->count, &item->path, &item->text))
            break;
        size_t good = elg_json_check_utf8(item->text);
        if (good < item->text.size)
            return elg_base_fail(
                error, ELG_INVALID, item->path,
                "not valid UTF-8 at byte %zu; write other bytes as escapes", good);
    }
    /* By path, in canonical order; there are few. */
    for (size_t i = 1; i < list->count; i++)
        for (size_t j = i;
             j > 0 && elg_json_compare_keys(elg_base_bytes(list->items[j].path),
                                            elg_base_bytes(list->items[j - 1].path)) < 0;
             j--) {
            struct elg_graph_source swap = list->items[j];
            list->items[j] = list->items[j - 1];
            list->items[j - 1] = swap;
        }
    return ELG_OK;
}

static struct elg_blob *write_definition(const struct elg_alloc *alloc, const char *entry,
                                         struct elg_bytes description,
                                         const struct elg_source_list *list)
{
    struct elg_buf buf;
    elg_base_buf_init(&buf, alloc);
    elg_base_buf_append_str(&buf, "{\"description\":");
    elg_base_buf_append(&buf, description.data, description.size);
    elg_base_buf_append_str(&buf, ",\"entry\":");
    elg_json_write_string(&buf, elg_base_bytes(entry), NULL);
    elg_base_buf_append_str(&buf, ",\"sources\":{");
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            elg_base_buf_append_byte(&buf, ',');
        elg_json_write_string(&buf, elg_base_bytes(list->items[i].path), NULL);
        elg_base_buf_append_byte(&buf, ':');
        elg_json_write_string(&buf, list->items[i].text, NULL);
    }
    elg_base_buf_append_str(&buf, "}}");
    struct elg_blob *blob = NULL;
    if (!buf.failed)
        blob = elg_base_blob_create(alloc, elg_base_buf_bytes(&buf));
    elg_base_buf_fini(&buf);
    return blob;
}

/* ---- loading
 * --------------------------------------------------------------------------------- */

struct elg_graph *elg__graph_ref(struct elg_graph *graph)
{
    graph->references++;
    return graph;
}

/* Nested as deep as the graph's files require each other (the sandbox's maximum). */
static void children_clear(struct elg_graph *graph)
{
    while (graph->children != NULL) {
        struct elg_graph_child *child = graph->children;
        graph->children = child->next;
        elg_graph_close(child->graph);
        elg_base_strfree(graph->host->alloc, child->path);
        elg_base_free(graph->host->alloc, child, sizeof *child);
    }
}

void elg__graph_children_clear(struct elg_host *host)
{
    struct elg_graph *graph = host->graphs;
    while (graph != NULL) { /* clearing may close others: from the beginning again */
        bool had = graph->children != NULL;
        graph->references++;
        children_clear(graph);
        graph->references--;
        graph = had ? host->graphs : graph->next;
    }
}

void elg_graph_close(struct elg_graph *graph)
{
    if (graph == NULL || --graph->references > 0)
        return;
    struct elg_host *host = graph->host;
    children_clear(graph);
    struct elg_graph **link = &host->graphs;
    while (*link != NULL && *link != graph)
        link = &(*link)->next;
    if (*link == graph)
        *link = graph->next;
    elg_sandbox_program_destroy(graph->audit_program);
    elg_sandbox_program_destroy(graph->program);
    elg_graph_data_destroy(graph->data);
    elg_base_blob_unref(graph->definition);
    elg_base_free(host->alloc, graph, sizeof *graph);
}

struct elg_graph *elg__graph_loaded(struct elg_host *host, const struct elg_boxes *boxes,
                                    const struct elg_hash *hash)
{
    struct elg_graph *graph = host->graphs;
    while (graph != NULL &&
           (graph->boxes != boxes || !elg_base_hash_equal(&graph->hash, hash)))
        graph = graph->next;
    return graph;
}

/* Fills a graph whose program is there. */
static enum elg_status complete(struct elg_graph *graph, const char *entry,
                                struct elg_error *error)
{
    struct elg_host *host = graph->host;
    struct elg_bytes description = elg_sandbox_program_describe(graph->program);
    struct elg_source_list list;
    enum elg_status status =
        elg_graph_parse(host->alloc, description, &graph->data, entry, error);
    if (status == ELG_OK)
        status = elg__graph_sources(graph->program, &list, error);
    if (status == ELG_OK)
        status = elg_graph_version_hash(host->alloc, host->sha, entry, list.items,
                                        list.count, &graph->hash);
    if (status != ELG_OK)
        return status == ELG_NO_MEMORY ? elg_base_no_memory(error) : status;
    elg_base_hash_hex(&graph->hash, graph->hash_hex);
    graph->definition = write_definition(host->alloc, entry, description, &list);
    return graph->definition != NULL ? ELG_OK : elg_base_no_memory(error);
}

/* Another handle of the same version may be there already: that one is used. The arena is
 * borrowed for loading, so that no job may be in it. */
enum elg_status elg__graph_load(struct elg_host *host, const struct elg_boxes *boxes,
                                const char *entry,
                                const struct elg_program_loader *loader,
                                struct elg_graph **out, struct elg_error *error)
{
    struct elg_graph *graph = elg_base_calloc(host->alloc, sizeof *graph);
    if (graph == NULL)
        return elg_base_no_memory(error);
    graph->host = host;
    graph->boxes = boxes;
    graph->references = 1;
    elg__place_vacate(host);
    enum elg_status status =
        elg_sandbox_program_create(boxes->box, entry, loader, &graph->program, error);
    if (status == ELG_OK)
        status = complete(graph, entry, error);
    struct elg_graph *loaded =
        status == ELG_OK ? elg__graph_loaded(host, boxes, &graph->hash) : NULL;
    if (status != ELG_OK || loaded != NULL) {
        elg_graph_close(graph);
        if (loaded != NULL)
            *out = elg__graph_ref(loaded);
        return status;
    }
    graph->next = host->graphs;
    host->graphs = graph;
    *out = graph;
    return ELG_OK;
}

/* "dir/graph.lua" -> "dir/" and "graph.lua". */
enum elg_status elg__graph_split_path(const char *path, char folder[4096],
                                      const char **entry, struct elg_error *error)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= 4096 || path[n] == '\0')
        return elg_base_fail(error, ELG_NOT_FOUND, path, "not a graph file");
    memcpy(folder, path, n);
    folder[n] = '\0';
    *entry = path + n;
    return ELG_OK;
}

enum elg_status elg__graph_load_file(struct elg_host *host, const char *path,
                                     struct elg_graph **out, struct elg_error *error)
{
    char folder_path[4096];
    const char *entry;
    struct stat info;
    if (stat(path, &info) != 0) /* say the author's path, not a module's */
        return elg_base_fail(error, errno == ENOENT ? ELG_NOT_FOUND : ELG_IO, path, "%s",
                             strerror(errno));
    if (S_ISDIR(info.st_mode))
        return elg_base_fail(error, ELG_USAGE, path,
                             "this is a folder; name the graph's file in it, such as "
                             "%s%sgraph.lua",
                             path, path[strlen(path) - 1] == '/' ? "" : "/");
    enum elg_status status = elg__graph_split_path(path, folder_path, &entry, error);
    if (status != ELG_OK)
        return status;
    struct elg_source_folder folder = {folder_path, entry};
    struct elg_program_loader loader = {elg__source_from_folder, &folder};
    return elg__graph_load(host, &host->own, entry, &loader, out, error);
}

/* The first error among findings, as an error. */
static enum elg_status first_error(struct elg_host *host, struct elg_bytes findings,
                                   struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(host->alloc, findings, &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *list = elg_json_root(doc);
    status = ELG_OK;
    for (size_t i = 0; i < elg_json_size(list) && status == ELG_OK; i++) {
        const struct elg_json_value *item = elg_json_at(list, i);
        struct elg_bytes level = elg_json_string(elg_json_get(item, "level"));
        struct elg_bytes where = elg_json_string(elg_json_get(item, "where"));
        struct elg_bytes text = elg_json_string(elg_json_get(item, "text"));
        if (elg_base_bytes_equal(level, elg_base_bytes("error")))
            status = elg_base_fail(error, ELG_INVALID, (const char *)where.data, "%s",
                                   text.data ? (const char *)text.data : "");
    }
    elg_json_doc_destroy(doc);
    return status;
}

/* What elg_graph_check finds wrong with it. */
static enum elg_status check(const struct elg_graph *graph, const char *entry,
                             struct elg_error *error)
{
    struct elg_host *host = graph->host;
    struct elg_buf findings;
    size_t error_count = 0;
    elg_base_buf_init(&findings, host->alloc);
    enum elg_status status =
        elg_graph_check(host->alloc, graph->data, entry, &findings, &error_count);
    if (status == ELG_OK && error_count > 0)
        status = first_error(host, elg_base_buf_bytes(&findings), error);
    else if (status != ELG_OK)
        status = elg_base_no_memory(error);
    elg_base_buf_fini(&findings);
    return status;
}

enum elg_status elg__graph_open(struct elg_host *host, const char *path,
                                struct elg_graph **out, struct elg_error *error)
{
    struct elg_graph *graph;
    char folder[4096];
    const char *entry = path;
    enum elg_status status = elg__graph_load_file(host, path, &graph, error);
    if (status != ELG_OK)
        return status;
    (void)elg__graph_split_path(path, folder, &entry, NULL);
    status = check(graph, entry, error);
    if (status != ELG_OK)
        elg_graph_close(graph);
    else
        *out = graph;
    return status;
}

/* ---- a file of a graph as a graph
 * ------------------------------------------------------------------- */

static enum elg_status child_load(struct elg_graph *graph, const char *path,
                                  struct elg_graph **out, struct elg_error *error)
{
    struct elg_json_doc *doc;
    struct elg_host *host = graph->host;
    struct elg_graph *loaded;
    enum elg_status status =
        elg_json_parse(host->alloc, elg_base_blob_bytes(graph->definition), &doc, error);
    if (status != ELG_OK)
        return status;
    struct elg_program_loader loader = {
        elg__source_from_definition,
        (void *)(uintptr_t)elg_json_get(elg_json_root(doc), "sources"),
    };
    status = elg__graph_load(host, graph->boxes, path, &loader, &loaded, error);
    elg_json_doc_destroy(doc);
    if (status != ELG_OK)
        return status;
    status = check(loaded, path, error);
    if (status != ELG_OK)
        elg_graph_close(loaded);
    else
        *out = loaded;
    return status;
}

enum elg_status elg__graph_child(struct elg_graph *graph, const char *path,
                                 struct elg_graph **out, struct elg_error *error)
{
    const struct elg_alloc *alloc = graph->host->alloc;
    for (struct elg_graph_child *child = graph->children; child != NULL;
         child = child->next) {
        if (strcmp(child->path, path) == 0) {
            *out = child->graph;
            return ELG_OK;
        }
    }
    struct elg_graph_child *child = elg_base_calloc(alloc, sizeof *child);
    if (child == NULL ||
        (child->path = elg_base_strndup(alloc, path, strlen(path))) == NULL) {
        elg_base_free(alloc, child, sizeof *child);
        return elg_base_no_memory(error);
    }
    enum elg_status status = child_load(graph, path, &child->graph, error);
    if (status != ELG_OK) {
        elg_base_strfree(alloc, child->path);
        elg_base_free(alloc, child, sizeof *child);
        return status;
    }
    child->next = graph->children;
    graph->children = child;
    *out = child->graph;
    return ELG_OK;
}
