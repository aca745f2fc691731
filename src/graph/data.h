/* data: the inside of a parsed graph, shared by the files of this folder alone.
 *
 * Provides struct elg_graph_data. Immutable once elg_graph_parse has returned it.
 */
#ifndef ELG_GRAPH_DATA_H
#define ELG_GRAPH_DATA_H

#include "graph/graph.h"

#define GRAPH_NO_NODE UINT32_MAX

struct elg_graph_data {
    const struct elg_alloc *alloc;
    const char *id, *version, *entry;
    struct elg_graph_limits limits;
    int32_t priority;
    int32_t line;                 /* of the call of elg.graph; 0: not known */
    int32_t line_at;              /* while it is read: of what is read */
    struct elg_graph_node *nodes; /* in the order of their ids */
    size_t node_count;
    struct elg_graph_edge *edges; /* in the author's order */
    size_t edge_count;
    char *pool; /* all strings; each costs at most its quoted form in the description */
    size_t pool_size, pool_used;
};

/* The index of a node by its id; GRAPH_NO_NODE: there is none. */
uint32_t elg__graph_index(const struct elg_graph_data *graph, const char *id);

#endif
