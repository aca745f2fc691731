/* hash: a graph's version by its content (I9). Provides elg_graph_version_hash. Uses
 * json's writer, base's SHA-256. */
#include "base/limits.h"
#include "graph/graph.h"
#include "json/json.h"

static bool write_text(struct elg_buf *out, const char *s)
{
    return elg_json_write_string(out, elg_base_bytes(s), NULL);
}

/* order[] becomes the sources' indexes in canonical order of their paths (an insertion
 * sort: at most ELG_GRAPH_SOURCES_MAX of them). False: one path is there twice. */
static bool sort_paths(const struct elg_graph_source *sources, size_t count,
                       uint16_t *order)
{
    for (size_t i = 0; i < count; i++) {
        struct elg_bytes path = elg_base_bytes(sources[i].path);
        size_t at = i;
        for (; at > 0; at--) {
            const char *before = sources[order[at - 1]].path;
            int compared = elg_json_compare_keys(elg_base_bytes(before), path);
            if (compared == 0)
                return false;
            if (compared < 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = (uint16_t)i;
    }
    return true;
}

static bool write_source(struct elg_buf *out, struct elg_sha256 *sha,
                         const struct elg_graph_source *source)
{
    struct elg_hash hash;
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_sha256(sha, source->text, &hash);
    elg_base_hash_hex(&hash, hex);
    if (!write_text(out, source->path))
        return false;
    elg_base_buf_append_byte(out, ':');
    return write_text(out, hex);
}

static bool write_manifest(struct elg_buf *out, struct elg_sha256 *sha, const char *entry,
                           const struct elg_graph_source *sources, size_t count)
{
    uint16_t order[ELG_GRAPH_SOURCES_MAX];
    if (!sort_paths(sources, count, order))
        return false;
    elg_base_buf_append_str(out, "{\"entry\":");
    bool ok = write_text(out, entry);
    elg_base_buf_append_str(out, ",\"sources\":{");
    for (size_t i = 0; i < count && ok; i++) {
        if (i > 0)
            elg_base_buf_append_byte(out, ',');
        ok = write_source(out, sha, &sources[order[i]]);
    }
    elg_base_buf_append_str(out, "}}");
    return ok;
}

enum elg_status elg_graph_version_hash(const struct elg_alloc *alloc,
                                       struct elg_sha256 *sha, const char *entry,
                                       const struct elg_graph_source *sources,
                                       size_t count, struct elg_hash *out)
{
    if (count > ELG_GRAPH_SOURCES_MAX)
        return ELG_LIMIT;
    struct elg_buf manifest;
    elg_base_buf_init(&manifest, alloc);
    bool ok = write_manifest(&manifest, sha, entry, sources, count);
    enum elg_status status = ELG_OK;
    if (manifest.failed)
        status = ELG_NO_MEMORY;
    else if (!ok)
        status = ELG_INVALID;
    else
        elg_base_sha256(sha, elg_base_buf_bytes(&manifest), out);
    elg_base_buf_fini(&manifest);
    return status;
}
