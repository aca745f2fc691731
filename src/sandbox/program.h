/* program: a loaded graph: its modules' bytecode, its description and its image.
 *
 * Uses box, compiler, library. For the files of this folder only.
 */
#ifndef ELG_SANDBOX_PROGRAM_H
#define ELG_SANDBOX_PROGRAM_H

#include "sandbox/box.h"

struct elg_module {
    char *path; /* "lib/prices.lua" */
    struct elg_buf source, bytecode;
};

struct elg_program {
    const struct elg_sandbox_ops *ops;
    const struct elg_alloc *alloc;
    struct elg_sandbox *box;
    struct elg_buf description;
    struct elg_module modules[ELG_GRAPH_SOURCES_MAX]; /* in the order of first use */
    size_t module_count;
    uint8_t *image;
    size_t image_bytes;
    struct elg_program_edge {
        char *from, *key;
        bool when;
    } * edges;
    size_t edge_count;
};

/* Puts the program's loaded state into the arena: from its image, or anew. The head then
 * is as it was when the image was taken. ELG_INTERNAL, ELG_NO_MEMORY. */
enum elg_status elg_sandbox_program_restore(struct elg_program *program,
                                            struct elg_error *error);

#endif
