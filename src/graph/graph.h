/* graph: a graph as data: nodes, edges, the version's hash, and what is wrong with it.
 *
 * Uses base, json. Knows no Lua: it reads the description that the sandbox gives.
 */
#ifndef ELG_GRAPH_GRAPH_H
#define ELG_GRAPH_GRAPH_H

#include "base/buf.h"
#include "base/sha256.h"
#include "base/status.h"

#define ELG_GRAPH_PRIORITY_MAX 1000000 /* and least, negative */
#define ELG_GRAPH_RATE_COUNT_MAX 10000
#define ELG_GRAPH_DELAY_MS_MAX INT64_C(2592000000) /* of a retry: 30 days */

enum elg_backoff { ELG_BACKOFF_CONSTANT, ELG_BACKOFF_LINEAR, ELG_BACKOFF_EXPONENTIAL };

struct elg_graph_node {
    const char *id;
    int32_t line;          /* in the entry file; 0: not known */
    uint32_t max_attempts; /* at least 1 */
    enum elg_backoff backoff;
    int64_t initial_delay_ms, max_delay_ms;
    uint32_t timeout_ms; /* 0: the default in force */
};

struct elg_graph_edge {
    const char *from, *key, *to;
    bool when; /* a function decides */
    int32_t line;
};

/* How many runs workers take up; 0: no limit. */
struct elg_graph_limits {
    uint32_t running_max; /* of the graph, at once */
    const char *key;      /* path of a field of the input, "customer.id"; NULL: none */
    uint32_t key_running_max; /* whose key is the same, at once */
    uint32_t rate_count;      /* that begin in any rate_ms */
    uint32_t rate_ms;
};

/* Immutable once parsed; owns every string that it gives out. */
struct elg_graph_data;

/* Parses a description (sandbox.h, elg_sandbox_program_describe). Absent retry fields
 * mean: one attempt, constant backoff, no delay, no cap but ELG_GRAPH_DELAY_MS_MAX.
 * ELG_INVALID: where = the entry file and the author's line of that node or edge, else of
 * the graph ("graph.lua:12"), text = the path and what is wrong ("nodes.fetch.retry: must
 * be a table"). entry_file NULL: where = the path. */
enum elg_status elg_graph_parse(const struct elg_alloc *alloc,
                                struct elg_bytes description, struct elg_graph_data **out,
                                const char *entry_file, struct elg_error *error);
/* NULL is fine. */
void elg_graph_data_destroy(struct elg_graph_data *graph);

/* The author's names; the entry need not be a node (elg_graph_check says so). */
const char *elg_graph_id(const struct elg_graph_data *graph);
const char *elg_graph_version(const struct elg_graph_data *graph);
const char *elg_graph_entry(const struct elg_graph_data *graph);
/* NULL: no such node. */
const struct elg_graph_node *elg_graph_node(const struct elg_graph_data *graph,
                                            const char *id);
size_t elg_graph_node_count(const struct elg_graph_data *graph);
/* In the order of their ids. */
const struct elg_graph_node *elg_graph_node_at(const struct elg_graph_data *graph,
                                               size_t i);
const struct elg_graph_limits *elg_graph_limits(const struct elg_graph_data *graph);
/* Of its runs, where none is given: higher ones are taken up first. */
int32_t elg_graph_priority(const struct elg_graph_data *graph);
size_t elg_graph_edge_count(const struct elg_graph_data *graph);
/* In the author's order; NULL past the last. */
const struct elg_graph_edge *elg_graph_edge(const struct elg_graph_data *graph, size_t i);

/* The delay before the attempt after `ended_attempt` (from 1): constant min(max, d),
 * linear min(max, d*n), exponential min(max, d*2^(n-1)); never overflows. */
int64_t elg_graph_retry_delay_ms(const struct elg_graph_node *node,
                                 uint32_t ended_attempt);

/* Appends canonical [{"level","code","where","text"}] (elg.h, elg_graph_check_file) to
 * `out`; *error_count is how many are errors: MISSING_ENTRY, UNKNOWN_NODE (an edge's from
 * or to), DUPLICATE_EDGE (same from and key, the earlier without `when`: the later can
 * never hold). Warnings: UNREACHABLE_NODE, and CANNOT_END (no path from it to a node
 * without edges; not an error, for any node may end the run by returning nil as its key).
 * `entry_file` is used in `where` ("graph.lua:12"). ELG_NO_MEMORY. */
enum elg_status elg_graph_check(const struct elg_alloc *alloc,
                                const struct elg_graph_data *graph,
                                const char *entry_file, struct elg_buf *out,
                                size_t *error_count);

/* One source of a graph for its hash. */
struct elg_graph_source {
    const char *path; /* relative to the entry's folder, '/' between parts */
    struct elg_bytes text;
};

/* SHA-256 of canonical {"entry":path,"sources":{path:hash of text}}; the order of
 * `sources` does not matter. ELG_INVALID: a path twice or not UTF-8; ELG_LIMIT: more than
 * ELG_GRAPH_SOURCES_MAX; ELG_NO_MEMORY. */
enum elg_status elg_graph_version_hash(const struct elg_alloc *alloc,
                                       struct elg_sha256 *sha, const char *entry,
                                       const struct elg_graph_source *sources,
                                       size_t count, struct elg_hash *out);

#endif
