/* graph_stored: graph versions as the store has them: under a hash, with all their
 * sources (I9). Provides elg_graph_open_stored. Uses graphs. */
#include <stdio.h>
#include <string.h>

#include "host/graph_sources.h"
#include "host/internal.h"
#include "host/public.h"
#include "json/json.h"

#define KEEP_US (600 * INT64_C(1000000)) /* after that it is put again */

static enum elg_status row_corrupt(const struct elg_graph_row *row, const char *what,
                                   struct elg_error *error)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(&row->hash, hex);
    return elg_base_fail(error, ELG_CORRUPT, hex, "cmo_graphs.%s", what);
}

/* Nothing of a definition is loaded before its sources are those that were hashed. */
static enum elg_status check_sources(struct elg_host *host,
                                     const struct elg_graph_row *row, const char *entry,
                                     const struct elg_json_value *sources,
                                     struct elg_error *error)
{
    struct elg_source_list list;
    struct elg_hash hash;
    list.count = elg_json_size(sources);
    if (list.count > ELG_GRAPH_SOURCES_MAX)
        return row_corrupt(row, "definition has too many sources", error);
    for (size_t i = 0; i < list.count; i++) {
        list.items[i].path = (const char *)elg_json_key_at(sources, i).data;
        list.items[i].text = elg_json_string(elg_json_at(sources, i));
    }
    enum elg_status status = elg_graph_version_hash(host->alloc, host->sha, entry,
                                                    list.items, list.count, &hash);
    if (status == ELG_NO_MEMORY)
        return elg_base_no_memory(error);
    if (status != ELG_OK || !elg_base_hash_equal(&hash, &row->hash))
        return row_corrupt(row,
                           "definition: the stored sources do not have the graph's "
                           "hash",
                           error);
    return ELG_OK;
}

/* The row's own columns say what its definition says. */
static enum elg_status check_names(const struct elg_graph_row *row,
                                   const struct elg_graph_data *data,
                                   struct elg_error *error)
{
    if (strcmp(row->id, elg_graph_id(data)) != 0)
        return row_corrupt(row, "graph_id is not what its definition says", error);
    if (strcmp(row->version, elg_graph_version(data)) != 0)
        return row_corrupt(row, "graph_version is not what its definition says", error);
    return ELG_OK;
}

static enum elg_status load_definition(struct elg_host *host,
                                       const struct elg_boxes *boxes,
                                       const struct elg_graph_row *row,
                                       const struct elg_json_value *root,
                                       struct elg_graph **out, struct elg_error *error)
{
    const char *entry = (const char *)elg_json_string(elg_json_get(root, "entry")).data;
    const struct elg_json_value *sources = elg_json_get(root, "sources");
    struct elg_program_loader loader = {elg__source_from_definition,
                                        (void *)(uintptr_t)sources};
    struct elg_graph *graph = NULL;
    if (entry == NULL)
        return row_corrupt(row, "definition has no entry", error);
    enum elg_status status = check_sources(host, row, entry, sources, error);
    if (status == ELG_OK)
        status = elg__graph_load(host, boxes, entry, &loader, &graph, error);
    if (status == ELG_OK)
        status = check_names(row, graph->data, error);
    if (status == ELG_OK)
        *out = graph;
    else
        elg_graph_close(graph);
    return status;
}

static enum elg_status load_row(struct elg_host *host, const struct elg_boxes *boxes,
                                const struct elg_graph_row *row, struct elg_graph **out,
                                struct elg_error *error)
{
    struct elg_json_doc *doc;
    struct elg_error own;
    if (error == NULL)
        error = &own;
    enum elg_status status =
        elg_json_parse(host->alloc, elg_base_blob_bytes(row->definition), &doc, error);
    if (status == ELG_NO_MEMORY)
        return status;
    if (status != ELG_OK)
        return row_corrupt(row, "definition is not JSON", error);
    status = load_definition(host, boxes, row, elg_json_root(doc), out, error);
    elg_json_doc_destroy(doc);
    if (status == ELG_INVALID || status == ELG_NOT_FOUND || status == ELG_USAGE) {
        char text[ELG_ERROR_TEXT_MAX];
        snprintf(text, sizeof text, "definition does not load: %.900s", error->text);
        return row_corrupt(row, text, error);
    }
    return status;
}

enum elg_status elg__graph_in(struct elg_graph *graph, const struct elg_boxes *boxes,
                              struct elg_graph **out, struct elg_error *error)
{
    struct elg_host *host = graph->host;
    struct elg_graph *loaded =
        graph->boxes == boxes ? graph : elg__graph_loaded(host, boxes, &graph->hash);
    if (loaded != NULL) {
        *out = elg__graph_ref(loaded);
        return ELG_OK;
    }
    struct elg_json_doc *doc;
    enum elg_status status =
        elg_json_parse(host->alloc, elg_base_blob_bytes(graph->definition), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_program_loader loader = {elg__source_from_definition,
                                        (void *)(uintptr_t)elg_json_get(root, "sources")};
    status = elg__graph_load(
        host, boxes, (const char *)elg_json_string(elg_json_get(root, "entry")).data,
        &loader, out, error);
    elg_json_doc_destroy(doc);
    return status;
}

enum elg_status elg__graph_stored(struct elg_host *host, const struct elg_boxes *boxes,
                                  const struct elg_hash *hash, struct elg_graph **out,
                                  struct elg_error *error)
{
    struct elg_graph *loaded = elg__graph_loaded(host, boxes, hash);
    if (loaded != NULL) {
        *out = elg__graph_ref(loaded);
        return ELG_OK;
    }
    struct elg_graph_row row;
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_graph_get(host->store, hash, &row, error);
    if (status != ELG_OK)
        return status;
    status = load_row(host, boxes, &row, out, error);
    if (status == ELG_OK)
        (*out)->stored = true;
    elg_checkpoint_graph_row_fini(&row);
    return status;
}

enum elg_status elg__graph_open_stored(struct elg_host *host, const char *graph_hash,
                                       struct elg_graph **out, struct elg_error *error)
{
    struct elg_hash hash;
    if (!elg_base_hash_parse(elg_base_bytes(graph_hash), &hash))
        return elg_base_fail(error, ELG_USAGE, "graph_hash",
                             "a hash is 64 lower-case hex digits");
    return elg__graph_stored(host, &host->own, &hash, out, error);
}

enum elg_status elg__graph_program(const struct elg_graph *graph, struct elg_sandbox *box,
                                   struct elg_program **out, struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(
        graph->host->alloc, elg_base_blob_bytes(graph->definition), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_bytes entry = elg_json_string(elg_json_get(root, "entry"));
    struct elg_program_loader loader = {
        elg__source_from_definition,
        (void *)(uintptr_t)elg_json_get(root, "sources"),
    };
    status =
        elg_sandbox_program_create(box, (const char *)entry.data, &loader, out, error);
    elg_json_doc_destroy(doc);
    return status;
}

enum elg_status elg__graph_keep(struct elg_graph *graph, struct elg_error *error)
{
    struct elg_graph_row row;
    int64_t now_us = elg_base_monotonic_us(graph->host->clock);
    if (graph->stored && now_us - graph->stored_us < KEEP_US)
        return ELG_OK; /* retention takes none that was put within a day */
    memset(&row, 0, sizeof row);
    row.hash = graph->hash;
    snprintf(row.id, sizeof row.id, "%s", elg_graph_id(graph->data));
    snprintf(row.version, sizeof row.version, "%s", elg_graph_version(graph->data));
    row.definition = graph->definition;
    enum elg_status status = elg_checkpoint_graph_put(graph->host->store, &row, error);
    graph->stored = status == ELG_OK;
    graph->stored_us = now_us;
    return status;
}
