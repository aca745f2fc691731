/* graph_fuzz: any bytes at all as a graph's description and as a stored definition (make
 * fuzz F=graph).
 *
 * Checks that nothing crashes or leaks; that what is accepted has sane limits, is found
 * by its own names and is checked without trouble; that the hash of a definition's
 * sources does not depend on their order. abort() is libFuzzer's way to say no.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= ELG_NAME_BYTES_MAX &&
           elg_json_check_utf8(elg_base_bytes(name)) == size;
}

static void check_node(const struct elg_graph_data *graph, size_t i)
{
    const struct elg_graph_node *node = elg_graph_node_at(graph, i);
    demand(is_name(node->id) && elg_graph_node(graph, node->id) == node);
    demand(i == 0 || strcmp(elg_graph_node_at(graph, i - 1)->id, node->id) != 0);
    demand(node->max_attempts >= 1 && node->max_attempts <= ELG_ATTEMPTS_PER_NODE_MAX);
    demand(node->line >= 0 && node->initial_delay_ms >= 0);
    for (uint32_t attempt = 1; attempt < 80; attempt += 13) {
        int64_t delay = elg_graph_retry_delay_ms(node, attempt);
        demand(delay >= 0 && delay <= ELG_GRAPH_DELAY_MS_MAX);
    }
}

/* The findings are canonical JSON of as many errors as it says. */
static void check_findings(const struct elg_graph_data *graph)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_json_doc *doc = NULL;
    struct elg_buf out;
    size_t errors = 0, seen = 0;
    elg_base_buf_init(&out, alloc);
    demand(elg_graph_check(alloc, graph, "g.lua", &out, &errors) == ELG_OK);
    demand(elg_json_is_canonical(alloc, elg_base_buf_bytes(&out)));
    demand(elg_json_parse(alloc, elg_base_buf_bytes(&out), &doc, NULL) == ELG_OK);
    const struct elg_json_value *list = elg_json_root(doc);
    for (size_t i = 0; i < elg_json_size(list); i++) {
        struct elg_bytes level =
            elg_json_string(elg_json_get(elg_json_at(list, i), "level"));
        seen += elg_base_bytes_equal(level, elg_base_bytes("error"));
    }
    demand(seen == errors);
    elg_json_doc_destroy(doc);
    elg_base_buf_fini(&out);
}

static void check_graph(const struct elg_graph_data *graph)
{
    demand(is_name(elg_graph_id(graph)) && is_name(elg_graph_entry(graph)));
    demand(elg_graph_version(graph)[0] != '\0');
    for (size_t i = 0; i < elg_graph_node_count(graph); i++)
        check_node(graph, i);
    for (size_t i = 0; i < elg_graph_edge_count(graph); i++) {
        const struct elg_graph_edge *edge = elg_graph_edge(graph, i);
        demand(is_name(edge->from) && is_name(edge->key) && is_name(edge->to));
    }
    demand(elg_graph_edge(graph, elg_graph_edge_count(graph)) == NULL);
    check_findings(graph);
}

static void as_description(struct elg_bytes text)
{
    struct elg_graph_data *graph = NULL;
    struct elg_error error;
    enum elg_status status =
        elg_graph_parse(elg_base_alloc_default(), text, &graph, NULL, &error);
    if (status == ELG_OK) {
        check_graph(graph);
    } else {
        demand(graph == NULL && error.text[0] != '\0');
        demand(elg_json_check_utf8(elg_base_bytes(error.where)) == strlen(error.where));
    }
    elg_graph_data_destroy(graph);
}

/* The sources of a definition, forwards and backwards. */
static void hash_both(const char *entry, struct elg_graph_source *sources, size_t count)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_sha256 *sha = elg_base_sha256_create(alloc);
    struct elg_hash a, b;
    enum elg_status one = elg_graph_version_hash(alloc, sha, entry, sources, count, &a);
    for (size_t i = 0; i < count / 2; i++) {
        struct elg_graph_source swap = sources[i];
        sources[i] = sources[count - 1 - i];
        sources[count - 1 - i] = swap;
    }
    enum elg_status two = elg_graph_version_hash(alloc, sha, entry, sources, count, &b);
    demand(one == two && (one != ELG_OK || elg_base_hash_equal(&a, &b)));
    elg_base_sha256_destroy(sha);
}

static void as_definition(struct elg_bytes text)
{
    struct elg_graph_source sources[ELG_GRAPH_SOURCES_MAX + 1];
    struct elg_json_doc *doc = NULL;
    if (elg_json_parse(elg_base_alloc_default(), text, &doc, NULL) != ELG_OK)
        return;
    const struct elg_json_value *root = elg_json_root(doc);
    const struct elg_json_value *list = elg_json_get(root, "sources");
    struct elg_bytes entry = elg_json_string(elg_json_get(root, "entry"));
    size_t count = elg_json_size(list);
    if (count > ELG_GRAPH_SOURCES_MAX + 1)
        count = ELG_GRAPH_SOURCES_MAX + 1;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct elg_bytes name = elg_json_key_at(list, i);
        if (name.data == NULL)
            continue;
        sources[used].path = (const char *)name.data;
        sources[used++].text = elg_json_string(elg_json_at(list, i));
    }
    hash_both(entry.data != NULL ? (const char *)entry.data : "", sources, used);
    elg_json_doc_destroy(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elg_bytes text = {data, size};
    as_description(text);
    as_definition(text);
    return 0;
}
