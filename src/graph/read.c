/* read: questions to a parsed graph. Provides the getters of graph.h; uses json's order
 * of keys, in which the nodes are sorted. */
#include "graph/data.h"
#include "json/json.h"

const char *elg_graph_id(const struct elg_graph_data *graph)
{
    return graph->id;
}

const char *elg_graph_version(const struct elg_graph_data *graph)
{
    return graph->version;
}

const char *elg_graph_entry(const struct elg_graph_data *graph)
{
    return graph->entry;
}

const struct elg_graph_limits *elg_graph_limits(const struct elg_graph_data *graph)
{
    return &graph->limits;
}

int32_t elg_graph_priority(const struct elg_graph_data *graph)
{
    return graph->priority;
}

uint32_t elg__graph_index(const struct elg_graph_data *graph, const char *id)
{
    struct elg_bytes name = elg_base_bytes(id);
    size_t low = 0, high = graph->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = elg_json_compare_keys(elg_base_bytes(graph->nodes[middle].id), name);
        if (order == 0)
            return (uint32_t)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return GRAPH_NO_NODE;
}

const struct elg_graph_node *elg_graph_node(const struct elg_graph_data *graph,
                                            const char *id)
{
    uint32_t i = elg__graph_index(graph, id);
    return i == GRAPH_NO_NODE ? NULL : &graph->nodes[i];
}

size_t elg_graph_node_count(const struct elg_graph_data *graph)
{
    return graph->node_count;
}

const struct elg_graph_node *elg_graph_node_at(const struct elg_graph_data *graph,
                                               size_t i)
{
    return i < graph->node_count ? &graph->nodes[i] : NULL;
}

size_t elg_graph_edge_count(const struct elg_graph_data *graph)
{
    return graph->edge_count;
}

const struct elg_graph_edge *elg_graph_edge(const struct elg_graph_data *graph, size_t i)
{
    return i < graph->edge_count ? &graph->edges[i] : NULL;
}

/* min(max, d * 2^(n-1)); the doubling stops at max, so it cannot overflow. */
static int64_t exponential_ms(int64_t delay_ms, int64_t max_ms, uint32_t n)
{
    for (uint32_t i = 1; i < n && delay_ms > 0 && delay_ms < max_ms; i++)
        delay_ms = delay_ms > max_ms / 2 ? max_ms : delay_ms * 2;
    return delay_ms;
}

int64_t elg_graph_retry_delay_ms(const struct elg_graph_node *node,
                                 uint32_t ended_attempt)
{
    int64_t delay_ms = node->initial_delay_ms;
    int64_t n = ended_attempt == 0 ? 1 : ended_attempt;
    if (node->backoff == ELG_BACKOFF_LINEAR)
        delay_ms = delay_ms > INT64_MAX / n ? INT64_MAX : delay_ms * n;
    if (node->backoff == ELG_BACKOFF_EXPONENTIAL)
        delay_ms = exponential_ms(delay_ms, node->max_delay_ms, (uint32_t)n);
    return delay_ms < node->max_delay_ms ? delay_ms : node->max_delay_ms;
}
