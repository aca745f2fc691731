/* graph_documents: what a graph is and what is wrong with it, as JSON.
 * Provides elg_graph_describe and elg_graph_check_file. */
#include "host/internal.h"
#include "host/public.h"
#include "json/json.h"

static void append_string(struct elg_buf *buf, const char *s)
{
    elg_json_write_string(buf, elg_base_bytes(s), NULL);
}

static void append_edges(struct elg_buf *buf, const struct elg_graph_data *data)
{
    for (size_t i = 0; i < elg_graph_edge_count(data); i++) {
        const struct elg_graph_edge *edge = elg_graph_edge(data, i);
        elg_base_buf_append_str(buf, i ? ",{\"from\":" : "{\"from\":");
        append_string(buf, edge->from);
        elg_base_buf_append_str(buf, ",\"key\":");
        append_string(buf, edge->key);
        elg_base_buf_append_str(buf, ",\"to\":");
        append_string(buf, edge->to);
        elg_base_buf_append_str(buf, edge->when ? ",\"when\":true}" : ",\"when\":false}");
    }
}

static void append_nodes(struct elg_buf *buf, const struct elg_graph_data *data)
{
    static const char *const BACKOFFS[] = {"constant", "linear", "exponential"};
    for (size_t i = 0; i < elg_graph_node_count(data); i++) {
        const struct elg_graph_node *node = elg_graph_node_at(data, i);
        elg_base_buf_append_str(buf, i ? ",{\"id\":" : "{\"id\":");
        append_string(buf, node->id);
        elg_base_buf_printf(buf, ",\"line\":%d,\"retry\":", node->line);
        if (node->max_attempts > 1)
            elg_base_buf_printf(buf,
                                "{\"backoff\":\"%s\",\"initial_delay_ms\":%lld,"
                                "\"max_attempts\":%u,\"max_delay_ms\":%lld}",
                                BACKOFFS[node->backoff],
                                (long long)node->initial_delay_ms, node->max_attempts,
                                (long long)node->max_delay_ms);
        else
            elg_base_buf_append_str(buf, "null");
        if (node->timeout_ms > 0)
            elg_base_buf_printf(buf, ",\"timeout_ms\":%u}", node->timeout_ms);
        else
            elg_base_buf_append_str(buf, ",\"timeout_ms\":null}");
    }
}

static enum elg_status append_sources(struct elg_graph *graph, struct elg_buf *buf,
                                      struct elg_error *error)
{
    struct elg_source_list list;
    enum elg_status status = elg__graph_sources(graph->program, &list, error);
    for (size_t i = 0; i < list.count && status == ELG_OK; i++) {
        struct elg_hash hash;
        char hex[ELG_HASH_HEX_SIZE];
        elg_base_sha256(graph->host->sha, list.items[i].text, &hash);
        elg_base_hash_hex(&hash, hex);
        if (i > 0)
            elg_base_buf_append_byte(buf, ',');
        append_string(buf, list.items[i].path);
        elg_base_buf_printf(buf, ":\"%s\"", hex);
    }
    return status;
}

enum elg_status elg__graph_describe(struct elg_graph *graph, struct elg_text *out,
                                    struct elg_error *error)
{
    struct elg_buf buf;
    elg_base_buf_init(&buf, graph->host->alloc);
    elg_base_buf_append_str(&buf, "{\"edges\":[");
    append_edges(&buf, graph->data);
    elg_base_buf_append_str(&buf, "],\"entry\":");
    append_string(&buf, elg_graph_entry(graph->data));
    elg_base_buf_printf(&buf, ",\"hash\":\"%s\",\"id\":", graph->hash_hex);
    append_string(&buf, elg_graph_id(graph->data));
    elg_base_buf_append_str(&buf, ",\"nodes\":[");
    append_nodes(&buf, graph->data);
    elg_base_buf_append_str(&buf, "],\"sources\":{");
    enum elg_status status = append_sources(graph, &buf, error);
    elg_base_buf_append_str(&buf, "},\"version\":");
    append_string(&buf, elg_graph_version(graph->data));
    elg_base_buf_append_byte(&buf, '}');
    if (status == ELG_OK)
        return elg__document_text(graph->host->alloc, &buf, out, error);
    elg_base_buf_fini(&buf);
    return status;
}

static void append_finding(struct elg_buf *buf, const struct elg_error *error)
{
    elg_base_buf_append_str(buf, "[{\"code\":\"INVALID\",\"level\":\"error\",\"text\":");
    append_string(buf, error->text);
    elg_base_buf_append_str(buf, ",\"where\":");
    append_string(buf, error->where);
    elg_base_buf_append_str(buf, "}]");
}

enum elg_status elg__graph_check_file(struct elg_host *host, const char *path,
                                      struct elg_text *out, struct elg_error *error)
{
    struct elg_graph *graph;
    struct elg_buf buf;
    struct elg_error own;
    elg_base_error_clear(&own);
    elg_base_buf_init(&buf, host->alloc);
    enum elg_status status = elg__graph_load_file(host, path, &graph, &own);
    if (status == ELG_OK) {
        char folder[4096];
        const char *entry = path;
        size_t error_count;
        (void)elg__graph_split_path(path, folder, &entry, NULL);
        status = elg_graph_check(host->alloc, graph->data, entry, &buf, &error_count);
        elg_graph_close(graph);
    } else if (status == ELG_INVALID) {
        append_finding(&buf, &own);
        status = ELG_OK;
    }
    if (status == ELG_OK)
        return elg__document_text(host->alloc, &buf, out, error);
    elg_base_buf_fini(&buf);
    if (error != NULL)
        *error = own;
    return status;
}
