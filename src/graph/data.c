/* data: a graph's description parsed into nodes and edges. Provides the readers of
 * graph.h. Uses json's tree; all strings live in one pool that is freed with the graph.
 * What the description may say wrongly but consistently (an edge to nowhere) is left to
 * check.c. */
#include "graph/data.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "json/json.h"

#define PATH_SIZE (2 * ELG_NAME_BYTES_MAX + 64)

/* "path.field"; names are short enough for PATH_SIZE, a longer one would be cut. */
static const char *join(char out[PATH_SIZE], const char *path, const char *field)
{
    int size = snprintf(out, PATH_SIZE, "%s.%s", path, field);
    return size < PATH_SIZE ? out : path;
}

/* A copy of `s` in the pool. The pool is as large as the description, in which every
 * string has two quotes more than its text, so it cannot run out. */
static const char *pool_copy(struct elg_graph_data *graph, struct elg_bytes s)
{
    char *copy = graph->pool + graph->pool_used;
    memcpy(copy, s.data, s.size);
    copy[s.size] = '\0';
    graph->pool_used += s.size + 1;
    return copy;
}

/* A name: 1 to ELG_NAME_BYTES_MAX bytes, no control characters. */
static enum elg_status read_name(struct elg_graph_data *graph, struct elg_bytes s,
                                 const char *where, const char **out,
                                 struct elg_error *error)
{
    if (s.data == NULL)
        return elg_base_fail(error, ELG_INVALID, where, "must be a string");
    if (s.size == 0)
        return elg_base_fail(error, ELG_INVALID, where, "must not be empty");
    if (s.size > ELG_NAME_BYTES_MAX)
        return elg_base_fail(error, ELG_INVALID, where,
                             "has %zu bytes; a name has at most %d", s.size,
                             ELG_NAME_BYTES_MAX);
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < 0x20 || s.data[i] == 0x7f)
            return elg_base_fail(error, ELG_INVALID, where,
                                 "must not contain control characters (byte %zu)", i);
    }
    *out = pool_copy(graph, s);
    return ELG_OK;
}

static bool is_null(const struct elg_json_value *value)
{
    return elg_json_type(value) == ELG_JSON_TYPE_NULL;
}

/* An integer in [min, max]; `fallback` if the value is absent or null. */
static enum elg_status read_integer(const struct elg_json_value *value, const char *path,
                                    const char *field, int64_t min, int64_t max,
                                    int64_t fallback, int64_t *out,
                                    struct elg_error *error)
{
    if (is_null(value)) {
        *out = fallback;
        return ELG_OK;
    }
    char where[PATH_SIZE];
    join(where, path, field);
    double number = elg_json_number(value, -1);
    if (elg_json_type(value) != ELG_JSON_TYPE_NUMBER || !(number >= (double)min) ||
        !(number <= (double)max) || number != (double)(int64_t)number)
        return elg_base_fail(error, ELG_INVALID, where,
                             "must be an integer from %lld to %lld", (long long)min,
                             (long long)max);
    *out = (int64_t)number;
    return ELG_OK;
}

static enum elg_status read_backoff(const struct elg_json_value *value, const char *path,
                                    enum elg_backoff *out, struct elg_error *error)
{
    static const char *const NAMES[] = {"constant", "linear", "exponential"};
    *out = ELG_BACKOFF_CONSTANT;
    if (is_null(value))
        return ELG_OK;
    struct elg_bytes name = elg_json_string(value);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (name.data != NULL && elg_base_bytes_equal(name, elg_base_bytes(NAMES[i]))) {
            *out = (enum elg_backoff)i;
            return ELG_OK;
        }
    }
    char where[PATH_SIZE];
    return elg_base_fail(error, ELG_INVALID, join(where, path, "backoff"),
                         "must be \"constant\", \"linear\" or \"exponential\"");
}

static enum elg_status read_retry(const struct elg_json_value *retry, const char *path,
                                  struct elg_graph_node *out, struct elg_error *error)
{
    if (!is_null(retry) && elg_json_type(retry) != ELG_JSON_TYPE_OBJECT)
        return elg_base_fail(error, ELG_INVALID, path, "must be a table");
    int64_t attempts = 1;
    enum elg_status status =
        read_integer(elg_json_get(retry, "max_attempts"), path, "max_attempts", 1,
                     ELG_ATTEMPTS_PER_NODE_MAX, 1, &attempts, error);
    if (status == ELG_OK)
        status = read_integer(elg_json_get(retry, "initial_delay_ms"), path,
                              "initial_delay_ms", 0, ELG_GRAPH_DELAY_MS_MAX, 0,
                              &out->initial_delay_ms, error);
    if (status == ELG_OK)
        status = read_integer(elg_json_get(retry, "max_delay_ms"), path, "max_delay_ms",
                              0, ELG_GRAPH_DELAY_MS_MAX, ELG_GRAPH_DELAY_MS_MAX,
                              &out->max_delay_ms, error);
    if (status == ELG_OK)
        status = read_backoff(elg_json_get(retry, "backoff"), path, &out->backoff, error);
    out->max_attempts = (uint32_t)attempts;
    return status;
}

static enum elg_status read_line(const struct elg_json_value *value, const char *path,
                                 int32_t *out, struct elg_error *error)
{
    int64_t line = 0;
    enum elg_status status =
        read_integer(value, path, "line", 0, INT32_MAX, 0, &line, error);
    *out = (int32_t)line;
    return status;
}

static enum elg_status read_node(struct elg_graph_data *graph, struct elg_bytes id,
                                 const struct elg_json_value *value,
                                 struct elg_graph_node *out, struct elg_error *error)
{
    enum elg_status status = read_name(graph, id, "nodes", &out->id, error);
    if (status != ELG_OK)
        return status;
    char path[PATH_SIZE], retry[PATH_SIZE];
    join(path, "nodes", out->id);
    if (elg_json_type(value) != ELG_JSON_TYPE_OBJECT)
        return elg_base_fail(error, ELG_INVALID, path, "must be a table");
    status = read_line(elg_json_get(value, "line"), path, &out->line, error);
    graph->line_at = out->line;
    if (status == ELG_OK)
        status = read_retry(elg_json_get(value, "retry"), join(retry, path, "retry"), out,
                            error);
    int64_t timeout_ms = 0;
    if (status == ELG_OK)
        status = read_integer(elg_json_get(value, "timeout_ms"), path, "timeout_ms", 1,
                              UINT32_MAX, 0, &timeout_ms, error);
    out->timeout_ms = (uint32_t)timeout_ms;
    return status;
}

static enum elg_status read_edge(struct elg_graph_data *graph, size_t i,
                                 const struct elg_json_value *value,
                                 struct elg_graph_edge *out, struct elg_error *error)
{
    static const char *const FIELDS[] = {"from", "key", "to"};
    const char **places[] = {&out->from, &out->key, &out->to};
    char path[64], where[PATH_SIZE];
    snprintf(path, sizeof path, "edges[%zu]", i + 1);
    if (elg_json_type(value) != ELG_JSON_TYPE_OBJECT)
        return elg_base_fail(error, ELG_INVALID, path, "must be a table");
    enum elg_status status =
        read_line(elg_json_get(value, "line"), path, &out->line, error);
    graph->line_at = out->line;
    for (size_t f = 0; f < sizeof FIELDS / sizeof *FIELDS && status == ELG_OK; f++) {
        struct elg_bytes name = elg_json_string(elg_json_get(value, FIELDS[f]));
        status = read_name(graph, name, join(where, path, FIELDS[f]), places[f], error);
    }
    out->when = elg_json_bool(elg_json_get(value, "when"), false);
    return status;
}

static enum elg_status read_header(struct elg_graph_data *graph,
                                   const struct elg_json_value *root,
                                   struct elg_error *error)
{
    if (elg_json_type(root) != ELG_JSON_TYPE_OBJECT)
        return elg_base_fail(error, ELG_INVALID, "graph", "must be a table");
    enum elg_status status =
        read_line(elg_json_get(root, "line"), "elg.graph", &graph->line, error);
    graph->line_at = graph->line;
    if (status == ELG_OK)
        status = read_name(graph, elg_json_string(elg_json_get(root, "id")), "id",
                           &graph->id, error);
    if (status == ELG_OK)
        status = read_name(graph, elg_json_string(elg_json_get(root, "version")),
                           "version", &graph->version, error);
    if (status == ELG_OK)
        status = read_name(graph, elg_json_string(elg_json_get(root, "entry")), "entry",
                           &graph->entry, error);
    return status;
}

/* The count of a collection that must be an object (or array), at most `max`. An empty
 * Lua table of nodes or edges may come as either. */
static enum elg_status read_count(const struct elg_json_value *value,
                                  enum elg_json_type type, const char *where, size_t max,
                                  size_t *out, struct elg_error *error)
{
    size_t count = elg_json_size(value);
    enum elg_json_type got = elg_json_type(value);
    bool list = got == ELG_JSON_TYPE_ARRAY || got == ELG_JSON_TYPE_OBJECT;
    if (!is_null(value) && (!list || (count > 0 && got != type)))
        return elg_base_fail(error, ELG_INVALID, where, "must be a table of %s",
                             type == ELG_JSON_TYPE_OBJECT ? "nodes by id" : "edges");
    if (count > max)
        return elg_base_fail(error, ELG_INVALID, where, "has %zu entries; at most %zu",
                             count, max);
    *out = count;
    return ELG_OK;
}

static enum elg_status read_nodes(struct elg_graph_data *graph,
                                  const struct elg_json_value *value,
                                  struct elg_error *error)
{
    size_t count = 0;
    enum elg_status status = read_count(value, ELG_JSON_TYPE_OBJECT, "nodes",
                                        ELG_GRAPH_NODES_MAX, &count, error);
    if (status != ELG_OK || count == 0)
        return status;
    graph->nodes = elg_base_calloc(graph->alloc, count * sizeof *graph->nodes);
    if (graph->nodes == NULL)
        return elg_base_no_memory(error);
    graph->node_count = count;
    for (size_t i = 0; i < count && status == ELG_OK; i++)
        status = read_node(graph, elg_json_key_at(value, i), elg_json_at(value, i),
                           &graph->nodes[i], error);
    if (status == ELG_OK)
        graph->line_at = graph->line;
    return status;
}

static enum elg_status read_edges(struct elg_graph_data *graph,
                                  const struct elg_json_value *value,
                                  struct elg_error *error)
{
    size_t count = 0;
    enum elg_status status = read_count(value, ELG_JSON_TYPE_ARRAY, "edges",
                                        ELG_GRAPH_EDGES_MAX, &count, error);
    if (status != ELG_OK || count == 0)
        return status;
    graph->edges = elg_base_calloc(graph->alloc, count * sizeof *graph->edges);
    if (graph->edges == NULL)
        return elg_base_no_memory(error);
    graph->edge_count = count;
    for (size_t i = 0; i < count && status == ELG_OK; i++)
        status = read_edge(graph, i, elg_json_at(value, i), &graph->edges[i], error);
    if (status == ELG_OK)
        graph->line_at = graph->line;
    return status;
}

static enum elg_status read_limit(const struct elg_json_value *table, const char *path,
                                  const char *field, int64_t max, uint32_t *out,
                                  struct elg_error *error)
{
    int64_t number = 0;
    enum elg_status status =
        read_integer(elg_json_get(table, field), path, field, 1, max, 0, &number, error);
    *out = (uint32_t)number;
    return status;
}

static enum elg_status read_limit_key(struct elg_graph_data *graph,
                                      const struct elg_json_value *value,
                                      struct elg_error *error)
{
    struct elg_graph_limits *limits = &graph->limits;
    if (!is_null(value))
        return read_name(graph, elg_json_string(value), "limits.key", &limits->key,
                         error);
    if (limits->key_running_max == 0)
        return ELG_OK;
    return elg_base_fail(error, ELG_INVALID, "limits.key_concurrency",
                         "needs limits.key, the input's field that tells runs apart");
}

static enum elg_status read_limits(struct elg_graph_data *graph,
                                   const struct elg_json_value *value,
                                   struct elg_error *error)
{
    struct elg_graph_limits *limits = &graph->limits;
    const struct elg_json_value *rate = elg_json_get(value, "rate");
    enum elg_status status = read_limit(value, "limits", "concurrency",
                                        ELG_CONCURRENCY_MAX, &limits->running_max, error);
    if (status == ELG_OK)
        status = read_limit(value, "limits", "key_concurrency", ELG_CONCURRENCY_MAX,
                            &limits->key_running_max, error);
    if (status == ELG_OK)
        status = read_limit(rate, "limits.rate", "count", ELG_GRAPH_RATE_COUNT_MAX,
                            &limits->rate_count, error);
    if (status == ELG_OK)
        status = read_limit(rate, "limits.rate", "per_ms", ELG_GRAPH_DELAY_MS_MAX,
                            &limits->rate_ms, error);
    if (status == ELG_OK)
        status = read_limit_key(graph, elg_json_get(value, "key"), error);
    return status;
}

static enum elg_status read_priority(struct elg_graph_data *graph,
                                     const struct elg_json_value *value,
                                     struct elg_error *error)
{
    int64_t priority = 0;
    enum elg_status status =
        read_integer(value, "elg.graph", "priority", -ELG_GRAPH_PRIORITY_MAX,
                     ELG_GRAPH_PRIORITY_MAX, 0, &priority, error);
    graph->priority = (int32_t)priority;
    return status;
}

static enum elg_status read_all(struct elg_graph_data *graph,
                                const struct elg_json_value *root,
                                struct elg_error *error)
{
    enum elg_status status = read_header(graph, root, error);
    if (status == ELG_OK)
        status = read_nodes(graph, elg_json_get(root, "nodes"), error);
    if (status == ELG_OK)
        status = read_edges(graph, elg_json_get(root, "edges"), error);
    if (status == ELG_OK)
        status = read_limits(graph, elg_json_get(root, "limits"), error);
    if (status == ELG_OK)
        status = read_priority(graph, elg_json_get(root, "priority"), error);
    return status;
}

/* The path of what is wrong goes into the text, its line in the file in front. */
static void place_error(const struct elg_graph_data *graph, const char *entry_file,
                        struct elg_error *error)
{
    char where[ELG_ERROR_WHERE_MAX];
    if (error == NULL)
        return;
    struct elg_error own = *error;
    if (graph->line_at > 0)
        snprintf(where, sizeof where, "%s:%d", entry_file, (int)graph->line_at);
    else
        snprintf(where, sizeof where, "%s", entry_file);
    elg_base_fail(error, own.status, where, "%s: %s", own.where, own.text);
}

enum elg_status elg_graph_parse(const struct elg_alloc *alloc,
                                struct elg_bytes description, struct elg_graph_data **out,
                                const char *entry_file, struct elg_error *error)
{
    struct elg_json_doc *doc = NULL;
    enum elg_status status = elg_json_parse(alloc, description, &doc, error);
    if (status != ELG_OK)
        return status;
    struct elg_graph_data *graph = elg_base_calloc(alloc, sizeof *graph);
    if (graph == NULL) {
        elg_json_doc_destroy(doc);
        return elg_base_no_memory(error);
    }
    graph->alloc = alloc;
    graph->pool_size = description.size;
    graph->pool = elg_base_calloc(alloc, graph->pool_size);
    status = graph->pool == NULL ? elg_base_no_memory(error)
                                 : read_all(graph, elg_json_root(doc), error);
    if (status == ELG_INVALID && entry_file != NULL)
        place_error(graph, entry_file, error);
    elg_json_doc_destroy(doc);
    if (status == ELG_OK)
        *out = graph;
    else
        elg_graph_data_destroy(graph);
    return status;
}

void elg_graph_data_destroy(struct elg_graph_data *graph)
{
    if (graph == NULL)
        return;
    const struct elg_alloc *alloc = graph->alloc;
    elg_base_free(alloc, graph->edges, graph->edge_count * sizeof *graph->edges);
    elg_base_free(alloc, graph->nodes, graph->node_count * sizeof *graph->nodes);
    elg_base_free(alloc, graph->pool, graph->pool_size);
    elg_base_free(alloc, graph, sizeof *graph);
}
