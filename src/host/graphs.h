/* graphs: graph versions that a host has loaded, and those in its store. Part of host/
 * only.
 */
#ifndef ELG_HOST_GRAPHS_H
#define ELG_HOST_GRAPHS_H

#include "graph/graph.h"
#include "host/boxes.h"

/* A graph version that this host has loaded. Public as an opaque handle. */
struct elg_graph {
    struct elg_host *host;
    const struct elg_boxes *boxes; /* those of its programs */
    struct elg_graph *next;
    uint32_t references;
    bool stored;       /* the store has it, */
    int64_t stored_us; /* as of then; 0: it came from there */
    struct elg_hash hash;
    char hash_hex[ELG_HASH_HEX_SIZE];
    struct elg_program *program;
    struct elg_program *audit_program; /* the same in audit_box; NULL: not needed yet */
    struct elg_graph_data *data;
    struct elg_blob *definition;
    struct elg_graph_child {
        struct elg_graph_child *next;
        struct elg_graph *graph; /* a reference */
        char *path;
    } * children; /* those of its files that were asked for as graphs */
};

/* ---- graphs.c
 * ---------------------------------------------------------------------------- */
/* The version that is loaded in these boxes, borrowed; NULL: it is not. */
struct elg_graph *elg__graph_loaded(struct elg_host *host, const struct elg_boxes *boxes,
                                    const struct elg_hash *hash);
/* Loads a graph, unchecked, from wherever `loader` reads. */
enum elg_status elg__graph_load(struct elg_host *host, const struct elg_boxes *boxes,
                                const char *entry,
                                const struct elg_program_loader *loader,
                                struct elg_graph **out, struct elg_error *error);
struct elg_graph *elg__graph_ref(struct elg_graph *graph);
struct elg_source_list {
    struct elg_graph_source items[ELG_GRAPH_SOURCES_MAX];
    size_t count;
};
/* The program's sources by path; borrowed from it. ELG_INVALID: one is not UTF-8. */
enum elg_status elg__graph_sources(const struct elg_program *program,
                                   struct elg_source_list *list, struct elg_error *error);
/* Loads a graph's file and what it requires, unchecked. */
enum elg_status elg__graph_load_file(struct elg_host *host, const char *path,
                                     struct elg_graph **out, struct elg_error *error);
/* "dir/graph.lua" -> "dir/" and "graph.lua" (borrowed from path). */
enum elg_status elg__graph_split_path(const char *path, char folder[4096],
                                      const char **entry, struct elg_error *error);
/* The graph of one of its own files. ELG_NOT_FOUND: there is none; ELG_INVALID. */
enum elg_status elg__graph_child(struct elg_graph *graph, const char *path,
                                 struct elg_graph **out, struct elg_error *error);
/* Lets go of all that graphs hold of each other. */
void elg__graph_children_clear(struct elg_host *host);

/* ---- graph_stored.c
 * ---------------------------------------------------------------------------- */
/* The version with that hash, loaded in these boxes. ELG_NOT_FOUND, ELG_CORRUPT. */
enum elg_status elg__graph_stored(struct elg_host *host, const struct elg_boxes *boxes,
                                  const struct elg_hash *hash, struct elg_graph **out,
                                  struct elg_error *error);
/* The same version loaded in other boxes. */
enum elg_status elg__graph_in(struct elg_graph *graph, const struct elg_boxes *boxes,
                              struct elg_graph **out, struct elg_error *error);
/* The graph's program once more, in another sandbox; from its definition. */
enum elg_status elg__graph_program(const struct elg_graph *graph, struct elg_sandbox *box,
                                   struct elg_program **out, struct elg_error *error);
/* Makes sure that the store has it (I9). */
enum elg_status elg__graph_keep(struct elg_graph *graph, struct elg_error *error);

#endif
