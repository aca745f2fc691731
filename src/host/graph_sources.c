/* graph_sources: where the sources of a graph come from: a folder, or a definition. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/graph_sources.h"
#include "host/internal.h"
#include "json/json.h"

static enum elg_status read_all(int fd, const char *path, struct elg_buf *out,
                                struct elg_error *error)
{
    for (;;) {
        if (!elg_base_buf_reserve(out, 16384))
            return elg_base_no_memory(error);
        ssize_t got = read(fd, out->data + out->size, 16384);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return elg_base_fail(error, ELG_IO, path, "%s", strerror(errno));
        if (got == 0)
            return ELG_OK;
        out->size += (size_t)got;
        if (out->size > ELG_SOURCE_BYTES_MAX)
            return elg_base_fail(error, ELG_INVALID, path,
                                 "larger than %u bytes, the maximum of a source file",
                                 ELG_SOURCE_BYTES_MAX);
    }
}

static enum elg_status read_file(const char *path, struct elg_buf *out,
                                 struct elg_error *error)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return elg_base_fail(error,
                             errno == ENOENT || errno == ENOTDIR ? ELG_NOT_FOUND : ELG_IO,
                             path, "%s", strerror(errno));
    enum elg_status status;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = elg_base_fail(error, ELG_IO, path, "not a regular file");
    else
        status = read_all(fd, path, out, error);
    close(fd);
    return status;
}

/* Modules are files of the folder: links may not lead elsewhere. */
static bool leaves_folder(const struct elg_source_folder *folder, const char *full)
{
    char *root = realpath(folder->path[0] ? folder->path : ".", NULL);
    char *file = realpath(full, NULL);
    size_t size = root != NULL ? strlen(root) : 0;
    bool leaves = root != NULL && file != NULL && strcmp(root, "/") != 0 &&
                  (strncmp(file, root, size) != 0 || file[size] != '/');
    free(root);
    free(file);
    return leaves;
}

enum elg_status elg__source_from_folder(void *self, const char *path, struct elg_buf *out,
                                        struct elg_error *error)
{
    const struct elg_source_folder *folder = self;
    char full[4096];
    int n = snprintf(full, sizeof full, "%s%s", folder->path, path);
    if (n < 0 || (size_t)n >= sizeof full)
        return elg_base_fail(error, ELG_IO, path, "the path is too long");
    if (strcmp(path, folder->entry) != 0 && leaves_folder(folder, full))
        return elg_base_fail(error, ELG_INVALID, path,
                             "a link leads out of the graph's folder; copy what it leads "
                             "to");
    return read_file(full, out, error);
}

/* Sources as a stored definition holds them. */
enum elg_status elg__source_from_definition(void *self, const char *path,
                                            struct elg_buf *out, struct elg_error *error)
{
    const struct elg_json_value *sources = self;
    struct elg_bytes text = elg_json_string(elg_json_get(sources, path));
    if (text.data == NULL)
        return elg_base_fail(error, ELG_NOT_FOUND, path, "not among the graph's sources");
    elg_base_buf_append(out, text.data, text.size);
    return out->failed ? elg_base_no_memory(error) : ELG_OK;
}
