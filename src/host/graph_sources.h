/* graph_sources: readers for elg_program_loader, whose self is a struct
 * elg_source_folder, or the "sources" of a definition (const struct elg_json_value). Part
 * of host/ only. */
#ifndef ELG_HOST_GRAPH_SOURCES_H
#define ELG_HOST_GRAPH_SOURCES_H

#include "base/buf.h"
#include "base/status.h"

struct elg_source_folder {
    const char *path; /* of the entry's folder, with a '/' behind, or "" */
    const char *entry;
};
enum elg_status elg__source_from_folder(void *self, const char *path, struct elg_buf *out,
                                        struct elg_error *error);
enum elg_status elg__source_from_definition(void *self, const char *path,
                                            struct elg_buf *out, struct elg_error *error);

#endif
