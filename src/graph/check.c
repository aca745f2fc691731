/* check: what is wrong with a graph that parses. Provides elg_graph_check. Uses json's
 * writer. Every pass is linear in nodes and edges but the search for duplicate edges,
 * which looks at the edges of one node only. */
#include <stdio.h>
#include <string.h>

#include "graph/data.h"
#include "json/json.h"

#define TEXT_SIZE 640

/* Edges by one of their ends, as lists: first[node], then next[edge]. */
struct ends {
    uint32_t *first, *next;
};

struct check {
    const struct elg_graph_data *graph;
    const char *file;
    struct elg_buf *out;
    size_t count, error_count;
    /* One block of words, cut into these: */
    uint32_t *words;
    size_t words_size;
    uint32_t *from, *to; /* of each edge, GRAPH_NO_NODE if unknown */
    struct ends leaving, arriving;
    uint32_t *queue;
    uint32_t *reachable, *ending; /* of each node: 1 or 0 */
};

static uint32_t *cut(uint32_t **at, size_t count)
{
    uint32_t *piece = *at;
    *at += count;
    return piece;
}

static bool check_init(struct check *check)
{
    size_t nodes = check->graph->node_count, edges = check->graph->edge_count;
    check->words_size = (5 * nodes + 4 * edges + 1) * sizeof *check->words;
    check->words = elg_base_calloc(check->graph->alloc, check->words_size);
    if (check->words == NULL)
        return false;
    uint32_t *at = check->words;
    check->from = cut(&at, edges);
    check->to = cut(&at, edges);
    check->leaving.next = cut(&at, edges);
    check->arriving.next = cut(&at, edges);
    check->leaving.first = cut(&at, nodes);
    check->arriving.first = cut(&at, nodes);
    check->queue = cut(&at, nodes);
    check->reachable = cut(&at, nodes);
    check->ending = cut(&at, nodes);
    return true;
}

/* Puts edge e in front of the list of `node`; filled from the last edge to the first, the
 * lists keep the author's order. Entries are edge + 1, 0 ends a list. */
static void link_end(struct ends *ends, uint32_t node, uint32_t edge)
{
    if (node == GRAPH_NO_NODE)
        return;
    ends->next[edge] = ends->first[node];
    ends->first[node] = edge + 1;
}

static void link_edges(struct check *check)
{
    for (size_t i = check->graph->edge_count; i-- > 0;) {
        const struct elg_graph_edge *edge = &check->graph->edges[i];
        check->from[i] = elg__graph_index(check->graph, edge->from);
        check->to[i] = elg__graph_index(check->graph, edge->to);
        link_end(&check->leaving, check->from[i], (uint32_t)i);
        link_end(&check->arriving, check->to[i], (uint32_t)i);
    }
}

static void add_member(struct check *check, const char *name, const char *value)
{
    elg_base_buf_append_byte(check->out, '"');
    elg_base_buf_append_str(check->out, name);
    elg_base_buf_append_str(check->out, "\":");
    elg_json_write_string(check->out, elg_base_bytes(value), NULL);
}

/* One finding; members in canonical order. */
static void report(struct check *check, bool error, const char *code, int32_t line,
                   const char *text)
{
    char where[ELG_ERROR_WHERE_MAX];
    if (line > 0)
        snprintf(where, sizeof where, "%s:%d", check->file, (int)line);
    else
        snprintf(where, sizeof where, "%s", check->file);
    elg_base_buf_append_str(check->out, check->count > 0 ? ",{" : "{");
    add_member(check, "code", code);
    elg_base_buf_append_byte(check->out, ',');
    add_member(check, "level", error ? "error" : "warning");
    elg_base_buf_append_byte(check->out, ',');
    add_member(check, "text", text);
    elg_base_buf_append_byte(check->out, ',');
    add_member(check, "where", where);
    elg_base_buf_append_byte(check->out, '}');
    check->count++;
    check->error_count += error ? 1 : 0;
}

static void check_entry(struct check *check)
{
    char text[TEXT_SIZE];
    if (elg_graph_node(check->graph, check->graph->entry) != NULL)
        return;
    snprintf(text, sizeof text, "the entry \"%s\" is not a node; name one of nodes",
             check->graph->entry);
    report(check, true, "MISSING_ENTRY", check->graph->line, text);
}

static void unknown_node(struct check *check, size_t i, const char *end, const char *id)
{
    const struct elg_graph_edge *edge = &check->graph->edges[i];
    char text[TEXT_SIZE];
    snprintf(text, sizeof text,
             "edge %zu (\"%s\" from \"%s\") goes %s \"%s\", which is not a node", i + 1,
             edge->key, edge->from, end, id);
    report(check, true, "UNKNOWN_NODE", edge->line, text);
}

/* The earlier edge, if any, that takes every case of edge i away from it. */
static const struct elg_graph_edge *shadow(const struct check *check, size_t i)
{
    const struct elg_graph_edge *edge = &check->graph->edges[i];
    uint32_t e = check->leaving.first[check->from[i]];
    for (; e != 0 && e - 1 < i; e = check->leaving.next[e - 1]) {
        const struct elg_graph_edge *before = &check->graph->edges[e - 1];
        if (!before->when && strcmp(before->key, edge->key) == 0)
            return before;
    }
    return NULL;
}

static void check_edge(struct check *check, size_t i)
{
    const struct elg_graph_edge *edge = &check->graph->edges[i];
    char text[TEXT_SIZE];
    if (check->to[i] == GRAPH_NO_NODE)
        unknown_node(check, i, "to", edge->to);
    if (check->from[i] == GRAPH_NO_NODE) {
        unknown_node(check, i, "from", edge->from);
        return;
    }
    if (shadow(check, i) == NULL)
        return;
    snprintf(text, sizeof text,
             "edge %zu can never hold: an earlier edge from \"%s\" has the key \"%s\" "
             "without `when`",
             i + 1, edge->from, edge->key);
    report(check, true, "DUPLICATE_EDGE", edge->line, text);
}

/* Marks what can be reached from the `queued` nodes at the head of the queue (marked
 * already) along `ends`, whose far ends are `far`. */
static void spread(struct check *check, size_t queued, const struct ends *ends,
                   const uint32_t *far, uint32_t *mark)
{
    for (size_t at = 0; at < queued; at++) {
        uint32_t e = ends->first[check->queue[at]];
        for (; e != 0; e = ends->next[e - 1]) {
            uint32_t node = far[e - 1];
            if (node == GRAPH_NO_NODE || mark[node] != 0)
                continue;
            mark[node] = 1;
            check->queue[queued++] = node;
        }
    }
}

static void mark_reachable(struct check *check)
{
    uint32_t entry = elg__graph_index(check->graph, check->graph->entry);
    if (entry == GRAPH_NO_NODE)
        return;
    check->queue[0] = entry;
    check->reachable[entry] = 1;
    spread(check, 1, &check->leaving, check->to, check->reachable);
}

static void mark_ending(struct check *check)
{
    size_t queued = 0;
    for (uint32_t i = 0; i < check->graph->node_count; i++) {
        if (check->leaving.first[i] != 0)
            continue;
        check->ending[i] = 1;
        check->queue[queued++] = i;
    }
    spread(check, queued, &check->arriving, check->from, check->ending);
}

static void check_node(struct check *check, size_t i, bool entry_known)
{
    const struct elg_graph_node *node = &check->graph->nodes[i];
    char text[TEXT_SIZE];
    if (entry_known && check->reachable[i] == 0) {
        snprintf(text, sizeof text, "no path leads from the entry \"%s\" to \"%s\"",
                 check->graph->entry, node->id);
        report(check, false, "UNREACHABLE_NODE", node->line, text);
    } else if (check->ending[i] == 0) {
        snprintf(text, sizeof text,
                 "every path from \"%s\" goes round for ever; the run ends only where a "
                 "node returns nil as its key",
                 node->id);
        report(check, false, "CANNOT_END", node->line, text);
    }
}

static void check_all(struct check *check)
{
    bool entry_known = elg_graph_node(check->graph, check->graph->entry) != NULL;
    link_edges(check);
    check_entry(check);
    for (size_t i = 0; i < check->graph->edge_count; i++)
        check_edge(check, i);
    mark_reachable(check);
    mark_ending(check);
    for (size_t i = 0; i < check->graph->node_count; i++)
        check_node(check, i, entry_known);
}

enum elg_status elg_graph_check(const struct elg_alloc *alloc,
                                const struct elg_graph_data *graph,
                                const char *entry_file, struct elg_buf *out,
                                size_t *error_count)
{
    struct check check = {.graph = graph, .file = entry_file, .out = out};
    (void)alloc;
    if (!check_init(&check))
        return ELG_NO_MEMORY;
    elg_base_buf_append_byte(out, '[');
    check_all(&check);
    elg_base_buf_append_byte(out, ']');
    elg_base_free(graph->alloc, check.words, check.words_size);
    if (out->failed)
        return ELG_NO_MEMORY;
    *error_count = check.error_count;
    return ELG_OK;
}
