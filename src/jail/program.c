/* program: a graph in a process of its own: loading it, and loading it again into another
 * process from what was read the first time. Provides that part of client.h. */
#include <string.h>

#include "base/limits.h"
#include "jail/client.h"
#include "json/json.h"

#define LOAD_TRIES_MAX 3 /* of a process that is killed from outside while it loads */

static struct elg_jail_program *of(const struct elg_program *program)
{
    return (struct elg_jail_program *)(void *)(uintptr_t)program;
}

/* ---- what is known of a graph here */

static enum elg_status edge_read(struct elg_jail_program *program,
                                 const struct elg_json_value *item,
                                 struct elg_jail_edge *edge, struct elg_error *error)
{
    struct elg_bytes from = elg_json_string(elg_json_get(item, "from"));
    struct elg_bytes key = elg_json_string(elg_json_get(item, "key"));
    if (from.data == NULL || key.data == NULL)
        return elg_base_fail(error, ELG_INVALID, program->entry,
                             "the jailed process described no graph");
    edge->from = elg_base_strndup(program->alloc, (const char *)from.data, from.size);
    edge->key = elg_base_strndup(program->alloc, (const char *)key.data, key.size);
    edge->when = elg_json_bool(elg_json_get(item, "when"), false);
    if (edge->from == NULL || edge->key == NULL)
        return elg_base_no_memory(error);
    return ELG_OK;
}

static enum elg_status edges_read(struct elg_jail_program *program,
                                  struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(
        program->alloc, elg_base_buf_bytes(&program->description), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *list = elg_json_get(elg_json_root(doc), "edges");
    size_t count = elg_json_type(list) == ELG_JSON_TYPE_ARRAY ? elg_json_size(list) : 0;
    program->edges = elg_base_calloc(program->alloc, count * sizeof *program->edges);
    if (program->edges == NULL && count > 0)
        status = elg_base_no_memory(error);
    else
        program->edge_count = count; /* zeroed: destroy may find NULLs */
    for (size_t i = 0; status == ELG_OK && i < count; i++)
        status = edge_read(program, elg_json_at(list, i), &program->edges[i], error);
    elg_json_doc_destroy(doc);
    return status;
}

/* The first description is kept; another process's must be the same. */
static enum elg_status description_take(struct elg_jail_program *program,
                                        struct elg_bytes text, struct elg_error *error)
{
    struct elg_buf *kept = &program->description;
    bool starved = false;
    if (kept->size > 0 && elg_base_bytes_equal(elg_base_buf_bytes(kept), text))
        return ELG_OK;
    bool good = kept->size == 0 && text.size > 0 && text.size <= ELG_STATE_BYTES_MAX &&
                elg_jail_canonical(program->alloc, text, &starved);
    if (starved)
        return elg_base_no_memory(error);
    if (!good)
        return elg_base_fail(error, ELG_INVALID, program->entry,
                             "the jailed process described no graph");
    elg_base_buf_append(kept, text.data, text.size);
    if (elg_base_buf_cstr(kept) == NULL)
        return elg_base_no_memory(error);
    return edges_read(program, error);
}

/* ---- loading */

static enum elg_status load_ended(struct elg_jail_program *program,
                                  enum elg_jail_end *end, struct elg_error *error)
{
    *end = program->child->end;
    if (*end == ELG_JAIL_STARVED)
        return elg_base_no_memory(error);
    return elg_base_fail(error, ELG_ABORTED, program->entry,
                         "the jailed process in which the graph was loaded is no more: "
                         "%s",
                         program->child->why);
}

/* One process, one try. */
static enum elg_status load_once(struct elg_jail_program *program,
                                 const struct elg_program_loader *loader,
                                 enum elg_jail_end *end, struct elg_error *error)
{
    struct elg_jail *jail = program->jail;
    enum elg_jail_message kind;
    struct elg_jail_fields fields;
    enum elg_status status = elg_jail_take_child(jail, &program->child, error);
    if (status == ELG_ABORTED)
        *end = ELG_JAIL_KILLED;
    if (status != ELG_OK)
        return status;
    program->generation = ++jail->generation_count;
    int64_t until_us =
        elg_base_monotonic_us(jail->clock) + (int64_t)ELG_JAIL_LOAD_MS_MAX * 1000;
    struct elg_buf *out = &program->child->out;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_LOAD);
    elg_jail_wire_text(out, program->entry);
    elg_jail_wire_end(out, place);
    if (!elg_jail_ask(program, loader, true, until_us, &kind, &fields))
        return load_ended(program, end, error);
    if (kind == ELG_JAIL_FAILED)
        return elg_jail_failure_read(&fields, error);
    struct elg_bytes text = elg_jail_fields_bytes(&fields);
    if (kind != ELG_JAIL_LOADED || !elg_jail_fields_over(&fields) ||
        program->source_count == 0) {
        elg_jail_child_blame(program->child, "it loaded in no known way");
        return load_ended(program, end, error);
    }
    return description_take(program, text, error);
}

static enum elg_status load(struct elg_jail_program *program,
                            const struct elg_program_loader *loader,
                            enum elg_jail_end *end, struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    for (int i = 0; i < LOAD_TRIES_MAX; i++) {
        *end = ELG_JAIL_LIVES;
        status = load_once(program, loader, end, error);
        if (status != ELG_OK)
            elg_jail_drop_child(program);
        if (status != ELG_ABORTED || *end != ELG_JAIL_KILLED)
            break;
    }
    return status;
}

enum elg_status elg_jail_program_ensure(struct elg_jail_program *program,
                                        enum elg_jail_end *end, struct elg_error *error)
{
    *end = ELG_JAIL_LIVES;
    program->used_at = ++program->jail->use_count;
    if (program->child != NULL && program->child->fd >= 0)
        return ELG_OK;
    elg_jail_drop_child(program);
    return load(program, NULL, end, error);
}

/* ---- making and unmaking */

static enum elg_status fill(struct elg_jail_program *program, const char *entry,
                            const struct elg_program_loader *loader,
                            struct elg_error *error)
{
    enum elg_jail_end end;
    program->entry = elg_base_strndup(program->alloc, entry, strlen(entry));
    program->sources =
        elg_base_calloc(program->alloc, ELG_GRAPH_SOURCES_MAX * sizeof *program->sources);
    if (program->entry == NULL || program->sources == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = load(program, loader, &end, error);
    if (status == ELG_ABORTED && error != NULL)
        error->status = ELG_INVALID;
    return status == ELG_ABORTED ? ELG_INVALID : status;
}

enum elg_status elg_jail_program_create(struct elg_sandbox *box, const char *entry,
                                        const struct elg_program_loader *loader,
                                        struct elg_program **out, struct elg_error *error)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    if (jail->active)
        return elg_base_fail(error, ELG_INTERNAL, "sandbox", "a job is under way");
    struct elg_jail_program *program = elg_base_calloc(jail->alloc, sizeof *program);
    if (program == NULL)
        return elg_base_no_memory(error);
    program->ops = jail->ops;
    program->alloc = jail->alloc;
    program->jail = jail;
    program->references = 1;
    program->used_at = ++jail->use_count;
    elg_base_buf_init(&program->description, jail->alloc);
    program->next = jail->programs;
    jail->programs = program;
    enum elg_status status = fill(program, entry, loader, error);
    if (status == ELG_OK)
        *out = (struct elg_program *)(void *)program;
    else
        elg_jail_program_destroy((struct elg_program *)(void *)program);
    return status;
}

static void free_contents(struct elg_jail_program *program)
{
    const struct elg_alloc *alloc = program->alloc;
    for (size_t i = 0; i < program->source_count; i++) {
        elg_base_strfree(alloc, program->sources[i].path);
        elg_base_buf_fini(&program->sources[i].text);
        elg_base_buf_fini(&program->sources[i].bytecode);
    }
    if (program->sources != NULL)
        elg_base_free(alloc, program->sources,
                      ELG_GRAPH_SOURCES_MAX * sizeof *program->sources);
    for (size_t i = 0; i < program->edge_count; i++) {
        elg_base_strfree(alloc, program->edges[i].from);
        elg_base_strfree(alloc, program->edges[i].key);
    }
    elg_base_free(alloc, program->edges, program->edge_count * sizeof *program->edges);
    elg_base_strfree(alloc, program->entry);
    elg_base_buf_fini(&program->description);
}

void elg_jail_program_unref(struct elg_jail_program *program)
{
    if (--program->references > 0)
        return;
    free_contents(program);
    elg_base_free(program->alloc, program, sizeof *program);
}

void elg_jail_program_destroy(struct elg_program *handle)
{
    struct elg_jail_program *program = of(handle);
    struct elg_jail *jail = program->jail;
    elg_jail_drop_child(program);
    if (jail != NULL) {
        struct elg_jail_program **link = &jail->programs;
        while (*link != program)
            link = &(*link)->next;
        *link = program->next;
        if (jail->active && jail->now.program == program)
            jail->active = false;
    }
    program->jail = NULL;
    elg_jail_program_unref(program);
}

struct elg_bytes elg_jail_program_describe(const struct elg_program *program)
{
    return elg_base_buf_bytes(&of(program)->description);
}

bool elg_jail_program_source(const struct elg_program *program, size_t i,
                             const char **path, struct elg_bytes *source)
{
    const struct elg_jail_program *self = of(program);
    if (i >= self->source_count)
        return false;
    *path = self->sources[i].path;
    *source = elg_base_buf_bytes(&self->sources[i].text);
    return true;
}
