/* artifact_memory: artifacts that live as long as their performer. The reference back
 * end. Uses base. */
#include "activity/internal.h"

#define BUCKETS 256

struct entry {
    struct entry *next;
    struct elg_hash hash;
    struct elg_blob *content;
};

struct memory {
    struct elg_artifacts artifacts;
    struct entry *buckets[BUCKETS];
};

static void memory_destroy(struct elg_artifacts *artifacts)
{
    struct memory *memory = (struct memory *)artifacts;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (memory->buckets[i] != NULL) {
            struct entry *entry = memory->buckets[i];
            memory->buckets[i] = entry->next;
            elg_base_blob_unref(entry->content);
            elg_base_free(artifacts->alloc, entry, sizeof *entry);
        }
    }
    elg_base_free(artifacts->alloc, memory, sizeof *memory);
}

static struct entry *find(struct memory *memory, const struct elg_hash *hash)
{
    struct entry *entry = memory->buckets[hash->bytes[0]];
    while (entry != NULL && !elg_base_hash_equal(&entry->hash, hash))
        entry = entry->next;
    return entry;
}

static enum elg_status memory_put(struct elg_artifacts *artifacts,
                                  const struct elg_hash *hash, struct elg_bytes content,
                                  struct elg_error *error)
{
    struct memory *memory = (struct memory *)artifacts;
    if (find(memory, hash) != NULL)
        return ELG_OK;
    struct entry *entry = elg_base_calloc(artifacts->alloc, sizeof *entry);
    if (entry == NULL)
        return elg_base_no_memory(error);
    entry->content = elg_base_blob_create(artifacts->alloc, content);
    if (entry->content == NULL) {
        elg_base_free(artifacts->alloc, entry, sizeof *entry);
        return elg_base_no_memory(error);
    }
    entry->hash = *hash;
    entry->next = memory->buckets[hash->bytes[0]];
    memory->buckets[hash->bytes[0]] = entry;
    return ELG_OK;
}

static enum elg_status memory_get(struct elg_artifacts *artifacts,
                                  const struct elg_hash *hash, struct elg_buf *out,
                                  struct elg_error *error)
{
    struct entry *entry = find((struct memory *)artifacts, hash);
    if (entry == NULL) {
        char hex[ELG_HASH_HEX_SIZE];
        elg_base_hash_hex(hash, hex);
        return elg_base_fail(error, ELG_NOT_FOUND, hex, "no artifact %s", hex);
    }
    struct elg_bytes content = elg_base_blob_bytes(entry->content);
    elg_base_buf_append(out, content.data, content.size);
    return out->failed ? elg_base_no_memory(error) : ELG_OK;
}

static const struct elg_artifacts_ops MEMORY_OPS = {
    1, memory_destroy, memory_put, memory_get, NULL, NULL};

enum elg_status elg__artifacts_memory_create(const struct elg_alloc *alloc,
                                             struct elg_artifacts **out,
                                             struct elg_error *error)
{
    struct memory *memory = elg_base_calloc(alloc, sizeof *memory);
    if (memory == NULL)
        return elg_base_no_memory(error);
    memory->artifacts.ops = &MEMORY_OPS;
    memory->artifacts.alloc = alloc;
    *out = &memory->artifacts;
    return ELG_OK;
}
